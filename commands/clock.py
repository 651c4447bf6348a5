"""Times as people type and read them: the only module that asks what time it is."""

import re
import time
from datetime import UTC, datetime, timedelta, tzinfo

from ledger.errors import Usage

EXAMPLES = "write 2024-03-01T10:00:00Z, 2024-03-01 10:00, 2024-03-01, `2d ago` or now"

# Made while the module loads: a test that freezes the clock swaps the class, and what the swapped class
# makes cannot be encoded.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_fromisoformat = datetime.fromisoformat

_SPAN = re.compile(r"(\d{1,9}) ?(s|m|h|d|w)")
_AGO = re.compile(_SPAN.pattern + " ago")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def now() -> datetime:
    """Give the present instant in UTC, to the microsecond."""
    return _EPOCH + timedelta(microseconds=time.time_ns() // 1_000)


def zone(name: str) -> tzinfo:
    """Give the time zone of this IANA name; Usage when there is none."""
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError, RecursionError):  # the last: very many slashes
        raise Usage(
            f"unknown time zone: {name}", hint="write an IANA name such as UTC, Europe/Berlin or America/Sao_Paulo"
        ) from None


def read(text: str, tz: tzinfo, present: datetime) -> tuple[datetime, bool]:
    """Read a time: the instant in UTC, and whether its local time occurred twice that day.

    ISO 8601 (without a zone: in `tz`), a date (its first instant), `3h ago` before `present`, or now.
    A local time that occurred twice is taken the first time; one that was skipped is Usage.
    """
    words = text.strip()
    if words == "now":
        return present, False
    try:
        if ago := _AGO.fullmatch(words):
            return present - timedelta(seconds=int(ago[1]) * _UNITS[ago[2]]), False
        given = _fromisoformat(words)
        if given.tzinfo is not None:
            return given.astimezone(UTC), False
        return _from_local(given, tz)
    except (ValueError, OverflowError):
        raise Usage(f"not a time: {text}", hint=EXAMPLES) from None


def ahead(text: str, present: datetime) -> datetime:
    """Read a length such as 12h, 7d or 2w, and give the instant so far ahead of `present`."""
    try:
        if span := _SPAN.fullmatch(text.strip()):
            return present + timedelta(seconds=int(span[1]) * _UNITS[span[2]])
    except OverflowError:
        pass
    raise Usage(f"not a length of time: {text}", hint="write 90m, 12h, 7d or 2w")


def parse(text: str, tz: tzinfo, present: datetime) -> datetime:
    """Read a time as `read` does and give its instant."""
    return read(text, tz, present)[0]


def text(instant: datetime, tz: tzinfo = UTC) -> str:
    """Write an instant as ISO 8601: `2024-03-01T10:00:00Z` in UTC, else with its offset."""
    return instant.astimezone(tz).isoformat().replace("+00:00", "Z")


def _from_local(naive: datetime, tz: tzinfo) -> tuple[datetime, bool]:
    first = naive.replace(tzinfo=tz, fold=0).astimezone(UTC)
    second = naive.replace(tzinfo=tz, fold=1).astimezone(UTC)
    if second < first:
        raise Usage(
            f"{naive.isoformat(' ')} does not exist in {tz}",
            why="the clocks were put forward over it",
            hint="give the time with its offset, such as 2024-03-01T10:00:00+01:00",
        )
    return first, first != second
