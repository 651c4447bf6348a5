"""What happened to an order, oldest first: every event in words, with the rule it rests on and what is odd about it."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial

from ledger import events as e
from ledger.decide import FLAGS
from ledger.timers import BY_NAME, WHILE_OPEN, settings
from queries import words
from queries.case import Case, Sentence, protected_before

_TOLD_LATE = (*WHILE_OPEN, BY_NAME["refund_by"])
"""Timers of which is told that what they waited for came late."""

_UNTOLD = {"pay_by", "verify_by"}
"""Timers that are told only while they run, and when they were missed."""

_IN_TITLE = {"title", "seller"}


def tell(case: Case) -> list[Sentence]:
    """Tell what happened; scans on the way that follow each other make one sentence."""
    late, said = lateness(case), _said(case)
    told: list[Sentence] = []
    scans: list[e.Recorded] = []
    for line in _oldest_first(case):
        gone = case.order.retracted.get(line.version)
        if isinstance(line.event, e.Scanned) and not line.odd and gone is None:
            scans.append(line)
            continue
        told += _scans(case, scans, said)
        scans = []
        did = f"{words.ACTORS[line.event.actor or 'buyer']} {said[line.seq](None)}"
        if gone is None:
            told.append(Sentence(did, rule_of(case, line), (line.seq,), at=case.day(line.event.occurred_at)))
            told += _oddities(case, line, late.get(line.seq))
        else:
            told.append(_taken_back(case, did, line, gone))
    return told + _scans(case, scans, said)


def _oldest_first(case: Case) -> list[e.Recorded]:
    """Return the lines by the time they tell of; a retraction is told with what it takes back."""
    lines = [line for line in case.order.history if not isinstance(line.event, e.Retracted)]
    return sorted(lines, key=lambda line: (line.event.occurred_at, line.version))


Said = Callable[[str | None], str]
"""Says what an event says, in the type's words or in those of a template."""


def _said(case: Case) -> dict[int, Said]:
    """Tell by seq what says an event; a tracking number is told where it is new."""
    protected = protected_before(case.order)
    numbers: set[str | None] = set()
    said: dict[int, Said] = {}
    for line in _oldest_first(case):
        event, untold = line.event, set(_UNTOLD)
        number = getattr(event, "tracking", None)
        if line.version not in case.order.retracted:
            untold |= _IN_TITLE | ({"tracking"} if number in numbers else set())
            numbers |= {number}
        said[line.seq] = partial(_say, case, event, untold, protected.get(line.seq))
    return said


def _say(case: Case, event: e.Event, untold: set[str], protected_until: datetime | None, template: str | None) -> str:
    currency = getattr(event, "currency", None) or case.order.currency
    return words.sentence(event, currency, case.day, known=untold, protected_until=protected_until, template=template)


def _scans(case: Case, lines: list[e.Recorded], said: dict[int, Said]) -> list[Sentence]:
    """Tell scans in one sentence: when, and where on its way the parcel was then."""
    if not lines:
        return []
    first, *others = lines
    text = f"{words.ACTORS[first.event.actor or 'carrier']} {said[first.seq](None)}"
    more = [f"{case.day(line.event.occurred_at)} {said[line.seq](words.SCAN)}" for line in others]
    seqs = tuple(line.seq for line in lines)
    return [Sentence("; ".join([text, *more]), "R4", seqs, at=case.day(first.event.occurred_at))]


def _taken_back(case: Case, did: str, line: e.Recorded, gone: e.Recorded) -> Sentence:
    assert isinstance(gone.event, e.Retracted)
    text = f"{did}; this was taken back, because: {gone.event.why}"
    return Sentence(text, "R23", (line.seq, gone.seq), "gone", case.day(line.event.occurred_at))


def _oddities(case: Case, line: e.Recorded, due: tuple[str, datetime] | None) -> Iterator[Sentence]:
    """Say what is unusual about an event: its flags, and by how much it came late."""
    if due is not None:
        name, by = due
        span = line.event.occurred_at - by
        yield Sentence(f"{words.length(span)} late: {words.TIMERS[name][0]} {case.day(by)}", "R21", (line.seq,), "odd")
    for flag in line.odd:
        if flag == "unknown-cause":
            continue  # the sentence itself says so
        meaning = words.GAPS[e.tag_of(line.event)] if flag == "gap" else FLAGS[flag].meaning
        yield Sentence(f"odd: {meaning}", FLAGS[flag].rule or rule_of(case, line), (line.seq,), "odd")


def lateness(case: Case) -> dict[int, tuple[str, datetime]]:
    """Tell by seq which timer had run out before the event that it waited for, and when; a closing is not late."""
    late: dict[int, tuple[str, datetime]] = {}
    for kind in _TOLD_LATE:
        counted = {setting.met.seq: setting for setting in settings(kind, case.lines) if setting.met}
        for seq, setting in counted.items():
            came = setting.met
            if came and not type(came.event).closing and came.event.occurred_at > setting.due_at:
                late.setdefault(seq, (kind.name, setting.due_at))
    return late


def rule_of(case: Case, line: e.Recorded) -> str:
    """Name the rule by which an event means what it means."""
    event = line.event
    match event:
        case e.Placed(reorder_of=str()):
            return "R2"
        case e.Paid() | e.Refunded() if event.account_amount is not None:
            return "R18a"
        case e.Paid():
            return "R14" if case.seqs(e.Paid)[0] == line.seq else "R18"
        case e.Refunded() | e.RefundFailed():
            return "R17" if isinstance(event, e.Refunded) and event.to_buyer else "R15"
        case e.Closed(reason="unknown"):
            return "R3"
        case e.Closed(actor="buyer"):
            return "R6"
        case e.DisputeResolved(to_seller=str(amount)) if amount.startswith("-"):
            return "R16"
        case e.DisputeOpened():
            return _DISPUTE_RULES.get(_status_before(case, line), "L")
        case e.DeliveryScan(protected_until=datetime()):
            return "R18"
        case e.Unfrozen() if line.status == "disputed":
            return "R24"
    return "R15" if type(event).closing else _RULES.get(type(event), "L")


def _status_before(case: Case, line: e.Recorded) -> str:
    return next((before.status for before in reversed(case.lines) if before.seq < line.seq), "none")


_DISPUTE_RULES = {"closed": "R12", "processing": "R22"}
_RULES: dict[type[e.Event], str] = {
    e.CancelDeclined: "R22",
    e.Shipped: "R18",
    e.Scanned: "R4",
    e.DeliveryScan: "R4",
    e.Frozen: "R19",
}
