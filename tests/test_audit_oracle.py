"""The audits against their answers in plain Python: the sample logs, a generated feed, edges, random histories."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.generate import facts
from ledger.errors import LedgerError
from ledger.events import Fact, Recorded
from ledger.formats.facts import parse
from ledger.order import Order, evolve
from queries import catalog
from queries.catalog import Audit
from queries.engine import Relations
from queries.moment import Moment
from tests import scenario as s
from tests.auditing import ANSWERS
from tests.auditing.book import Book, Row
from tests.edges import EDGE, edge_log
from tests.logs import naive, relations
from tests.running import ROOT
from tests.strategies import examples, histories, try_fact
from tests.test_laws_ledger import TICK, effective_at
from tests.test_laws_relations import book_of

AUDITS = catalog.audits()
FACT: msgspec.json.Decoder[Fact] = msgspec.json.Decoder(Fact)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND, WEEK = timedelta(seconds=1), timedelta(days=7)
DUE = (*s.DUE_WHILE_OPEN, *s.DUE_AFTER_CLOSING)
MANY_ORDERS = histories(min_orders=6, max_orders=12, max_facts=12)
Params = dict[str, Any]


def at(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


# Where the lines come from.


def recorded_weekly(told: Iterable[Fact]) -> list[Recorded]:
    """Return the lines of facts that were imported at the end of each week; what is refused is left out."""
    orders: dict[str, Order] = {}
    lines: list[Recorded] = []
    week = s.START - 100 * WEEK
    for fact in told:
        while week < min(fact.occurred_at, NOW):
            week += WEEK
        order = orders.setdefault(fact.order_id, Order(fact.order_id))
        decision = try_fact(order, fact, week)
        if decision is not None:
            line = s.line_of(decision, seq=len(lines) + 1, version=order.version + 1, recorded_at=week)
            evolve(order, line)
            lines.append(line)
    return lines


def facts_in(path: Path) -> Iterator[tuple[datetime, Fact]]:
    """Yield the facts of a sample log with the time by which all before them had happened."""
    latest = at(1, 1, 1)
    for line in path.read_bytes().splitlines():
        try:
            fact = parse(line)
        except LedgerError:
            continue
        latest = max(latest, min(fact.occurred_at, NOW))
        yield latest, fact


@cache
def sample_log() -> list[Recorded]:
    told = [pair for path in sorted((ROOT / "sample_logs").glob("*.jsonl")) for pair in facts_in(path)]
    return recorded_weekly(fact for _, fact in sorted(told, key=lambda pair: pair[0]))


@cache
def generated_log() -> list[Recorded]:
    return recorded_weekly(map(FACT.decode, facts(3_000, 1)))


# From where they are looked at, and with which parameters besides the usual ones.


class View(NamedTuple):
    """A log opened at a moment, and the same read anew."""

    found: Relations
    book: Book
    moment: Moment


SAMPLE_MOMENTS = [
    Moment(NOW),
    Moment(at(2024, 4, 1), as_of=at(2024, 4, 1)),
    Moment(at(2025, 10, 12), as_of=at(2025, 10, 12)),
    Moment(at(2025, 5, 20), as_of=at(2025, 5, 1), known_at=at(2025, 5, 20)),
]
GENERATED_MOMENTS = [
    Moment(NOW),
    Moment(at(2025, 1, 20), as_of=at(2025, 1, 20)),
    Moment(at(2025, 12, 20), as_of=at(2025, 11, 30), known_at=at(2025, 12, 5)),
]
EDGE_MOMENTS = [
    Moment(EDGE),
    Moment(EDGE + SECOND),
    Moment(s.after(39), as_of=s.after(39)),
    Moment(EDGE, known_at=s.after(39) - TICK),
]
SAMPLE_PARAMS: Params = {
    "since": [at(2025, 2, 1)],
    "reason": ["security", "confirmed"],
    "seller": ["FastTech-Outlet"],
    "days": [0, 45],
    "min_orders": [1, 2],
    "ratio": [1.5],
}
GENERATED_PARAMS: Params = {
    "since": [at(2024, 12, 1)],
    "reason": ["not-shipped"],
    "seller": ["shop1100000"],
    "days": [30],
    "min_orders": [5],
    "ratio": [0.05],
}
EDGE_PARAMS: Params = {
    "since": [s.after(43), s.after(43) + TICK],
    "reason": ["confirmed"],
    "seller": ["slow", "nobody"],
    "days": [0, 6, 8],
    "min_orders": [5, 6],
    "ratio": [0.2929, 0.29292929, 1.0],
}


def defaults(audit: Audit) -> Params:
    return {param.name: param.default for param in audit.params}


def each_changed(audit: Audit, others: Params) -> list[Params]:
    """Return the usual parameters of an audit, and them with each other value of each."""
    usual = defaults(audit)
    return [usual, *(usual | {name: value} for name in usual for value in others[name])]


# The comparison.


def by_sql(view: View, audit: Audit, params: Params) -> list[Row]:
    given = params | ({"now": view.moment.now} if "$now" in audit.sql else {})
    return view.found.run(audit.sql, given).rows


def in_python(book: Book, name: str, params: Params) -> list[Row]:
    plain = {key: naive(value) if isinstance(value, datetime) else value for key, value in params.items()}
    return ANSWERS[name](book, **plain)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[View]]]:
    """The logs, each opened at all its moments."""
    logs = {
        "samples": (sample_log(), SAMPLE_MOMENTS),
        "generated": (generated_log(), GENERATED_MOMENTS),
        "edges": (edge_log(), EDGE_MOMENTS),
    }
    with ExitStack() as stack:
        yield {
            name: [
                View(
                    stack.enter_context(relations(tmp_path_factory.mktemp(name), log, **moment._asdict())),
                    book_of(log, moment),
                    moment,
                )
                for moment in moments
            ]
            for name, (log, moments) in logs.items()
        }


@pytest.mark.parametrize(
    ("log", "others"), [("samples", SAMPLE_PARAMS), ("generated", GENERATED_PARAMS), ("edges", EDGE_PARAMS)]
)
@pytest.mark.parametrize("name", AUDITS)
def test_an_audit_is_right(opened: dict[str, list[View]], name: str, log: str, others: Params) -> None:
    """At each moment with the usual parameters, and at the first one also with others."""
    first, *more = opened[log]
    asked = [(first, params) for params in each_changed(AUDITS[name], others)]
    for view, params in [*asked, *((view, defaults(AUDITS[name])) for view in more)]:
        assert by_sql(view, AUDITS[name], params) == in_python(view.book, name, params), (view.moment, params)


@pytest.mark.parametrize("name", sorted(AUDITS.keys() - {"order-in-two-ledgers"}))  # of a single one it finds nothing
def test_an_audit_finds_something(opened: dict[str, list[View]], name: str) -> None:
    """Two empty answers would agree, whatever the question."""
    usual = defaults(AUDITS[name])
    assert in_python(opened["edges"][0].book, name, usual)
    assert any(in_python(view.book, name, usual) for view in [*opened["samples"], *opened["generated"]])


def test_every_audit_has_an_answer_in_python_and_the_other_way_round() -> None:
    assert sorted(AUDITS) == sorted(ANSWERS)


def draw_moment(data: st.DataObject, log: list[Recorded]) -> Moment:
    """Draw a present on or beside the instants at which something is due or happened, and what is known by when."""
    due = [getattr(line.event, name, None) for line in log for name in DUE]
    happened = [line.event.occurred_at for line in log]
    now = data.draw(st.sampled_from([*filter(None, due), *happened]))
    as_of = data.draw(
        st.sampled_from([None, None, *(effective_at(line) - t for line in log for t in (0 * TICK, TICK))])
    )
    known_at = data.draw(
        st.sampled_from([None, None, *(line.recorded_at - t for line in log for t in (0 * TICK, TICK))])
    )
    return Moment(now + data.draw(st.integers(-1, 1)) * SECOND, as_of, known_at)


@examples(5)
@given(MANY_ORDERS, st.data())
def test_the_audits_of_random_histories_are_right(log: list[Recorded], data: st.DataObject) -> None:
    """At any moment, with the usual parameters or others."""
    moment = draw_moment(data, log)
    happened = [line.event.occurred_at for line in log]
    others: dict[str, Any] = {
        "since": st.sampled_from([None, *happened]),
        "reason": st.sampled_from([None, "unknown", "confirmed", "dispute-resolved"]),
        "seller": st.sampled_from([None, "shop-1"]),
        "days": st.sampled_from([0, 7, 30, 60]),
        "min_orders": st.integers(1, 4),
        "ratio": st.sampled_from([0.001, 0.3, 1.0]),
    }
    params = {name: data.draw(values, label=name) for name, values in others.items()}
    with TemporaryDirectory() as folder, relations(Path(folder), log, **moment._asdict(), per_segment=40) as found:
        view = View(found, book_of(log, moment), moment)
        for name, audit in AUDITS.items():
            chosen = {param.name: params[param.name] for param in audit.params}
            assert by_sql(view, audit, chosen) == in_python(view.book, name, chosen), name
