"""docs/formats.md has a section for each format, with the tables that the format itself goes by.

`UPDATE_DOCS=1 pytest tests/test_formats_docs.py` writes the described parts of the page anew.
"""

import importlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from commands import export
from ledger.formats import cloudevents
from ledger.formats.catalog import FACTS, FORMATS
from ledger.formats.foreign import Format
from tests.pages import filled, keep, table
from tests.running import ROOT, Cli

PAGE = ROOT / "docs" / "formats.md"
BLOCK = re.compile(r"(?<=^```)(json|xml)\n(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line on the ledger that the page calls lamp."""
    cli = Cli(tmp_path / "lamp", capsys)
    cli.ok("init")
    particulars = ["--seller", "lamp-house", "--amount", "12.30", "--currency", "USD", "--at", "2026-05-01"]
    cli.ok("record", "placed", "81", *particulars, "--title", "Desk lamp")
    cli.ok("record", "paid", "81", "--amount", "12.30", "--at", "2026-05-01T10:00Z")
    return cli


def _incoming() -> Iterator[str]:
    rows = [(f"`{one.name}`", one.title) for one in FORMATS.values()]
    yield table(("format", "what it is"), *rows, (f"`{FACTS}`", "facts of a ledger (JSON lines)"))


def _tables(one: Format) -> dict[str, Sequence[tuple[str, str]]]:
    """Return the tables by which a format reads, each with its title; they stand where the format is."""
    found: dict[str, Sequence[tuple[str, str]]] = importlib.import_module(one.read.__module__).TABLES
    return found


def _section(one: Format) -> Iterator[str]:
    for title, rows in _tables(one).items():
        yield f"**{title}**"
        yield table(("what stands there", "what it becomes"), *_alike(rows))


def _alike(rows: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Put words that become the same into one row."""
    words: dict[tuple[str, str], list[str]] = {}
    for word, becomes in rows:
        words.setdefault((becomes, word if "," in word else ""), []).append(word)
    for (becomes, _), them in words.items():
        yield ", ".join(them), becomes


def test_the_page_says_what_the_formats_read() -> None:
    page = filled(PAGE.read_text(), "incoming", _incoming())
    for one in FORMATS.values():
        page = filled(page, one.name, _section(one))
    keep(PAGE, page)


@pytest.mark.parametrize("one", FORMATS.values(), ids=lambda one: one.name)
def test_no_cell_of_a_table_breaks_it(one: Format) -> None:
    assert _tables(one)
    for rows in _tables(one).values():
        assert rows
        assert not [row for row in rows if set("|\n*<") & set("".join(row)) or not all(row)]


@pytest.mark.parametrize("name", [FACTS, *FORMATS, *export.FORMATS])
def test_every_format_has_its_section(name: str) -> None:
    headings = re.findall(r"^#+ .*$", PAGE.read_text(), re.MULTILINE)
    assert [heading for heading in headings if f"`{name}`" in heading]


def test_the_page_says_which_exports_can_be_of_what_is_new(cli: Cli) -> None:
    rows = re.findall(r"^\| (`.*`) \| .* \| (yes|no|where its rows .*) \|$", PAGE.read_text(), re.MULTILINE)
    told = {tuple(re.findall(r"`(.*?)`", names)): answer for names, answer in rows}
    assert {name for names in told for name in names} == set(export.FORMATS)
    for names, answer in told.items():
        assert len({export.FORMATS[name] for name in names}) == 1  # one answers for all of them
        changing = ("orders", "closures") if "csv" in names else ()
        taken = [_takes_since_seq(cli, names[0], "--relation", name) for name in changing]
        taken.append(_takes_since_seq(cli, names[0]))
        due = {"yes": [True], "no": [False], "where its rows have a seq and stay as they are": [False, False, True]}
        assert taken == due[answer], names


def _takes_since_seq(cli: Cli, name: str, *options: str) -> bool:
    answer = cli("export", name, *options, "--since-seq", "2")
    assert answer.code == 0 or "--since-seq does not go with" in answer.err
    return answer.code == 0


def test_the_examples_are_what_the_exports_write(cli: Cli) -> None:
    """But for what differs from one ledger to another: its id, and when something was recorded."""
    written = "".join(cli.ok("export", name) for name in ("cloudevents", "xes", "ocel"))
    examples = BLOCK.findall(PAGE.read_text())
    assert {kind for kind, _ in examples} == {"json", "xml"}
    for _, example in examples:
        assert _anywhere(example).strip() in _anywhere(written)


def test_the_cloudevent_is_one_that_is_read() -> None:
    [example] = [text for _, text in BLOCK.findall(PAGE.read_text()) if "specversion" in text]
    assert cloudevents.fact_of(example.encode()).order_id == "81"


def _anywhere(text: str) -> str:
    text = re.sub(r"urn:orderledger:[0-9a-f]{32}", "urn:orderledger:…", text)
    return re.sub(r'("recordedtime":|key="recorded_at" value=)"[^"]*"', r"\1…", text)
