"""`reconcile`: given what the log has, when these lines stand on a statement, then that is what they are."""

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from msgspec.structs import replace

from commands.output import Screen, Target
from commands.reconcile import COLUMNS, SECTIONS, arrived, show
from ledger.events import Fact
from ledger.formats.statement import Entry
from ledger.reconcile import (
    ARRIVES_WITHIN,
    BOOKED_WITHIN,
    REFUND_WITHIN,
    Answer,
    Doubt,
    Known,
    Pending,
    reconcile,
    spelled,
    statement_ids,
)
from queries.moment import Moment
from tests import scenario as s
from tests.running import Cli

A, B = "8123456789012345", "8123456789012346"
DAY = date(2024, 3, 15)
NOON = datetime(2024, 3, 15, 12, tzinfo=UTC)


def line(amount: int, text: str = "SHOP", *, on: date = DAY, currency: str = "USD", number: int = 1) -> Entry:
    return Entry(number, on, amount, currency, text)


def paid(order: str = A, amount: int = 2000, *, seq: int = 1, at: datetime = NOON, **more: Any) -> Known:
    return Known("paid", order, "shop-1", seq, at, amount, "USD", **more)


def refunded(order: str = A, amount: int = 2000, *, seq: int = 2, at: datetime = NOON, **more: Any) -> Known:
    return Known("refunded", order, "shop-1", seq, at, amount, "USD", **more)


def pending(order: str = A, amount: int = 2000, *, since: datetime = NOON, **more: Any) -> Pending:
    return Pending(order, "shop-1", amount, "USD", since, **more)


def of(lines: Sequence[Entry], *facts: Known | Pending) -> Answer:
    """What these lines are to a ledger with these facts; lines without a number of their own are numbered."""
    numbered = [entry._replace(number=at) for at, entry in enumerate(lines, 1)]
    known = [fact for fact in facts if isinstance(fact, Known)]
    on_their_way = [fact for fact in facts if isinstance(fact, Pending)]
    return reconcile(numbered, known, on_their_way, {A, B})


def told(answer: Answer) -> list[tuple[int, str, int, str]]:
    """Each match as the line's amount, the order, the amount in its currency, and by what it was told."""
    return [(match.entry.amount, match.found.order_id, match.amount, match.by) for match in answer.matches]


# Payments.


def test_a_payment_that_left_the_account_is_the_one_of_its_amount() -> None:
    answer = of([line(-2000)], paid(), paid(B, 2001, seq=2))
    assert told(answer) == [(-2000, A, 2000, "amount")]


def test_a_payment_is_known_by_what_the_bank_showed() -> None:
    answer = of([line(-10000, currency="BRL")], paid(account_amount=10000, account_currency="BRL"))
    assert told(answer) == [(-10000, A, 2000, "account amount")]


@pytest.mark.parametrize(
    ("days", "found"), [(-2, 0), (-1, 1), (0, 1), (BOOKED_WITHIN.days, 1), (BOOKED_WITHIN.days + 1, 0)]
)
def test_a_payment_is_booked_within_days(days: int, found: int) -> None:
    answer = of([line(-2000, on=DAY + timedelta(days=days))], paid())
    assert (len(answer.matches), len(answer.unexplained)) == (found, 1 - found)


def test_the_number_of_the_order_wins_over_the_days_and_over_equals() -> None:
    answer = of([line(-2000, f"AE {A}", on=DAY + timedelta(days=60)), line(-2000)], paid(A), paid(B, seq=2))
    assert told(answer) == [(-2000, B, 2000, "amount"), (-2000, A, 2000, "order")]


def test_a_line_that_names_an_order_is_of_no_other() -> None:
    answer = of([line(-2000, A)], paid(B))
    [(_, why)] = answer.unexplained
    assert why == f"names {A}, where no such payment is recorded"


def test_a_payment_in_another_currency_is_known_by_the_order() -> None:
    assert told(of([line(-10000, A, currency="BRL")], paid())) == [(-10000, A, 2000, "order")]


def test_two_payments_of_one_order_are_as_good_as_each_other() -> None:
    answer = of([line(-1000), line(-1000)], paid(A, 1000), paid(A, 1000, seq=2))
    assert told(answer) == [(-1000, A, 1000, "amount")] * 2


def test_money_that_arrives_is_no_payment_and_money_that_leaves_no_refund() -> None:
    answer = of([line(2000, A), line(-2000, A)], refunded(B), paid(B))
    assert told(answer) == []


# What is never guessed.


@pytest.mark.parametrize("facts", [(paid(A), paid(B, seq=2)), (paid(A), paid(B, seq=2), paid(B, seq=3))])
def test_two_orders_of_one_amount_are_not_guessed(facts: tuple[Known, ...]) -> None:
    answer = of([line(-2000)], *facts)
    [doubt] = answer.ambiguous
    assert [fact.order_id for fact in doubt.candidates] == [fact.order_id for fact in facts]
    assert (answer.matches, answer.unexplained) == ([], [])


def test_two_lines_that_could_be_one_fact_are_not_guessed() -> None:
    answer = of([line(2000), line(2000, "SOMEBODY")], pending())
    assert [doubt.candidates for doubt in answer.ambiguous] == [(pending(),), (pending(),)]
    assert answer.open == [pending()]


def test_a_doubt_about_a_refund_holds_for_weaker_evidence_too() -> None:
    """The first line may be A's; so it is not certain that the other one is."""
    refunds = (pending(A, account_amount=9000, account_currency="BRL"), pending(B))
    answer = of([line(2000), line(9000, currency="BRL")], *refunds)
    assert (answer.matches, len(answer.ambiguous)) == ([], 2)


def test_a_line_that_names_two_orders_is_not_guessed() -> None:
    [doubt] = of([line(2000, f"{A} {B}")], pending(A), pending(B)).ambiguous
    assert [fact.order_id for fact in doubt.candidates] == [A, B]


def test_a_line_that_may_be_one_of_two_orders_leaves_a_doubt_about_the_next_one() -> None:
    answer = of([line(2000, f"{A} {B}"), line(2000, A)], pending(A), pending(B))
    assert (answer.matches, len(answer.ambiguous)) == ([], 2)


# Refunds that the log has.


def test_a_refund_of_the_log_comes_before_one_on_its_way() -> None:
    answer = of([line(2000)], refunded(A), pending(B))
    assert told(answer) == [(2000, A, 2000, "amount")]
    assert answer.open == [pending(B)]


@pytest.mark.parametrize(
    ("days", "found"), [(-11, 0), (-10, 1), (ARRIVES_WITHIN.days, 1), (ARRIVES_WITHIN.days + 1, 0)]
)
def test_a_refund_of_the_log_may_have_arrived_before_and_after_it(days: int, found: int) -> None:
    assert len(of([line(2000, on=DAY + timedelta(days=days))], refunded()).matches) == found


def test_a_fact_that_this_line_told_is_found_by_its_id_whenever_it_is_dated() -> None:
    entry = line(2000)
    known = refunded(at=NOON + timedelta(days=300), fact_id=statement_ids([entry])[entry])
    assert told(of([entry], known, pending(B))) == [(2000, A, 2000, "id")]


def test_a_refund_that_the_statement_should_show_and_does_not_is_missing() -> None:
    around = [line(-1, on=DAY - timedelta(days=60)), line(-1, on=DAY + timedelta(days=60))]
    assert of(around, refunded()).unseen == [refunded()]
    assert of(around, refunded(account_amount=1, account_currency="EUR")).unseen == []
    assert of(around[:1], refunded()).unseen == []
    assert of([*around, line(2000)], refunded()).unseen == []


def test_a_refund_that_a_doubtful_line_may_be_is_not_missing() -> None:
    around = [line(-1, on=DAY - timedelta(days=60)), line(-1, on=DAY + timedelta(days=60))]
    answer = of([*around, line(2000), line(2000)], refunded())
    assert (len(answer.ambiguous), answer.unseen) == (2, [])


def test_what_the_bank_showed_is_not_contradicted_by_the_number_of_the_order() -> None:
    shown = refunded(account_amount=10000, account_currency="BRL")
    assert told(of([line(9999, A, currency="EUR")], shown)) == []
    assert told(of([line(10000, A, currency="BRL")], shown)) == [(10000, A, 2000, "order")]


# Refunds on their way.


def test_a_refund_on_its_way_arrives_by_its_amount() -> None:
    answer = of([line(2000, "ALIEXPRESS.COM")], pending())
    assert told(answer) == [(2000, A, 2000, "amount")]
    assert answer.open == []


@pytest.mark.parametrize("text", ["SALARY", "", "J SMITH 2000"])
def test_an_amount_alone_does_not_prove_that_a_refund_arrived(text: str) -> None:
    salary = line(2000, text)
    answer = of([salary], pending())
    assert answer.ambiguous == [Doubt(salary, (pending(),))]
    assert (answer.matches, answer.open) == ([], [pending()])


def test_of_two_lines_of_one_amount_the_one_that_speaks_of_a_refund_is_it() -> None:
    answer = of([line(2000, "SALARY"), line(2000, "Rückerstattung", number=2)], pending())
    assert [match.entry.number for match in answer.matches] == [2]
    assert [entry.text for entry, _ in answer.unexplained] == ["SALARY"]


def test_money_that_names_one_order_is_not_what_another_waits_for() -> None:
    [(_, why)] = of([line(2000, B)], pending(A)).unexplained
    assert why == f"names {B}, where no such refund is recorded or on its way"


def test_a_refund_on_its_way_arrives_by_what_was_debited() -> None:
    answer = of([line(10000, "ESTORNO", currency="BRL")], pending(account_amount=10000, account_currency="BRL"))
    assert told(answer) == [(10000, A, 2000, "account amount")]


@pytest.mark.parametrize(
    ("amount", "text", "debited", "found"),
    [
        (10700, f"REFUND {A}", None, True),
        (100, f"CASHBACK {A}", None, False),
        (10700, A, 10000, True),
        (12500, A, 10000, True),
        (12501, f"REFUND {A}", 10000, False),
        (7499, f"REFUND {A}", 10000, False),
    ],
)
def test_a_line_in_another_currency_is_the_whole_by_its_words_or_by_the_rate_of_the_payment(
    amount: int, text: str, debited: int | None, found: bool
) -> None:
    waiting = pending(account_amount=debited, account_currency="BRL" if debited else None)
    answer = of([line(amount, text, currency="BRL")], waiting)
    assert told(answer) == ([(amount, A, 2000, "order")] if found else [])
    assert len(answer.ambiguous) == (not found)


def test_parts_that_name_the_order_arrive_one_by_one_and_the_rest_is_still_on_its_way() -> None:
    answer = of([line(500, A), line(700, A)], pending())
    assert told(answer) == [(500, A, 500, "order"), (700, A, 700, "order")]
    assert answer.open == [pending(amount=800)]


@pytest.mark.parametrize(
    ("lines", "ambiguous"),
    [
        ([line(2001, A)], 0),
        ([line(1500, A), line(600, A)], 2),
        ([line(5000, A, currency="BRL"), line(5000, A, currency="BRL")], 2),
        ([line(2000, A), line(5000, A, currency="BRL")], 2),
    ],
)
def test_more_than_is_on_its_way_is_not_taken(lines: list[Entry], ambiguous: int) -> None:
    answer = of(lines, pending())
    assert (answer.matches, len(answer.ambiguous), len(answer.unexplained)) == ([], ambiguous, len(lines) - ambiguous)


@pytest.mark.parametrize(("days", "found"), [(-2, 0), (-1, 1), (REFUND_WITHIN.days, 1), (REFUND_WITHIN.days + 1, 0)])
def test_a_refund_arrives_after_it_was_decided(days: int, found: int) -> None:
    assert len(of([line(2000, "REFUND", on=DAY + timedelta(days=days))], pending()).matches) == found


def test_with_the_orders_number_it_may_arrive_much_later_but_not_much_before() -> None:
    assert len(of([line(2000, A, on=DAY + timedelta(days=900))], pending()).matches) == 1
    assert len(of([line(2000, A, on=DAY - timedelta(days=11))], pending()).unexplained) == 1


@pytest.mark.parametrize(
    ("refund", "late"),
    [
        (pending(), False),
        (pending(failed=True), True),
        (pending(due_by=NOON), False),
        (pending(due_by=NOON - timedelta(microseconds=1)), True),
    ],
)
def test_a_refund_is_late_after_its_date_or_when_it_bounced(refund: Pending, late: bool) -> None:
    assert refund.late(NOON) is late


# Orders named in a text.


@pytest.mark.parametrize(
    "text", [A, f"order {A}.", f"REF:{A}/2", f"AE{A}USD", f"({A})", "81234567 89012345", f"#{A}", f"x,{A};y"]
)
def test_an_orders_number_is_found_in_a_text(text: str) -> None:
    assert A in spelled(text)


@pytest.mark.parametrize("text", ["", A[:-1], A + "1", "8123456 789012345 x"[:10], "12345", "unpaid", "8 1"])
def test_what_only_looks_like_it_is_not(text: str) -> None:
    assert not spelled(text) & {A, "12345", "unpaid", "81"}


# Facts.


def test_a_fact_is_dated_by_the_day_but_not_before_the_refund_was_decided() -> None:
    lines = [line(2000, A), line(2000, B, on=DAY + timedelta(days=1), number=2)]
    answer = reconcile(lines, [], [pending(A), pending(B)], {A, B})
    facts = arrived(answer, statement_ids(lines), NOON + timedelta(days=9), UTC)
    assert [fact.occurred_at for fact in facts] == [NOON, datetime(2024, 3, 16, tzinfo=UTC)]


def test_a_day_that_is_still_to_come_gives_no_fact() -> None:
    lines = [line(2000, A, on=DAY + timedelta(days=1))]
    answer = reconcile(lines, [], [pending(A)], {A})
    assert len(answer.matches) == 1
    assert arrived(answer, statement_ids(lines), NOON, UTC) == []


def test_equal_lines_have_different_ids_and_the_same_ones_in_every_export() -> None:
    lines = [line(2000), line(2000, number=2), line(2000, "other", number=3)]
    ids = statement_ids(lines)
    assert len(set(ids.values())) == 3
    again = statement_ids([entry._replace(number=entry.number + 10) for entry in lines])
    assert sorted(again.values()) == sorted(ids.values())


# Laws.

ORDERS = [A, B, "ORDER-77"]
CURRENCIES = st.sampled_from(["USD", "BRL"])
AMOUNTS = st.sampled_from([500, 1000, 1500, 2000])
INSTANTS = st.integers(0, 40).map(lambda days: NOON + timedelta(days=days))
LINES = st.lists(
    st.builds(
        line,
        AMOUNTS | AMOUNTS.map(lambda amount: -amount),
        st.sampled_from(["SHOP", *ORDERS, f"{A} {B}"]),
        on=st.integers(-3, 50).map(lambda days: DAY + timedelta(days=days)),
        currency=CURRENCIES,
    ),
    max_size=8,
).map(lambda lines: [entry._replace(number=at) for at, entry in enumerate(lines, 1)])
SHOWN: st.SearchStrategy[dict[str, Any]] = st.just({}) | AMOUNTS.map(
    lambda amount: {"account_amount": amount, "account_currency": "BRL"}
)
KNOWN = st.lists(
    st.tuples(st.sampled_from([paid, refunded]), st.sampled_from(ORDERS), AMOUNTS, INSTANTS, SHOWN), max_size=6
).map(
    lambda facts: [
        make(order, amount, seq=seq, at=at, **shown) for seq, (make, order, amount, at, shown) in enumerate(facts, 1)
    ]
)
PENDING = st.lists(
    st.tuples(st.sampled_from(ORDERS), AMOUNTS, INSTANTS, SHOWN), max_size=3, unique_by=lambda refund: refund[0]
).map(lambda facts: [pending(order, amount, since=since, **shown) for order, amount, since, shown in facts])


def content(entry: Entry) -> tuple[Any, ...]:
    return entry[1:]


@settings(max_examples=40)
@for_all(LINES, KNOWN, PENDING)
def test_every_line_is_told_once_and_no_fact_is_matched_twice(
    lines: list[Entry], known: list[Known], on_their_way: list[Pending]
) -> None:
    answer = reconcile(lines, known, on_their_way, ORDERS)
    told_of = [match.entry for match in answer.matches]
    told_of += [doubt.entry for doubt in answer.ambiguous] + [entry for entry, _ in answer.unexplained]
    assert sorted(told_of) == sorted(lines)
    matched = [match.found for match in answer.matches]
    assert all(count == 1 for fact, count in Counter(matched).items() if isinstance(fact, Known))
    left = {refund.order_id: refund.amount for refund in answer.open}
    for refund in on_their_way:
        got = sum(match.amount for match in answer.matches if match.found == refund)
        assert got + left.get(refund.order_id, 0) == refund.amount
    for match in answer.matches:
        assert (match.entry.amount < 0) == (isinstance(match.found, Known) and match.found.kind == "paid")
        assert match.amount > 0


@settings(max_examples=40)
@for_all(LINES, KNOWN, PENDING, st.randoms())
def test_the_order_of_lines_and_facts_changes_nothing(
    lines: list[Entry], known: list[Known], on_their_way: list[Pending], chance: Any
) -> None:
    def shuffled(things: Sequence[Any]) -> list[Any]:
        return chance.sample(things, len(things))  # type: ignore[no-any-return]

    mixed = [entry._replace(number=at) for at, entry in enumerate(shuffled(lines), 1)]
    one = reconcile(lines, known, on_their_way, ORDERS)
    other = reconcile(mixed, shuffled(known), shuffled(on_their_way), shuffled(ORDERS))
    assert [(content(m.entry), m[1:]) for m in one.matches] == [(content(m.entry), m[1:]) for m in other.matches]
    assert [(content(d.entry), d.candidates) for d in one.ambiguous] == [
        (content(d.entry), d.candidates) for d in other.ambiguous
    ]
    assert [(content(e), why) for e, why in one.unexplained] == [(content(e), why) for e, why in other.unexplained]
    assert (one.open, one.unseen) == (other.open, other.unseen)
    ids = [statement_ids(lines)[m.entry] for m in one.matches]
    assert sorted(ids) == sorted(statement_ids(mixed)[m.entry] for m in other.matches)


@settings(max_examples=40)
@for_all(LINES, KNOWN, PENDING)
def test_what_is_recorded_is_found_again_and_told_no_more(
    lines: list[Entry], known: list[Known], on_their_way: list[Pending]
) -> None:
    answer = reconcile(lines, known, on_their_way, ORDERS)
    ids = statement_ids(lines)
    new = [match for match in answer.matches if isinstance(match.found, Pending)]
    recorded = [
        refunded(match.found.order_id, match.amount, seq=100 + at, fact_id=ids[match.entry])
        for at, match in enumerate(new)
    ]
    again = reconcile(lines, [*known, *recorded], answer.open, ORDERS)
    found = {match.entry: match.by for match in again.matches}
    assert {found[match.entry] for match in new} <= {"id"}


# The command.

STATEMENT = (
    "Date;Description;Amount;Currency\n"
    "2024-03-02;ALIEXPRESS;-20.00;USD\n"
    f"2024-03-20;REFUND {s.ORDER};20.00;USD\n"
    "2024-03-21;GROCER;-7.15;USD\n"
)


REAIS = {"account_amount": "100.00", "account_currency": "BRL"}
CLOSED = (*s.PROCESSING, s.closed(reason="not-shipped", at=s.after(8)))


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A ledger with an order whose refund is on its way, and a statement beside it."""
    monkeypatch.chdir(tmp_path)
    cli = Cli(tmp_path / "ledger", capsys)
    cli.ok("init")
    record(cli, *CLOSED)
    Path("march.csv").write_text(STATEMENT)
    return cli


def record(cli: Cli, *facts: Fact, order: str = s.ORDER) -> None:
    """Import a history, as that of such an order."""
    told = [replace(recorded.event, order_id=order) for recorded in s.given(*facts).history]
    Path("facts.jsonl").write_bytes(b"".join(msgspec.json.encode(fact) + b"\n" for fact in told))
    cli.ok("import", "facts.jsonl")


def rows(cli: Cli, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(cli.ok("reconcile", *arguments, "-o", "json"))
    return found


def sections(found: list[dict[str, Any]]) -> list[tuple[str, int | None]]:
    return [(row["section"], row["line"]) for row in found]


@contextmanager
def piped(text: str) -> Iterator[None]:
    """Put a pipe with a text in the place of the standard input."""
    reading, writing = os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    before = os.dup(0)
    os.dup2(reading, 0)
    try:
        with open(reading, encoding="utf-8") as stdin, pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stdin", stdin)
            yield
    finally:
        os.dup2(before, 0)
        os.close(before)


def test_what_arrived_is_recorded_by_the_import_and_then_explained_by_the_log(cli: Cli) -> None:
    assert sections(rows(cli, "march.csv")) == [("paid", 2), ("arrived", 3), ("not-explained", 4)]
    facts = cli.ok("reconcile", "march.csv", "--facts")
    [fact] = map(json.loads, facts.splitlines())
    digest = fact.pop("fact_id")
    assert digest.startswith("statement:")
    assert fact == {
        "type": "refunded",
        "order_id": s.ORDER,
        "occurred_at": "2024-03-20T00:00:00Z",
        "source": "statement",
        "amount": "20.00",
    }

    for told in ("1 recorded, 0 duplicates", "0 recorded, 1 duplicate"):
        with piped(facts):
            assert told in cli.ok("import", "-", "--strict")

    [_, again, _] = rows(cli, "march.csv")
    assert (again["section"], again["event"], again["seq"], again["matched_by"]) == ("arrived", "refunded", 5, "id")
    assert cli.ok("reconcile", "march.csv", "--facts") == ""


def test_a_row_says_what_the_line_is(cli: Cli) -> None:
    assert rows(cli, "march.csv")[1] == {
        "section": "arrived",
        "line": 3,
        "date": "2024-03-20",
        "amount": "20.00",
        "currency": "USD",
        "text": f"REFUND {s.ORDER}",
        "order_id": s.ORDER,
        "seller": "shop-1",
        "event": "pending",
        "seq": None,
        "event_at": "2024-03-09T10:00:00Z",
        "event_amount": "20.00",
        "event_currency": "USD",
        "due_at": "2024-03-23T10:00:00Z",
        "matched_by": "order",
        "candidates": None,
        "why": "20.00 USD on its way since 2024-03-09; `--facts` tells that it arrived",
    }


def test_another_currency_is_told_with_what_the_bank_showed(cli: Cli) -> None:
    Path("real.csv").write_text(f"Data;Descrição;Valor (R$)\n20/03/2024;ESTORNO {s.ORDER};107,35\n")
    [fact] = map(json.loads, cli.ok("reconcile", "real.csv", "--facts").splitlines())
    assert (fact["amount"], fact["account_amount"], fact["account_currency"]) == ("20.00", "107.35", "BRL")


@pytest.mark.parametrize(
    ("now", "section"), [("2024-03-23T10:00:00Z", "on-its-way"), ("2024-03-23T10:00:01Z", "missing")]
)
def test_a_refund_that_has_not_come_is_missing_once_it_is_due(cli: Cli, now: str, section: str) -> None:
    Path("empty.csv").write_text("Date;Amount;Currency\n")
    [row] = rows(cli, "empty.csv", "--now", now)
    assert (row["section"], row["line"], row["due_at"]) == (section, None, "2024-03-23T10:00:00Z")


def test_two_equal_refunds_are_told_as_ambiguous_and_give_no_facts(cli: Cli) -> None:
    record(cli, *CLOSED, order=B)
    Path("one.csv").write_text("Date;Text;Amount;Currency\n2024-03-20;REFUND;20.00;USD\n")
    found = rows(cli, "one.csv", "--now", "2024-03-21")
    assert [row["section"] for row in found] == ["on-its-way", "on-its-way", "ambiguous"]
    assert found[-1]["candidates"] == [s.ORDER, B]
    assert "an ambiguous line may be it" in found[0]["why"]
    assert cli.ok("reconcile", "one.csv", "--facts") == ""


@pytest.mark.parametrize(
    ("facts", "told_by"),
    [
        ((s.paid(**REAIS), s.closed(reason="cancelled")), ["account amount", "account amount"]),
        (
            (s.paid(amount="10.00", **REAIS), s.paid(amount="10.00"), s.closed(reason="cancelled")),
            ["account amount", None],
        ),
        (
            (s.paid(**REAIS), s.verified(), s.dispute_opened(), s.dispute_resolved(outcome="partial", to_buyer="5.00")),
            ["account amount", None],
        ),
    ],
    ids=["the whole", "a payment that nobody saw at the bank", "a part"],
)
def test_what_was_debited_comes_back_where_all_of_it_does(
    cli: Cli, facts: list[Fact], told_by: list[str | None]
) -> None:
    record(cli, s.placed(), *facts, order=B)
    Path("real.csv").write_text("Date;Text;Amount;Currency\n2024-03-02;X;-100.00;BRL\n2024-03-05;REFUND;100.00;BRL\n")
    found = [row for row in rows(cli, "real.csv") if row["line"]]
    assert [row["matched_by"] for row in found] == told_by


def test_a_refund_may_be_recorded_long_before_the_first_line(cli: Cli) -> None:
    record(cli, *s.PROCESSING, s.closed(reason="cancelled"), s.refunded(at=s.after(9)), order=B)
    Path("april.csv").write_text("Date;Text;Amount;Currency\n2024-04-10;X;20.00;USD\n")
    [row] = [row for row in rows(cli, "april.csv") if row["line"]]
    assert (row["order_id"], row["event"]) == (B, "refunded")


def test_a_retracted_payment_explains_nothing(cli: Cli) -> None:
    for _ in range(3):
        cli.ok("retract", s.ORDER, "--why", "a typing mistake")
    assert sections(rows(cli, "march.csv")) == [("not-explained", at) for at in (2, 3, 4)]


def test_as_of_leaves_out_what_had_not_happened_in_log_and_statement(cli: Cli) -> None:
    assert sections(rows(cli, "march.csv", "--as-of", "2024-03-19")) == [("paid", 2), ("on-its-way", None)]
    assert sections(rows(cli, "march.csv", "--as-of", "2024-03-05")) == [("paid", 2)]


def test_a_map_makes_the_lines_of_any_table(cli: Cli) -> None:
    Path("bank.json").write_text(
        json.dumps([{"when": "03/20/24", "cents": "2000", "memo": s.ORDER}, {"when": "03/21/24", "cents": None}])
    )
    Path("map.sql").write_text(
        "SELECT CAST(strptime(\"when\", '%m/%d/%y') AS DATE) AS date, CAST(cents AS DECIMAL(18,2)) / 100 AS x, "
        "CAST(CAST(cents AS BIGINT) / 100 AS DECIMAL(18,2)) AS amount, 'USD' AS currency, memo AS text FROM statement"
    )
    assert cli("reconcile", "bank.json", "--map", "map.sql").code == 2
    Path("map.sql").write_text(
        "SELECT CAST(strptime(\"when\", '%m/%d/%y') AS DATE) AS date, "
        "CAST(CAST(cents AS BIGINT) / 100 AS DECIMAL(18,2)) AS amount, memo AS text FROM statement"
    )
    [row] = rows(cli, "bank.json", "--map", "map.sql", "--currency", "USD")
    assert (row["section"], row["line"], row["date"], row["amount"]) == ("arrived", 1, "2024-03-20", "20.00")


@pytest.mark.parametrize(
    ("select", "code", "what"),
    [
        ("SELECT '2024-03-20' AS date, 1.5::DOUBLE AS amount", 2, "not exact"),
        ("SELECT '2024-03-20' AS date, '1,50' AS amount, 'USD' AS currency", 4, "is no number with at most one '.'"),
        ("SELECT '2024-03-20' AS date, 'USD' AS currency", 2, "gives no amount"),
        ("SELECT '2024-03-20' AS date, true AS amount", 4, "row 1 cannot be read"),
        ("SELECT '1' AS amount, 'USD' AS currency", 4, "is no date"),
        ("SELECT '2024-03-20' AS day, '1' AS amount", 2, "no line of a statement has a field day"),
        ("SELECT * FROM read_csv('march.csv')", 2, ""),
    ],
)
def test_a_map_that_gives_no_lines_is_told_why(cli: Cli, select: str, code: int, what: str) -> None:
    Path("map.sql").write_text(select)
    answer = cli("reconcile", "march.csv", "--map", "map.sql")
    assert (answer.code, answer.out) == (code, "")
    assert what in answer.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nowhere.csv"], 4),
        (["."], 4),
        (["facts.jsonl"], 4),
        (["march.csv", "--currency", "XXX"], 2),
        (["-", "--map", "map.sql"], 2),
        (["march.csv", "--facts", "-o", "csv"], 2),
        (["march.csv", "--facts", "--to", "facts.csv"], 2),
        ([], 2),
    ],
)
def test_what_cannot_be_reconciled_is_told_and_nothing_printed(cli: Cli, arguments: list[str], code: int) -> None:
    answer = cli("reconcile", *arguments)
    assert (answer.code, answer.out) == (code, "")
    assert answer.err.startswith("error: ")


def test_a_line_that_cannot_be_read_is_named_with_its_file(cli: Cli) -> None:
    Path("march.csv").write_text(STATEMENT + "31.02.2024;X;1.00;USD\n")
    assert "march.csv: line 5 cannot be read" in cli("reconcile", "march.csv").err


def test_a_statement_may_come_through_a_pipe(cli: Cli) -> None:
    with piped(STATEMENT):
        found = list(csv.DictReader(io.StringIO(cli.ok("reconcile", "-"))))
    assert (list(found[0]), [row["section"] for row in found]) == (list(COLUMNS), ["paid", "arrived", "not-explained"])


def test_of_a_damaged_log_what_comes_before_the_damage_is_told_and_no_facts(cli: Cli) -> None:
    log = cli.ledger / "events" / "000000000001.jsonl"
    log.chmod(0o600)
    with log.open("ab") as file:
        file.write(b"no line of a log\n")
    answer = cli("reconcile", "march.csv")
    assert answer.code == 5
    assert "arrived" in answer.out
    answer = cli("reconcile", "march.csv", "--facts")
    assert (answer.code, answer.out) == (5, "")


def test_parquet_keeps_the_days_and_the_lists(cli: Cli) -> None:
    record(cli, *CLOSED, order=B)
    Path("one.csv").write_text("Date;Text;Amount;Currency\n2024-03-20;REFUND;20.00;USD\n")
    cli.ok("reconcile", "one.csv", "--to", "found.parquet")
    with duckdb.connect() as con:
        found = con.execute("SELECT date, amount, candidates FROM 'found.parquet' WHERE section = 'ambiguous'")
        kept = found.fetchall()
    assert kept == [(date(2024, 3, 20), Decimal("20.0000"), [s.ORDER, B])]


# For eyes.


def test_a_person_reads_one_section_below_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line(2000, A), line(-715, "GROCER \u202e", number=2), line(500, number=3)]
    refunds = [pending(), pending(B, 1000, due_by=NOON), pending("C-00001", 500), pending("C-00002", 500)]
    answer = reconcile(lines, [], refunds, {A, B})
    show(Target("table", screen=Screen(80, 99, False)), answer, Moment(NOON + timedelta(days=2)))
    text = capsys.readouterr().out
    heads = [head for head in SECTIONS.values() if f"{head} (" in text]
    assert heads == [SECTIONS[name] for name in ("arrived", "missing", "on-its-way", "ambiguous", "not-explained")]
    assert "due by 2024-03-15, 2 days overdue" in text
    assert r"GROCER \u202e" in text
    assert text.endswith("\n3 lines of the statement · days in UTC\n")
    assert max(map(len, text.splitlines())) <= 80


def test_nothing_to_show_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    show(Target("table", screen=Screen(80, 99, False)), reconcile([], [], [], []), Moment(NOON))
    assert capsys.readouterr().out == "nothing to show\n"
