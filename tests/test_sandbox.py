"""The sandbox: whatever a statement tries, it reads nothing but the ledger's log and changes nothing at all."""

import hashlib
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger import errors
from queries import catalog, sandbox
from queries.engine import Relations, open_relations
from queries.moment import Moment
from queries.relations import VIEWS
from tests import scenario as s
from tests.logs import log_of, write

SECRET = "the-secret-of-another-file"
FACTS = [*s.PROCESSING[:1], s.paid(at=s.after(1)), s.verified(at=s.after(2)), s.closed_by_security(at=s.after(3))]

NOT_RUN = [
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_temporary_files()",
    "SELECT * FROM duckdb_extensions()",
    "SELECT * FROM duckdb_memory()",
    "SELECT * FROM pg_catalog.pg_settings",
    "SELECT * FROM pragma_platform()",
    "SELECT current_setting('temp_directory')",
    "SELECT current_setting('allowed_paths')",
    "SELECT CURRENT_SETTING('allowed_paths')",
    "WITH a AS (SELECT (SELECT current_setting('temp_directory')) AS x) SELECT x FROM a",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('orders')",
    "SELECT * FROM checkpoint()",
    "SELECT * FROM truncate_duckdb_logs()",
    "SELECT write_log('x', scope := 'database')",
    "SELECT getvariable('x')",
    "SELECT sleep_ms(1)",
    "SELECT * FROM glob('{log}')",
    "SELECT * FROM read_text('{log}')",
    "SELECT * FROM read_json('{log}')",
    "SELECT * FROM read_csv('{log}')",
    "SELECT * FROM read_text(current_setting('allowed_paths')[2])",
    "SELECT * FROM '{log}'",
    'SELECT * FROM "{log}"',
    "SELECT * FROM internal.log",
    "SELECT * FROM memory.internal.log",
    "SELECT * FROM orders WHERE order_id IN (SELECT order_id FROM internal.log)",
    "SELECT 1 FROM orders, LATERAL (SELECT * FROM read_text('{log}'))",
    "COPY (SELECT 1) TO '{log}'",
    "COPY (SELECT 1) TO '{log}' (USE_TMP_FILE false)",
    "COPY (SELECT 1) TO '{spill}/x.csv'",
    "COPY events TO '{outside}'",
    "COPY clock FROM '{secret}'",
    "COPY FROM DATABASE memory TO memory",
    "WITH a AS (COPY (SELECT 1) TO '{log}' (USE_TMP_FILE false)) SELECT 1",
    "WITH a AS (COPY (SELECT 1) TO '{spill}/x.csv') SELECT * FROM a",
    "WITH a AS MATERIALIZED (COPY (SELECT 1) TO '{log}' (USE_TMP_FILE false)) SELECT 1 FROM a",
    "SELECT * FROM (WITH a AS (COPY (SELECT 1) TO '{log}' (USE_TMP_FILE false)) SELECT 1)",
    "SELECT (WITH a AS (COPY (SELECT 1) TO '{log}' (USE_TMP_FILE false)) SELECT 1)",
    "WITH a AS (INSERT INTO clock VALUES (NULL, NULL, NULL) RETURNING *) SELECT * FROM a",
    "WITH a AS (DELETE FROM clock RETURNING *) SELECT * FROM a",
    "WITH a AS (UPDATE clock SET as_of = NULL RETURNING *) SELECT * FROM a",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{log}' (USE_TMP_FILE false)",
    "EXPLAIN ANALYZE SELECT 1",
    "ATTACH '{outside}' AS other",
    "ATTACH '{log}' AS other (TYPE sqlite)",
    "DETACH memory",
    "USE memory",
    "INSTALL httpfs",
    "FORCE INSTALL httpfs FROM 'http://127.0.0.1:9'",
    "LOAD '{secret}'",
    "LOAD httpfs",
    "UPDATE EXTENSIONS",
    "PRAGMA enable_profiling='json'",
    "PRAGMA profiling_output='{outside}'",
    "PRAGMA database_list",
    "SET enable_external_access=true",
    "SET lock_configuration=false",
    "SET allowed_paths=['{secret}']",
    "SET temp_directory='{folder}'",
    "SET VARIABLE x = 1",
    "RESET memory_limit",
    "SELECT 1; SELECT 2",
    "SELECT 1; COPY (SELECT 1) TO '{log}'",
    "EXPORT DATABASE '{outside}'",
    "IMPORT DATABASE '{folder}'",
    "CREATE TABLE t AS SELECT 1",
    "CREATE TEMP VIEW v AS SELECT 1",
    "CREATE OR REPLACE VIEW events AS SELECT 1",
    "CREATE MACRO f() AS 1",
    "CREATE SECRET (TYPE s3, KEY_ID 'x', SECRET 'y')",
    "CREATE PERSISTENT SECRET p (TYPE http)",
    "INSERT INTO clock VALUES (NULL, NULL, NULL)",
    "DELETE FROM clock",
    "UPDATE clock SET now = NULL",
    "DROP VIEW events",
    "ALTER TABLE clock ADD COLUMN x INTEGER",
    "TRUNCATE clock",
    "CALL pragma_version()",
    "CALL enable_logging()",
    "VACUUM",
    "CHECKPOINT",
    "BEGIN",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "PIVOT events ON type USING count(*)",
    "SELECT getenv('HOME')",
    "SELECT set_config('memory_limit', '1GB')",
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_text('{folder}/*')",
    "SELECT * FROM read_text('{log}/../../secret.csv')",
    "SELECT * FROM read_text(['{log}', '{secret}'])",
    "SELECT * FROM read_blob('{secret}')",
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM read_csv_auto('{secret}')",
    "SELECT * FROM read_csv('/dev/stdin')",
    "SELECT * FROM read_csv('/proc/self/environ')",
    "SELECT * FROM read_json('{secret}')",
    "SELECT * FROM read_ndjson_objects('{secret}')",
    "SELECT * FROM read_parquet('{secret}')",
    "SELECT * FROM parquet_metadata('{secret}')",
    "SELECT * FROM parquet_schema('{secret}')",
    "SELECT * FROM sniff_csv('{secret}')",
    "SELECT * FROM read_duckdb('{secret}')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM '{secret}'",
    'SELECT * FROM "{secret}"',
    "FROM '/etc/passwd'",
    "TABLE '{secret}'",
    "SELECT * FROM query('SELECT * FROM read_text(''{secret}'')')",
    "SELECT * FROM query('COPY (SELECT 1) TO ''{log}''')",
    "SELECT * FROM query_table('{secret}')",
    "SELECT * FROM query_table(['{secret}'])",
    "SELECT * FROM read_csv('http://127.0.0.1:9/x.csv')",
    "SELECT * FROM 'https://127.0.0.1:9/x.parquet'",
    "SELECT * FROM 's3://bucket/x.parquet'",
    "SELECT * FROM read_text('file://{secret}')",
    "SELECT * FROM sqlite_scan('{secret}', 't')",
    "SELECT * FROM python_variable",
    "SELECT * FROM SECRET",
    "DESCRIBE SELECT * FROM read_text('{secret}')",
    "SUMMARIZE SELECT * FROM read_text('{secret}')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT * FROM read_text(''{secret}'')'))",
    "SELECT * FROM load_aws_credentials()",
    "SELECT * FROM import_database('{folder}')",
    "SELECT * FROM enable_logging(storage := 'file', storage_path := '{outside}')",
    "SELECT * FROM enable_profiling(save_location := '{outside}')",
    "SELECT * FROM disable_logging()",
    "SELECT * FROM pandas_scan(4096::POINTER)",
    "SELECT * FROM arrow_scan(NULL, NULL, NULL)",
    "SELECT * FROM create_external_resource('a')",
    "SELECT * FROM register_external_resource('a', 'b')",
]
"""Each of these is refused before it runs or stops at what it may not do."""

HARMLESS = [
    "SHOW TABLES",
    "DESCRIBE orders",
    "SUMMARIZE orders",
    "SELECT * FROM information_schema.columns",
    "SELECT json_serialize_sql('SELECT 1')",
    "SELECT setseed(0.5)",
    "SELECT pg_typeof(1)",
]
"""These run, and tell nothing but what the connection itself is."""


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    folder = tmp_path / "ledger"
    folder.mkdir()
    write(folder / "events", log_of(FACTS), per_segment=2)
    (tmp_path / "secret.csv").write_text(f"a,b\n{SECRET},2\n")
    (tmp_path / "schema.sql").write_text(f"CREATE TABLE t AS SELECT '{SECRET}';")
    (tmp_path / "load.sql").write_text("")
    return folder


@pytest.fixture
def found(ledger: Path) -> Iterator[Relations]:
    snapshot = write(ledger / "events", log_of(FACTS), per_segment=2)
    with open_relations(snapshot, Moment(s.NOW), scratch=ledger / "cache", timeout=20) as relations:
        yield relations


def _hashes(folder: Path) -> dict[str, str]:
    """Every file below a folder by its hash, but what is spilled by the connection that runs."""
    files = [path for path in folder.rglob("*") if path.is_file() and "spill" not in path.parts]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _filled(sql: str, ledger: Path) -> str:
    [private] = (ledger / "cache").iterdir()
    return (
        sql.replace("{log}", str(ledger / "events" / "000000000001.jsonl"))
        .replace("{secret}", str(ledger.parent / "secret.csv"))
        .replace("{outside}", str(ledger.parent / "outside"))
        .replace("{spill}", str(private / "spill"))
        .replace("{folder}", str(ledger.parent))
    )


def test_there_are_more_than_forty_escapes() -> None:
    assert len(set(NOT_RUN)) > 90


@pytest.mark.parametrize("sql", NOT_RUN)
def test_no_statement_reads_writes_or_changes_anything(sql: str, ledger: Path, found: Relations) -> None:
    python_variable = [1, 2, 3]
    before, environment = _hashes(ledger.parent), dict(os.environ)
    with pytest.raises(errors.LedgerError) as caught:
        found.run_sandboxed(_filled(sql, ledger), {})
    assert isinstance(caught.value, errors.Usage), caught.value
    assert SECRET not in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3
    assert _hashes(ledger.parent) == before
    [private] = (ledger / "cache").iterdir()
    assert [path.name for path in (private / "spill").iterdir() if path.name.endswith("csv")] == []
    assert dict(os.environ) == environment
    assert found.run_sandboxed("SELECT count(*) FROM events", {}).rows == [(len(FACTS),)]
    assert found.run_sandboxed("SELECT now FROM clock", {}).rows == [(s.NOW.replace(tzinfo=None),)]
    assert python_variable == [1, 2, 3]


@pytest.mark.parametrize("sql", HARMLESS)
def test_what_runs_tells_no_secret_and_changes_nothing(sql: str, ledger: Path, found: Relations) -> None:
    before = _hashes(ledger.parent)
    assert SECRET not in str(found.run_sandboxed(_filled(sql, ledger), {}))
    assert _hashes(ledger.parent) == before


def test_the_settings_are_closed_and_locked(found: Relations) -> None:
    wanted = {
        "enable_external_access": "false",
        "lock_configuration": "true",
        "autoload_known_extensions": "false",
        "autoinstall_known_extensions": "false",
        "allow_community_extensions": "false",
        "allow_persistent_secrets": "false",
        "python_enable_replacements": "false",
        "allow_unsigned_extensions": "false",
    }
    settings = dict(found._con.execute("SELECT name, value FROM duckdb_settings()").fetchall())
    assert {name: settings[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    "sql",
    [
        "",
        ";",
        "-- nothing",
        "SELECT",
        "selec 1",
        "SELECT nothing",
        "SELECT * FROM nowhere",
        "SELECT 1; SELECT 2",
        "BEGIN",
    ],
)
def test_what_is_not_one_select_is_wrong_usage(sql: str, found: Relations) -> None:
    with pytest.raises(errors.Usage) as caught:
        found.run_sandboxed(sql, {})
    assert "LINE 1" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1;",
        "-- a comment ;\nSELECT 1 /* ; */ ; -- another ;",
        "FROM (VALUES (1))",
        "WITH one AS (SELECT 1) SELECT * FROM one",
        "(SELECT 1)",
        "SELECT 1 -- the end",
        "VALUES (1) ;;",
    ],
)
def test_one_select_may_be_written_in_many_ways(sql: str, found: Relations) -> None:
    assert found.run_sandboxed(sql, {}).rows == [(1,)]


def test_a_failure_while_running_is_wrong_usage_too(found: Relations) -> None:
    with pytest.raises(errors.Usage, match="Could not convert"):
        found.run_sandboxed("SELECT CAST(order_id || 'x' AS INTEGER) FROM events", {})


def test_parameters_are_given_by_name_and_now_always_is(found: Relations) -> None:
    at = datetime(2024, 3, 1, 12, tzinfo=UTC)
    answer = found.run_sandboxed("SELECT $a AS a, $at AS at_, $now AS now_", {"a": "x'; --", "at": at})
    assert answer.rows == [("x'; --", at.replace(tzinfo=None), s.NOW.replace(tzinfo=None))]
    with pytest.raises(errors.Usage, match=r"names \$b, which has no value"):
        found.run_sandboxed("SELECT $c, $b, $a", {"a": 1})
    with pytest.raises(errors.Usage, match=r"names no \$b"):
        found.run_sandboxed("SELECT $a", {"a": 1, "b": 2})


def test_values_come_as_python_has_them_and_decimal_numbers_as_text(found: Relations) -> None:
    answer = found.run_sandboxed(
        """SELECT amount, occurred_at, 1::HUGEINT AS n, [1, 2] AS l,
            TIMESTAMPTZ '2024-01-01 10:00:00+02' AS "t t", 'ä;' AS x
        FROM events WHERE type = 'placed' ORDER BY seq;""",
        {},
    )
    assert answer.columns == ["amount", "occurred_at", "n", "l", "t t", "x"]
    assert answer.types == ["DECIMAL(18,4)", "TIMESTAMP", "HUGEINT", "INTEGER[]", "TIMESTAMP", "VARCHAR"]
    [row] = answer.rows
    assert row == ("20.0000", row[1], 1, [1, 2], datetime(2024, 1, 1, 8), "ä;")
    assert row[1].tzinfo is None
    with pytest.raises(errors.Usage, match="column t"):
        found.run_sandboxed("SELECT [now()] AS t", {})


def test_rows_keep_their_order_where_a_zone_is_taken_away(found: Relations) -> None:
    sql = "SELECT range AS n, now() AS t FROM range(300000) ORDER BY n DESC"
    numbers = [row[0] for row in found.run_sandboxed(sql, {}).rows]
    assert numbers == sorted(numbers, reverse=True)


def test_a_query_stops_at_its_time(ledger: Path) -> None:
    snapshot = write(ledger / "events", log_of(FACTS))
    started = time.monotonic()
    with (
        open_relations(snapshot, Moment(s.NOW), scratch=ledger / "cache", timeout=0.2) as found,
        pytest.raises(errors.LimitReached, match="stopped") as caught,
    ):
        found.run_sandboxed("SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range * b.range = 7", {})
    assert time.monotonic() - started < 10
    assert "--timeout" in caught.value.hint
    assert list((ledger / "cache").iterdir()) == []


def test_a_query_stops_at_its_memory(ledger: Path) -> None:
    snapshot = write(ledger / "events", log_of(FACTS))
    with (
        open_relations(snapshot, Moment(s.NOW), scratch=ledger / "cache", memory="40MiB") as found,
        pytest.raises(errors.LimitReached, match="memory") as caught,
    ):
        found.run_sandboxed("SELECT length(string_agg(repeat('x', 1000), '')) FROM range(1000000)", {})
    assert "--memory" in caught.value.hint


def test_what_does_not_fit_the_memory_is_spilled(ledger: Path) -> None:
    snapshot = write(ledger / "events", log_of(FACTS))
    with open_relations(snapshot, Moment(s.NOW), scratch=ledger / "cache", memory="60MiB") as found:
        sql = "SELECT count(*) FROM (SELECT DISTINCT range || 'abcdefghijklmnop' FROM range(2000000))"
        assert found.run_sandboxed(sql, {}).rows == [(2000000,)]
    assert list((ledger / "cache").iterdir()) == []


def test_a_size_that_is_none_is_wrong_usage(ledger: Path) -> None:
    snapshot = write(ledger / "events", log_of(FACTS))
    with (
        pytest.raises(errors.Usage, match="no size"),
        open_relations(snapshot, Moment(s.NOW), scratch=ledger / "cache", memory="much"),
    ):
        pass
    assert list((ledger / "cache").iterdir()) == []


def test_an_audit_of_a_users_own_runs_in_the_sandbox(tmp_path: Path, ledger: Path, found: Relations) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "stealing.sql").write_text("-- question: What is in it?\nSELECT * FROM read_text('/etc/passwd')")
    audit = catalog.audits([own])["stealing"]
    assert not audit.packaged
    with pytest.raises(errors.Usage):
        found.run_sandboxed(audit.sql, {})


def test_names_and_texts_are_quoted() -> None:
    assert sandbox.literal("it's") == "'it''s'"
    assert sandbox.identifier('a"b') == '"a""b"'


RELATIONS = f"the relations here are {', '.join(sorted(('clock', *VIEWS)))}"


@pytest.mark.parametrize(
    ("sql", "hint"),
    [
        ("SELECT * FROM stages", RELATIONS),
        ("SELECT * FROM log", RELATIONS),
        ("SELECT * FROM 'orders.csv'", RELATIONS),
        ("SELECT sellr FROM orders", 'the nearest columns: "seller"'),
        ("SELECT odrers.seller FROM orders", 'the nearest tables: "orders"'),
        ("SELECT coun(1) FROM orders", 'Did you mean "count'),
        ("SELECT 1; SELECT 2", "write one SELECT"),
        ("DROP TABLE clock", "write one SELECT"),
    ],
)
def test_a_hint_says_what_there_is(sql: str, hint: str, found: Relations) -> None:
    with pytest.raises(errors.Usage) as caught:
        found.run_sandboxed(sql, {})
    assert hint in caught.value.hint


def test_only_public_relations_are_listed(found: Relations) -> None:
    sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY 1"
    assert found.run_sandboxed(sql, {}).rows == [(name,) for name in sorted(("clock", *VIEWS))]
    assert found.run_sandboxed("SHOW TABLES", {}).rows == [(name,) for name in sorted(("clock", *VIEWS))]


def test_a_long_query_draws_no_progress_bar_into_what_is_printed(tmp_path: Path) -> None:
    con = sandbox.connect([], spill=tmp_path, memory="100MiB")
    assert con.execute("SELECT current_setting('enable_progress_bar')").fetchone() == (False,)
