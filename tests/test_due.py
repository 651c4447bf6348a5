"""`due`: what runs out, soonest first, with advice; and the closings that have come due as facts."""

import csv
import io
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from commands.due import COLUMNS, QUERY, advised, show
from commands.output import Screen, Target
from ledger.events import Fact
from ledger.timers import timers
from queries.engine import Result
from tests import scenario as s
from tests.logs import log_of, naive, relations
from tests.running import Cli

BOUNCED = (*s.PROCESSING, s.closed(reason="not-shipped", at=s.after(8)), s.refund_failed())


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """A new ledger and the command line on it."""
    cli = Cli(tmp_path / "ledger", capsys)
    cli.ok("init")
    return cli


def told(*facts: Fact, order: str = s.ORDER) -> list[Fact]:
    """The facts with their times, as facts of such an order."""
    return [replace(line.event, order_id=order) for line in s.given(*facts).history]


def record(cli: Cli, tmp_path: Path, *histories: list[Fact]) -> None:
    """Import facts."""
    log = tmp_path / "facts.jsonl"
    log.write_bytes(b"".join(msgspec.json.encode(fact) + b"\n" for facts in histories for fact in facts))
    cli("import", str(log))


def due(tmp_path: Path, *facts: Fact, now: datetime, until: datetime | None = None, overdue: bool = False) -> Result:
    """What the query gives of these facts."""
    with relations(tmp_path, log_of(facts), now=now) as opened:
        return advised(opened.run(QUERY, {"until": naive(until), "overdue": overdue}))


def rows(found: Result) -> list[dict[str, Any]]:
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def test_a_row_says_which_timer_of_which_order_and_what_to_do(tmp_path: Path) -> None:
    [row] = rows(due(tmp_path, *told(*s.SHIPPED), now=s.after(3)))
    assert list(row) == list(COLUMNS)
    assert (row["order_id"], row["seller"], row["status"], row["timer"]) == (
        s.ORDER,
        "shop-1",
        "shipped",
        "protected_until",
    )
    assert (row["due_at"], row["overdue"]) == (naive(s.after(40, hours=3)), False)
    assert (row["currency"], str(row["escrow"])) == ("USD", "20.0000")
    assert row["consequence"] == "the platform closes the order and pays the seller"
    assert row["advice"].startswith("open a dispute before then if you do not have the parcel")


def test_soonest_comes_first_and_what_has_run_out_before_it(tmp_path: Path) -> None:
    facts = [
        *told(*s.CONFIRMED, order="b"),
        *told(*s.AWAITING, order="c"),
        *told(*s.CONFIRMED, order="a"),
    ]
    found = rows(due(tmp_path, *facts, now=s.after(21, hours=1)))
    assert [(row["order_id"], row["timer"], row["overdue"]) for row in found] == [
        ("c", "pay_by", True),
        ("a", "feedback_until", False),
        ("b", "feedback_until", False),
    ]


@pytest.mark.parametrize(("days", "expected"), [(39, []), (40.125, ["protected_until"]), (40.126, ["protected_until"])])
def test_within_takes_the_last_instant_too(tmp_path: Path, days: float, expected: list[str]) -> None:
    found = rows(due(tmp_path, *told(*s.SHIPPED), now=s.after(3), until=s.after(days)))
    assert [row["timer"] for row in found] == expected


def test_what_is_due_now_is_not_overdue_yet(tmp_path: Path) -> None:
    due_at = s.after(40, hours=3)
    assert rows(due(tmp_path / "a", *told(*s.SHIPPED), now=due_at, overdue=True)) == []
    late = due_at + timedelta(microseconds=1)
    assert len(rows(due(tmp_path / "b", *told(*s.SHIPPED), now=late, overdue=True))) == 1


def test_a_refund_that_bounced_is_overdue_before_its_date(tmp_path: Path) -> None:
    [row] = rows(due(tmp_path, *told(*BOUNCED), now=s.after(9), overdue=True))
    assert (row["timer"], row["overdue"]) == ("refund_by", True)
    assert row["advice"] == "give the platform an account that works, and ask for the refund again"


def test_a_refund_that_bounced_without_a_date_is_listed_first(tmp_path: Path) -> None:
    undated = (
        *s.SHIPPED,
        s.dispute_opened(),
        s.dispute_resolved(outcome="partial", to_buyer="5.00", dispute_until=s.after(30)),
        s.dispute_opened(),
        s.dispute_resolved(outcome="seller-won"),
        s.refund_failed(),
    )
    found = rows(due(tmp_path, *told(*undated, order="a"), *told(*s.AWAITING, order="b"), now=s.after(3)))
    assert [(row["timer"], row["due_at"], row["overdue"]) for row in found] == [
        ("refund_by", None, True),
        ("pay_by", naive(s.after(20)), False),
    ]


def test_a_dispute_holds_the_protection(tmp_path: Path) -> None:
    [row] = rows(due(tmp_path, *told(*s.SHIPPED, s.dispute_opened()), now=s.after(60)))
    assert row["consequence"].startswith("held: ")
    assert row["advice"] == "note what proves your side while you wait for the decision"


def test_a_cancellation_asks_for_no_answer_that_has_come(tmp_path: Path) -> None:
    asked = rows(due(tmp_path / "asked", *told(*s.CANCELLING), now=s.after(3)))
    agreed = rows(due(tmp_path / "agreed", *told(*s.CANCELLING, s.cancel_accepted()), now=s.after(3)))
    assert ([row["timer"] for row in asked], [row["timer"] for row in agreed]) == (
        ["ship_by", "answer_by"],
        ["ship_by"],
    )
    assert not any("answer" in row["advice"] for row in agreed)


def test_a_dispute_is_not_advised_where_nothing_is_left_to_dispute(tmp_path: Path) -> None:
    found = rows(due(tmp_path, *told(*s.CONFIRMED, s.refunded()), now=s.after(3)))
    advice = {row["timer"]: row["advice"] for row in found}
    assert advice["dispute_until"].startswith("nothing: ")


# For eyes.


def shown(tmp_path: Path, capsys: pytest.CaptureFixture[str], width: int, *facts: Fact) -> str:
    """What a terminal of that width shows three days after the first fact."""
    found = due(tmp_path, *facts, now=s.after(3))
    show(Target("table", screen=Screen(width, 50, False)), found, s.after(3))
    return capsys.readouterr().out


def test_a_narrow_terminal_has_two_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(tmp_path, capsys, 80, *told(*s.SHIPPED))
    assert text == (
        "8123456789012345  protected until 2024-04-10 13:00, in 37 days\n"
        "shop-1            then the platform closes the order and pays the seller\n"
        "                  open a dispute before then if you do not have the parcel;\n"
        "                  confirm only what you hold\n"
        "\n"
        "1 timer · times in UTC\n"
    )


def test_a_wide_terminal_has_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head, _, row, *_ = shown(tmp_path, capsys, 200, *told(*s.SHIPPED)).splitlines()
    assert head.split() == ["order", "seller", "what", "due", "time", "left", "then", "advice"]
    assert row.startswith("8123456789012345  shop-1  protected until  2024-04-10 13:00  in 37 days  the platform")


def test_a_refund_that_bounced_says_so_instead_of_its_date(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(tmp_path, capsys, 80, *told(*s.PROCESSING, s.closed(reason="not-shipped"), s.refund_failed()))
    assert "refund due by 2024-03-15 13:00, bounced" in text


def test_nothing_to_show_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(tmp_path / "a", capsys, 80) == "nothing to show\n"
    assert "nothing to show" in shown(tmp_path / "b", capsys, 200)


def test_a_seller_cannot_steer_the_terminal_and_lines_stay_aligned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = [s.placed(at=s.START, seller="店\u202e-1"), *s.SHIPPED[1:]]
    lines = shown(tmp_path, capsys, 80, *told(*facts)).splitlines()
    assert lines[1].startswith(r"店\u202e-1        then the platform")


# The command.


def test_a_pipe_gets_csv_with_a_head(cli: Cli, tmp_path: Path) -> None:
    record(cli, tmp_path, told(*s.SHIPPED))
    [row] = csv.DictReader(io.StringIO(cli.ok("due", "--now", "2024-03-04")))
    assert list(row) == list(COLUMNS)
    assert (row["due_at"], row["overdue"], row["escrow"]) == ("2024-04-10T13:00:00Z", "false", "20.00")


@pytest.mark.parametrize(("span", "count"), [("4w", 0), ("37d", 0), ("38 d", 1), ("9999h", 1)])
def test_within_takes_a_length_of_time(cli: Cli, tmp_path: Path, span: str, count: int) -> None:
    record(cli, tmp_path, told(*s.SHIPPED))
    assert len(json.loads(cli.ok("due", "--now", "2024-03-04", "--within", span, "-o", "json"))) == count


@pytest.mark.parametrize("span", ["soon", "7", "d", "-3d", "3d ago", "2024-03-01", "999999999w", ""])
def test_what_is_no_length_of_time_is_wrong_usage(cli: Cli, span: str) -> None:
    answer = cli("due", f"--within={span}")
    assert (answer.code, answer.out) == (2, "")
    assert "not a length of time" in answer.err


def test_as_of_lists_what_ran_then(cli: Cli, tmp_path: Path) -> None:
    record(cli, tmp_path, told(*s.SHIPPED))
    [row] = json.loads(cli.ok("due", "--as-of", "2024-03-01T12:30:00Z", "-o", "json"))
    assert (row["status"], row["timer"]) == ("processing", "ship_by")


def test_facts_are_what_the_import_takes_and_then_there_are_none(cli: Cli, tmp_path: Path) -> None:
    record(
        cli,
        tmp_path,
        told(*s.AWAITING, order="unpaid"),
        told(*s.PROCESSING, order="unshipped"),
        told(*s.CANCELLING, order="unanswered"),
        told(*s.DELIVERED, order="unclaimed"),
        told(*s.SHIPPED, s.dispute_opened(), order="disputed"),
        told(*BOUNCED, order="bounced"),
    )
    facts = cli.ok("due", "--facts", "--now", "2025-01-01")
    assert [(fact["order_id"], fact["reason"]) for fact in map(json.loads, facts.splitlines())] == [
        ("unclaimed", "protection-expired"),
        ("unanswered", "not-shipped"),
        ("unshipped", "not-shipped"),
        ("unpaid", "payment-timeout"),
    ]
    (tmp_path / "due.jsonl").write_text(facts)
    assert "4 recorded, 0 duplicates, 0 refused" in cli.ok("import", "--strict", str(tmp_path / "due.jsonl"))
    assert cli.ok("due", "--facts", "--now", "2025-01-01") == ""


def test_facts_can_be_written_to_a_file(cli: Cli, tmp_path: Path) -> None:
    record(cli, tmp_path, told(*s.AWAITING))
    assert cli.ok("due", "--facts", "--to", str(tmp_path / "due.jsonl")) == ""
    assert (tmp_path / "due.jsonl").read_text() == cli.ok("due", "--facts", "-o", "jsonl")


@pytest.mark.parametrize("more", [["-o", "csv"], ["-o", "table"], ["--to", "due.csv"], ["--within", "7d"]])
def test_facts_are_lines_of_json_and_nothing_else(cli: Cli, more: list[str]) -> None:
    answer = cli("due", "--facts", *more)
    assert (answer.code, answer.out) == (2, "")


def test_of_a_damaged_log_what_comes_before_the_damage_is_listed(cli: Cli, tmp_path: Path) -> None:
    record(cli, tmp_path, told(*s.SHIPPED))
    log = cli.ledger / "events" / "000000000001.jsonl"
    log.chmod(0o600)
    with log.open("ab") as file:
        file.write(b"no line of a log\n")
    answer = cli("due", "--now", "2024-03-04")
    assert answer.code == 5
    assert "protected_until" in answer.out


def test_due_lists_the_timers_that_run(cli: Cli, tmp_path: Path) -> None:
    history = (*s.CANCELLING, s.shipped(), s.frozen())
    record(cli, tmp_path, told(*history))
    found = json.loads(cli.ok("due", "--now", "2024-03-04", "-o", "json"))
    running = [timer.timer for timer in timers(s.given(*history).order, s.after(3)) if timer.running]
    assert sorted(row["timer"] for row in found) == sorted(running)
