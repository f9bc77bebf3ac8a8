"""Converting, as OpenSubsonic's extension `transcoding` decides about it.

https://opensubsonic.netlify.app/docs/extensions/transcoding/. A decision is a signed text that names the song, its
present sound and the target, so nothing is kept of it."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response

from dodeca.kernel.crypto import BadSignature, Expired
from dodeca.kernel.db import ReadSession
from dodeca.products.music import sound
from dodeca.products.music.audio.transcoding import FORMATS, Profile, choose
from dodeca.products.music.compat.subsonic.asking import MALFORMED, NOT_FOUND, Asked, Refused, working
from dodeca.products.music.compat.subsonic.media import LONGEST_OFFSET
from dodeca.products.music.compat.subsonic.schema import Node, node
from dodeca.products.music.sending import send_sound, signer
from dodeca.products.music.service import songs
from dodeca.products.music.sound import Where

_PARAMETERS_SECONDS: Final = 6 * 3600


class DirectProfile(msgspec.Struct):
    """What an app plays as it is; an empty list means anything."""

    containers: list[str] = []
    audioCodecs: list[str] = []  # noqa: N815 - OpenSubsonic's name
    protocols: list[str] = []
    maxAudioChannels: int | None = None  # noqa: N815


class TargetProfile(msgspec.Struct):
    """What an app would have instead."""

    container: str = ""
    audioCodec: str = ""  # noqa: N815
    protocol: str = "http"
    maxAudioChannels: int | None = None  # noqa: N815


class Limitation(msgspec.Struct):
    """A bound of a codec's property."""

    name: str = ""
    comparison: str = ""
    values: list[str] = []
    required: bool = False


class CodecProfile(msgspec.Struct):
    """Bounds of a codec."""

    type: str = "AudioCodec"
    name: str = ""
    limitations: list[Limitation] = []


class ClientInfo(msgspec.Struct):
    """What an app can do. Bit rates are in bit/s."""

    name: str = ""
    platform: str = ""
    maxAudioBitrate: int = 0  # noqa: N815
    maxTranscodingAudioBitrate: int = 0  # noqa: N815
    directPlayProfiles: list[DirectProfile] = []  # noqa: N815
    transcodingProfiles: list[TargetProfile] = []  # noqa: N815
    codecProfiles: list[CodecProfile] = []  # noqa: N815


_CONTAINERS: Final = {"m4a": "mp4", "opus": "ogg", "oga": "ogg", "aif": "aiff"}
_TARGETS: Final = {
    ("mp3", "mp3"): "mp3",
    ("ogg", "opus"): "opus",
    ("opus", "opus"): "opus",
    ("flac", "flac"): "flac",
    ("aac", "aac"): "aac",
    ("adts", "aac"): "aac",
}
_DECISION = msgspec.json.Decoder(ClientInfo)


class _Source(msgspec.Struct):
    """What of a song's file decides."""

    where: Where
    codec: str
    channels: int
    sample_rate: int
    bit_depth: int | None

    @property
    def container(self) -> str:
        return _CONTAINERS.get(self.where.suffix, self.where.suffix)

    def details(self) -> Node:
        """The file as OpenSubsonic describes streams; bit rates are in bit/s."""
        return node(
            protocol="http",
            container=self.container,
            codec=self.codec,
            audioChannels=self.channels or None,
            audioBitrate=self.where.bit_rate * 1000 or None,
            audioSamplerate=self.sample_rate or None,
            audioBitdepth=self.bit_depth,
        )

    def value(self, name: str) -> int:
        """A property that a limitation bounds; 0 where it is not known."""
        return {
            "audioBitrate": self.where.bit_rate * 1000,
            "audioChannels": self.channels,
            "audioSamplerate": self.sample_rate,
            "audioBitdepth": self.bit_depth or 0,
        }.get(name, 0)


async def _source(asked: Asked) -> _Source:
    if asked.required("mediaType") != "song":
        raise Refused(NOT_FOUND, "Only songs are converted.")
    number = asked.song("mediaId")

    def find(session: ReadSession) -> _Source:
        song = songs.find(session, asked.viewer, number)
        codec = song.codec or song.suffix or ""
        rates = (song.channels or 0, song.sample_rate or 0, song.bit_depth)
        return _Source(sound.where(session, song), codec, *rates)

    return await asked.call.platform.db.aread(find)


@working("getTranscodeDecision")
async def transcode_decision(asked: Asked) -> Node:
    """Whether an app can play a song as it is, and what it gets where it cannot."""
    source = await _source(asked)
    try:
        info = _DECISION.decode(await asked.call.request.body() or b"{}")
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused(MALFORMED, f"The body is no ClientInfo: {error}") from error
    reasons = [_obstacle(profile, source, info) for profile in info.directPlayProfiles]
    direct = "" in reasons
    profile = _target(info, source)
    return node(
        transcodeDecision=node(
            canDirectPlay=direct,
            canTranscode=profile is not None,
            transcodeReason=[] if direct else reasons or ["NoDirectPlayProfile"],
            errorReason="" if direct or profile is not None else "No transcoding profile can be served.",
            transcodeParams=_sealed(asked, source, profile) if profile is not None else None,
            sourceStream=source.details(),
            transcodeStream=_target_details(profile) if profile is not None else None,
        )
    )


def _obstacle(profile: DirectProfile, source: _Source, info: ClientInfo) -> str:
    """Why a song cannot be played as it is by this profile; empty where it can."""
    containers = {source.container, source.where.suffix}
    channels = profile.maxAudioChannels
    obstacles = (
        ("Protocol", bool(profile.protocols) and "http" not in profile.protocols),
        ("Container", bool(profile.containers) and not containers & set(profile.containers)),
        ("AudioCodec", bool(profile.audioCodecs) and source.codec not in profile.audioCodecs),
        ("AudioChannels", channels is not None and source.channels > channels),
        ("AudioBitrate", 0 < info.maxAudioBitrate < source.where.bit_rate * 1000),
    )
    of_codec = [limit for codec in info.codecProfiles if codec.name == source.codec for limit in codec.limitations]
    broken = next((limit.name for limit in of_codec if limit.required and not _within(limit, source)), "")
    found = next((name for name, holds in obstacles if holds), broken[:1].upper() + broken[1:])
    return f"{found}NotSupported" if found else ""


def _within(limit: Limitation, source: _Source) -> bool:
    bounds = [int(value) for value in limit.values if value.isascii() and value.isdigit() and len(value) < 16]
    value = source.value(limit.name)
    if not bounds or not value:
        return True
    return {
        "Equals": value in bounds,
        "NotEquals": value not in bounds,
        "LessThanEqual": value <= bounds[0],
        "GreaterThanEqual": value >= bounds[0],
    }.get(limit.comparison, True)


def _target(info: ClientInfo, source: _Source) -> Profile | None:
    """The first of an app's targets that can be made."""
    limit = info.maxTranscodingAudioBitrate or info.maxAudioBitrate
    for wanted in info.transcodingProfiles:
        format = _TARGETS.get((wanted.container.lower(), wanted.audioCodec.lower()))
        stereo = wanted.maxAudioChannels is None or wanted.maxAudioChannels >= min(2, source.channels or 2)
        if format is None or wanted.protocol != "http" or not stereo:
            continue
        most = FORMATS[format].most
        if not most:
            return Profile(format, 0)
        return choose("", 0, format=format, max_bit_rate=limit // 1000 if limit else min(most, 256))
    return None


def _target_details(profile: Profile) -> Node:
    container = "ogg" if profile.format == "opus" else profile.format
    bit_rate = profile.bit_rate * 1000 or None
    return node(protocol="http", container=container, codec=profile.format, audioBitrate=bit_rate, audioChannels=2)


def _sealed(asked: Asked, source: _Source, profile: Profile) -> str:
    """A decision as a signed text that only this song and its present sound accept."""
    path = f"/subsonic/{source.where.song_id}/{source.where.audio_hash[:16]}/{profile.format}/{profile.bit_rate}"
    return _escaped(signer(asked.call.platform).sign(path, seconds=_PARAMETERS_SECONDS))


def _escaped(text: str) -> str:
    """Letters that need no escaping in an address, as the extension promises."""
    return text.encode().hex()


@working("getTranscodeStream")
async def transcode_stream(asked: Asked) -> Response[Any]:
    """A song in the form that was decided on. Errors are plain HTTP ones."""
    source = await _source(asked)
    try:
        path, _, query = bytes.fromhex(asked.required("transcodeParams")).decode().partition("?")
        signer(asked.call.platform).check(path, query)
        _, _, number, digest, format, rate = path.split("/")
    except (ValueError, BadSignature, Expired) as error:
        raise Refused(MALFORMED, "transcodeParams is not one that was given, or too old.") from error
    if number != str(source.where.song_id) or digest != source.where.audio_hash[:16]:
        raise Refused(MALFORMED, "transcodeParams is of another song.")
    offset = float(asked.number("offset", 0, 0, LONGEST_OFFSET))
    return await send_sound(asked.call, source.where, Profile(format, int(rate)), time_offset=offset)
