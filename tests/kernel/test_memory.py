"""Memory: the machine's, or what its container may have."""

from __future__ import annotations

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
