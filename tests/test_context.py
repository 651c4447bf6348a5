"""What the commands share: the moment they look from, and lines printed to terminals and pipes."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from freezegun import freeze_time

from commands import clock, context

TODAY = datetime(2024, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _frozen() -> Iterator[None]:
    with freeze_time(TODAY):
        yield


def day(text: str) -> datetime:
    """An instant of 2024 in UTC, such as `03-01`."""
    return clock.parse(f"2024-{text}", UTC, TODAY)


def test_the_moment_is_now_unless_said_otherwise() -> None:
    assert context.moment(now=None, as_of=None, known_at=None, tz=UTC) == (TODAY, None, None)


def test_with_as_of_the_present_is_that_instant_unless_now_is_given() -> None:
    assert context.moment(now=None, as_of="2024-03-01", known_at=None, tz=UTC) == (day("03-01"), day("03-01"), None)
    given = context.moment(now="2024-05-01", as_of="1d ago", known_at="2024-04-01", tz=UTC)
    assert given == (day("05-01"), day("04-30"), day("04-01"))


def test_known_at_alone_leaves_the_present() -> None:
    assert context.moment(now=None, as_of=None, known_at="1d ago", tz=UTC) == (TODAY, None, day("05-31T12:00"))


def test_a_pipe_gets_exact_bytes(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    context.say("\u202eabc")
    context.say_json(b'"\xe2\x80\xaeabc"')
    assert capsysbinary.readouterr().out == b'\xe2\x80\xaeabc\n"\xe2\x80\xaeabc"\n'


def test_a_terminal_gets_escapes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    context.say("\u202eabc\x1b[31m")
    context.say_json('"\u202eabc"'.encode())
    line, in_json = capsys.readouterr().out.splitlines()
    assert line == r"\u202eabc\x1b[31m"
    assert (in_json, json.loads(in_json)) == (r'"\u202eabc"', "\u202eabc")
