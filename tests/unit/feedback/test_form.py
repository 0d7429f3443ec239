"""The web form: what a browser sends becomes feedback; what another site or a flood sends does not."""

import re

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from shequn_sdk import AsyncShequn, Community, InvalidInput
from shequn_sdk.errors import Unavailable
from shequn_sdk.feedback.form import FormApp
from shequn_sdk.feedback.model import Source

HOST = "http://form.example"


class Desk:
    """Takes feedback as the room does: once per key."""

    def __init__(self):
        self.items = {}
        self.now = 1000.0
        self.broken = False

    async def __call__(self, text, kind, key):
        if self.broken:
            raise Unavailable("the store is away")
        self.items.setdefault(key, (text, kind))
        return list(self.items).index(key) + 1


@pytest.fixture
def desk():
    return Desk()


def browser(app, address="192.0.2.1", **headers):
    transport = httpx.ASGITransport(app=app, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url=HOST, headers=headers)


def make(desk, **more):
    return FormApp(desk, title="读书会", clock=lambda: desk.now, **more)


def token(page):
    return re.search(r'name="token" value="([^"]+)"', page.text)[1]


async def fill(client, text="希望能有夜跑活动", **fields):
    page = await client.get("/")
    return await client.post("/", data={"token": token(page), "text": text, "kind": "idea", **fields})


async def test_what_is_written_is_taken_and_thanked_for(desk):
    async with browser(make(desk)) as client:
        page = await client.get("/")
        assert page.status_code == 200
        assert "<script" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"
        assert "SameSite=Strict" in page.headers["set-cookie"]
        done = await fill(client, Origin=HOST)
    assert (done.status_code, "编号 1" in done.text) == (200, True)
    assert list(desk.items.values()) == [("希望能有夜跑活动", "idea")]


async def test_sending_one_page_twice_is_one_item(desk):
    async with browser(make(desk)) as client:
        form = {"token": token(await client.get("/")), "text": "一次"}
        for _ in range(2):
            assert "编号 1" in (await client.post("/", data=form)).text
    assert len(desk.items) == 1


async def test_another_site_cannot_send_it(desk):
    app = make(desk)
    async with browser(app) as victim, browser(app) as attacker:
        await victim.get("/")
        stolen = token(await attacker.get("/"))
        for headers, data in (
            ({}, {"token": stolen, "text": "x"}),
            ({"origin": "https://evil.example"}, {"token": token(await victim.get("/")), "text": "x"}),
            ({"sec-fetch-site": "cross-site"}, {"token": token(await victim.get("/")), "text": "x"}),
            ({}, {"token": "", "text": "x"}),
            ({}, {"token": "99999999999999999999.ab", "text": "x"}),
            ({}, {"text": "x"}),
        ):
            answer = await victim.post("/", data=data, headers=headers)
            assert answer.status_code == 403
            assert 'name="token"' in answer.text
    async with browser(app) as bare:
        assert (await bare.post("/", data={"token": stolen, "text": "x"})).status_code == 403
    assert desk.items == {}


async def test_an_old_page_is_shown_again_with_what_was_written(desk):
    async with browser(make(desk)) as client:
        old = token(await client.get("/"))
        desk.now += 7201
        answer = await client.post("/", data={"token": old, "text": "写了很久"})
        assert (answer.status_code, "写了很久" in answer.text) == (403, True)
        again = await client.post("/", data={"token": token(answer), "text": "写了很久"})
        assert again.status_code == 200
    assert len(desk.items) == 1


async def test_markup_is_shown_as_text(desk):
    app = FormApp(desk, title='<b>"社"</b>', clock=lambda: desk.now)
    async with browser(app) as client:
        answer = await fill(client, "</textarea><script>alert(1)</script>" * 40)
        assert answer.status_code == 422
        assert "<script" not in answer.text
        assert "&lt;script&gt;" in answer.text
        assert "<b>" not in answer.text


async def test_sizes_and_kinds_of_requests(desk):
    async with browser(make(desk)) as client:
        assert (await fill(client, "字" * 1001)).status_code == 422
        assert (await fill(client, "  ")).status_code == 422
        assert (await fill(client, "字" * 20_000)).status_code == 413
        assert (await fill(client, "好", kind="nonsense")).status_code == 200
        assert (await client.post("/", json={"text": "x"})).status_code == 415
        assert (await client.put("/")).status_code == 405
        assert (await client.get("/admin")).status_code == 404
        form = {"content-type": "application/x-www-form-urlencoded"}
        assert (await client.post("/", content=b"text=%ff&token=\xff", headers=form)).status_code in {
            400,
            403,
        }
        assert (await client.post("/", content=b"&".join([b"a=1"] * 50), headers=form)).status_code == 400
        head = await client.head("/")
        assert (head.status_code, head.content) == (200, b"")
        broken = await client.get("/", headers={"cookie": 'feedback_form="\\'})
        assert broken.status_code == 200
    assert list(desk.items.values()) == [("好", "")]


async def test_one_address_cannot_flood_and_is_not_kept(desk):
    app = make(desk, most=3)
    async with browser(app) as client:
        assert [(await fill(client)).status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    async with browser(app, "192.0.2.2") as other:
        assert (await fill(other)).status_code == 200
    assert b"192.0.2" not in repr(vars(app._pace)).encode()
    desk.now += 601
    async with browser(app) as client:
        assert (await fill(client)).status_code == 200


async def test_robots_that_fill_every_field_are_thanked_and_forgotten(desk):
    async with browser(make(desk)) as client:
        assert (await fill(client, website="http://spam.example")).status_code == 200
    assert desk.items == {}


async def test_a_store_that_is_away_loses_nothing_that_was_written(desk):
    desk.broken = True
    async with browser(make(desk)) as client:
        answer = await fill(client, "重要")
        assert (answer.status_code, "重要" in answer.text) == (503, True)


async def test_several_processes_share_a_secret(desk):
    one, two = (make(desk, secret="sixteen letters!") for _ in range(2))
    async with browser(one) as client:
        page = await client.get("/")
        cookie = client.cookies["feedback_form"]
    async with browser(two, cookie=f"feedback_form={cookie}") as client:
        assert (await client.post("/", data={"token": token(page), "text": "x"})).status_code == 200
    with pytest.raises(InvalidInput):
        make(desk, secret="short")
    with pytest.raises(InvalidInput, match="zh"):
        make(desk, language="fr")


@given(
    st.binary(max_size=300),
    st.text(max_size=40).map(lambda one: one.encode("utf-8", "replace").decode("latin-1")),
)
@limits(max_examples=60, deadline=None)
async def test_whatever_is_sent_is_answered(body, cookie):
    desk = Desk()
    sent = []

    async def receive():
        return {"type": "http.request", "body": body}

    async def send(message):
        sent.append(message)

    headers = [
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"cookie", cookie.encode("latin-1", "replace")),
    ]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers, "scheme": "https"}
    await make(desk)(scope, receive, send)
    assert sent[0]["status"] in {400, 403}
    assert desk.items == {}


async def test_a_form_of_the_room(tmp_path):
    async with AsyncShequn.open(home=tmp_path, communities=[Community(name="club", title="读书会")]) as sq:
        app = sq.feedback.form(language="en")
        async with browser(app) as client:
            assert (await fill(client, "It is broken")).status_code == 503, "the community takes none yet"
            await sq.feedback.open()
            assert "读书会 · Feedback" in (await client.get("/")).text
            assert "number 1" in (await fill(client, "打不开报名页", kind="")).text
        (item,) = await sq.feedback.list()
        assert (item.source, item.kind.value, item.member, item.text) == (
            Source.FORM,
            "problem",
            None,
            "打不开报名页",
        )
