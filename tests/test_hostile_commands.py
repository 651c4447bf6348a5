"""Every command with hostile words in every place: an answer or a clear error, by the exit codes, never a traceback."""

import json
import os
import pty
import re
import subprocess
import termios
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import typer
from typer._click import Command
from typer.core import TyperGroup, TyperOption

from commands.main import app
from tests.running import PROGRAM, ROOT, Cli

HOSTILE = "[red]x[/] \x1b[5;35m\x1b]0;title\x07 \u202e\u2066 =1+1"
WORDS = [
    HOSTILE,
    "",
    " ",
    "--",
    "-",
    "-1",
    "0",
    "9" * 400,
    "1e999",
    "nan",
    "\u0663",
    "\x1b[31m\x07",
    "\u202e\u2066",
    "a\r\nb",
    "[red]x[/]",
    "=HYPERLINK(1)",
    "'; DROP TABLE events; --",
    "x" * 5000,
    "/" * 300,
    "nowhere/at/all",
    ".",
    "/dev/null",
    "{}",
    "[" * 3000,
    "\ud800",
    "\udcff",
    "now",
    "999999999w ago",
    "a=b",
    "=",
    "%s{0}$x",
]
LEAVES_OF = {
    "record": {"placed", "noted", "closed", "dispute-resolved"},
    "audit": {"closures-by-reason", "seller-risk"},
}
"""Of groups whose commands are all made by the same function, a few."""
LEFT_OUT = {"demo"}
"""It makes a ledger of its own, with much in it."""


def _leaves(command: Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Command]]:
    """Every command that does something, with the words that lead to it."""
    if isinstance(command, TyperGroup):
        ctx = typer.Context(command)
        for name in sorted(LEAVES_OF.get(" ".join(path), set(command.list_commands(ctx)) - LEFT_OUT)):
            found = command.get_command(ctx, name)
            assert found is not None, name
            yield from _leaves(found, (*path, name))
    else:
        yield path, command


LEAVES = {" ".join(path): command for path, command in _leaves(typer.main.get_command(app))}
NEEDED = {
    "record placed": ["--seller", "s", "--amount", "5", "--currency", "USD"],
    "record dispute-resolved": ["--outcome", "partial"],
    "retract": ["--why", "x"],
    "keygen": ["--to", "key"],
}
STEP = 15
"""Every option is tried with each fifteenth word, the next option with the next ones."""


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    made = Cli(tmp_path / "ledger", capsys)
    made.ok("init")
    placed = ["placed", "81", "--seller", "s", "--amount", "5", "--currency", "USD", "--title", HOSTILE]
    made.ok("record", *placed, "--at", "2026-01-01")
    made.ok("record", "noted", "81", "--text", HOSTILE, "--at", "2026-01-02")
    return made


def _lines(name: str, command: Command) -> Iterator[list[str]]:
    """The command with hostile words in each of its places."""
    path, needed = name.split(), NEEDED.get(name, [])
    options = [param for param in command.params if isinstance(param, TyperOption) and not param.is_flag]
    arguments = [param for param in command.params if not isinstance(param, TyperOption)]
    for word in WORDS if arguments else ():
        yield [*path, *([word] * len(arguments)), *needed]
    for number, option in enumerate(options):
        for word in WORDS[number % STEP :: STEP]:
            yield [*path, *(["81"] * len(arguments)), *needed, f"{option.opts[0]}={word}"]


@pytest.mark.parametrize("name", LEAVES)
def test_no_word_in_any_place_makes_a_traceback_or_does_damage(cli: Cli, name: str) -> None:
    for arguments in _lines(name, LEAVES[name]):
        answer = cli(*arguments)
        assert answer.code in (0, 1, 2, 3, 4, 7), (arguments, answer)
        assert answer.code in (0, 1) or 1 <= len(answer.err.splitlines()) <= 3, (arguments, answer)
    assert json.loads(cli("verify", "-o", "json").out)["ok"]


NOT_UTF8 = os.fsdecode(b"\xff.jsonl")


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", NOT_UTF8],
        ["list", "--seller", NOT_UTF8],
        ["list", f"--seller={NOT_UTF8}"],
        ["log", "--order", NOT_UTF8],
        ["sql", NOT_UTF8],
        ["sql", "SELECT $a", "-p", f"a={NOT_UTF8}"],
        ["record", "noted", NOT_UTF8],
        ["record", "noted", "81", f"--text={NOT_UTF8}"],
        ["retract", "81", f"--why={NOT_UTF8}"],
        ["check-proof", NOT_UTF8, "--public-key", NOT_UTF8],
    ],
)
def test_the_name_of_a_file_that_is_no_utf8_is_no_text(cli: Cli, arguments: list[str]) -> None:
    Path(NOT_UTF8).write_text("")
    answer = cli(*arguments)
    assert answer.code in (2, 4), answer
    assert 1 <= len(answer.err.splitlines()) <= 3
    assert json.loads(cli("verify", "-o", "json").out)["events"] == 2


def test_files_with_names_that_are_no_utf8_are_read_and_written(cli: Cli) -> None:
    refused = os.fsdecode(b"refused-\xff")
    for name, text in ((NOT_UTF8, '{"type":"nonsense"}\n'), (refused, ""), (os.fsdecode(b"m\xff.sql"), MAP)):
        Path(name).write_text(text)
    Path(os.fsdecode(b"t\xff.csv")).write_text("order_id\n81\n82\n")
    answer = cli("import", NOT_UTF8, "--rejects", refused, "-o", "json")
    assert (answer.code, json.loads(answer.out)["rejects"]) == (4, r"refused-\xff")
    assert json.loads(Path(refused).read_text())["file"] == r"\xff.jsonl"
    counts = json.loads(
        cli("import", "--map", os.fsdecode(b"m\xff.sql"), os.fsdecode(b"t=t\xff.csv"), "-o", "json").out
    )
    assert (counts["recorded"], counts["refused"]) == (1, 1)


MAP = "SELECT 'noted' AS type, order_id, TIMESTAMP '2026-01-03' AS occurred_at, 'x' AS text FROM t"


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_a_map_waits_for_no_pipe(cli: Cli, name: str) -> None:
    os.mkfifo(name)
    Path("map.sql").write_text(MAP)
    answer = cli("import", "--map", "map.sql", f"t={name}")
    assert (answer.code, "plain file" in answer.err) == (4, True), answer


@pytest.mark.parametrize("arguments", [["sql", "-f", "/dev/zero"], ["import", "--map", "/dev/zero", "t=t.csv"]])
def test_an_endless_text_is_given_up(cli: Cli, arguments: list[str]) -> None:
    Path("t.csv").write_text("order_id\n81\n")
    answer = cli(*arguments)
    assert (answer.code, "so long" in answer.err) == (4, True), answer


SECRET = "the-secret-of-another-file"
TRIES = [
    ".read secret.csv",
    "SELECT getenv('HOME') AS note",
    "SELECT file AS note FROM glob('*')",
    "SELECT content AS note FROM read_text('link.csv')",
    "SELECT content AS note FROM read_text('secret.csv')",
    "SELECT content AS note FROM read_text('{work}/link.csv')",
    "SELECT * FROM read_csv('{work}/secret.csv')",
    "SELECT * FROM 'link.csv'",
    "SELECT * FROM '{work}/secret.csv'",
    'SELECT * FROM "{work}/link.csv"',
    "SELECT content AS note FROM read_text('{work}/t.csv')",
    "SELECT content AS note FROM read_text('{work}/folder/../secret.csv')",
    "COPY (SELECT 1) TO '{work}/link.csv'",
]


@pytest.mark.parametrize("text", TRIES)
def test_maps_and_audits_read_nothing_else_through_links_either(cli: Cli, text: str) -> None:
    work = Path.cwd()
    (work / "folder").mkdir()
    (work / "secret.csv").write_text(f"note\n{SECRET}\n")
    (work / "link.csv").symlink_to("secret.csv")
    (work / "t.csv").write_text("order_id\n81\n")
    (work / "real.sql").write_text(text.replace("{work}", str(work)))
    (work / "map.sql").symlink_to("real.sql")
    own = cli.ledger / "audits" / "own.sql"
    own.write_text("-- question: What is in it?\n" + text.replace("{work}", str(work)))
    for arguments in (["import", "--map", "map.sql", "t=t.csv"], ["audit", "own"], ["sql", "-f", "map.sql"]):
        answer = cli(*arguments)
        assert answer.code in (2, 4), answer
        assert SECRET not in answer.out + answer.err
    assert (work / "secret.csv").read_text() == f"note\n{SECRET}\n"


def test_a_table_that_is_a_link_is_the_file_it_leads_to(cli: Cli) -> None:
    """Whoever names a link names its file; what stands beside that is not read."""
    Path("real.csv").write_text("order_id\n81\n")
    Path("link.csv").symlink_to("real.csv")
    Path("map.sql").write_text(MAP)
    assert json.loads(cli.ok("import", "--map", "map.sql", "t=link.csv", "-o", "json"))["recorded"] == 1


SEEN = [
    ["show", "81"],
    ["why", "81"],
    ["list"],
    ["log"],
    ["due"],
    ["sql", 'SELECT title, title AS "[red]a\x1b" FROM orders'],
    ["export", "facts"],
    ["log", "-o", "jsonl"],
    ["list", "-o", "json"],
    ["list", "-o", "csv"],
    ["list", "-o", "md"],
    ["show", "81", "-o", "json"],
    ["show", HOSTILE],
    ["record", "noted", HOSTILE],
    ["import", HOSTILE],
    ["reconcile", HOSTILE],
    ["audit", HOSTILE],
    ["sql", f'SELECT "{HOSTILE}"'],
]


@pytest.mark.parametrize(
    "arguments", SEEN, ids=lambda arguments: " ".join(arguments[:3]).encode("unicode_escape").decode()
)
def test_on_a_terminal_hostile_text_is_text(cli: Cli, arguments: list[str]) -> None:
    shown = _on_a_terminal([*PROGRAM, "--ledger", str(cli.ledger), *arguments])
    plain = re.sub(rb"\x1b\[[0-9;]*m", b"", shown)
    assert b"Traceback" not in plain
    assert b"\x1b[5;35m" not in shown
    assert not set(plain) & ({*range(32), 127} - {*b"\r\n"}), plain
    assert "\u202e" not in plain.decode()
    assert "\u2066" not in plain.decode()
    assert arguments == ["due"] or b"202e" in plain, plain
    if "json" in arguments[-1]:
        assert b"\\u202e" in plain


def _on_a_terminal(command: list[str]) -> bytes:
    """What a command writes to a terminal of 200 columns."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (50, 200))
    environment = os.environ | {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT), "PAGER": ""}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        found = b""
        with suppress(OSError):  # the terminal's other side is closed
            while block := os.read(ours, 1 << 16):
                found += block
        process.wait()
    os.close(ours)
    return found
