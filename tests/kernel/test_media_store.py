"""The store: what went in comes out, once for each content, from a folder and from S3, and never by halves."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from PIL import Image

from dodeca.kernel.errors import Invalid, NotFound, TooLarge, Unavailable, UnsupportedMedia
from dodeca.kernel.media import MediaStore, Shape, disposition, sniffed


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    """A bucket in an S3-compatible server on loopback."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    credentials = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=f"http://{host}:{port}", **credentials).create_bucket(Bucket="media")
    yield (
        f"s3://media/some/prefix?endpoint=http://{host}:{port}&region=us-east-1"
        "&access_key_id=key&secret_access_key=secret"
    )
    server.stop()


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.cluster)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MediaStore:
    """An empty folder, or a bucket."""
    return MediaStore(tmp_path if request.param == "folder" else request.getfixturevalue("s3_url"))


@pytest.fixture
def folder(tmp_path: Path) -> MediaStore:
    return MediaStore(tmp_path)


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


def save(store: MediaStore, *data: bytes, max_bytes: int = 10_000_000, accept: set[str] | None = None) -> str:
    return asyncio.run(store.save(pieces(*data), max_bytes=max_bytes, accept=accept)).key


async def read(store: MediaStore, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([piece async for piece in store.stream(key, start, end)])


async def keys(store: MediaStore) -> set[str]:
    return {stored.key async for stored in store.walk()}


def jpeg(size: tuple[int, int] = (600, 400)) -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "SecretPhone"
    out = BytesIO()
    Image.new("RGB", size, "red").save(out, "JPEG", exif=exif.tobytes())
    return out.getvalue()


def test_an_upload_is_found_under_its_content(store: MediaStore) -> None:
    data = os.urandom(3_000_000)

    blob = asyncio.run(store.save(pieces(data[:10], data[10:2_000_000], data[2_000_000:]), max_bytes=3_000_000))

    assert blob.key == hashlib.sha256(data).hexdigest()
    assert (blob.size, blob.content_type) == (3_000_000, "application/octet-stream")
    assert asyncio.run(store.aread(blob.key)) == store.read(blob.key) == data
    assert asyncio.run(store.size(blob.key)) == 3_000_000


def test_the_same_content_is_stored_once(store: MediaStore) -> None:
    before = asyncio.run(keys(store))

    assert save(store, b"same", b" content") == save(store, b"same content") == store.save_bytes(b"same content").key

    assert len(asyncio.run(keys(store)) - before) == 1


def test_any_part_can_be_read(store: MediaStore) -> None:
    data = os.urandom(2_500_000)
    key = store.save_bytes(data).key

    assert asyncio.run(read(store, key)) == data
    assert asyncio.run(read(store, key, 5, 10)) == data[5:10]
    assert asyncio.run(read(store, key, 1_000_000, 2_400_000)) == data[1_000_000:2_400_000]
    assert asyncio.run(read(store, key, 2_499_999, 9_999_999)) == data[-1:]
    assert asyncio.run(read(store, key, 7, 7)) == b""


def test_a_missing_file_is_not_found(store: MediaStore) -> None:
    for key in ["0" * 64, "", "../../etc/passwd", "A" * 64, "0" * 63 + "/"]:
        with pytest.raises(NotFound):
            asyncio.run(store.aread(key))
        with pytest.raises(NotFound):
            store.read(key)
        with pytest.raises(NotFound):
            asyncio.run(read(store, key))
        assert store.local_path("0" * 64) is None


def test_a_deleted_file_is_gone_and_can_come_back(store: MediaStore) -> None:
    key = save(store, b"short-lived")

    asyncio.run(store.delete(key))
    asyncio.run(store.delete(key))

    with pytest.raises(NotFound):
        store.read(key)
    assert save(store, b"short-lived") == key
    assert store.read(key) == b"short-lived"


def test_a_sweep_sees_every_file_and_its_age(store: MediaStore) -> None:
    saved = {save(store, f"file {number}".encode()) for number in range(3)}

    async def found() -> dict[str, float]:
        return {stored.key: stored.modified.timestamp() async for stored in store.walk()}

    ages = asyncio.run(found())
    assert saved <= ages.keys()
    assert all(abs(ages[key] - time.time()) < 60 for key in saved)


def test_a_file_can_be_set_aside_and_put_back(store: MediaStore) -> None:
    key = save(store, b"put away")

    asyncio.run(store.set_aside("2031-05-01", key))
    listed = store.aside()
    gone = asyncio.run(keys(store))
    asyncio.run(store.put_back("2031-05-01", key))
    back = store.read(key)
    asyncio.run(store.set_aside("2031-05-01", key))
    asyncio.run(store.remove_aside("2031-05-01", key))

    assert ("2031-05-01", key) in listed
    assert key not in gone
    assert back == b"put away"
    assert ("2031-05-01", key) not in store.aside()


def test_too_much_is_refused_while_it_arrives(folder: MediaStore, tmp_path: Path) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 100_000
            yield b"x" * 100_000

    with pytest.raises(TooLarge) as caught:
        asyncio.run(folder.save(endless(), max_bytes=1_000_000))

    assert caught.value.field == "file"
    assert sent < 2_000_000
    assert list((tmp_path / "incoming").iterdir()) == []


def test_only_what_is_welcome_is_kept(store: MediaStore) -> None:
    before = asyncio.run(keys(store))

    with pytest.raises(UnsupportedMedia) as caught:
        save(store, b"<html><script>", accept={"audio/mpeg", "audio/flac"})

    assert caught.value.field == "file"
    assert "audio/flac, audio/mpeg" in caught.value.message
    assert asyncio.run(keys(store)) == before
    assert save(store, b"ID3\x03" + b"\0" * 100, accept={"audio/mpeg"})


def test_an_empty_file_is_refused(store: MediaStore) -> None:
    with pytest.raises(Invalid):
        save(store)
    with pytest.raises(Invalid):
        store.save_bytes(b"")


def test_an_upload_that_breaks_off_leaves_nothing(folder: MediaStore, tmp_path: Path) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield b"x" * 500_000
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        asyncio.run(folder.save(breaking(), max_bytes=1_000_000))

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_leftovers_of_a_crash_are_removed_later(tmp_path: Path) -> None:
    MediaStore(tmp_path)
    old, young = tmp_path / "incoming" / "dodeca-old", tmp_path / "incoming" / "dodeca-young"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))

    MediaStore(tmp_path)

    assert not old.exists()
    assert young.exists()


def test_a_picture_is_stored_clean(store: MediaStore) -> None:
    blob = asyncio.run(store.save_image(pieces(jpeg())))

    assert (blob.content_type, blob.width, blob.height) == ("image/jpeg", 600, 400)
    assert b"SecretPhone" not in store.read(blob.key)


def test_a_picture_is_refused_when_too_large_or_none(store: MediaStore) -> None:
    with pytest.raises(TooLarge):
        asyncio.run(store.save_image(pieces(jpeg()), max_bytes=100))
    with pytest.raises(UnsupportedMedia):
        asyncio.run(store.save_image(pieces(b"hello")))


def test_a_thumbnail_is_made_once_and_kept(store: MediaStore, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = store.save_image_bytes(jpeg())

    small = asyncio.run(store.thumbnail(blob.key, Shape(60, 60)))

    assert Image.open(BytesIO(small)).size == (60, 40)
    asyncio.run(store.delete(blob.key))
    assert asyncio.run(store.thumbnail(blob.key, Shape(60, 60))) == small  # kept, for the original is gone
    asyncio.run(store.delete_thumbnails(blob.key, [Shape(60, 60), Shape(9, 9)]))
    with pytest.raises(NotFound):
        asyncio.run(store.thumbnail(blob.key, Shape(60, 60)))


def test_a_thumbnail_of_no_picture_is_refused(store: MediaStore) -> None:
    with pytest.raises(UnsupportedMedia):
        asyncio.run(store.thumbnail(save(store, b"hello"), Shape(60, 60)))


def test_local_programs_get_a_path(folder: MediaStore) -> None:
    key = save(folder, b"hello")

    path = folder.local_path(key)

    assert path is not None
    assert path.read_bytes() == b"hello"


def test_a_full_disk_says_so(folder: MediaStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(Unavailable, match="no room"):
        save(folder, b"hello")


@pytest.mark.cluster
def test_s3_that_is_away_is_unavailable() -> None:
    store = MediaStore("s3://media?endpoint=http://127.0.0.1:1&region=x&access_key_id=k&secret_access_key=s")

    with pytest.raises(Unavailable):
        asyncio.run(store.check())


def test_a_working_store_passes_its_check(store: MediaStore) -> None:
    asyncio.run(store.check())


@pytest.mark.parametrize("url", ["ftp://host/x", "s3://", "s3://bucket?colour=red", "https://bucket.example"])
def test_an_unusable_url_is_refused(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        MediaStore(url)

    assert caught.value.field == "DODECA_MEDIA_URL"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (jpeg(), "image/jpeg"),
        (b"fLaC\0\0\0\x22", "audio/flac"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav"),
        (b"OggS\0\x02", "audio/ogg"),
        (b"%PDF-1.7\n", "application/pdf"),
        (b"PK\x03\x04" + b"\0" * 30, "application/zip"),
        (b"MZ" + b"\0" * 50, "application/x-msdownload"),
        (b"<!doctype html><script>", "text/plain"),
        (b"<svg onload=alert(1)>", "text/plain"),
        ("Grüße\n".encode(), "text/plain"),
        (("é" * 5000).encode()[1:8193], "application/octet-stream"),
        (b"x" + ("é" * 5000).encode(), "text/plain"),
        (b"\xff\xfe\xfd", "application/octet-stream"),
        (b"a\0b", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_content_tells_the_type(head: bytes, kind: str) -> None:
    assert sniffed(head) == kind


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("song.mp3", 'inline; filename="song.mp3"'),
        ("Grüße.txt", "inline; filename=\"Gr__e.txt\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe.txt"),
        ('a"b\r\nSet-Cookie: x.txt', 'inline; filename="abSet-Cookie x.txt"'),
        ("../../etc/passwd", 'inline; filename="etcpasswd"'),
        ("100%.txt", "inline; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
        ("", "inline"),
        ("\u202egpj.exe", 'inline; filename="gpj.exe"'),
    ],
)
def test_a_name_cannot_break_out_of_its_header(name: str, header: str) -> None:
    assert disposition(name, inline=True) == header
