"""Ledgers to be damaged: a folder with some lines in it, and lines forged so that their CRC is right again."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zlib import crc32

from ledger.book import Ledger
from ledger.events import Fact, Recorded
from ledger.findings import Problem
from ledger.verify import Report, verify
from tests.logs import log_of, write
from tests.scenario import (
    after,
    closed_by_security,
    confirmed,
    delivered,
    noted,
    paid,
    placed,
    shipped,
    verified,
)

ID = "0123456789abcdef0123456789abcdef"
BORN = datetime(2024, 1, 1, tzinfo=UTC)
PER_SEGMENT = 4

FACTS: tuple[Fact, ...] = (
    placed(order_id="a", at=after(0)),
    placed(order_id="b", at=after(0.1)),
    paid(order_id="a", at=after(0.2)),
    paid(order_id="b", at=after(0.3)),
    verified(order_id="a", at=after(1)),
    shipped(order_id="a", at=after(2)),
    delivered(order_id="a", at=after(9)),
    noted(order_id="b", at=after(9.5)),
    closed_by_security(order_id="b", at=after(10)),
    confirmed(order_id="a", at=after(11)),
    noted(order_id="a", at=after(12)),
)
"""Two orders: seq 1, 3, 5, 6, 7, 10, 11 are of a, seq 2, 4, 8, 9 of b; in segments that begin with 1, 5 and 9."""


def ledger_of(path: Path, lines: list[Recorded], per_segment: int = PER_SEGMENT) -> Ledger:
    """Make a ledger with these lines."""
    ledger = Ledger.create(path, policy="aliexpress", now=BORN, ledger_id=ID)
    for file in write(path / "events", lines, per_segment=per_segment).files:
        file.path.chmod(0o600)
    return ledger


def usual(path: Path) -> Ledger:
    """Make the ledger of FACTS."""
    return ledger_of(path, log_of(FACTS))


def segment(ledger: Ledger, first_seq: int) -> Path:
    """Give the path of a segment."""
    return ledger.store.events_dir / f"{first_seq:012}.jsonl"


def sealed_again(line: bytes) -> bytes:
    """Make the CRC of a changed line (with its newline) right."""
    body = line[:-19]
    return b'%b,"crc":"%08x"}\n' % (body, crc32(body))


def change(ledger: Ledger, seq: int, forge: Callable[[bytes], bytes]) -> None:
    """Put another line in the place of one, with the CRC that fits."""
    path, lines = lines_around(ledger, seq)
    at = (seq - 1) % PER_SEGMENT
    forged = sealed_again(forge(lines[at]))
    assert forged != lines[at]
    lines[at] = forged
    path.write_bytes(b"".join(lines))


def lines_around(ledger: Ledger, seq: int) -> tuple[Path, list[bytes]]:
    """Give the segment of a line, and its lines."""
    path = segment(ledger, (seq - 1) // PER_SEGMENT * PER_SEGMENT + 1)
    return path, path.read_bytes().splitlines(keepends=True)


def found(ledger: Ledger, *, quick: bool = False) -> list[tuple[str, int | None, str]]:
    """Verify, and give each problem's check, seq and words."""
    report = verify(ledger, quick=quick)
    return [(check.check, one.seq, one.problem) for check in report.checks for one in check.problems]


def places(report: Report) -> set[tuple[str, int | None, str | None, int | None]]:
    """Give the check and the place of every problem."""
    return {(check.check, *place(one)) for check in report.checks for one in check.problems}


def place(problem: Problem) -> tuple[int | None, str | None, int | None]:
    """Give where a problem is."""
    return problem.seq, problem.segment, problem.line
