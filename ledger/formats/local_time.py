"""Times as the marketplace's files write them: mostly without a zone, and then as the clocks stood in Los Angeles."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from typing import NamedTuple

ZONE = "America/Los_Angeles"
"""Times without a zone are the marketplace's own: US Pacific, with daylight saving."""

_YEAR_FIRST = re.compile(
    r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[T ]\s*(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?"
    r"\s*(Z|[+-]\d{2}:?\d{2})?",
    re.ASCII | re.IGNORECASE,
)
_IN_A_ROW = re.compile(r"(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{3})?\s*(Z|[+-]\d{2}:?\d{2})?", re.ASCII)
_NAMED_MONTH = re.compile(
    r"(?:([A-Z]{3,9})\.?\s+(\d{1,2})|(\d{1,2})\.?\s+([A-Z]{3,9})\.?),?\s+(\d{4})"
    r"(?:,?\s+(\d{1,2}):(\d{2})(?::(\d{2}))?\s*(AM|PM)?)?",
    re.ASCII | re.IGNORECASE,
)
_MILLISECONDS = re.compile(r"\d{13}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)


class Moment(NamedTuple):
    """An instant in UTC and what is doubtful about it.

    `ambiguous`: the clock showed it twice that day, and the first time is taken. `skipped`: it never showed it, and it
    is taken as if the clock had not been put forward yet.
    """

    at: datetime
    ambiguous: bool = False
    skipped: bool = False


def moment(text: str) -> Moment:
    """Return the instant that a text means; ValueError if it is none.

    Without a zone of its own it is a time of Los Angeles, and a date is its midnight there.
    """
    text = text.strip()
    try:
        if _MILLISECONDS.fullmatch(text):
            return Moment(_EPOCH + timedelta(milliseconds=int(text)))
        found = _year_first(text) or _in_a_row(text) or _named_month(text)
        if found is None:
            raise ValueError
        return _placed(*found)
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:40]!r} is no date or time") from None


def _year_first(text: str) -> tuple[datetime, str | None] | None:
    found = _YEAR_FIRST.fullmatch(text)
    if found is None:
        return None
    *parts, fraction, zone = found.groups()
    if zone is not None and parts[3] is None:
        return None  # a date has no zone
    at = datetime(*(int(part or 0) for part in parts))  # type: ignore[arg-type]
    return at.replace(microsecond=int((fraction or "0").ljust(6, "0")[:6])), zone


def _in_a_row(text: str) -> tuple[datetime, str | None] | None:
    found = _IN_A_ROW.fullmatch(text)
    if found is None:
        return None
    *parts, milliseconds, zone = found.groups()
    at = datetime(*map(int, parts))  # type: ignore[arg-type]
    return at.replace(microsecond=int(milliseconds or 0) * 1000), zone


def _named_month(text: str) -> tuple[datetime, str | None] | None:
    found = _NAMED_MONTH.fullmatch(text)
    if found is None:
        return None
    name = (found[1] or found[4]).lower()
    months = [number for number, month in enumerate(_MONTHS, 1) if name in (month, month[:3], month[:4])]
    if len(months) != 1:
        return None
    hour, half = int(found[6] or 0), (found[9] or "").upper()
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "PM" else 0)
    day = int(found[2] or found[3])
    return datetime(int(found[5]), months[0], day, hour, int(found[7] or 0), int(found[8] or 0)), None


def _placed(local: datetime, zone: str | None) -> Moment:
    if zone is not None:
        return Moment(local.replace(tzinfo=_offset(zone)).astimezone(UTC))
    at, second = (local.replace(tzinfo=_pacific(), fold=fold).astimezone(UTC) for fold in (0, 1))
    # The two readings differ only where the clock is put back, or forward: then the second one is the earlier.
    return Moment(at, ambiguous=second > at, skipped=second < at)


def _offset(zone: str) -> tzinfo:
    return datetime.strptime(zone.upper(), "%z").tzinfo or UTC


@cache
def _pacific() -> tzinfo:
    from zoneinfo import ZoneInfo

    return ZoneInfo(ZONE)
