"""Memory: the machine's, or what its container may have."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from dodeca.kernel.memory import memory_bytes


def test_a_machine_without_a_container_has_all_of_its_memory(tmp_path: Path) -> None:
    (tmp_path / "unlimited").write_text("max\n")
    everything = memory_bytes([])
    assert everything > 64 << 20
    assert memory_bytes([tmp_path / "away", tmp_path / "unlimited"]) == everything


def test_a_container_has_what_it_may_have(tmp_path: Path) -> None:
    (tmp_path / "limit").write_text(f"{32 << 20}\n")
    assert memory_bytes([tmp_path / "limit"]) == 32 << 20


def test_a_limit_above_the_machines_memory_is_none(tmp_path: Path) -> None:
    (tmp_path / "limit").write_text(str(1 << 62))
    assert memory_bytes([tmp_path / "limit"]) == memory_bytes([])


HOLDING = """
from pathlib import Path
from dodeca.kernel import memory

def held():
    return int(Path("/proc/self/statm").read_text().split()[1]) << 12

{before}
bytearray(16 << 20)  # glibc takes pieces up to this size from its heap from now on
before, pieces, small = held(), [], []
for _ in range(10):
    pieces.append(bytearray(b"x") * (4 << 20))
    small.append(bytearray(b"x") * 100_000)  # stays, so that the heap cannot shrink below it
del pieces
print(held() - before)
"""


def test_large_pieces_of_memory_are_given_back() -> None:
    def bytes_kept(before: str) -> int:
        script = [sys.executable, "-c", HOLDING.format(before=before)]
        return int(subprocess.run(script, capture_output=True, check=True, text=True).stdout)

    assert bytes_kept("") > 8 << 20
    assert bytes_kept("memory.return_large_pieces()") < 4 << 20


FILLING = """
from pathlib import Path
from dodeca.kernel import memory

def large():
    return next(int(line.split()[1]) << 10 for line in Path("/proc/self/smaps_rollup").read_text().splitlines()
                if line.startswith("AnonHugePages"))

kept = [b"%d" % number for number in range(1_000_000)]
sparse = memory.mmap.mmap(-1, 64 << 20, flags=memory.mmap.MAP_PRIVATE | memory.mmap.MAP_ANONYMOUS)
for place in range(0, 64 << 20, 1 << 20):
    sparse[place] = 1
before, said = large(), memory.use_large_pages()
print(said, large(), kept == [b"%d" % number for number in range(1_000_000)])
"""


def test_a_heap_that_is_well_filled_lies_in_large_pages() -> None:
    script = [sys.executable, "-c", FILLING]
    said, large, is_whole = subprocess.run(script, capture_output=True, check=True, text=True).stdout.split()

    assert is_whole == "True"
    assert int(said) <= int(large) < 60 << 20  # of what is hardly filled nothing
    if _can_collapse():
        assert int(said) > 16 << 20


def _can_collapse() -> bool:
    enabled = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    version = re.match(r"(\d+)\.(\d+)", os.uname().release)
    assert version is not None
    is_on = enabled.exists() and "[never]" not in enabled.read_text()
    return is_on and (int(version[1]), int(version[2])) >= (6, 1)
