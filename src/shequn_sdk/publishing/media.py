"""Checks files before they are sent, and makes pictures what a platform takes."""

from __future__ import annotations

import io
import mimetypes
import os
import stat
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import anyio.to_thread

from shequn_sdk.domain import Change, Media, MediaKind, Piece
from shequn_sdk.errors import InvalidInput, MissingExtra
from shequn_sdk.platforms.manifest import Manifest
from shequn_sdk.publishing.pictures import sniff, without_metadata

__all__ = ["MAX_PICTURE_BYTES", "MAX_PIXELS", "Prepared", "check_files", "prepare", "ready"]

MAX_PICTURE_BYTES = 64 * 1024 * 1024
"""Pictures beyond this are not opened at all."""
MAX_PIXELS = 50_000_000
"""Width times height beyond which a picture is not decoded: 150 MB in memory."""
_COMMON = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
"""What every platform takes that names no formats."""
_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF", "image/webp": "WEBP"}
_SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp"}
_READ = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "PPM")
"""Decoders that are let loose on untrusted files; Pillow has many more, of fewer users."""
_QUALITIES = (88, 80, 72, 64, 55)
_SMALLEST_SIDE = 64


class Prepared(NamedTuple):
    """A file as it will be sent, and what had to be changed about it."""

    media: Media
    changes: tuple[Change, ...]


def prepare(media: Media, manifest: Manifest) -> Prepared:
    """Check one file against a manifest; pictures are turned upright, freed of metadata and converted where needed.

    A picture that fits loses its metadata without being written anew. What is given by `url` or `native_id` is not
    looked at. Blocking: it reads the file, so run it in a thread.

    Raises:
        InvalidInput: the file is missing, unreadable, broken, of a kind that the platform does not take, or too large
            and cannot be made smaller.
        ConfigError: the picture must be converted, and the extra `media` (Pillow) is not installed.
    """
    if media.path is None and media.data is None:
        return Prepared(media, ())
    if media.kind is MediaKind.PHOTO:
        return _Picture(media, manifest).run()
    _check_file(media, manifest)
    return Prepared(media, ())


async def ready(piece: Piece, manifest: Manifest) -> tuple[Piece, tuple[Change, ...]]:
    """Prepare all files of a piece, each in a thread; gives what to send and what was changed."""
    if not piece.media:
        return piece, ()
    changes: list[Change] = []
    files: list[Media] = []
    for one in piece.media:
        done = await anyio.to_thread.run_sync(partial(prepare, one, manifest))
        files.append(done.media)
        changes += done.changes
    if all(new is old for new, old in zip(files, piece.media, strict=True)):
        return piece, tuple(changes)
    return piece.model_copy(update={"media": tuple(files)}), tuple(changes)


def check_files(pieces: Sequence[Piece]) -> None:
    """Check that the files which pieces name are there, before anything is planned; opens none.

    Raises:
        InvalidInput: one is missing, unreadable or empty.
    """
    for piece in pieces:
        for one in piece.media:
            if one.path is not None:
                _size_of(one.path)


def _name(media: Media) -> str:
    return media.filename or (media.path.name if media.path is not None else "") or str(media.kind)


def _size_of(path: Path) -> int:
    try:
        found = path.stat()
    except OSError as error:
        why = "does not exist" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
        raise InvalidInput(f"the file {path} {why}; check the path", source=str(path)) from None
    if not stat.S_ISREG(found.st_mode):
        raise InvalidInput(f"{path} is no file; name a file", source=str(path))
    if not os.access(path, os.R_OK):
        raise InvalidInput(f"the file {path} may not be read; check its rights", source=str(path))
    if found.st_size == 0:
        raise InvalidInput(f"the file {path} is empty", source=str(path))
    return found.st_size


def _check_file(media: Media, manifest: Manifest) -> None:
    size = len(media.data) if media.data is not None else _size_of(media.path or Path())
    if size == 0:
        raise InvalidInput(f"{_name(media)} is empty")
    most = manifest.limits.media_bytes.get(media.kind)
    if most is not None and size > most:
        raise InvalidInput(
            f"{_name(media)} has {size} bytes, {manifest.platform} takes {most} of a {media.kind}; make it smaller, or "
            "give a link to it"
        )
    taken = manifest.limits.media_mime.get(media.kind)
    if not taken:
        return
    head = media.data[:32] if media.data is not None else _read(media.path or Path(), 32)
    mime = sniff(head) or media.mime or mimetypes.guess_type(_name(media))[0] or ""
    if mime and mime not in taken:
        raise InvalidInput(
            f"{_name(media)} is {mime}; {manifest.platform} takes {', '.join(sorted(taken))} as {media.kind}"
        )


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise InvalidInput(
            f"the file {path} cannot be read: {error.strerror or error}", source=str(path)
        ) from None


def _pillow() -> Any:
    try:
        import_module("PIL.ImageOps")  # an extra, and slow to import
        return import_module("PIL")
    except ModuleNotFoundError:
        return None


class _Picture:
    """One picture on its way to one platform."""

    def __init__(self, media: Media, manifest: Manifest) -> None:
        self.media = media
        self.name = _name(media)
        self.limits = manifest.limits
        self.platform = manifest.platform
        self.changes: list[Change] = []

    def change(self, what: str, why: str) -> None:
        self.changes.append(Change(field="media", what=f"{self.name} {what}", why=why))

    def run(self) -> Prepared:
        data = self.load()
        mime = sniff(data)
        if not mime.startswith("image/"):
            shown = mime or "of no known format"
            raise InvalidInput(
                f"{self.name} is no picture ({shown}); send it as a document, or save it as JPEG"
            )
        pillow = _pillow()
        if pillow is None:
            return self._unopened(data, mime)
        try:
            with pillow.Image.open(io.BytesIO(data), formats=_READ) as picture:
                self._check_pixels(picture.size)
                return self._opened(pillow, picture, data, mime)
        except (pillow.Image.DecompressionBombError, pillow.Image.DecompressionBombWarning):
            raise InvalidInput(
                f"{self.name} would fill the memory when it is opened; make it smaller"
            ) from None
        except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
            if isinstance(error, InvalidInput):
                raise
            raise InvalidInput(f"{self.name} cannot be opened as a picture: {error}; save it again") from None

    def load(self) -> bytes:
        path = self.media.path
        size = len(self.media.data or b"") if path is None else _size_of(path)
        if size > MAX_PICTURE_BYTES:
            raise InvalidInput(
                f"{self.name} has {size} bytes; pictures up to {MAX_PICTURE_BYTES} are opened. Make it smaller"
            )
        if path is None:
            return self.media.data or b""
        return _read(path, MAX_PICTURE_BYTES + 1)

    @property
    def allowed(self) -> frozenset[str]:
        return self.limits.media_mime.get(MediaKind.PHOTO) or _COMMON

    @property
    def most(self) -> int | None:
        return self.limits.media_bytes.get(MediaKind.PHOTO)

    def _check_pixels(self, size: tuple[int, int]) -> None:
        if size[0] * size[1] > MAX_PIXELS:
            raise InvalidInput(
                f"{self.name} has {size[0]} x {size[1]} pixels; up to {MAX_PIXELS} are opened. Make it smaller"
            )

    def _unopened(self, data: bytes, mime: str) -> Prepared:
        """Do what can be done without Pillow."""
        if mime not in self.allowed or (self.most is not None and len(data) > self.most):
            raise MissingExtra(
                f"{self.name} ({mime}, {len(data)} bytes) must be converted for {self.platform}", "media"
            )
        return self._stripped(data, mime)

    def _stripped(self, data: bytes, mime: str) -> Prepared:
        bare, found = without_metadata(data)
        if found:
            self.change("freed of metadata", "EXIF and the like tell the place and the camera")
        return self._done(bare, mime, changed=found)

    def _done(self, data: bytes, mime: str, *, changed: bool) -> Prepared:
        if not changed and (self.media.mime in {"", mime} and self.media.data is not None):
            return Prepared(self.media, tuple(self.changes))
        suffix = _SUFFIXES.get(mime, "")
        name = self.media.filename or (self.media.path.name if self.media.path is not None else "photo")
        if suffix and mimetypes.guess_type(name)[0] != mime:
            name = Path(name).stem + suffix
        made = self.media.model_copy(update={"path": None, "data": data, "filename": name, "mime": mime})
        return Prepared(made, tuple(self.changes))

    def _opened(self, pillow: Any, picture: Any, data: bytes, mime: str) -> Prepared:
        animated = getattr(picture, "n_frames", 1) > 1 and mime in {"image/gif", "image/webp"}
        turned = picture.getexif().get(0x0112, 1) not in {0, 1, None}
        size = self._wanted_size(picture.size)
        target = mime if mime in self.allowed else self._target(picture)
        fits = size == picture.size and (self.most is None or len(data) <= self.most)
        if target == mime and fits and not turned:
            picture.load()  # a file that breaks off is found here, not by the platform
            return self._stripped(data, mime)
        if animated:
            if target == mime and fits:
                return self._stripped(data, mime)
            self.change("sent as its first frame", f"{self.platform} does not take it as it is")
        if target != mime:
            self.change(f"converted to {_FORMATS[target]}", f"{self.platform} takes no {mime} as a photo")
        if turned:
            self.change("turned upright", "its EXIF data said how to turn it, which not every program obeys")
        upright = pillow.ImageOps.exif_transpose(picture)
        size = self._wanted_size(upright.size)
        if size != upright.size:
            self.change(
                f"scaled from {upright.width}x{upright.height} to {size[0]}x{size[1]}",
                f"{self.platform} takes no larger one",
            )
            upright = upright.resize(size, pillow.Image.Resampling.LANCZOS)
        return self._done(*self._encoded(pillow, upright, target, len(data)), changed=True)

    def _wanted_size(self, size: tuple[int, int]) -> tuple[int, int]:
        limit = self.limits.picture
        width, height = size
        ratio = max(size) / max(min(size), 1)
        if limit.ratio is not None and ratio > limit.ratio:
            raise InvalidInput(
                f"{self.name} is {width} x {height}: {self.platform} takes no side longer than {limit.ratio:g} times the "
                "other; crop it"
            )
        scale = 1.0
        if limit.longest_side is not None:
            scale = min(scale, limit.longest_side / max(size))
        if limit.sum_of_sides is not None:
            scale = min(scale, limit.sum_of_sides / (width + height))
        return size if scale >= 1 else (max(int(width * scale), 1), max(int(height * scale), 1))

    def _target(self, picture: Any) -> str:
        has_alpha = "A" in picture.getbands() or "transparency" in picture.info
        for mime in ("image/png", "image/webp") if has_alpha else ("image/jpeg", "image/png"):
            if mime in self.allowed:
                return mime
        for mime in ("image/jpeg", "image/png"):
            if mime in self.allowed:
                return mime
        raise InvalidInput(
            f"{self.platform} takes none of JPEG and PNG; give {', '.join(sorted(self.allowed))}"
        )

    def _encoded(self, pillow: Any, picture: Any, mime: str, original: int) -> tuple[bytes, str]:
        """Write the picture, smaller in quality and then in size until it fits."""
        profile = picture.info.get("icc_profile")
        if mime != "image/jpeg":
            if picture.mode not in {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16"}:
                picture = picture.convert("RGBA" if "A" in picture.getbands() else "RGB")
                profile = None
            data = _saved(picture, _FORMATS[mime], icc_profile=profile)
            if self.most is None or len(data) <= self.most or "image/jpeg" not in self.allowed:
                if self.most is not None and len(data) > self.most:
                    raise InvalidInput(
                        f"{self.name} has {len(data)} bytes as {_FORMATS[mime]}, {self.platform} takes {self.most}; make it "
                        "smaller"
                    )
                return data, mime
        if picture.mode != "RGB":
            flat = picture
            if "A" in picture.getbands() or "transparency" in picture.info:
                flat = pillow.Image.new("RGB", picture.size, "white")
                layer = picture.convert("RGBA")
                flat.paste(layer, mask=layer.getchannel("A"))
            else:
                flat = picture.convert("RGB")
            picture, profile = flat, profile if picture.mode in {"RGBA", "L"} else None
        while True:
            for quality in _QUALITIES:
                data = _saved(picture, "JPEG", quality=quality, optimize=True, icc_profile=profile)
                if self.most is None or len(data) <= self.most:
                    if self.most is not None and original > self.most:
                        self.change(
                            f"written with {len(data)} bytes instead of {original}",
                            f"{self.platform} takes {self.most}",
                        )
                    return data, "image/jpeg"
            if min(picture.size) * 3 // 4 < _SMALLEST_SIDE:
                raise InvalidInput(
                    f"{self.name} cannot be made to fit into {self.most} bytes; choose another one"
                )
            half = (picture.width * 3 // 4, picture.height * 3 // 4)
            picture = picture.resize(half, pillow.Image.Resampling.LANCZOS)


def _saved(picture: Any, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.info.pop("exif", None)
    picture.save(out, format=form, **{key: value for key, value in options.items() if value is not None})
    return out.getvalue()
