"""`dodeca backup` and `dodeca restore`: one file with everything, made while the server runs."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
from sqlalchemy import make_url

from dodeca.cli.data import Bar, progress_bar
from dodeca.cli.main import config_of, data_option
from dodeca.kernel import clock
from dodeca.kernel.errors import Conflict, Invalid
from dodeca.kernel.platform import Platform, exclusive, saving

DATABASE_ENTRY = "database"
SKIPPED = {"invalidation", "server.lock", "backup.lock"}
CHUNK = 1 << 20


class Contents(msgspec.Struct):
    """The backup's own description: what engine the database entry is of, and each entry's SHA-256."""

    version: int
    engine: str
    made_at: str
    entries: dict[str, str]


@click.command()
@data_option
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
def backup(data: Path | None, file: Path, force: bool) -> None:
    """Write a consistent backup to FILE while the server runs.

    It holds the database as of one moment, then media and journals as of a moment later, so that nothing the database
    names is missing. The secret key is in it: keep FILE as you keep the server. Media on S3 is not copied.
    """
    from dodeca import app

    if file.exists() and not force:
        raise Conflict(f"{file} exists. Use --force to replace it.")
    platform = app.compose(config_of(data))
    try:
        with progress_bar() as bar, saving(platform.data):
            count = write_backup(platform, file, bar)
        click.echo(f"{file}: {count} entries, {file.stat().st_size / 1e6:.1f} MB.")
    finally:
        platform.close()


def write_backup(platform: Platform, file: Path, bar: Bar) -> int:
    """Write the backup beside its place and move it there when it is whole; gives the number of entries."""
    partial = file.with_name(file.name + ".partial")
    entries: dict[str, str] = {}
    with tempfile.TemporaryDirectory(dir=file.parent) as folder, zipfile.ZipFile(partial, "w", allowZip64=True) as out:
        bar.start("Database", None)
        dump = Path(folder) / DATABASE_ENTRY
        dump_database(platform, dump)
        entries[DATABASE_ENTRY] = _add(out, dump, DATABASE_ENTRY, zipfile.ZIP_DEFLATED)
        files = list(_data_files(platform.data))
        bar.start("Files", len(files))
        for path in files:
            name = "data/" + path.relative_to(platform.data).as_posix()
            try:
                entries[name] = _add(out, path, name, zipfile.ZIP_STORED)
            except FileNotFoundError:  # deleted since it was listed: a picture that somebody took away
                continue
            bar.advance()
        contents = Contents(1, platform.db.dialect, clock.rfc3339(clock.now()), entries)
        out.writestr("contents.json", msgspec.json.encode(contents))
    partial.replace(file)
    return len(entries)


def dump_database(platform: Platform, target: Path) -> None:
    """The database as of one moment. Raises Invalid where PostgreSQL's pg_dump is missing."""
    if platform.db.dialect == "sqlite":
        database = make_url(platform.db.url).database or ""
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as source, sqlite3.connect(target) as copy:
            source.backup(copy, pages=4096)
        return
    _run("pg_dump", "--format=custom", f"--file={target}", f"--dbname={_libpq(platform.db.url)}")


def _data_files(data: Path) -> Iterator[Path]:
    for path in sorted(data.rglob("*")):
        if path.is_file() and path.name not in SKIPPED and not path.name.startswith("dodeca.sqlite3"):
            yield path


def _add(out: zipfile.ZipFile, path: Path, name: str, method: int) -> str:
    """Copy a file into the archive (a journal may grow meanwhile: what is there now counts); gives its SHA-256."""
    digest = hashlib.sha256()
    info = zipfile.ZipInfo(name)
    info.compress_type = method
    left = path.stat().st_size
    with path.open("rb") as source, out.open(info, "w", force_zip64=True) as target:
        while left > 0 and (chunk := source.read(min(CHUNK, left))):
            digest.update(chunk)
            target.write(chunk)
            left -= len(chunk)
    return digest.hexdigest()


@click.command()
@data_option
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace what is in the data folder and the database.")
def restore(data: Path | None, file: Path, force: bool) -> None:
    """Bring a backup back into an empty installation (or, with --force, over what is there).

    Every entry is checked against its SHA-256 before anything is changed. Stop the server first.
    """
    settings = config_of(data).settings
    settings.data.mkdir(parents=True, exist_ok=True)
    with _opened(file) as archive, progress_bar() as bar, exclusive(settings.data):
        contents = _checked(archive, bar)
        engine = "postgresql" if settings.database_url.startswith("postgres") else "sqlite"
        if contents.engine != engine:
            raise Invalid(f"This backup is of {contents.engine}; the settings name {engine}.")
        database = Path(make_url(settings.database_url).database or "") if settings.database_url else None
        sqlite_file = database or settings.data / "dodeca.sqlite3"
        if not force and (sqlite_file.exists() if engine == "sqlite" else _has_tables(settings.database_url)):
            raise Conflict("There is a database already. Use --force to replace it.")
        _bring_back(archive, contents, settings.data, bar)
        if engine == "sqlite":
            _replace_sqlite(archive, sqlite_file)
        else:
            _restore_postgres(archive, settings.database_url, settings.data)
    click.echo(f"Restored what was saved at {contents.made_at}. Check it with `dodeca doctor`.")


def _opened(file: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        raise Invalid(f"{file} is no backup of Dodeca.") from error


def _checked(archive: zipfile.ZipFile, bar: Bar) -> Contents:
    try:
        contents = msgspec.json.decode(archive.read("contents.json"), type=Contents)
    except (KeyError, msgspec.DecodeError) as error:
        raise Invalid("This is no backup of Dodeca.") from error
    if contents.version != 1:
        raise Invalid("This backup was made by a newer Dodeca.")
    bar.start("Checking", len(contents.entries))
    for name, expected in contents.entries.items():
        digest = hashlib.sha256()
        try:
            with archive.open(name) as source:
                while chunk := source.read(CHUNK):
                    digest.update(chunk)
        except (zipfile.BadZipFile, zlib.error, KeyError, EOFError) as error:
            raise Invalid(f"The entry {name} is damaged. Nothing was changed.") from error
        parts = Path(name).parts
        if digest.hexdigest() != expected or ".." in parts or name.startswith("/"):
            raise Invalid(f"The entry {name} is damaged. Nothing was changed.")
        bar.advance()
    return contents


def _bring_back(archive: zipfile.ZipFile, contents: Contents, data: Path, bar: Bar) -> None:
    names = [name for name in contents.entries if name.startswith("data/")]
    bar.start("Files", len(names))
    for name in names:
        target = data / name.removeprefix("data/")
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(name) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, CHUNK)
        if target.name == "secret.key":
            target.chmod(0o600)
        bar.advance()


def _replace_sqlite(archive: zipfile.ZipFile, target: Path) -> None:
    fresh = target.with_name(target.name + ".restoring")
    with archive.open(DATABASE_ENTRY) as source, fresh.open("wb") as file:
        shutil.copyfileobj(source, file, CHUNK)
    for suffix in ("-wal", "-shm"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)
    fresh.replace(target)


def _restore_postgres(archive: zipfile.ZipFile, url: str, data: Path) -> None:
    with tempfile.TemporaryDirectory(dir=data) as folder:
        dump = Path(folder) / DATABASE_ENTRY
        with archive.open(DATABASE_ENTRY) as source, dump.open("wb") as file:
            shutil.copyfileobj(source, file, CHUNK)
        options = ("--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error")
        _run("pg_restore", *options, f"--dbname={_libpq(url)}", str(dump))


def _has_tables(url: str) -> bool:
    from sqlalchemy import inspect

    from dodeca.kernel.db import open_database

    database = open_database(url)
    try:
        return bool(inspect(database.engine).get_table_names())
    finally:
        database.close()


def _libpq(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _run(program: str, *arguments: str) -> None:
    if shutil.which(program) is None:
        raise Invalid(f"{program} is not installed: it comes with PostgreSQL's client programs.")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise Conflict(f"{program} failed: {done.stderr.strip()[-500:]}")
