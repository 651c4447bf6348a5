"""verify where a line was refused, or an order cannot be followed: what the lines after it know, and what is forgotten.

Each log is verified with all its orders in memory; with the last two, and the others without their lines; and with few
without their lines, when the others are read again.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from ledger import kept, redecide
from ledger.events import Fact, Recorded
from tests import scenario as s
from tests.damaging import found, ledger_of
from tests.logs import log_of
from tests.scenario import after

Found = list[tuple[str, int | None, str]]

OTHERS = ("p", "q", "r", "s", "t")
"""Orders that have a line each between the lines of another, so that it leaves a memory that holds fewer."""


@pytest.fixture(params=["in memory", "packed", "read again"])
def memory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param != "in memory":
        forget(monkeypatch)
    if request.param == "packed":
        monkeypatch.setattr(kept, "PACKED_BYTES", 1 << 20)


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep no more than the last two orders, and the one or two before them packed."""
    monkeypatch.setattr(kept, "WHOLE_BYTES", 10)
    monkeypatch.setattr(kept, "PACKED_BYTES", 0)
    monkeypatch.setattr("ledger.scan.BLOCK_BYTES", 300)


def spread(lines: Sequence[Recorded]) -> list[Recorded]:
    """Put a line of each other order, placed or noted, between all these lines, and number them anew."""
    count = len(lines)
    facts = [
        s.noted(order_id=other, at=after(-10, seconds=at)) if at else s.placed(order_id=other, at=after(-10))
        for at in range(count)
        for other in OTHERS
    ]
    between = log_of(facts)
    mixed: list[Recorded] = []
    for at, line in enumerate(lines):
        others = between[at * len(OTHERS) : (at + 1) * len(OTHERS)]
        mixed += [line, *(replace(other, recorded_at=line.recorded_at) for other in others)]
    return [replace(line, seq=seq) for seq, line in enumerate(mixed, 1)]


def seq_of(version: int) -> int:
    """Give the seq that `spread` gives to a line of the order."""
    return (version - 1) * (len(OTHERS) + 1) + 1


def moved(lines: Sequence[Recorded], by: int = 1) -> list[Recorded]:
    """Give the lines the versions they have after so many lines more."""
    return [replace(line, version=line.version + by) for line in lines]


def problems(folder: Path, lines: Sequence[Recorded]) -> Found:
    """Verify a log of these lines."""
    return found(ledger_of(folder, list(lines), per_segment=1000))


def closing_by_the_seller(order_id: str, version: int, days: float) -> Recorded:
    """Give a line that R1 refuses; who wrote it did not count it."""
    event = s.closed(order_id=order_id, at=after(days), by="seller", reason="out-of-stock", to_buyer="20.00")
    return Recorded(seq=1, version=version, recorded_at=event.occurred_at, status="closed", event=event)


REFUSED = "refused by R1: order {}: the seller cannot close an order"


def refused_and_ignored(order_id: str = "a") -> list[Recorded]:
    """An order that goes on as if the fourth line, a closing that was refused, were not there."""
    before = [s.placed(order_id=order_id, at=after(0)), s.paid(order_id=order_id, at=after(1))]
    before.append(s.verified(order_id=order_id, at=after(2)))
    later = [
        s.shipped(order_id=order_id, at=after(4)),
        s.delivered(order_id=order_id, at=after(9)),
        s.confirmed(order_id=order_id, at=after(10)),
    ]
    whole = log_of([*before, *later])
    return [*whole[:3], closing_by_the_seller(order_id, 4, 3), *moved(whole[3:])]


def said_again_and_counted() -> list[Recorded]:
    """An order that goes on as if the third line, which says a payment again, were a payment of its own."""
    lines = log_of(
        [
            s.placed(order_id="a", at=after(0)),
            s.paid(order_id="a", at=after(1)),
            s.paid(order_id="a", at=after(1, seconds=1)),
            s.closed(order_id="a", at=after(2), reason="out-of-stock", to_buyer="40.00"),
            s.refunded(order_id="a", at=after(3), amount="40.00"),
            s.noted(order_id="a", at=after(4)),
        ]
    )
    return [*lines[:2], replace(lines[2], event=lines[1].event), *lines[3:]]


# Which of two ways an order went on.


@pytest.mark.usefixtures("memory")
def test_a_refused_line_that_the_next_one_does_not_know_is_all_that_is_told(tmp_path: Path) -> None:
    lines = spread(refused_and_ignored())
    assert problems(tmp_path / "l", lines) == [("decisions", seq_of(4), REFUSED.format("a"))]


@pytest.mark.usefixtures("memory")
def test_a_line_that_says_again_what_counted_twice_is_all_that_is_told(tmp_path: Path) -> None:
    """The closing gives back both payments, which nothing but the second line can explain."""
    lines = spread(said_again_and_counted())
    again = f"order a: it says again what seq {seq_of(2)} says (R10)"
    assert problems(tmp_path / "l", lines) == [("decisions", seq_of(3), again)]


# What is remembered is limited.


def test_no_more_orders_than_the_limit_are_followed_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those above it are supposed to have counted what was refused."""
    first, second = refused_and_ignored("a"), refused_and_ignored("b")
    lines = [line for both in zip(first, second, strict=True) for line in both]
    lines = [replace(line, seq=seq) for seq, line in enumerate(lines, 1)]
    told = [("decisions", 7, REFUSED.format("a")), ("decisions", 8, REFUSED.format("b"))]
    monkeypatch.setattr(redecide, "DOUBTS_MAX", 2)
    assert problems(tmp_path / "two", lines) == told
    monkeypatch.setattr(redecide, "DOUBTS_MAX", 1)
    more = [one for one in problems(tmp_path / "one", lines) if one not in told]
    assert more
    assert {seq for _, seq, _ in more} <= {10, 12, 14}  # the later lines of b


def test_no_more_lines_than_the_limit_are_remembered_to_count_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order that is read again counts them then, and its later lines do not fit."""
    forget(monkeypatch)
    lines = spread(refused_and_ignored())
    monkeypatch.setattr(redecide, "PASSED_OVER_MAX", 1)
    told = [("decisions", seq_of(4), REFUSED.format("a"))]
    assert problems(tmp_path / "one", lines) == told
    monkeypatch.setattr(redecide, "PASSED_OVER_MAX", 0)
    more = [one for one in problems(tmp_path / "none", lines) if one not in told]
    assert more
    assert {seq for _, seq, _ in more} <= {seq_of(6), seq_of(7)}


# Orders that cannot be followed.


@pytest.mark.usefixtures("memory")
def test_an_order_that_begins_a_second_time_is_no_new_one(tmp_path: Path) -> None:
    facts = [s.placed(order_id="a", at=after(0)), s.paid(order_id="a", at=after(1))]
    lines = spread([*log_of(facts), log_of([s.placed(order_id="a", at=after(2), seller="another")])[0]])
    told = "order a: version 1, due is 3; what follows in this order is not decided again"
    assert problems(tmp_path / "l", lines) == [("versions", seq_of(3), told)]


@pytest.mark.usefixtures("memory")
def test_a_version_that_is_missing_is_told_once(tmp_path: Path) -> None:
    """Also what no decision would have written is not told after it: the order is not followed any more."""
    facts: list[Fact] = [s.placed(order_id="a", at=after(0)), s.paid(order_id="a", at=after(1))]
    facts += [s.verified(order_id="a", at=after(2)), s.shipped(order_id="a", at=after(3))]
    facts += [s.delivered(order_id="a", at=after(9))]
    whole = log_of(facts)
    lines = spread([whole[0], *moved(whole[1:4]), replace(whole[4], version=6, status="closed")])
    told = "order a: version 3, due is 2; what follows in this order is not decided again"
    assert problems(tmp_path / "l", lines) == [("versions", seq_of(2), told)]


def impossible() -> list[Recorded]:
    """An order whose third line is of an instant after which there is no time: others' clocks cannot be wrong (R9)."""
    end = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    lines = log_of([s.placed(order_id="a", at=after(0)), s.paid(order_id="a", at=after(1))])
    event = s.noted(order_id="a", at=end.replace(microsecond=1), by="buyer")
    return [*lines, Recorded(seq=1, version=3, recorded_at=end, status=lines[1].status, event=event)]


@pytest.mark.usefixtures("memory")
def test_a_line_that_cannot_be_decided_about_is_told(tmp_path: Path) -> None:
    told = "order a: it cannot be decided again: date value out of range"
    assert problems(tmp_path / "l", spread(impossible())) == [("decisions", seq_of(3), told)]


@pytest.mark.usefixtures("memory")
def test_after_a_line_that_cannot_be_decided_about_nothing_of_its_order_is(tmp_path: Path) -> None:
    *before, late = impossible()
    wrong = [replace(late, version=version, status="closed") for version in (4, 5)]
    assert [(check, seq) for check, seq, _ in problems(tmp_path / "l", spread([*before, late, *wrong]))] == [
        ("decisions", seq_of(3))
    ]


@pytest.mark.usefixtures("memory")
def test_a_forged_effective_at_is_all_that_is_told(tmp_path: Path) -> None:
    """The order goes on as the line should have been."""
    facts: list[Fact] = [s.placed(order_id="a", at=after(0)), s.paid(order_id="a", at=after(1))]
    facts += [s.verified(order_id="a", at=after(2)), s.shipped(order_id="a", at=after(3))]
    lines = log_of(facts)
    forged = replace(lines[2], effective_at=after(9))
    assert [(check, seq) for check, seq, _ in problems(tmp_path / "l", spread([*lines[:2], forged, lines[3]]))] == [
        ("decisions", seq_of(3))
    ]
