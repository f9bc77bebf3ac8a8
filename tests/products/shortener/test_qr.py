from __future__ import annotations

import io
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dodeca.kernel.errors import Invalid
from dodeca.products.shortener import qr

URL = "https://dodeca.example/s/abc123?qr"


def picture_bytes(size: tuple[int, int] = (40, 20), colour: str = "red", kind: str = "PNG") -> bytes:
    output = io.BytesIO()
    Image.new("RGB", size, colour).save(output, kind)
    return output.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def test_a_png_has_exactly_the_size_and_colours_asked() -> None:
    style = qr.read_style(size=300, margin=4, dark="#123", light="ffeedd")

    image = opened(qr.render(URL, "png", style))

    assert image.size == (300, 300)
    assert {colour for _, colour in image.getcolors() or []} == {(0x11, 0x22, 0x33), (0xFF, 0xEE, 0xDD)}


def test_without_margin_the_code_reaches_further_out() -> None:
    wide = opened(qr.render(URL, "png", qr.read_style(size=330, margin=10)))
    none = opened(qr.render(URL, "png", qr.read_style(size=330, margin=0)))

    def first_dark(image: Image.Image) -> int:
        return next(at for at in range(330) if image.getpixel((at, at)) == (0, 0, 0))

    assert first_dark(none) < first_dark(wide)


def test_an_svg_scales_and_is_well_formed() -> None:
    root = ET.fromstring(qr.render(URL, "svg", qr.read_style(size=200, dark="00f")))

    assert root.get("width") == root.get("height") == "200"
    assert root.get("viewBox")


def test_a_pdf_has_the_size_in_points() -> None:
    data = qr.render(URL, "pdf", qr.read_style(size=100))

    assert data.startswith(b"%PDF-")
    assert b"/MediaBox" in data


def test_the_error_correction_changes_the_code() -> None:
    low = qr.render(URL * 3, "svg", qr.read_style(ecc="l"))
    high = qr.render(URL * 3, "svg", qr.read_style(ecc="H"))

    assert low != high


def test_a_logo_stands_in_the_middle_of_a_png() -> None:
    logo = qr.read_logo(picture_bytes())

    image = opened(qr.render(URL, "png", qr.read_style(size=400), logo))

    assert image.getpixel((200, 200)) == (255, 0, 0)
    assert image.getpixel((200, 178)) == (255, 255, 255)  # its field, above the flat logo


@pytest.mark.parametrize(
    "data",
    [
        picture_bytes(),
        picture_bytes(kind="JPEG"),
        b'<?xml version="1.0"?>\n<!-- a -->\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    ],
)
def test_a_logo_is_referenced_in_an_svg_so_that_it_runs_nothing(data: bytes) -> None:
    root = ET.fromstring(qr.render(URL, "svg", qr.read_style(), qr.read_logo(data)))

    images = [element for element in root.iter() if element.tag.endswith("image")]
    assert len(images) == 1
    assert str(images[0].get("href")).startswith("data:image/")


def test_a_pdf_takes_a_logo_too() -> None:
    assert qr.render(URL, "pdf", qr.read_style(), qr.read_logo(picture_bytes())).startswith(b"%PDF-")


def test_an_svg_logo_cannot_be_drawn_into_a_png() -> None:
    logo = qr.read_logo(b"<svg xmlns='http://www.w3.org/2000/svg'/>")

    with pytest.raises(Invalid) as caught:
        qr.render(URL, "png", qr.read_style(), logo)
    assert caught.value.field == "logo"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"size": 63}, "size"),
        ({"size": 2_049}, "size"),
        ({"margin": -1}, "margin"),
        ({"margin": 21}, "margin"),
        ({"dark": "red"}, "dark"),
        ({"light": "#12345"}, "light"),
        ({"dark": '"/><script>'}, "dark"),
        ({"ecc": "X"}, "ecc"),
        ({"ecc": ""}, "ecc"),
        ({"dark": "ffffff", "light": "000000"}, "dark"),
        ({"dark": "ddd", "light": "fff"}, "dark"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        qr.read_style(**options)  # type: ignore[arg-type]
    assert caught.value.field == field


@pytest.mark.parametrize(
    "data",
    [
        b"", b"GIF89a", b"<html><svg></svg></html>", b"x" * (qr.MAX_LOGO_BYTES + 1),
        picture_bytes((2_049, 1)), picture_bytes()[:60],
    ],
)  # fmt: skip
def test_what_is_no_small_picture_is_refused_as_logo(data: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        qr.read_logo(data)
    assert caught.value.field == "logo"


@pytest.mark.parametrize(
    ("data", "image_format", "size", "field"),
    [(URL, "bmp", 512, "format"), ("x" * 1_001, "svg", 512, "data"), ("x" * 900, "png", 64, "size")],
)
def test_what_cannot_be_drawn_is_named(data: str, image_format: str, size: int, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        qr.render(data, image_format, qr.read_style(size=size))
    assert caught.value.field == field


@settings(max_examples=30)
@given(st.binary(max_size=300) | st.binary(max_size=100).map(picture_bytes()[:40].__add__))
def test_no_upload_makes_it_crash(data: bytes) -> None:
    try:
        qr.read_logo(data)
    except Invalid as error:
        field = error.field
    else:
        return
    assert field == "logo"
