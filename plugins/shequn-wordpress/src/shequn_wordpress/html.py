"""Between Markdown, HTML and plain text."""

from __future__ import annotations

from functools import cache
from html import escape
from html.parser import HTMLParser

from markdown_it import MarkdownIt

from shequn_sdk.domain import Media

__all__ = ["figure", "html_of", "plain_of", "title_of"]

_BLOCKS = frozenset(
    {"p", "br", "li", "div", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "tr", "figure"}
)
_SILENT = frozenset({"script", "style", "template", "noscript"})


@cache
def _markdown() -> MarkdownIt:
    # HTML in the text is shown as text; addresses that run scripts are no links
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def html_of(markdown: str) -> str:
    """Give the HTML of an article's Markdown; nothing of it is carried out that the writer did not mark."""
    return _markdown().render(markdown).strip()


def figure(media: Media, url: str) -> str:
    """Give a picture as WordPress's own editor writes it."""
    return f'<figure class="wp-block-image"><img src="{escape(url)}" alt="{escape(media.alt)}"/></figure>'


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self.silent += 1
        elif tag in _BLOCKS:
            self.out.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self.silent = max(self.silent - 1, 0)
        elif tag in _BLOCKS:
            self.out.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.out.append(data)


def plain_of(html: str) -> str:
    """Give the text of HTML: a line per block, no markup."""
    reader = _Text()
    reader.feed(html)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.out).split("\n"))
    return "\n".join(line for line in lines if line)


def title_of(html: str, *, most: int = 60) -> str:
    """Give a title for a text that has none: its first line, cut at a word or a sign."""
    first = plain_of(html).split("\n", 1)[0]
    if len(first) <= most:
        return first
    cut = max(first.rfind(sign, most // 2, most) for sign in " 。，！？；、")
    return first[: cut if cut > 0 else most].rstrip(" ，、；") + "…"
