"""Logs on disk for tests of the relations: facts are decided, and their lines written as segments."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ledger.decide import Decision, decide
from ledger.disk import LogFile
from ledger.events import Fact, Recorded
from ledger.line import encode
from ledger.order import Order, evolve
from ledger.segments import Snapshot
from queries.engine import Relations, open_relations
from queries.moment import Moment
from tests.scenario import NOW, POLICY, line_of


def log_of(facts: Iterable[Fact], *, late: dict[int, datetime] | None = None) -> list[Recorded]:
    """Return the lines of facts with their times; `late` says when a seq was recorded, if not when it occurred."""
    orders: dict[str, Order] = {}
    lines: list[Recorded] = []
    for seq, fact in enumerate(facts, 1):
        order = orders.setdefault(fact.order_id, Order(fact.order_id))
        decision = decide(order, fact, POLICY, NOW)
        assert isinstance(decision, Decision)
        recorded_at = (late or {}).get(seq, fact.occurred_at)
        line = line_of(decision, seq=seq, version=order.version + 1, recorded_at=recorded_at)
        evolve(order, line)
        lines.append(line)
    return lines


def write(folder: Path, lines: list[Recorded], *, per_segment: int = 1000) -> Snapshot:
    """Write lines as segments of so many lines each."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for at in range(0, len(lines), per_segment):
        path = folder / f"{at + 1:012}.jsonl"
        path.write_bytes(b"".join(encode(line) for line in lines[at : at + per_segment]))
        files.append(LogFile(at + 1, path, path.stat().st_size))
    return Snapshot(tuple(files))


@contextmanager
def relations(
    folder: Path, lines: list[Recorded], *, now: datetime = NOW, per_segment: int = 1000, **more: Any
) -> Iterator[Relations]:
    """Open the relations over lines, written below a folder."""
    moment = Moment(now, more.pop("as_of", None), more.pop("known_at", None))
    snapshot = write(folder / "events", lines, per_segment=per_segment)
    with open_relations(snapshot, moment, scratch=folder / "cache", **more) as found:
        yield found


def rows(found: Relations, sql: str, **params: Any) -> list[dict[str, Any]]:
    """Ask, and return each row by the names of its columns."""
    result = found.run(sql, params)
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


def naive(instant: datetime | None) -> datetime | None:
    """Return an instant as a relation shows it."""
    return instant and instant.astimezone(UTC).replace(tzinfo=None)
