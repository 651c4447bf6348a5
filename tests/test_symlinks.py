"""A ledger whose folders and files were replaced: by links to elsewhere, by pipes and devices.

A command works on what is rightly there or says what is wrong; it touches nothing outside and waits for nobody.
"""

import faulthandler
import os
import shutil
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.running import Cli

FOLDERS = ["events", "checkpoints", "rejects", "cache", "audits"]
FILES = [
    "events/000000000001.jsonl",
    "events/000000000003.jsonl",
    "lock",
    "checkpoints/000000000003",
    "checkpoints/.new",
    "cache/index.sqlite",
    "cache/index.sqlite-journal",
    "audits/mine.sql",
    "policy.toml",
    "ledger.toml",
    "ledger.toml.tmp",
]
COMMANDS = [
    ["show", "a"],
    ["log"],
    ["audit", "mine"],
    ["policy"],
    ["verify"],
    ["record", "noted", "a", "--text", "x", "--at", "2026-01-03"],
    ["import", "bad.jsonl"],
    ["checkpoint"],
    ["prove", "1"],
    ["repair"],
    ["rebuild"],
    ["export", "facts", "events.jsonl"],
    ["list", "--to", "{ledger}/events/000000000001.jsonl", "-o", "jsonl"],
    ["list", "--to", "{ledger}/ledger.toml", "-o", "jsonl"],
    ["import", "bad.jsonl", "--rejects", "{ledger}/checkpoints/000000000003"],
]
PRECIOUS = b"precious\n"


@pytest.fixture
def template(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger of two segments, with one of every file it can have, and a file of which an import refuses all."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    (work / "bad.jsonl").write_text('{"type":"nonsense"}\n')
    cli = Cli(tmp_path / "template", capsys)
    cli.ok("init")
    for order in "ab":
        cli.ok("record", "placed", order, "--seller", "s", "--amount", "5", "--currency", "USD", "--at", "2026-01-01")
    cli.ok("record", "paid", "a", "--amount", "5", "--at", "2026-01-02")
    first = cli.ledger / "events" / "000000000001.jsonl"
    lines = first.read_bytes().splitlines(keepends=True)
    first.write_bytes(b"".join(lines[:2]))
    first.chmod(0o400)
    first.with_name("000000000003.jsonl").write_bytes(lines[2])
    cli.ok("rebuild")
    cli.ok("checkpoint")
    (cli.ledger / "policy.toml").write_text("pay_days = 3\n")
    (cli.ledger / "audits" / "mine.sql").write_text("-- question: One?\nSELECT 1 AS one\n")
    return cli.ledger


def _to_its_own(place: Path, outside: Path) -> None:
    if place.exists():
        place.rename(outside / "target")
        place.symlink_to(outside / "target")


def _to_anothers(place: Path, outside: Path) -> None:
    if place.is_dir():
        place.rename(outside / "taken")
        (outside / "target").mkdir()
        (outside / "target" / "file").write_bytes(PRECIOUS)
    else:
        place.unlink(missing_ok=True)
        (outside / "target").write_bytes(PRECIOUS)
    place.symlink_to(outside / "target")


def _to_nothing(place: Path, outside: Path) -> None:
    _take_away(place, outside)
    place.symlink_to(outside / "target")


def _take_away(place: Path, outside: Path) -> None:
    if place.is_dir():
        place.rename(outside / "taken")
    else:
        place.unlink(missing_ok=True)


KINDS: dict[str, Callable[[Path, Path], None]] = {
    "its own": _to_its_own,
    "another's": _to_anothers,
    "nothing": _to_nothing,
}


def _state(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Everything below a folder: mode, time of the last change and content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        about = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(about.st_mode) else b""
        found[str(path)] = (about.st_mode, about.st_ino, about.st_mtime_ns if content else 0, content)
    return found


def cases(places: list[str], kinds: Iterable[str]) -> list[ParameterSet]:
    return [pytest.param(place, kind) for place in places for kind in kinds]


@pytest.mark.parametrize(("place", "kind"), cases([*FOLDERS, *FILES], KINDS))
def test_nothing_outside_the_ledger_is_touched(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str, kind: str
) -> None:
    touched = []
    for number, command in enumerate(COMMANDS):
        ledger, outside = tmp_path / f"ledger-{number}", tmp_path / f"outside-{number}"
        shutil.copytree(template, ledger)
        outside.mkdir()
        KINDS[kind](ledger / place, outside)
        before = _state(outside)
        answer = Cli(ledger, capsys)(*(word.replace("{ledger}", str(ledger)) for word in command))
        assert answer.code in (0, 1, 2, 4, 5, 7), (command, answer)
        assert len(answer.err.splitlines()) <= 3, (command, answer)
        if _state(outside) != before:
            touched.append((" ".join(command), answer.code))
    assert touched == []


def _pipe(place: Path, outside: Path) -> None:
    _take_away(place, outside)
    os.mkfifo(place)


def _to_a_device(place: Path, outside: Path) -> None:
    _take_away(place, outside)
    place.symlink_to("/dev/zero")


ENDLESS: dict[str, Callable[[Path, Path], None]] = {
    "a pipe": _pipe,
    "a link to a device": _to_a_device,
}


@pytest.mark.parametrize(
    ("place", "kind"), cases([*FOLDERS, *(name for name in FILES if not name.endswith((".new", ".tmp")))], ENDLESS)
)
def test_no_command_waits_for_a_pipe_or_reads_a_device(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str, kind: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    ENDLESS[kind](template / place, outside)
    cli = Cli(template, capsys)
    # Whoever waits in a system call hears no signal.
    faulthandler.dump_traceback_later(60, exit=True, file=2)
    try:
        answers = [(command, cli(*command)) for command in COMMANDS if "{ledger}" not in " ".join(command)]
    finally:
        faulthandler.cancel_dump_traceback_later()
    for command, answer in answers:
        lines = answer.err.splitlines()
        assert answer.code in {0, 1, 2, 4, 5, 7}, (command, answer)
        assert len([line for line in lines if not line.startswith("warning: ")]) <= 3, (command, answer)
        assert lines or answer.code in (0, 1), command
    assert sum(about.lstat().st_size for about in outside.rglob("*") if about.is_file()) < 1 << 20
