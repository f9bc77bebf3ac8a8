"""How much memory this machine, or this container, has, and giving back what is no longer used."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterable
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
