"""Files, categories, tags and users of the sandbox's site."""

from __future__ import annotations

import hashlib
import mimetypes
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shequn_wordpress.html import plain_of
from shequn_wordpress.sandbox.rest import Params, Refused, Rest, rendered
from shequn_wordpress.sandbox.state import Attachment, Category, User, gmt

__all__ = ["Library"]

_FILES = frozenset(
    [
        "jpg",
        "jpeg",
        "png",
        "gif",
        "webp",
        "avif",
        "ico",
        "mp3",
        "m4a",
        "ogg",
        "wav",
        "mp4",
        "m4v",
        "mov",
        "webm",
        "pdf",
        "doc",
        "docx",
        "ppt",
        "pptx",
        "xls",
        "xlsx",
        "csv",
        "txt",
        "zip",
    ]
)
"""Suffixes of files that WordPress takes of everybody who may upload."""


class Library(Rest):
    """media, categories, tags and users."""

    # users

    def user_shown(self, user: User) -> dict[str, Any]:
        """Write a user, as strangers see them."""
        return {
            "id": user.id,
            "name": user.name,
            "url": "",
            "description": "",
            "link": f"{self.sandbox.context.base_url}/author/{user.login}/",
            "slug": user.login,
            "avatar_urls": {},
            "meta": [],
            "_links": self.links("users", user.id),
        }

    async def me(self, request: Request) -> Response:
        """Give the account's user, with rights in context edit."""
        self.need(request, "", "rest_not_logged_in", "You are not currently logged in.")
        me = self.sandbox.me
        shown = self.user_shown(me)
        if request.query_params.get("context") == "edit":
            rights = ("edit_posts", "publish_posts", "edit_others_posts", "moderate_comments", "upload_files")
            shown |= {
                "username": me.login,
                "roles": [me.role],
                "capabilities": {one: True for one in rights if me.may(one)},
            }
        return self.answer(await self.params(request), shown)

    async def list_users(self, request: Request) -> Response:
        """Give those who have published something."""
        self.user(request)
        authors = {post.author for post in self.sandbox.posts.values() if post.status == "publish"}
        rows = [user for user in self.sandbox.users.values() if user.id in authors]
        return self.page(request, await self.params(request), rows, self.user_shown)

    async def one_user(self, request: Request) -> Response:
        """Give one user."""
        self.user(request)
        user = self.sandbox.users.get(request.path_params["id"])
        if user is None:
            raise Refused("rest_user_invalid_id", "Invalid user ID.", 404)
        return self.answer(await self.params(request), self.user_shown(user))

    # files

    def file_shown(self, file: Attachment) -> dict[str, Any]:
        """Write a file of the library."""
        base = self.sandbox.context.base_url
        url = f"{base}/wp-content/uploads/{file.filename}"
        at = gmt(file.at)
        return {
            "id": file.id,
            "date": at,
            "date_gmt": at,
            "guid": {"rendered": url},
            "modified": at,
            "modified_gmt": at,
            "slug": file.filename.rpartition(".")[0].lower(),
            "status": "inherit",
            "type": "attachment",
            "link": f"{base}/?attachment_id={file.id}",
            "title": {"raw": file.title, "rendered": file.title},
            "author": self.sandbox.me.id,
            "comment_status": "open",
            "ping_status": "closed",
            "template": "",
            "meta": [],
            "description": {"rendered": ""},
            "caption": {"rendered": rendered(file.caption)},
            "alt_text": file.alt_text,
            "media_type": "image" if file.mime.startswith("image/") else "file",
            "mime_type": file.mime,
            "media_details": {"filesize": len(file.data), "sizes": {}},
            "post": None,
            "source_url": url,
            "_links": self.links("media", file.id),
        }

    async def create_media(self, request: Request) -> Response:
        """Keep a file, sent as the body itself or as the field `file` of a form."""
        self.need(
            request,
            "upload_files",
            "rest_cannot_create",
            "Sorry, you are not allowed to upload media on this site.",
        )
        params = await self.params(request)
        name, mime, data = params.file or await self._sent(request)
        if params.file and not data:
            raise Refused("rest_upload_no_data", "No data supplied.", 400)
        if len(data) > self.sandbox.max_upload:
            raise Refused("rest_upload_file_too_big", "This file is too big.", 400)
        if name.rpartition(".")[2].lower() not in _FILES or "." not in name:
            raise Refused(
                "rest_upload_sideload_error", "Sorry, you are not allowed to upload this file type.", 500
            )
        number = self.sandbox.next_id()
        known = mimetypes.guess_type(name)[0] or mime
        file = Attachment(
            number, f"{number}-{name}", known, data, self.sandbox.now(), name.rpartition(".")[0]
        )
        self.sandbox.media[number] = file
        self._change(file, params)
        return self.answer(params, self.file_shown(file), made="media")

    async def _sent(self, request: Request) -> tuple[str, str, bytes]:
        data = await request.body()
        if not data:
            raise Refused("rest_upload_no_data", "No data supplied.", 400)
        mime = request.headers.get("content-type", "")
        if not mime:
            raise Refused("rest_upload_no_content_type", "No Content-Type supplied.", 400)
        disposition = request.headers.get("content-disposition", "")
        if not disposition:
            raise Refused("rest_upload_no_content_disposition", "No Content-Disposition supplied.", 400)
        name = disposition.partition("filename=")[2].partition(";")[0].strip().strip('"')
        if not name:
            raise Refused(
                "rest_upload_invalid_disposition",
                "Invalid Content-Disposition supplied. Content-Disposition needs to be formatted as "
                '`attachment; filename="image.png"` or similar.',
                400,
            )
        told = request.headers.get("content-md5", "")
        if told and told != hashlib.md5(data, usedforsecurity=False).hexdigest():
            raise Refused("rest_upload_hash_mismatch", "Content hash did not match expected.", 412)
        return name, mime, data

    @staticmethod
    def _change(file: Attachment, params: Params) -> None:
        for name in ("title", "caption", "alt_text"):
            if name in params:
                setattr(file, name, params.text(name))

    def _file(self, request: Request) -> Attachment:
        file = self.sandbox.media.get(request.path_params["id"])
        if file is None:
            raise Refused("rest_post_invalid_id", "Invalid post ID.", 404)
        return file

    async def list_media(self, request: Request) -> Response:
        """Give the files, newest first."""
        self.user(request)
        rows = sorted(self.sandbox.media.values(), key=lambda file: -file.id)
        return self.page(
            request,
            await self.params(request),
            rows,
            self.file_shown,
            past_end="rest_post_invalid_page_number",
        )

    async def media(self, request: Request) -> Response:
        """Give one file."""
        self.user(request)
        return self.answer(await self.params(request), self.file_shown(self._file(request)))

    async def update_media(self, request: Request) -> Response:
        """Change a file's description."""
        file = self._file(request)
        self.need(
            request, "upload_files", "rest_cannot_edit", "Sorry, you are not allowed to edit this post."
        )
        params = await self.params(request)
        self._change(file, params)
        return self.answer(params, self.file_shown(file))

    async def delete_media(self, request: Request) -> Response:
        """Take a file away for good; files know no bin."""
        file = self._file(request)
        self.need(
            request, "upload_files", "rest_cannot_delete", "Sorry, you are not allowed to delete this post."
        )
        if not (await self.params(request)).yes("force"):
            raise _no_bin("The post does")
        del self.sandbox.media[file.id]
        return JSONResponse({"deleted": True, "previous": self.file_shown(file)})

    # categories and tags

    def _terms(self, request: Request) -> tuple[str, dict[int, Category]]:
        kind = "tags" if "/tags" in request.url.path else "categories"
        return kind, self.sandbox.tags if kind == "tags" else self.sandbox.categories

    def _term_shown(self, kind: str) -> Any:
        taxonomy = "post_tag" if kind == "tags" else "category"

        def show(term: Category) -> dict[str, Any]:
            inside = (
                term.id in (post.tags if kind == "tags" else post.categories)
                for post in self.sandbox.posts.values()
                if post.status == "publish"
            )
            shown: dict[str, Any] = {
                "id": term.id,
                "count": sum(inside),
                "description": term.description,
                "link": f"{self.sandbox.context.base_url}/{taxonomy.removeprefix('post_')}/{term.slug}/",
                "name": term.name,
                "slug": term.slug,
                "taxonomy": taxonomy,
                "meta": [],
                "_links": self.links(kind, term.id),
            }
            return shown if kind == "tags" else {**shown, "parent": 0}

        return show

    async def list_terms(self, request: Request) -> Response:
        """Give categories or tags, by name unless another order is asked for."""
        self.user(request)
        kind, terms = self._terms(request)
        params = await self.params(request)
        search, slugs = params.text("search").casefold(), params.texts("slug")
        rows = [
            term
            for term in terms.values()
            if search in term.name.casefold() and (not slugs or term.slug in slugs)
        ]
        by_id = params.text("orderby", "name") == "id"
        last_first = params.one_of("order", "asc", "asc", "desc") == "desc"
        rows.sort(key=lambda term: term.id if by_id else (term.name, term.id), reverse=last_first)
        return self.page(request, params, rows, self._term_shown(kind))

    async def create_term(self, request: Request) -> Response:
        """Make a category or tag."""
        kind, terms = self._terms(request)
        self.need(
            request,
            "edit_posts" if kind == "tags" else "edit_others_posts",
            "rest_cannot_create",
            "Sorry, you are not allowed to create terms in this taxonomy.",
        )
        params = await self.params(request)
        if "name" not in params:
            raise Refused("rest_missing_callback_param", "Missing parameter(s): name", 400, params=["name"])
        name = params.text("name").strip()
        there = next((term for term in terms.values() if term.name.casefold() == name.casefold()), None)
        if there is not None:
            raise Refused(
                "term_exists",
                "A term with the name provided already exists with this parent.",
                400,
                term_id=there.id,
            )
        number = self.sandbox.next_id()
        slug = params.text("slug") or "-".join(plain_of(name).lower().split())
        made = terms[number] = Category(number, name, slug, params.text("description"))
        return self.answer(params, self._term_shown(kind)(made), made=kind)

    def _term(self, request: Request) -> tuple[str, dict[int, Category], Category]:
        kind, terms = self._terms(request)
        found = terms.get(request.path_params["id"])
        if found is None:
            raise Refused("rest_term_invalid", "Term does not exist.", 404)
        return kind, terms, found

    async def term(self, request: Request) -> Response:
        """Give one category or tag."""
        self.user(request)
        kind, _, found = self._term(request)
        return self.answer(await self.params(request), self._term_shown(kind)(found))

    async def delete_term(self, request: Request) -> Response:
        """Take a category or tag away for good."""
        kind, terms, found = self._term(request)
        self.need(
            request,
            "edit_others_posts",
            "rest_cannot_delete",
            "Sorry, you are not allowed to delete this term.",
        )
        if not (await self.params(request)).yes("force"):
            raise _no_bin("Terms do")
        del terms[found.id]
        return JSONResponse({"deleted": True, "previous": self._term_shown(kind)(found)})


def _no_bin(what: str) -> Refused:
    return Refused(
        "rest_trash_not_supported", f"{what} not support trashing. Set 'force=true' to delete.", 501
    )
