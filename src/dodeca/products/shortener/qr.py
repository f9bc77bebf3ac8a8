"""QR codes of short links as SVG, PNG or PDF, in the owner's colours and with a logo."""

from __future__ import annotations

import base64
import io
import re
import struct
from dataclasses import dataclass
from typing import Any

import segno
from PIL import Image

from dodeca.kernel.errors import Invalid

FORMATS = {"svg": "image/svg+xml", "png": "image/png", "pdf": "application/pdf"}
MIN_SIZE, MAX_SIZE, DEFAULT_SIZE = 64, 2_048, 512
"""Width and height in pixels (PNG), CSS pixels (SVG) or points (PDF)."""
MAX_MARGIN = 20
DEFAULT_MARGIN = 4
"""The quiet zone in modules; ISO/IEC 18004 asks for four."""
ECC_LEVELS = "LMQH"
MIN_CONTRAST = 3.0
"""Contrast ratio (WCAG) below which cameras begin to fail."""
MAX_LOGO_BYTES = 256 * 1024
MAX_LOGO_PIXELS = 2_048
LOGO_SHARE = 0.22
"""Width of the logo's field in that of the code: it hides 5 % of the area, where level H repairs 30 %."""
MAX_DATA_BYTES = 1_000

_COLOUR = re.compile(r"#?(?P<hex>[0-9a-fA-F]{3}|[0-9a-fA-F]{6})\Z")
Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class QrStyle:
    """How a QR code looks. Make it with `read_style`, which checks."""

    size: int = DEFAULT_SIZE
    margin: int = DEFAULT_MARGIN
    dark: Colour = (0, 0, 0)
    light: Colour = (255, 255, 255)
    ecc: str = "M"


def read_style(
    *,
    size: int = DEFAULT_SIZE,
    margin: int = DEFAULT_MARGIN,
    dark: str = "000000",
    light: str = "ffffff",
    ecc: str = "M",
) -> QrStyle:
    """Check the options of a QR code. Raises Invalid naming the option, also when no camera could read it."""
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise Invalid(f"The size is {MIN_SIZE} to {MAX_SIZE}.", field="size")
    if not 0 <= margin <= MAX_MARGIN:
        raise Invalid(f"The margin is 0 to {MAX_MARGIN} modules.", field="margin")
    level = ecc.strip().upper()
    if len(level) != 1 or level not in ECC_LEVELS:
        raise Invalid("The error correction is L, M, Q or H.", field="ecc")
    ink, paper = _colour(dark, "dark"), _colour(light, "light")
    darkness = (_luminance(paper) + 0.05) / (_luminance(ink) + 0.05)
    if darkness < MIN_CONTRAST:
        raise Invalid("Choose a darker colour on a lighter one, or cameras cannot read the code.", field="dark")
    return QrStyle(size, margin, ink, paper, level)


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture for the middle of the code, as uploaded."""

    data: bytes
    mime: str


def read_logo(data: bytes) -> Logo:
    """Check an uploaded logo: PNG, JPEG, WebP, GIF or SVG. Raises Invalid for `logo`."""
    if len(data) > MAX_LOGO_BYTES:
        raise Invalid(f"A logo has at most {MAX_LOGO_BYTES // 1024} KB.", field="logo")
    if re.match(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<svg[\s>]", data[:2_048].lstrip(b"\xef\xbb\xbf"), re.DOTALL):
        return Logo(data, "image/svg+xml")
    try:
        return Logo(data, _checked_picture(data))
    except _BROKEN as error:
        raise Invalid("A logo is a PNG, JPEG, WebP, GIF or SVG picture.", field="logo") from error


# What Pillow raises for damaged files: each format's reader has its own ways.
_BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


def _checked_picture(data: bytes) -> str:
    """Decode the picture once, so that drawing it later cannot fail. Returns its media type."""
    with _opened(data) as image:
        # The size is known from the header, and checked, before any pixel is decoded.
        if max(image.size) > MAX_LOGO_PIXELS:
            raise Invalid(f"A logo has at most {MAX_LOGO_PIXELS} pixels a side.", field="logo")
        image.convert("RGBA")
        return Image.MIME[image.format or "PNG"]


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "GIF"))


def render(data: str, image_format: str, style: QrStyle, logo: Logo | None = None) -> bytes:
    """Draw the QR code of a text. `image_format` is a key of FORMATS. Raises Invalid for `format`, `data`,
    `logo`."""
    if image_format not in FORMATS:
        raise Invalid(f"The format is one of: {', '.join(FORMATS)}.", field="format")
    if len(data.encode()) > MAX_DATA_BYTES:
        raise Invalid(f"A QR code holds at most {MAX_DATA_BYTES:,} bytes.", field="data")
    code = segno.make_qr(data, error="h" if logo else style.ecc.lower(), boost_error=not logo)
    if image_format == "svg":
        return _svg(code, style, logo)
    if image_format == "pdf" and logo is None:
        return _pdf(code, style)
    picture = _picture(code, style, logo)
    output = io.BytesIO()
    if image_format == "pdf":
        picture.save(output, "PDF", resolution=72)
    else:
        picture.save(output, "PNG", optimize=True)
    return output.getvalue()


def _modules(code: Any, style: QrStyle) -> int:
    return int(code.symbol_size(border=style.margin)[0])


def _picture(code: Any, style: QrStyle, logo: Logo | None) -> Image.Image:
    """The code at the largest whole number of pixels a module, centred in a picture of exactly the size
    asked."""
    scale = style.size // _modules(code, style)
    if scale < 1:
        raise Invalid("The code does not fit into so few pixels.", field="size")
    rendered = io.BytesIO()
    code.save(rendered, kind="png", scale=scale, border=style.margin, dark=_hex(style.dark), light=_hex(style.light))
    symbol = Image.open(rendered).convert("RGB")
    picture = Image.new("RGB", (style.size, style.size), style.light)
    picture.paste(symbol, ((style.size - symbol.width) // 2, (style.size - symbol.height) // 2))
    if logo is not None:
        _paste_logo(picture, style, logo, symbol.width - 2 * style.margin * scale)
    return picture


def _paste_logo(picture: Image.Image, style: QrStyle, logo: Logo, width: int) -> None:
    if logo.mime == "image/svg+xml":
        raise Invalid("An SVG logo can be used in an SVG code only; upload a PNG.", field="logo")
    side = max(1, round(width * LOGO_SHARE))
    with _opened(logo.data) as opened:
        mark = opened.convert("RGBA")
    mark.thumbnail((round(side * 0.88) or 1, round(side * 0.88) or 1), Image.Resampling.LANCZOS)
    start = (style.size - side) // 2
    picture.paste(style.light, (start, start, start + side, start + side))
    picture.paste(mark, ((style.size - mark.width) // 2, (style.size - mark.height) // 2), mark)


def _svg(code: Any, style: QrStyle, logo: Logo | None) -> bytes:
    modules = _modules(code, style)
    output = io.BytesIO()
    code.save(
        output,
        kind="svg",
        border=style.margin,
        dark=_hex(style.dark),
        light=_hex(style.light),
        xmldecl=False,
        omitsize=True,
        svgclass=None,
        lineclass=None,
    )
    svg = output.getvalue().decode().strip()
    svg = svg.replace("<svg ", f'<svg width="{style.size}" height="{style.size}" ', 1)
    if logo is not None:
        svg = svg.replace("</svg>", _svg_logo(modules, style, logo) + "</svg>")
    return svg.encode()


def _svg_logo(modules: int, style: QrStyle, logo: Logo) -> str:
    """The logo as an `image`: a referenced SVG runs no script and loads nothing, whatever it contains."""
    side = (modules - 2 * style.margin) * LOGO_SHARE
    start, inner, inset = (modules - side) / 2, side * 0.88, side * 0.06
    uri = f"data:{logo.mime};base64,{base64.b64encode(logo.data).decode()}"
    return (
        f'<rect {_square(start, side)} fill="{_hex(style.light)}"/>'
        f'<image {_square(start + inset, inner)} href="{uri}"/>'
    )


def _square(start: float, side: float) -> str:
    return f'x="{start:.3f}" y="{start:.3f}" width="{side:.3f}" height="{side:.3f}"'


def _pdf(code: Any, style: QrStyle) -> bytes:
    output = io.BytesIO()
    code.save(
        output,
        kind="pdf",
        scale=style.size / _modules(code, style),
        border=style.margin,
        dark=_hex(style.dark),
        light=_hex(style.light),
    )
    return output.getvalue()


def _colour(text: str, field: str) -> Colour:
    found = _COLOUR.match(text.strip())
    if not found:
        raise Invalid("A colour is written in hexadecimal, such as 1a2b3c.", field=field)
    digits = found["hex"]
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


def _hex(colour: Colour) -> str:
    return "#" + bytes(colour).hex()


def _luminance(colour: Colour) -> float:
    """Relative luminance, WCAG 2."""
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
