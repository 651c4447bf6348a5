"""Every line decided again: the line's own event is the fact, and the moment it was recorded is the present.

The order's state comes from its lines before, as they stand. What a policy sets (due dates, windows) stands in the
lines too, so that only what no policy and no newer program may change is compared: the status, the flags, the money.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from msgspec.structs import replace

from ledger import events as e
from ledger import money
from ledger.decide import ADVICE, Decision, decide
from ledger.errors import Refused
from ledger.findings import Told
from ledger.kept import Kept
from ledger.line import decode
from ledger.order import Order, Unread, evolve
from ledger.places import Places
from ledger.policy import Policy, load
from ledger.segments import Position

COMPARED = ("actor", "currency", "amount", "to_buyer", "to_seller")
"""The fields of an event that are compared with what is decided."""

_MOVES = frozenset({e.Paid, e.Refunded, *(kind for kind in e.TYPES.values() if kind.closing)})
UNDECIDABLE = (ArithmeticError, LookupError, ValueError)
"""What Python says of values that this program would never have written."""

PASSED_OVER_MAX = 100_000
"""So many lines that count for nothing, or otherwise than they say, are remembered while their order is elsewhere."""

DOUBTS_MAX = 1000
"""So many orders are followed with and without a line that was refused, until the next line tells which it knows."""


class Gap(NamedTuple):
    """An order that cannot be followed since a version was not the one due: the next is one of two."""

    due: int
    other: int

    @classmethod
    def after(cls, recorded: e.Recorded) -> "Gap":
        """Go on after a line."""
        return cls(recorded.version + 1, recorded.version + 1)


State = Order | Gap


class Judgement(NamedTuple):
    """What is to be told of a line, how it was decided, and the line as it counts from there on."""

    told: list[Told]
    verdict: Literal["agrees", "differs", "refused", "again", "impossible"]
    counted: e.Recorded


class Doubt(NamedTuple):
    """A line that was refused, at a position, and how its order stands if the line counts otherwise than supposed.

    Supposed is that a refused line counts, and one that only says something again does not.
    """

    other: State
    at: Position
    passes_over: bool


def lenient() -> Policy:
    """Return the policy under which everything honest can be decided again, whatever policy it was decided under."""
    usual = load("aliexpress")
    days = {name: 0 for name in usual.__struct_fields__ if type(getattr(usual, name)) is int}
    return replace(usual, **days | {"future_minutes": 3650, "buyer_cancels_unpaid": True})


class Again:
    """The orders as their lines say, one line after the other; each is added to `places`, `read` gives one of those."""

    def __init__(self, places: Places, read: Callable[[Position], bytes]) -> None:
        self._places = places
        self._read = read
        self._policy = lenient()
        self._kept = Kept[Gap]()
        self._doubts: dict[str, Doubt] = {}
        self._passed_over: set[Position] = set()
        self._instead: dict[Position, e.Recorded | Gap] = {}

    def expect(self, lines: Iterable[e.Recorded | None]) -> None:
        """Learn which orders begin with these lines, all at once."""
        kept = self._kept
        if not kept.forgot:
            return
        begun = (line.event.order_id for line in lines if line is not None and line.version == 1)
        unseen = [one for one in dict.fromkeys(begun) if one not in kept]
        if unseen:
            known = self._places.known(unseen)
            for order_id in unseen:
                if order_id not in known:
                    kept.put(order_id, Order(order_id))

    def next(self, recorded: e.Recorded, line: bytes, at: Position) -> Sequence[Told]:
        """Take the log's next good line, and tell what is wrong with it."""
        event, kept = recorded.event, self._kept
        order = kept.recent.get(event.order_id) or self._recalled(event.order_id)
        kept.bytes += len(line)
        kept.turn(held=event.order_id)
        self._places.add(event.order_id, at)
        if isinstance(order, Gap) or recorded.version != order.version + 1:
            if isinstance(order, Order) and recorded.version <= order.version:
                self._read_lines(order)
            kept.recent[event.order_id], told = _after_gap(order, recorded)
            return told
        if self._doubts:
            order = self._settled(order, recorded, line)
        try:
            agrees = _agrees(self._decided(order, event, recorded.recorded_at), recorded)
        except (Refused, *UNDECIDABLE):
            agrees = False
        if not agrees:
            return self._contradicted(order, recorded, line, at)
        evolve(order, recorded)
        order.lines[-1] = line + b"\n"  # as bytes it takes a third of the room
        return _money_problems(order, event) if type(event) in _MOVES else ()

    def _contradicted(self, order: Order, recorded: e.Recorded, line: bytes, at: Position) -> list[Told]:
        """Tell what the decision says otherwise than the line, and go on from the line all the same."""
        self._read_lines(order)
        told, verdict, counted = self._judged(order, recorded)
        if verdict == "again":
            self._doubt(Doubt(_evolved(_copied(order), counted, line), at, passes_over=False))
            _pass_over(order, recorded, line)
            self._pass_over_later(at)
            return told
        if verdict == "refused":
            other = _copied(order)
            _pass_over(other, recorded, line)
            self._doubt(Doubt(other, at, passes_over=True))
        instead = Gap.after(recorded) if verdict == "impossible" else counted
        if instead is not recorded and len(self._instead) < PASSED_OVER_MAX:
            self._instead[at] = instead
        state = instead if isinstance(instead, Gap) else _evolved(order, instead, line)
        self._kept.recent[order.order_id] = state
        if isinstance(state, Order) and type(recorded.event) in _MOVES:
            told += _money_problems(order, recorded.event)
        return told

    def _doubt(self, doubt: "Doubt") -> None:
        if isinstance(doubt.other, Order) and len(self._doubts) < DOUBTS_MAX:
            self._doubts[doubt.other.order_id] = doubt

    def _pass_over_later(self, at: Position) -> None:
        if len(self._passed_over) < PASSED_OVER_MAX:
            self._passed_over.add(at)

    def _settled(self, order: Order, recorded: e.Recorded, line: bytes) -> Order:
        """The order as its next line knows it: with the last line that was refused, or without."""
        doubt = self._doubts.pop(order.order_id, None)
        if doubt is None:
            return order
        assert isinstance(doubt.other, Order)  # nothing else is kept
        with_it, without = self._judged(order, recorded), self._judged(doubt.other, recorded)
        if without.told:
            return order
        if not with_it.told:
            self._doubt(doubt._replace(other=_evolved(doubt.other, without.counted, line)))
            return order
        if doubt.passes_over:
            self._pass_over_later(doubt.at)
        else:
            self._passed_over.discard(doubt.at)
        self._kept.recent[order.order_id] = doubt.other
        return doubt.other

    def _recalled(self, order_id: str) -> State:
        """The order that is not recent: one kept longer, else folded from its lines."""
        state = self._kept.recall(order_id)
        if state is None:
            state = Order(order_id)
            for at in self._places.of(order_id) if self._kept.forgot else ():
                line = self._read(at)
                recorded = decode(line)
                if isinstance(state, Gap) or recorded.version != state.version + 1:
                    state, _ = _after_gap(state, recorded)
                elif at in self._passed_over:
                    _pass_over(state, recorded, line)
                else:
                    instead = self._instead.get(at, recorded)
                    state = instead if isinstance(instead, Gap) else _evolved(state, instead, line)
            self._kept.put(order_id, state)
        return state

    def _decided(self, order: Order, event: e.Fact, now: datetime) -> Decision | e.Recorded:
        try:
            return decide(order, event, self._policy, now)
        except Unread:
            self._read_lines(order)
            return decide(order, event, self._policy, now)

    def _read_lines(self, order: Order) -> None:
        if order.unread:
            places = self._places.of(order.order_id)[: order.unread]
            self._kept.restore(order, [self._read(at) + b"\n" for at in places])

    def _judged(self, order: Order, recorded: e.Recorded) -> "Judgement":
        """What the decision about a line's event says otherwise than the line."""
        try:
            decision = self._decided(order, recorded.event, recorded.recorded_at)
            if not _agrees(decision, recorded):
                decision = self._with_zeros(order, recorded, decision)
            if _agrees(decision, recorded):
                return Judgement([], "agrees", recorded)
        except Refused as refused:
            rule = {"L": "the lifecycle", "F": "the form of facts"}.get(refused.rule, refused.rule)
            return Judgement([Told("decisions", f"refused by {rule}: {refused.what}")], "refused", recorded)
        except UNDECIDABLE as error:
            told = f"order {order.order_id}: it cannot be decided again: {error}"
            return Judgement([Told("decisions", told)], "impossible", recorded)
        if isinstance(decision, e.Recorded):
            told = f"order {order.order_id}: it says again what seq {decision.seq} says (R10)"
            return Judgement([Told("decisions", told)], "again", recorded)
        found = [Told("decisions", f"order {order.order_id}: {one}") for one in _differences(decision, recorded)]
        return Judgement(found, "differs", replace(recorded, effective_at=decision.effective_at))

    def _with_zeros(self, order: Order, recorded: e.Recorded, without: Decision | e.Recorded) -> Decision | e.Recorded:
        """Decide again with the amounts that the fact may have given as zero.

        A fact that gave them can be another than the one that did not (R10), and its money can go another way.
        """
        event = with_zeros(recorded.event)
        if event is recorded.event:
            return without
        try:
            decision = self._decided(order, event, recorded.recorded_at)
        except Refused:
            return without
        return decision if isinstance(without, e.Recorded) or _agrees(decision, recorded) else without


def _agrees(decision: Decision | e.Recorded, recorded: e.Recorded) -> bool:
    return (
        type(decision) is Decision
        and decision.event == recorded.event
        and decision.status == recorded.status
        and decision.odd == recorded.odd
        and decision.effective_at == recorded.effective_at
    )


def _copied(order: Order) -> Order:
    """Return another order that stands where this one does."""
    return replace(order, lines=list(order.lines), retracted=dict(order.retracted), fact_ids=dict(order.fact_ids))


def _pass_over(order: Order, recorded: e.Recorded, line: bytes) -> None:
    """Let a line count as a version only."""
    order.version = recorded.version
    order.lines.append(line + b"\n")
    order.retracted[recorded.version] = recorded


def _evolved(order: Order, recorded: e.Recorded, line: bytes) -> State:
    """The order after one more line."""
    try:
        evolve(order, recorded)
    except UNDECIDABLE:
        return Gap.after(recorded)
    order.lines[-1] = line + b"\n"
    return order


def _after_gap(state: State, recorded: e.Recorded) -> tuple[Gap, list[Told]]:
    """Go on after a version that is not the one due, and say so once."""
    version, order_id = recorded.version, recorded.event.order_id
    if isinstance(state, Gap):
        if version in state:
            return Gap.after(recorded), []
        due, then = state.due, ""
    else:
        due, then = state.version + 1, "; what follows in this order is not decided again"
        if version < due and state.line(version).event == recorded.event:
            then = f"; it says again what seq {state.line(version).seq} says (R10)" + then
    return Gap(due + 1, version + 1), [Told("versions", f"order {order_id}: version {version}, due is {due}{then}")]


def with_zeros(event: e.Fact) -> e.Fact:
    """Say the amounts that a line leaves out because they are zero; the same event where it leaves out none."""
    zeros = {name: "0" for name in ("to_buyer", "to_seller") if getattr(event, name, "") is None}
    return replace(event, **zeros) if zeros else event


def _differences(decision: Decision, recorded: e.Recorded) -> list[str]:
    """What is decided otherwise than it is written."""
    found = []
    if decision.status != recorded.status:
        found.append(f"status {recorded.status}, decided is {decision.status}")
    written, decided = ({flag for flag in odd if flag not in ADVICE} for odd in (recorded.odd, decision.odd))
    if written != decided:
        found.append(f"odd {_listed(written)}, decided is {_listed(decided)}")
    if decision.effective_at != recorded.effective_at:
        found.append(f"effective_at {_shown(recorded.effective_at)}, decided is {_shown(decision.effective_at)}")
    for name in COMPARED:
        theirs, ours = (getattr(event, name, None) for event in (recorded.event, decision.event))
        if theirs != ours:
            found.append(f"{name} {_shown(theirs)}, decided is {_shown(ours)}")
    return found


def _listed(flags: set[str]) -> str:
    return ", ".join(sorted(flags)) or "none"


def _shown(value: object) -> str:
    return "none" if value is None else str(value)


def _money_problems(order: Order, event: e.Fact) -> list[Told]:
    """What is wrong with the accounts after an event that moved money (R14)."""
    found = []
    escrow, pending = order.escrow, order.pending
    if escrow < 0 or order.to_seller < 0 or pending < 0:
        accounts = {"escrow": escrow, "seller": order.to_seller, "refunds": pending}
        below = {name: minor for name, minor in accounts.items() if minor < 0}
        found += [f"the account {name} is below zero: {_amount(order, minor)}" for name, minor in below.items()]
    if escrow > 0 and type(event).closing and getattr(event, "reason", None) != "unknown":
        found.append(f"{_amount(order, escrow)} is left in escrow by the closing")
    if isinstance(event, e.Paid | e.Refunded) and event.currency != order.currency:
        found.append(f"it is in {_shown(event.currency)}, the order is in {order.currency}")
    return [Told("money", f"order {order.order_id}: {one}") for one in found]


def _amount(order: Order, minor: int) -> str:
    return f"{money.plain(minor, money.EXPONENTS.get(order.currency, 2))} {order.currency}"
