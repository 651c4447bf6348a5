"""The relations: what they say of hand-made logs, and that they agree with the fold of the same lines."""

import stat
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import errors, money
from ledger.disk import LogFile
from ledger.events import TYPES, Recorded
from ledger.line import encode
from ledger.order import Order, as_believed, fold
from ledger.segments import Damage, Snapshot
from queries import catalog
from queries.engine import open_relations
from queries.log import FIELD_TYPES
from queries.moment import Moment
from queries.relations import VIEWS
from tests import scenario as s
from tests.logs import log_of, naive, relations, rows, write
from tests.strategies import examples, histories

NOW = s.NOW
D = Decimal
STORY = [
    s.placed(at=s.after(0), title="lamp", marketplace="aliexpress"),
    s.paid(at=s.after(0, minutes=5)),
    s.verified(at=s.after(0, hours=3)),
    s.shipped(at=s.after(2), tracking="RR473124829GB"),
    s.delivered(at=s.after(20)),
    s.confirmed(at=s.after(21)),
    s.dispute_opened(at=s.after(23)),
    s.dispute_resolved(at=s.after(25), outcome="partial", to_buyer="5.00"),
    s.refunded(at=s.after(27), amount="3.00"),
]


def test_every_field_of_an_event_is_a_column_of_events(tmp_path: Path) -> None:
    with relations(tmp_path, log_of(STORY)) as found:
        result = found.run("SELECT * FROM events", {})
    wanted = {name for event in TYPES.values() for name in event.__struct_fields__}
    assert wanted <= set(result.columns)
    assert len(set(result.columns)) == len(result.columns)
    assert (
        FIELD_TYPES.items()
        >= {
            "amount": "DECIMAL(18,4)",
            "days": "BIGINT",
            "complaint": "BOOLEAN",
            "items": "JSON",
            "pay_by": "TIMESTAMP",
            "outcome": "VARCHAR",
        }.items()
    )
    assert len(result.rows) == len(STORY)


def test_events_begin_with_the_promised_columns(tmp_path: Path) -> None:
    with relations(tmp_path, []) as found:
        columns = found.run("SELECT * FROM events", {}).columns
    assert ",".join(columns[:14]) == (
        "seq,version,order_id,type,occurred_at,effective_at,recorded_at,actor,status,odd,retracted_by,fact_id,source,note"
    )


def test_an_empty_ledger_answers_every_relation_with_no_rows(tmp_path: Path) -> None:
    with relations(tmp_path, []) as found:
        assert [found.run(f"SELECT * FROM {view}", {}).rows for view in VIEWS] == [[]] * len(VIEWS)


def test_a_field_has_one_type_in_every_event() -> None:
    kinds: dict[str, set[str]] = {}
    for name in {name for event in TYPES.values() for name in event.__struct_fields__}:
        kinds[name] = {str(event.__annotations__[name]) for event in TYPES.values() if name in event.__annotations__}
    apart = {
        name for name, found in kinds.items() if len({("Instant" in k, "Days" in k, "int" in k) for k in found}) > 1
    }
    assert apart == set()


def test_an_order_shows_where_its_money_is(tmp_path: Path) -> None:
    with relations(tmp_path, log_of(STORY)) as found:
        [order] = rows(found, "SELECT * FROM orders")
    wanted = {
        "seller": "shop-1",
        "title": "lamp",
        "marketplace": "aliexpress",
        "amount": D("20"),
        "status": "closed",
        "closure_reason": "dispute-resolved",
        "closed_by": "platform",
        "paid": D("20"),
        "escrow": D("0"),
        "to_seller": D("15"),
        "to_buyer": D("5"),
        "refund_pending": D("2"),
        "refunded": D("3"),
        "money_went_to": "split",
        "archived": False,
        "tracking": "RR473124829GB",
        "placed_at": naive(s.after(0)),
        "paid_at": naive(s.after(0, minutes=5)),
        "delivered_at": naive(s.after(20)),
        "disputed_at": naive(s.after(23)),
        "closed_at": naive(s.after(25)),
        "last_event_at": naive(s.after(27)),
        "version": 9,
        "event_count": 9,
        "odd_events": 0,
        "protected_until": naive(s.after(25)),
        "refund_by": naive(s.after(32)),
    }
    assert {name: order[name] for name in wanted} == wanted


def test_a_closure_ends_where_the_next_one_begins(tmp_path: Path) -> None:
    with relations(tmp_path, log_of(STORY)) as found:
        first, second = rows(found, "SELECT * FROM closures ORDER BY seq")
    assert (first["reason"], first["closed_by"], first["status_before"], first["delivered"]) == (
        "confirmed",
        "buyer",
        "delivered",
        True,
    )
    assert (first["to_buyer"], first["to_seller"], first["money_went_to"]) == (D(0), D("20"), "seller")
    assert (second["reason"], second["status_before"]) == ("dispute-resolved", "disputed")
    assert (second["to_buyer"], second["to_seller"], second["money_went_to"]) == (D("5"), D("-5"), "buyer")
    assert {(row["paid"], row["refunded"], row["refunded_at"]) for row in (first, second)} == {
        (D("20"), D("3"), naive(s.after(27)))
    }


def test_a_refund_that_nobody_decided_counts_for_the_closure_before_it(tmp_path: Path) -> None:
    facts = [*STORY[:3], s.closed(at=s.after(4), reason="unknown"), s.refunded(at=s.after(6))]
    with relations(tmp_path, log_of(facts)) as found:
        [row] = rows(found, "SELECT * FROM closures")
    assert (row["to_buyer"], row["money_went_to"], row["refunded"]) == (D("20"), "buyer", D("20"))


@pytest.mark.parametrize(
    ("facts", "went_to"),
    [
        ([*STORY[:6]], "seller"),
        ([*STORY[:3], s.closed_by_security(at=s.after(1))], "buyer"),
        ([STORY[0], s.closed(at=s.after(21), reason="payment-timeout")], "nobody"),
        ([*STORY[:3], s.closed(at=s.after(4), reason="unknown")], "escrow"),
        ([*STORY[:7], s.dispute_resolved(at=s.after(24), outcome="partial", to_buyer="5.00")], "split"),
        ([*STORY[:5]], None),
        ([*STORY[:7]], None),
    ],
)
def test_money_went_to_is_said_of_closed_orders_only(tmp_path: Path, facts: list[Any], went_to: str | None) -> None:
    with relations(tmp_path, log_of(facts)) as found:
        [order] = rows(found, "SELECT * FROM orders")
    assert order["money_went_to"] == went_to


def test_the_closing_types_give_their_reasons(tmp_path: Path) -> None:
    facts = [*STORY[:3], s.closed_by_security(at=s.after(1), reason="a fraud ring")]
    with relations(tmp_path, log_of(facts)) as found:
        assert rows(found, "SELECT reason FROM closures") == [{"reason": "security"}]
        assert rows(found, "SELECT closure_reason AS reason FROM orders") == [{"reason": "security"}]


def test_an_order_is_archived_when_its_windows_are_past_and_its_money_has_arrived(tmp_path: Path) -> None:
    lines = log_of([*STORY[:6]])
    order = fold(s.ORDER, lines)
    assert order.feedback_until is not None
    assert order.dispute_until is not None
    until = max(order.feedback_until, order.dispute_until)
    for now, archived in ((until, False), (until + timedelta(seconds=1), True)):
        with relations(tmp_path, lines, now=now) as found:
            assert rows(found, "SELECT archived FROM orders") == [{"archived": archived}]


def test_postings_of_every_event_sum_to_zero_and_tell_where_the_money_is(tmp_path: Path) -> None:
    with relations(tmp_path, log_of(STORY)) as found:
        assert rows(found, "SELECT seq FROM postings GROUP BY seq, currency HAVING sum(amount) <> 0") == []
        balances = found.run(catalog.audits()["money-by-account"].sql, {}).rows
    assert balances == [
        ("USD", "buyer", D("-17")),
        ("USD", "escrow", D("0")),
        ("USD", "refunds", D("2")),
        ("USD", "seller", D("15")),
    ]


def test_a_retracted_event_is_left_out_but_by_events(tmp_path: Path) -> None:
    facts = [*STORY[:3], s.closed_by_security(at=s.after(1)), s.retracted(at=s.after(2), retracts=4)]
    lines = log_of(facts)
    with relations(tmp_path, lines) as found:
        assert rows(found, "SELECT status, version, event_count FROM orders") == [
            {"status": "processing", "version": 3, "event_count": 3}
        ]
        assert rows(found, "SELECT * FROM closures") == []
        assert rows(found, "SELECT version, retracted_by FROM events WHERE version >= 4 ORDER BY version") == [
            {"version": 4, "retracted_by": 5},
            {"version": 5, "retracted_by": None},
        ]


def test_a_retraction_counts_from_when_it_was_recorded_on_whatever_the_as_of(tmp_path: Path) -> None:
    facts = [*STORY[:3], s.closed_by_security(at=s.after(1)), s.retracted(at=s.after(9), retracts=4)]
    lines = log_of(facts)
    believed = "SELECT status FROM orders"
    with relations(tmp_path, lines, known_at=s.after(8)) as found:
        assert rows(found, believed) == [{"status": "closed"}]
        assert rows(found, "SELECT DISTINCT retracted_by FROM events") == [{"retracted_by": None}]
    with relations(tmp_path, lines, as_of=s.after(5)) as found:
        assert rows(found, believed) == [{"status": "processing"}]
        assert rows(found, "SELECT retracted_by FROM events WHERE version = 4") == [{"retracted_by": 5}]
    with relations(tmp_path, lines, as_of=s.after(5), known_at=s.after(8)) as found:
        assert rows(found, believed) == [{"status": "closed"}]


def test_an_order_whose_placing_was_retracted_is_unknown(tmp_path: Path) -> None:
    with relations(tmp_path, log_of([s.placed(at=s.after(0)), s.retracted(at=s.after(1), retracts=1)])) as found:
        assert rows(found, "SELECT * FROM orders") == []
        assert len(rows(found, "SELECT * FROM events")) == 2


def test_an_event_that_came_late_is_seen_where_it_happened_and_the_others_still_in_their_order(tmp_path: Path) -> None:
    facts = [*STORY[:4], s.noted(at=s.after(1), text="late")]
    with relations(tmp_path, log_of(facts), as_of=s.after(1)) as found:
        assert rows(found, "SELECT max(version) AS version FROM events") == [{"version": 3}]
        assert rows(found, "SELECT status FROM orders") == [{"status": "processing"}]


def _cents(minor: int, currency: str) -> Decimal:
    return D(money.text(minor, currency))


def _shown(order: Order) -> tuple[Any, ...]:
    sums = (order.paid, order.escrow, order.to_seller, order.to_buyer, order.refunded, order.pending)
    due = (order.pay_by, order.verify_by, order.ship_by, order.answer_by, order.protected_until, order.review_by)
    windows = (order.refund_by, order.dispute_until, order.feedback_until)
    return (
        order.order_id,
        order.status,
        order.seller,
        order.closure_reason,
        order.closed_by,
        naive(order.closed_at),
        *(_cents(minor, order.currency) for minor in sums),
        *map(naive, (*due, *windows)),
    )


def _folded(lines: list[Recorded], as_of: datetime | None, known_at: datetime | None) -> list[tuple[Any, ...]]:
    orders = {
        line.event.order_id: [other for other in lines if other.event.order_id == line.event.order_id] for line in lines
    }
    folded = [fold(name, as_believed(own, as_of=as_of, known_at=known_at)) for name, own in orders.items()]
    return sorted(_shown(order) for order in folded if order.known)


@examples(12)
@given(st.data())
def test_orders_agree_with_the_fold_at_any_moment(data: st.DataObject) -> None:
    lines = data.draw(histories())
    instants = sorted({line.recorded_at for line in lines} | {line.event.occurred_at for line in lines})
    as_of = data.draw(st.sampled_from([None, *instants]))
    known_at = data.draw(st.sampled_from([None, *instants]))
    with (
        TemporaryDirectory() as folder,
        relations(Path(folder), lines, as_of=as_of, known_at=known_at, per_segment=5) as found,
    ):
        shown = found.run(
            """
            SELECT order_id, status, seller, closure_reason, closed_by, closed_at,
                paid, escrow, to_seller, to_buyer, refunded, refund_pending,
                pay_by, verify_by, ship_by, answer_by, protected_until, review_by,
                refund_by, dispute_until, feedback_until
            FROM orders ORDER BY order_id
            """,
            {},
        ).rows
        legs = found.run("SELECT seq, sum(amount) FROM postings GROUP BY seq HAVING sum(amount) <> 0", {}).rows
        sums = found.run("SELECT account, sum(amount) FROM postings GROUP BY account", {}).rows
        totals = found.run(
            "SELECT sum(-paid + refunded), sum(escrow), sum(to_seller), sum(refund_pending) FROM orders", {}
        )
    assert shown == _folded(lines, as_of, known_at)
    assert legs == []
    accounts = dict(zip(("buyer", "escrow", "seller", "refunds"), totals.rows[0], strict=True))
    assert {name: amount for name, amount in sums if amount} == {
        name: amount for name, amount in accounts.items() if amount
    }


def test_several_segments_are_one_log_and_the_growing_one_is_read_from_a_private_copy(tmp_path: Path) -> None:
    lines = log_of(STORY)
    snapshot = write(tmp_path / "events", lines, per_segment=4)
    with snapshot.files[-1].path.open("ab") as tail:
        tail.write(b'{"seq":10,"version":10,"rec')
    scratch = tmp_path / "cache"
    with open_relations(snapshot, Moment(NOW), scratch=scratch) as found:
        snapshot.files[-1].path.write_bytes(b"changed meanwhile")
        assert rows(found, "SELECT count(*) AS n, max(seq) AS last FROM events") == [{"n": 9, "last": 9}]
        [private] = scratch.iterdir()
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        copies = [path for path in private.iterdir() if path.is_file()]
        assert {stat.S_IMODE(path.stat().st_mode) for path in copies} == {0o600}
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("name", ["a*", "a[b]c", "it's", 'say "so"', "year=2024", "two words", "?", "деньги"])
def test_a_ledger_may_lie_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "ab" / "events").mkdir(parents=True)
    write(tmp_path / "ab" / "events", log_of(STORY[:2]), per_segment=1)
    (tmp_path / name).mkdir()
    with relations(tmp_path / name, log_of(STORY), per_segment=4) as found:
        assert rows(found, "SELECT count(*) AS n FROM events") == [{"n": 9}]


def test_a_folder_that_cannot_be_written_does_not_stop_a_reader(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    with relations(tmp_path, log_of(STORY)) as found:
        assert rows(found, "SELECT count(*) AS n FROM orders") == [{"n": 1}]


def _spoil(snapshot: Snapshot, ordinal: int, line: int) -> Damage:
    """Spoil a line (from 1) of a segment, and say what the store would find."""
    file = snapshot.files[ordinal]
    parts = file.path.read_bytes().splitlines(keepends=True)
    parts[line - 1] = b"garbage" + parts[line - 1][7:]
    file.path.write_bytes(b"".join(parts))
    offset = sum(map(len, parts[: line - 1]))
    return Damage(LogFile(file.first_seq, file.path, offset), ordinal, line, file.first_seq + line - 1, "it is no JSON")


@pytest.mark.parametrize(("ordinal", "line"), [(0, 1), (0, 2), (1, 1), (1, 3), (2, 1)])
def test_a_damaged_log_is_answered_up_to_the_damage(tmp_path: Path, ordinal: int, line: int) -> None:
    snapshot = write(tmp_path / "events", log_of(STORY), per_segment=4)
    damage = _spoil(snapshot, ordinal, line)
    with open_relations(snapshot, Moment(NOW), scratch=tmp_path / "cache", first_damage=lambda: damage) as found:
        assert found.damage is None
        for _ in range(2):
            assert found.run_sandboxed("SELECT count(*) FROM events", {}).rows == [(damage.seq - 1,)]
            assert isinstance(found.damage, errors.Damaged)
            assert f"line {line} (seq {damage.seq})" in str(found.damage)


def test_a_damaged_log_is_an_error_where_nobody_finds_the_damage(tmp_path: Path) -> None:
    snapshot = write(tmp_path / "events", log_of(STORY))
    _spoil(snapshot, 0, 3)
    with (
        open_relations(snapshot, Moment(NOW), scratch=tmp_path / "cache") as found,
        pytest.raises(errors.Damaged, match="cannot be read"),
    ):
        found.run("SELECT * FROM orders", {})


def test_a_line_may_be_as_long_as_the_log_allows(tmp_path: Path) -> None:
    facts = [s.placed(at=s.after(0)), s.noted(at=s.after(1), text="\u0001" * 1_000_000)]
    lines = log_of(facts)
    assert len(encode(lines[1])) > 5_000_000
    with relations(tmp_path, lines) as found:
        assert rows(found, "SELECT length(text) AS n FROM events WHERE type = 'noted'") == [{"n": 1_000_000}]


def test_the_audits_of_closures_name_who_got_the_money(tmp_path: Path) -> None:
    facts = [*STORY, s.placed(order_id="2", at=s.after(30)), s.closed(order_id="2", at=s.after(31), reason="unknown")]
    with relations(tmp_path, log_of(facts)) as found:
        answers = {
            name: found.run(audit.sql, {param.name: param.default for param in audit.params}).rows
            for name, audit in catalog.audits().items()
        }
        only = found.run(catalog.audits()["refunded-closures"].sql, {"since": None, "reason": "security"}).rows
    at = naive(s.after(25))
    assert only == []
    assert answers["refunded-closures"] == [
        (s.ORDER, "shop-1", "dispute-resolved", "platform", at, "USD", D("5"), D("-5"), D("3"))
    ]
    assert [row[0:3] for row in answers["paid-out-closures"]] == [(s.ORDER, "shop-1", "confirmed")]
    assert answers["split-closures"] == []
    assert answers["unexplained-closures"] == [("2", "shop-1", naive(s.after(31)), "USD", D(0))]


def test_since_leaves_out_earlier_closures(tmp_path: Path) -> None:
    audit = catalog.audits()["paid-out-closures"]
    with relations(tmp_path, log_of(STORY)) as found:
        assert len(found.run(audit.sql, {"since": s.after(21)}).rows) == 1
        assert found.run(audit.sql, {"since": s.after(21, seconds=1)}).rows == []
