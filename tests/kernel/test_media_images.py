"""Images: upright, without a trace of where they were taken, and never a way to exhaust the server."""

from __future__ import annotations

import contextlib
import struct
import zlib
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from dodeca.kernel.errors import Invalid, TooLarge, UnsupportedMedia
from dodeca.kernel.media import Shape, cleaned, inspected, sniffed, thumbnail

FORMATS = ["AVIF", "GIF", "JPEG", "PNG", "WEBP"]


def picture(name: str = "JPEG", size: tuple[int, int] = (60, 40), mode: str = "RGB", **options: Any) -> bytes:
    """A picture whose left half is red and right half blue."""
    image = Image.new("RGB", size, "blue")
    image.paste("red", (0, 0, size[0] // 2, size[1]))
    out = BytesIO()
    image.convert(mode).save(out, name, **options)
    return out.getvalue()


def photo() -> bytes:
    """A picture as a telephone makes it: lying on its side, with place and comment."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it
    exif[0x010F] = "SecretPhone"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    return picture(exif=exif.tobytes(), comment=b"SecretComment")


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))


def colour(data: bytes, x: float, y: float) -> str:
    """The colour at a place given in fractions of the sides."""
    image = opened(data).convert("RGB")
    pixel = image.getpixel((int(x * (image.width - 1)), int(y * (image.height - 1))))
    assert isinstance(pixel, tuple)
    return "red" if pixel[0] > pixel[2] else "blue"


@pytest.mark.parametrize("name", FORMATS)
def test_every_accepted_format_is_cleaned_into_itself(name: str) -> None:
    clean, info = cleaned(picture(name))

    assert opened(clean).format == name
    assert (info.content_type, info.width, info.height, info.frames) == (f"image/{name.lower()}", 60, 40, 1)
    assert sniffed(clean) == info.content_type
    assert (colour(clean, 0.1, 0.5), colour(clean, 0.9, 0.5)) == ("red", "blue")


def test_a_photo_is_turned_upright_and_loses_what_it_tells() -> None:
    clean, info = cleaned(photo())

    assert (info.width, info.height) == (40, 60)
    assert (colour(clean, 0.5, 0.1), colour(clean, 0.5, 0.9)) == ("red", "blue")
    assert not opened(clean).getexif()
    assert b"Secret" not in clean
    assert inspected(photo()).width == 40
    assert inspected(clean).width == 40


def test_what_is_hidden_behind_the_picture_is_gone() -> None:
    clean, _ = cleaned(picture("PNG") + b"<script>alert(1)</script>PK\x03\x04")

    assert b"script" not in clean


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG"])
def test_an_animation_stays_one(name: str) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "green", "blue")]
    out = BytesIO()
    frames[0].save(out, name, save_all=True, append_images=frames[1:], duration=[100, 200, 300], loop=0)

    clean, info = cleaned(out.getvalue())

    assert info.frames == 3
    image = opened(clean)
    assert image.n_frames == 3  # type: ignore[attr-defined]
    image.seek(2)
    assert image.convert("RGB").getpixel((10, 10))[2] > 200  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("PNG", "L"),
        ("PNG", "LA"),
        ("PNG", "1"),
        ("PNG", "I;16"),
        ("JPEG", "CMYK"),
        ("JPEG", "L"),
    ],
)
def test_every_kind_of_pixel_is_understood(name: str, mode: str) -> None:
    source = Image.new("L", (8, 8), 100).convert("I;16") if mode == "I;16" else opened(picture("PNG")).convert(mode)
    out = BytesIO()
    source.save(out, name)

    clean, info = cleaned(out.getvalue())

    assert (info.width, info.height) == source.size
    assert thumbnail(clean, Shape(4, 4))


def test_colours_of_another_profile_are_converted() -> None:
    wide = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for profile in (ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), wide, b"broken"):
        clean, _ = cleaned(picture("JPEG", icc_profile=profile))

        assert "icc_profile" not in opened(clean).info
        assert colour(clean, 0.1, 0.5) == "red"


def test_a_thumbnail_fits_inside_or_covers() -> None:
    data = picture(size=(600, 400))

    assert opened(thumbnail(data, Shape(300, 300))).size == (300, 200)
    assert opened(thumbnail(data, Shape(300, 300, "cover"))).size == (300, 300)
    assert opened(thumbnail(picture(), Shape(300, 300))).size == (60, 40)
    assert opened(thumbnail(photo(), Shape(30, 30))).size == (20, 30)


def test_a_thumbnail_is_a_clean_webp() -> None:
    small = thumbnail(photo(), Shape(30, 30))

    assert opened(small).format == "WEBP"
    assert not opened(small).getexif()
    assert b"Secret" not in small


def test_transparency_survives() -> None:
    out = BytesIO()
    Image.new("RGBA", (50, 50), (255, 0, 0, 0)).save(out, "PNG")

    for data in (cleaned(out.getvalue())[0], thumbnail(out.getvalue(), Shape(10, 10))):
        pixel = opened(data).convert("RGBA").getpixel((5, 5))
        assert isinstance(pixel, tuple)
        assert pixel[3] == 0


def huge_png(width: int, height: int) -> bytes:
    """A PNG that promises many pixels and holds none."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("width", "height"), [(8000, 8000), (10_000, 10_001), (60_000, 60_000), (16_001, 1)])
def test_a_bomb_is_refused_before_it_is_decoded(width: int, height: int) -> None:
    for function in (inspected, cleaned, lambda data: thumbnail(data, Shape(10, 10))):
        with pytest.raises(TooLarge) as caught:
            function(huge_png(width, height))
        assert caught.value.field == "file"


@pytest.mark.parametrize("data", [b"", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", b"MZ" * 50])
def test_what_is_no_image_is_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        cleaned(data)


@pytest.mark.parametrize("name", FORMATS)
def test_half_an_image_is_damaged(name: str) -> None:
    data = picture(name, size=(300, 200))

    with pytest.raises((Invalid, UnsupportedMedia)):
        cleaned(data[: len(data) // 2])


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(FORMATS), position=st.floats(0, 1), junk=st.binary(min_size=1, max_size=8))
def test_a_damaged_image_is_refused_and_nothing_worse(name: str, position: float, junk: bytes) -> None:
    data = bytearray(picture(name))
    at = int(position * (len(data) - 1))
    data[at : at + len(junk)] = junk
    for function in (inspected, cleaned, lambda data: thumbnail(data, Shape(10, 10))):
        with contextlib.suppress(Invalid, TooLarge, UnsupportedMedia):
            function(bytes(data))
