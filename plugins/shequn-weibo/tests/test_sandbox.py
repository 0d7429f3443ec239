"""The local Weibo as other clients see it: token forms, paging, limits, levels, errors."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

LINK = "https://club.example.com/d7"


class Client:
    """Speaks like the well-known clients: token as parameter, or in the header."""

    def __init__(self, weibo, *, header=True, token=""):
        self.told = weibo.sandbox.describe()
        self.token = token or self.told["token"]
        self.header = header

    async def call(self, method, path, files=None, **fields):
        headers = {"Authorization": f"OAuth2 {self.token}"} if self.header else {}
        if not self.header:
            fields["access_token"] = self.token
        async with httpx.AsyncClient(base_url=self.told["base_url"]) as http:
            if method == "GET":
                return await http.get(f"/{path}.json", params=fields, headers=headers)
            return await http.post(f"/{path}.json", data=fields, files=files, headers=headers)

    async def get(self, path, **fields):
        return (await self.call("GET", path, **fields)).json()

    async def post(self, path, files=None, **fields):
        return (await self.call("POST", path, files, **fields)).json()


@pytest.mark.parametrize("header", [True, False])
async def test_token_by_header_or_parameter(weibo, header):
    client = Client(weibo, header=header)
    assert await client.get("account/get_uid") == {"uid": 1000000001}
    made = await client.post("statuses/share", status=f"共读 {LINK}", rip="203.0.113.9")
    assert made["idstr"] == str(made["id"]) == made["mid"]
    assert made["created_at"].endswith("+0800 2026")
    picture = {"pic": ("hidden", b"GIF89a" + b"0" * 30, "image/gif")}
    assert (await client.post("statuses/share", files=picture, status=f"图 {LINK}"))["pic_urls"]


@pytest.mark.parametrize(
    ("method", "path", "fields", "code", "status"),
    [
        ("POST", "statuses/share", {"status": "没有链接"}, 10017, 400),
        ("POST", "statuses/share", {"status": ""}, 10016, 400),
        ("POST", "statuses/share", {"status": f"{'汉' * 140} {LINK}"}, 20012, 400),
        ("GET", "statuses/share", {}, 10021, 400),
        ("POST", "statuses/update", {"status": "x"}, 10014, 403),
        ("GET", "search/topics", {"q": "x"}, 10020, 400),
        ("GET", "statuses/user_timeline", {"uid": "424242"}, 20003, 400),
        ("GET", "statuses/show", {"id": "17"}, 20101, 400),
        ("GET", "statuses/count", {}, 20001, 400),
        ("GET", "statuses/count", {"ids": ",".join(map(str, range(101)))}, 20009, 400),
        ("GET", "statuses/mentions", {"since_id": "x"}, 10017, 400),
        ("POST", "comments/create", {"id": "17", "comment": "x"}, 20101, 400),
        ("POST", "comments/destroy", {"cid": "17"}, 20201, 400),
        ("POST", "friendships/create", {"uid": "1"}, 10014, 403),
        ("POST", "messages/reply", {}, 10014, 403),
    ],
)
async def test_refusals(weibo, method, path, fields, code, status):
    answer = await Client(weibo).call(method, path, **fields)
    assert answer.status_code == status
    body = answer.json()
    assert body["error_code"] == code
    assert body["request"] == f"/{path}.json"
    assert body["error"]


async def test_bad_tokens(start_weibo):
    weibo = await start_weibo(token_seconds=3600, string_codes=True)
    assert (await Client(weibo, token="2.00wrong").get("account/get_uid"))["error_code"] == "21332"
    weibo.clock.advance(timedelta(hours=1))
    answer = await Client(weibo).get("account/get_uid")
    assert (answer["error_code"], answer["error"]) == ("21327", "expired_token")
    async with httpx.AsyncClient() as http:
        told = weibo.sandbox.describe()
        assert (await http.get(f"{told['base_url']}/account/get_uid.json")).json()["error_code"] == "10006"
        assert (await http.get(f"{told['base_url']}/account/get_uid")).json()["error_code"] == "10020"
        info = await http.post(f"{told['oauth_url']}/get_token_info", data={"access_token": told["token"]})
        assert info.json()["error_code"] == "21327"
        page = {"client_id": told["app_key"], "redirect_uri": "https://evil.example/"}
        mismatch = (await http.get(f"{told['oauth_url']}/authorize", params=page)).json()
        assert (mismatch["error_code"], mismatch["error"]) == ("21322", "redirect_uri_mismatch")


async def test_paging_by_id(weibo):
    client = Client(weibo)
    person = weibo.person()
    ids = [int(weibo.sandbox.say(weibo.uid, person, f"第 {number}")) for number in range(7)]
    page = await client.get("statuses/mentions", count=3)
    assert [row["id"] for row in page["statuses"]] == ids[:3:-1]
    assert (page["total_number"], page["next_cursor"]) == (7, 0)
    below = await client.get("statuses/mentions", max_id=ids[4], count=2)
    assert [row["id"] for row in below["statuses"]] == [ids[4], ids[3]], "max_id is inclusive"
    above = await client.get("statuses/mentions", since_id=ids[4])
    assert [row["id"] for row in above["statuses"]] == [ids[6], ids[5]], "since_id is exclusive"
    second = await client.get("statuses/mentions", count=3, page=2)
    assert [row["id"] for row in second["statuses"]] == [ids[3], ids[2], ids[1]]


async def test_own_timeline_shows_five(weibo):
    client = Client(weibo)
    for number in range(7):
        await client.post("statuses/share", status=f"第 {number} 天 #共读# {LINK}")
    page = await client.get("statuses/user_timeline")
    assert (len(page["statuses"]), page["total_number"]) == (5, 7)
    assert "#" not in page["statuses"][0]["text"]
    trimmed = await client.get("statuses/user_timeline", trim_user=1)
    assert trimmed["statuses"][0]["uid"] == 1000000001


async def test_hidden_authors_are_counted_but_not_shown(start_weibo):
    weibo = await start_weibo(authorised_share=0.0)
    weibo.sandbox.say(weibo.uid, weibo.person(), "看")
    page = await Client(weibo).get("statuses/mentions")
    assert (page["statuses"], page["total_number"]) == ([], 1)


async def test_followers_five_at_a_time(weibo):
    for number in range(9):
        weibo.sandbox.join(weibo.uid, weibo.person(number))
    client, found, cursor = Client(weibo), [], 0
    while True:
        page = await client.get("friendships/followers", uid=weibo.uid, count=200, cursor=cursor)
        assert len(page["users"]) <= 5
        found += [user["idstr"] for user in page["users"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert len(set(found)) == page["total_number"] == 11
    assert (await client.get("friendships/followers/ids"))["ids"] == [int(uid) for uid in found[:5]]


async def test_counters_and_unread(weibo):
    client = Client(weibo)
    post = await client.post("statuses/share", status=f"共读 {LINK}")
    weibo.sandbox.say(weibo.uid, weibo.person(), "打卡", reply_to=post["idstr"])
    weibo.sandbox.say(weibo.uid, weibo.person(), "看")
    weibo.sandbox.join(weibo.uid, weibo.person())
    unread = await client.get("remind/unread_count", uid=weibo.uid)
    assert (unread["cmt"], unread["mention_status"], unread["follower"]) == (1, 1, 1)
    await client.post("remind/set_count", type="cmt")
    assert (await client.get("remind/unread_count"))["cmt"] == 0
    ids = f"{post['id']},17"
    assert await client.get("statuses/count", ids=ids) == [
        {"id": post["id"], "comments": 1, "reposts": 0, "attitudes": 0}
    ]
    mid = (await client.get("statuses/querymid", id=post["id"], type=1))["mid"]
    assert (await client.get("statuses/queryid", mid=mid, type=1, isBase62=1))["id"] == post["idstr"]


async def test_limits_are_told_as_they_are_kept(start_weibo):
    weibo = await start_weibo(user_limit=3, ip_limit=5)
    client = Client(weibo)
    for left in (3, 2, 1):
        told = await client.get("account/rate_limit_status")
        assert told["remaining_user_hits"] == left
        await client.get("account/get_uid")
    answer = await client.call("GET", "account/get_uid")
    assert (answer.status_code, answer.json()["error_code"]) == (403, 10023)
    assert (await client.get("account/rate_limit_status"))["reset_time_in_seconds"] == 12 * 3600
    assert "cmt" in await client.get("remind/unread_count")
    weibo.clock.advance(timedelta(hours=12))
    for _ in range(3):
        assert "uid" in await client.get("account/get_uid")


async def test_limits_of_one_address(start_weibo):
    weibo = await start_weibo(ip_limit=2)
    client = Client(weibo)
    for _ in range(2):
        await client.get("account/get_uid")
    assert (await client.get("account/get_uid"))["error_code"] == 10022
    weibo.clock.advance(timedelta(hours=1))
    assert "uid" in await client.get("account/get_uid")


async def test_sixty_comments_an_hour_and_no_echo(weibo):
    client = Client(weibo)
    post = await client.post("statuses/share", status=f"共读 {LINK}")
    for number in range(60):
        assert "id" in await client.post("comments/create", id=post["id"], comment=f"第 {number}")
    assert (await client.post("comments/create", id=post["id"], comment="太多"))["error_code"] == 10024
    weibo.clock.advance(timedelta(hours=1))
    assert "id" in await client.post("comments/create", id=post["id"], comment="好")
    assert (await client.post("comments/create", id=post["id"], comment="好"))["error_code"] == 20019


async def test_a_post_leads_to_its_page(weibo):
    client = Client(weibo)
    made = await client.post("statuses/share", status=f"共读 {LINK}", rip="203.0.113.9")
    answer = await client.call("GET", "statuses/go", uid=1000000001, id="3501756485200075")
    assert (answer.status_code, answer.headers["location"]) == (302, "https://weibo.com/1000000001/z0JH2lOMb")
    assert (await client.get("statuses/go", uid=1, id="x"))["error_code"] == 10017
    assert (await client.get("users/domain_show", domain="club"))["error_code"] == 20003
    assert made["id"]


async def test_a_picture_as_other_clients_write_it(weibo):
    """sinaweibopy's own multipart: a length in each part's head, no line break at the end."""
    picture = b"\x89PNG\r\n\x1a\n" + b"0" * 64
    head = f'Content-Disposition: form-data; name="pic"; filename="hidden"\r\nContent-Length: {len(picture)}'
    parts = [
        b'--b0\r\nContent-Disposition: form-data; name="status"\r\n',
        f"读图 {LINK}".encode(),
        b'--b0\r\nContent-Disposition: form-data; name="access_token"\r\n',
        weibo.sandbox.describe()["token"].encode(),
        f"--b0\r\n{head}\r\nContent-Type: application/octet-stream\r\n".encode(),
        picture,
        b"--b0--\r\n",
    ]
    async with httpx.AsyncClient() as client:
        answer = await client.post(
            f"{weibo.sandbox.describe()['base_url']}/statuses/share.json",
            content=b"\r\n".join(parts),
            headers={"content-type": "multipart/form-data; boundary=b0"},
        )
    assert answer.status_code == 200
    assert answer.json()["original_pic"]
