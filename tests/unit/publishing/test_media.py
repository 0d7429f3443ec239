"""Files before they are sent."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from shequn_sdk.domain import Media, MediaKind, Piece
from shequn_sdk.errors import ConfigError, InvalidInput
from shequn_sdk.platforms.manifest import Capability as C
from shequn_sdk.platforms.manifest import Limits, Manifest, PictureLimit
from shequn_sdk.publishing import media as room
from shequn_sdk.publishing.media import prepare, ready
from shequn_sdk.publishing.pictures import sniff, without_metadata

PHOTO = MediaKind.PHOTO
GPS = b"Beijing 39.9N"


def manifest(**limits) -> Manifest:
    return Manifest(
        platform="p", capabilities=frozenset({C.PUBLISH_PHOTO}), limits=Limits(media_per_post=9, **limits)
    )


def drawn(
    form: str, size=(80, 40), *, orientation: int = 0, private: bool = False, mode="RGB", noise=False
) -> bytes:
    picture = Image.new(mode, size, (200, 0, 0, 90) if mode == "RGBA" else "red")
    if noise:
        picture = Image.effect_noise(size, 90).convert(mode)
    options = {}
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    if private:
        exif[0x010E] = GPS.decode()
    if orientation or private:
        options["exif"] = exif
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def photo(data: bytes, **more) -> Media:
    return Media(kind=PHOTO, data=data, **more)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_metadata_goes_without_touching_the_picture(form):
    data = drawn(form, private=True)
    assert GPS in data
    bare, found = without_metadata(data)
    assert found
    assert GPS not in bare
    with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(bare)) as after:
        assert before.tobytes() == after.tobytes()
        assert not after.getexif()
    assert without_metadata(bare) == (bare, False)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_what_tells_how_to_turn_it_stays_when_nothing_else_does(form):
    bare, _ = without_metadata(drawn(form, orientation=6, private=True))
    assert GPS not in bare
    with Image.open(io.BytesIO(bare)) as after:
        assert dict(after.getexif()) == {0x0112: 6}
        after.load()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_pictures_are_turned_upright(form):
    done = prepare(photo(drawn(form, (80, 40), orientation=6, private=True)), manifest())
    with Image.open(io.BytesIO(done.media.data)) as picture:
        assert picture.size == (40, 80)
        assert not picture.getexif()
        assert GPS not in done.media.data
    assert "upright" in done.changes[0].what


def test_a_good_picture_stays_as_it_is():
    one = photo(drawn("JPEG"), filename="a.jpg")
    assert prepare(one, manifest()) == (one, ())


def test_formats_that_a_platform_does_not_take_are_converted(tmp_path):
    path = tmp_path / "meal.webp"
    path.write_bytes(drawn("WEBP"))
    taken = manifest(media_mime={PHOTO: frozenset({"image/jpeg", "image/png"})})
    done = prepare(Media(kind=PHOTO, path=path, alt="meal"), taken)
    assert (sniff(done.media.data), done.media.filename, done.media.mime) == (
        "image/jpeg",
        "meal.jpg",
        "image/jpeg",
    )
    assert done.media.alt == "meal"
    assert "converted" in done.changes[0].what
    seen = prepare(photo(drawn("WEBP", mode="RGBA")), taken)
    assert sniff(seen.media.data) == "image/png"
    for form in ("BMP", "TIFF"):
        assert sniff(prepare(photo(drawn(form)), manifest()).media.data) == "image/jpeg"
    cmyk = io.BytesIO()
    Image.new("CMYK", (9, 9)).save(cmyk, "TIFF")
    with Image.open(io.BytesIO(prepare(photo(cmyk.getvalue()), manifest()).media.data)) as made:
        assert made.mode == "RGB"


def test_too_many_bytes_become_fewer():
    data = drawn("PNG", (400, 400), noise=True)
    small = manifest(media_bytes={PHOTO: 20_000})
    done = prepare(photo(data), small)
    assert len(done.media.data) <= 20_000 < len(data)
    assert any("bytes instead of" in change.what for change in done.changes)
    with pytest.raises(InvalidInput, match="cannot be made to fit"):
        prepare(photo(data), manifest(media_bytes={PHOTO: 300}))


def test_sides():
    limited = manifest(picture=PictureLimit(longest_side=50, sum_of_sides=60, ratio=4))
    with Image.open(io.BytesIO(prepare(photo(drawn("JPEG")), limited).media.data)) as picture:
        assert picture.size == (40, 20)
    with pytest.raises(InvalidInput, match="crop it"):
        prepare(photo(drawn("JPEG", (81, 20))), limited)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 8))
def test_what_comes_out_keeps_every_limit(width, height, orientation):
    limited = manifest(picture=PictureLimit(longest_side=30, sum_of_sides=40))
    done = prepare(photo(drawn("PNG", (width, height), orientation=orientation)), limited)
    with Image.open(io.BytesIO(done.media.data)) as picture:
        assert max(picture.size) <= 30
        assert sum(picture.size) <= 40


def bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\x00" * 1_000_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [8_000, 12_000, 60_000])
def test_bombs_are_refused(side):
    with pytest.raises(InvalidInput, match="smaller"):
        prepare(photo(bomb(side, side)), manifest())


@pytest.mark.parametrize(
    "data",
    [
        b"<svg onload=alert(1)>",
        b"\xff\xd8\xff\xe0\x00\x10JF",
        b"\x89PNG\r\n\x1a\n\x00",
        b"RIFF\x00\x00\x00\x00WEBPVP8 ",
        b"GIF89a",
        b"x",
        b"BMxx",
    ],
)
def test_broken_pictures_are_typed_errors(data):
    with pytest.raises(InvalidInput):
        prepare(photo(data), manifest())


@given(st.binary(max_size=300), st.sampled_from([b"\xff\xd8\xff\xe1", b"\x89PNG\r\n\x1a\n", b"RIFF0000WEBP"]))
def test_any_bytes_are_a_picture_or_a_typed_error(rest, head):
    try:
        without_metadata(head + rest)
        prepare(photo(head + rest), manifest())
    except InvalidInput:
        pass


def test_cut_off_pictures_are_found():
    with pytest.raises(InvalidInput, match=r"opened|broken"):
        prepare(photo(drawn("JPEG", (300, 300), noise=True)[:-4000]), manifest())


def test_files_that_are_not_there(tmp_path):
    empty = tmp_path / "empty.jpg"
    empty.touch()
    for path, words in ((tmp_path / "no.jpg", "does not exist"), (tmp_path, "no file"), (empty, "empty")):
        with pytest.raises(InvalidInput, match=words) as caught:
            prepare(Media(kind=PHOTO, path=path), manifest())
        assert caught.value.source == str(path)
        with pytest.raises(InvalidInput, match=words):
            prepare(Media(kind=MediaKind.DOCUMENT, path=path), manifest())


def test_other_files_are_measured_and_named(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"\x1aE\xdf\xa3" + b"x" * 100)
    video = Media(kind=MediaKind.VIDEO, path=path)
    assert prepare(video, manifest()) == (video, ())
    with pytest.raises(InvalidInput, match="104 bytes"):
        prepare(video, manifest(media_bytes={MediaKind.VIDEO: 50}))
    with pytest.raises(InvalidInput, match="video/webm"):
        prepare(video, manifest(media_mime={MediaKind.VIDEO: frozenset({"video/mp4"})}))


def test_without_pillow(monkeypatch):
    monkeypatch.setattr(room, "_pillow", lambda: None)
    done = prepare(photo(drawn("JPEG", orientation=6, private=True)), manifest())
    assert GPS not in done.media.data
    with pytest.raises(ConfigError, match=r"shequn-sdk\[media\]"):
        prepare(photo(drawn("BMP")), manifest())


async def test_pieces_keep_what_needs_no_work():
    piece = Piece(
        text="x",
        media=(photo(drawn("JPEG"), mime="image/jpeg"), Media(kind=PHOTO, url="https://e.org/a.jpg")),
    )
    assert (await ready(piece, manifest()))[0] is piece
    turned = piece.model_copy(update={"media": (photo(drawn("JPEG", orientation=3)),)})
    made, changes = await ready(turned, manifest())
    assert made.text == "x"
    assert changes
