"""Background work of music."""

from __future__ import annotations

from typing import Any

from dodeca.kernel.jobs import Job
from dodeca.products.music.service.searching import index_things

jobs: list[Job[Any]] = [index_things]
