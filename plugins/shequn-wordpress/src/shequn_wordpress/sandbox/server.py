"""The REST API of the sandbox's site, with the errors that WordPress gives."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from shequn_wordpress.html import plain_of
from shequn_wordpress.sandbox.state import Attachment, Comment, Old, SitePost, gmt

if TYPE_CHECKING:
    from shequn_wordpress.sandbox.sandbox import WordPressSandbox

__all__ = ["application"]

_STATES = frozenset({"publish", "future", "draft", "pending", "private"})


class _Refused(Exception):
    def __init__(self, code: str, message: str, status: int, **data: Any) -> None:
        super().__init__(code)
        self.answer = JSONResponse(
            {"code": code, "message": message, "data": {"status": status, **data}}, status_code=status
        )


def _rendered(text: str) -> str:
    """Write a comment as WordPress shows it: paragraphs, and no markup that the writer may not use."""
    return f"<p>{escape(text, quote=False)}</p>\n" if text else ""


class _Site:
    def __init__(self, sandbox: WordPressSandbox) -> None:
        self.sandbox = sandbox

    # who asks

    def user(self, request: Request, *, needed: bool) -> bool:
        header = request.headers.get("authorization", "")
        if header and not self.sandbox.allowed(header):
            raise _Refused(
                "incorrect_password", "The provided password is an invalid application password.", 401
            )
        if needed and not header:
            raise _Refused("rest_not_logged_in", "You are not currently logged in.", 401)
        return bool(header)

    def edit(self, request: Request) -> bool:
        known = self.user(request, needed=False)
        if request.query_params.get("context") != "edit":
            return False
        if not known or not self.sandbox.me.may("edit_posts"):
            raise _Refused(
                "rest_forbidden_context", "Sorry, you are not allowed to edit posts in this post type.", 401
            )
        return True

    async def body(self, request: Request) -> dict[str, Any]:
        data = await request.body()
        if not data:
            return {}
        try:
            found = json.loads(data)
        except ValueError:
            raise _Refused("rest_invalid_json", "Invalid JSON body passed.", 400) from None
        return found if isinstance(found, dict) else {}

    # lists

    def page(self, request: Request, rows: Sequence[Any], show: Callable[[Any], dict[str, Any]]) -> Response:
        size = self.whole(request, "per_page", 10, most=100)
        page = self.whole(request, "page", 1, most=10**9)
        pages = math.ceil(len(rows) / size)
        if page > max(pages, 1):
            raise _Refused(
                "rest_post_invalid_page_number",
                "The page number requested is larger than the number of pages available.",
                400,
            )
        shown = [show(row) for row in rows[(page - 1) * size : page * size]]
        fields = request.query_params.get("_fields")
        if fields:
            names = {name.strip() for name in fields.split(",")}
            shown = [{name: value for name, value in row.items() if name in names} for row in shown]
        headers = {"X-WP-Total": str(len(rows)), "X-WP-TotalPages": str(pages)}
        return JSONResponse(shown, headers=headers)

    def whole(self, request: Request, name: str, default: int, *, most: int) -> int:
        value = request.query_params.get(name)
        if value is None:
            return default
        if not value.isdecimal() or not 1 <= int(value) <= most:
            raise self.invalid(name, f"{name} must be between 1 (inclusive) and {most} (inclusive)")
        return int(value)

    def invalid(self, name: str, why: str) -> _Refused:
        return _Refused("rest_invalid_param", f"Invalid parameter(s): {name}", 400, params={name: why})

    def moment(self, request: Request, name: str) -> datetime | None:
        value = request.query_params.get(name)
        if value is None:
            return None
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            raise self.invalid(name, "Invalid date.") from None
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)

    # users

    async def me(self, request: Request) -> Response:
        self.user(request, needed=True)
        me = self.sandbox.me
        shown: dict[str, Any] = {"id": me.id, "name": me.name, "slug": me.login}
        if request.query_params.get("context") == "edit":
            rights = ("edit_posts", "publish_posts", "edit_others_posts", "moderate_comments", "upload_files")
            shown |= {
                "username": me.login,
                "roles": [me.role],
                "capabilities": {one: me.may(one) for one in rights},
            }
        return JSONResponse(shown)

    # posts

    def post(self, request: Request) -> SitePost:
        number = request.path_params["id"]
        post = self.sandbox.posts.get(int(number)) if number.isdecimal() else None
        if post is None:
            raise _Refused("rest_post_invalid_id", "Invalid post ID.", 404)
        return post

    def shown(self, post: SitePost, *, edit: bool) -> dict[str, Any]:
        def both(value: str, rendered: str | None = None) -> dict[str, Any]:
            told = {"rendered": value if rendered is None else rendered}
            return told | {"raw": value} if edit else told

        return {
            "id": post.id,
            "date": gmt(post.date),
            "date_gmt": gmt(post.date),
            "modified": gmt(post.modified),
            "modified_gmt": gmt(post.modified),
            "slug": post.slug,
            "status": post.status,
            "type": "post",
            "link": f"{self.sandbox.context.base_url}/{post.slug}/",
            "title": both(post.title, escape(post.title, quote=False)),
            "content": {**both(post.content), "protected": False},
            "excerpt": both(post.excerpt, _rendered(post.excerpt or plain_of(post.content)[:55])),
            "author": post.author,
            "featured_media": post.featured_media,
            "comment_status": post.comment_status,
            "categories": post.categories,
        }

    async def list_posts(self, request: Request) -> Response:
        edit = self.edit(request)
        known = self.user(request, needed=False)
        self.sandbox.publish_due()
        query = request.query_params
        states = set(query.get("status", "publish").split(","))
        if not states <= _STATES:
            raise self.invalid("status[0]", "status is not one of the allowed values")
        if states != {"publish"} and not (known and self.sandbox.me.may("edit_posts")):
            raise _Refused(
                "rest_invalid_param",
                "Invalid parameter(s): status",
                400,
                params={"status": "Status is forbidden."},
            )
        rows = [post for post in self.sandbox.posts.values() if post.status in states]
        slugs = query.get("slug")
        if slugs:
            rows = [post for post in rows if post.slug in slugs.split(",")]
        search = query.get("search", "").casefold()
        if search:
            rows = [post for post in rows if search in f"{post.title}\n{post.content}".casefold()]
        after, changed = self.moment(request, "after"), self.moment(request, "modified_after")
        rows = [
            post
            for post in rows
            if (after is None or post.date > after) and (changed is None or post.modified > changed)
        ]
        rows.sort(key=lambda post: (post.date, post.id), reverse=query.get("order", "desc") == "desc")
        return self.page(request, rows, lambda post: self.shown(post, edit=edit))

    async def create_post(self, request: Request) -> Response:
        self.user(request, needed=True)
        body = await self.body(request)
        me = self.sandbox.me
        if not me.may("edit_posts"):
            raise _Refused(
                "rest_cannot_create", "Sorry, you are not allowed to create posts as this user.", 403
            )
        fields = self.fields(body)
        fields.setdefault("status", "draft")
        if not (fields.get("title") or fields.get("content") or fields.get("excerpt")):
            raise _Refused("empty_content", "Content, title, and excerpt are empty.", 400)
        self.publishing(fields)
        post = self.sandbox.new_post(me, **fields)
        return JSONResponse(self.shown(post, edit=True), status_code=201)

    def fields(self, body: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in ("title", "content", "excerpt", "slug", "status"):
            if name in body:
                value = body[name]
                value = value.get("raw", "") if isinstance(value, dict) else value  # pyright: ignore[reportUnknownVariableType]
                if not isinstance(value, str):
                    raise self.invalid(name, f"{name} is not of type string.")
                found[name] = value
        if "status" in found and found["status"] not in _STATES:
            raise self.invalid("status", "status is not one of the allowed values")
        if "date_gmt" in body:
            try:
                at = datetime.fromisoformat(str(body["date_gmt"]))
            except ValueError:
                raise _Refused("rest_invalid_date", "Invalid date.", 400) from None
            found["date"] = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        if "categories" in body:
            # as WordPress does: what is no category is left out without a word
            found["categories"] = [one for one in body["categories"] if one in self.sandbox.categories]
        if "featured_media" in body:
            if body["featured_media"] not in {0, *self.sandbox.media}:
                raise _Refused("rest_invalid_featured_media", "Invalid featured media ID.", 400)
            found["featured_media"] = body["featured_media"]
        return found

    def publishing(self, fields: dict[str, Any]) -> None:
        status = fields.get("status")
        if status in {"publish", "future", "private"} and not self.sandbox.me.may("publish_posts"):
            raise _Refused(
                "rest_cannot_publish", "Sorry, you are not allowed to publish posts in this post type.", 403
            )
        later = fields.get("date") is not None and fields["date"] > self.sandbox.now()
        if status == "future" and not later:
            fields["status"] = "publish"
        elif status == "publish" and later:
            fields["status"] = "future"

    async def get_post(self, request: Request) -> Response:
        edit = self.edit(request)
        self.sandbox.publish_due()
        post = self.post(request)
        if post.status != "publish" and not self.user(request, needed=False):
            raise _Refused("rest_forbidden", "Sorry, you are not allowed to do that.", 401)
        return JSONResponse(self.shown(post, edit=edit))

    async def update_post(self, request: Request) -> Response:
        self.user(request, needed=True)
        post = self.post(request)
        if post.author != self.sandbox.me.id and not self.sandbox.me.may("edit_others_posts"):
            raise _Refused("rest_cannot_edit", "Sorry, you are not allowed to edit this post.", 403)
        fields = self.fields(await self.body(request))
        self.publishing(fields)
        before = (post.title, post.content, post.excerpt)
        for name, value in fields.items():
            setattr(post, name, value)
        if before != (post.title, post.content, post.excerpt):
            now = self.sandbox.now()
            post.old.append(Old(self.sandbox.next_id(), self.sandbox.me.id, post.modified, *before))
            post.modified = now
        return JSONResponse(self.shown(post, edit=True))

    async def delete_post(self, request: Request) -> Response:
        self.user(request, needed=True)
        post = self.post(request)
        if post.author != self.sandbox.me.id and not self.sandbox.me.may("edit_others_posts"):
            raise _Refused("rest_cannot_delete", "Sorry, you are not allowed to delete this post.", 403)
        if request.query_params.get("force") == "true":
            del self.sandbox.posts[post.id]
            return JSONResponse({"deleted": True, "previous": self.shown(post, edit=True)})
        if post.status == "trash":
            raise _Refused("rest_already_trashed", "The post has already been deleted.", 410)
        post.status, post.slug = "trash", f"{post.slug}__trashed"
        return JSONResponse(self.shown(post, edit=True))

    async def revisions(self, request: Request) -> Response:
        self.user(request, needed=True)
        post = self.post(request)
        return self.page(request, list(reversed(post.old)), lambda old: self.revision(post, old))

    async def get_revision(self, request: Request) -> Response:
        self.user(request, needed=True)
        post = self.post(request)
        wanted = request.path_params["revision"]
        old = next((one for one in post.old if str(one.id) == wanted), None)
        if old is None:
            raise _Refused("rest_post_invalid_id", "Invalid revision ID.", 404)
        return JSONResponse(self.revision(post, old))

    def revision(self, post: SitePost, old: Old) -> dict[str, Any]:
        texts = {
            name: {"raw": getattr(old, name), "rendered": getattr(old, name)}
            for name in ("title", "content", "excerpt")
        }
        times = {name: gmt(old.at) for name in ("date", "date_gmt", "modified", "modified_gmt")}
        return {"id": old.id, "parent": post.id, "author": old.author, **times, **texts}

    # comments

    def comment_shown(self, comment: Comment) -> dict[str, Any]:
        return {
            "id": comment.id,
            "post": comment.post,
            "parent": comment.parent,
            "author": comment.author,
            "author_name": comment.author_name,
            "date": gmt(comment.date),
            "date_gmt": gmt(comment.date),
            "content": {"rendered": _rendered(comment.content)},
            "status": comment.status,
            "type": "comment",
        }

    async def list_comments(self, request: Request) -> Response:
        self.user(request, needed=False)
        after = self.moment(request, "after")
        wanted = request.query_params.get("post")
        rows = [
            one
            for one in self.sandbox.comments.values()
            if one.status == "approved"
            and (wanted is None or str(one.post) in wanted.split(","))
            and (after is None or one.date > after)
        ]
        rows.sort(
            key=lambda one: (one.date, one.id), reverse=request.query_params.get("order", "desc") == "desc"
        )
        return self.page(request, rows, self.comment_shown)

    async def create_comment(self, request: Request) -> Response:
        self.user(request, needed=True)
        body = await self.body(request)
        post = self.sandbox.posts.get(body.get("post", 0))
        text = str(body.get("content", ""))
        sorry = "Sorry, you are not allowed to create this comment without a post."
        if post is None:
            raise _Refused("rest_comment_invalid_post_id", sorry, 403)
        if post.status in {"draft", "trash"}:
            raise _Refused(f"rest_comment_{post.status}_post", sorry, 403)
        if post.comment_status != "open":
            raise _Refused("rest_comment_closed", "Sorry, comments are closed for this item.", 403)
        if not text.strip():
            raise _Refused("rest_comment_content_invalid", "Invalid comment content.", 400)
        if len(text.encode()) > 65_525:
            raise _Refused(
                "comment_content_column_length", "Comment field exceeds maximum length allowed.", 400
            )
        me = self.sandbox.me
        same = (
            one
            for one in self.sandbox.comments.values()
            if (one.post, one.author, one.content) == (post.id, me.id, text) and one.status != "trash"
        )
        if next(same, None) is not None:
            raise _Refused(
                "comment_duplicate",
                "Duplicate comment detected; it looks as though you've already said that!",
                409,
            )
        parent = int(body.get("parent", 0))
        made = Comment(self.sandbox.next_id(), post.id, parent, me.id, me.name, text, self.sandbox.now())
        self.sandbox.comments[made.id] = made
        return JSONResponse(self.comment_shown(made), status_code=201)

    async def delete_comment(self, request: Request) -> Response:
        self.user(request, needed=True)
        number = request.path_params["id"]
        comment = self.sandbox.comments.get(int(number)) if number.isdecimal() else None
        if comment is None:
            raise _Refused("rest_comment_invalid_id", "Invalid comment ID.", 404)
        if comment.status == "trash":
            raise _Refused("rest_already_trashed", "The comment has already been trashed.", 410)
        comment.status = "trash"
        return JSONResponse(self.comment_shown(comment))

    # files and categories

    def file_shown(self, file: Attachment) -> dict[str, Any]:
        return {
            "id": file.id,
            "mime_type": file.mime,
            "alt_text": file.alt_text,
            "source_url": f"{self.sandbox.context.base_url}/wp-content/uploads/{file.filename}",
        }

    async def create_media(self, request: Request) -> Response:
        self.user(request, needed=True)
        if not self.sandbox.me.may("upload_files"):
            raise _Refused(
                "rest_cannot_create", "Sorry, you are not allowed to upload media on this site.", 400
            )
        data = await request.body()
        disposition = request.headers.get("content-disposition", "")
        if not data:
            raise _Refused("rest_upload_no_data", "No data supplied.", 400)
        if "filename=" not in disposition:
            raise _Refused("rest_upload_no_content_disposition", "No Content-Disposition supplied.", 400)
        if len(data) > self.sandbox.max_upload:
            raise _Refused("rest_upload_file_too_big", "This file is too big.", 400)
        mime = request.headers.get("content-type", "")
        if not mime.startswith("image/"):
            raise _Refused(
                "rest_upload_sideload_error", "Sorry, you are not allowed to upload this file type.", 500
            )
        name = disposition.partition("filename=")[2].strip('"')
        number = self.sandbox.next_id()
        file = self.sandbox.media[number] = Attachment(number, f"{number}-{name}", mime, data)
        return JSONResponse(self.file_shown(file), status_code=201)

    async def media(self, request: Request) -> Response:
        self.user(request, needed=request.method == "POST")
        number = request.path_params["id"]
        file = self.sandbox.media.get(int(number)) if number.isdecimal() else None
        if file is None:
            raise _Refused("rest_post_invalid_id", "Invalid post ID.", 404)
        if request.method == "POST":
            file.alt_text = str((await self.body(request)).get("alt_text", file.alt_text))
        return JSONResponse(self.file_shown(file))

    async def list_categories(self, request: Request) -> Response:
        rows = sorted(self.sandbox.categories.values(), key=lambda one: one.id)
        return self.page(request, rows, self.category_shown)

    async def category(self, request: Request) -> Response:
        number = request.path_params["id"]
        found = self.sandbox.categories.get(int(number)) if number.isdecimal() else None
        if found is None:
            raise _Refused("rest_term_invalid", "Term does not exist.", 404)
        return JSONResponse(self.category_shown(found))

    def category_shown(self, category: Any) -> dict[str, Any]:
        return {
            "id": category.id,
            "name": category.name,
            "slug": category.slug,
            "description": category.description,
        }


def application(sandbox: WordPressSandbox) -> Any:
    """Give the ASGI application of a site."""
    site = _Site(sandbox)
    base = "/wp-json/wp/v2"

    def route(path: str, **methods: Callable[[Request], Any]) -> Route:
        async def answer(request: Request) -> Response:
            try:
                return await methods[request.method](request)
            except _Refused as refused:
                return refused.answer

        return Route(base + path, answer, methods=list(methods))

    async def missing(request: Request, _: Exception) -> Response:
        if not request.url.path.partition(base)[1]:
            return HTMLResponse("<html><h1>Nothing here</h1></html>", status_code=404)
        body = {"code": "rest_no_route", "message": "No route was found.", "data": {"status": 404}}
        return JSONResponse(body, status_code=404)

    return Starlette(
        routes=[
            route("/users/me", GET=site.me),
            route("/posts", GET=site.list_posts, POST=site.create_post),
            route("/posts/{id}", GET=site.get_post, POST=site.update_post, DELETE=site.delete_post),
            route("/posts/{id}/revisions", GET=site.revisions),
            route("/posts/{id}/revisions/{revision}", GET=site.get_revision),
            route("/comments", GET=site.list_comments, POST=site.create_comment),
            route("/comments/{id}", DELETE=site.delete_comment),
            route("/media", POST=site.create_media),
            route("/media/{id}", GET=site.media, POST=site.media),
            route("/categories", GET=site.list_categories),
            route("/categories/{id}", GET=site.category),
        ],
        exception_handlers={404: missing},
    )
