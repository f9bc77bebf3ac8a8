"""A thread that waits for its turn, and what it begins."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from dodeca.kernel.processor import patient

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux alone knows SCHED_BATCH")
POLICY = "import os; print(os.sched_getscheduler(0))"


def test_a_patient_thread_and_what_it_begins_wait_for_their_turn() -> None:
    begun: list[int] = []

    with patient():
        itself = os.sched_getscheduler(0)
        thread = threading.Thread(target=lambda: begun.append(os.sched_getscheduler(0)))
        thread.start()
        thread.join()
        program = subprocess.run([sys.executable, "-c", POLICY], capture_output=True, text=True, check=True).stdout

    assert [itself, *begun, int(program)] == [os.SCHED_BATCH] * 3


def test_afterwards_it_is_as_before_whatever_happened() -> None:
    before = os.sched_getscheduler(0)

    with pytest.raises(ValueError, match="inside"), patient():
        raise ValueError("inside")

    assert os.sched_getscheduler(0) == before


def test_where_it_is_forbidden_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError("by a sandbox")

    before = os.sched_getscheduler(0)
    monkeypatch.setattr(os, "sched_setscheduler", forbidden)

    with patient():
        assert os.sched_getscheduler(0) == before
