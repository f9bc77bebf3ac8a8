"""A worker of the probe's jobs that is killed in the middle of one: `python -m tests.kernel.mortal DATA URL JOBS`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.kernel import probe

from dodeca import app
from dodeca.kernel.db import WriteSession
from dodeca.kernel.jobs import JobContext, JobRunner
from dodeca.kernel.settings import Config


def work(data: Path, url: str, left: int) -> None:
    """Work the queue until it is empty, or until `left` jobs are done but not committed."""
    handler = probe.note.handler

    def mortal(session: WriteSession, job: JobContext, payload: object) -> None:
        nonlocal left
        handler(session, job, payload)
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    platform = app.compose(Config(environment={}, overrides={"data": data, "database_url": url}))
    object.__setattr__(probe.note, "handler", mortal)
    asyncio.run(JobRunner(platform, [probe.note]).run_due())
    platform.close()


if __name__ == "__main__":
    work(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
