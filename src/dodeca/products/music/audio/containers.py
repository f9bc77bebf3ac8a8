"""The audio packets inside a file, apart from its tags.

`packet_hash` names the sound itself: writing other tags or covers into a file, or moving it, leaves the hash as it
is. Only the container is walked here, in place and without decoding, so a scan runs at the speed of the disk:

* MP3 and ADTS: without ID3v2 (https://id3.org/id3v2.4.0-structure), ID3v1, Lyrics3 and APEv2, and without the
  frame in which encoders note the length and taggers the ReplayGain (Xing, Info, VBRI);
* FLAC: the frames after the metadata blocks (RFC 9639);
* Ogg: the packets after the header pages (RFC 3533), whatever the pages' numbers and checksums are;
* MP4: the content of `mdat` (ISO/IEC 14496-12); WAV: `data`; AIFF: `SSND`; Matroska, which is for videos: all.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from dodeca.kernel.errors import UnsupportedMedia

_MPEG_BITRATES: Final = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_RATES: Final = {1: (44100, 48000, 32000), 2: (22050, 24000, 16000), 25: (11025, 12000, 8000)}
ADTS_RATES: Final = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_LOOKED_AT: Final = 1 << 16
"""Bytes in which the first frame of an MP3 must begin: some files have padding after their tag."""
_ID3V1_BYTES: Final = 128
_MOST_BOXES: Final = 100_000

Span = tuple[int, int]


class MpegFrame(NamedTuple):
    """The header of one MPEG audio frame."""

    size: int
    """Bytes, header included."""
    samples: int
    rate: int
    """Samples a second."""
    channels: int
    bit_rate: int
    """kbit/s."""
    layer: int


class Contents(NamedTuple):
    """What a file is and where its sound lies."""

    container: str
    """mp3, aac, flac, ogg, mp4, wav, aiff or matroska."""
    codec: str
    """mp3, mp2, aac, alac, flac, vorbis, opus, speex, pcm, or the container's own code."""
    spans: tuple[Span, ...]
    """Where the packets lie: from, up to, in bytes."""


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, mmap.mmap]]:
    """A file, and its bytes in memory. Raises UnsupportedMedia when it is empty, OSError."""
    with open(path, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            raise UnsupportedMedia("The file is empty.", field="file")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            yield file, view


def packet_hash(view: mmap.mmap, found: Contents) -> str:
    """SHA-256 of codec and packets, in hexadecimal."""
    digest = hashlib.sha256(found.codec.encode() + b"\0")
    with memoryview(view) as whole:
        for start, end in found.spans:
            with whole[start:end] as part:
                digest.update(part)
    return digest.hexdigest()


def contents(view: mmap.mmap) -> Contents:
    """Walk a file. Raises UnsupportedMedia when it is none of the containers."""
    size = len(view)
    start = _after_id3(view, size)
    head = view[start : start + 12]
    if head[:4] == b"fLaC":
        found = Contents("flac", "flac", ((_after_flac_blocks(view, start + 4, size), size - _id3v1(view, size)),))
    elif head[:4] == b"OggS":
        found = _ogg(view, start, size)
    elif head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        found = _chunks(view, start + 12, size, b"data", "<I", "wav")
    elif head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        found = _chunks(view, start + 12, size, b"SSND", ">I", "aiff")
    elif head[4:8] == b"ftyp":
        found = _mp4(view, size)
    elif head[:4] == b"\x1aE\xdf\xa3":
        found = Contents("matroska", "matroska", ((0, size),))
    else:
        found = _mpeg(view, start, size)
    return found


# MPEG audio and ADTS


def _after_id3(view: mmap.mmap, size: int) -> int:
    """Where the content begins after any number of ID3v2 tags."""
    start = 0
    while view[start : start + 3] == b"ID3" and start + 10 <= size:
        length = 0
        for byte in view[start + 6 : start + 10]:
            length = length << 7 | byte & 0x7F
        start += 10 + length + (10 if view[start + 5] & 0x10 else 0)
    return min(start, size)


def _id3v1(view: mmap.mmap, end: int) -> int:
    return _ID3V1_BYTES if view[max(0, end - _ID3V1_BYTES) : end][:3] == b"TAG" else 0


def _before_tail_tags(view: mmap.mmap, start: int, end: int) -> int:
    """Where the sound ends: tags at the end come in any order and number."""
    while end > start:
        before = end - _id3v1(view, end)
        footer = view[max(start, before - 32) : before]
        if footer[:8] == b"APETAGEX" and len(footer) == 32:
            length = struct.unpack("<I", footer[12:16])[0] + (32 if footer[23] & 0x80 else 0)
            before = max(start, before - length)
        if view[max(start, before - 9) : before] == b"LYRICS200":
            digits = view[max(start, before - 15) : before - 9]
            before = max(start, before - 15 - (int(digits) if digits.isdigit() else 0))
        if before == end:
            return end
        end = before
    return end


def _mpeg(view: mmap.mmap, start: int, size: int) -> Contents:
    end = _before_tail_tags(view, start, size)
    head = view[start : min(end, start + _LOOKED_AT)]
    for at in range(max(0, len(head) - 7)):
        if head[at] != 0xFF or head[at + 1] & 0xE0 != 0xE0:
            continue
        if head[at + 1] & 0xF6 == 0xF0:
            if _follows_adts(view, start + at, end):
                return Contents("aac", "aac", ((start + at, end),))
            continue
        frame = mpeg_frame(head[at : at + 4])
        if frame is not None and _follows_mpeg(view, start + at, end, frame):
            first = start + at
            if _tells_the_length(view[first : first + min(frame.size, 200)]):
                first += frame.size
            return Contents("mp3", "mp3" if frame.layer == 3 else f"mp{frame.layer}", ((first, end),))
    raise UnsupportedMedia(
        "This is no audio file that is known here. Use MP3, M4A, AAC, FLAC, Ogg, WAV or AIFF.", field="file"
    )


def mpeg_frame(header: bytes) -> MpegFrame | None:
    """Read the four bytes of a frame's header; None when they are none (ISO/IEC 11172-3, 2.4.2.3)."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version = {0: 25, 2: 2, 3: 1}.get(header[1] >> 3 & 3)
    layer = 4 - (header[1] >> 1 & 3)
    rate_index = header[2] >> 2 & 3
    if version is None or layer == 4 or rate_index == 3 or header[2] >> 4 in (0, 15):
        return None
    bit_rate = _MPEG_BITRATES[1 if version == 1 else 2, layer][header[2] >> 4]
    rate = _MPEG_RATES[version][rate_index]
    padding = header[2] >> 1 & 1
    samples = 384 if layer == 1 else 1152 if layer == 2 or version == 1 else 576
    if layer == 1:
        size = (12 * bit_rate * 1000 // rate + padding) * 4
    else:
        size = samples // 8 * bit_rate * 1000 // rate + padding
    return MpegFrame(size, samples, rate, 1 if header[3] >> 6 == 3 else 2, bit_rate, layer)


def _follows_mpeg(view: mmap.mmap, at: int, end: int, frame: MpegFrame) -> bool:
    """Two like frames after this one: sync words alone occur by chance."""
    for _ in range(2):
        at += frame.size
        if at >= end:
            return True
        following = mpeg_frame(view[at : at + 4])
        if following is None or (following.rate, following.layer) != (frame.rate, frame.layer):
            return False
        frame = following
    return True


class Adts(NamedTuple):
    """What the frames of an ADTS file amount to."""

    duration_ms: int
    rate: int
    channels: int


def adts(view: mmap.mmap, found: Contents) -> Adts:
    """Walk the frames of a file that `contents` calls aac."""
    (start, end), frames = found.spans[0], 0
    head = view[start : start + 7]
    while start < end and (size := adts_size(view[start : start + 7])):
        frames += 1
        start += size
    rate = ADTS_RATES[head[2] >> 2 & 15]
    return Adts(frames * 1024 * 1000 // rate, rate, (head[2] & 1) << 2 | head[3] >> 6)


def adts_size(header: bytes) -> int:
    """Bytes of an ADTS frame by its first seven; 0 when they are none (ISO/IEC 13818-7, 6.2)."""
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return 0
    if header[2] >> 2 & 15 >= len(ADTS_RATES):
        return 0
    size = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return size if size >= 7 else 0


def _follows_adts(view: mmap.mmap, at: int, end: int) -> bool:
    for _ in range(3):
        size = adts_size(view[at : at + 7])
        if not size:
            return False
        at += size
        if at >= end:
            return True
    return True


def _tells_the_length(frame: bytes) -> bool:
    """Whether a first frame holds a table of contents instead of sound."""
    return any(mark in frame for mark in (b"Xing", b"Info", b"VBRI"))


# FLAC and Ogg


def _after_flac_blocks(view: mmap.mmap, at: int, size: int) -> int:
    while at + 4 <= size:
        last, length = view[at] & 0x80, int.from_bytes(view[at + 1 : at + 4], "big")
        at += 4 + length
        if last:
            return min(at, size)
    return size


class OggPage(NamedTuple):
    """Where a page's payload lies, its position and stream."""

    start: int
    end: int
    granule: int
    """Samples at 48 kHz for Opus, at the stream's own rate otherwise; -1 when no packet ends on the page."""
    serial: int
    first: bool


def ogg_pages(view: mmap.mmap | bytes, at: int, size: int) -> Iterator[OggPage]:
    """The pages from `at` on, up to the first thing that is none."""
    while at + 27 <= size and view[at : at + 4] == b"OggS":
        flags = view[at + 5]
        granule, serial = struct.unpack("<qI", view[at + 6 : at + 18])
        segments = view[at + 26]
        start = at + 27 + segments
        end = min(size, start + sum(view[at + 27 : start]))
        yield OggPage(start, end, granule, serial, bool(flags & 2))
        at = end


_OGG_HEADS: Final = (
    (b"OpusHead", "opus"),
    (b"\x01vorbis", "vorbis"),
    (b"\x7fFLAC", "flac"),
    (b"Speex   ", "speex"),
)


def _ogg(view: mmap.mmap, start: int, size: int) -> Contents:
    """Pages of headers have position 0, or -1 where a header (a large cover) fills them; sound begins with the first
    page of a later position."""
    codec, serial = "", -1
    spans: list[Span] = []
    for page in ogg_pages(view, start, size):
        if page.first:
            head = view[page.start : page.start + 8]
            for mark, name in _OGG_HEADS:
                if head.startswith(mark) and not codec:
                    codec, serial = name, page.serial
        if page.serial == serial and (page.granule > 0 or spans):
            spans.append((page.start, page.end))
    if not codec or not spans:
        raise UnsupportedMedia("This Ogg file holds no sound that is known here.", field="file")
    return Contents("ogg", codec, tuple(spans))


# Chunks and boxes


def _chunks(view: mmap.mmap, at: int, size: int, wanted: bytes, length_format: str, container: str) -> Contents:
    codec = "pcm"
    while at + 8 <= size:
        name = view[at : at + 4]
        length = struct.unpack(length_format, view[at + 4 : at + 8])[0]
        if name == b"fmt " and at + 10 <= size and view[at + 8 : at + 10] == b"\x55\x00":
            codec = "mp3"
        if name == wanted:
            end = size if length in (0, 0xFFFFFFFF) else min(size, at + 8 + length)
            return Contents(container, codec, ((at + 8, end),))
        at += 8 + length + (length & 1)
    raise UnsupportedMedia(f"This {container.upper()} file holds no sound.", field="file")


def _boxes(view: mmap.mmap, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, begin and end of the content of each box."""
    for _ in range(_MOST_BOXES):
        if at + 8 > end:
            return
        length, name = struct.unpack(">I4s", view[at : at + 8])
        header = 8
        if length == 1 and at + 16 <= end:
            length, header = struct.unpack(">Q", view[at + 8 : at + 16])[0], 16
        if length == 0:
            length = end - at
        if length < header:
            return
        yield name, at + header, min(end, at + length)
        at += length


_MP4_CODECS: Final = {b"mp4a": "aac", b"alac": "alac", b"fLaC": "flac", b"Opus": "opus", b".mp3": "mp3"}


def _mp4(view: mmap.mmap, size: int) -> Contents:
    spans: list[Span] = []
    codec = ""
    for name, start, end in _boxes(view, 0, size):
        if name == b"mdat":
            spans.append((start, end))
        elif name == b"moov":
            codec = codec or _mp4_codec(view, start, end)
    if not spans or not codec:
        raise UnsupportedMedia("This MP4 file holds no sound that is known here.", field="file")
    return Contents("mp4", codec, tuple(spans))


def _mp4_codec(view: mmap.mmap, start: int, end: int) -> str:
    """The codec of the first audio track."""
    for name, from_, to in _boxes(view, start, end):
        if name in (b"trak", b"mdia", b"minf", b"stbl"):
            if found := _mp4_codec(view, from_, to):
                return found
        elif name == b"stsd":
            code = view[from_ + 12 : from_ + 16]
            if code in _MP4_CODECS:
                return _MP4_CODECS[code]
    return ""
