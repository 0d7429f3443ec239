"""Posts of the sandbox's site, with revisions and rights."""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shequn_wordpress.html import plain_of
from shequn_wordpress.sandbox.rest import STATES, Params, Refused, Rest, invalid, rendered
from shequn_wordpress.sandbox.state import Old, SitePost, gmt

__all__ = ["Posts"]

_ORDERS = ("date", "id", "modified", "title", "slug", "author", "include", "relevance")


class Posts(Rest):
    """posts, and their revisions."""

    def post(self, request: Request) -> SitePost:
        """Give the post of the path."""
        post = self.sandbox.posts.get(request.path_params["id"])
        if post is None:
            raise Refused("rest_post_invalid_id", "Invalid post ID.", 404)
        return post

    def shown(self, post: SitePost, *, edit: bool) -> dict[str, Any]:
        """Write a post; with its raw forms for who may edit it."""

        def both(value: str, shown: str | None = None) -> dict[str, Any]:
            told = {"rendered": value if shown is None else shown}
            return told | {"raw": value} if edit else told

        base = self.sandbox.context.base_url
        plain = f"{base}/?p={post.id}"
        return {
            "id": post.id,
            "date": gmt(post.date),
            "date_gmt": gmt(post.date),
            "guid": both(plain),
            "modified": gmt(post.modified),
            "modified_gmt": gmt(post.modified),
            "slug": post.slug,
            "status": post.status,
            "type": "post",
            "link": f"{base}/{post.slug}/" if post.slug and post.status in {"publish", "private"} else plain,
            "title": both(post.title, escape(post.title, quote=False)),
            "content": {**both(post.content), "protected": False},
            "excerpt": {
                **both(post.excerpt, rendered(post.excerpt or plain_of(post.content)[:55])),
                "protected": False,
            },
            "author": post.author,
            "featured_media": post.featured_media,
            "comment_status": post.comment_status,
            "ping_status": "closed",
            "sticky": False,
            "template": "",
            "format": "standard",
            "meta": [],
            "categories": post.categories,
            "tags": post.tags,
            "_links": self.links("posts", post.id),
        }

    async def list_posts(self, request: Request) -> Response:
        """Give posts, newest first."""
        edit = self.edit(request)
        params = await self.params(request)
        self.sandbox.publish_due()
        rows = self._filtered(params, self._states(request, params))
        order = params.one_of("orderby", "date", *_ORDERS)
        keys: dict[str, Any] = {
            "id": lambda post: post.id,
            "modified": lambda post: (post.modified, post.id),
            "title": lambda post: (post.title, post.id),
            "slug": lambda post: (post.slug, post.id),
            "author": lambda post: (post.author, post.id),
        }
        newest = params.one_of("order", "desc", "asc", "desc") == "desc"
        rows.sort(key=keys.get(order, lambda post: (post.date, post.id)), reverse=newest)
        return self.page(
            request,
            params,
            rows,
            lambda post: self.shown(post, edit=edit),
            past_end="rest_post_invalid_page_number",
        )

    def _states(self, request: Request, params: Params) -> set[str]:
        states = set(params.texts("status") or ["publish"])
        if "any" in states:
            states = set(STATES)
        elif not states <= STATES | {"trash"}:
            raise invalid("status[0]", "status[0] is not one of the known states.", code="rest_not_in_enum")
        if states != {"publish"} and not (self.user(request) and self.sandbox.me.may("edit_posts")):
            raise invalid("status", "Status is forbidden.", code="rest_forbidden_status")
        return states

    def _filtered(self, params: Params, states: set[str]) -> list[SitePost]:
        rows = [post for post in self.sandbox.posts.values() if post.status in states]
        for name, told in (
            ("include", lambda post: {post.id}),
            ("author", lambda post: {post.author}),
            ("categories", lambda post: set(post.categories)),
            ("tags", lambda post: set(post.tags)),
        ):
            wanted = set(params.wholes(name))
            if wanted:
                rows = [post for post in rows if told(post) & wanted]
        dropped, slugs = set(params.wholes("exclude")), set(params.texts("slug"))
        search = params.text("search").casefold()
        spans = [
            (params.moment(name), name) for name in ("after", "before", "modified_after", "modified_before")
        ]
        return [
            post
            for post in rows
            if post.id not in dropped
            and (not slugs or post.slug in slugs)
            and (not search or search in f"{post.title}\n{post.content}".casefold())
            and all(_inside(post, at, name) for at, name in spans if at is not None)
        ]

    async def create_post(self, request: Request) -> Response:
        """Make a post."""
        self.need(
            request,
            "edit_posts",
            "rest_cannot_create",
            "Sorry, you are not allowed to create posts as this user.",
        )
        params = await self.params(request)
        if "id" in params:
            raise Refused("rest_post_exists", "Cannot create existing post.", 400)
        fields = self.fields(params)
        fields.setdefault("status", "draft")
        if not (fields.get("title") or fields.get("content") or fields.get("excerpt")):
            raise Refused("empty_content", "Content, title, and excerpt are empty.", 400)
        self.publishing(fields)
        if fields["status"] == "pending" and not self.sandbox.me.may("publish_posts"):
            fields.pop("slug", None)  # as WordPress does, without a word
        post = self.sandbox.new_post(self.sandbox.me, **fields)
        return self.answer(params, self.shown(post, edit=True), made="posts")

    def fields(self, params: Params) -> dict[str, Any]:
        """Read what a post is made or changed with."""
        found: dict[str, Any] = {
            name: params.text(name) for name in ("title", "content", "excerpt", "slug") if name in params
        }
        if "status" in params:
            found["status"] = params.one_of("status", "", *sorted(STATES))
        if "comment_status" in params:
            found["comment_status"] = params.one_of("comment_status", "", "open", "closed")
        for name in ("date", "date_gmt"):
            at = params.moment(name) if params.given.get(name) is not None else None
            if at is not None:
                found["date"] = at
        for name, known in (("categories", self.sandbox.categories), ("tags", self.sandbox.tags)):
            if name in params:
                # as WordPress does: what is none is left out without a word
                found[name] = [one for one in params.wholes(name) if one in known]
        if "featured_media" in params:
            number = params.whole("featured_media")
            if number and number not in self.sandbox.media:
                raise Refused("rest_invalid_featured_media", "Invalid featured media ID.", 400)
            found["featured_media"] = number
        return found

    def publishing(self, fields: dict[str, Any]) -> None:
        """Refuse who may not publish, and let the date decide between now and later."""
        status = fields.get("status")
        if status in {"publish", "future", "private"} and not self.sandbox.me.may("publish_posts"):
            raise Refused(
                "rest_cannot_publish", "Sorry, you are not allowed to publish posts in this post type.", 403
            )
        later = fields.get("date") is not None and fields["date"] > self.sandbox.now()
        if status == "future" and not later:
            fields["status"] = "publish"
        elif status == "publish" and later:
            fields["status"] = "future"

    async def get_post(self, request: Request) -> Response:
        """Give one post."""
        self.sandbox.publish_due()
        post = self.post(request)
        edit = self.edit(request)
        if post.status != "publish":
            self.need(request, "", "rest_forbidden", "Sorry, you are not allowed to do that.")
        return self.answer(await self.params(request), self.shown(post, edit=edit))

    def _may(self, request: Request, post: SitePost, code: str, message: str) -> None:
        own = post.author == self.sandbox.me.id
        self.need(request, "edit_posts" if own else "edit_others_posts", code, message)

    async def update_post(self, request: Request) -> Response:
        """Change a post."""
        post = self.post(request)
        self._may(request, post, "rest_cannot_edit", "Sorry, you are not allowed to edit this post.")
        params = await self.params(request)
        fields = self.fields(params)
        self.publishing(fields)
        before = (post.title, post.content, post.excerpt)
        for name, value in fields.items():
            setattr(post, name, value)
        self.sandbox.give_slug(post)
        if before != (post.title, post.content, post.excerpt):
            now = self.sandbox.now()
            post.old.append(Old(self.sandbox.next_id(), self.sandbox.me.id, post.modified, *before))
            post.modified = now
        return self.answer(params, self.shown(post, edit=True))

    async def delete_post(self, request: Request) -> Response:
        """Put a post into the bin, or take it away for good."""
        post = self.post(request)
        self._may(request, post, "rest_cannot_delete", "Sorry, you are not allowed to delete this post.")
        params = await self.params(request)
        if params.yes("force"):
            del self.sandbox.posts[post.id]
            return JSONResponse({"deleted": True, "previous": self.shown(post, edit=True)})
        if post.status == "trash":
            raise Refused("rest_already_trashed", "The post has already been deleted.", 410)
        post.status, post.slug = "trash", f"{post.slug}__trashed"
        return self.answer(params, self.shown(post, edit=True))

    # revisions

    def _revised(self, request: Request) -> SitePost:
        post = self.post(request)
        self._may(
            request, post, "rest_cannot_read", "Sorry, you are not allowed to view revisions of this post."
        )
        return post

    async def revisions(self, request: Request) -> Response:
        """Give the earlier states of a post, newest first."""
        post = self._revised(request)
        return self.page(
            request,
            await self.params(request),
            list(reversed(post.old)),
            lambda old: self.revision(post, old),
            past_end="rest_revision_invalid_page_number",
        )

    async def get_revision(self, request: Request) -> Response:
        """Give one earlier state."""
        post = self._revised(request)
        old = next((one for one in post.old if one.id == request.path_params["revision"]), None)
        if old is None:
            raise Refused("rest_post_invalid_id", "Invalid revision ID.", 404)
        return self.answer(await self.params(request), self.revision(post, old))

    def revision(self, post: SitePost, old: Old) -> dict[str, Any]:
        """Write an earlier state."""
        texts = {
            name: {"raw": getattr(old, name), "rendered": getattr(old, name)}
            for name in ("title", "content", "excerpt")
        }
        times = {name: gmt(old.at) for name in ("date", "date_gmt", "modified", "modified_gmt")}
        slug = f"{post.id}-revision-v1"
        return {"id": old.id, "parent": post.id, "author": old.author, "slug": slug, **times, **texts}


def _inside(post: SitePost, at: datetime, name: str) -> bool:
    mine = post.modified if name.startswith("modified") else post.date
    return mine > at if name.endswith("after") else mine < at
