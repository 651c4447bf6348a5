"""Halves are rounded up and seconds are whole, whatever a binary fraction makes of them."""

from pathlib import Path
from typing import Any

import pytest

from ledger.events import Fact
from queries.catalog import audits
from tests import scenario as s
from tests.logs import log_of, relations, rows


def answer(folder: Path, name: str, facts: list[Fact], **params: Any) -> list[dict[str, Any]]:
    """Return the rows of an audit over the log of these facts."""
    with relations(folder, log_of(facts)) as found:
        return rows(found, audits(only=name)[name].sql, **params)


def test_a_rate_of_exactly_half_a_ten_thousandth_is_rounded_up(tmp_path: Path) -> None:
    facts = [s.placed(order_id=f"{n}", at=s.after(0)) for n in range(160)]
    facts += [s.paid(order_id=f"{n}", at=s.after(1)) for n in range(3)]
    facts += [s.verified(order_id=f"{n}", at=s.after(2)) for n in range(3)]
    facts += [s.dispute_opened(order_id=f"{n}", at=s.after(3), reason="other") for n in range(3)]
    [row] = answer(tmp_path, "seller-risk", facts, min_orders=1)
    assert (row["dispute_rate"], row["score"]) == (0.0188, 0.0188)  # 3/160 is 0.01875


@pytest.mark.parametrize(("minutes", "hours"), [(57, 1.0), (9, 0.2), (597, 10.0), (11067, 184.5)])
def test_three_minutes_over_a_tenth_of_an_hour_are_rounded_up(minutes: int, hours: float, tmp_path: Path) -> None:
    facts = [s.placed(at=s.after(0)), s.paid(at=s.after(0, minutes=minutes))]
    [row] = answer(tmp_path, "time-in-status", facts, min_orders=1)
    assert (row["median_hours"], row["p90_hours"]) == (hours, hours)


def test_fractions_of_a_second_count_for_nothing(tmp_path: Path) -> None:
    facts = [s.placed(at=s.after(0, milliseconds=1)), s.paid(at=s.after(0, seconds=180, milliseconds=999))]
    with relations(tmp_path, log_of(facts)) as found:
        steps = rows(found, "SELECT seconds FROM steps ORDER BY entered_at")
    assert [step["seconds"] for step in steps] == [180, None]


def test_a_price_is_compared_exactly_and_a_large_ratio_is_no_error(tmp_path: Path) -> None:
    facts = [s.placed(order_id=f"{n}", at=s.after(0), title="ring", amount="160.00") for n in range(3)]
    facts += [s.placed(order_id="bait", at=s.after(1), title="ring", amount="3.00")]
    assert [row["ratio"] for row in answer(tmp_path, "bait-prices", facts, ratio=0.01875)] == [0.0188]
    assert answer(tmp_path / "again", "bait-prices", facts, ratio=0.0187) == []
    assert len(answer(tmp_path / "all", "bait-prices", facts, ratio=100_000.0)) == 4


def test_the_largest_amounts_are_compared_too(tmp_path: Path) -> None:
    facts = [s.placed(order_id=f"{n}", at=s.after(0), title="ring", amount="99999999999999.99") for n in range(4)]
    rows_found = answer(tmp_path, "bait-prices", facts, ratio=1.0)
    assert [row["ratio"] for row in rows_found] == [1.0] * 4
