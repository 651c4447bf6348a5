"""Hypothesis tries the same examples everywhere, so that a red run is red again."""

import duckdb
from hypothesis import HealthCheck, settings

import ledger.formats.cloudevents  # noqa: F401 - these read the structs' types, before a test freezes the clock
import queries.engine  # noqa: F401
from tests.faults import LONG

# DuckDB keeps the class that it makes its first timestamp with: that must not be one of a frozen clock.
duckdb.execute("SELECT TIMESTAMP '2026-01-01'").fetchall()

settings.register_profile(
    "ci",
    max_examples=500 if LONG else 50,
    deadline=None,  # the machine may be busy with something else
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("ci")
