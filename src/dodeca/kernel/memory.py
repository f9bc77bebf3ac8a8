"""How much memory this machine, or this container, has, giving back what is no longer used, and large pages."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import mmap
import os
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

CONTAINER_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Where Linux says it of a container: cgroups(7), version 2 and 1."""

M_MMAP_THRESHOLD: Final = -3
"""From glibc's malloc.h."""
LARGE_BYTES: Final = 1 << 20

_SMALL_PAGE: Final = 4096
LARGE_PAGE: Final = 2 << 20
"""Of x86, and of ARM with pages of 4 KiB."""
MADV_COLLAPSE: Final = 25
"""From Linux 6.1 on, see madvise(2)."""
WELL_FILLED: Final = 7 / 8
"""What of a large page has to be in use: the rest is memory that the process did not need before."""
_MAPPINGS: Final = Path("/proc/self/maps")
_PAGES: Final = Path("/proc/self/pagemap")
_ENABLED: Final = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_ABSENT: Final = bytes(range(128))
"""The highest byte of a page in pagemap that is not in memory: bit 63 says that it is."""
PAUSES: Final = (5.0, 20.0, 80.0, 320.0)
"""Seconds between one look at the heap and the next, the last for ever: most of it is there soon after the start."""


def memory_bytes(limits: Iterable[Path] = CONTAINER_LIMITS) -> int:
    """All memory of the machine, or less where its container may have less."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for limit in limits:
        with contextlib.suppress(OSError, ValueError):  # not there, or "max"
            found.append(int(limit.read_text("ascii")))
    return min(found)


def return_large_pieces() -> None:
    """Have the C library give pieces of memory from `LARGE_BYTES` on back to the system as soon as they are freed.

    glibc begins so, but after a large piece was freed it takes pieces of that size from its heap, up to 32 MiB: a
    server that had once worked on music or pictures went on holding hundreds of megabytes. Naming the limit ends that
    (mallopt(3)). Other C libraries have no such call, or no such habit."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


def use_large_pages() -> int:
    """Have Linux hold what of the heap is well filled in large pages; gives how many bytes lie in such.

    Finding where a page of 4 KiB is takes a walk through four tables, in a virtual machine through those of its host at
    each step, and an interpreter's objects lie on far more pages than the processor remembers. Python asks for its
    memory by the mebibyte, too little for Linux to use large pages by itself. Nothing happens where the administrator
    has turned them off, or the kernel cannot do it or does not let itself be asked."""
    large = 0
    with contextlib.suppress(OSError), _PAGES.open("rb", buffering=0) as pages:
        if mmap.PAGESIZE != _SMALL_PAGE or "[never]" in _ENABLED.read_text("ascii"):
            return 0
        madvise = ctypes.CDLL(None).madvise
        for start in _heap():
            here = os.pread(pages.fileno(), LARGE_PAGE // _SMALL_PAGE * 8, start // _SMALL_PAGE * 8)
            present = len(here[7::8].translate(None, _ABSENT))
            if present >= WELL_FILLED * LARGE_PAGE / _SMALL_PAGE:
                done = madvise(ctypes.c_void_p(start), ctypes.c_size_t(LARGE_PAGE), MADV_COLLAPSE) == 0
                large += LARGE_PAGE * done
    return large


def _heap() -> Iterator[int]:
    """Where a large page may begin in memory that belongs to no file and is written to."""
    for line in _MAPPINGS.read_text().splitlines():
        where, rights, _offset, _device, _inode, *name = line.split(None, 5)
        if rights == "rw-p" and name in ([], ["[heap]"]):
            first, end = (int(address, 16) for address in where.split("-"))
            yield from range(-(-first // LARGE_PAGE) * LARGE_PAGE, end - LARGE_PAGE + 1, LARGE_PAGE)


def keep_in_large_pages() -> None:
    """Do that in a thread of its own for as long as the process lives."""

    def keep() -> None:
        for pause in itertools.chain(PAUSES, itertools.repeat(PAUSES[-1])):
            time.sleep(pause)
            use_large_pages()

    threading.Thread(target=keep, name="large-pages", daemon=True).start()
