"""Every audit has the same answer on both engines, over four ledgers of which some lines are copied, some not."""

from collections.abc import Iterator

import pytest

from queries import portable
from queries.catalog import audits
from tests.spark.both import Both, opened
from tests.spark.conftest import There


@pytest.fixture(scope="module")
def told(there: There, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Relations whose orders bear their ledgers' names, as audits see them."""
    with opened(there, tmp_path_factory.mktemp("told"), apart=False) as found:
        yield found


@pytest.mark.parametrize("name", audits())
def test_an_audit_has_the_same_answer(told: Both, name: str) -> None:
    audit = audits()[name]
    assert told.agree(audit.sql, {param.name: param.default for param in audit.params}, ordered=True).rows


@pytest.mark.parametrize("relation", ["closures", "timers"])
def test_a_relation_is_made_of_events_that_the_cluster_keeps(told: Both, relation: str) -> None:
    """It reads files and sends rows between workers only to make the kept events: by what takes them back, by order."""
    asked = f"EXPLAIN {told.there._said(portable.parsed(f'SELECT * FROM {relation}'))}"
    plan = told.there._spark.sql(asked).toArrow().to_pylist()[0]["plan"]
    kept = plan.count("InMemoryTableScan")
    assert kept > 1
    assert plan.count("FileScan parquet") == kept * 2
    assert plan.count("Exchange hashpartitioning") <= kept * 3
