"""Whatever a power loss takes of what was not synced: nothing acknowledged is lost, and the ledger goes on."""

import tempfile
from pathlib import Path
from typing import get_args

import pytest

from tests.faults import LONG, MEMORY, SEED
from tests.faults.lives import Life
from tests.faults.simulated import Loss, SimulatedDisk

BATCHES = 100 if LONG else 3
RUNS = 25
LOSSES: tuple[Loss, ...] = get_args(Loss)


def problems(seed: int, loss: Loss, disk: type[SimulatedDisk] = SimulatedDisk) -> list[str]:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        return [f"seed {seed}: {problem}" for problem in Life(Path(folder), seed, loss, disk).run()]


@pytest.mark.parametrize("batch", range(BATCHES))
@pytest.mark.parametrize("loss", LOSSES)
def test_nothing_acknowledged_is_lost_with_the_power(loss: Loss, batch: int) -> None:
    first = SEED * 1_000_000 + batch * RUNS
    assert [problem for seed in range(first, first + RUNS) for problem in problems(seed, loss)] == []


class WithoutSync(SimulatedDisk):
    def sync(self, fd: int) -> None:
        self._call(lambda: None)


class WithoutFolderSync(SimulatedDisk):
    def sync_folder(self, path: Path) -> None:
        self._call(lambda: None)


class WithoutTruncate(SimulatedDisk):
    def truncate(self, fd: int, size: int) -> None:
        self._call(lambda: None)


@pytest.mark.parametrize("lying", [WithoutSync, WithoutFolderSync, WithoutTruncate])
def test_a_disk_that_does_not_do_as_told_is_found_out(lying: type[SimulatedDisk]) -> None:
    """The test is worth something: it sees what happens where one kind of call is left out."""
    assert any(problems(seed, "everything", lying) for seed in range(20))
