"""The event vocabulary: one frozen struct per type of event, and the line that keeps it.

A *fact* and an *event* are the same struct: a fact may leave out the fields marked as completed, `decide` fills them.
Options of `orderledger record`, the JSON Schema and the columns of the `events` relation are made from this file.
"""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

Actor = Literal["buyer", "seller", "platform", "carrier"]
ID_PATTERN = r"^[^\s\x00-\x1f\x7f-\x9f]{1,128}\Z"
Id = Annotated[str, Meta(pattern=ID_PATTERN)]
# Checked by `decide` when the order is new: a known order's id was good, and every line has one.
OrderId = Annotated[str, Meta(min_length=1, max_length=128, extra_json_schema={"pattern": ID_PATTERN})]
FactId = Annotated[str, Meta(min_length=1, max_length=128)]
Instant = Annotated[datetime, Meta(tz=True)]
Amount = Annotated[str, Meta(pattern=r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)\Z")]
Days = Annotated[int, Meta(ge=1, le=3650)]
Version = Annotated[int, Meta(ge=1)]


def _completed(text: str) -> Meta:
    """Describe a field that `decide` fills in when the fact does not give it."""
    return Meta(description=text + " (completed when not given)", extra={"completed": True})


class Event(
    Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="type",
):
    """What every event says: which order, when it happened, who did it."""

    usual_actor: ClassVar[Actor] = "buyer"
    any_actor: ClassVar[bool] = False
    closing: ClassVar[bool] = False

    order_id: Annotated[OrderId, Meta(description="the marketplace's order number")]
    occurred_at: Annotated[Instant, Meta(description="when it happened, with a zone; kept in UTC")]
    actor: Annotated[Actor | None, _completed("who did it; the type's usual actor unless given")] = None
    fact_id: Annotated[FactId | None, Meta(description="the source's own id of this fact")] = None
    source: Annotated[str | None, Meta(description="where the fact was read")] = None
    note: Annotated[str | None, Meta(description="a remark, kept with the event")] = None
    ambiguous_time: Annotated[bool, Meta(description="the local time occurred twice that day")] = False


class Item(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """One line of an order."""

    quantity: Annotated[int, Meta(ge=1, description="pieces")]
    price: Annotated[Amount, Meta(description="price of one piece in the order's currency")]
    line_id: str | None = None
    product: str | None = None
    sku: str | None = None
    title: str | None = None


class Attachment(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A photo, screenshot or receipt kept elsewhere, known by its hash."""

    name: str
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Placed(Event, frozen=True, kw_only=True, gc=False, tag="placed"):
    """The buyer placed the order."""

    seller: Annotated[Id, Meta(description="the seller's id or shop name, without spaces")]
    amount: Annotated[Amount, Meta(description="what the buyer is to pay")]
    currency: Annotated[str, Meta(description="ISO 4217 code of the order's currency")]
    title: Annotated[str | None, Meta(description="what was ordered, in a few words")] = None
    items: Annotated[tuple[Item, ...] | None, Meta(description="the order's lines, as JSON")] = None
    marketplace: Annotated[str | None, Meta(description="where the order was placed")] = None
    parent: Annotated[Id | None, Meta(description="the marketplace's order that this one is a part of")] = None
    reorder_of: Annotated[Id | None, Meta(description="the closed order that this one repeats")] = None
    processing_days: Annotated[Days | None, Meta(description="days the seller has to ship")] = None
    protection_days: Annotated[Days | None, Meta(description="days of buyer protection from shipping")] = None
    pay_by: Annotated[Instant | None, _completed("pay until then")] = None


class Paid(Event, frozen=True, kw_only=True, gc=False, tag="paid"):
    """The buyer paid into escrow."""

    amount: Annotated[Amount, Meta(description="what was paid, in the order's currency")]
    currency: Annotated[str | None, _completed("the order's currency")] = None
    method: Annotated[str | None, Meta(description="card, voucher, bank transfer …")] = None
    account: Annotated[str | None, Meta(description="the debited account, masked")] = None
    account_amount: Annotated[Amount | None, Meta(description="what the bank showed")] = None
    account_currency: Annotated[str | None, Meta(description="the bank account's currency")] = None
    verify_by: Annotated[Instant | None, _completed("the payment is usually verified by then")] = None


class Verified(Event, frozen=True, kw_only=True, gc=False, tag="verified"):
    """The platform verified the payment; the seller prepares the parcel."""

    usual_actor: ClassVar[Actor] = "platform"

    ship_by: Annotated[Instant | None, _completed("the seller must ship by then")] = None


class ProcessingExtended(Event, frozen=True, kw_only=True, gc=False, tag="processing-extended"):
    """The buyer gave the seller more days to ship."""

    days: Annotated[Days, Meta(description="days added")]
    ship_by: Annotated[Instant | None, _completed("the seller must ship by then")] = None


class CancelRequested(Event, frozen=True, kw_only=True, gc=False, tag="cancel-requested"):
    """The buyer asked to cancel the order."""

    reason: Annotated[str | None, Meta(description="why, in the buyer's words")] = None
    complaint: Annotated[bool, Meta(description="the buyer blames the seller")] = False
    answer_by: Annotated[Instant | None, _completed("the seller must answer by then")] = None


class CancelAccepted(Event, frozen=True, kw_only=True, gc=False, tag="cancel-accepted"):
    """The seller agreed to cancel."""

    usual_actor: ClassVar[Actor] = "seller"


class CancelDeclined(Event, frozen=True, kw_only=True, gc=False, tag="cancel-declined"):
    """The seller declined to cancel."""

    usual_actor: ClassVar[Actor] = "seller"

    reason: Annotated[str | None, Meta(description="why, such as already-shipped")] = None
    tracking: Annotated[Id | None, Meta(description="tracking number the seller names as proof")] = None


class Shipped(Event, frozen=True, kw_only=True, gc=False, tag="shipped"):
    """The seller handed the parcel to a carrier."""

    usual_actor: ClassVar[Actor] = "seller"

    tracking: Annotated[Id | None, Meta(description="tracking number on the parcel")] = None
    carrier: Annotated[str | None, Meta(description="who carries the parcel")] = None
    protected_until: Annotated[Instant | None, _completed("the buyer's protection ends then")] = None


class Scanned(Event, frozen=True, kw_only=True, gc=False, tag="scanned"):
    """The carrier scanned the parcel on its way."""

    usual_actor: ClassVar[Actor] = "carrier"

    checkpoint: Annotated[
        Literal[
            "accepted",
            "sorting",
            "export",
            "customs-in",
            "customs-out",
            "import",
            "out-for-delivery",
            "attempted",
            "held",
            "returned",
        ],
        Meta(description="where on its way the parcel was seen"),
    ]
    place: Annotated[str | None, Meta(description="town or office")] = None
    tracking: Annotated[Id | None, Meta(description="tracking number on the parcel")] = None


class DeliveryScan(Event, frozen=True, kw_only=True, gc=False, tag="delivered-scan"):
    """The carrier scanned the parcel as delivered."""

    usual_actor: ClassVar[Actor] = "carrier"

    place: Annotated[str | None, Meta(description="town or office")] = None
    recipient: Annotated[str | None, Meta(description="who took the parcel")] = None
    tracking: Annotated[Id | None, Meta(description="tracking number on the parcel")] = None
    protected_until: Annotated[Instant | None, _completed("the buyer's protection ends then")] = None


class ProtectionExtended(Event, frozen=True, kw_only=True, gc=False, tag="protection-extended"):
    """The buyer's protection was made longer."""

    days: Annotated[Days, Meta(description="days added")]
    protected_until: Annotated[Instant | None, _completed("the buyer's protection ends then")] = None


class Confirmed(Event, frozen=True, kw_only=True, gc=False, tag="confirmed"):
    """The buyer confirmed receipt; the seller is paid and the order closes."""

    closing: ClassVar[bool] = True

    to_seller: Annotated[Amount | None, _completed("money released to the seller")] = None
    dispute_until: Annotated[Instant | None, _completed("a dispute is possible until then")] = None
    feedback_until: Annotated[Instant | None, _completed("feedback is possible until then")] = None


class DisputeOpened(Event, frozen=True, kw_only=True, gc=False, tag="dispute-opened"):
    """The buyer disputes the order."""

    reason: Annotated[
        Literal[
            "not-received",
            "delivered-elsewhere",
            "not-as-described",
            "damaged",
            "counterfeit",
            "bad-tracking",
            "other",
        ],
        Meta(description="what is wrong"),
    ]
    claim: Annotated[Amount | None, Meta(description="what the buyer asks back")] = None


class DisputeWithdrawn(Event, frozen=True, kw_only=True, gc=False, tag="dispute-withdrawn"):
    """The buyer took the dispute back."""


class DisputeResolved(Event, frozen=True, kw_only=True, gc=False, tag="dispute-resolved"):
    """The platform decided the dispute; the order closes."""

    usual_actor: ClassVar[Actor] = "platform"
    closing: ClassVar[bool] = True

    outcome: Annotated[Literal["buyer-won", "partial", "seller-won"], Meta(description="who won")]
    to_buyer: Annotated[Amount | None, _completed("money sent back to the buyer")] = None
    to_seller: Annotated[Amount | None, _completed("money released to the seller; negative: clawed back")] = None
    refund_by: Annotated[Instant | None, _completed("the refund should arrive by then")] = None
    dispute_until: Annotated[Instant | None, _completed("a dispute is possible until then")] = None
    feedback_until: Annotated[Instant | None, _completed("feedback is possible until then")] = None


class Frozen(Event, frozen=True, kw_only=True, gc=False, tag="frozen"):
    """The platform froze the order for a review."""

    usual_actor: ClassVar[Actor] = "platform"

    reason: Annotated[str | None, Meta(description="why, in the platform's words")] = None
    review_by: Annotated[Instant | None, _completed("the review should end by then")] = None


class Unfrozen(Event, frozen=True, kw_only=True, gc=False, tag="unfrozen"):
    """The platform ended the freeze; the order goes on."""

    usual_actor: ClassVar[Actor] = "platform"


class ClosedBySecurity(Event, frozen=True, kw_only=True, gc=False, tag="closed-by-security"):
    """The platform's security closed the order; the money goes back to the buyer."""

    usual_actor: ClassVar[Actor] = "platform"
    closing: ClassVar[bool] = True

    reason: Annotated[str | None, Meta(description="why, in the platform's words")] = None
    to_buyer: Annotated[Amount | None, _completed("money sent back to the buyer")] = None
    refund_by: Annotated[Instant | None, _completed("the refund should arrive by then")] = None
    dispute_until: Annotated[Instant | None, _completed("a dispute is possible until then")] = None
    feedback_until: Annotated[Instant | None, _completed("feedback is possible until then")] = None


class Closed(Event, frozen=True, kw_only=True, gc=False, tag="closed"):
    """The order was closed."""

    usual_actor: ClassVar[Actor] = "platform"
    closing: ClassVar[bool] = True

    reason: Annotated[
        Literal[
            "payment-timeout",
            "not-shipped",
            "cancelled",
            "out-of-stock",
            "protection-expired",
            "administration",
            "unknown",
        ]
        | None,
        _completed("why it was closed; unknown unless given"),
    ] = None
    to_buyer: Annotated[Amount | None, _completed("money sent back to the buyer")] = None
    to_seller: Annotated[Amount | None, _completed("money released to the seller")] = None
    refund_by: Annotated[Instant | None, _completed("the refund should arrive by then")] = None
    dispute_until: Annotated[Instant | None, _completed("a dispute is possible until then")] = None
    feedback_until: Annotated[Instant | None, _completed("feedback is possible until then")] = None


class Refunded(Event, frozen=True, kw_only=True, gc=False, tag="refunded"):
    """A refund arrived on the buyer's account."""

    usual_actor: ClassVar[Actor] = "platform"

    amount: Annotated[Amount, Meta(description="what arrived, in the order's currency")]
    currency: Annotated[str | None, _completed("the order's currency")] = None
    method: Annotated[str | None, Meta(description="card, bank transfer, store credit …")] = None
    account: Annotated[str | None, Meta(description="the credited account, masked")] = None
    account_amount: Annotated[Amount | None, Meta(description="what the bank showed")] = None
    account_currency: Annotated[str | None, Meta(description="the bank account's currency")] = None
    to_buyer: Annotated[Amount | None, _completed("the part nobody had decided before")] = None
    to_seller: Annotated[Amount | None, _completed("what that part took from the seller, negative")] = None


class RefundFailed(Event, frozen=True, kw_only=True, gc=False, tag="refund-failed"):
    """A refund on its way bounced; it is still owed."""

    usual_actor: ClassVar[Actor] = "platform"

    reason: Annotated[str | None, Meta(description="why, in the bank's words")] = None


class FeedbackLeft(Event, frozen=True, kw_only=True, gc=False, tag="feedback-left"):
    """The buyer rated the seller."""

    rating: Annotated[Literal["positive", "neutral", "negative"], Meta(description="the rating")]
    text: Annotated[str | None, Meta(description="the buyer's words")] = None


class Noted(Event, frozen=True, kw_only=True, gc=False, tag="noted"):
    """Somebody noted something about the order."""

    any_actor: ClassVar[bool] = True

    text: Annotated[str | None, Meta(description="what was noted")] = None
    attachments: Annotated[tuple[Attachment, ...] | None, Meta(description="name and SHA-256 of files")] = None


class Retracted(Event, frozen=True, kw_only=True, gc=False, tag="retracted"):
    """The order's latest event was taken back."""

    any_actor: ClassVar[bool] = True

    retracts: Annotated[Version, Meta(description="the version taken back")]
    why: Annotated[str, Meta(min_length=1, description="why it is taken back")]


Fact = (
    Placed
    | Paid
    | Verified
    | ProcessingExtended
    | CancelRequested
    | CancelAccepted
    | CancelDeclined
    | Shipped
    | Scanned
    | DeliveryScan
    | ProtectionExtended
    | Confirmed
    | DisputeOpened
    | DisputeWithdrawn
    | DisputeResolved
    | Frozen
    | Unfrozen
    | ClosedBySecurity
    | Closed
    | Refunded
    | RefundFailed
    | FeedbackLeft
    | Noted
    | Retracted
)

TYPES: dict[str, type[Event]] = {str(cls.__struct_config__.tag): cls for cls in Fact.__args__}
_TAGS = {cls: tag for tag, cls in TYPES.items()}


def tag_of(event: Event) -> str:
    """Return the name of an event's type, as it stands in the log."""
    return _TAGS[type(event)]


"""Every event type by its tag, in the order of an order's life."""


class Recorded(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """One line of the log: an event with its place and the decision's outcome.

    `seq` counts the ledger's lines and `version` the order's, both from 1 without gaps. `status` is the order's
    status after the event. `odd` are the flags. `effective_at` is the latest occurred_at of the order so far and is
    left out where it equals occurred_at. `crc` is the CRC-32 (8 hex digits) of the line's bytes before `,"crc"`.
    """

    seq: Annotated[int, Meta(ge=1)]
    version: Version
    recorded_at: Instant
    status: str
    odd: tuple[str, ...] = ()
    effective_at: Instant | None = None
    event: Fact
    crc: str = ""
