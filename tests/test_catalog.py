"""The catalogue: what the headers of audits say, and how a wrong one is told."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger import errors
from queries import catalog
from tests.logs import relations
from tests.running import Cli


def _own(tmp_path: Path, text: str, name: str = "mine.sql") -> Path:
    folder = tmp_path / "own"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder


def test_the_packaged_audits_have_the_columns_their_headers_promise(tmp_path: Path) -> None:
    with relations(tmp_path, []) as found:
        for audit in catalog.audits().values():
            assert audit.packaged
            result = found.run_sandboxed(audit.sql, {param.name: param.default for param in audit.params})
            assert list(zip(result.columns, result.types, strict=True)) == list(audit.columns), audit.name
            assert audit.question.endswith("?")
            assert audit.theme != catalog.OWN_THEME
            assert all(param.help for param in audit.params)


def test_the_first_audits_are_there() -> None:
    wanted = {"refunded-closures", "paid-out-closures", "split-closures", "unexplained-closures", "money-by-account"}
    assert wanted <= set(catalog.audits())


def test_a_header_says_question_parameters_and_columns(tmp_path: Path) -> None:
    text = """-- question: Who waits?
-- params:   since TIMESTAMP = 2024-01-02   from then on
-- params:   days BIGINT = 7   so many
--           ratio DOUBLE = 0.3   at most
-- params: word VARCHAR = 'two words'   which
-- params: strict BOOLEAN = true   or not
-- params: name VARCHAR = NULL
-- columns:  order_id VARCHAR, paid DECIMAL(38,4),
--           at_ TIMESTAMP
-- columns: more DOUBLE
-- A remark is no header, and ends them.
-- nonsense: this is not looked at
SELECT $since
"""
    audit = catalog.audits([_own(tmp_path, text)])["mine"]
    assert audit.question == "Who waits?"
    assert audit.theme == catalog.OWN_THEME
    assert audit.params == (
        ("since", "TIMESTAMP", datetime(2024, 1, 2, tzinfo=UTC), "from then on"),
        ("days", "BIGINT", 7, "so many"),
        ("ratio", "DOUBLE", 0.3, "at most"),
        ("word", "VARCHAR", "two words", "which"),
        ("strict", "BOOLEAN", True, "or not"),
        ("name", "VARCHAR", None, ""),
    )
    assert audit.columns == (
        ("order_id", "VARCHAR"),
        ("paid", "DECIMAL(38,4)"),
        ("at_", "TIMESTAMP"),
        ("more", "DOUBLE"),
    )
    assert audit.sql == text
    assert not audit.packaged


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("-- qestion: Who?", "no header is called qestion"),
        ("-- params: since", "no parameter: 'since'"),
        ("-- params: since TIMESTAMP", "no parameter"),
        ("-- params: Since TIMESTAMP = NULL", "no parameter"),
        ("-- params: since DATE = NULL  x", "no type DATE"),
        ("-- params: since TIMESTAMP = soon  x", "soon is no TIMESTAMP"),
        ("-- params: days BIGINT = 1.5  x", "1.5 is no BIGINT"),
        ("-- params: so BOOLEAN = maybe  x", "maybe is no BOOLEAN"),
        ("-- params: now TIMESTAMP = NULL  x", "cannot be called now"),
        ("-- params: as_of TIMESTAMP = NULL  x", "cannot be called as_of"),
        ("-- params: twice BIGINT = 1  x\n-- params: twice BIGINT = 1  x", "cannot be called twice"),
        ("-- columns: order id VARCHAR", "no column"),
    ],
)
def test_a_wrong_header_is_told_with_file_and_line(tmp_path: Path, line: str, what: str) -> None:
    own = _own(tmp_path, f"-- question: Who?\n{line}\nSELECT 1")
    with pytest.raises(errors.Usage) as caught:
        catalog.audits([own], reserved={"as_of", "output"})
    assert f"mine.sql, line {2 + line.count(chr(10))}: " in str(caught.value)
    assert what in str(caught.value)


def test_an_audit_needs_a_question_and_a_name_that_can_be_typed(tmp_path: Path) -> None:
    with pytest.raises(errors.Usage, match=r"mine\.sql, line 1: no question"):
        catalog.audits([_own(tmp_path, "SELECT 1")])
    (tmp_path / "own" / "mine.sql").unlink()
    with pytest.raises(errors.Usage, match="no name for an audit"):
        catalog.audits([_own(tmp_path, "-- question: Who?\nSELECT 1", name="My Own.sql")])


def test_two_audits_of_one_name_are_refused_and_a_folder_named_twice_is_one(tmp_path: Path) -> None:
    own = _own(tmp_path, "-- question: Who?\nSELECT 1")
    assert "mine" in catalog.audits([own, own / ".." / "own"])
    _own(tmp_path, "-- question: Who?\nSELECT 1", name="split-closures.sql")
    with pytest.raises(errors.Usage, match="two audits are called split-closures"):
        catalog.audits([own])


def test_a_folder_that_is_not_there_and_a_file_that_is_no_text_are_bad_input(tmp_path: Path) -> None:
    with pytest.raises(errors.BadInput, match="nowhere cannot be read"):
        catalog.audits([tmp_path / "nowhere"])
    own = _own(tmp_path, "")
    (own / "mine.sql").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(errors.BadInput, match="cannot be read"):
        catalog.audits([own])


def test_a_reason_that_no_closure_can_have_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli = Cli(tmp_path / "ledger", capsys)
    cli.ok("init")
    for reason in ("security", "confirmed", "dispute-resolved", "unknown", "not-shipped"):
        cli.ok("audit", "refunded-closures", "--reason", reason)
    answer = cli("audit", "refunded-closures", "--reason", "securty")
    assert (answer.code, answer.out) == (2, "")
    assert "reasons are administration, cancelled, confirmed" in answer.err


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("SELECT order_id\nFROM ordrs\nORDER BY 1", "mine.sql, line 3: the SQL cannot be run"),
        ("SELECT order_id\nFRM orders", "mine.sql, line 3: the SQL does not parse"),
        ("COPY orders TO 'orders.csv'", "mine.sql, line 2: the SQL is no SELECT"),
        ("SELECT 1;\nDROP VIEW orders", "mine.sql: the SQL has 2 statements"),
        ("SELECT CAST(order_id || 'x' AS BIGINT)\nFROM orders", "mine.sql, line 2: the SQL cannot be run"),
    ],
)
def test_a_file_with_broken_or_unsafe_sql_is_told_with_file_and_line(
    sql: str, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = Cli(tmp_path / "ledger", capsys)
    cli.ok("init")
    cli.ok("record", "placed", "1", "--seller", "s", "--amount", "1", "--currency", "USD")
    (tmp_path / "ledger" / "audits" / "mine.sql").write_text(f"-- question: Who?\n{sql}\n")
    answer = cli("audit", "mine")
    assert (answer.code, answer.out) == (2, "")
    assert what in answer.err


def test_a_broken_file_stops_nobody_who_asks_for_another_audit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = Cli(tmp_path / "ledger", capsys)
    cli.ok("init")
    (tmp_path / "ledger" / "audits" / "broken.sql").write_text("-- params: x\n")
    cli.ok("audit", "split-closures")
    for name in ((), ("broken",)):
        answer = cli("audit", *name)
        assert (answer.code, answer.out) == (2, "")
        assert "broken.sql, line 1: no parameter" in answer.err
