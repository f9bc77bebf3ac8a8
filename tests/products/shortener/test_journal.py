from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodeca.kernel.errors import Unavailable
from dodeca.products.shortener import journal as journals
from dodeca.products.shortener.journal import Click, Damage, Journal, JournalReader, Recorded


def click(number: int = 1) -> Click:
    return Click(number, 1_900_000_000_000 + number, Recorded.VISIT, "203.0.113.7", "Firefox", "https://e.org/", "de")


def no_room(file: int, offset: int, length: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def read(directory: Path, name: str = "web", offset: int = 0) -> list[Click]:
    return [record for _, record in JournalReader(directory, name).read(offset)]


def test_what_was_appended_is_read_in_order(tmp_path: Path) -> None:
    with_all = Click(7, 1, Recorded.PREFETCH, "::1", "ua", "ref", "en", "qr", 3, True, "/s/x")
    journal = Journal(tmp_path, "web")

    journal.append(click(1))
    journal.append(with_all)

    assert read(tmp_path) == [click(1), with_all]
    journal.close()


def test_reading_goes_on_from_an_offset_that_was_yielded(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "web")
    for number in range(10):
        journal.append(click(number))
    reader = JournalReader(tmp_path, "web")

    first = list(reader.read(0, limit=4))
    rest = list(reader.read(first[-1][0]))

    assert [record.link_id for _, record in first + rest] == list(range(10))
    assert rest[-1][0] == journal.offset == reader.end()
    assert list(reader.read(journal.offset)) == []
    journal.close()


def test_segments_follow_one_another_and_go_when_they_are_folded(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "web", segment_bytes=200)
    for number in range(20):
        journal.append(click(number))
    reader = JournalReader(tmp_path, "web")
    segments = journals.list_segments(tmp_path, "web")
    half = next(offset for offset, record in reader.read() if record.link_id == 9)

    removed = reader.remove_folded(half)

    assert len(segments) > 5
    assert 0 < removed < len(segments)
    assert [record.link_id for record in read(tmp_path, offset=half)] == list(range(10, 20))
    journal.close()


def test_the_last_segment_goes_only_when_its_writer_has_gone(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "web")
    journal.append(click())
    reader = JournalReader(tmp_path, "web")
    end = journal.offset

    assert reader.remove_folded(end) == 0
    journal.close()
    assert reader.remove_folded(end - 1) == 0
    assert reader.remove_folded(end) == 1
    assert journals.list_journals(tmp_path) == []


def test_offsets_never_come_back_even_when_all_segments_are_gone(tmp_path: Path) -> None:
    first = Journal(tmp_path, "web")
    first.append(click(1))
    folded = first.offset
    first.close()
    JournalReader(tmp_path, "web").remove_folded(folded)
    time.sleep(0.002)  # offsets rise with the clock's milliseconds; this makes one pass

    second = Journal(tmp_path, "web")
    second.append(click(2))

    assert read(tmp_path, offset=folded) == [click(2)]
    second.close()


def test_clicks_folded_before_a_power_cut_do_not_hide_later_ones(tmp_path: Path) -> None:
    """The file lost its unsynced end, but the reader's offset already lay behind it."""
    first = Journal(tmp_path, "web")
    for number in range(5):
        first.append(click(number))
    folded = first.offset
    first.close()
    segment = journals.list_segments(tmp_path, "web")[0].path
    os.truncate(segment, segment.stat().st_size - 90)

    second = Journal(tmp_path, "web")
    second.append(click(6))

    assert read(tmp_path, offset=folded) == [click(6)]
    second.close()


def test_a_torn_tail_is_waited_for_while_written_and_noted_once_finished(tmp_path: Path) -> None:
    first = Journal(tmp_path, "web")
    first.append(click(1))
    good = first.offset
    first.append(click(2))
    first.close()
    segment = journals.list_segments(tmp_path, "web")[0].path
    os.truncate(segment, segment.stat().st_size - 3)
    reader = JournalReader(tmp_path, "web")

    assert [record for _, record in reader.read()] == [click(1)]
    assert reader.damage == []

    second = Journal(tmp_path, "web")
    second.append(click(3))
    assert [record for _, record in reader.read()] == [click(1), click(3)]
    assert [record for _, record in reader.read()] == [click(1), click(3)]
    assert [found.offset for found in reader.damage] == [good]
    second.close()


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    first = Journal(tmp_path, "web", segment_bytes=150)
    for number in range(6):
        first.append(click(number))
    first.close()
    segment = journals.list_segments(tmp_path, "web")[1]
    data = bytearray(segment.path.read_bytes())
    data[20] ^= 1
    segment.path.write_bytes(data)
    reader = JournalReader(tmp_path, "web")

    records = [record.link_id for _, record in reader.read()]

    assert reader.damage == [Damage(segment.base, len(data))]
    assert records[0] == 0
    assert records[-1] == 5
    assert len(records) < 6


def test_a_record_of_a_later_version_is_passed_over_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "web")
    journal.append(click(1))
    foreign = b"\x91\xa1x"  # msgpack ["x"]
    frame = journals._FRAME.pack(len(foreign), zlib.crc32(foreign)) + foreign
    journal._store(frame)
    journal.append(click(2))
    reader = JournalReader(tmp_path, "web")

    assert [record for _, record in reader.read()] == [click(1), click(2)]
    assert [found.length for found in reader.damage] == [len(frame)]
    journal.close()


def test_one_journal_has_one_writer(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "web")

    with pytest.raises(Unavailable):
        Journal(tmp_path, "web")
    journal.close()
    Journal(tmp_path, "web").close()


def test_processes_claim_names_of_their_own_and_reuse_those_given_up(tmp_path: Path) -> None:
    first, second = Journal.claim(tmp_path, "web"), Journal.claim(tmp_path, "web")
    first.append(click())
    first.close()
    third = Journal.claim(tmp_path, "web")

    assert (first.name, second.name, third.name) == ("web-0", "web-1", "web-0")
    assert journals.list_journals(tmp_path) == ["web-0", "web-1"]
    second.close()
    third.close()


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a@b", ".hidden", "x" * 200])
def test_a_name_is_a_plain_file_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="journal"):
        Journal(tmp_path, name)


def test_threads_do_not_tear_each_others_records(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "web", segment_bytes=5_000)

    def append(start: int) -> None:
        for number in range(start, start + 500):
            journal.append(click(number))

    threads = [threading.Thread(target=append, args=(start,)) for start in range(0, 2_000, 500)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(record.link_id for record in read(tmp_path)) == list(range(2_000))
    journal.close()


def test_a_full_disk_is_reported_and_recording_goes_on_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "FLUSH_SECONDS", 60.0)  # nobody takes room ahead
    journal = Journal(tmp_path, "web", segment_bytes=100)
    journal.append(click(1))

    with monkeypatch.context() as disk:
        disk.setattr("os.posix_fallocate", no_room)
        with pytest.raises(Unavailable):
            journal.append(click(2))
    journal.append(click(3))

    assert read(tmp_path) == [click(1), click(3)]
    journal.close()


def test_room_is_taken_before_it_is_needed_and_given_back_when_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever appends does not wait for the disk: the next segment lies ready."""

    def spare(number: int) -> int:
        journal.append(click(number))
        until = time.monotonic() + 20
        while journal._spare is None and time.monotonic() < until:  # its file is there before its room is taken
            time.sleep(0.01)
        return (tmp_path / "web.spare").stat().st_ino

    journal = Journal(tmp_path, "web", segment_bytes=100)
    ready = spare(1)
    with monkeypatch.context() as disk:
        disk.setattr("os.posix_fallocate", no_room)
        journal.append(click(2))
    assert journals.list_segments(tmp_path, "web")[-1].path.stat().st_ino == ready
    spare(3)
    journal.close()

    assert read(tmp_path) == [click(1), click(2), click(3)]
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".journal"] * 3 + [".lock"]


def test_room_that_a_killed_writer_left_is_taken_over_empty(tmp_path: Path) -> None:
    for left in ("web.spare", "web.room"):
        (tmp_path / left).write_bytes(journals.encode(click(99)) * 5)
    journal = Journal(tmp_path, "web", segment_bytes=100)
    for number in range(5):
        journal.append(click(number))
    journal.close()

    assert read(tmp_path) == [click(number) for number in range(5)]


def test_a_killed_writers_segment_ends_in_zeros_which_are_no_damage(tmp_path: Path) -> None:
    first = Journal(tmp_path, "web")
    first.append(click(1))
    folded = first.offset
    first.close()
    segment = journals.list_segments(tmp_path, "web")[0].path
    os.truncate(segment, 1 << 20)  # as it lies there before it is finished

    reader = JournalReader(tmp_path, "web")
    assert reader.end() == folded
    second = Journal(tmp_path, "web")
    second.append(click(2))

    assert [record for _, record in reader.read()] == [click(1), click(2)]
    assert reader.damage == []
    second.close()


def test_kill_9_loses_no_click_that_was_acknowledged(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\n"
        "from dodeca.products.shortener.journal import Click, Journal\n"
        "journal = Journal(pathlib.Path(sys.argv[1]), 'web')\n"
        "for number in range(10**9):\n"
        "    journal.append(Click(number, 1, 0, '203.0.113.7'))\n"
        "    print(number, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(500)]
    process.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in process.stdout.read().split(b"\n")[:-1]]
    process.wait()

    recorded = [record.link_id for record in read(tmp_path)]

    assert len(acknowledged) >= 500
    assert recorded[: len(acknowledged)] == acknowledged


text = st.text(max_size=40) | st.text(min_size=1_000, max_size=1_100) | st.just("\ud800 lone surrogate")


@given(st.integers(-(2**63), 2**63 - 1), text, text, text)
def test_any_click_is_encoded_within_bounds(link_id: int, agent: str, referrer: str, language: str) -> None:
    frame = journals.encode(Click(link_id, 1, Recorded.VISIT, "::1", agent, referrer, language))

    assert len(frame) <= journals.MAX_RECORD_BYTES
    decoded = journals._decoder.decode(frame[journals._FRAME.size :])
    assert decoded.link_id == link_id
    assert len(decoded.user_agent) <= max(512, journals._MAX_FAST_BYTES)
