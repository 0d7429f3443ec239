"""Follow two feeds, see that both tell one story, and make a draft of it that names its source; hostile feeds are refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio

from shequn_sdk import AsyncShequn
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.testing.sandbox.server import SandboxServer

BODY = "研究人员跟踪了一万名上班族，发现每天吃早餐的人午后更有精神，也更少吃零食。专家建议早餐要有谷类、蛋类和奶类。"
FEED = """<rss version="2.0"><channel><title>{paper}</title><link>http://{host}/</link>
<item><guid>{paper}-1</guid><title>{title}</title><link>http://{host}{path}/1</link><description>{body}</description></item>
</channel></rss>"""
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><rss version="2.0"><channel><title>&b;</title></channel></rss>'


class Papers(BaseHTTPRequestHandler):
    """Two papers, and two that mean no good."""

    def do_GET(self) -> None:
        host = self.headers["Host"]
        if self.path == "/inside":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/latest/meta-data/")
            self.end_headers()
            return
        pages = {
            "/news": FEED.format(
                paper="健康报", host=host, path="/news", title="早餐吃好，午后有精神", body=BODY
            ),
            "/daily": FEED.format(paper="日报", host=host, path="/daily", title="转载：早餐吃好", body=BODY),
            "/bomb": BOMB,
        }
        body = pages[self.path].encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/rss+xml; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@contextmanager
def papers() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Papers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def main() -> None:
    plugins = load_plugins()
    with papers() as base:
        async with SandboxServer([plugins.sandbox("telegram")]) as sandbox:
            platform = sandbox["telegram"]
            channel = platform.create_channel("健康养生社")
            account = sandbox.account("telegram", name="health_bot")
            async with AsyncShequn.open(accounts=[account], plugins=plugins) as sq:
                for path in ("news", "daily", "inside", "bomb"):
                    # our own machine is a private network: only what is named here may be reached in it
                    feed = await sq.feeds.add(f"{base}/{path}", private=True)
                    [seen] = await sq.feeds.refresh(feed.id)
                    print(f"{path}: {seen.problem or f'{seen.new} new from {seen.title}'}")
                [story] = await sq.feeds.stories()
                print("one story in", " and ".join(item.feed_title for item in story.items))
                draft = await sq.feeds.draft(story.items[0].id, most=60)
                to = [f"health_bot:{channel}"]
                [shown] = await sq.preview(draft.content, to=to)
                print(f"--- preview, nothing is sent yet\n{shown.text}\n---")
                await sq.publish(draft.content, to=to)
        print("published:", platform.messages(channel)[0].text.split("\n")[0])


if __name__ == "__main__":
    anyio.run(main)
