"""The words of stories and explanations: every status, reason, event and field in plain English, each written once.

The buyer is "you". A sentence is the type's own words; what else the event says follows, made from its fields.
"""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from string import Formatter
from typing import NamedTuple

from ledger.events import Attachment, DisputeOpened, Event, Item, Recorded, Refunded, tag_of
from ledger.money import EXPONENTS, plain

Day = Callable[[datetime], str]

ACTORS = {"buyer": "you", "seller": "the seller", "platform": "the platform", "carrier": "the carrier"}

STATUSES = {
    "none": "nobody has placed it",
    "awaiting-payment": "waiting for your payment",
    "verifying-payment": "your payment is being verified",
    "processing": "the seller is preparing the parcel",
    "cancelling": "you asked to cancel, and the seller has to answer",
    "shipped": "the parcel is on its way",
    "delivered": "the carrier says that the parcel was delivered",
    "closed": "closed",
    "disputed": "in dispute: the platform has to decide",
    "frozen": "frozen: the platform is reviewing the order",
}

AGREED = "the seller agreed to cancel, and the platform has to close the order"
"""What is said instead of `cancelling` once the seller has agreed."""

BENEATH = STATUSES | {"awaiting-payment": "it waits for your payment"}
"""The statuses in the midst of a sentence: how an order stands beneath a dispute or freeze."""

CLOSURES = {
    "confirmed": "confirmed that the parcel arrived",
    "protection-expired": "closed it because buyer protection had run out",
    "payment-timeout": "closed it as not paid in time",
    "not-shipped": "closed it as not shipped",
    "cancelled": "closed it as cancelled",
    "out-of-stock": "closed it as out of stock",
    "dispute-resolved": "decided the dispute",
    "security": "closed it for security reasons",
    "administration": "closed it by an administrative decision",
    "unknown": "closed it without a known cause",
}
"""What somebody did who closed an order, by closure reason."""

SCAN = "{checkpoint}"
"""What a scan says after who scanned what."""

EVENTS = {
    "placed": "placed the order for {amount}",
    "paid": "paid {amount} into escrow",
    "verified": "verified the payment",
    "processing-extended": "gave the seller {days} more to ship",
    "cancel-requested": "asked to cancel the order",
    "cancel-accepted": "agreed to cancel",
    "cancel-declined": "declined to cancel",
    "shipped": "shipped the parcel",
    "scanned": "scanned the parcel: " + SCAN,
    "delivered-scan": "scanned the parcel as delivered",
    "protection-extended": "made buyer protection {days} longer",
    "confirmed": CLOSURES["confirmed"],
    "dispute-opened": "opened a dispute: {reason}",
    "dispute-withdrawn": "took the dispute back",
    "dispute-resolved": CLOSURES["dispute-resolved"] + ": {outcome}",
    "frozen": "froze the order for a review",
    "unfrozen": "lifted the freeze",
    "closed-by-security": CLOSURES["security"],
    "closed": "{reason}",
    "refunded": "refunded {amount}, which arrived on your account",
    "refund-failed": "could not deliver the refund; it is still owed",
    "feedback-left": "left {rating} feedback",
    "noted": "noted",
    "retracted": "took back v{retracts}",
}
"""What the actor did, by event type; names in braces are fields."""

FIELDS = {
    "title": "{}",
    "seller": "from {}",
    "items": "{}",
    "marketplace": "on {}",
    "parent": "part of order {}",
    "reorder_of": "instead of order {}",
    "processing_days": "{} to ship",
    "protection_days": "{} of buyer protection",
    "pay_by": "to be paid by {}",
    "method": "by {}",
    "account": "account {}",
    "account_amount": "the bank showed {}",
    "verify_by": "usually verified by {}",
    "ship_by": "to be shipped by {}",
    "reason": "({})",
    "complaint": "blaming the seller",
    "answer_by": "to be answered by {}",
    "tracking": "tracking number {}",
    "carrier": "with {}",
    "place": "at {}",
    "recipient": "recipient: {}",
    "protected_until": "you are protected until {}",
    "claim": "you ask {} back",
    "to_buyer": "{} goes back to you",
    "to_seller": "{} goes to the seller",
    "refund_by": "the refund should arrive by {}",
    "dispute_until": "a dispute is possible until {}",
    "feedback_until": "feedback is possible until {}",
    "review_by": "to be reviewed by {}",
    "text": "“{}”",
    "attachments": "attached: {}",
    "why": "because: {}",
    "note": "note: {}",
    "source": "source: {}",
}
"""What a field adds to a sentence."""

PROTECTED_UNTIL = {
    "longer": "you are protected longer, until {}",
    "shorter": "your protection is cut to {} (it was until {})",
}
"""What is said of the protection's end instead where it moved."""

CHOICES = {
    "accepted": "accepted by the post",
    "sorting": "in a sorting centre",
    "export": "leaving its country",
    "customs-in": "at customs",
    "customs-out": "through customs",
    "import": "in the country of destination",
    "out-for-delivery": "out for delivery",
    "attempted": "delivery was tried, nobody took it",
    "held": "held on its way",
    "returned": "on its way back to the seller",
    "not-received": "not received",
    "delivered-elsewhere": "delivered to somebody else",
    "not-as-described": "not as described",
    "damaged": "damaged",
    "counterfeit": "counterfeit",
    "bad-tracking": "the tracking number is bad",
    "other": "another reason",
    "buyer-won": "you won",
    "partial": "each side gets a part",
    "seller-won": "the seller won",
}
"""What a field with fixed choices says."""


class TimerWords(NamedTuple):
    """What a timer waits for, what comes when it has run out, and instead while the order is disputed or frozen."""

    label: str
    after: str
    held: str | None = None


TIMERS = {
    "pay_by": TimerWords("pay until", "the platform closes the order as not paid in time"),
    "verify_by": TimerWords("verification due by", "the payment takes longer than usual, worth a look"),
    "ship_by": TimerWords("seller to ship by", "the platform closes the order and you get your money back"),
    "answer_by": TimerWords("seller to answer by", "the order is cancelled and you get your money back"),
    "protected_until": TimerWords(
        "protected until",
        "the platform closes the order and pays the seller",
        "held: while it is disputed or frozen the order is not closed by this",
    ),
    "review_by": TimerWords("review to end by", "the platform lifts the freeze, or closes the order and refunds you"),
    "refund_by": TimerWords("refund due by", "the refund is overdue"),
    "dispute_until": TimerWords("dispute until", "no dispute any more"),
    "feedback_until": TimerWords("feedback until", "no feedback any more"),
}
"""The words of each timer."""

BOUNCED = "it is owed to you now"
"""What is said of a refund that bounced instead of what comes when its time has run out."""

SHIPPED_FIRST = "the parcel goes on all the same: it was shipped before you asked"
"""What is said of a request to cancel that came too late instead of what comes without an answer."""

GAPS = {
    "verified": "no payment is recorded before it",
    "shipped": "no verified payment is recorded before it",
    "delivered-scan": "no shipping is recorded before it",
    "confirmed": "no delivery scan is recorded before it",
    "closed": "no shipping is recorded before it",
}
"""Which step is missing where an event is flagged `gap` (R5)."""

_AMOUNTS = ("amount", "claim", "to_buyer", "to_seller", "account_amount")
_PLAIN = (
    "amount",
    "title",
    "text",
    "why",
    "seller",
    "tracking",
    "checkpoint",
    "outcome",
    "rating",
    "method",
    "carrier",
)
"""Fields whose value needs no name beside it."""

SILENT = ("order_id", "occurred_at", "actor", "fact_id", "ambiguous_time", "currency", "account_currency")
"""Fields the story has said elsewhere, or that say nothing to a reader."""


def sentence(
    event: Event,
    currency: str,
    day: Day,
    *,
    known: Collection[str] = (),
    protected_until: datetime | None = None,
    template: str | None = None,
) -> str:
    """Say what the actor did: `paid 20.00 USD into escrow, by card`; `day` writes an instant.

    The `known` fields are left out. `protected_until` is when the buyer's protection was to end before. Another
    `template` takes the place of the type's own words.
    """
    words = template or EVENTS[tag_of(event)]
    values = {name: _value(name, event, currency, day) for name in _said(event) if name not in known}
    if words == EVENTS["closed"]:
        values["reason"] = CLOSURES[getattr(event, "reason", None) or "unknown"]
    said = {name for _, name, _, _ in Formatter().parse(words) if name}
    before = day(protected_until) if protected_until else ""
    more = (_joint(name, event) + _part(name, value, before) for name, value in values.items() if name not in said)
    return words.format_map(values) + "".join(more)


def after(timer: str, *, held: bool, base: str = "") -> str:
    """Say what comes when a timer has run out; `held` is whether the order is disputed or frozen (R19).

    `base` is how the order stands beneath that: a request to cancel what is shipped already cancels nothing.
    """
    if timer == "answer_by" and base in ("shipped", "delivered"):
        return SHIPPED_FIRST
    words = TIMERS[timer]
    return words.held or words.after if held else words.after


def amount(minor: int, currency: str) -> str:
    """Write an amount with its currency; with two decimals where the currency is not known."""
    return f"{plain(minor, EXPONENTS.get(currency, 2))} {currency}".rstrip()


def length(span: timedelta) -> str:
    """Say how long a time is, forwards or back: `9 days`, `1 hour`; whole units, never more than there are."""
    seconds = abs(int(span.total_seconds()))
    for unit, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= unit:
            return _counted(seconds // unit, name)
    return _counted(seconds, "second")


def time_left(span: timedelta) -> str:
    """Say how far away a due date is: `in 9 days`, `5 hours overdue`."""
    return f"{length(span)} overdue" if span < timedelta(0) else f"in {length(span)}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def details(recorded: Recorded, day: Day) -> str:
    """Say in short what an event's own fields say: the log's last column."""
    event = recorded.event
    currency = getattr(event, "currency", None) or ""
    values = {name: _value(name, event, currency, day) for name in _said(event)}
    return ", ".join(value if name in _PLAIN else f"{name.replace('_', ' ')} {value}" for name, value in values.items())


def _said(event: Event) -> list[str]:
    """Name the fields that say something, in the order of the struct: its own ones before those of every event."""
    common = Event.__struct_fields__
    own = [name for name in event.__struct_fields__ if name not in common]
    names = [*own, *(name for name in common if name not in SILENT)]
    if isinstance(event, Refunded):
        names.remove("to_buyer")  # it has arrived; that nobody had decided it before is its flag's to say
    return [name for name in names if name not in SILENT and getattr(event, name) not in (None, False)]


def _joint(name: str, event: Event) -> str:
    """What joins a part to the sentence: consequences stand apart from particulars."""
    if name in ("text", "reason"):
        return " "
    return (
        "; "
        if name in ("note", "source") or name.startswith("to_") or isinstance(getattr(event, name), datetime)
        else ", "
    )


def _part(name: str, value: str, protected_until: str) -> str:
    """Say what a field adds; `protected_until` is the day on which the protection was to end before, if any."""
    if name == "to_seller" and value.startswith("-"):
        return f"{value[1:]} is taken back from the seller"
    if name == "protected_until" and protected_until not in ("", value):
        return PROTECTED_UNTIL["longer" if value > protected_until else "shorter"].format(value, protected_until)
    return FIELDS[name].format(value)


def _value(name: str, event: Event, currency: str, day: Day) -> str:
    value = getattr(event, name)
    if name in _AMOUNTS:
        kept_in = getattr(event, "account_currency", None) if name == "account_amount" else currency
        return f"{value} {kept_in}".rstrip()
    if isinstance(value, datetime):
        return day(value)
    if name.endswith("days"):
        return _counted(value, "day")
    if isinstance(value, tuple):
        return ", ".join(_piece(part) for part in value)
    return CHOICES.get(value, value) if _is_choice(event, name) else str(value)


def _is_choice(event: Event, name: str) -> bool:
    return name in ("checkpoint", "outcome") or (name == "reason" and isinstance(event, DisputeOpened))


def _piece(part: Item | Attachment) -> str:
    if isinstance(part, Attachment):
        return part.name
    return f"{part.quantity} × {part.title or part.product or part.sku or 'item'}"
