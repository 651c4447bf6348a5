"""An import copies the segments that it seals, beside its own work; whatever becomes of that, it is as it was."""

import json
import threading
from pathlib import Path

import pytest

from ledger import importing
from ledger.errors import StorageFailed
from queries import columnar
from tests.running import Cli


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line on a new ledger of small segments, an import of which has small batches."""
    made = Cli(tmp_path / "ledger", capsys)
    made.ok("init")
    config = made.ledger / "ledger.toml"
    config.write_text(config.read_text().replace(str(64 << 20), "3000"))
    monkeypatch.setattr(importing, "BATCH_LINES", 5)
    return made


def orders(folder: Path, first: int, end: int) -> str:
    """A file that places these orders."""
    path = folder / f"{first}.jsonl"
    with path.open("w") as lines:
        for number in range(first, end):
            fact = {"type": "placed", "order_id": f"o{number}", "seller": "s", "amount": "1.00", "currency": "USD"}
            lines.write(json.dumps(fact | {"occurred_at": f"2024-03-01T10:00:{number:02d}Z"}) + "\n")
    return str(path)


def copied(cli: Cli) -> list[int]:
    """Where the segments that have copies begin."""
    return sorted(int(path.name[:12]) for path in (cli.ledger / "cache").glob(f"*{columnar.SUFFIX}"))


def sealed(cli: Cli) -> list[int]:
    return sorted(int(path.stem) for path in (cli.ledger / "events").iterdir())[:-1]


def test_what_an_import_seals_is_copied_when_it_ends(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.ok("import", orders(tmp_path, 0, 50))
    assert copied(cli) == sealed(cli) != []
    monkeypatch.setattr(columnar, "make", None)
    assert cli.ok("sql", "SELECT count(*) AS n FROM events", "-o", "csv") == "n\n50\n"


def test_an_import_that_is_recorded_as_a_whole_copies_what_it_sealed(cli: Cli, tmp_path: Path) -> None:
    cli.ok("import", orders(tmp_path, 0, 5))
    cli.ok("import", orders(tmp_path, 5, 50), "--atomic")
    assert copied(cli) == sealed(cli) == [1]


def test_segments_sealed_before_are_left_to_the_first_question(cli: Cli, tmp_path: Path) -> None:
    cli.ok("import", orders(tmp_path, 0, 30))
    before = sealed(cli)
    for path in (cli.ledger / "cache").glob(f"*{columnar.SUFFIX}"):
        path.unlink()
    cli.ok("import", orders(tmp_path, 30, 59))
    assert copied(cli) == [first for first in sealed(cli) if first not in before] != []


def test_a_small_import_and_a_dry_run_copy_nothing(cli: Cli, tmp_path: Path) -> None:
    threads: list[object] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(threading.Thread, "start", threads.append)
        cli.ok("import", orders(tmp_path, 0, 3))
        cli.ok("import", orders(tmp_path, 10, 59), "--dry-run")
    assert threads == []
    cli.ok("import", orders(tmp_path, 10, 59))
    cli.ok("import", orders(tmp_path, 3, 9), "--dry-run")
    assert copied(cli) == sealed(cli)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), StorageFailed("the disk is full")])
def test_an_import_is_as_it_was_where_nothing_can_be_copied(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(columnar, "complete", failing)
    assert "50 recorded" in cli.ok("import", orders(tmp_path, 0, 50))
    assert copied(cli) == []


def test_an_import_that_is_stopped_copies_no_more(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from commands.import_ import Signals

    monkeypatch.setattr(Signals, "stopped", lambda self: True)
    assert cli("import", orders(tmp_path, 0, 50)).code == 128
    assert len(sealed(cli)) <= 1
    assert copied(cli) == []
