"""pm4py: the paths of orders and which event follows which, of an export in CSV. Argument: that file."""

import sys
from contextlib import redirect_stderr
from io import StringIO


def main(table: str) -> None:
    """Find variants and the directly-follows graph."""
    import pandas

    with redirect_stderr(StringIO()):  # it greets
        import pm4py

    log = pandas.read_csv(table, usecols=["order_id", "type", "effective_at"], dtype=str)
    log["effective_at"] = pandas.to_datetime(log["effective_at"], format="ISO8601")
    log = pm4py.format_dataframe(log, case_id="order_id", activity_key="type", timestamp_key="effective_at")
    pm4py.get_variants(log)
    pm4py.discover_dfg(log)


if __name__ == "__main__":
    main(*sys.argv[1:])
