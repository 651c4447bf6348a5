"""Laws of the decider, on random histories."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import get_args, get_type_hints

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.decide import ADVICE, Decision, decide
from ledger.errors import Refused
from ledger.events import Closed, Fact, Paid, Recorded, Refunded, Retracted
from ledger.order import Order, evolve, fold
from ledger.redecide import with_zeros
from tests.scenario import MONEY, NOW, POLICY, frozen, line_of, state, unfrozen
from tests.scenario import dispute_opened as opened
from tests.scenario import dispute_withdrawn as withdrawn
from tests.strategies import draw_fact, histories, plausible_rows, try_fact
from tests.test_lifecycle import FACTS

LINES = msgspec.json.Decoder(Recorded)
FACT = msgspec.json.Decoder(Fact)


def per_order(log: list[Recorded]) -> list[list[Recorded]]:
    """Return each order's own lines."""
    orders: dict[str, list[Recorded]] = {}
    for line in log:
        orders.setdefault(line.event.order_id, []).append(line)
    return list(orders.values())


def prefixes(lines: list[Recorded]) -> Iterable[tuple[Recorded, Order]]:
    """Yield every line with the order as it stands after it."""
    order = Order(lines[0].event.order_id)
    for line in lines:
        yield line, evolve(order, line)


def postings(event: Fact) -> list[tuple[str, Decimal]]:
    """Return the legs (account, signed amount) that follow from the event's fields alone."""
    legs = []
    if isinstance(event, Paid):
        legs += [("buyer", -Decimal(event.amount)), ("escrow", Decimal(event.amount))]
    to_seller = Decimal(getattr(event, "to_seller", None) or 0)
    to_buyer = Decimal(getattr(event, "to_buyer", None) or 0)
    legs += [("escrow", -(to_seller + to_buyer)), ("seller", to_seller), ("refunds", to_buyer)]
    if isinstance(event, Refunded):
        legs += [("refunds", -Decimal(event.amount)), ("buyer", Decimal(event.amount))]
    return legs


def balances(events: Iterable[Fact]) -> Counter[str]:
    """Return the sum of each account."""
    total: Counter[str] = Counter()
    for event in events:
        for account, amount in postings(event):
            total[account] += amount  # type: ignore[assignment]
    return total


@given(histories())
def test_money_is_neither_made_nor_lost(log: list[Recorded]) -> None:
    """R14: each event's postings sum to zero, and no account but the buyer's is negative at any time."""
    for lines in per_order(log):
        for line, order in prefixes(lines):
            assert sum(amount for _, amount in postings(line.event)) == 0
            account = balances(in_force.event for in_force in order.in_force())
            assert min(account["escrow"], account["seller"], account["refunds"]) >= 0
            assert account["buyer"] <= 0
            assert sum(account.values()) == 0


@given(histories())
def test_the_state_is_the_sum_of_the_postings(log: list[Recorded]) -> None:
    """The order's amounts are those of its postings, in minor units."""
    for lines in per_order(log):
        order = fold(lines[0].event.order_id, lines)
        account = balances(line.event for line in order.in_force())
        unit = 10 ** {"USD": 2, "JPY": 0, "KWD": 3, "": 0}[order.currency]
        assert (order.escrow, order.to_seller, order.pending) == tuple(
            account[name] * unit for name in ("escrow", "seller", "refunds")
        )
        assert order.paid == order.escrow + order.to_seller + order.to_buyer
        assert order.to_buyer == order.pending + order.refunded


@given(histories())
def test_escrow_is_empty_after_a_closing(log: list[Recorded]) -> None:
    """R14: but for a closing of unknown cause."""
    for lines in per_order(log):
        for line, order in prefixes(lines):
            if type(line.event).closing:
                unknown = isinstance(line.event, Closed) and line.event.reason == "unknown"
                assert unknown or order.escrow == 0
                assert (order.base, order.disputed, order.frozen) == ("closed", False, False)


@given(histories())
def test_a_closed_order_stays_closed(log: list[Recorded]) -> None:
    """R2: nothing but a retraction opens it again."""
    for lines in per_order(log):
        was_closed = False
        for line, order in prefixes(lines):
            if not isinstance(line.event, Retracted):
                assert order.base == "closed" or not was_closed
            was_closed = order.base == "closed"


@given(histories())
def test_each_line_tells_the_status_after_it(log: list[Recorded]) -> None:
    """The status in the line is that of the fold, and effective_at is the latest time in force."""
    for lines in per_order(log):
        for line, order in prefixes(lines):
            assert line.status == order.status
            if not isinstance(line.event, Retracted):
                latest = max(in_force.event.occurred_at for in_force in order.in_force())
                assert (line.effective_at or line.event.occurred_at) == latest
                assert line.effective_at != line.event.occurred_at


@given(histories())
def test_round_trip(log: list[Recorded]) -> None:
    """Lines and facts are read as they were written."""
    for line in log:
        assert LINES.decode(msgspec.json.encode(line)) == line
        assert FACT.decode(msgspec.json.encode(line.event)) == line.event


def decided_again(order: Order, line: Recorded) -> Decision:
    """Return the decision on a line's own event; or, where that says otherwise, on it with the zeros it leaves out.

    A fact that gives an amount as zero is another than one that gives none (R10), and the line says neither.
    """
    again = decide(order, line.event, POLICY, line.recorded_at)
    if not isinstance(again, Decision) or again.event != line.event:
        again = decide(order, with_zeros(line.event), POLICY, line.recorded_at)
    assert isinstance(again, Decision)
    return again


@given(histories())
def test_a_line_decided_again_is_the_same(log: list[Recorded]) -> None:
    """With its own event as the fact, and its own time of recording as now, nothing comes out differently."""
    for lines in per_order(log):
        order = Order(lines[0].event.order_id)
        for line in lines:
            again = decided_again(order, line)
            assert again.event == line.event
            assert again.status == line.status
            assert set(again.odd) - ADVICE == set(line.odd) - ADVICE
            evolve(order, line)


def without_completed(event: Fact) -> Fact:
    """Return the event as a fact that leaves out everything the decider completes."""
    hints = get_type_hints(type(event), include_extras=True)
    marked = [name for name, hint in hints.items() if any(_completes(part) for part in get_args(hint))]
    return replace(event, **dict.fromkeys(marked))


def _completes(part: object) -> bool:
    return isinstance(part, msgspec.Meta) and bool(part.extra and part.extra.get("completed"))


@given(histories())
def test_the_same_facts_again_are_all_known(log: list[Recorded]) -> None:
    """R10: neither the events nor the bare facts they came from are recorded twice, retracted ones included."""
    for lines in per_order(log):
        order = fold(lines[0].event.order_id, lines)
        for line in lines:
            for fact in (line.event, without_completed(line.event)):
                assert isinstance(decide(order, fact, POLICY, NOW), Recorded)


def as_if_never(lines: list[Recorded]) -> list[Recorded]:
    """Return the lines in force, numbered as if the others had never been written."""
    in_force = fold(lines[0].event.order_id, lines).in_force()
    return [replace(line, version=number) for number, line in enumerate(in_force, start=1)]


@given(histories())
def test_what_is_retracted_has_never_been(log: list[Recorded]) -> None:
    """R23: the order stands where the events in force alone bring it, and each of them is decided alike."""
    for lines in per_order(log):
        order_id = lines[0].event.order_id
        kept = as_if_never(lines)
        assert state(fold(order_id, kept)) == state(fold(order_id, lines))
        order = Order(order_id)
        for line in kept:
            again = decided_again(order, line)
            assert line_of(again, seq=line.seq, version=line.version, recorded_at=line.recorded_at) == line
            evolve(order, line)


def outcome(order: Order, fact: Fact) -> object:
    """Return what the decider says, in a form to compare; the order is left as it was."""
    before = state(order)
    try:
        answer: object = decide(order, fact, POLICY, NOW)
    except Refused as refusal:
        answer = (refusal.rule, refusal.what)
    assert state(order) == before
    return answer


@given(histories())
def test_what_is_retracted_changes_no_later_decision(log: list[Recorded]) -> None:
    """R23: whatever fact comes next, it is accepted, flagged and refused as if the pair had never been."""
    for lines in per_order(log):
        order_id = lines[0].event.order_id
        order, never = fold(order_id, lines), fold(order_id, as_if_never(lines))
        later = max(line.event.occurred_at for line in lines) + timedelta(seconds=1)
        for fact in FACTS.values():
            probe = replace(fact, order_id=order_id, occurred_at=later, fact_id="probe")
            assert outcome(order, probe) == outcome(never, probe)


@given(histories(1, 1), st.sampled_from(["frozen", "disputed"]), st.data())
def test_a_flag_raised_and_lifted_leaves_the_base(log: list[Recorded], flag: str, data: st.DataObject) -> None:
    """Around any steps that both orders accept, a freeze or dispute leaves base and money where they stand without."""
    open_at = [
        n for n, (_, order) in enumerate(prefixes(log), 1) if order.status == order.base not in ("none", "closed")
    ]
    assume(open_at)
    lines = log[: data.draw(st.sampled_from(open_at))]
    order_id = lines[0].event.order_id
    plain, flagged = fold(order_id, lines), fold(order_id, lines)
    raising, lifting = (frozen, unfrozen) if flag == "frozen" else (opened, withdrawn)
    own = (
        {"retracted", "frozen", "unfrozen"}
        if flag == "frozen"
        else {"retracted", "dispute-opened", "dispute-withdrawn"}
    )
    latest = max(line.event.occurred_at for line in lines)
    assume(_take(flagged, raising(order_id=order_id, at=latest)))
    for _ in range(data.draw(st.integers(1, 6))):
        fact = draw_fact(data.draw, plain, [row for row in plausible_rows(plain) if row not in own | {"retracted"}])
        if try_fact(plain, fact, NOW) is not None and try_fact(flagged, fact, NOW) is not None:
            _take(plain, fact)
            _take(flagged, fact)
    if getattr(flagged, flag):
        assert _take(flagged, lifting(order_id=order_id, at=latest))
    assert flagged.base == plain.base
    assert [getattr(flagged, name) for name in MONEY] == [getattr(plain, name) for name in MONEY]


def _take(order: Order, fact: Fact) -> bool:
    """Let the order take a fact, and return whether it was accepted."""
    decision = try_fact(order, fact, NOW)
    if decision is not None:
        evolve(order, line_of(decision, seq=order.version + 1, version=order.version + 1, recorded_at=NOW))
    return decision is not None
