"""The same purchases out of two exports: the second adds what is new, repeats what is known, and never overwrites."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.running import Cli
from tests.workbooks import workbook

SHOP = "https://www.aliexpress.com/store/1101200300"
HEADER = "Order Date,Order ID,Title,Qty,Price,Currency,Status,Store,Store Url"
COLUMNS = "order_id parent_orderid gmt_create_order_time payable_amt unit_price is_success_pay gmt_pay_order_time"
COLUMNS += " gmt_trade_end_time end_reason item_name"
ORDER, PART, OTHER_PART = "8400000000000011", "8400000000000111", "8400000000000211"


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    cli = Cli(tmp_path / "ledger", capsys)
    cli.ok("init")
    return cli


def _extension(tmp_path: Path, *rows: str) -> str:
    path = tmp_path / "orders.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return str(path)


def _row(price: str = "US $64.20", day: str = "2024-03-01", shop: str = SHOP, title: str = "Lamp") -> str:
    return f'{day},{ORDER},{title},1,"{price}",USD,Completed,Lamp House,{shop}'


def _extension_json(tmp_path: Path) -> str:
    path = tmp_path / "orders.json"
    rows = [
        {"orderId": ORDER, "orderLineId": line, "orderDate": "Mar 2, 2024", "orderDateIso": "2024-03-01"}
        | {"price": price, "priceInfo": "", "currency": "USD", "quantity": 1, "storePageUrl": SHOP}
        for line, price in ((PART, "US $60.00"), (OTHER_PART, "US $4.20"))
    ]
    path.write_text(json.dumps(rows))
    return str(path)


def _request(tmp_path: Path, *rows: list[Any]) -> str:
    path = tmp_path / "Order Information.xlsx"
    path.write_bytes(workbook({"Order Information": [COLUMNS.split(), *rows]}))
    return str(path)


def _part(
    cents: int = 6420, order_id: str = PART, parent: str = ORDER, ended: str = "2024-03-20 10:00:00"
) -> list[Any]:
    created, paid = "2024-03-01 09:15:30", "2024-03-01 09:16:02"
    return [order_id, parent, created, cents, cents, "true", paid, ended, "buyer_accept_goods", "Lamp"]


def _import(cli: Cli, file: str) -> dict[str, int]:
    """Import a file, and give what was counted."""
    answer = cli("import", file, "--currency", "USD", "-o", "json")
    assert answer.code in (0, 4), answer
    counts = json.loads(answer.out)
    return {name: counts[name] for name in ("recorded", "duplicates", "refused")}


def _counts(recorded: int, duplicates: int, refused: int = 0) -> dict[str, int]:
    return {"recorded": recorded, "duplicates": duplicates, "refused": refused}


def _events(cli: Cli, order_id: str) -> list[dict[str, Any]]:
    return [line["event"] for line in json.loads(cli.ok("show", order_id, "-o", "json"))["events"]]


def _refusals(cli: Cli) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted((cli.ledger / "rejects").iterdir())
        for line in path.read_text("utf-8").splitlines()
    ]


def test_the_extension_first_then_the_data_request(cli: Cli, tmp_path: Path) -> None:
    extension, request = _extension(tmp_path, _row()), _request(tmp_path, _part())
    assert _import(cli, extension) == _counts(1, 0)
    assert _import(cli, request) == _counts(2, 1)
    shown = json.loads(cli.ok("show", ORDER, "-o", "json"))
    assert (shown["status"], shown["closure"]["reason"]) == ("closed", "confirmed")
    assert shown["money"]["to_seller"] == "64.20"
    placed, paid, confirmed = _events(cli, ORDER)
    assert (placed["seller"], placed["source"]) == ("1101200300", "browser-extension")
    assert paid["source"] == confirmed["source"] == "data-request"
    assert cli("show", PART).code == 1  # the only part of it is the order itself


def test_the_data_request_first_then_the_extension(cli: Cli, tmp_path: Path) -> None:
    extension, request = _extension(tmp_path, _row()), _request(tmp_path, _part())
    assert _import(cli, request) == _counts(3, 0)
    assert _import(cli, extension) == _counts(0, 1)
    placed, *_ = _events(cli, PART)
    assert (placed["seller"], placed["parent"]) == ("unknown-seller", ORDER)
    assert cli("show", ORDER).code == 1


@pytest.mark.parametrize("first", ["extension", "request"])
def test_both_again_are_known_whichever_came_first(cli: Cli, tmp_path: Path, first: str) -> None:
    files = [_extension(tmp_path, _row()), _request(tmp_path, _part())]
    for file in files if first == "extension" else reversed(files):
        _import(cli, file)
    assert _import(cli, files[0]) == _counts(0, 1)
    assert _import(cli, files[1]) == _counts(0, 3)
    assert json.loads(cli.ok("verify", "-o", "json"))["ok"]


def test_amounts_that_differ_are_refused_with_the_seq_and_what_is_new_is_added(cli: Cli, tmp_path: Path) -> None:
    _import(cli, _extension(tmp_path, _row("US $64.20")))
    assert _import(cli, _request(tmp_path, _part(6175))) == _counts(2, 0, 1)
    (refusal,) = _refusals(cli)
    assert refusal["rule"] == "R8"
    assert "placed: 61.75 USD contradicts seq 1, which says 64.20 USD" in refusal["reason"]
    assert (refusal["file"], refusal["line"]) == (str(tmp_path / "Order Information.xlsx"), 2)
    assert [event["amount"] for event in _events(cli, ORDER)[:2]] == ["64.20", "61.75"]


def test_amounts_that_differ_the_other_way_round_are_refused_too(cli: Cli, tmp_path: Path) -> None:
    _import(cli, _request(tmp_path, _part(6175)))
    assert _import(cli, _extension(tmp_path, _row("US $64.20"))) == _counts(0, 0, 1)
    (refusal,) = _refusals(cli)
    assert "placed: 64.20 USD contradicts seq 1, which says 61.75 USD" in refusal["reason"]


@pytest.mark.parametrize("day", ["2024-02-29", "2024-03-01", "2024-03-02"])
@pytest.mark.parametrize("first", ["extension", "request"])
def test_a_day_earlier_or_later_is_the_same_day(cli: Cli, tmp_path: Path, day: str, first: str) -> None:
    files = [_extension(tmp_path, _row(day=day)), _request(tmp_path, _part())]
    counts = [_import(cli, file) for file in (files if first == "extension" else reversed(files))]
    assert counts == ([_counts(1, 0), _counts(2, 1)] if first == "extension" else [_counts(3, 0), _counts(0, 1)])


def test_a_week_apart_is_no_longer_the_same(cli: Cli, tmp_path: Path) -> None:
    _import(cli, _request(tmp_path, _part()))
    assert _import(cli, _extension(tmp_path, _row(day="2024-03-08"))) == _counts(0, 0, 1)
    assert "2024-03-08 08:00 contradicts seq 1, which says 2024-03-01 17:15" in _refusals(cli)[0]["reason"]


def test_a_seller_whom_one_of_them_does_not_know_contradicts_nobody(cli: Cli, tmp_path: Path) -> None:
    _import(cli, _extension(tmp_path, _row(shop="")))
    assert _import(cli, _extension(tmp_path, _row())) == _counts(0, 1)


def test_another_seller_contradicts(cli: Cli, tmp_path: Path) -> None:
    _import(cli, _extension(tmp_path, _row()))
    other = _row(shop="https://www.aliexpress.com/store/1101200999")
    assert _import(cli, _extension(tmp_path, other)) == _counts(0, 0, 1)
    assert "seller 1101200999 contradicts seq 1, which says seller 1101200300" in _refusals(cli)[0]["reason"]


PARTS = [_part(6000), _part(420, OTHER_PART)]


def test_two_parts_of_an_order_that_is_known_as_one_are_told_of_the_one(cli: Cli, tmp_path: Path) -> None:
    _import(cli, _extension(tmp_path, _row("US $60.00"), _row("US $4.20", title="Bulb")))
    assert _import(cli, _request(tmp_path, *PARTS)) == _counts(2, 1)
    shown = json.loads(cli.ok("show", ORDER, "-o", "json"))
    assert (shown["money"]["paid"], shown["money"]["to_seller"]) == ("64.20", "64.20")
    assert _import(cli, _request(tmp_path, *PARTS)) == _counts(0, 3)


def test_lines_of_an_order_that_is_known_in_parts_are_told_of_the_parts_if_they_say_which(
    cli: Cli, tmp_path: Path
) -> None:
    assert _import(cli, _request(tmp_path, *PARTS)) == _counts(6, 0)
    assert _import(cli, _extension_json(tmp_path)) == _counts(0, 2)
    table = _extension(tmp_path, _row("US $60.00"), _row("US $4.20", title="Bulb"))
    assert _import(cli, table) == _counts(0, 0, 2)
    assert all(f"{PART}, {OTHER_PART}" in refusal["reason"] for refusal in _refusals(cli))


def test_the_csv_and_the_json_of_the_extension_tell_the_same_order(cli: Cli, tmp_path: Path) -> None:
    assert _import(cli, _extension_json(tmp_path)) == _counts(1, 0)
    table = _extension(tmp_path, _row("US $60.00"), _row("US $4.20", title="Bulb"))
    assert _import(cli, table) == _counts(0, 1)


def test_without_a_currency_nothing_of_a_data_request_is_recorded(cli: Cli, tmp_path: Path) -> None:
    answer = cli("import", _request(tmp_path, _part()))
    assert answer.code == 4
    assert "--currency" in answer.err
    assert "Traceback" not in answer.err
    assert json.loads(cli.ok("list", "-o", "json")) == []


@pytest.mark.parametrize("option", ["--dry-run", "--atomic", "--sort"])
def test_a_file_of_the_same_import_is_known_before_it_is_in_the_log(cli: Cli, tmp_path: Path, option: str) -> None:
    facts = [
        {"type": "placed", "seller": "s", "amount": "5.00", "currency": "USD", "occurred_at": "2020-05-01T10:00:00Z"},
        {"type": "paid", "amount": "5.00", "occurred_at": "2020-05-01T10:01:00Z"},
        {"type": "verified", "occurred_at": "2020-05-01T11:00:00Z"},
        {"type": "shipped", "tracking": "LV410937265CN", "occurred_at": "2020-05-02T10:00:00Z"},
    ]
    (tmp_path / "facts.jsonl").write_text("".join(json.dumps(fact | {"order_id": "81"}) + "\n" for fact in facts))
    tracking = Path(__file__).parent / "formats" / "aftership" / "tracking.json"  # of that number
    said = cli.ok("import", option, str(tmp_path / "facts.jsonl"), str(tracking), "-o", "json")
    assert json.loads(said)["refused"] == 0
    assert json.loads(said)["recorded"] > len(facts)


def _requested(tmp_path: Path, *rows: dict[str, Any]) -> str:
    """A workbook of rows that are those of one order but for what is said."""
    names = COLUMNS.split()
    usual = dict(zip(names, _part(), strict=True))
    return _request(tmp_path, *([{**usual, **row}[name] for name in names] for row in rows))


@pytest.mark.parametrize(
    "rows",
    [
        [{}, {"end_reason": "security_close"}],
        [{"payable_amt": 999}, {}],
        [{"item_name": ""}, {"item_name": "", "payable_amt": 999}],
    ],
    ids=["two ends", "two amounts", "no names"],
)
def test_rows_of_one_order_that_are_not_its_items_are_not_added_up(
    cli: Cli, tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    answer = cli("import", _requested(tmp_path, *rows), "--currency", "USD")
    assert "2 rows that differ, and not each is of another item" in answer.out
    assert cli.ok("sql", "SELECT count(*) AS n FROM events", "-o", "csv") == "n\n0\n"


def test_rows_of_one_order_that_are_its_items_are(cli: Cli, tmp_path: Path) -> None:
    rows = [{}, {"item_name": "Shade", "payable_amt": 580, "unit_price": 580}]
    cli.ok("import", _requested(tmp_path, *rows), "--currency", "USD")
    assert cli.ok("sql", "SELECT amount, paid FROM orders", "-o", "csv") == "amount,paid\n70.00,70.00\n"


@pytest.mark.parametrize(("success", "told"), [("maybe", "says neither yes nor no"), ("false", "there is a time of")])
def test_an_end_is_not_told_where_it_is_not_known_whether_there_was_a_payment(
    cli: Cli, tmp_path: Path, success: str, told: str
) -> None:
    answer = cli("import", _requested(tmp_path, {"is_success_pay": success}), "--currency", "USD")
    assert told in answer.out
    assert cli.ok("sql", "SELECT type FROM events", "-o", "csv").split() == ["type", "placed"]


def test_what_contradicts_is_listed_line_by_line(cli: Cli, tmp_path: Path) -> None:
    """Of other refusals one example is told for each rule."""
    orders = [f"84000000000{number:05}" for number in range(3)]
    for price in ("US $64.20", "US $60.00"):
        rows = [_row(price).replace(ORDER, order) for order in orders]
        answer = cli("import", _extension(tmp_path, *rows))
    listed = [line for line in answer.out.splitlines() if " contradicts seq " in line]
    assert [order for line in listed for order in orders if order in line] == orders
    assert listed[0].startswith("3 refused by R8, such as ")


def test_an_order_whose_source_tells_no_payments_is_not_closed_for_want_of_one(cli: Cli, tmp_path: Path) -> None:
    cli.ok("import", _extension(tmp_path, _row()))
    answer = cli("due", "--facts")
    assert (answer.code, answer.out) == (0, "")
    assert "1 order is left out" in answer.err
    cli.ok("record", "placed", OTHER_PART, "--seller", "s", "--amount", "1", "--currency", "USD", "--at", "2024-03-01")
    assert [json.loads(line)["order_id"] for line in cli("due", "--facts").out.splitlines()] == [OTHER_PART]


@pytest.mark.parametrize(
    ("start", "what"), [("a,b\n".encode("utf-16"), "is in UTF-16"), (b"\x1f\x8b\x08", "is packed with gzip")]
)
def test_what_is_no_text_is_called_what_it_is(cli: Cli, tmp_path: Path, start: bytes, what: str) -> None:
    file = tmp_path / "orders"
    file.write_bytes(start)
    answer = cli("import", str(file))
    assert answer.code == 4
    assert f"{file} {what}" in answer.err


def test_a_line_that_only_begins_like_one_of_a_rejects_file_is_told_for_what_it_is(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "rejects.jsonl"
    file.write_text('{"file":"x","line":"no number"}\n')
    answer = cli("import", str(file))
    assert "malformed fact" in answer.out


def test_a_file_of_more_things_than_fit_into_memory_is_refused(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commands.lines.MAX_MARKS", 4)
    file = tmp_path / "parcels.json"
    file.write_text('{"track_info": [{}, {}, {}]}')
    answer = cli("import", str(file))
    assert (answer.code, f"{file} holds too many things" in answer.err) == (4, True)


def test_a_record_that_was_refused_is_refused_again_for_the_same_reason(cli: Cli, tmp_path: Path) -> None:
    """A rejects file holds it as it stood: what is wrong is mended where it came from."""
    rejects = tmp_path / "rejects.jsonl"
    cli("import", _requested(tmp_path, {"payable_amt": "much"}), "--currency", "USD", "--rejects", str(rejects))
    [first] = [json.loads(line)["reason"] for line in rejects.read_text().splitlines()]
    cli("import", str(rejects), "--rejects", str(tmp_path / "again.jsonl"))
    [again] = [json.loads(line)["reason"] for line in (tmp_path / "again.jsonl").read_text().splitlines()]
    assert again == first
    assert "payable_amt" in first
