"""Faults that were found by trying many, and are mended."""

import errno
import os
import subprocess
from pathlib import Path
from random import Random

import pytest

from ledger.disk import failed
from ledger.errors import StorageFailed
from ledger.segments import End
from tests.faults.checking import NOW, fact_of, made, opened, source
from tests.faults.simulated import Fate, Gone, SimulatedDisk
from tests.faults.test_syscalls import note, recording
from tests.running import PROGRAM, ROOT


def test_a_line_that_is_synced_is_acknowledged_whatever_the_index_meets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The design: failure to write the index after the sync is one warning line, the event stands."""
    watch = made(tmp_path)
    with opened(watch.path) as ledger:
        store = ledger.store
        append = store.append

        def fail() -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        def append_and_fail_afterwards(chunk: bytes, first_seq: int, last_seq: int) -> int:
            at = append(chunk, first_seq, last_seq)
            monkeypatch.setattr(store, "snapshot", fail)
            monkeypatch.setattr(store, "line_before", lambda at: fail())
            return at

        monkeypatch.setattr(store, "append", append_and_fail_afterwards)
        line = ledger.record(fact_of(note("n1")), now=NOW, allow_odd=True).line
    assert watch.complete()[-1] == line


def test_an_import_whose_index_cannot_be_saved_is_whole_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = made(tmp_path)
    with opened(watch.path) as ledger:
        ready = ledger.store.ready
        ends: list[End] = []

        def ready_once() -> End:
            if ends:
                raise failed(OSError(errno.EIO, os.strerror(errno.EIO)))
            ends.append(ready())
            return ends[0]

        monkeypatch.setattr(ledger.store, "ready", ready_once)
        summary = ledger.import_facts(source([note("n1")]), now=lambda: NOW, reject=print)
    assert summary.recorded == 1


def test_a_line_whose_sync_failed_is_not_acknowledged_by_the_next_command(tmp_path: Path) -> None:
    """A killed writer leaves a line; the next command fails to sync it, the one after succeeds, the bytes are lost."""
    watch = made(tmp_path)
    disk = SimulatedDisk(watch.path, Random(0))
    disk.forgetful = True
    fact = fact_of(note("n1"))
    for at, fate in ((3, Fate("after")), (1, Fate(errno.EIO))):
        disk.fates = {disk.calls + at: fate}
        with opened(watch.path, disk) as ledger, pytest.raises((Gone, StorageFailed)):
            ledger.record(fact, now=NOW, allow_odd=True)
        disk.revive()
    with opened(watch.path, disk) as ledger:
        receipt = ledger.record(fact, now=NOW, allow_odd=True)
    assert receipt.duplicate
    watch.heard(receipt.line)
    disk.lose_power("everything")
    assert watch.lost() == []


def test_an_error_that_cannot_be_printed_keeps_its_exit_code(tmp_path: Path) -> None:
    watch = made(tmp_path)
    script = 'exec "$@" 2>/dev/full'
    command = [*PROGRAM, "--ledger", str(watch.path), *recording("n1"), "--by", "carrier", "--expect-version", "7"]
    done = subprocess.run(["sh", "-c", script, "sh", *command], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode in {3, 7}
