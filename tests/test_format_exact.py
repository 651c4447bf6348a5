"""The ledger's own facts in other clothes: CloudEvents, and the lines of another ledger's log."""

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commands.main import run
from ledger.book import Ledger
from ledger.errors import BadInput
from ledger.events import Recorded, tag_of
from ledger.formats.cloudevents import CLOUDEVENTS, events
from ledger.formats.foreign import Asked, Format
from ledger.formats.log_lines import LOG_LINES
from tests import scenario as s
from tests.running import Cli
from tests.strategies import histories
from tests.telling import FORMATS, check, files, told
from tests.test_laws_ledger import content, log_bytes, new_ledger, tell, texts

EXACT = [CLOUDEVENTS, LOG_LINES]
STORY = [
    s.placed(at=s.after(0), title="деньги 💸"),
    s.paid(at=s.after(1), amount="12.50", fact_id="bank:1"),
    s.paid(at=s.after(1), amount="12.50", fact_id="bank:2"),
    s.shipped(at=s.after(4), tracking="RR473124820GB"),
    s.confirmed(at=s.after(9)),
    s.dispute_opened(at=s.after(10)),
    s.dispute_resolved(at=s.after(12), to_buyer="0"),
    s.noted(at=s.after(13)),
    s.retracted(at=s.after(14), retracts=8),
]
"""Odd, zero and taken back, and two payments that would be one if they were held against each other loosely."""


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(tmp_path / "ledger", capsys)


@pytest.fixture
def ledger(cli: Cli) -> Ledger:
    made = new_ledger(str(cli.ledger.parent))
    _, refused = tell(made, texts(STORY))
    assert refused == []
    return made


def exported(ledger: Ledger, path: Path, kind: str) -> None:
    """Write a ledger as CloudEvents, or the lines of its log."""
    to = ["export", "cloudevents", str(path)] if kind == "cloudevents" else ["log", "-o", "jsonl", "--to", str(path)]
    assert run(["--ledger", str(ledger.path), *to]) == 0


def imported(path: Path, folder: str, *arguments: str, name: str = "again") -> list[Recorded]:
    """Import a file into a new ledger and return what it has then."""
    ledger = new_ledger(folder, name)
    assert run(["--ledger", str(ledger.path), "import", str(path), *arguments]) == 0
    return content(ledger)


# Files.


@pytest.mark.parametrize("path", files("cloudevents"), ids=lambda path: str(path.name))
def test_cloudevents_tell_what_they_told(path: Path) -> None:
    assert CLOUDEVENTS.sniff(path.read_bytes())
    check(CLOUDEVENTS, path)


@pytest.mark.parametrize("path", files("log"), ids=lambda path: str(path.name))
def test_logs_tell_what_they_told(path: Path) -> None:
    assert LOG_LINES.sniff(path.read_bytes())
    check(LOG_LINES, path)


@pytest.mark.parametrize("format_", EXACT, ids=lambda format_: str(format_.name))
def test_neither_takes_the_other_s_files_or_facts(format_: Format) -> None:
    others = [path for other in EXACT if other is not format_ for path in files(other.name)]
    assert [path.name for path in others if format_.sniff(path.read_bytes())] == []
    assert not format_.sniff(b"\n".join(texts(STORY)))
    assert not format_.sniff(b'{"type":"noted","text":"{\\"seq\\":1,\\"specversion\\":\\"1.0\\",\\"recorded_at\\":1}"}')


def test_the_layouts_of_cloudevents_tell_the_same() -> None:
    found = [told(CLOUDEVENTS, (FORMATS / "cloudevents" / name).read_bytes()) for name in ("batch.json", "lines.jsonl")]
    assert found[0] == found[1]
    assert len(found[0].splitlines()) == 4


@pytest.mark.parametrize("format_", EXACT, ids=lambda format_: str(format_.name))
@pytest.mark.parametrize("junk", [b"null", b"a,b\n1,2\n", b"\xff", b'"specversion":', b"[{]", b"["])
def test_what_is_no_such_file_is_bad_input(format_: Format, junk: bytes) -> None:
    with pytest.raises(BadInput):
        list(format_.read(junk, Asked(None, list)))


@pytest.mark.parametrize("format_", EXACT, ids=lambda format_: str(format_.name))
@settings(max_examples=40)
@given(data=st.data())
def test_nothing_but_bad_input_is_raised(format_: Format, data: st.DataObject) -> None:
    """Also where a good file is broken anywhere."""
    good = b"".join(path.read_bytes() for path in files(format_.name))
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 60)))
    broken = good[:start] + data.draw(st.binary(max_size=8)) + good[end:]
    for read in (broken, data.draw(st.binary(max_size=60))):
        format_.sniff(read)
        try:
            records = list(format_.read(read, Asked(None, list)))
        except BadInput:
            continue
        assert all(len(record.facts) + len(record.problems) == 1 for record in records)


# There and back.


@settings(max_examples=4)
@given(log=histories(min_orders=2, max_orders=3))
def test_another_ledger_is_made_equal(log: list[Recorded]) -> None:
    """Events, seqs, versions, statuses and flags; only the time of recording is its own."""
    with TemporaryDirectory() as folder:
        ledger = new_ledger(folder)
        tell(ledger, texts(line.event for line in log))
        for kind in ("cloudevents", "log"):
            path = Path(folder, f"{kind}.jsonl")
            exported(ledger, path, kind)
            assert imported(path, folder, name=f"from {kind}") == content(ledger)


@pytest.mark.parametrize("kind", ["cloudevents", "log"])
def test_it_is_sniffed_and_counts_as_told_the_second_time(cli: Cli, ledger: Ledger, kind: str) -> None:
    path = cli.ledger.parent / "exported.jsonl"
    exported(ledger, path, kind)
    before = log_bytes(ledger)
    assert imported(path, str(cli.ledger.parent)) == content(ledger)
    answer = json.loads(cli("import", "-o", "json", str(path)).out)
    assert (answer["read"], answer["duplicates"], answer["refused"]) == (9, 9, 0)
    assert log_bytes(ledger) == before


def as_batch(lines: bytes) -> bytes:
    return b"[" + b",\n ".join(lines.splitlines()) + b"]"


def windows(lines: bytes) -> bytes:
    return b"\xef\xbb\xbf" + lines.replace(b"\n", b"\r\n\r\n")


def without_crc(lines: bytes) -> bytes:
    return b"".join(line[: line.rindex(b',"crc"')] + b"}\n" for line in lines.splitlines())


@pytest.mark.parametrize(
    ("kind", "change"), [("cloudevents", as_batch), ("cloudevents", windows), ("log", windows), ("log", without_crc)]
)
def test_other_layouts_make_an_equal_ledger(
    cli: Cli, ledger: Ledger, kind: str, change: Callable[[bytes], bytes]
) -> None:
    path = cli.ledger.parent / "exported.json"
    exported(ledger, path, kind)
    path.write_bytes(change(path.read_bytes()))
    assert imported(path, str(cli.ledger.parent), "--sort") == content(ledger)


@pytest.mark.parametrize(("kind", "change"), [("log", bytes), ("cloudevents", as_batch)])
def test_what_is_exact_is_not_held_against_what_is_near(
    cli: Cli, ledger: Ledger, kind: str, change: Callable[[bytes], bytes]
) -> None:
    """Scans within minutes are several; a foreign file would tell of one."""
    path = cli.ledger.parent / "scans.json"
    tell(ledger, texts(s.scanned(at=s.after(5, minutes=minutes)) for minutes in (0, 1, 2)))
    exported(ledger, path, kind)
    path.write_bytes(change(path.read_bytes()))
    again = imported(path, str(cli.ledger.parent))
    assert [tag_of(line.event) for line in again].count("scanned") == 3


def test_a_changed_line_is_refused(cli: Cli, ledger: Ledger) -> None:
    """And the retraction, which names a version: without the line, the versions are others."""
    path = cli.ledger.parent / "log.jsonl"
    exported(ledger, path, "log")
    path.write_bytes(path.read_bytes().replace(b'"tracking":"RR473124820GB"', b'"tracking":"RR473124829GB"'))
    answer = Cli(new_ledger(str(cli.ledger.parent), "again").path, cli._capsys)("import", "-o", "json", str(path))
    found = json.loads(answer.out)
    assert (answer.code, found["recorded"], found["refused"]) == (4, 7, 2)
    reject, later = [json.loads(line) for line in Path(found["rejects"]).read_text().splitlines()]
    assert [(one["line"], one["rule"]) for one in (reject, later)] == [(4, "F"), (9, "R23")]
    assert "does not match its CRC" in reject["reason"]
    assert reject["text"].encode() == path.read_bytes().splitlines()[3]


def test_a_file_of_lines_may_be_larger_than_one_that_is_read_as_a_whole(
    cli: Cli, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commands.lines.MAX_BYTES", 10)
    for kind in ("cloudevents", "log"):
        path = cli.ledger.parent / kind
        exported(ledger, path, kind)
        assert json.loads(cli("import", "-o", "json", str(path)).out)["duplicates"] == 9
    path.write_bytes(as_batch((cli.ledger.parent / "cloudevents").read_bytes()))
    assert cli("import", str(path)).code == 4


# What a CloudEvent says.


def test_a_cloudevent_says_where_it_comes_from_and_which_it_is(cli: Cli, ledger: Ledger) -> None:
    found: list[dict[str, Any]] = [json.loads(line) for line in cli.ok("export", "cloudevents").splitlines()]
    assert [one["id"] for one in found] == [str(seq) for seq in range(1, 10)]
    assert {one["source"] for one in found} == {f"urn:orderledger:{ledger.config.id}"}
    data = [json.loads(line) for line in cli.ok("export", "facts").splitlines()]
    assert [one["data"] for one in found] == data
    lines = content(ledger)
    for one, fact, line in zip(found, data, lines, strict=True):
        said = (one["specversion"], one["type"], one["subject"], one["time"], one["datacontenttype"])
        assert said == ("1.0", f"org.orderledger.{fact['type']}", s.ORDER, fact["occurred_at"], "application/json")
        assert set(one) - {"data"} == {
            *("specversion", "id", "source", "type", "subject", "time", "recordedtime", "datacontenttype")
        }
        assert all(name.isalnum() and name.islower() for name in one)
        assert line.event.order_id == one["subject"]


def test_cloudevents_are_those_of_the_moment_and_of_what_is_new(cli: Cli, ledger: Ledger) -> None:
    early = cli.ok("export", "cloudevents", "--as-of", s.after(5).isoformat()).splitlines()
    assert [json.loads(line)["id"] for line in early] == ["1", "2", "3", "4"]
    new = cli("export", "cloudevents", "--since-seq", "8")
    assert ([json.loads(line)["id"] for line in new.out.splitlines()], new.err) == (["8", "9"], "10\n")


def test_each_event_is_one_line_whatever_its_texts_hold() -> None:
    fact = s.noted(at=s.after(0), text="two\nlines, a \u2028 and a \x00")
    line = Recorded(seq=1, version=1, recorded_at=s.NOW, status="none", event=fact)
    [written] = events([line], "0" * 32)
    assert written.count(b"\n") == 1
    assert msgspec.json.decode(written)["data"]["text"] == "two\nlines, a \u2028 and a \x00"
