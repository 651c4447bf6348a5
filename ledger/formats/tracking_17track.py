"""17TRACK: what its interface (version 2) answers to gettrackinfo and sends to webhooks; JSON."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from ledger.errors import Malformed
from ledger.formats.foreign import Asked, Format, Record
from ledger.formats.parcels import (
    DELIVERED,
    NOTHING,
    Parcel,
    Scan,
    as_text,
    instant,
    joined,
    mapping,
    moment,
    no_parcel,
    read,
    scans_of,
    sequence,
    text,
    unknown_words,
)

NAME = "17track"

SUB_STATUS: dict[str, str] = {
    "NotFound_Other": NOTHING,
    "NotFound_InvalidCode": NOTHING,
    "InfoReceived": NOTHING,
    "InTransit_PickedUp": "accepted",
    "InTransit_Other": "sorting",
    "InTransit_Departure": "export",
    "InTransit_Arrival": "import",
    "InTransit_CustomsProcessing": "customs-in",
    "InTransit_CustomsReleased": "customs-out",
    "InTransit_CustomsRequiringInformation": "held",
    "Expired_Other": NOTHING,
    "AvailableForPickup_Other": "held",
    "OutForDelivery_Other": "out-for-delivery",
    "DeliveryFailure_Other": "attempted",
    "DeliveryFailure_NoBody": "attempted",
    "DeliveryFailure_Security": "attempted",
    "DeliveryFailure_Rejected": "attempted",
    "DeliveryFailure_InvalidAddress": "attempted",
    "Delivered_Other": DELIVERED,
    "Exception_Other": "held",
    "Exception_Returning": "returned",
    "Exception_Returned": "returned",
    "Exception_NoBody": "held",
    "Exception_Security": "held",
    "Exception_Damage": "held",
    "Exception_Rejected": "held",
    "Exception_Delayed": "held",
    "Exception_Lost": "held",
    "Exception_Destroyed": "held",
    "Exception_Cancel": "held",
}
"""What an event's sub_status becomes."""

STAGE: dict[str, str] = {
    "InfoReceived": NOTHING,
    "PickedUp": "accepted",
    "Departure": "export",
    "Arrival": "import",
    "AvailableForPickup": "held",
    "OutForDelivery": "out-for-delivery",
    "Delivered": DELIVERED,
    "Returning": "returned",
    "Returned": "returned",
}
"""What an event's stage becomes, where it has one and its sub_status says nothing more exact."""

STATUS: dict[str, str] = {
    "NotFound": NOTHING,
    "InTransit": "sorting",
    "Expired": NOTHING,
    "AvailableForPickup": "held",
    "OutForDelivery": "out-for-delivery",
    "DeliveryFailure": "attempted",
    "Delivered": DELIVERED,
    "Exception": "held",
}
"""What a sub_status that is not listed becomes, by the status before its underscore."""

_INEXACT = frozenset({"InTransit_Other", "Exception_Other"})

FIELDS: tuple[tuple[str, str], ...] = (
    ("number", "tracking; its order is the one that was shipped with it"),
    ("order_no, tag", "the order, where nothing was shipped with that number, if such an order was placed"),
    ("time_utc, else time_iso, else time_raw with its timezone", "occurred_at; without any of them: refused"),
    ("sub_status, stage", "delivered-scan, or the checkpoint of scanned"),
    ("location, else the address", "place"),
    ("description", "note"),
    ("latest_event", "the same as an event, where the parcel has no others"),
    ("rejected, errors", "refused, with 17TRACK's own words"),
    ("latest_status, milestone, time_metrics, misc_info, shipping_info", "nothing: it follows from the events"),
)

TABLES = {
    "17TRACK: fields": FIELDS,
    "17TRACK: sub_status": tuple((word, becomes or "nothing") for word, becomes in SUB_STATUS.items()),
    "17TRACK: stage": tuple((word, becomes or "nothing") for word, becomes in STAGE.items()),
    "17TRACK: other sub_status": tuple((f"{word}_…", becomes or "nothing") for word, becomes in STATUS.items()),
}

_SIGN = re.compile(rb'"track_info"\s*:')
_ACCEPTED = re.compile(rb'"accepted"\s*:\s*\[')
_NUMBER = re.compile(rb'"number"\s*:')


def _sniff(start: bytes) -> bool:
    accepted = _ACCEPTED.search(start)
    return bool(_SIGN.search(start) or (accepted and _NUMBER.search(start, accepted.end())))


def _read(content: bytes, asked: Asked) -> Iterator[Record]:
    return read(content, _parcels, tracker="17TRACK", source=NAME, asked=asked)


def _parcels(document: object) -> Iterator[Parcel]:
    """Give the parcels of an answer, of a webhook's message, or of what stands in one of them."""
    answer = mapping(document)
    inner = answer.get("data", answer)
    data = mapping(inner)
    if "accepted" in data or "rejected" in data or "errors" in data:
        yield from map(_parcel, sequence(data.get("accepted")))
        yield from map(_refused, sequence(data.get("rejected")))
        yield from map(_refused, sequence(data.get("errors")))
    elif isinstance(inner, list):
        yield from map(_parcel, inner)
    elif "number" in data or "track_info" in data:
        yield _parcel(inner)
    else:
        yield _none(document)


def _none(document: object) -> Parcel:
    return no_parcel(
        document, "it tells of no parcel", why="one of 17TRACK has a number and its track_info", known=False
    )


def _refused(document: object) -> Parcel:
    told = mapping(document)
    error = mapping(told.get("error")) or told
    number = text(told.get("number"))
    what = f"17TRACK refused {number}" if number else "17TRACK answered with an error"
    message = text(error.get("message"))
    code = text(error.get("code")) or "missing"
    return no_parcel(document, f"{what}: {message}" if message else what, why=f"its error code is {code}", known=True)


def _parcel(document: object) -> Parcel:
    parcel = mapping(document)
    if not parcel:
        return _none(document)
    info = mapping(parcel.get("track_info"))
    providers = map(mapping, sequence(mapping(info.get("tracking")).get("providers")))
    events = [event for provider in providers for event in sequence(provider.get("events"))]
    if not events and info.get("latest_event") is not None:
        events = [info["latest_event"]]
    scans, problems = scans_of(events, _scan)
    named = tuple(one for one in (text(parcel.get("order_no")), text(parcel.get("tag"))) if one is not None)
    return Parcel(as_text(document), text(parcel.get("number")), named, scans, problems)


def _scan(event: Mapping[str, object]) -> Scan | None:
    becomes = _becomes(text(event.get("sub_status")), text(event.get("stage")))
    if becomes == NOTHING:
        return None
    at = _at(event)
    if at is None:
        raise Malformed(
            "it has no time with a zone",
            why="neither time_utc nor time_iso is one",
            hint="give it time_utc in the file, such as 2024-03-01T10:00:00Z",
        )
    address = mapping(event.get("address"))
    place = text(event.get("location")) or joined(*(address.get(part) for part in ("city", "state", "country")))
    return Scan(at, becomes, place, text(event.get("description")))


def _becomes(sub_status: str | None, stage: str | None) -> str:
    """Return what an event's words become: the more exact of the two counts."""
    exact = None if sub_status is None or sub_status in _INEXACT else SUB_STATUS.get(sub_status)
    if exact is not None:
        return exact
    if stage in STAGE:
        return STAGE[stage]
    status = (sub_status or "").partition("_")[0]
    if status in STATUS:
        return STATUS[status]
    raise unknown_words(sub_status=sub_status, stage=stage)


def _at(event: Mapping[str, object]) -> datetime | None:
    utc = moment(event.get("time_utc"))
    if utc is not None and utc.tzinfo is None:
        return utc.replace(tzinfo=UTC)
    raw = mapping(event.get("time_raw"))
    date, time, zone = (text(raw.get(part)) for part in ("date", "time", "timezone"))
    return (
        instant(event.get("time_utc"))
        or instant(event.get("time_iso"))
        or (instant(f"{date}T{time}{zone}") if date and time and zone else None)
    )


TRACKING_17TRACK = Format(NAME, "parcel tracking of 17TRACK (JSON)", _sniff, _read)
"""Scans of parcels, from 17TRACK."""
