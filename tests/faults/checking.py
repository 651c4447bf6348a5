"""What must hold whatever happened to a ledger: the invariants of the log, in one place.

Nothing acknowledged is lost or changed; seqs and versions have neither gap nor double; the next command works or says
what is wrong; importing everything again records what is missing and nothing else.
"""

import itertools
import json
import re
from collections.abc import Container, Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks import kill
from ledger.book import Ledger
from ledger.disk import Disk
from ledger.errors import Damaged, LedgerError
from ledger.events import Fact
from ledger.formats.facts import parse
from ledger.importing import Line

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MOVED = re.compile(r"moved to rejects/(\S+)")
LABELS = ["error", "why", "hint"]

_numbers = itertools.count(1)


def fact_of(given: dict[str, object]) -> Fact:
    """A fact as `record` takes it."""
    return parse(msgspec.json.encode(given))


def source(facts: Iterable[dict[str, object]]) -> list[Line | None]:
    """Facts as `import` takes them."""
    return [Line("facts", number, json.dumps(fact).encode()) for number, fact in enumerate(facts, 1)]


def ids_of(facts: Iterable[dict[str, object]]) -> set[str]:
    """What the facts are called."""
    return {str(fact["fact_id"]) for fact in facts}


def mark(fact_id: str) -> bytes:
    """What only the line of that fact has in it."""
    return b'"fact_id":"%b"' % fact_id.encode()


class Watch:
    """One ledger, in `ledger/` of a folder: what it acknowledged, and whether that still holds."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger"
        self.lines: dict[int, bytes] = {}
        self.facts: dict[str, dict[str, object]] = {}
        self.moved: dict[str, bytes] = {}
        self.denied: set[str] = set()
        self._log = kill.Ledger(folder)

    def complete(self) -> list[bytes]:
        """The ended lines of the log as they stand in its files, without newline."""
        return [line[:-1] for _, line in self._log.lines() if line.endswith(b"\n")]

    def tried(self, facts: Iterable[dict[str, object]]) -> None:
        """Note what was given to the ledger, whatever became of it."""
        given = {str(fact["fact_id"]): fact for fact in facts}
        self.facts |= given
        self.denied -= given.keys()

    def heard(self, line: bytes) -> None:
        """Note a line that was acknowledged."""
        self.lines[json.loads(line)["seq"]] = line

    def heard_of(self, facts: Iterable[str]) -> list[str]:
        """Note that these facts were acknowledged, by the lines that they have now; which of them have none."""
        missing = set(facts)
        for line in self.complete():
            fact_id = json.loads(line)["event"]["fact_id"]
            if fact_id in missing:
                missing.remove(fact_id)
                self.heard(line)
        return [f"fact {fact_id} was acknowledged and is not in the log" for fact_id in sorted(missing)]

    def denied_of(self, facts: Iterable[str]) -> None:
        """Note that these facts were said not to be recorded; those that are in the log by then were before."""
        log = b"\n".join(self.complete())
        self.denied |= {fact_id for fact_id in facts if mark(fact_id) not in log}

    def heard_words(self, words: Iterable[str]) -> None:
        """Note what the ledger says it moved to rejects/."""
        for name in MOVED.findall("\n".join(words)):
            self.moved[name] = (self.path / "rejects" / name).read_bytes()

    def lost(self) -> list[str]:
        """What was acknowledged and is not there byte for byte, at its place; a bad end of the log may follow it."""
        lines = dict(enumerate((line.rstrip(b"\n") for _, line in self._log.lines()), 1))
        log = b"\n".join(lines.values())
        changed = [seq for seq, line in self.lines.items() if lines.get(seq) != line]
        back = [fact_id for fact_id in sorted(self.denied) if mark(fact_id) in log]
        problems = [f"seq {seq} is not what was acknowledged" for seq in changed]
        problems += [f"fact {fact_id} was said not to be recorded and is in the log" for fact_id in back]
        for name, content in self.moved.items():
            path = self.path / "rejects" / name
            if not path.exists() or path.read_bytes() != content:
                problems.append(f"rejects/{name} is not what was moved there")
        return problems

    def wrong(self) -> list[str]:
        """What is wrong with the whole log: lines, CRCs, gaps, doubles, and what was acknowledged."""
        return kill.check(self._log, [])[1] + self.lost()

    def recovered(self, *, by_itself: bool, disk: Disk | None = None) -> list[str]:
        """Go on: record a fact, import everything again, and see that the log is whole; what went wrong.

        `by_itself`: no repair may be needed.
        """
        try:
            problems = self._next(by_itself, disk) + self.wrong()
            return problems or self._import_again(disk) + self.wrong()
        except LedgerError as error:
            return [f"{type(error).__name__}: {error}"]

    def _next(self, by_itself: bool, disk: Disk | None) -> list[str]:
        problems = []
        number = next(_numbers)
        given = kill.story(f"next-{number}", number)[0]
        self.tried([given])
        try:
            with opened(self.path, disk) as ledger:
                self.heard(ledger.record(fact_of(given), now=NOW).line)
                self.heard_words(ledger.warnings)
        except Damaged as damaged:
            if by_itself or not (damaged.what and damaged.why and damaged.hint):
                problems.append(f"the next command ended with: {damaged}")
            with opened(self.path, disk) as ledger:
                self.heard_words([ledger.repair()])
            problems += self.lost()
            with opened(self.path, disk) as ledger:
                self.heard(ledger.record(fact_of(given), now=NOW).line)
        return problems

    def _import_again(self, disk: Disk | None) -> list[str]:
        self.denied.clear()
        facts = list(self.facts.values())
        there = len({json.loads(line)["event"]["fact_id"] for line in self.complete()} & self.facts.keys())
        refused: list[str] = []
        with opened(self.path, disk) as ledger:
            summary = ledger.import_facts(
                source(facts), now=lambda: NOW, reject=lambda reject: refused.append(reject.reason)
            )
            self.heard_words(ledger.warnings)
        counted = (summary.read, summary.recorded, summary.duplicates)
        if counted != (len(facts), len(facts) - there, there):
            return [f"imported again, {there} of {len(facts)} were there, but {summary}: {refused[:1]}"]
        return self.heard_of(self.facts)


class opened:  # noqa: N801 - used like a function
    """A ledger as a process of its own would have it, on another disk if one is given; let go at the end."""

    def __init__(self, path: Path, disk: Disk | None = None) -> None:
        self.ledger = Ledger.open(path)
        if disk is not None:
            self.ledger.store.disk = disk

    def __enter__(self) -> Ledger:
        return self.ledger

    def __exit__(self, *_: object) -> None:
        self.ledger.index.close()
        self.ledger.store._forget()


def made(folder: Path, *, segment_bytes: int = kill.SEGMENT_BYTES) -> Watch:
    """A new ledger with small segments, in which the shared orders of the kill test are placed."""
    watch = Watch(folder)
    Ledger.create(watch.path, policy="aliexpress", now=NOW, ledger_id="0" * 32)
    settings = watch.path / "ledger.toml"
    settings.write_text(re.sub(r"segment_bytes = \d+", f"segment_bytes = {segment_bytes}", settings.read_text()))
    placed = [kill.story(order_id, 0)[0] for order_id in kill.SHARED_ORDERS[:3]]
    watch.tried(placed)
    with opened(watch.path) as ledger:
        ledger.import_facts(source(placed), now=lambda: NOW, reject=_unexpected)
    assert not watch.heard_of(ids_of(placed))
    return watch


def badly_said(code: int, err: str, allowed: Container[int] = (0, 5, 7)) -> list[str]:
    """What is wrong with the way a command ended: its exit code, and at most three lines besides warnings."""
    labels = [line.partition(": ")[0] for line in err.splitlines()]
    told = [label for label in labels if label != "warning"]
    well = told == [label for label in LABELS if label in told] and bool(told) == bool(code)
    return [] if code in allowed and well else [f"exit code {code}, saying:\n{err}"]


def _unexpected(reject: object) -> None:
    raise AssertionError(reject)
