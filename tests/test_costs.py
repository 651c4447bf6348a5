"""What commands cost, counted and not timed: modules loaded, calls made for an event, bytes read of a large ledger.

A count is the same on a busy machine. One that has grown by a quarter fails; where it has grown for a good reason, the
new figure belongs here, and what it buys in the commit.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import pytest

from benchmarks.generate import facts
from ledger.book import Ledger
from ledger.importing import Line
from ledger.verify import verify
from tests.running import ROOT, Cli

EVENTS = 4_000
NOW = datetime(2026, 11, 1, tzinfo=UTC)
HEAVY = frozenset({"cryptography", "duckdb", "numpy", "openpyxl", "pandas", "pydantic", "pytz", "rich", "zoneinfo"})
"""Modules that cost tens of milliseconds, or are not needed at all."""

CALLS = {"import": 68, "verify": 53, "verify --quick": 10}
"""Calls of functions, Python's own ones too, for each event, with CPython 3.11."""

ROOM = 1.25


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of generated facts."""
    path = tmp_path_factory.mktemp("costs") / "ledger"
    imported(path)
    return path


def imported(path: Path) -> None:
    ledger = Ledger.create(path, policy="aliexpress", now=NOW, ledger_id="0" * 32)
    given = [Line("facts", number, fact.encode()) for number, fact in enumerate(facts(EVENTS, 1), 1)]
    summary = ledger.import_facts(iter(given), now=lambda: NOW, reject=lambda refused: None)
    assert summary.recorded == EVENTS


def calls(work: Callable[[], object]) -> float:
    """How many calls a work makes, for each event."""
    count = 0

    def heard(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(heard)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count / EVENTS


def works(folder: Path, full: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "import", lambda: imported(folder / "new")
    yield "verify", lambda: verify(Ledger.open(full))
    yield "verify --quick", lambda: verify(Ledger.open(full), quick=True)


def test_an_event_is_imported_and_verified_with_so_many_calls(tmp_path: Path, full: Path) -> None:
    made = {name: calls(work) for name, work in works(tmp_path, full)}
    assert {name: count for name, count in made.items() if count > CALLS[name] * ROOM} == {}, made


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="other versions count other calls")
def test_the_figures_are_those_of_today(tmp_path: Path, full: Path) -> None:
    """Else there would be room for a regression behind an improvement."""
    made = {name: calls(work) for name, work in works(tmp_path, full)}
    assert {name: count for name, count in made.items() if count < CALLS[name] / ROOM} == {}, made


def loaded(ledger: Path, *arguments: str) -> set[str]:
    """The modules that a command has loaded when it is done."""
    program = "import sys; from commands.main import run; code = run(sys.argv[1:]); print(code, *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program, "--ledger", str(ledger), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    code, *modules = done.stdout.splitlines()[-1].split()
    assert code == "0", done
    return {*modules}


@pytest.fixture(scope="module")
def order(full: Path) -> str:
    """An order of the ledger."""
    first = (full / "events" / "000000000001.jsonl").read_bytes().splitlines()[0]
    return str(json.loads(first)["event"]["order_id"])


@pytest.mark.parametrize("command", ["record noted ORDER --text x", "show ORDER", "why ORDER", "log", "verify"])
def test_a_command_about_an_order_or_the_log_loads_nothing_heavy(full: Path, order: str, command: str) -> None:
    assert loaded(full, *command.replace("ORDER", order).split()) & HEAVY == set()


def test_an_import_loads_nothing_heavy(tmp_path: Path) -> None:
    path, ledger = tmp_path / "facts.jsonl", tmp_path / "ledger"
    path.write_text("".join(fact + "\n" for fact in facts(100, 1)))
    Ledger.create(ledger, policy="aliexpress", now=NOW, ledger_id="0" * 32)
    assert loaded(ledger, "import", str(path)) & HEAVY == set()


@pytest.mark.parametrize("command", ["list", "money", "audit refunded-closures -o csv", "due"])
def test_a_question_loads_duckdb_and_nothing_else_that_is_heavy(full: Path, command: str) -> None:
    assert loaded(full, *command.split()) & HEAVY <= {"duckdb"}


READ = """
import sys
from commands.main import run
code = run(sys.argv[1:])
[read] = [line for line in open("/proc/self/io") if line.startswith("rchar")]
print(code, read.split()[1])
"""


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="the system does not tell what a process has read")
@pytest.mark.parametrize("command", ["record noted ORDER --text x", "show ORDER"])
def test_a_large_ledger_makes_a_command_about_an_order_read_no_more(
    full: Path, order: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """It may read what is not indexed yet, and a few pages of the index."""
    small = Cli(tmp_path / "ledger", capsys)
    small.ok("init")
    small.ok("record", "placed", order, "--seller", "s", "--amount", "1.00", "--currency", "USD")

    def read(ledger: Path) -> int:
        done = subprocess.run(
            [sys.executable, "-c", READ, "--ledger", str(ledger), *command.replace("ORDER", order).split()],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        code, count = done.stdout.splitlines()[-1].split()
        assert code == "0", done
        return int(count)

    read(full)
    size = sum(path.stat().st_size for path in (full / "events").iterdir())
    assert read(full) - read(small.ledger) < 200_000 < size / 4
