"""AfterShip: a tracking, a list of them, or what it sends to webhooks; JSON."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from ledger.errors import Malformed
from ledger.formats.foreign import BOM, Asked, Format, Record
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

NAME = "aftership"

TAG: dict[str, str] = {
    "Pending": NOTHING,
    "InfoReceived": NOTHING,
    "InTransit": "sorting",
    "OutForDelivery": "out-for-delivery",
    "AttemptFail": "attempted",
    "Delivered": DELIVERED,
    "AvailableForPickup": "held",
    "Exception": "held",
    "Expired": NOTHING,
}
"""What a checkpoint's tag becomes, unless its subtag says something more exact."""

SUBTAG: dict[str, str] = {
    "InTransit_002": "accepted",
    "InTransit_003": "sorting",
    "InTransit_004": "import",
    "InTransit_005": "customs-out",
    "InTransit_006": "customs-in",
    "InTransit_007": "sorting",
    "Exception_004": "held",
    "Exception_010": "returned",
    "Exception_011": "returned",
}
"""What a checkpoint's subtag becomes; all the others say no more than the tag before their underscore."""

FIELDS: tuple[tuple[str, str], ...] = (
    ("tracking_number", "tracking; its order is the one that was shipped with it"),
    ("order_id, order_number", "the order, where nothing was shipped with that number, if such an order was placed"),
    ("checkpoint_time with a zone", "occurred_at"),
    ("checkpoint_time without a zone", "occurred_at is created_at, if it can be that time in some zone; else refused"),
    ("subtag, tag", "delivered-scan, or the checkpoint of scanned"),
    ("location, else city, state and country", "place"),
    ("message, else subtag_message", "note"),
    ("signed_by", "recipient of the last delivered-scan"),
    ("meta with an error", "refused, with AfterShip's own words"),
    ("the tag of the tracking itself, dates of expected delivery, customers, custom_fields", "nothing"),
)

TABLES = {
    "AfterShip: fields": FIELDS,
    "AfterShip: tag": tuple((word, becomes or "nothing") for word, becomes in TAG.items()),
    "AfterShip: subtag": tuple((word, becomes or "nothing") for word, becomes in SUBTAG.items()),
}

_SIGNS = (
    re.compile(rb'"tracking_number"\s*:'),
    re.compile(rb'"(?:checkpoints?|slug|subtag)"\s*:'),
)

_EARLIEST, _LATEST = timedelta(hours=-14), timedelta(hours=12)
"""How far the instant of a local time may be from the same time in UTC: zones go from +14:00 to -12:00."""


_ERROR = re.compile(rb'\s*\{\s*"meta"\s*:\s*\{\s*"code"\s*:\s*[45]')


def _sniff(start: bytes) -> bool:
    return all(sign.search(start) for sign in _SIGNS) or _ERROR.match(start.removeprefix(BOM)) is not None


def _read(content: bytes, asked: Asked) -> Iterator[Record]:
    return read(content, _parcels, tracker="AfterShip", source=NAME, asked=asked)


def _parcels(document: object) -> Iterator[Parcel]:
    """Give the parcels of an answer, of a webhook's message, or of what stands in one of them."""
    answer = mapping(document)
    for name in ("msg", "data", "tracking", "trackings"):
        inner = mapping(answer).get(name)
        if isinstance(inner, list):
            yield from map(_parcel, inner)
            return
        if isinstance(inner, dict) and inner:
            answer = inner
    meta = mapping(mapping(document).get("meta"))
    if "tracking_number" in answer:
        yield _parcel(answer)
    elif meta.get("type") is not None or meta.get("message") is not None:
        message = text(meta.get("message")) or text(meta.get("type"))
        code = text(meta.get("code")) or "missing"
        yield no_parcel(document, f"AfterShip answered with an error: {message}", why=f"its code is {code}", known=True)
    else:
        yield _none(document)


def _none(document: object) -> Parcel:
    return no_parcel(
        document, "it tells of no parcel", why="a tracking of AfterShip has a tracking_number", known=False
    )


def _parcel(document: object) -> Parcel:
    tracking = mapping(document)
    if "tracking_number" not in tracking:
        return _none(document)
    checkpoints = sequence(tracking.get("checkpoints"))
    if "checkpoints" not in tracking and tracking.get("checkpoint") is not None:
        checkpoints = [tracking["checkpoint"]]  # the last one, asked for alone
    scans, problems = scans_of(checkpoints, _scan)
    named = tuple(
        one for one in (text(tracking.get("order_id")), text(tracking.get("order_number"))) if one is not None
    )
    scans = _signed(scans, text(tracking.get("signed_by")))
    return Parcel(as_text(document), text(tracking.get("tracking_number")), named, scans, problems)


def _signed(scans: list[Scan], by: str | None) -> list[Scan]:
    """Let the last delivery scan say who took the parcel."""
    delivered = [scan for scan in scans if scan.becomes == DELIVERED]
    if by is None or not delivered:
        return scans
    last = max(delivered, key=lambda scan: scan.at)
    return [scan._replace(recipient=by) if scan is last else scan for scan in scans]


def _scan(checkpoint: Mapping[str, object]) -> Scan | None:
    becomes = _becomes(text(checkpoint.get("tag")), text(checkpoint.get("subtag")))
    if becomes == NOTHING:
        return None
    at, from_there = _at(checkpoint)
    country = checkpoint.get("country_region_name") or checkpoint.get("country_name")
    place = text(checkpoint.get("location")) or joined(checkpoint.get("city"), checkpoint.get("state"), country)
    words = text(checkpoint.get("message")) or text(checkpoint.get("subtag_message"))
    return Scan(
        at, becomes, place, words if from_there else f"{words or ''} (time: when AfterShip heard of it)".lstrip()
    )


def _becomes(tag: str | None, subtag: str | None) -> str:
    """Return what a checkpoint's words become."""
    if subtag in SUBTAG:
        return SUBTAG[subtag]
    for word in ((subtag or "").partition("_")[0], tag):
        if word in TAG:
            return TAG[word]
    raise unknown_words(tag=tag, subtag=subtag)


def _at(checkpoint: Mapping[str, object]) -> tuple[datetime, bool]:
    """Return when a checkpoint was, and whether the carrier says so; Malformed where that is not known to the day.

    Many carriers give the time as their clocks stood. `created_at` is when AfterShip heard of it: soon after, or, for
    all checkpoints at once, on the day when the parcel was added there.
    """
    told = checkpoint.get("checkpoint_time")
    at, local = instant(told), moment(told)
    if at is not None:
        return at, True
    if local is None or local.tzinfo is not None:
        raise Malformed(
            f"checkpoint_time {text(told) or 'missing'} is no time",
            why="created_at may be much later",
            hint="give it a time in the file, such as 2024-03-01T10:00:00Z",
        )
    heard = instant(checkpoint.get("created_at"))
    length = timedelta() if ":" in str(told) else timedelta(days=1)
    if heard is None or not _can_be(local, heard, length):
        raise Malformed(
            f"checkpoint_time {told} has no zone",
            why="it is local to the place, and created_at is not of that time in any zone",
            hint="give it its zone in the file, such as 2024-03-01T10:00:00+03:00",
        )
    return heard, False


def _can_be(local: datetime, instant: datetime, length: timedelta) -> bool:
    """Whether clocks somewhere stood so at that instant."""
    ahead = instant.replace(tzinfo=None) - local
    return _EARLIEST <= ahead <= _LATEST + length


TRACKING_AFTERSHIP = Format(NAME, "parcel tracking of AfterShip (JSON)", _sniff, _read)
"""Scans of parcels, from AfterShip."""
