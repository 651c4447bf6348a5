"""A statement against the log: which of its lines is which payment or refund, and what neither explains.

The evidence is taken from the strongest to the weakest: an id, then an order's number in the text, then an amount. A
line and a fact are joined only where each is the other's only candidate; what could be several is told and not guessed.
So the order of the lines plays no part, and neither does chance.
"""

import re
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from hashlib import sha256
from typing import Generic, Literal, NamedTuple, TypeVar

from ledger import money
from ledger.events import Refunded
from ledger.formats.statement import Entry

SOURCE = "statement"
"""The `source` of refunds that a statement told."""

ONE_DAY = timedelta(days=1)
"""A bank's day may be the one before or after in UTC."""

BOOKED_WITHIN = timedelta(days=10)
"""A card payment is booked when the shop settles it: days later, with a weekend or two between."""

SEEN_WITHIN = timedelta(days=10)
"""A refund may be recorded some days after it arrived, when somebody has looked."""

ARRIVES_WITHIN = timedelta(days=35)
"""What the platform calls refunded may take another 20 business days at the banks, with holidays between (R15)."""

REFUND_WITHIN = timedelta(days=120)
"""A later credit of the same amount is more likely something else; with the order's number it is taken all the same."""

SPEAKS = re.compile(
    r"refund|ali\W?express|alipay|r(?:ü|ue|u)ck(?:erstatt|zahl)|erstattung|rembours|reembolso|devoluci|estorno|rimborso"
    r"|terugbetaling|zwrot|återbetal|возврат|повернення",
    re.IGNORECASE,
)
"""A credit that says so is a refund; of one that does not, its amount alone is no proof."""

RATE_CHANGES = 4
"""Between a payment and its refund, the bank's rate changes by less than one in so many."""

LEAST_ID = 6
"""A shorter number in a text stands for something else; an order's has a digit, too."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WORDS = re.compile(r"[^\s,;:()\[\]/|*]+")
_DIGITS = re.compile(r"[0-9]{6,}")
_PARTED = re.compile(r"(?=(?<![0-9])([0-9]+) ([0-9]+)(?![0-9]))")
_LONG = 12


class Known(NamedTuple):
    """A payment or refund that the log has. Amounts are minor units."""

    kind: Literal["paid", "refunded"]
    order_id: str
    seller: str
    seq: int
    at: datetime
    amount: int
    currency: str
    account_amount: int | None = None
    account_currency: str | None = None
    fact_id: str | None = None


class Pending(NamedTuple):
    """A refund on its way: decided at `since`, due by `due_by` where that is known; it may have bounced.

    `account_amount` is what the account was debited with, where the refund is of all that was paid.
    """

    order_id: str
    seller: str
    amount: int
    currency: str
    since: datetime
    due_by: datetime | None = None
    failed: bool = False
    account_amount: int | None = None
    account_currency: str | None = None

    def late(self, now: datetime) -> bool:
        """Tell whether it should have arrived."""
        return self.failed or (self.due_by is not None and self.due_by < now)


class Match(NamedTuple):
    """A line of the statement and what it is, with the amount in the order's currency, and by what that was told."""

    entry: Entry
    found: Known | Pending
    amount: int
    by: str


class Doubt(NamedTuple):
    """A line of the statement that could be several things, or whose fact could be several lines."""

    entry: Entry
    candidates: tuple[Known | Pending, ...]


class Answer(NamedTuple):
    """What a statement and the log say of each other; all in the order of time.

    `open` are the refunds on their way with what has not arrived yet. `unseen` are refunds of the log that the
    statement's days should show and do not.
    """

    matches: list[Match]
    ambiguous: list[Doubt]
    unexplained: list[tuple[Entry, str]]
    open: list[Pending]
    unseen: list[Known]


Found = TypeVar("Found", Known, Pending)


def spelled(text: str) -> set[str]:
    """Return what in a text may be an order's number, also one within a longer word or parted by a space."""
    words = {word.strip(".-_#'\"") for word in _WORDS.findall(text)} | set(_WORDS.findall(text))
    digits = set(_DIGITS.findall(text))
    joined = {first + second for first, second in _PARTED.findall(text) if len(first + second) >= _LONG}
    return {word for word in words | digits | joined if LEAST_ID <= len(word) <= 128 and re.search("[0-9]", word)}


def statement_ids(entries: Iterable[Entry]) -> dict[Entry, str]:
    """Return the id of each line's fact, made of what the line says: the same line of another export has the same."""
    ids, times = {}, dict[bytes, int]()
    for entry in sorted(entries, key=_place):
        signed = f"{entry.date}\n{entry.amount}\n{entry.currency}\n{' '.join(entry.text.split())}"
        digest = sha256(signed.encode("utf-8", "surrogatepass")).digest()
        times[digest] = times.get(digest, 0) + 1
        ids[entry] = f"{SOURCE}:{digest.hex()[:32]}" + (f":{times[digest]}" if times[digest] > 1 else "")
    return ids


def reconcile(
    entries: Iterable[Entry], known: Iterable[Known], pending: Iterable[Pending], orders: Collection[str]
) -> Answer:
    """Say what each line of a statement is. `orders` are those that the ledger has of all that the texts may name."""
    lines = sorted(entries, key=_place)
    facts = sorted(known, key=_when)
    refunds = sorted(pending, key=_when)
    names = {entry: spelled(entry.text) & set(orders) for entry in lines}
    work = _Work(lines)
    for known_stage in _of_known(statement_ids(lines), names):
        work.join(facts, known_stage)
    _join_named(work, refunds, names)
    for pending_stage in _of_pending(names):
        work.join(refunds, pending_stage)
    return Answer(
        sorted(work.matches, key=lambda match: _place(match.entry)),
        [Doubt(entry, tuple(work.doubts[entry])) for entry in sorted(work.doubts, key=_place)],
        [(entry, _unexplained(entry, names[entry])) for entry in lines if entry in work.free],
        [left for refund in refunds if (left := work.left(refund)).amount > 0],
        [fact for fact in _to_be_seen(facts, lines) if fact not in work.taken and fact not in work.touched],
    )


def began(day: date, tz: tzinfo) -> datetime:
    """Return the instant at which a day began in a zone."""
    return (_EPOCH + (day - _EPOCH.date())).replace(tzinfo=tz).astimezone(UTC)


def fact_of(match: Match, fact_id: str, tz: tzinfo) -> Refunded:
    """Return the fact that a refund on its way has arrived.

    It happened when the statement's day began, but not before the refund was decided: a bank's day has no hour.
    """
    entry, refund = match.entry, match.found
    assert isinstance(refund, Pending)
    other = entry.currency != refund.currency
    return Refunded(
        order_id=refund.order_id,
        occurred_at=max(began(entry.date, tz), refund.since),
        amount=money.text(match.amount, refund.currency),
        account_amount=money.text(entry.amount, entry.currency) if other else None,
        account_currency=entry.currency if other else None,
        source=SOURCE,
        fact_id=fact_id,
    )


class _Stage(NamedTuple, Generic[Found]):
    """One kind of evidence: what a line and a fact must have in common, and what must be true of both."""

    by: str
    of_entry: Callable[[Entry], Iterable[Hashable]]
    of_fact: Callable[[Found], Iterable[Hashable]]
    fits: Callable[[Entry, Found], bool]
    proves: bool = True


def _of_known(ids: dict[Entry, str], names: dict[Entry, set[str]]) -> list[_Stage[Known]]:
    """Give the stages of what the log has, the strongest evidence first."""

    def near(entry: Entry, fact: Known) -> bool:
        named = not names[entry] or fact.order_id in names[entry]
        return named and _same_way(entry, fact) and _in_days(entry, fact)

    def unwritten(entry: Entry, fact: Known) -> bool:
        """Whether the account has another currency, and nobody wrote down what the bank showed."""
        return fact.account_currency is None and fact.currency != entry.currency and near(entry, fact)

    return [
        _Stage("id", lambda e: [ids[e]], lambda fact: [fact.fact_id] if fact.fact_id else [], lambda _, fact: True),
        _Stage(
            "order",
            lambda e: [(name, _amount(e)) for name in names[e]],
            lambda fact: [(fact.order_id, amount) for amount in _amounts(fact)],
            _same_way,
        ),
        _Stage("order", lambda e: names[e], lambda fact: [fact.order_id], unwritten),
        _Stage("amount", lambda e: [_amount(e)], lambda fact: _amounts(fact)[:1], near),
        _Stage("account amount", lambda e: [_amount(e)], lambda fact: _amounts(fact)[1:], near),
    ]


def _of_pending(names: dict[Entry, set[str]]) -> list[_Stage[Pending]]:
    """Give the stages of refunds on their way, for the lines that name no order: those that speak of a refund first."""

    def may_be(entry: Entry, refund: Pending) -> bool:
        after = entry.date - refund.since.date()
        return entry.amount > 0 and not names[entry] and -ONE_DAY <= after <= REFUND_WITHIN

    def is_one(entry: Entry, refund: Pending) -> bool:
        return may_be(entry, refund) and SPEAKS.search(entry.text) is not None

    return [
        _Stage("amount", lambda e: [_amount(e)], lambda refund: _amounts(refund)[:1], is_one),
        _Stage("account amount", lambda e: [_amount(e)], lambda refund: _amounts(refund)[1:], is_one),
        _Stage("amount", lambda e: [_amount(e)], lambda refund: _amounts(refund)[:1], may_be, proves=False),
        _Stage("account amount", lambda e: [_amount(e)], lambda refund: _amounts(refund)[1:], may_be, proves=False),
    ]


class _Work:
    """What is not settled yet: `free` lines, facts `taken`, those `touched` by a doubt, and what was settled."""

    def __init__(self, lines: Sequence[Entry]) -> None:
        self.free = dict.fromkeys(lines)
        self.taken: set[Known | Pending] = set()
        self.touched: set[Known | Pending] = set()
        self.arrived: dict[Pending, int] = {}
        self.matches: list[Match] = []
        self.doubts: dict[Entry, list[Known | Pending]] = {}

    def join(self, facts: Sequence[Found], stage: _Stage[Found]) -> None:
        """Match each free line and fact that have only each other; where one has several, the lines are in doubt."""
        index: dict[Hashable, list[Found]] = {}
        for fact in facts:
            if fact not in self.taken:
                for key in dict.fromkeys(stage.of_fact(fact)):
                    index.setdefault(key, []).append(fact)
        found: dict[Entry, list[Found]] = {}
        for entry in self.free:
            candidates = {f for key in stage.of_entry(entry) for f in index.get(key, ()) if stage.fits(entry, f)}
            if candidates:
                found[entry] = sorted(candidates, key=_when)
        for entries, joined in _components(found):
            self._settle(entries, joined, found, stage)

    def _settle(
        self, entries: list[Entry], facts: set[Found], found: dict[Entry, list[Found]], stage: _Stage[Found]
    ) -> None:
        """Match lines with facts of one order: which of its equal ones is which, nothing hangs on that."""
        one_order = len({fact.order_id for fact in facts}) == 1
        sure = stage.proves and one_order and len(entries) <= len(facts) and not facts & self.touched
        for entry in entries:
            fact = next((fact for fact in found[entry] if fact not in self.taken), None)
            if sure and fact is not None:
                self.match(Match(entry, fact, fact.amount, stage.by))
            else:
                self.doubt(entry, found[entry])

    def match(self, match: Match) -> None:
        """Settle a line."""
        del self.free[match.entry]
        self.matches.append(match)
        self.taken.add(match.found)
        if isinstance(match.found, Pending):
            self.arrived[match.found] = self.arrived.get(match.found, 0) + match.amount

    def doubt(self, entry: Entry, candidates: Iterable[Known | Pending]) -> None:
        """Set a line aside: it could be any of these, or something else."""
        del self.free[entry]
        self.doubts[entry] = list(candidates)
        self.touched.update(self.doubts[entry])

    def left(self, refund: Pending) -> Pending:
        """Return what of a refund has not arrived."""
        return refund._replace(amount=refund.amount - self.arrived.get(refund, 0))


def _components(found: dict[Entry, list[Found]]) -> Iterator[tuple[list[Entry], set[Found]]]:
    """Give the lines and facts that hang together, the lines in their order."""
    claims: dict[Found, list[Entry]] = {}
    for entry, facts in found.items():
        for fact in facts:
            claims.setdefault(fact, []).append(entry)
    seen: set[Entry] = set()
    for start in found:
        if start in seen:
            continue
        entries, joined, next_ones = {start}, set[Found](), [start]
        while next_ones:
            for fact in found[next_ones.pop()]:
                if fact not in joined:
                    joined.add(fact)
                    others = [entry for entry in claims[fact] if entry not in entries]
                    entries.update(others)
                    next_ones += others
        seen |= entries
        yield sorted(entries, key=_place), joined


def _join_named(work: _Work, refunds: Iterable[Pending], names: dict[Entry, set[str]]) -> None:
    """Match lines whose text has the number of an order with what is on its way to it, whole or in parts."""
    of = {refund.order_id: refund for refund in refunds}
    naming: dict[Pending, list[Entry]] = {}
    for entry in list(work.free):
        named = [of[name] for name in sorted(names[entry]) if name in of and entry.amount > 0]
        named = [refund for refund in named if entry.date - refund.since.date() >= -SEEN_WITHIN]
        if named and len(names[entry]) > 1:
            work.doubt(entry, named)
        elif named:
            naming.setdefault(named[0], []).append(entry)
    for refund, entries in naming.items():
        parts = None if refund in work.touched else _parts(refund, entries)
        for at, entry in enumerate(entries):
            if parts is not None:
                work.match(Match(entry, refund, parts[at], "order"))
            elif len(entries) > 1 or refund in work.touched or entry.currency != refund.currency:
                work.doubt(entry, [refund])


def _parts(refund: Pending, entries: Sequence[Entry]) -> list[int] | None:
    """Return what each of these lines is of a refund, in the order's currency; None where they cannot all be of it."""
    if all(entry.currency == refund.currency for entry in entries):
        amounts = [entry.amount for entry in entries]
        return amounts if sum(amounts) <= refund.amount else None
    # One line may be the whole; of several nobody can say how much each is.
    return [refund.amount] if len(entries) == 1 and _is_whole(entries[0], refund) else None


def _is_whole(entry: Entry, refund: Pending) -> bool:
    """Whether a credit in another currency is all of a refund: by the rate of the payment, or else by its words."""
    if refund.account_amount is not None and refund.account_currency == entry.currency:
        return abs(entry.amount - refund.account_amount) * RATE_CHANGES <= refund.account_amount
    return SPEAKS.search(entry.text) is not None


def _place(entry: Entry) -> tuple[date, int, str, str, int]:
    return entry.date, entry.amount, entry.currency, entry.text, entry.number


def _when(fact: Known | Pending) -> tuple[datetime, str, int]:
    return (fact.since, fact.order_id, 0) if isinstance(fact, Pending) else (fact.at, fact.order_id, fact.seq)


def _amount(entry: Entry) -> tuple[str, int]:
    return entry.currency, abs(entry.amount)


def _amounts(fact: Known | Pending) -> list[tuple[str, int]]:
    """Return an amount, and the same as the bank showed it where that is known."""
    own = [(fact.currency, fact.amount)]
    if fact.account_amount is not None and fact.account_currency is not None:
        own.append((fact.account_currency, fact.account_amount))
    return own


def _same_way(entry: Entry, fact: Known) -> bool:
    return (entry.amount < 0) == (fact.kind == "paid")


def _in_days(entry: Entry, fact: Known) -> bool:
    after = entry.date - fact.at.date()
    if fact.kind == "paid":
        return -ONE_DAY <= after <= BOOKED_WITHIN
    return -SEEN_WITHIN <= after <= ARRIVES_WITHIN


def _to_be_seen(facts: Iterable[Known], lines: Sequence[Entry]) -> list[Known]:
    """Return the refunds of the log that arrived in the days and in a currency of the statement, if on this account."""
    if not lines:
        return []
    first, last = lines[0].date + SEEN_WITHIN, lines[-1].date - ARRIVES_WITHIN
    currencies = {entry.currency for entry in lines}
    refunds = [fact for fact in facts if fact.kind == "refunded" and first <= fact.at.date() <= last]
    return [fact for fact in refunds if (fact.account_currency or fact.currency) in currencies]


def _unexplained(entry: Entry, names: set[str]) -> str:
    if names:
        such = "payment is recorded" if entry.amount < 0 else "refund is recorded or on its way"
        return f"names {', '.join(sorted(names))}, where no such {such}"
    if entry.amount < 0:
        return "no payment of this amount is recorded in the days before it"
    return "no refund of this amount is recorded or on its way"
