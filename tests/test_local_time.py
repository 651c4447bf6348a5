"""Times of the marketplace's files: which instant they mean, and what is doubtful about it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.formats.local_time import Moment, moment


def pacific(text: str) -> tuple[datetime, bool]:
    """Give the instant, and whether the clock showed it twice."""
    return moment(text)[:2]


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2021-06-14 03:04:05", "2021-06-14T10:04:05"),  # daylight saving: 7 hours
        ("2021-01-14 03:04:05", "2021-01-14T11:04:05"),
        ("2021-01-14 03:04", "2021-01-14T11:04:00"),
        ("2021-01-14T03:04:05.25", "2021-01-14T11:04:05.250000"),
        ("2021/1/4 3:04:05", "2021-01-04T11:04:05"),
        ("2021-01-14", "2021-01-14T08:00:00"),
        (" 2021-06-14\r\n", "2021-06-14T07:00:00"),
        ("Jun 14, 2021", "2021-06-14T07:00:00"),
        ("June 4, 2021", "2021-06-04T07:00:00"),
        ("Sept. 4, 2021", "2021-09-04T07:00:00"),
        ("14 jan 2021", "2021-01-14T08:00:00"),
        ("Jun 14, 2021 12:05 AM", "2021-06-14T07:05:00"),
        ("Jun 14, 2021, 12:05:06 pm", "2021-06-14T19:05:06"),
        ("May 1, 2021 23:05", "2021-05-02T06:05:00"),
        ("20120801154220368+0800", "2012-08-01T07:42:20.368000"),
        ("20120801154220-0700", "2012-08-01T22:42:20"),
        ("20120801154220", "2012-08-01T22:42:20"),
        ("2021-01-14T03:04:05Z", "2021-01-14T03:04:05"),
        ("2021-01-14t03:04:05z", "2021-01-14T03:04:05"),
        ("2021-01-14T03:04:05+03:00", "2021-01-14T00:04:05"),
        ("2021-01-14 03:04 -0330", "2021-01-14T06:34:00"),
        ("1610622245250", "2021-01-14T11:04:05.250000"),  # milliseconds since 1970, as its web pages have them
    ],
)
def test_a_text_is_an_instant(text: str, utc: str) -> None:
    assert moment(text) == Moment(datetime.fromisoformat(utc).replace(tzinfo=UTC))
    assert pacific(text) == (datetime.fromisoformat(utc).replace(tzinfo=UTC), False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "0",
        "2021",
        "2021-13-01",
        "2021-02-29",
        "2021-01-14 25:00",
        "2021-01-14 10:61",
        "14/01/2021",  # day or month first: nobody can tell
        "01.02.2021",
        "2021-01-14Z",
        "2021-01-14T03:04:05+99:99",
        "Jum 14, 2021",
        "Ma 14, 2021",
        "Jun 31, 2021",
        "Jun 14, 2021 13:05 PM",
        "20120801",
        "9999-12-31 23:00:00",
        "0001-01-01T00:00:00+10:00",
        "٢٠٢١-٠١-١٤",
        "2021-01-14 03:04:05 PST",
    ],
)
def test_what_is_no_instant_says_so(text: str) -> None:
    with pytest.raises(ValueError, match="is no date or time"):
        pacific(text)


def test_the_hour_that_comes_twice_is_ambiguous_and_its_first_time_is_taken() -> None:
    assert pacific("2021-11-07 01:30:00") == (datetime(2021, 11, 7, 8, 30, tzinfo=UTC), True)
    assert pacific("2021-11-07 00:59:59") == (datetime(2021, 11, 7, 7, 59, 59, tzinfo=UTC), False)
    assert pacific("2021-11-07 02:00:00") == (datetime(2021, 11, 7, 10, 0, tzinfo=UTC), False)
    assert not pacific("2021-11-07T01:30:00-08:00")[1]


def test_the_hour_that_is_skipped_is_read_as_if_the_clock_had_not_been_put_forward() -> None:
    assert moment("2021-03-14 02:30:00") == Moment(datetime(2021, 3, 14, 10, 30, tzinfo=UTC), skipped=True)
    assert moment("2021-03-14 03:00:00") == Moment(datetime(2021, 3, 14, 10, 0, tzinfo=UTC))
    assert pacific("2021-03-14 02:30:00") == (datetime(2021, 3, 14, 10, 30, tzinfo=UTC), False)


@given(st.text(max_size=40) | st.from_regex(r"[0-9:+TZ /,-]{4,24}", fullmatch=True))
def test_any_text_is_an_instant_in_utc_or_none(text: str) -> None:
    try:
        at, _ = pacific(text)
    except ValueError:
        return
    assert at.utcoffset() == timedelta(0)
