"""The Open Platform's JSON: orders and disputes of every shape, what they tell, and what a ledger makes of it."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import BadInput
from ledger.events import Placed
from ledger.formats.foreign import Asked
from ledger.formats.local_time import moment
from ledger.formats.open_platform import OPEN_PLATFORM, TABLES
from ledger.formats.open_platform_orders import ACTIONS, END_REASONS
from ledger.formats.open_platform_values import split
from tests.running import Cli
from tests.telling import FORMATS, check_golden, told

FOLDER = FORMATS / "open_platform"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def _facts(content: Any, log: tuple[Placed, ...] = (), currency: str | None = None) -> list[dict[str, Any]]:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return [json.loads(line) for line in told(OPEN_PLATFORM, text, log=log, currency=currency).splitlines()]


def _told(content: Any, log: tuple[Placed, ...] = ()) -> list[str]:
    lines = _facts(content, log)
    return [line["fact"]["type"] if "fact" in line else line["problem"]["what"] for line in lines]


def _order(**fields: Any) -> dict[str, Any]:
    usual = {"id": 8160000000000001, "gmt_create": "2024-03-01 08:00:00", "order_status": "FINISH"}
    return {**usual, "order_amount": {"amount": "20.00", "currency_code": "USD"}, **fields}


def _placed(order_id: str, amount: str = "20.00", parent: str | None = None) -> Placed:
    at = moment("2024-03-01 08:00:00").at
    return Placed(order_id=order_id, occurred_at=at, seller="s", amount=amount, currency="USD", parent=parent)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_tells_what_stands_beside_it(name: str) -> None:
    content = (FOLDER / f"{name}.json").read_bytes()
    assert OPEN_PLATFORM.sniff(content[: 1 << 18])
    check_golden(FOLDER / f"{name}.facts.jsonl", told(OPEN_PLATFORM, content))


# ---- the shapes it comes in ----


def _camel(value: Any) -> Any:
    if isinstance(value, list):
        return [_camel(one) for one in value]
    if not isinstance(value, dict):
        return value
    words = {name: name.split("_") for name in value}
    return {first + "".join(map(str.title, more)): _camel(value[name]) for name, (first, *more) in words.items()}


@pytest.mark.parametrize("name", ["whole_life", "endings", "refunds", "disputes"])
def test_the_names_of_fields_may_have_humps(name: str) -> None:
    value = json.loads((FOLDER / f"{name}.json").read_bytes())
    assert _facts(_camel(value)) == _facts(value)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda order: order,
        lambda order: [order],
        lambda order: {"result": order},
        lambda order: {"aliexpress_trade_x_response": {"result": {"data": order, "error_message": "none"}}},
        lambda order: {"result": {"target_list": {"order_dto": [order]}, "total_count": 1}},
        lambda order: {"result": {"target_list": {"order_dto": order}}},
        lambda order: [[{"data": [order]}]],
    ],
)
def test_an_order_is_found_in_any_wrapper(wrap: Any) -> None:
    order = _order(gmt_trade_end="2024-04-01 08:00:00")
    assert _facts(wrap(order)) == _facts(order)
    assert OPEN_PLATFORM.sniff(json.dumps(wrap(order)).encode())


def test_one_answer_a_line_with_all_that_editors_add() -> None:
    order = json.dumps(_order(id=1)).encode()
    other = json.dumps({"x_response": {"result": _order(id=2, gmt_trade_end="2024-04-01 08:00:00")}}).encode()
    content = b"\xef\xbb\xbf" + b"\r\n".join([order, b"", b'{"broken":', b"7", other, b'{"msg":"no such order"}', b""])
    found = _facts(content)
    assert [line["record"] for line in found] == [1, 1, 2, 3, 4, 4, 5]
    assert [line["problem"]["what"].partition(":")[0] for line in found if "problem" in line] == [
        "order 1",
        "not a line of JSON",
        "it is neither an order nor a dispute",
        "the marketplace answered with an error",
    ]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "it is no JSON"),
        (b"no json", "it is no JSON"),
        (b"7\n8\n", "it is no JSON"),
        (b'{"order_status":', "it is no JSON"),
        (b"\xff\xfe{\x00}\x00", "it is no JSON"),
        (b"{}", "neither an order nor a dispute"),
        (b"[null, 1]", "neither an order nor a dispute"),
        (b'[{"contact_person": "A Buyer", "zip": "1", "city": "Bonn"}]', "delivery address without its order"),
        (b'{"error_response": {"code": 15, "msg": "Invalid session"}}', "answered with an error: Invalid session"),
        (b"[" * 30 + b'{"id":1,"order_status":"FINISH"}' + b"]" * 30, "neither an order nor a dispute"),
        (b"[" * 100_000, "it is no JSON"),
    ],
)
def test_a_file_without_an_order_is_refused_and_says_what_it_is(content: bytes, what: str) -> None:
    with pytest.raises(BadInput, match=what):
        _facts(content)


@pytest.mark.parametrize(
    "content",
    [
        b'{"type":"placed","order_id":"1","note":"\\"gmt_create\\": 1, \\"order_status\\": 2"}',
        b'[{"orderId":"1","orderDate":"Feb 21, 2024","status":"Completed","storeName":"x"}]',
        b'{"code":0,"data":{"accepted":[{"number":"RR1","track_info":{}}]}}',
        b"order_id,gmt_create,order_status\n",
        b"",
    ],
)
def test_what_is_of_another_format_is_left_to_it(content: bytes) -> None:
    assert not OPEN_PLATFORM.sniff(content)


# ---- parents and children ----


def test_shares_add_up_and_the_largest_remainders_get_what_is_left() -> None:
    assert split(1001, [300, 300, 300]) == [334, 334, 333]
    assert split(100, [1, 2, 3]) == [17, 33, 50]
    assert split(2, [1, 1, 1]) == [1, 1, 0]
    assert split(7, [0, 0]) == [4, 3]


@given(whole=st.integers(0, 10**12), weights=st.lists(st.integers(0, 10**9), min_size=1, max_size=9))
def test_a_share_is_less_than_one_unit_from_what_is_due(whole: int, weights: list[int]) -> None:
    shares = split(whole, weights)
    assert sum(shares) == whole
    if total := sum(weights):
        assert all(abs(share * total - whole * weight) < total for share, weight in zip(shares, weights, strict=True))


def _child(order_id: int, price: str) -> dict[str, Any]:
    return {"id": order_id, "product_count": 1, "product_price": {"amount": price, "currency_code": "USD"}}


def test_a_parent_that_is_known_as_one_order_stays_one() -> None:
    children = [_child(8160000000000002, "5.00"), _child(8160000000000003, "15.00")]
    placed, *_ = _facts(_order(child_order_list=children), (_placed("8160000000000001"),))
    assert (placed["fact"]["order_id"], placed["fact"]["amount"]) == ("8160000000000001", "20.00")
    assert len(placed["fact"]["items"]) == 2
    assert "parent" not in placed["fact"]


def test_an_order_without_children_is_the_only_part_that_is_known_of_it() -> None:
    part = _placed("8160000000000009", parent="8160000000000001")
    assert _facts(_order(), (part,))[0]["fact"]["order_id"] == "8160000000000009"
    other = _placed("8160000000000010", parent="8160000000000001")
    assert _told(_order(), (part, other)) == [
        "8160000000000001 was placed as 2 orders: 8160000000000009, 8160000000000010"
    ]


def test_an_order_that_is_known_needs_no_amount() -> None:
    order = _order(order_amount=None, gmt_pay_time="2024-03-02 08:00:00", gmt_trade_end="2024-04-02 08:00:00")
    assert _told(order, (_placed("8160000000000001"),)) == ["paid", "closed"]
    assert _told({"id": 8160000000000001, "fund_status": "NOT_PAY"}, (_placed("8160000000000001"),)) == [
        "order 8160000000000001: nothing that it tells has a time"
    ]


def test_a_refund_of_two_children_that_are_one_order_is_not_added_up() -> None:
    refund = {"refund_status": "refund_ok", "refund_cash_amt": {"amount": "5.00", "currency_code": "USD"}}
    children = [_child(1, "5.00") | {"refund_info": refund}, _child(2, "15.00") | {"refund_info": refund}]
    lines = _told(_order(order_status="IN_ISSUE", child_order_list=children), (_placed("8160000000000001"),))
    assert lines == ["placed", "order 8160000000000001: several of its children were refunded"]


def test_a_currency_is_asked_for_where_the_file_names_none() -> None:
    placed, *_ = _facts(_order(order_amount="12.3"), currency="KWD")
    assert (placed["fact"]["amount"], placed["fact"]["currency"]) == ("12.300", "KWD")


def test_the_shop_is_the_seller_where_no_login_is_told() -> None:
    shop = {"store_id": 1102030, "store_name": "Lamp Emporium"}
    parcel = {"logistics_no": "LP1", "logistics_service": "EMS", "gmt_send": "2024-03-03"}
    placed, shipped, *_ = _facts(_order(store_info=shop, logistics_info_list={"one": [parcel]}))
    assert (placed["fact"]["seller"], placed["fact"]["note"]) == ("1102030", "seller: Lamp Emporium")
    assert (shipped["fact"]["tracking"], shipped["fact"]["carrier"]) == ("LP1", "EMS")


def test_a_row_of_a_list_of_disputes_says_that_there_was_one_and_no_more() -> None:
    row = {"issue_id": 1, "order_id": 5, "gmt_create": "2024-03-05", "issue_status": "finish", "reason_chinese": "x"}
    assert _told({"data_list": {"issue_api_issue_dto": [row]}}, (_placed("5"),)) == ["dispute-opened"]


def test_a_dispute_of_a_parent_does_not_say_which_part_is_meant() -> None:
    dispute = {"order_id": 3, "gmt_create": "2024-03-05", "issue_reason_id": 1}
    assert _told(dispute, (_placed("1", parent="3"), _placed("2", parent="3"))) == ["3 was placed as 2 orders: 1, 2"]


def test_a_dispute_of_an_order_whose_amount_cannot_be_read_says_so() -> None:
    dispute = {"order_id": 1, "gmt_create": "2024-03-05", "issue_reason_id": 1}
    [line] = _facts(dispute, (_placed("1", amount="20.005"),))
    assert "order 1: " in line["problem"]["what"]


def test_a_row_of_a_dispute_with_nothing_but_its_numbers_is_a_dispute() -> None:
    [line] = _facts({"issue_id": 1, "order_id": 5, "issue_status": "finish"}, (_placed("5"),))
    assert "problem" in line


def test_a_solution_that_tells_its_money_twice_means_the_first() -> None:
    money = {"refund_money_post": "5.00", "refund_money_post_currency": "USD"}
    again = {"refund_money": "6.00", "refund_money_currency": "USD"}
    solution = {"status": "reached", "gmt_create": "2024-03-08", "reached_time": "2024-03-09"} | money | again
    dispute = {"order_id": 1, "gmt_create": "2024-03-05", "issue_reason_id": 1, "issue_status": "finish"}
    lines = _facts(dispute | {"platform_solution_list": [solution]}, (_placed("1"),))
    assert "5.00" in json.dumps(lines)
    assert "6.00" not in json.dumps(lines)


_TWO = [_child(8160000000000002, "5.00"), _child(8160000000000003, "15.00")]


def test_a_parcel_of_another_child_is_of_none_here() -> None:
    parcels = [
        {"logistics_no": f"LP{child}", "gmt_send": "2024-03-03", "child_order_id": 8160000000000000 + child}
        for child in (2, 7)
    ]
    lines = _facts(_order(child_order_list=_TWO, logistic_info_list=parcels))
    shipped = [line["fact"] for line in lines if line.get("fact", {}).get("type") == "shipped"]
    assert [fact["tracking"] for fact in shipped if fact["order_id"] == "8160000000000003"] != ["LP7"]
    assert [fact["tracking"] for fact in shipped if fact["order_id"] == "8160000000000002"] == ["LP2"]


def test_a_refund_of_a_part_that_has_not_come_is_no_refund() -> None:
    refund = {"refund_status": "wait_refund", "refund_cash_amt": {"amount": "5.00", "currency_code": "USD"}}
    order = _order(order_status="IN_ISSUE", child_order_list=_TWO, refund_info=refund)
    assert "refunded" not in _told(order)
    assert not any("was refunded" in line for line in _told(order))


@pytest.mark.parametrize("status", ["refund_cancel", "close", "refund_ok"])
def test_a_dispute_is_not_won_where_the_refund_says_less(status: str) -> None:
    info = {"refund_status": status, "refund_cash_amt": {"amount": "5.00", "currency_code": "USD"}}
    ended = {"gmt_trade_end": "2024-03-20", "end_reason": "seller_accept_issue_no_goods_return"}
    lines = _facts(_order(order_status="FINISH", refund_info=info, **ended))
    [closing] = [line["fact"] for line in lines if line.get("fact", {}).get("type") in ("closed", "dispute-resolved")]
    said = (closing["type"], closing.get("outcome"), closing.get("reason"))
    assert said == (("dispute-resolved", "partial", None) if status == "refund_ok" else ("closed", None, "unknown"))


def test_a_time_of_the_log_that_is_none_is_one_problem() -> None:
    log = [{"action_type": "risk_control_pass", "gmt_create": "yesterday"}]
    problems = [line["problem"]["what"] for line in _facts(_order(opr_log_dto_list=log)) if "problem" in line]
    assert [what for what in problems if "yesterday" in what or "operation log" in what] == problems[:1]


def test_a_refund_that_the_log_tells_and_the_order_denies_is_a_problem() -> None:
    info = {"refund_status": "wait_refund", "refund_cash_amt": {"amount": "5.00", "currency_code": "USD"}}
    log = [{"action_type": "pledge_refund_success", "gmt_create": "2024-03-21"}]
    lines = _told(_order(order_status="IN_ISSUE", refund_info=info, opr_log_dto_list=log))
    assert any("refund_status wait_refund that it has not" in line for line in lines), lines
    assert "refunded" not in lines


def test_children_without_prices_are_not_given_equal_shares() -> None:
    children = [_child(8160000000000002, "0.00"), _child(8160000000000003, "0.00")]
    assert "the amount cannot be split between the order's children" in _told(_order(child_order_list=children))


def test_a_dispute_or_freeze_without_a_time_is_not_told() -> None:
    order = _order(issue_status="IN_ISSUE", issue_info={"issue_status": "IN_ISSUE"}, frozen_status="IN_FROZEN")
    assert not {"dispute-opened", "noted", "frozen"} & {*_told(order)}


# ---- in a ledger ----


@pytest.fixture
def ledger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    cli = Cli(tmp_path / "ledger", capsys)
    cli.ok("init")
    return cli


def _counts(ledger: Cli, name: str) -> dict[str, int]:
    answer = ledger("import", "--format", "open-platform", str(FOLDER / f"{name}.json"), "-o", "json")
    counts: dict[str, int] = json.loads(answer.out)
    return counts


@pytest.mark.parametrize("name", NAMES)
def test_every_fact_is_recorded_once_and_only_problems_are_refused(name: str, ledger: Cli) -> None:
    lines = [json.loads(line) for line in (FOLDER / f"{name}.facts.jsonl").read_text("utf-8").splitlines()]
    facts = sum("fact" in line for line in lines)
    first, again = _counts(ledger, name), _counts(ledger, name)
    assert (first["recorded"], first["refused"]) == (facts, len(lines) - facts)
    assert (again["recorded"], again["duplicates"], again["refused"]) == (0, facts, len(lines) - facts)


def test_a_whole_life_is_one_order_that_was_confirmed(ledger: Cli) -> None:
    ledger.ok("import", str(FOLDER / "whole_life.json"))
    shown = json.loads(ledger.ok("show", "8170000000000101", "-o", "json"))
    assert shown["closure"] == {"reason": "confirmed", "by": "buyer", "at": "2023-03-30T16:00:00Z"}
    assert shown["money"]["to_seller"] == "24.50"
    assert [line["event"]["type"] for line in shown["events"]] == [
        *("placed", "paid", "verified", "shipped", "delivered-scan", "confirmed")
    ]
    assert not any("odd" in line for line in shown["events"])


def test_a_partial_refund_that_a_dispute_decided_has_arrived(ledger: Cli) -> None:
    ledger("import", str(FOLDER / "refunds.json"))
    for order in ("8170000000018002", "8170000000020002"):  # the refund came after the decision, and before it
        money = json.loads(ledger.ok("show", order, "-o", "json"))["money"]
        assert (money["to_seller"], money["to_buyer"], money["refunded"]) == ("13.00", "7.00", "7.00")
        assert (money["escrow"], money["refund_pending"]) == ("0.00", "0.00")


def test_the_order_list_and_the_order_detail_of_one_order_are_the_same_facts(ledger: Cli, tmp_path: Path) -> None:
    listed = _order(
        child_order_list=None,
        product_list=[{"child_id": 8160000000000002}],
        gmt_pay_time="2024-03-01 08:10:00",
        gmt_trade_end="2024-04-01 08:00:00",
        end_reason="buyer_accept_goods",
    )
    log = [("front_create_order", "08:00:00"), ("front_pay_online_success", "08:10:01")]
    detail = listed | {
        "child_order_list": [_child(8160000000000002, "18.00")],
        "opr_log_dto_list": [
            {"id": number, "action_type": action, "gmt_create": f"2024-03-01 {time}"}
            for number, (action, time) in enumerate(log, 1)
        ],
    }
    for name, order in (("listed", listed), ("detail", detail)):
        (tmp_path / name).write_text(json.dumps(order))
    ledger.ok("import", str(tmp_path / "listed"))
    counts = json.loads(ledger.ok("import", str(tmp_path / "detail"), "-o", "json"))
    assert (counts["recorded"], counts["duplicates"]) == (0, 3)


# ---- the docs, and what means harm ----


def test_the_tables_for_the_docs_are_those_that_are_used() -> None:
    assert [word for word, _ in TABLES["Operation log"][:-1]] == list(ACTIONS)
    assert [told for _, told in TABLES["End reasons"][:-1]] == list(END_REASONS.values())


_WORDS = [
    *ACTIONS,
    *END_REASONS,
    "FINISH",
    "IN_FROZEN",
    "refund_ok",
    "initiate",
    "reached",
    "2024-03-01",
    "1.00",
    "USD",
]
_FIELDS = [
    *("id", "order_id", "gmt_create", "order_status", "order_amount", "amount", "currency_code", "cent", "cent_factor"),
    *("child_order_list", "product_count", "product_price", "opr_log_dto_list", "action_type", "child_order_id"),
    *(
        "refund_info",
        "refund_status",
        "refund_cash_amt",
        "refund_time",
        "gmt_trade_end",
        "end_reason",
        "parent_order_id",
    ),
    *("logistic_info_list", "logistics_no", "gmt_send", "issue_info", "issue_status", "issue_time", "process_dto_list"),
    *("platform_solution_list", "status", "refund_money_post", "refund_money_post_currency"),
]
_ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=9)
    | st.sampled_from(_WORDS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_FIELDS), inner, max_size=9),
    max_leaves=25,
)


def _read_or_refused(content: bytes) -> None:
    with suppress(BadInput):
        told(OPEN_PLATFORM, content, log=[_placed("1"), _placed("2", parent="3")], currency="USD")


@given(_ANYTHING)
@settings(max_examples=40)
def test_any_json_is_read_or_refused(value: Any) -> None:
    _read_or_refused(json.dumps(value).encode())
    _read_or_refused(json.dumps(_order(**value) if isinstance(value, dict) else [_order(), value]).encode())
    _read_or_refused(json.dumps({"order_id": 1, "process_dto_list": value, "issue_reason_id": 1}).encode())


@given(st.binary(max_size=60), st.integers(0, 10**6))
def test_any_bytes_are_read_or_refused(noise: bytes, place: int) -> None:
    content = (FOLDER / "three_children.json").read_bytes()
    place %= len(content)
    _read_or_refused(noise)
    _read_or_refused(content[:place] + noise + content[place:])


@pytest.mark.parametrize(
    "amount", ["1e999999999", "1e99999999999999999999", "9" * 400, "-0.0", "1e-9", "1" + "0" * 4000]
)
def test_a_number_without_end_is_no_amount(amount: str) -> None:
    text = json.dumps(_order(order_amount={"currency_code": "USD", "amount": 0}))
    text = text.replace('"amount": 0', f'"amount": {amount}')
    assert "amount" in "".join(_told(text.encode()))


def test_a_large_order_list_is_read_record_by_record() -> None:
    orders = [_order(id=8160000000000000 + number, gmt_trade_end="2024-04-01 08:00:00") for number in range(300)]
    lines = _facts({"target_list": orders})
    assert [line["record"] for line in lines[-2:]] == [300, 300]


@pytest.mark.parametrize(("children", "entries"), [(201, 0), (1, 1001)])
def test_an_order_of_more_than_any_marketplace_has_is_refused(children: int, entries: int) -> None:
    """Each entry may be told of each child: without a limit a small file would tell facts without end."""
    order = {
        "id": 8100000000000000,
        "order_status": "FINISH",
        "child_order_list": [{"id": 8100000000000001 + number} for number in range(children)],
        "opr_log_dto_list": [{"action_type": "x", "gmt_create": "2024-03-01 10:00:00"}] * entries,
    }
    [record] = OPEN_PLATFORM.read(json.dumps(order).encode(), Asked("USD", list))
    assert (record.facts, len(record.problems)) == ([], 1)
    assert "more than 200 children" in record.problems[0].what


def test_each_of_several_orders_on_a_line_is_refused_with_its_own_text() -> None:
    line = json.dumps([{"order_status": "FINISH", "order_amount": number} for number in range(2)]).encode()
    records = list(OPEN_PLATFORM.read(b"\n".join([line, line]), Asked("USD", list)))
    assert [json.loads(record.text)["order_amount"] for record in records] == [0, 1, 0, 1]


def test_the_number_of_an_order_is_of_digits() -> None:
    for number in (-5, "abc", "8100000000000000x"):
        order = {"id": number, "order_status": "FINISH", "order_amount": "1.00"}
        [record] = OPEN_PLATFORM.read(json.dumps(order).encode(), Asked("USD", list))
        assert [problem.what for problem in record.problems] == ["an order without its number"], number
