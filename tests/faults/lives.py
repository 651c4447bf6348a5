"""Lives of a ledger on a simulated disk: commands, some killed, some failing, until the power is lost; repeatedly."""

import errno
from collections.abc import Callable
from pathlib import Path
from random import Random

from benchmarks import kill
from ledger.errors import LedgerError, StorageFailed
from ledger.importing import Summary
from tests.faults.checking import NOW, fact_of, ids_of, made, opened, source
from tests.faults.simulated import Fate, Gone, Loss, SimulatedDisk

SEGMENT_BYTES = 2_000
ERRORS = (errno.EIO, errno.ENOSPC, errno.EDQUOT)


class Life:
    """One ledger from its birth on; the seed decides everything that happens to it. `problems` are sentences."""

    def __init__(self, folder: Path, seed: int, loss: Loss, disk: type[SimulatedDisk] = SimulatedDisk) -> None:
        self.random = Random(seed)
        self.watch = made(folder, segment_bytes=SEGMENT_BYTES)
        self.problems: list[str] = []
        self._loss: Loss = loss
        if self.random.random() < 0.3:
            (self.watch.path / "rejects").rmdir()
        self.disk = disk(self.watch.path, self.random)
        self.disk.forgetful = self.random.random() < 0.5
        self._indexes: list[bytes] = []
        self._number = 0
        self._given: list[dict[str, object]] = []

    def run(self) -> list[str]:
        """Live, lose the power and recover, one to three times; what went wrong, none when all is well."""
        for _ in range(self.random.randint(1, 3)):
            self._live()
            self.disk.lose_power(self._loss)
            self._change_index()
            self.problems += self.watch.lost()
            if not self.problems:
                by_itself = self._loss != "reordered"
                self.problems += self.watch.recovered(by_itself=by_itself, disk=self.disk)
            if self.problems:
                break
        return self.problems

    def _live(self) -> None:
        last = self.disk.calls + self.random.randint(1, 60)
        self.disk.fates = {self.disk.calls + at: self._fate() for at in self.random.choices(range(60), k=3)}
        while self.disk.calls < last and not self.problems:
            command = self.random.choice([self._record, self._record, self._retry, self._import, self._import_at_once])
            if last - self.disk.calls < 10:
                self.disk.fates[last] = Fate(self.random.choice(["before", "after"]))
            self._try(command)
        if self.random.random() < 0.3:  # what a failure takes back must not come back with the power
            self.disk.fates = {self.disk.calls + self.random.randint(1, 10): Fate(self.random.choice(ERRORS))}
            self._try(self.random.choice([self._record, self._import_at_once]))

    def _fate(self) -> Fate:
        return Fate(self.random.choice(["before", "after", *ERRORS, *ERRORS]))

    def _try(self, command: Callable[[], None]) -> None:
        """Run a command in a process of its own, which may be killed or fail; the index it leaves is kept."""
        before = self.watch.complete()
        try:
            command()
        except Gone:
            self.disk.revive()
        except StorageFailed as failed:
            taken_back = "nothing of this batch was recorded" in failed.why and "may be in the log" not in failed.why
            if taken_back and command in (self._record, self._retry, self._import_at_once):
                self._unchanged(before, failed)
        except OSError as failed:  # the command line says so, with exit code 7
            if failed.errno not in ERRORS:
                raise
        except LedgerError as refused:
            self.problems.append(f"{type(refused).__name__}: {refused}")
        index = self.watch.path / "cache" / "index.sqlite"
        if index.exists():
            self._indexes.append(index.read_bytes())

    def _unchanged(self, before: list[bytes], failed: StorageFailed) -> None:
        if self.watch.complete() != before:
            self.problems.append(f"the log has changed, but: {failed}")
        self.watch.denied_of(ids_of(self._given))

    def _record(self) -> None:
        self._tell(kill.note(self.random.choice(kill.SHARED_ORDERS[:3]), self._name(), self._number))

    def _retry(self) -> None:
        known = [fact for fact in self.watch.facts.values() if fact["type"] in {"placed", "noted"}]
        self._tell(self.random.choice(known[-5:]))

    def _tell(self, fact: dict[str, object]) -> None:
        self._give([fact])
        with opened(self.watch.path, self.disk) as ledger:
            try:
                receipt = ledger.record(fact_of(fact), now=NOW, allow_odd=True)
                self.watch.heard(receipt.line)
            finally:
                self._listen(ledger.warnings)

    def _import(self) -> None:
        self._bring(atomic=False)

    def _import_at_once(self) -> None:
        self._bring(atomic=True)

    def _bring(self, *, atomic: bool) -> None:
        facts: list[dict[str, object]] = []
        for _ in range(self.random.randint(1, 4)):
            facts += kill.story(self._name(), self._number)[: self.random.randint(1, 6)]
        self._give(facts)
        lines = source(facts)
        for _ in range(self.random.randint(0, 3)):
            lines.insert(self.random.randint(0, len(lines)), None)

        def heard(summary: Summary) -> None:
            if not atomic:
                self.problems.extend(self.watch.heard_of(ids_of(facts[: summary.read])))

        with opened(self.watch.path, self.disk) as ledger:
            try:
                ledger.import_facts(lines, now=lambda: NOW, reject=self._refused, atomic=atomic, progress=heard)
                self.problems.extend(self.watch.heard_of(ids_of(facts)))
            finally:
                self._listen(ledger.warnings)

    def _give(self, facts: list[dict[str, object]]) -> None:
        self._given = facts
        self.watch.tried(facts)

    def _refused(self, reject: object) -> None:
        self.problems.append(f"refused: {reject}")

    def _listen(self, warnings: list[str]) -> None:
        if not self.disk.gone:
            self.watch.heard_words(warnings)

    def _name(self) -> str:
        self._number += 1
        return f"life-{self._number}"

    def _change_index(self) -> None:
        """Leave the index, take it away, or put an older one or rubbish in its place."""
        index = self.watch.path / "cache" / "index.sqlite"
        content = self.random.choice([None, b"", b"rubbish", *self._indexes])
        if self.random.random() < 0.3:
            return
        index.unlink(missing_ok=True)
        if content is not None:
            index.write_bytes(content)
