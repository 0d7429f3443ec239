"""Comments of the sandbox's site."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shequn_wordpress.sandbox.rest import Refused, Rest, rendered
from shequn_wordpress.sandbox.state import Comment, gmt

__all__ = ["Comments"]

_LONGEST = 65_525
_STATES = {
    "approve": "approved",
    "approved": "approved",
    "1": "approved",
    "hold": "hold",
    "0": "hold",
    "spam": "spam",
    "trash": "trash",
}


class Comments(Rest):
    """comments."""

    def shown(self, comment: Comment, *, edit: bool = False) -> dict[str, Any]:
        """Write a comment."""
        post = self.sandbox.posts.get(comment.post)
        base = self.sandbox.context.base_url
        content = {"rendered": rendered(comment.content)} | ({"raw": comment.content} if edit else {})
        return {
            "id": comment.id,
            "post": comment.post,
            "parent": comment.parent,
            "author": comment.author,
            "author_name": comment.author_name,
            "author_url": "",
            "date": gmt(comment.date),
            "date_gmt": gmt(comment.date),
            "content": content,
            "link": f"{base}/{post.slug if post else ''}/#comment-{comment.id}",
            "status": comment.status,
            "type": "comment",
            "author_avatar_urls": {},
            "meta": [],
            "_links": self.links("comments", comment.id),
        }

    def comment(self, request: Request) -> Comment:
        """Give the comment of the path."""
        comment = self.sandbox.comments.get(request.path_params["id"])
        if comment is None:
            raise Refused("rest_comment_invalid_id", "Invalid comment ID.", 404)
        return comment

    async def list_comments(self, request: Request) -> Response:
        """Give comments, newest first."""
        edit = self.edit(request)
        params = await self.params(request)
        status = _STATES.get(params.text("status", "approve"), "")
        if status != "approved":
            self.need(
                request,
                "moderate_comments",
                "rest_forbidden_param",
                "Query parameter not permitted: status",
            )
        after, before = params.moment("after"), params.moment("before")
        posts, parents, only = (set(params.wholes(name)) for name in ("post", "parent", "include"))
        search = params.text("search").casefold()
        rows = [
            one
            for one in self.sandbox.comments.values()
            if (one.status == status or (not status and one.status != "trash"))
            and (not posts or one.post in posts)
            and (not parents or one.parent in parents)
            and (not only or one.id in only)
            and (after is None or one.date > after)
            and (before is None or one.date < before)
            and search in one.content.casefold()
        ]
        by_id = params.text("orderby", "date_gmt") == "id"
        newest = params.one_of("order", "desc", "asc", "desc") == "desc"
        rows.sort(key=lambda one: one.id if by_id else (one.date, one.id), reverse=newest)
        return self.page(request, params, rows, lambda one: self.shown(one, edit=edit))

    async def get_comment(self, request: Request) -> Response:
        """Give one comment."""
        comment = self.comment(request)
        if comment.status != "approved":
            self.need(
                request,
                "moderate_comments",
                "rest_cannot_read",
                "Sorry, you are not allowed to read this comment.",
            )
        return self.answer(await self.params(request), self.shown(comment, edit=self.edit(request)))

    async def create_comment(self, request: Request) -> Response:
        """Comment on a post, in the name of the account's user."""
        self.need(request, "", "rest_comment_login_required", "Sorry, you must be logged in to comment.")
        params = await self.params(request)
        post = self.sandbox.posts.get(params.whole("post"))
        text = params.text("content")
        sorry = "Sorry, you are not allowed to create this comment without a post."
        if post is None:
            raise Refused("rest_comment_invalid_post_id", sorry, 403)
        if post.status in {"draft", "trash"}:
            raise Refused(f"rest_comment_{post.status}_post", sorry, 403)
        if post.comment_status != "open":
            raise Refused("rest_comment_closed", "Sorry, comments are closed for this item.", 403)
        self._check(text)
        me = self.sandbox.me
        same = (
            one
            for one in self.sandbox.comments.values()
            if (one.post, one.author, one.content) == (post.id, me.id, text) and one.status != "trash"
        )
        if next(same, None) is not None:
            raise Refused(
                "comment_duplicate",
                "Duplicate comment detected; it looks as though you've already said that!",
                409,
            )
        parent = params.whole("parent")
        made = Comment(self.sandbox.next_id(), post.id, parent, me.id, me.name, text, self.sandbox.now())
        self.sandbox.comments[made.id] = made
        return self.answer(params, self.shown(made, edit=me.may("moderate_comments")), made="comments")

    @staticmethod
    def _check(text: str) -> None:
        if not text.strip():
            raise Refused("rest_comment_content_invalid", "Invalid comment content.", 400)
        if len(text.encode("utf-8", "surrogatepass")) > _LONGEST:
            raise Refused(
                "comment_content_column_length", "Comment field exceeds maximum length allowed.", 400
            )

    async def update_comment(self, request: Request) -> Response:
        """Change a comment, or let it through."""
        comment = self.comment(request)
        self.need(
            request,
            "moderate_comments",
            "rest_cannot_edit",
            "Sorry, you are not allowed to edit this comment.",
        )
        params = await self.params(request)
        if "content" in params:
            self._check(params.text("content"))
            comment.content = params.text("content")
        if "status" in params:
            comment.status = _STATES.get(params.text("status"), comment.status)
        return self.answer(params, self.shown(comment, edit=True))

    async def delete_comment(self, request: Request) -> Response:
        """Put a comment into the bin, or take it away for good."""
        comment = self.comment(request)
        self.need(
            request,
            "" if comment.author == self.sandbox.me.id else "moderate_comments",
            "rest_cannot_delete",
            "Sorry, you are not allowed to delete this comment.",
        )
        params = await self.params(request)
        if params.yes("force"):
            del self.sandbox.comments[comment.id]
            return JSONResponse({"deleted": True, "previous": self.shown(comment)})
        if comment.status == "trash":
            raise Refused("rest_already_trashed", "The comment has already been trashed.", 410)
        comment.status = "trash"
        return self.answer(params, self.shown(comment))
