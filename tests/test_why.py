"""`why`: the same explanation as text and as values, at any moment, also of a damaged log."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from commands.demo import order_of
from commands.output import Screen, Target
from commands.story import Page
from commands.why import as_data, write
from ledger.rules import RULES
from queries.explain import explain
from tests import scenario as s
from tests.running import ROOT, Cli

SAMPLES = ROOT / "sample_logs"
NAMES = [path.stem for path in sorted(SAMPLES.glob("*.jsonl")) if path.stem != "broken"]
NOW = "2026-06-01T12:00:00Z"


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """A new ledger and the command line on it."""
    cli = Cli(tmp_path / "ledger", capsys)
    cli.ok("init")
    return cli


def sample(cli: Cli, name: str) -> str:
    """Import a sample log and give its order."""
    cli("import", str(SAMPLES / f"{name}.jsonl"))
    return order_of(SAMPLES / f"{name}.jsonl")


def data(cli: Cli, order_id: str, *arguments: str) -> dict[str, Any]:
    """The explanation as values."""
    found: dict[str, Any] = json.loads(cli.ok("why", order_id, "--now", NOW, "-o", "json", *arguments))
    return found


def test_json_has_the_promised_shape(cli: Cli) -> None:
    found = data(cli, sample(cli, "still-open"))
    assert list(found) == ["order_id", "status", "sentences", "money", "options"]
    assert {tuple(said) for said in found["sentences"]} == {("text", "rule", "seqs")}
    assert found["options"][0] == {
        "action": "open a dispute before then if you do not have the parcel; confirm only what you hold",
        "until": "2026-06-25T10:00:00Z",
        "seqs": [5],
    }
    assert found["money"] == json.loads(cli.ok("show", found["order_id"], "-o", "json"))["money"]


def test_jsonl_is_the_same_on_one_line(cli: Cli) -> None:
    order = sample(cli, "refund-failed")
    text = cli.ok("why", order, "--now", NOW, "-o", "jsonl")
    assert text.count("\n") == 1
    assert json.loads(text) == data(cli, order)


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_is_explained_in_eighty_columns_with_the_sentences_of_the_json(cli: Cli, name: str) -> None:
    order = sample(cli, name)
    text = cli.ok("why", order, "--now", NOW)
    assert max(map(len, text.splitlines())) <= 80
    assert not re.search(r"\b(to_buyer|to_seller|refund_by|None|closed-by-security)\b", text)
    words = " ".join(text.split())
    for said in data(cli, order)["sentences"]:
        assert f"{said['text']} ({said['rule']}, {' '.join(f'#{seq}' for seq in said['seqs'])})" in words


def test_the_rules_it_rests_on_are_told_at_the_end(cli: Cli) -> None:
    text = cli.ok("why", sample(cli, "security-closure"), "--now", NOW)
    told = re.findall(r"^  (R\d+a?|L) +\S", text.partition("\nThe rules\n")[2], re.MULTILINE)
    assert set(told) == set(re.findall(r"\((R\d+a?|L), #", text))
    assert told == [rule for rule in RULES if rule in told]


def test_at_an_earlier_moment_it_is_said_as_of_then(cli: Cli) -> None:
    order = sample(cli, "delivered-elsewhere")
    text = " ".join(cli.ok("why", order, "--as-of", "2025-08-25").split())
    assert "If you do not have the parcel, open a dispute before 2025-08-29 12:05" in text
    assert "4 days left by 2025-08-29 12:05: open a dispute before then" in text
    assert "tracking-page.png" not in text


def test_a_retracted_event_is_explained_unless_one_looks_from_a_moment(cli: Cli) -> None:
    order = sample(cli, "typing-mistake")
    assert "this was taken back, because: typed 94.50 for 49.50" in " ".join(cli.ok("why", order).split())
    assert "94.50" not in cli.ok("why", order, "--as-of", "2026-06-01")


def test_times_are_told_in_the_zone_asked_for(cli: Cli) -> None:
    order = sample(cli, "still-open")
    text = cli.ok("why", order, "--now", NOW, "--tz", "Europe/Moscow")
    assert "by 2026-06-25 13:00" in text
    assert "What you can do (times in Europe/Moscow)" in text
    assert data(cli, order, "--tz", "Europe/Moscow")["options"][0]["until"] == "2026-06-25T10:00:00Z"


def test_an_order_nobody_knows_is_no(cli: Cli) -> None:
    answer = cli("why", "none-such")
    assert (answer.code, answer.out) == (1, "")
    assert "no such order" in answer.err
    assert cli("why", sample(cli, "confirmed"), "--known-at", "2020-01-01").code == 1


def test_an_explanation_has_no_columns(cli: Cli) -> None:
    answer = cli("why", sample(cli, "still-open"), "-o", "csv")
    assert (answer.code, "'csv'" in answer.err) == (2, True)


def test_an_explanation_can_be_written_to_a_file(cli: Cli, tmp_path: Path) -> None:
    order = sample(cli, "still-open")
    assert cli.ok("why", order, "--now", NOW, "--to", str(tmp_path / "why.txt")) == ""
    assert (tmp_path / "why.txt").read_text() == cli.ok("why", order, "--now", NOW)


def test_of_a_damaged_log_what_comes_before_the_damage_is_explained(cli: Cli) -> None:
    order = sample(cli, "confirmed")
    log = cli.ledger / "events" / "000000000001.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.chmod(0o600)
    log.write_bytes(b"".join([*lines[:5], b'{"seq":6}\n', *lines[6:]]))
    answer = cli("why", order, "--now", NOW)
    assert answer.code == 5
    assert "The parcel is on its way" in answer.out
    assert "missing from the log" in answer.err


def test_an_explanation_needs_neither_database_nor_drawing(cli: Cli) -> None:
    order = sample(cli, "confirmed")
    program = "import sys; from commands.main import run; code = run(sys.argv[1:]); print(code, *sys.modules)"
    command = [sys.executable, "-c", program, "--ledger", str(cli.ledger), "why", order]
    last = subprocess.run(command, capture_output=True, check=True, text=True, cwd=ROOT).stdout.splitlines()[-1]
    code, *modules = last.split()
    assert code == "0"
    assert not {"duckdb", "rich"} & set(modules)


def test_the_policy_of_the_ledger_counts(cli: Cli) -> None:
    cli.ok("record", "placed", "81", "--seller", "s1", "--amount", "9.99", "--currency", "EUR", "--at", "2026-05-31")
    assert "cancel it yourself" in cli.ok("why", "81", "--now", NOW)
    (cli.ledger / "policy.toml").write_text("buyer_cancels_unpaid = false\n")
    assert "cancel it yourself" not in cli.ok("why", "81", "--now", NOW)


LATE = (*s.SHIPPED, s.closed_by_security(), s.noted(text="\x1b[31mred\u202e"))


def page(screen: Screen | None) -> str:
    """The explanation of a late refund, on such a screen."""
    order = s.given(*LATE).order
    page = Page(Target("table", screen=screen))
    found = explain(order, s.POLICY, s.after(60), day=page.day, minute=page.minute)
    return write(page, order, found, s.after(60))


def test_on_a_terminal_it_is_coloured_by_meaning() -> None:
    coloured = page(Screen(80, 50, True))
    assert re.sub(r"\x1b\[\d+m", "", coloured) == page(Screen(80, 50, False))
    late = next(line for line in coloured.splitlines() if "and late" in line)
    assert late.startswith("  \x1b[31m20.00 USD is on its way back to you, and late")
    assert "\x1b[2m(R15, #5)\x1b[0m" in coloured
    assert "\x1b[31m  at once" in coloured


def test_text_of_the_log_cannot_steer_a_terminal() -> None:
    assert r"\x1b[31mred\u202e" in " ".join(page(Screen(80, 50, False)).split())
    assert "\x1b[31mred\u202e" in page(None)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_it_keeps_to_the_width_and_is_never_wider_than_can_be_read(width: int) -> None:
    assert max(map(len, page(Screen(width, 50, False)).splitlines())) <= min(width, 110)


def test_values_of_an_order_that_was_taken_back() -> None:
    order = s.given(*s.AWAITING, s.retracted(retracts=1)).order
    found = as_data(order, explain(order, s.POLICY, s.after(2), day=str, minute=str))
    assert (found["status"], found["options"], found["money"]["currency"]) == ("none", [], None)
