"""Other formats and bit rates of a song. They are sent while they are being made: `commons.pipeline.growing`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final, NamedTuple

from dodeca.commons.pipeline import ffmpeg
from dodeca.kernel.errors import Invalid

RAW: Final = "raw"
DEFAULT_FORMAT: Final = "mp3"
"""What everything plays, for listeners who limit the bit rate and name no format."""
DEFAULT_BIT_RATE: Final = 128
BIT_RATES: Final = (32, 48, 64, 96, 128, 160, 192, 256, 320)
_LOSSLESS: Final = 0


class Format(NamedTuple):
    """A target format."""

    media_type: str
    suffix: str
    most: int
    """Highest bit rate in kbit/s; 0 for lossless."""
    arguments: tuple[str, ...]


FORMATS: Final = {
    # A header with the length could only be written at the end; players compute it from a constant rate.
    "mp3": Format(
        "audio/mpeg",
        "mp3",
        320,
        ("-c:a", "libmp3lame", "-write_xing", "0", "-id3v2_version", "0", "-f", "mp3"),
    ),
    "opus": Format("audio/ogg", "opus", 256, ("-c:a", "libopus", "-vbr", "on", "-f", "opus")),
    "aac": Format("audio/aac", "aac", 320, ("-c:a", "aac", "-f", "adts")),
    "flac": Format("audio/flac", "flac", _LOSSLESS, ("-c:a", "flac", "-compression_level", "5", "-f", "flac")),
}

_OWN: Final = {
    "mp3": "mp3",
    "opus": "opus",
    "ogg": "opus",
    "m4a": "aac",
    "aac": "aac",
    "flac": "flac",
    "wav": "flac",
    "aiff": "flac",
}
"""By the suffix of a file, the target that sounds like it."""


class Profile(NamedTuple):
    """A format at a bit rate (kbit/s; 0 for lossless). `radio` is cut into frames that stand alone."""

    format: str
    bit_rate: int
    radio: bool = False

    @property
    def name(self) -> str:
        """How a transcode is named where it is stored: mp3-128, flac-0, radio-mp3-128."""
        return f"{'radio-' if self.radio else ''}{self.format}-{self.bit_rate}"

    @property
    def media_type(self) -> str:
        """Of the result."""
        return FORMATS[self.format].media_type

    @property
    def suffix(self) -> str:
        """Of the result's name, without dot."""
        return FORMATS[self.format].suffix

    def estimated_bytes(self, duration_ms: int) -> int:
        """About how long the result is, before it exists."""
        return duration_ms * (self.bit_rate or 900) // 8


RADIO_PROFILES: Final = {
    "mp3": Profile("mp3", 128, radio=True),
    "aac": Profile("aac", 128, radio=True),
    "ogg": Profile("opus", 96, radio=True),
}
"""What a station sends, by the suffix of its address: all its songs in one format, so that they join."""


def choose(suffix: str, bit_rate: int, *, format: str = "", max_bit_rate: int = 0) -> Profile | None:
    """The profile for a listener's wishes, None where the file as it is fulfils them.

    `suffix` and `bit_rate` (kbit/s) are the file's. `max_bit_rate` 0 is no limit. Raises Invalid.
    """
    if format in ("", RAW):
        wanted = "" if format == "" else RAW
    elif format in FORMATS:
        wanted = format
    else:
        raise Invalid(f"The format is one of: {RAW}, {', '.join(FORMATS)}.", field="format")
    if max_bit_rate < 0 or max_bit_rate > 100_000:
        raise Invalid("The bit rate is a number of kbit/s from 0.", field="max_bit_rate")
    fits = not max_bit_rate or (0 < bit_rate <= max_bit_rate)
    if wanted == RAW or (fits and wanted in ("", suffix)):
        return None
    target = wanted or DEFAULT_FORMAT
    most = FORMATS[target].most
    if most == _LOSSLESS:
        return Profile(target, 0)
    return Profile(target, _step(min(most, max_bit_rate or DEFAULT_BIT_RATE)))


def like(suffix: str, bit_rate: int) -> Profile:
    """What sounds like a file of so many kbit/s, and takes no more: for what is cut from it and has to be encoded."""
    target = _OWN.get(suffix, DEFAULT_FORMAT)
    limit = min(FORMATS[target].most, bit_rate or DEFAULT_BIT_RATE)
    return Profile(target, _step(limit) if target == "mp3" else limit)


def _step(limit: int) -> int:
    """The highest of the steps, which are all that MP3 knows, that is not above a limit."""
    return max((rate for rate in BIT_RATES if rate <= limit), default=BIT_RATES[0])


def arguments(source: Path, profile: Profile, *, offset_seconds: float = 0.0, target: str = "pipe:1") -> list[str]:
    """ffmpeg's arguments for a profile. Tags stay behind: the result is the same for the same sound."""
    return [*ffmpeg.reading(source, offset_seconds=offset_seconds), *_encoding(profile), target]


def live_arguments(profile: Profile) -> list[str]:
    """The same for a source that is still speaking."""
    return [*ffmpeg.listening(), *_encoding(profile), "-flush_packets", "1", "pipe:1"]


def _encoding(profile: Profile) -> list[str]:
    chosen = FORMATS[profile.format]
    rate = ["-b:a", f"{profile.bit_rate}k"] if profile.bit_rate else []
    radio: list[str] = []
    if profile.radio:
        # At 48 kHz, MP3 of 128 kbit/s has frames of exactly 384 bytes; without reservoir none needs an earlier one.
        radio = ["-ar", "48000", "-ac", "2"] + (["-reservoir", "0"] if profile.format == "mp3" else [])
        if profile.format == "opus":
            radio += ["-page_duration", "200000"]
    tidy = ["-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact", "-flags", "+bitexact"]
    return ["-map", "0:a:0", *tidy, *rate, *radio, *chosen.arguments]


def media_type_of(name: str) -> str:
    """The type of the transcode that is stored under a name."""
    return FORMATS[name.removeprefix("radio-").partition("-")[0]].media_type


def transcode(source: Path, profile: Profile, target: Path) -> None:
    """Make a whole transcode as a file, from a thread: for downloads, radio and offline. Raises NotDecodable."""
    ffmpeg.run(["-loglevel", "error", *arguments(source, profile, target=f"file:{target.absolute()}")])


def from_offset(source: Path, profile: Profile, offset_seconds: float) -> AsyncGenerator[bytes, None]:
    """A stream that begins later in the song; it is not stored."""
    return ffmpeg.stream(arguments(source, profile, offset_seconds=offset_seconds))
