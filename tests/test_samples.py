"""The sample logs give the answers that their stories say, worked out by hand."""

import csv
import io
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest
from freezegun import freeze_time

from tests.replaying import NOW
from tests.running import ROOT, Cli

SAMPLES = sorted((ROOT / "sample_logs").glob("*.jsonl"))
BROKEN = ROOT / "sample_logs" / "broken.jsonl"
GOOD = [path for path in SAMPLES if path != BROKEN]
Row = dict[str, str]


class Ending(NamedTuple):
    """How an order was closed, and what that moved; amounts as the marketplace shows them."""

    order_id: str
    closed_at: str
    reason: str
    closed_by: str
    currency: str
    to_buyer: str
    to_seller: str
    refunded: str
    because: str


# One row a closing, by its time. `because` says where the amounts come from.
ENDINGS = [
    Ending(
        *("8139904412278056", "2023-09-09T00:00:00Z", "unknown", "platform", "USD", "0.00", "0.00", "0.00"),
        because="no cause is known, so the 73.35 that were paid stay in escrow",
    ),
    Ending(
        *("8142236075504189", "2023-10-02T16:00:00Z", "unknown", "platform", "USD", "152.00", "0.00", "152.00"),
        because="no cause is known either, but all 152.00 arrive ten days later, which nobody had announced",
    ),
    Ending(
        *("8146670291153890", "2023-12-11T09:30:00Z", "out-of-stock", "platform", "JPY", "5620", "0", "5620"),
        because="nothing can be sent, all that was paid goes back and arrives",
    ),
    Ending(
        *("8158839470226631", "2024-04-02T08:00:00Z", "dispute-resolved", "platform", "USD", "0.00", "18.75", "0.00"),
        because="the seller won the dispute over 18.75",
    ),
    Ending(
        *("8169003518872746", "2024-05-30T03:00:00Z", "not-shipped", "platform", "BRL", "189.90", "0.00", "189.90"),
        because="39.90 by voucher and 150.00 by transfer were paid, and come back as two refunds",
    ),
    Ending(
        *("8162758830041927", "2024-09-15T09:00:00Z", "dispute-resolved", "platform", "KWD"),
        *("41.750", "0.000", "41.750"),
        because="the buyer won the dispute",
    ),
    Ending(
        *("8164427718850093", "2024-10-23T21:10:00Z", "confirmed", "buyer", "USD", "0.00", "210.00", "210.00"),
        because="receipt was confirmed; `refunded` is the whole order's, and the dispute below got all of it back",
    ),
    Ending(
        *("8164427718850093", "2024-11-06T10:00:00Z", "dispute-resolved", "platform", "USD"),
        *("210.00", "-210.00", "210.00"),
        because="the money was with the seller, and is clawed back",
    ),
    Ending(
        *("8151220967734018", "2024-11-23T09:30:00Z", "payment-timeout", "platform", "JPY", "0", "0", "0"),
        because="nothing was ever paid",
    ),
    Ending(
        *("8174406325510934", "2025-01-29T20:15:33Z", "confirmed", "buyer", "USD", "0.00", "27.89", "0.00"),
        because="receipt was confirmed",
    ),
    Ending(
        *("8177290413865508", "2025-03-04T09:00:00Z", "security", "platform", "USD", "14.90", "0.00", "14.90"),
        because="security closes with a refund, and it arrives (the bank shows it in BRL)",
    ),
    Ending(
        *("8200000000000029", "2025-03-05T11:00:00Z", "cancelled", "buyer", "USD", "0.00", "0.00", "0.00"),
        because="broken.jsonl: cancelled while nothing was paid",
    ),
    Ending(
        *("8200000000000011", "2025-03-20T12:00:00Z", "confirmed", "buyer", "USD", "0.00", "40.00", "0.00"),
        because="broken.jsonl: of all its payments only one of 40.00 is a good line",
    ),
    Ending(
        *("8200000000000037", "2025-04-18T09:00:00Z", "dispute-resolved", "platform", "JPY", "6000", "0", "0"),
        because="broken.jsonl: the buyer won; no refund has arrived",
    ),
    Ending(
        *("8180056674139022", "2025-04-28T12:00:00Z", "dispute-resolved", "platform", "USD", "88.88", "0.00", "88.88"),
        because="the buyer won the dispute over a bad tracking number",
    ),
    Ending(
        *("8181290453367718", "2025-05-21T18:35:00Z", "confirmed", "buyer", "USD", "0.00", "22.30", "0.00"),
        because="the cancellation was declined, and the towels came",
    ),
    Ending(
        *("3065520193384475", "2025-05-22T10:00:00Z", "dispute-resolved", "platform", "EUR", "17.50", "46.50", "17.50"),
        because="of 64.00 the buyer is given 17.50, the rest is the seller's",
    ),
    Ending(
        *("8183345067719021", "2025-06-21T03:10:05Z", "cancelled", "platform", "USD", "45.60", "0.00", "45.60"),
        because="the seller accepted the cancellation",
    ),
    Ending(
        *("8186612930457740", "2025-08-29T12:05:00Z", "protection-expired", "platform", "USD", "0.00", "36.48", "0.00"),
        because="the protection ran out undisputed",
    ),
    Ending(
        *("8188470031250874", "2025-10-04T17:15:00Z", "confirmed", "buyer", "USD", "0.00", "61.75", "0.00"),
        because="confirmed too early, so it is the seller's",
    ),
    Ending(
        *("3068817420945512", "2025-10-15T10:20:00Z", "protection-expired", "platform", "EUR", "0.00", "86.40", "0.00"),
        because="20.00 by voucher and 66.40 by card; the dispute was withdrawn",
    ),
    Ending(
        *("8188470026613359", "2025-10-24T11:00:00Z", "dispute-resolved", "platform", "USD", "52.10", "0.00", "52.10"),
        because="delivered to somebody else, disputed in time, won",
    ),
    Ending(
        *("8190117764420853", "2025-10-30T08:03:11Z", "cancelled", "buyer", "USD", "0.00", "0.00", "0.00"),
        because="cancelled while nothing was paid",
    ),
    Ending(
        *("8190117799130466", "2025-11-18T07:45:00Z", "confirmed", "buyer", "USD", "0.00", "31.20", "0.00"),
        because="released from the freeze, delivered, confirmed",
    ),
    Ending(
        *("8193380155294670", "2025-12-09T22:00:00Z", "not-shipped", "platform", "KWD", "12.345", "0.000", "12.345"),
        because="the refund bounces once and arrives the second time: it counts once",
    ),
    Ending(
        *("8195541260078312", "2026-02-07T09:00:00Z", "confirmed", "buyer", "USD", "0.00", "49.50", "0.00"),
        because="94.50 was a typing mistake and is taken back; 49.50 was paid",
    ),
    Ending(
        *("3071145508321667", "2026-02-18T12:00:00Z", "administration", "platform", "EUR", "300.00", "0.00", "300.00"),
        because="349.00 was asked and 300.00 paid: what was paid goes back",
    ),
    Ending(
        *("8177301185520417", "2026-04-16T08:15:00Z", "security", "platform", "USD", "119.00", "0.00", "0.00"),
        because="frozen, then closed by security; the refund is still on its way",
    ),
]

# The closings above added up, and what was paid for the orders that have no ending or an unknown one.
BALANCES = {
    # 73.35 closed without a cause, 74.20 still on its way
    ("USD", "escrow"): "147.55",
    # 18.75 + 210.00 - 210.00 + 27.89 + 40.00 + 22.30 + 36.48 + 61.75 + 31.20 + 49.50
    ("USD", "seller"): "287.87",
    # the security closure whose refund has not arrived
    ("USD", "refunds"): "119.00",
    ("USD", "buyer"): "-554.42",
    # 46.50 + 86.40
    ("EUR", "seller"): "132.90",
    ("EUR", "buyer"): "-132.90",
    # the dispute in broken.jsonl whose refund has not arrived
    ("JPY", "refunds"): "6000",
    ("JPY", "buyer"): "-6000",
    # BRL and KWD came back to the buyers to the last cent
}

# Which line of broken.jsonl is refused by which rule. Lines 23 and 41 are blank, the others are good.
REFUSED = {
    **dict.fromkeys(range(2, 14), "F"),  # no JSON, no object, a type, field, zone, date or amount that is none
    **dict.fromkeys(range(14, 21), "R11"),  # decimals, sign, zero, size, currency
    22: "R10",  # one fact_id for two payments
    **dict.fromkeys(range(24, 30), "F"),  # ids with spaces or too long, NUL, no UTF-8, half a letter, nested too deep
    30: "R7",  # shipped before it was placed
    31: "R8",  # placed again, with another amount
    32: "R6",  # verified by the buyer
    34: "R1",  # closed by the seller
    35: "R6",  # out of stock, says the buyer
    36: "R9",  # in the year 2099
    37: "L",  # unfrozen, and never frozen
    **dict.fromkeys((38, 39), "F"),  # no days; a reason that is none
    42: "R11",  # a hundred times what is held
    **dict.fromkeys((43, 44), "R23"),  # not the latest event; no event
    **dict.fromkeys((47, 48), "L"),  # a closed order is over
    49: "R17",  # a cent more than was paid
    52: "R12",  # nothing is left to dispute
    53: "R8",  # a closed order placed again
    55: "R11",  # yen have no decimals
    60: "R15",  # a split without its parts
    **dict.fromkeys((61, 62), "R11"),  # more than there is; the seller won, yet the buyer is paid
}


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line on a ledger with every sample log, as the shell names them."""
    cli = Cli(tmp_path / "ledger", capsys)
    with freeze_time(NOW):
        cli.ok("init")
        assert cli("import", *map(str, SAMPLES)).code == 4
    return cli


def audit(cli: Cli, name: str) -> list[Row]:
    return list(csv.DictReader(io.StringIO(cli.ok("audit", name, "-o", "csv"))))


def endings(rows: list[Row], *columns: str) -> list[tuple[str, ...]]:
    return [tuple(row[name] for name in columns) for row in rows]


def expected(chosen: list[Ending], *columns: str) -> list[tuple[str, ...]]:
    return [tuple(getattr(ending, name) for name in columns) for ending in chosen]


def test_refunded_closures_are_exactly_those_that_sent_money_back(cli: Cli) -> None:
    columns = ("order_id", "reason", "closed_by", "closed_at", "currency", "to_buyer", "to_seller", "refunded")
    back = [ending for ending in ENDINGS if Decimal(ending.to_buyer) > 0]
    assert endings(audit(cli, "refunded-closures"), *columns) == expected(back, *columns)


def test_paid_out_closures_are_exactly_those_that_paid_the_seller(cli: Cli) -> None:
    columns = ("order_id", "reason", "closed_by", "closed_at", "currency", "to_seller")
    paid_out = [ending for ending in ENDINGS if Decimal(ending.to_seller) > 0]
    assert endings(audit(cli, "paid-out-closures"), *columns) == expected(paid_out, *columns)


def test_one_closure_was_split(cli: Cli) -> None:
    assert endings(audit(cli, "split-closures"), "order_id", "to_buyer", "to_seller") == [
        ("3065520193384475", "17.50", "46.50")
    ]


def test_two_closures_are_unexplained_and_one_of_them_still_holds_money(cli: Cli) -> None:
    assert endings(audit(cli, "unexplained-closures"), "order_id", "seller", "closed_at", "currency", "escrow") == [
        ("8139904412278056", "Silk-Road-Textiles", "2023-09-09T00:00:00Z", "USD", "73.35"),
        ("8142236075504189", "PhotoPro-Lens", "2023-10-02T16:00:00Z", "USD", "0.00"),
    ]


def test_every_closing_is_in_closures_and_no_other(cli: Cli) -> None:
    columns = ("order_id", "closed_at", "reason", "closed_by", "currency", "to_buyer", "to_seller", "refunded")
    shown = cli.ok("sql", f"SELECT {', '.join(columns)} FROM closures ORDER BY closed_at, seq", "-o", "csv")
    assert endings(list(csv.DictReader(io.StringIO(shown))), *columns) == expected(ENDINGS, *columns)


def test_every_cent_is_where_the_stories_leave_it(cli: Cli) -> None:
    for rows in (
        audit(cli, "money-by-account"),
        list(csv.DictReader(io.StringIO(cli.ok("money", "-o", "csv")))),
    ):
        held = {(row["currency"], row["account"]): row["balance"] for row in rows}
        assert {account: balance for account, balance in held.items() if Decimal(balance)} == BALANCES
        assert {currency for currency, _ in held} == {"BRL", "EUR", "JPY", "KWD", "USD"}
        sums: Counter[str] = Counter()
        for (currency, _), balance in held.items():
            sums[currency] += Decimal(balance)  # type: ignore[assignment]
        assert not any(sums.values())


def test_every_good_line_is_recorded_and_every_bad_one_refused_by_its_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = Cli(tmp_path / "ledger", capsys)
    rejects = tmp_path / "rejects.jsonl"
    good = sum(bool(line.strip()) for path in GOOD for line in path.read_bytes().splitlines())
    with freeze_time(NOW):
        cli.ok("init")
        first = cli("import", *map(str, SAMPLES), "--rejects", str(rejects), "-o", "json")
        again = cli("import", *map(str, SAMPLES), "--rejects", str(tmp_path / "again.jsonl"), "-o", "json")
        log = cli.ok("log", "-o", "jsonl")
    assert first.code == again.code == 4
    summary = json.loads(first.out)
    assert (summary["recorded"], summary["duplicates"], summary["refused"]) == (good + 14, 0, len(REFUSED))
    refused = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert {line["line"]: line["rule"] for line in refused} == REFUSED
    assert {line["file"] for line in refused} == {str(BROKEN)}
    assert len(log.splitlines()) == good + 14
    assert json.loads(again.out)["recorded"] == 0


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_each_log_is_good_by_itself_and_known_the_second_time(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli = Cli(tmp_path / "ledger", capsys)
    lines = len(path.read_text().splitlines())
    with freeze_time(NOW):
        cli.ok("init")
        for recorded in (lines, 0):
            summary = json.loads(cli.ok("import", str(path), "-o", "json"))
            counts = [summary[name] for name in ("read", "recorded", "duplicates", "refused")]
            assert counts == [lines, recorded, lines - recorded, 0]


def test_the_readme_tells_every_log_and_no_other() -> None:
    lines = (ROOT / "sample_logs" / "README.md").read_text().splitlines()
    assert sorted(line.split("`")[1] for line in lines if line.startswith("| `")) == sorted(path.name for path in GOOD)
