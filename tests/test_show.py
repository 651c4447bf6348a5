"""An order's story: right in every clause, readable without knowing the trade, the same data as JSON."""

import json
import re
import string
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from commands.demo import order_of
from commands.output import Screen, Target
from commands.story import Page as StoryPage
from commands.story import fold, headline, tell
from commands.why import write
from ledger.decide import FLAGS
from ledger.events import TYPES, Fact
from ledger.lifecycle import STATUSES, TABLE
from ledger.order import Order
from ledger.timers import AFTER_CLOSING, WHILE_OPEN, timers
from queries import words
from queries.explain import explain
from tests import scenario as s
from tests.running import Cli

SAMPLES = Path(__file__).parent.parent / "sample_logs"
PIPE = Target("table")


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """A new ledger and the command line on it."""
    cli = Cli(tmp_path / "ledger", capsys)
    cli.ok("init")
    return cli


def story(*facts: Fact, target: Target = PIPE, days: float = 30) -> str:
    """The story of these facts, so many days after the first."""
    order = s.given(*facts).order
    now = s.after(days)
    return tell(target, order, order.history, timers(order, now), now)


def head(*facts: Fact, days: float = 30) -> str:
    """The headline of the order after these facts."""
    order: Order = s.given(*facts).order
    return headline(StoryPage(PIPE), order, s.after(days))


CLOSED_BACK = (*s.PROCESSING, s.closed(reason="not-shipped", at=s.after(10)))

HEADLINES: list[tuple[tuple[Fact, ...], str]] = [
    (s.AWAITING, "waiting for your payment"),
    (s.SHIPPED, "the parcel is on its way; 20.00 USD is held in escrow"),
    (s.CONFIRMED, "closed 2024-03-01 — you confirmed that the parcel arrived; 20.00 USD went to the seller"),
    (
        CLOSED_BACK,
        "closed 2024-03-11 — the platform closed it as not shipped; "
        "20.00 USD is on its way back to you, overdue since 2024-03-25",
    ),
    (
        (*CLOSED_BACK, s.refund_failed()),
        "closed 2024-03-11 — the platform closed it as not shipped; "
        "a refund of 20.00 USD bounced and is still owed to you",
    ),
    (
        (*CLOSED_BACK, s.refunded()),
        "closed 2024-03-11 — the platform closed it as not shipped; 20.00 USD went back to you and has arrived",
    ),
    (
        (*CLOSED_BACK, s.refunded(amount="5.00")),
        "closed 2024-03-11 — the platform closed it as not shipped; "
        "5.00 USD went back to you and has arrived; 15.00 USD is on its way back to you, overdue since 2024-03-25",
    ),
    (
        (*s.SHIPPED, s.dispute_opened(), s.dispute_resolved(outcome="partial", to_buyer="5.00", at=s.after(28))),
        "closed 2024-03-29 — the platform decided the dispute: each side gets a part; "
        "5.00 USD is on its way back to you, due by 2024-04-05; 15.00 USD went to the seller",
    ),
    (
        (*s.AWAITING, s.closed(reason="cancelled", by="buyer")),
        "closed 2024-03-01 — you closed it as cancelled; nothing had been paid",
    ),
    (
        (*s.PROCESSING, s.closed()),
        "closed 2024-03-01 — the platform closed it without a known cause; 20.00 USD is still held in escrow, "
        "and nobody has said where it goes; you may open a dispute",
    ),
    (
        (*s.CONFIRMED, s.dispute_opened(reason="counterfeit")),
        "in dispute: the platform has to decide; 20.00 USD went to the seller",
    ),
]


@pytest.mark.parametrize(("facts", "text"), HEADLINES)
def test_the_headline_says_how_the_order_stands_and_where_its_money_went(facts: tuple[Fact, ...], text: str) -> None:
    assert head(*facts) == text


def test_a_refund_on_its_way_has_a_date() -> None:
    assert head(*CLOSED_BACK, days=11).endswith("20.00 USD is on its way back to you, due by 2024-03-25")


def test_the_money_is_listed_by_place() -> None:
    part = story(*CLOSED_BACK).partition("Where the money is\n")[2].partition("\n\n")[0]
    assert re.findall(r"  (.+?)\s{2,}(\S+ USD)", part) == [
        ("you paid", "20.00 USD"),
        ("held in escrow", "0.00 USD"),
        ("to the seller", "0.00 USD"),
        ("back to you, arrived", "0.00 USD"),
        ("back to you, on its way", "20.00 USD"),
    ]


def test_running_timers_say_how_long_and_what_then() -> None:
    line = next(line for line in story(*s.SHIPPED, days=9).splitlines() if "protected until" in line)
    assert "2024-04-10 13:00  in 31 days" in line
    assert "pays the seller" in " ".join(story(*s.SHIPPED).split())


def test_protection_is_held_while_the_order_is_disputed() -> None:
    assert "held: while it is disputed" in " ".join(story(*s.SHIPPED, s.dispute_opened()).split())


def test_a_closed_order_without_windows_runs_nothing() -> None:
    assert "What runs out" not in story(*CLOSED_BACK, s.refunded(), days=400)


def test_a_bounced_refund_is_still_owed_and_not_on_its_way() -> None:
    part = story(*CLOSED_BACK, s.refund_failed()).partition("Where the money is\n")[2]
    assert re.search(r"still owed to you +20.00 USD", part)
    assert "on its way" not in part.partition("\n\n")[0]


def test_a_delivery_scan_that_cuts_the_protection_says_so_and_an_extension_says_longer() -> None:
    text = " ".join(story(*s.SHIPPED, s.protection_extended(days=5), s.delivered(at=s.after(20))).split())
    assert "days longer; you are protected longer, until 2024-04-15" in text
    assert "your protection is cut to 2024-03-26 (it was until 2024-04-15)" in text


def test_the_time_line_names_its_zone_and_does_not_repeat_the_headline() -> None:
    text = story(*s.AWAITING)
    assert text.count("times in UTC") == 1
    seller = s.given(*s.AWAITING).order.seller
    assert text.count(seller) == 1


def test_the_time_line_tells_events_in_the_order_they_happened() -> None:
    text = story(*s.SHIPPED, s.scanned(at=s.after(days=9)), s.scanned(checkpoint="accepted", at=s.after(days=8)))
    assert text.index("accepted by the post") < text.index("leaving its country")


def test_flags_are_told_in_words() -> None:
    assert "odd: no verified payment is recorded before it" in " ".join(story(*s.VERIFYING, s.shipped()).split())


def test_what_the_sentence_says_itself_is_no_oddity_beside_it() -> None:
    text = " ".join(story(*s.SHIPPED, s.closed()).split())
    assert "platform closed it without a known cause" in text
    assert "odd:" not in text


def test_an_agreed_cancellation_waits_for_the_platform() -> None:
    assert head(*s.CANCELLING).startswith("you asked to cancel, and the seller has to answer; 20.00 USD")
    assert head(*s.CANCELLING, s.cancel_accepted()).startswith(
        "the seller agreed to cancel, and the platform has to close the order; 20.00 USD"
    )


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ((*s.SHIPPED, s.closed()), 31),  # nobody knows the cause
        ((*s.CONFIRMED, s.paid(amount="3.00")), 33),  # money in escrow
        ((*CLOSED_BACK, s.refund_failed()), 31),
        (CLOSED_BACK, 31),  # overdue on the day that the story is told
        ((*CLOSED_BACK, s.refunded()), 32),
        ((*s.SHIPPED, s.dispute_opened()), 33),
    ],
)
def test_story_and_explanation_have_the_same_colour(facts: tuple[Fact, ...], code: int) -> None:
    target = Target("table", screen=Screen(200, 50, True))
    order, now, page = s.given(*facts).order, s.after(28), StoryPage(target)
    found = explain(order, s.POLICY, now, day=page.day, minute=page.minute)
    headlines = (story(*facts, target=target), write(page, order, found, now))
    for text in headlines:
        assert f"\x1b[{code}m" in text.split("\n")[3]


def test_a_retracted_pair_is_marked_and_stands_together() -> None:
    text = story(
        *s.AWAITING, s.paid(amount="200.00"), s.retracted(retracts=2, at=s.after(5)), s.paid(at=s.after(hours=1))
    )
    events = text.partition("What happened (times in UTC)\n")[2].splitlines()
    versions = [found[1] for line in events if (found := re.match(r"2024\S+ \S+  (v\d)", line))]
    assert versions == ["v1", "v2", "v3", "v4"]
    assert "[taken back in v3] paid 200.00 USD" in " ".join(text.split())
    assert "took back v2, because: a typing mistake" in text


def test_a_story_without_a_placed_order_is_told_too() -> None:
    text = story(*s.AWAITING, s.retracted(retracts=1))
    assert "placed the order for 20.00 USD, from" in " ".join(text.split())
    assert "nobody has placed it" in text
    assert "Where the money is" not in text


def test_the_story_on_a_terminal_is_that_of_a_pipe_with_colours() -> None:
    colours = story(*CLOSED_BACK, target=Target("table", screen=Screen(80, 50, True)))
    assert re.sub(r"\x1b\[\d+m", "", colours) == story(*CLOSED_BACK)
    assert story(*CLOSED_BACK, target=Target("table", screen=Screen(80, 50, False))) == story(*CLOSED_BACK)


def test_text_of_the_log_cannot_steer_a_terminal_and_is_exact_in_a_pipe() -> None:
    evil = s.noted(text="\x1b[31mred\u202e\nnew line")
    on_screen = story(*s.AWAITING, evil, target=Target("table", screen=Screen(80, 50, False)))
    assert r"\x1b[31mred\u202e\nnew line" in " ".join(on_screen.split())
    assert "\x1b[31mred\u202e\n" in story(*s.AWAITING, evil)


@pytest.mark.parametrize("width", [40, 80])
def test_the_story_keeps_to_the_width(width: int) -> None:
    text = story(*CLOSED_BACK, target=Target("table", screen=Screen(width, 50, False)))
    assert max(map(len, text.splitlines())) <= max(width, 55)  # the time line keeps some room for its words


def test_text_is_folded_at_spaces_and_every_character_is_kept() -> None:
    assert fold("aa bb  cc ddddddd", 6) == ["aa bb ", "cc", "ddddddd"]
    assert fold("携帯 電話", 4) == ["携帯", "電話"]


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(days=9, hours=5), "in 9 days"),
        (timedelta(days=1), "in 1 day"),
        (timedelta(hours=-5), "5 hours overdue"),
        (timedelta(minutes=1), "in 1 minute"),
        (timedelta(0), "in 0 seconds"),
    ],
)
def test_time_left_is_said_in_whole_units(span: timedelta, text: str) -> None:
    assert words.time_left(span) == text


@pytest.mark.parametrize("tag", TYPES)
def test_every_field_of_every_event_has_words(tag: str) -> None:
    said = {name for _, name, _, _ in string.Formatter().parse(words.EVENTS[tag]) if name}
    assert set(TYPES[tag].__struct_fields__) <= said | set(words.FIELDS) | set(words.SILENT)


def test_every_status_reason_timer_and_flag_has_words_and_no_other() -> None:
    reasons = {row.partition(":")[2] for row in TABLE if ":" in row} | {"confirmed", "security", "dispute-resolved"}
    assert set(words.STATUSES) == {*STATUSES, "none"}
    assert set(words.CLOSURES) == reasons
    assert set(words.TIMERS) == {kind.name for kind in (*WHILE_OPEN, *AFTER_CLOSING)}
    assert set(words.EVENTS) == set(TYPES)
    assert FLAGS


# The command.


def sample(cli: Cli, name: str) -> str:
    """Import a sample log and give its order."""
    cli("import", str(SAMPLES / f"{name}.jsonl"))
    return order_of(SAMPLES / f"{name}.jsonl")


def data(cli: Cli, *arguments: str) -> dict[str, Any]:
    """The story as values."""
    found: dict[str, Any] = json.loads(cli.ok("show", *arguments, "-o", "json"))
    return found


def test_json_has_the_promised_shape_and_the_lines_of_the_log(cli: Cli) -> None:
    order = sample(cli, "refund-failed")
    found = data(cli, order)
    assert list(found) == ["order_id", "status", "version", "closure", "money", "timers", "events"]
    assert found["closure"] == {"reason": "not-shipped", "by": "platform", "at": "2025-12-09T22:00:00Z"}
    assert found["money"] == {
        "currency": "KWD",
        "paid": "12.345",
        "escrow": "0.000",
        "to_seller": "0.000",
        "to_buyer": "12.345",
        "refund_pending": "0.000",
        "refunded": "12.345",
        "money_went_to": "buyer",
    }
    log = (cli.ledger / "events" / "000000000001.jsonl").read_text().splitlines()
    assert found["events"] == [json.loads(line) for line in log]
    assert {"timer", "started_by", "started_at", "due_at", "met_at", "running", "consequence"} == set(
        found["timers"][0]
    )


def test_jsonl_is_the_same_on_one_line(cli: Cli) -> None:
    order = sample(cli, "refund-failed")
    text = cli.ok("show", order, "-o", "jsonl")
    assert text.count("\n") == 1
    assert json.loads(text) == data(cli, order)


def test_an_open_order_has_no_closure(cli: Cli) -> None:
    assert data(cli, sample(cli, "still-open"))["closure"] is None


def test_as_of_tells_the_story_as_it_was(cli: Cli) -> None:
    order = sample(cli, "refund-failed")
    found = data(cli, order, "--as-of", "2025-12-16T12:00:00Z")
    assert found["money"]["refund_pending"] == "12.345"
    assert len(found["events"]) == 5
    text = cli.ok("show", order, "--as-of", "2025-12-16T12:00:00Z")
    assert "a refund of 12.345 KWD bounced and is still owed to you" in " ".join(text.split())


def test_known_at_before_anything_was_recorded_is_no_such_order(cli: Cli) -> None:
    order = sample(cli, "refund-failed")
    answer = cli("show", order, "--known-at", "2020-01-01")
    assert (answer.code, answer.out) == (1, "")
    assert "no such order" in answer.err


def test_a_known_order_alone_can_be_shown(cli: Cli) -> None:
    assert cli("show", "none-such").code == 1


def test_a_story_has_no_columns(cli: Cli) -> None:
    answer = cli("show", sample(cli, "still-open"), "-o", "csv")
    assert answer.code == 2
    assert "'csv'" in answer.err


def test_times_are_told_in_the_zone_asked_for(cli: Cli) -> None:
    order = sample(cli, "still-open")
    assert "2026-05-11 18:04" in cli.ok("show", order)
    assert "2026-05-11 21:04" in cli.ok("show", order, "--tz", "Europe/Moscow")


def test_a_story_can_be_written_to_a_file(cli: Cli, tmp_path: Path) -> None:
    order = sample(cli, "still-open")
    assert cli.ok("show", order, "--to", str(tmp_path / "story.txt")) == ""
    assert (tmp_path / "story.txt").read_text() == cli.ok("show", order)


@pytest.mark.parametrize("name", [path.stem for path in sorted(SAMPLES.glob("*.jsonl")) if path.stem != "broken"])
def test_every_sample_is_told_in_eighty_columns_without_a_field_name(cli: Cli, name: str) -> None:
    text = cli.ok("show", sample(cli, name))
    assert max(map(len, text.splitlines())) <= 80
    assert not re.search(r"\b(to_buyer|to_seller|refund_by|None|closed-by-security)\b", text)
