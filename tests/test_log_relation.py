"""A statement reads the files of the log once, and gets the same answer as if it had read them each time."""

from pathlib import Path

import duckdb
import pytest

from queries import columnar, log
from queries.engine import Relations
from queries.log import _scans
from tests import scenario as s
from tests.logs import log_of, relations, write

STORY = [s.placed(at=s.after(0)), s.paid(at=s.after(1)), s.verified(at=s.after(2)), s.shipped(at=s.after(3))]
SELF_JOIN = "SELECT count(*) AS n, max(x.status) AS status FROM events AS x JOIN events AS y ON y.seq = x.seq"


def kept(found: Relations) -> list[str]:
    """Return the columns of the log that stand in a table."""
    sql = "SELECT column_name FROM duckdb_columns() WHERE schema_name = 'internal' AND table_name = 'kept' ORDER BY 1"
    return [name for (name,) in found._con.execute(sql).fetchall()]


def test_a_statement_gets_the_columns_that_it_needs_from_a_table(tmp_path: Path) -> None:
    with relations(tmp_path, log_of(STORY)) as found:
        assert kept(found) == []
        assert found.run(SELF_JOIN, {}).rows == [(4, "verifying-payment")]
        assert kept(found) == ["order_id", "retracts", "seq", "status", "type", "version"]


def test_a_later_statement_with_other_columns_is_answered_too(tmp_path: Path) -> None:
    with relations(tmp_path, log_of(STORY)) as found:
        found.run("SELECT max(seq) FROM events", {})
        assert (
            found.run("SELECT seller, amount FROM orders", {}).rows
            == found.run("SELECT seller, amount FROM events WHERE type = 'placed'", {}).rows
        )
        assert len(found.run("SELECT * FROM events", {}).rows) == 4
        assert found.run("SELECT max(seq) FROM events", {}).rows == [(4,)]


def test_all_columns_of_one_use_are_read_where_they_are(tmp_path: Path) -> None:
    with relations(tmp_path, log_of(STORY)) as found:
        everything = found.run("SELECT * FROM events ORDER BY seq", {}).rows
        assert kept(found) == []
        assert found.run("SELECT x.* FROM events AS x JOIN events AS y USING (seq) ORDER BY seq", {}).rows == everything


def test_a_column_that_was_not_kept_fails_instead_of_being_empty(tmp_path: Path) -> None:
    with relations(tmp_path, log_of(STORY)) as found:
        found.run(SELF_JOIN, {})
        with pytest.raises(duckdb.InvalidInputException, match="seller is not kept"):
            found._con.execute("SELECT seller FROM events").fetchall()


def test_the_plan_tells_each_reading_of_the_files(tmp_path: Path) -> None:
    with relations(tmp_path, log_of(STORY)) as found:
        found.run("SELECT 1", {})
        assert list(_scans(found._con, "SELECT 1", {})) == []
        assert len(list(_scans(found._con, "SELECT seq FROM events", {}))) == 2
        assert len(list(_scans(found._con, SELF_JOIN, {}))) == 4


@pytest.mark.parametrize(
    ("begun", "read"),
    [(3, {3}), (2, {1, 2, 3}), (0, {0, 1, 2, 3}), (9, {0, 1, 2, 3})],
    ids=["last", "middle", "first", "-"],
)
def test_of_the_orders_in_the_files_nothing_is_looked_for_before_they_began(
    tmp_path: Path, begun: int, read: set[int]
) -> None:
    """Four copies, of one first event each, and a second event of one of these orders, or of one that has no first.

    The last copy is looked into, then the two before, then all others.
    """
    placed = log_of(s.placed(at=s.after(number), order_id=f"o{number}") for number in range(4))
    snapshot = write(tmp_path / "events", placed, per_segment=1)
    (tmp_path / "cache").mkdir()
    con = columnar.connect(tmp_path / "cache", "1GiB")
    copies = [columnar.make(con, tmp_path / "cache", segment, tmp_path / "cache") for segment in snapshot.files]
    log.begin(con)
    sql = f"SELECT * REPLACE ('o{begun}' AS order_id, 2 AS version) FROM ({log.of_copies(copies[:1])})"
    log.define(con, sql, log.of_copies(copies))
    log.touch(con, copies)
    [(view,)] = con.execute("SELECT sql FROM duckdb_views() WHERE view_name = 'touched_log'").fetchall()
    assert {at for at, copy in enumerate(copies) if copy.name in view} == read
    found = con.execute("SELECT order_id, version FROM internal.touched_log ORDER BY version").fetchall()
    assert found == [(f"o{begun}", version) for version in ([1, 2] if begun < 4 else [2])]
