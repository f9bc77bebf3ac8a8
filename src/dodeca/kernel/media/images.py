"""Images from strangers: measured before they are decoded, turned upright, stripped of metadata, made small.

All functions take and give whole files, work in any thread, and raise Invalid for what is no usable image.
"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Final, Literal

import msgspec
from PIL import Image, ImageCms, ImageFile, ImageOps, ImageSequence, UnidentifiedImageError

from dodeca.kernel.errors import Invalid, TooLarge, UnsupportedMedia

MAX_PIXELS: Final = 50_000_000
"""Largest image in pixels, all frames of an animation together: 200 MB when decoded."""
MAX_SIDE: Final = 16_000
MAX_FRAMES: Final = 500

_FORMATS: Final = ("AVIF", "GIF", "JPEG", "PNG", "WEBP")
_TYPES: Final = {name: f"image/{name.lower()}" for name in _FORMATS}
# What Pillow's decoders raise for damaged files; all of it is the file's fault.
_DAMAGE: Final = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    EOFError,
    OverflowError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    ImageCms.PyCMSError,
)

Image.MAX_IMAGE_PIXELS = MAX_PIXELS


class ImageInfo(msgspec.Struct, frozen=True):
    """An image as people see it: `width` and `height` in pixels after turning it upright."""

    content_type: str
    width: int
    height: int
    frames: int


class Shape(msgspec.Struct, frozen=True):
    """The box a thumbnail fits into ("inside", never enlarged) or fills exactly ("cover", cropped at the centre)."""

    width: int
    height: int
    fit: Literal["inside", "cover"] = "inside"

    @property
    def name(self) -> str:
        """The shape as part of a path: 320x240-cover."""
        return f"{self.width}x{self.height}-{self.fit}"


def inspected(data: bytes) -> ImageInfo:
    """What the file claims to be, within the limits. It is not decoded."""
    with _opened(data) as image:
        width, height = image.size
        if _orientation(image) >= 5:
            width, height = height, width
        return ImageInfo(_TYPES[str(image.format)], width, height, getattr(image, "n_frames", 1))


def cleaned(data: bytes) -> tuple[bytes, ImageInfo]:
    """The same picture, decoded and written anew: upright, in sRGB, without any metadata (place, camera, comments) and
    without whatever else the file carried. Animations stay animations."""
    with _opened(data) as image:
        name = str(image.format)
        try:
            frames = [_upright(frame) for frame in ImageSequence.Iterator(image)]
            out = BytesIO()
            if len(frames) > 1:
                _save_animation(frames, image, name, out)
            else:
                _save(frames[0], name, out)
        except _DAMAGE as error:
            raise Invalid("This image is damaged.", field="file") from error
        first = frames[0]
        return out.getvalue(), ImageInfo(_TYPES[name], first.width, first.height, len(frames))


def thumbnail(data: bytes, shape: Shape, *, quality: int = 80) -> bytes:
    """A still WebP of the first frame."""
    with _opened(data) as image:
        try:
            # A JPEG decodes at a half, quarter or eighth of its size for a fraction of the work.
            side = 2 * max(shape.width, shape.height)
            image.draft("RGB", (side, side))
            upright = _upright(image)
            if shape.fit == "cover":
                small = ImageOps.fit(upright, (shape.width, shape.height), Image.Resampling.LANCZOS)
            else:
                small = upright
                small.thumbnail((shape.width, shape.height), Image.Resampling.LANCZOS)
            out = BytesIO()
            small.save(out, "WEBP", quality=quality, method=4, exif=b"", icc_profile=b"", xmp=b"")
        except _DAMAGE as error:
            raise Invalid("This image is damaged.", field="file") from error
        return out.getvalue()


def _opened(data: bytes) -> ImageFile.ImageFile:
    """Open and check the limits, reading only the headers."""
    try:
        image = Image.open(BytesIO(data), formats=_FORMATS)
        frames = getattr(image, "n_frames", 1)
    except UnidentifiedImageError as error:
        raise UnsupportedMedia("Use a JPEG, PNG, WebP, AVIF or GIF image.", field="file") from error
    except Image.DecompressionBombError as error:
        raise _too_large() from error
    except _DAMAGE as error:
        raise Invalid("This image is damaged.", field="file") from error
    width, height = image.size
    if width * height * frames > MAX_PIXELS or max(width, height) > MAX_SIDE or frames > MAX_FRAMES:
        image.close()
        raise _too_large()
    return image


def _too_large() -> TooLarge:
    return TooLarge(
        f"An image has at most {MAX_PIXELS // 1_000_000} million pixels in {MAX_FRAMES} frames"
        f" and at most {MAX_SIDE:,} on a side.",
        field="file",
    )


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(0x0112, 1)
    except _DAMAGE:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(frame: Image.Image) -> Image.Image:
    """Decode one frame into RGB or RGBA (or grey), upright, in sRGB, with nothing attached."""
    turn = _TURNS.get(_orientation(frame))
    profile = frame.info.get("icc_profile")
    transparent = "A" in frame.getbands() or "transparency" in frame.info
    if profile and frame.mode in ("RGB", "RGBA", "CMYK", "L"):
        frame = _in_srgb(frame, profile)
    if frame.mode not in ("RGB", "RGBA", "L"):
        frame = frame.convert("RGBA" if transparent else "RGB")
    elif transparent and frame.mode != "RGBA":
        frame = frame.convert("RGBA")
    if turn is not None:
        frame = frame.transpose(turn)
    clean = Image.new(frame.mode, frame.size)
    clean.paste(frame)
    return clean


_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _in_srgb(frame: Image.Image, profile: bytes) -> Image.Image:
    """Convert colours; a profile that cannot be used is left out, which at worst shifts hues."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        target = "RGBA" if frame.mode == "RGBA" else "RGB"
        converted = ImageCms.profileToProfile(frame, source, ImageCms.createProfile("sRGB"), outputMode=target)
    except _DAMAGE:
        return frame
    return frame if converted is None else converted


def _save(image: Image.Image, name: str, out: BytesIO) -> None:
    if name == "JPEG":
        image.convert("RGB" if image.mode != "L" else "L").save(out, name, quality=90, optimize=True, progressive=True)
    elif name in ("GIF", "PNG"):
        image.save(out, name)
    else:
        image.save(out, name, quality=90)


def _save_animation(frames: list[Image.Image], source: Image.Image, name: str, out: BytesIO) -> None:
    durations = []
    for number in range(len(frames)):
        source.seek(number)
        durations.append(int(source.info.get("duration", 100)) or 100)
    frames[0].save(
        out,
        name,
        save_all=True,
        append_images=frames[1:],
        duration=durations,
        loop=int(source.info.get("loop", 0)),
        **({"disposal": 2} if name == "GIF" else {}),
    )
