"""Times as people type them."""

from datetime import UTC, datetime, timedelta, tzinfo

import msgspec
import pytest
from freezegun import freeze_time

from commands import clock
from ledger.errors import Usage

PRESENT = datetime(2024, 3, 1, 10, 0, tzinfo=UTC)
BERLIN = clock.zone("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "tz", "expected"),
    [
        ("2024-03-01T10:00:00Z", UTC, "2024-03-01T10:00:00Z"),
        ("2024-03-01T10:00:00.123456Z", UTC, "2024-03-01T10:00:00.123456Z"),
        ("2024-03-01T10:00:00+03:00", BERLIN, "2024-03-01T07:00:00Z"),
        ("2024-03-01 10:00", UTC, "2024-03-01T10:00:00Z"),
        ("2024-03-01 10:00", BERLIN, "2024-03-01T09:00:00Z"),
        ("2024-03-01", BERLIN, "2024-02-29T23:00:00Z"),
        (" now ", UTC, "2024-03-01T10:00:00Z"),
        ("30s ago", UTC, "2024-03-01T09:59:30Z"),
        ("5m ago", UTC, "2024-03-01T09:55:00Z"),
        ("3h ago", UTC, "2024-03-01T07:00:00Z"),
        ("2 d ago", UTC, "2024-02-28T10:00:00Z"),
        ("2d ago", BERLIN, "2024-02-28T10:00:00Z"),
        ("1w ago", UTC, "2024-02-23T10:00:00Z"),
    ],
)
def test_a_time_is_iso_8601_a_date_or_so_long_ago(text: str, tz: tzinfo, expected: str) -> None:
    assert clock.text(clock.parse(text, tz, PRESENT)) == expected


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2024-13-01", "2d", "-2d ago", "999999999w ago", "0001-01-01T00:00+14:00"]
)
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(Usage) as refused:
        clock.parse(text, UTC, PRESENT)
    assert "2d ago" in refused.value.hint


def test_a_local_time_that_occurred_twice_is_taken_the_first_time_and_said_to_be_ambiguous() -> None:
    instant, twice = clock.read("2024-10-27T02:30", BERLIN, PRESENT)
    assert (clock.text(instant), twice) == ("2024-10-27T00:30:00Z", True)
    assert clock.read("2024-10-27T02:30+01:00", BERLIN, PRESENT)[1] is False
    assert clock.read("2024-10-27T03:30", BERLIN, PRESENT)[1] is False


def test_a_local_time_that_the_clocks_skipped_is_refused() -> None:
    with pytest.raises(Usage, match="does not exist in Europe/Berlin"):
        clock.parse("2024-03-31 02:30", BERLIN, PRESENT)


@pytest.mark.parametrize("name", ["Nowhere/At_All", "", "../etc/passwd", "a\0b"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(Usage, match="unknown time zone"):
        clock.zone(name)


def test_an_instant_is_printed_in_the_zone_asked_for() -> None:
    assert clock.text(PRESENT) == "2024-03-01T10:00:00Z"
    assert clock.text(PRESENT, BERLIN) == "2024-03-01T11:00:00+01:00"


def test_now_is_a_plain_datetime_even_when_the_clock_is_frozen() -> None:
    with freeze_time("2024-03-01T10:00:00.123456Z"):
        frozen = clock.now()
        read = clock.parse("2024-03-01", UTC, frozen)
    assert msgspec.json.encode([frozen, read]) == b'["2024-03-01T10:00:00.123456Z","2024-03-01T00:00:00Z"]'


def test_now_goes_on() -> None:
    assert timedelta(0) <= clock.now() - clock.now() + timedelta(seconds=1)
    assert clock.now().tzinfo is UTC
