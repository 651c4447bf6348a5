"""Laws of the relations on random histories: steps, timers, parcels and so on are what a plain fold says."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import timers
from ledger.events import Recorded
from ledger.line import encode
from queries.moment import Moment
from tests import scenario as s
from tests.auditing import relations as plain
from tests.auditing.book import Book, Row
from tests.edges import EDGE, edge_log
from tests.logs import log_of, naive, relations
from tests.strategies import examples
from tests.test_laws_ledger import ORDERS, draw_moment, standing

KINDS = {kind.name: kind for kind in timers.KINDS}
RELATIONS: dict[str, tuple[type[Any], Callable[[Book], list[Any]]]] = {
    "steps": (plain.Step, plain.steps),
    "timers": (plain.Timer, plain.timers),
    "parcels": (plain.Parcel, plain.parcels),
    "sellers": (plain.Seller, plain.sellers),
    "oddities": (plain.Oddity, plain.oddities),
    "numbers": (plain.Number, plain.numbers),
}


def words(timer: str, held: bool) -> str:
    """Return the program's words for what happens when a timer runs out."""
    kind = KINDS[timer]
    return kind.held if held and kind.held else kind.consequence


def book_of(log: Iterable[Recorded], moment: Moment) -> Book:
    """Read the lines anew, as raw text, at a moment."""
    instants = {name: naive(instant) for name, instant in moment._asdict().items()}
    return Book(map(encode, log), **instants, words=words)  # type: ignore[arg-type]  # now is never None


def agree(log: list[Recorded], moment: Moment) -> None:
    """Check the columns and rows of each relation, in any order."""
    book = book_of(log, moment)
    with TemporaryDirectory() as folder, relations(Path(folder), log, **moment._asdict(), per_segment=40) as found:
        for name, (row, fold) in RELATIONS.items():
            shown = found.run(f"SELECT * FROM {name}", {})
            assert shown.columns == list(row._fields), name
            assert Counter(shown.rows) == Counter(map(tuple, fold(book))), name


def timers_of_the_program(log: list[Recorded], moment: Moment) -> list[Row]:
    """Return what the explanations of `why` and `due` are made from, as rows of the relation."""
    return [
        (order.order_id, timer.timer, timer.started_by, *map(naive, timer[2:5]), *timer[5:])
        for order in standing(log, moment.as_of, moment.known_at)
        for timer in timers.timers(order, moment.now)
    ]


@examples(20)
@given(st.data())
def test_the_relations_agree_with_a_plain_fold_at_any_moment(data: st.DataObject) -> None:
    log = data.draw(ORDERS)
    now = s.START + timedelta(days=data.draw(st.integers(0, 200)))
    agree(log, Moment(now, *draw_moment(data.draw, log)))


@pytest.mark.parametrize(
    "moment", [Moment(EDGE), Moment(s.after(39), as_of=s.after(39)), Moment(EDGE, known_at=s.after(39))]
)
def test_they_agree_where_things_end_at_the_very_instant(moment: Moment) -> None:
    agree(edge_log(), moment)


@examples(50)
@given(st.data())
def test_the_timers_are_those_of_the_program(data: st.DataObject) -> None:
    """The relation, the plain fold and the program's own timers are one and the same, wording included."""
    log = data.draw(ORDERS)
    now = s.START + timedelta(days=data.draw(st.integers(0, 200)))
    moment = Moment(now, *draw_moment(data.draw, log))
    assert [tuple(timer) for timer in plain.timers(book_of(log, moment))] == timers_of_the_program(log, moment)


def _story(*, dispute: bool) -> list[Recorded]:
    end = [s.dispute_opened(at=s.after(12))] if dispute else [s.confirmed(at=s.after(12))]
    return log_of(
        [
            s.placed(at=s.after(0)),
            s.paid(at=s.after(0, hours=1)),
            s.verified(at=s.after(1)),
            s.cancel_requested(at=s.after(2)),
            s.cancel_declined(at=s.after(3), tracking="RR473124820GB"),
            s.shipped(at=s.after(4), tracking="LP1"),
            s.shipped(at=s.after(5), tracking="LP1", carrier="Post"),
            s.scanned(at=s.after(7), checkpoint="import", place="Riga"),
            s.scanned(at=s.after(6), checkpoint="export", tracking="LP1"),
            s.frozen(at=s.after(8)),
            s.unfrozen(at=s.after(9)),
            s.delivered(at=s.after(11)),
            *end,
        ]
    )


def test_a_parcel_is_where_it_was_last_seen_and_a_number_only_claimed_is_one_too(tmp_path: Path) -> None:
    """Scans without a number are those of the one parcel that was shipped; the claimed number was never seen."""
    seen = (naive(s.after(4)), "delivered", None, naive(s.after(11)), naive(s.after(11)))
    with relations(tmp_path, _story(dispute=False)) as found:
        assert found.run("SELECT * FROM parcels ORDER BY tracking", {}).rows == [
            ("LP1", s.ORDER, "Post", *seen),
            ("RR473124820GB", s.ORDER, None, None, None, None, None, None),
        ]


def test_a_scan_without_a_number_is_nobodys_where_two_parcels_were_shipped(tmp_path: Path) -> None:
    log = log_of(
        [
            *[line.event for line in _story(dispute=False)[:7]],
            s.shipped(at=s.after(6), tracking="LP2"),
            s.scanned(at=s.after(7), checkpoint="import"),
        ]
    )
    with relations(tmp_path, log) as found:
        assert found.run("SELECT tracking, last_checkpoint FROM parcels ORDER BY tracking", {}).rows == [
            ("LP1", None),
            ("LP2", None),
            ("RR473124820GB", None),
        ]


def test_the_steps_follow_each_other_and_the_last_one_lasts(tmp_path: Path) -> None:
    with relations(tmp_path, _story(dispute=True)) as found:
        steps = found.run("SELECT from_status, to_status, entered_at, seconds FROM steps ORDER BY entered_at", {}).rows
    assert [(row[1], row[3]) for row in steps] == [
        ("awaiting-payment", 3600),
        ("verifying-payment", 23 * 3600),
        ("processing", 86400),
        ("cancelling", 86400),
        ("processing", 86400),
        ("shipped", 4 * 86400),
        ("frozen", 86400),
        ("shipped", 2 * 86400),
        ("delivered", 86400),
        ("disputed", None),
    ]
    assert [row[0] for row in steps] == ["none", *[row[1] for row in steps[:-1]]]
    assert steps[0][2] == naive(s.START)


@pytest.mark.parametrize(
    ("dispute", "protection"),
    [(True, (None, True, words("protected_until", True))), (False, (naive(s.after(12)), False))],
)
def test_a_dispute_holds_the_protection_and_a_closing_meets_it(
    tmp_path: Path, dispute: bool, protection: tuple[datetime | None, ...]
) -> None:
    """R19: while disputed the protection runs on and cannot close the order."""
    with relations(tmp_path, _story(dispute=dispute), now=s.after(13)) as found:
        asked = "SELECT met_at, running, consequence FROM timers WHERE timer = 'protected_until'"
        [row] = found.run(asked, {}).rows
    assert row[: len(protection)] == protection
