"""How much memory this machine, or this container, has."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

CONTAINER_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Where Linux says it of a container: cgroups(7), version 2 and 1."""


def memory_bytes(limits: Iterable[Path] = CONTAINER_LIMITS) -> int:
    """All memory of the machine, or less where its container may have less."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for limit in limits:
        with contextlib.suppress(OSError, ValueError):  # not there, or "max"
            found.append(int(limit.read_text("ascii")))
    return min(found)
