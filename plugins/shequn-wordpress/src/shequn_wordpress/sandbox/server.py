"""The REST API of the sandbox's site: its addresses, and what it says about itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from shequn_wordpress.sandbox.comments import Comments
from shequn_wordpress.sandbox.library import Library
from shequn_wordpress.sandbox.posts import Posts
from shequn_wordpress.sandbox.rest import BASE, Refused

if TYPE_CHECKING:
    from shequn_wordpress.sandbox.sandbox import WordPressSandbox

__all__ = ["application"]

_CHANGES = ("POST", "PUT", "PATCH")
"""Methods that WordPress takes alike for a change."""


def application(sandbox: WordPressSandbox) -> Any:
    """Give the ASGI application of a site."""
    posts, comments, library = Posts(sandbox), Comments(sandbox), Library(sandbox)

    def route(path: str, **methods: Callable[[Request], Any]) -> Route:
        if "CHANGE" in methods:
            methods |= dict.fromkeys(_CHANGES, methods.pop("CHANGE"))

        async def answer(request: Request) -> Response:
            try:
                return await methods["GET" if request.method == "HEAD" else request.method](request)
            except Refused as refused:
                return refused.answer

        return Route(BASE + path, answer, methods=list(methods))

    async def missing(request: Request, _: Exception) -> Response:
        if not request.url.path.partition("/wp-json")[1]:
            return HTMLResponse("<html><h1>Nothing here</h1></html>", status_code=404)
        message = "No route was found matching the URL and request method."
        return JSONResponse(
            {"code": "rest_no_route", "message": message, "data": {"status": 404}}, status_code=404
        )

    async def index(_: Request) -> Response:
        base = sandbox.context.base_url
        login = f"{base}/wp-admin/authorize-application.php"
        about: dict[str, Any] = {
            "name": "健康养生社",
            "description": "",
            "url": base,
            "home": base,
            "gmt_offset": "0",
            "timezone_string": "",
            "namespaces": ["wp/v2"],
            "authentication": {"application-passwords": {"endpoints": {"authorization": login}}},
        }
        return JSONResponse({**about, "routes": {path: {"namespace": "wp/v2"} for path in known}})

    routes = [
        route("/users", GET=library.list_users),
        route("/users/me", GET=library.me),
        route("/users/{id:int}", GET=library.one_user),
        route("/posts", GET=posts.list_posts, POST=posts.create_post),
        route("/posts/{id:int}", GET=posts.get_post, CHANGE=posts.update_post, DELETE=posts.delete_post),
        route("/posts/{id:int}/revisions", GET=posts.revisions),
        route("/posts/{id:int}/revisions/{revision:int}", GET=posts.get_revision),
        route("/comments", GET=comments.list_comments, POST=comments.create_comment),
        route(
            "/comments/{id:int}",
            GET=comments.get_comment,
            CHANGE=comments.update_comment,
            DELETE=comments.delete_comment,
        ),
        route("/media", GET=library.list_media, POST=library.create_media),
        route("/media/{id:int}", GET=library.media, CHANGE=library.update_media, DELETE=library.delete_media),
    ]
    for kind in ("categories", "tags"):
        routes += [
            route(f"/{kind}", GET=library.list_terms, POST=library.create_term),
            route(f"/{kind}/{{id:int}}", GET=library.term, DELETE=library.delete_term),
        ]
    known = [one.path.removeprefix("/wp-json").replace("{id:int}", "(?P<id>[\\d]+)") for one in routes]
    routes += [Route(path, index, methods=["GET"]) for path in ("/wp-json", "/wp-json/", BASE)]
    return Starlette(routes=routes, exception_handlers={404: missing, 405: missing})
