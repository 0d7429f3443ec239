"""Feeds of every form, broken ones and hostile ones."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shequn_sdk.errors import InvalidInput
from shequn_sdk.feeds.reading import MOST_ITEMS, parse_feed, plain_text

URL = "https://blog.example/feed.xml"
RSS2 = """<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/" xmlns:content="http://purl.org/rss/1.0/modules/content/"
 xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel><title>健康 &amp; 生活</title><link>https://blog.example/</link><description>d</description>
<item><title>早餐&lt;b&gt;怎么&lt;/b&gt;吃</title><link>/2026/1?utm_source=rss</link><guid isPermaLink="false">tag:1</guid>
<pubDate>Sat, 21 Nov 2026 14:00:00 +0800</pubDate><dc:creator>林小满</dc:creator><category>饮食</category><category>饮食</category>
<description>摘要</description>
<content:encoded><![CDATA[<p>第一段。</p><script>alert(1)</script><p>第二段&nbsp;<a href="x">链接</a></p>
<img src="https://blog.example/t.gif" width="1"><img src="/a.jpg">]]></content:encoded></item>
<item><title>第二篇</title><link>javascript:alert(1)</link><enclosure url="https://blog.example/b.png" type="image/png" length="1"/></item>
<item><description>没有标题的一条。后面的话</description></item>
<item></item>
</channel></rss>"""
ATOM = """<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Atom</title><link href="https://a.example/"/>
<entry><id>urn:1</id><title type="html">One &amp;amp; two</title><link href="https://a.example/1"/><updated>2026-11-21T06:00:00Z</updated>
<author><name>A</name></author><summary>s</summary></entry></feed>"""
RSS1 = """<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">
<channel rdf:about="https://r.example/"><title>RDF</title><link>https://r.example/</link></channel>
<item rdf:about="https://r.example/1"><title>One</title><link>https://r.example/1</link></item></rdf:RDF>"""
RSS091 = """<?xml version="1.0"?><!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://my.netscape.com/publish/formats/rss-0.91.dtd">
<rss version="0.91"><channel><title>Old</title><link>https://o.example/</link><item><title>x</title><link>https://o.example/x</link></item></channel></rss>"""


def read(text: str | bytes, **headers):
    return parse_feed(text.encode() if isinstance(text, str) else text, url=URL, headers=headers or None)


def test_rss_2():
    feed = read(RSS2)
    assert (feed.title, feed.site) == ("健康 & 生活", "https://blog.example/")
    first, second, third = feed.items
    assert (first.title, first.key, first.author) == ("早餐怎么吃", "tag:1", "林小满")
    assert first.url == "https://blog.example/2026/1?utm_source=rss"
    assert first.text == "第一段。\n\n第二段 链接"
    assert first.image == "https://blog.example/a.jpg"
    assert first.categories == ("饮食",)
    assert first.published_at == datetime(2026, 11, 21, 6, tzinfo=UTC)
    assert (second.url, second.image, second.published_at) == ("", "https://blog.example/b.png", None)
    assert third.title == "没有标题的一条。后面的话"


@pytest.mark.parametrize(
    ("text", "title", "item", "url"),
    [
        (ATOM, "Atom", "One & two", "https://a.example/1"),
        (RSS1, "RDF", "One", "https://r.example/1"),
        (RSS091, "Old", "x", "https://o.example/x"),
    ],
)
def test_other_forms(text, title, item, url):
    feed = read(text)
    assert (feed.title, feed.items[0].title, feed.items[0].url) == (title, item, url)


def test_encodings():
    gbk = RSS2.replace("utf-8", "gb2312").encode("gb18030")
    assert read(gbk).items[0].title == "早餐怎么吃"
    assert read(RSS2.replace("utf-8", "utf-16").encode("utf-16")).items[0].title == "早餐怎么吃"


def test_broken_markup_is_read_as_far_as_it_goes():
    cut = (
        RSS2[: RSS2.index("<item><description>")] + "<item><title>x & y</title><link>https://b.example/9</li"
    )
    assert [item.title for item in read(cut).items][:2] == ["早餐怎么吃", "第二篇"]
    assert read(RSS2.replace("健康 &amp;", "健康 &")).items


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html><body>hi</body></html>",
        "{}",
        "not a feed at all",
        "<?xml version='1.0'?><a/>",
        "\x00\x01\x02",
        "https://inside.example/feed",
        "/etc/passwd",
    ],
)
def test_what_is_no_feed(text):
    with pytest.raises(InvalidInput):
        read(text)


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{("&" + chr(97 + n) + ";") * 10}">' for n in range(9))
    + ']><rss version="2.0"><channel><title>&j;</title></channel></rss>'
)
EXTERNAL = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    "<rss version='2.0'><channel><title>&e;</title><item><title>&e;</title></item></channel></rss>"
)


@pytest.mark.parametrize("text", [LAUGHS, EXTERNAL, LAUGHS.replace("<!ENTITY", "<! entity")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "utf-32"])
def test_entities_of_their_own_are_refused(text, encoding):
    with pytest.raises(InvalidInput, match="entities"):
        read(text.encode(encoding))


def test_external_documents_are_not_fetched(monkeypatch):
    import socket

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("something was fetched"))
    assert read(RSS091).title == "Old"


def test_huge_feeds_are_cut():
    items = "".join(
        f"<item><guid>{n}</guid><title>{'长' * 3000}</title><description>{'x' * 100}</description></item>"
        for n in range(700)
    )
    feed = read(f"<rss version='2.0'><channel><title>t</title>{items}</channel></rss>")
    assert len(feed.items) == MOST_ITEMS
    assert len(feed.items[0].title) == 500
    deep = "<rss version='2.0'><channel>" + "<a>" * 50_000
    with contextlib.suppress(InvalidInput):
        read(deep)


def test_keys_of_any_length_and_the_same_twice():
    long = "k" * 5000
    feed = read(
        f"<rss version='2.0'><channel><title>t</title><item><guid>{long}</guid><title>a</title></item>"
        "<item><guid>1</guid><title>b</title></item><item><guid>1</guid><title>c</title></item></channel></rss>"
    )
    assert [item.title for item in feed.items] == ["a", "b"]
    assert len(feed.items[0].key) < 100


def test_text_turns_and_controls_nothing():
    text, _ = plain_text("a\u202eevil\u2066x\x1b[31mred\x07 👨‍👩‍👧 <b>é</b>")
    assert text == "aevilx[31mred 👨‍👩‍👧 é"
    assert plain_text("<style>p{}</style><svg><script>1</script></svg>ok")[0] == "ok"
    assert plain_text("<p>a<p>b<br>c")[0] == "a\n\nb\nc"


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200), st.binary(max_size=200))
def test_anything_is_a_feed_or_a_typed_error(text, raw):
    for data in (raw, f"<rss version='2.0'><channel><item><title>{text}".encode()):
        try:
            feed = read(data)
        except InvalidInput:
            continue
        for item in feed.items:
            assert item.title or item.url
            assert "\x1b" not in item.title + item.text
