"""The store: content-addressed files in a local folder or an S3-compatible bucket, through obstore."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import re
import tempfile
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec
import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, S3Store

from dodeca.kernel.errors import Invalid, NotFound, TooLarge, Unavailable, UnsupportedMedia
from dodeca.kernel.media import images
from dodeca.kernel.media.types import HEAD_BYTES, IMAGES, sniffed

T = TypeVar("T")

_KEY: Final = re.compile(r"[0-9a-f]{64}")
_BUFFER_BYTES: Final = 1 << 18
_READ_BYTES: Final = 1 << 20
_LEFTOVER_SECONDS: Final = 86_400
_IMAGES_AT_ONCE: Final = 2
MAX_IMAGE_BYTES: Final = 20_000_000


class Blob(msgspec.Struct, frozen=True):
    """A stored file. `key` is the SHA-256 of its content in hexadecimal, which is also its strong entity tag."""

    key: str
    size: int
    content_type: str
    width: int | None = None
    height: int | None = None


class Stored(msgspec.Struct, frozen=True):
    """A file as the sweep finds it."""

    key: str
    size: int
    modified: datetime


class MediaStore:
    """Files by content. Saving the same content twice stores it once.

    `url` is a folder, `file:///folder`, or `s3://bucket/prefix`, whose endpoint, region and credentials come from the
    usual AWS_* variables or from the query: `?endpoint=http://host:9000&region=x&access_key_id=…&secret_access_key=…`.
    """

    def __init__(self, url: str | Path) -> None:
        """Raises Invalid for a URL that is neither."""
        self._folder: Path | None = None
        self._images_turn = threading.BoundedSemaphore(_IMAGES_AT_ONCE)
        text = str(url)
        parts = urlsplit(text)
        if parts.scheme == "s3":
            self._store: Any = _s3(text)
        elif parts.scheme in ("", "file") or isinstance(url, Path):
            self._folder = Path(parts.path if parts.scheme == "file" else url)
            self._incoming.mkdir(parents=True, exist_ok=True)
            self._store = LocalStore(self._folder)
            self._remove_leftovers()
        else:
            raise Invalid("Media can lie in a folder or in s3://bucket/prefix.", field="DODECA_MEDIA_URL")

    # Saving

    async def save(
        self,
        chunks: AsyncIterable[bytes],
        *,
        max_bytes: int,
        accept: Collection[str] | None = None,
        inspect: Callable[[Path], Awaitable[None]] | None = None,
    ) -> Blob:
        """Store a file as it arrives, at most `max_bytes`; it is durable when this returns.

        `accept` names media types, by content, that are welcome. `inspect` looks at the whole file, which lies on this
        machine wherever the store is, before it is kept; what it raises refuses the file. Raises TooLarge,
        UnsupportedMedia, Unavailable. What arrived of a refused or broken upload is removed.
        """
        incoming = _Incoming(self._incoming, max_bytes, accept)
        try:
            buffer = bytearray()
            async for chunk in chunks:
                buffer += chunk
                if len(buffer) >= _BUFFER_BYTES:
                    await asyncio.to_thread(incoming.add, bytes(buffer))
                    buffer.clear()
            blob = await asyncio.to_thread(incoming.finish, bytes(buffer))
            if inspect is not None:
                await inspect(incoming.path)
            await self._keep(incoming.path, blob)
        finally:
            await asyncio.to_thread(incoming.discard)
        return blob

    def save_bytes(self, data: bytes, *, accept: Collection[str] | None = None) -> Blob:
        """Store a file that is at hand, from a thread."""
        incoming = _Incoming(self._incoming, len(data), accept)
        try:
            blob = incoming.finish(data)
            if self._folder is not None:
                self._move(incoming.path, _path(blob.key))
            else:
                with _translated():
                    obstore.put(self._store, _path(blob.key), data, attributes=self._attributes(blob.content_type))
        finally:
            incoming.discard()
        return blob

    async def save_image(self, chunks: AsyncIterable[bytes], *, max_bytes: int = MAX_IMAGE_BYTES) -> Blob:
        """Store a picture, cleaned: see `images.cleaned`. `width` and `height` are set.

        Raises as `save`, and Invalid for a damaged image.
        """
        data = bytearray()
        async for chunk in chunks:
            data += chunk
            if len(data) > max_bytes:
                raise _too_large(max_bytes)
        return await asyncio.to_thread(self.save_image_bytes, bytes(data))

    def save_image_bytes(self, data: bytes) -> Blob:
        """Store a picture that is at hand, cleaned, from a thread."""
        with self._images_turn:
            clean, info = images.cleaned(data)
        blob = self.save_bytes(clean, accept=IMAGES)
        return msgspec.structs.replace(blob, width=info.width, height=info.height)

    async def thumbnail(self, key: str, shape: images.Shape) -> bytes:
        """A small WebP of a stored picture, made once and then kept. Raises NotFound, Invalid."""
        path = f"derived/{shape.name}/{_path(key)}"
        try:
            return await self._aget(path)
        except NotFound:
            original = await self.aread(key)
        small = await asyncio.to_thread(self._thumbnail, original, shape)
        await self._ask(obstore.put_async(self._store, path, small, attributes=self._attributes("image/webp")))
        return small

    def _thumbnail(self, original: bytes, shape: images.Shape) -> bytes:
        with self._images_turn:  # decoding takes hundreds of megabytes: few at once
            return images.thumbnail(original, shape)

    # Reading

    async def stream(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to, not including, `end`, in pieces of at most a mebibyte. Raises NotFound.

        Each piece is a request of its own, so a slow reader holds no connection to the store.
        """
        size = await self.size(key)
        end = size if end is None else min(end, size)
        while start < end:
            until = min(start + _READ_BYTES, end)
            yield bytes(await self._ask(obstore.get_range_async(self._store, _path(key), start=start, end=until)))
            start = until

    async def aread(self, key: str) -> bytes:
        """The whole file. Raises NotFound."""
        return await self._aget(_path(key))

    def read(self, key: str) -> bytes:
        """The whole file, from a thread. Raises NotFound."""
        with _translated():
            return bytes(obstore.get(self._store, _path(key)).bytes())

    async def size(self, key: str) -> int:
        """Size in bytes. Raises NotFound."""
        return int((await self._ask(obstore.head_async(self._store, _path(key))))["size"])

    def local_path(self, key: str) -> Path | None:
        """Where the file lies when the store is a local folder and has it: for sendfile and ffmpeg."""
        if self._folder is None:
            return None
        path = self._folder / _path(key)
        return path if path.is_file() else None

    def local_name(self, key: str) -> str | None:
        """The same without a look at the disk: where the file lies if the store has it. For hot paths."""
        return f"{self._folder}/{_path(key)}" if self._folder is not None else None

    def signed_url(self, key: str, *, seconds: int) -> str | None:
        """An address of S3 at which anybody may read the file for a while; None where the store is a folder."""
        if self._folder is not None:
            return None
        with _translated():
            return str(obstore.sign(self._store, "GET", _path(key), timedelta(seconds=seconds)))

    # Sweeping

    async def walk(self) -> AsyncIterator[Stored]:
        """All files, for a sweep that deletes what no table names. Leave those of the last day alone: an upload is
        stored before the row that names it."""
        stream = obstore.list(self._store, prefix="files", chunk_size=500)
        while True:
            with _translated():
                found = await asyncio.to_thread(next, stream, None)
            if found is None:
                return
            for item in found:
                key = item["path"].rpartition("/")[2]
                if _KEY.fullmatch(key):
                    yield Stored(key, item["size"], item["last_modified"])

    async def set_aside(self, day: str, key: str) -> None:
        """Take a file out of use, for now; `day` says since when, as in 2031-05-01."""
        with contextlib.suppress(NotFound):
            await self._ask(obstore.rename_async(self._store, _path(key), _aside(day, key)))

    async def put_back(self, day: str, key: str) -> None:
        """Undo `set_aside`."""
        with contextlib.suppress(NotFound):
            await self._ask(obstore.rename_async(self._store, _aside(day, key), _path(key)))

    async def remove_aside(self, day: str, key: str) -> None:
        """Remove a file that was set aside, and its thumbnails unless it is stored anew."""
        with contextlib.suppress(NotFound):
            await self._ask(obstore.delete_async(self._store, _aside(day, key)))
        try:
            await self.size(key)
        except NotFound:
            shapes = await self._ask(obstore.list_with_delimiter_async(self._store, "derived"))
            for folder in shapes["common_prefixes"]:
                with contextlib.suppress(NotFound):
                    await self._ask(obstore.delete_async(self._store, f"{folder}/{_path(key)}"))

    def aside(self) -> list[tuple[str, str]]:
        """Day and key of all files that are set aside, from a thread."""
        with _translated():
            paths = [item["path"] for chunk in obstore.list(self._store, prefix="swept") for item in chunk]
        return [(day, key) for _, day, key in (path.rsplit("/", 2) for path in paths) if _KEY.fullmatch(key)]

    async def delete(self, key: str) -> None:
        """Remove a file. Its thumbnails stay until `delete_thumbnails`. Removing what is not there is no error."""
        with contextlib.suppress(NotFound):
            await self._ask(obstore.delete_async(self._store, _path(key)))

    async def delete_thumbnails(self, key: str, shapes: Collection[images.Shape]) -> None:
        """Remove what `thumbnail` made of a file."""
        for shape in shapes:
            with contextlib.suppress(NotFound):
                await self._ask(obstore.delete_async(self._store, f"derived/{shape.name}/{_path(key)}"))

    async def check(self) -> None:
        """Raise Unavailable when the store does not answer."""
        with contextlib.suppress(NotFound):
            await self.size("0" * 64)

    # Inside

    @property
    def _incoming(self) -> Path:
        return self._folder / "incoming" if self._folder is not None else Path(tempfile.gettempdir())

    async def _keep(self, path: Path, blob: Blob) -> None:
        if self._folder is not None:
            await asyncio.to_thread(self._move, path, _path(blob.key))
            return
        attributes = self._attributes(blob.content_type)
        await self._ask(obstore.put_async(self._store, _path(blob.key), path, attributes=attributes))

    def _attributes(self, content_type: str) -> Any:
        """What S3 keeps beside a file; a folder keeps nothing."""
        return {"Content-Type": content_type} if self._folder is None else None

    def _move(self, source: Path, target: str) -> None:
        """Put a finished file in its place: complete or not at all, and on disk."""
        assert self._folder is not None
        path = self._folder / target
        with _translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, path)
            descriptor = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    async def _aget(self, path: str) -> bytes:
        result: Any = await self._ask(obstore.get_async(self._store, path))
        return bytes(await self._ask(result.bytes_async()))

    async def _ask(self, awaitable: Awaitable[T]) -> T:
        with _translated():
            return await awaitable

    def _remove_leftovers(self) -> None:
        """Uploads that a crash left behind."""
        for path in self._incoming.iterdir():
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < time.time() - _LEFTOVER_SECONDS:
                    path.unlink()


class _Incoming:
    """A file that is arriving: counted, hashed, judged by its head, and written beside the store."""

    def __init__(self, folder: Path, max_bytes: int, accept: Collection[str] | None) -> None:
        self._max_bytes = max_bytes
        self._accept = accept
        self._digest = hashlib.sha256()
        self._size = 0
        self._type = ""
        with _translated():
            descriptor, name = tempfile.mkstemp(dir=folder, prefix="dodeca-")
        self.path = Path(name)
        self._file = os.fdopen(descriptor, "wb")

    def add(self, data: bytes) -> None:
        """Take in the next piece; the first one has at least HEAD_BYTES unless it is the only one."""
        self._size += len(data)
        if self._size > self._max_bytes:
            raise _too_large(self._max_bytes)
        if not self._type:
            self._type = sniffed(data[:HEAD_BYTES])
            if self._accept is not None and self._type not in self._accept:
                raise UnsupportedMedia(f"This is {self._type}. Use {', '.join(sorted(self._accept))}.", field="file")
        self._digest.update(data)
        with _translated():
            self._file.write(data)

    def finish(self, data: bytes) -> Blob:
        """Take in the last piece and see that all is on disk. Raises Invalid for an empty file."""
        if data:
            self.add(data)
        if not self._size:
            raise Invalid("The file is empty.", field="file")
        with _translated():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        return Blob(self._digest.hexdigest(), self._size, self._type)

    def discard(self) -> None:
        """Remove the file unless it was moved away."""
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self.path.unlink()


def _path(key: str) -> str:
    """Where a file lies: 65,536 folders keep each of them short. Raises NotFound for what is no key."""
    if not _KEY.fullmatch(key):
        raise NotFound("There is no such file.")
    return f"files/{key[:2]}/{key[2:4]}/{key}"


def _aside(day: str, key: str) -> str:
    """Where a file lies that is set aside."""
    _path(key)
    return f"swept/{day}/{key}"


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"A file has at most {max_bytes:,} bytes here.", field="file")


@contextlib.contextmanager
def _translated() -> Any:
    """Say what the store's errors mean."""
    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        raise NotFound("There is no such file.") from error
    except BaseError as error:
        raise Unavailable("The file store does not answer. Try again shortly.") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Unavailable("There is no room for files at the moment.", retry_after=60) from error
        raise Unavailable("The file store does not answer. Try again shortly.") from error


def _s3(url: str) -> S3Store:
    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    endpoint = query.pop("endpoint", "") or os.environ.get("AWS_ENDPOINT_URL", "")
    config: dict[str, Any] = {}
    for name in ("region", "access_key_id", "secret_access_key", "session_token"):
        if name in query:
            config[name] = query.pop(name)
    if "virtual_hosted" in query:
        config["virtual_hosted_style_request"] = query.pop("virtual_hosted").lower() in ("1", "true", "yes")
    if query:
        raise Invalid(f"Unknown in an s3 URL: {', '.join(sorted(query))}.", field="DODECA_MEDIA_URL")
    if not parts.netloc:
        raise Invalid("An s3 URL names a bucket: s3://bucket/prefix.", field="DODECA_MEDIA_URL")
    if endpoint:
        config["endpoint"] = endpoint
    return S3Store(
        parts.netloc,
        prefix=parts.path.strip("/") or None,
        client_options={"allow_http": endpoint.startswith("http://"), "timeout": "60s", "connect_timeout": "5s"},
        **config,
    )
