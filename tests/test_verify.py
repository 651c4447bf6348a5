"""verify finds every kind of damage where it is, and nothing in a log that is honest."""

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger import findings, kept
from ledger.book import Ledger
from ledger.checkpoint import Checkpoint, origin_of
from ledger.decide import Decision, decide
from ledger.disk import LINE_BYTES_MAX
from ledger.errors import Refused
from ledger.events import Fact, Recorded
from ledger.order import Order, evolve
from ledger.policy import Policy, load
from ledger.published import Published
from ledger.verify import CHECKS, QUICK, verify
from tests.damaging import (
    BORN,
    FACTS,
    ID,
    PER_SEGMENT,
    change,
    found,
    ledger_of,
    lines_around,
    places,
    sealed_again,
    segment,
    usual,
)
from tests.logs import log_of
from tests.scenario import closed, confirmed, dispute_opened, dispute_resolved, line_of, noted, paid, placed, retracted
from tests.strategies import histories

SECOND, THIRD = "000000000005.jsonl", "000000000009.jsonl"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """The usual ledger: 11 lines in three segments."""
    return usual(tmp_path / "l")


# Honest ledgers.


def test_a_good_ledger_is_told_check_by_check(ledger: Ledger) -> None:
    report = verify(ledger)
    assert (report.ok, report.events) == (True, 11)
    assert [check.check for check in report.checks] == list(CHECKS)
    assert Published(ledger.store, ID).publish(wait=0).root == report.root
    assert verify(ledger).ok


def test_quick_checks_less_and_has_the_same_root(ledger: Ledger) -> None:
    report = verify(ledger, quick=True)
    assert [check.check for check in report.checks] == list(QUICK)
    assert report.root == verify(ledger).root


def test_an_empty_ledger_is_good(tmp_path: Path) -> None:
    report = verify(Ledger.create(tmp_path / "l", policy="aliexpress", now=BORN, ledger_id=ID))
    assert (report.ok, report.events) == (True, 0)


def test_progress_is_heard_of_every_byte(ledger: Ledger) -> None:
    heard: list[tuple[int, int]] = []
    verify(ledger, progress=lambda size, events: heard.append((size, events)))
    assert sum(size for size, _ in heard) == sum(path.stat().st_size for path in ledger.store.events_dir.iterdir())
    assert heard[-1][1] == 11


def test_an_end_that_is_being_written_is_no_damage(ledger: Ledger) -> None:
    whole = segment(ledger, 9).read_bytes()
    segment(ledger, 9).write_bytes(whole + b'{"seq":12,"vers')
    assert (verify(ledger).ok, verify(ledger).events) == (True, 11)
    segment(ledger, 9).write_bytes(whole)
    segment(ledger, 12).write_bytes(b'{"seq":12,"vers')
    segment(ledger, 12).chmod(0o600)
    assert (verify(ledger).ok, verify(ledger).events) == (True, 11)


def test_an_amount_of_zero_that_tells_two_facts_apart_is_no_repetition(tmp_path: Path) -> None:
    """What a closing says of money is left out of its line where it is zero; the fact had said it (R10)."""
    at = datetime(2024, 4, 1, tzinfo=UTC)
    facts = [
        placed(at=at),
        paid(at=at),
        closed(at=at + timedelta(1), to_buyer="5.00"),
        retracted(at=at + timedelta(2), retracts=3),
        closed(at=at + timedelta(1), to_buyer="0.00"),
    ]
    assert found(ledger_of(tmp_path / "l", log_of(facts, late={5: at + timedelta(3)}))) == []


def test_a_dispute_that_moved_no_money_though_the_buyer_won_is_honest(tmp_path: Path) -> None:
    at = datetime(2024, 4, 1, tzinfo=UTC)
    facts = [
        placed(at=at),
        paid(at=at),
        confirmed(at=at + timedelta(1)),
        dispute_opened(at=at + timedelta(2)),
        dispute_resolved(at=at + timedelta(3), outcome="buyer-won", to_buyer="0"),
    ]
    assert found(ledger_of(tmp_path / "l", log_of(facts))) == []


POLICIES = [
    b"future_minutes = 0\nbuyer_cancels_unpaid = false\n",
    b"pay_days = 0\nship_days = 1\nprotection_days = 3\nprotection_after_scan_days = 0\nfeedback_days = 1\n",
    b"dispute_after_expiry_days = 0\ndispute_after_confirmed_days = 0\nrefund_days = 0\ndispute_refund_days = 0\n",
    b'future_minutes = 3650\ntime_zone = "Asia/Tokyo"\nholidays = ["2024-03-04"]\npay_days = 3650\n',
]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_that_was_changed_condemns_nothing(ledger: Ledger, policy: bytes) -> None:
    (ledger.path / "policy.toml").write_bytes(policy)
    assert found(Ledger.open(ledger.path)) == []


@settings(max_examples=60)
@given(histories(max_orders=4), st.integers(1, 9))
def test_every_honest_history_is_good(lines: list[Recorded], per_segment: int) -> None:
    with TemporaryDirectory() as folder:
        assert found(ledger_of(Path(folder, "l"), lines, per_segment)) == []


def decided_under(policy: Policy, lines: list[Recorded]) -> list[Recorded]:
    """What becomes of the same facts under another policy: what it sets is left for it to set."""
    orders: dict[str, Order] = {}
    log: list[Recorded] = []
    for line in lines:
        order = orders.setdefault(line.event.order_id, Order(line.event.order_id))
        due = [name for name in line.event.__struct_fields__ if name.endswith(("_by", "_until"))]
        fact: Fact = replace(line.event, **dict.fromkeys(due))
        try:
            decision = decide(order, fact, policy, line.recorded_at)
        except Refused:
            continue
        if isinstance(decision, Decision):
            log.append(line_of(decision, seq=len(log) + 1, version=order.version + 1, recorded_at=line.recorded_at))
            evolve(order, log[-1])
    return log


@settings(max_examples=60)
@given(histories(max_orders=2), st.sampled_from(POLICIES))
def test_what_was_decided_under_another_policy_is_good(lines: list[Recorded], policy: bytes) -> None:
    with TemporaryDirectory() as folder:
        assert found(ledger_of(Path(folder, "l"), decided_under(load("aliexpress", policy), lines))) == []


@settings(max_examples=40)
@given(histories(min_orders=3, max_orders=6), st.integers(10, 9000), st.sampled_from([0, 1000, 100_000]))
def test_orders_that_left_memory_are_read_again(lines: list[Recorded], whole_bytes: int, packed_bytes: int) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept, "WHOLE_BYTES", whole_bytes)
        patch.setattr(kept, "PACKED_BYTES", packed_bytes)
        patch.setattr("ledger.places.FLUSH_EVENTS", 7)
        patch.setattr("ledger.disk.BLOCK_BYTES", 1000)
        patch.setattr("ledger.scan.BLOCK_BYTES", 1000)
        ledger = ledger_of(Path(folder, "l"), lines, 5)
        assert found(ledger) == []
        ledger.rebuild()
        assert found(ledger) == []


# Bytes.


def test_any_bit_flipped_anywhere_is_found(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path / "l", log_of(FACTS[:5]), per_segment=3)
    published = Published(ledger.store, ID).publish(wait=0)
    assert verify(ledger).ok
    for path in sorted(ledger.store.events_dir.iterdir()):
        whole = path.read_bytes()
        for at in range(len(whole)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
            assert not verify(ledger, quick=True).ok, at
            assert at % 5 or not verify(ledger).ok, at
        path.write_bytes(whole)
    assert verify(ledger, outside=published).ok


def test_a_log_that_was_cut_anywhere_does_not_extend_its_checkpoint(ledger: Ledger) -> None:
    outside = Published(ledger.store, ID).publish(wait=0)
    (ledger.path / "checkpoints" / "000000000011").unlink()
    path = segment(ledger, 9)
    whole = path.read_bytes()
    unended = {0, *(at for at, byte in enumerate(whole) if byte == ord("\n"))}
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        report = verify(ledger, quick=True, outside=outside)
        assert not report.checks[-1].ok, size
        assert report.checks[0].ok == (size not in unended)


def test_a_flipped_byte_is_told_where_it_is_and_not_again(ledger: Ledger) -> None:
    path, lines = lines_around(ledger, 7)
    path.write_bytes(b"".join(lines).replace(b"delivered-scan", b"delivered_scan"))
    report = verify(ledger)
    assert places(report) == {("crc", 7, SECOND, 3), ("versions", 10, THIRD, 2)}


def test_several_damages_are_all_told(ledger: Ledger) -> None:
    change(ledger, 1, lambda line: line.replace(b'"status":"awaiting-payment"', b'"status":"closed"'))
    path, lines = lines_around(ledger, 8)
    path.write_bytes(b"".join(lines).replace(b"asked", b"asket"))
    change(ledger, 10, lambda line: line.replace(b'"20.00"', b'"21.00"'))
    assert {(check, seq) for check, seq, _ in found(ledger)} >= {("decisions", 1), ("crc", 8), ("decisions", 10)}


def test_more_problems_than_are_kept_are_counted(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "PROBLEMS_MAX", 3)
    for path in ledger.store.events_dir.iterdir():
        path.write_bytes(path.read_bytes().replace(b'"crc"', b'"CRC"'))
    assert [problem for check, _, problem in found(ledger) if check == "crc"][2:] == [
        "its bytes do not match its CRC",
        "and 8 more",
    ]


@pytest.mark.parametrize("quick", [False, True])
def test_a_line_longer_than_any_can_be_is_told_and_the_next_is_read(ledger: Ledger, quick: bool) -> None:
    path, lines = lines_around(ledger, 6)
    path.write_bytes(b"".join([lines[0], b"x" * (LINE_BYTES_MAX + (3 << 20)) + b"\n", *lines[2:]]))
    problems = found(ledger, quick=quick)
    assert ("segments" if quick else "lines", 6, "the line is longer than any line can be") in problems
    assert {seq for check, seq, _ in problems if check in ("crc", "seqs", "segments")} <= {6}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b'"text":"asked the seller"', b'"txt":"asked the seller"', "unknown field"),
        (b"asked the seller", b"asked\xffthe seller", "utf-8"),
        (b'"status":', b'"status" :', "not spelled"),
        (b'"status":"processing"', b'"status":"processing","status":"processing"', "not spelled"),
        (b'"version":4', b'"version":"4"', "Expected `int`"),
    ],
)
def test_a_line_of_another_form_is_told(tmp_path: Path, old: bytes, new: bytes, told: str) -> None:
    ledger = ledger_of(tmp_path / "l", log_of([*FACTS[:5], noted(order_id="a", at=FACTS[5].occurred_at)]))
    change(ledger, 6, lambda line: line.replace(old, new))
    [(check, seq, problem)] = found(ledger)
    assert (check, seq) == ("lines", 6)
    assert told in problem


# Segments.


def test_a_missing_segment_is_told_once_and_each_of_its_orders_once(ledger: Ledger) -> None:
    segment(ledger, 5).unlink()
    assert places(verify(ledger)) == {
        ("segments", 5, THIRD, 1),
        ("versions", 9, THIRD, 1),
        ("versions", 10, THIRD, 2),
    }
    assert {check for check, _, _ in found(ledger, quick=True)} == {"segments"}


def test_the_first_segment_missing_is_told(ledger: Ledger) -> None:
    segment(ledger, 1).unlink()
    assert ("segments", 1, "its name says seq 5, due is 1: 4 lines are missing") in found(ledger)


def test_a_renamed_segment_is_told(ledger: Ledger) -> None:
    segment(ledger, 9).rename(segment(ledger, 10))
    assert found(ledger) == [("segments", 9, "its name says seq 10, due is 9: 1 lines are missing")]


def test_swapped_segments_are_told(ledger: Ledger) -> None:
    first, second = segment(ledger, 1), segment(ledger, 5)
    aside = first.with_name(".aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
    assert {check for check, _, _ in found(ledger)} >= {"seqs", "versions"}
    assert {check for check, _, _ in found(ledger, quick=True)} == {"segments", "seqs"}


def test_a_segment_that_is_there_twice_is_told(ledger: Ledger) -> None:
    shutil.copy(segment(ledger, 5), segment(ledger, 12))
    problems = found(ledger)
    assert ("seqs", 12, "it says seq 5, due is 12") in problems
    assert [seq for check, seq, _ in problems if check == "seqs"] == [12]
    assert {check for check, _, _ in problems} == {"seqs", "versions", "recorded_at"}


@pytest.mark.parametrize("name", ["notes.txt", "1.jsonl", "000000000012 copy.jsonl"])
def test_a_foreign_file_is_told(ledger: Ledger, name: str) -> None:
    (ledger.store.events_dir / name).touch(0o600)
    assert [(check, name in problem) for check, _, problem in found(ledger)] == [("segments", True)]


def test_a_segment_behind_a_symlink_is_told_and_not_read(ledger: Ledger, tmp_path: Path) -> None:
    segment(ledger, 9).rename(tmp_path / "elsewhere")
    segment(ledger, 9).symlink_to(tmp_path / "elsewhere")
    assert [check for check, _, _ in found(ledger)] == ["segments", "permissions"]
    assert verify(ledger).events == 8


@pytest.mark.parametrize("first_seq", [1, 5, 9])
def test_an_empty_segment_is_told(ledger: Ledger, first_seq: int) -> None:
    segment(ledger, first_seq).write_bytes(b"")
    assert any(check == "segments" and "is empty" in problem for check, _, problem in found(ledger))


def test_a_segment_that_does_not_end_with_a_line_is_told(ledger: Ledger) -> None:
    path = segment(ledger, 5)
    path.write_bytes(path.read_bytes()[:-1])
    assert places(verify(ledger)) >= {("segments", 8, SECOND, 4)}
    assert [seq for check, seq, _ in found(ledger, quick=True) if check != "permissions"] == [8]


def test_a_segment_that_cannot_be_read_is_told(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int, size: int, offset: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", refuse)
    assert ("segments", 1, "it cannot be read: Input/output error") in found(ledger, quick=True)


# Lines that were forged with care: their CRC is right.

FORGED: dict[str, tuple[int, bytes, bytes, str, str]] = {
    "amount": (3, b'"amount":"20.00"', b'"amount":"30.00"', "decisions", "odd none, decided is overpaid"),
    "spelling of an amount": (3, b'"amount":"20.00"', b'"amount":"20.0"', "decisions", "amount 20.0, decided is 20.00"),
    "currency": (3, b'"currency":"USD"', b'"currency":"EUR"', "decisions", "refused by R11"),
    "status": (
        6,
        b'"status":"shipped"',
        b'"status":"processing"',
        "decisions",
        "status processing, decided is shipped",
    ),
    "odd": (6, b',"event"', b',"odd":["gap"],"event"', "decisions", "odd gap, decided is none"),
    "effective_at": (
        6,
        b',"event"',
        b',"effective_at":"2025-01-01T00:00:00Z","event"',
        "decisions",
        "effective_at 2025",
    ),
    "to_buyer": (9, b'"to_buyer":"20.00"', b'"to_buyer":"10.00"', "decisions", "refused by R11"),
    "to_buyer left out": (9, b'"to_buyer":"20.00",', b"", "decisions", "to_buyer none, decided is 20.00"),
    "to_seller": (10, b'"to_seller":"20.00"', b'"to_seller":"25.00"', "decisions", "refused by R11"),
    "actor of a closing": (10, b'"actor":"buyer"', b'"actor":"seller"', "decisions", "refused by R1: "),
    "actor": (6, b'"actor":"seller"', b'"actor":"carrier"', "decisions", "refused by R6: "),
    "no actor": (6, b'"actor":"seller",', b"", "decisions", "actor none, decided is seller"),
    "recorded_at earlier": (6, b'"recorded_at":"2024', b'"recorded_at":"2023', "recorded_at", "is earlier than what"),
    "recorded_at later": (6, b'"recorded_at":"2024', b'"recorded_at":"2025', "recorded_at", "is later than what"),
    "occurred_at": (6, b'"occurred_at":"2024', b'"occurred_at":"2025', "decisions", "refused by R9"),
    "version": (6, b'"version":4', b'"version":9', "versions", "version 9, due is 4"),
    "seq": (6, b'"seq":6', b'"seq":60', "seqs", "it says seq 60, due is 6"),
    "order_id": (6, b'"order_id":"a"', b'"order_id":"c"', "versions", "order c: version 4, due is 1"),
}


@pytest.mark.parametrize("forged", FORGED)
def test_a_line_forged_with_a_right_crc_is_told_where_it_is(ledger: Ledger, forged: str) -> None:
    seq, old, new, check, told = FORGED[forged]
    change(ledger, seq, lambda line: line.replace(old, new, 1))
    problems = found(ledger)
    assert any(c == check and s == seq and told in problem for c, s, problem in problems), problems
    assert {check for check, _, _ in found(ledger, quick=True)} <= {"seqs"}
    first_seq = (seq - 1) // PER_SEGMENT * PER_SEGMENT + 1
    assert (check, seq, segment(ledger, first_seq).name, seq - first_seq + 1) in places(verify(ledger))


@pytest.mark.parametrize("forged", ["status", "odd", "effective_at", "actor", "no actor", "seq", "actor of a closing"])
def test_one_forged_line_does_not_condemn_what_follows(ledger: Ledger, forged: str) -> None:
    seq, old, new, _, _ = FORGED[forged]
    change(ledger, seq, lambda line: line.replace(old, new, 1))
    assert {problem[1] for problem in found(ledger)} == {seq}


def insert(ledger: Ledger, after_seq: int, forge: Callable[[bytes], bytes]) -> None:
    """Put one more line after a line, made from it, and give every later line its next seq."""
    lines = [line for path in sorted(ledger.store.events_dir.iterdir()) for line in path.read_bytes().splitlines(True)]
    more = forge(lines[after_seq - 1])
    for path in ledger.store.events_dir.iterdir():
        path.unlink()
    numbered = [*lines[:after_seq], more, *lines[after_seq:]]
    whole = [sealed_again(b'{"seq":%d,' % seq + line.split(b",", 1)[1]) for seq, line in enumerate(numbered, 1)]
    segment(ledger, 1).write_bytes(b"".join(whole))
    segment(ledger, 1).chmod(0o600)


def test_a_forged_closing_by_the_seller_is_told_and_counts_for_nothing(ledger: Ledger) -> None:
    """It stands before the next line of its order with a version of its own; all later versions are moved."""

    def forge(line: bytes) -> bytes:
        instant = line.split(b'"occurred_at":"')[1].split(b'"')[0]
        return (
            line.split(b'"version"')[0]
            + b'"version":4,"recorded_at":"%b","status":"closed","event":{"type":"closed","order_id":"b",' % instant
            + b'"occurred_at":"%b","actor":"seller","reason":"out-of-stock","to_buyer":"20.00"},"crc":"00000000"}\n'
            % instant
        )

    change(ledger, 9, lambda line: line.replace(b'"version":4', b'"version":5'))
    insert(ledger, 8, forge)
    [(check, seq, problem)] = found(ledger)
    assert (check, seq) == ("decisions", 9)
    assert problem == "refused by R1: order b: the seller cannot close an order"


def test_a_line_that_says_a_fact_again_is_told_with_the_rule(ledger: Ledger) -> None:
    change(ledger, 11, lambda line: line.replace(b'"version":7', b'"version":8'))
    insert(ledger, 10, lambda line: line.replace(b'"version":6', b'"version":7'))
    assert found(ledger) == [("decisions", 11, "order a: it says again what seq 10 says (R10)")]


def test_a_line_that_is_there_twice_is_told(ledger: Ledger) -> None:
    path, lines = lines_around(ledger, 6)
    path.write_bytes(b"".join([*lines[:2], lines[1], *lines[2:]]))
    problems = found(ledger)
    assert ("seqs", 7, "it says seq 6, due is 7") in problems
    assert any(
        (check, seq) == ("versions", 7) and "it says again what seq 6 says (R10)" in problem
        for check, seq, problem in problems
    )
    assert sum(check == "seqs" for check, _, _ in problems) == 1


def test_swapped_lines_are_told(ledger: Ledger) -> None:
    path, lines = lines_around(ledger, 6)
    path.write_bytes(b"".join([lines[0], lines[2], lines[1], lines[3]]))
    assert {(check, seq) for check, seq, _ in found(ledger)} >= {("seqs", 6), ("seqs", 7), ("versions", 6)}
    assert {seq for check, seq, _ in found(ledger) if check == "seqs"} == {6, 7}


def test_a_line_that_was_taken_out_is_told(ledger: Ledger) -> None:
    path, lines = lines_around(ledger, 6)
    path.write_bytes(b"".join([lines[0], *lines[2:]]))
    problems = found(ledger)
    assert ("seqs", 6, "it says seq 7, due is 6") in problems
    assert {check for check, _, _ in problems} == {"seqs", "versions"}


def test_money_that_a_closing_leaves_behind_is_told(ledger: Ledger) -> None:
    change(ledger, 10, lambda line: line.replace(b'"to_seller":"20.00"', b'"to_seller":"5.00"'))
    assert ("money", 10, "order a: 15.00 USD is left in escrow by the closing") in found(ledger)
    change(ledger, 10, lambda line: line.replace(b'"to_seller":"5.00"', b'"to_seller":"25.00"'))
    assert ("money", 10, "order a: the account escrow is below zero: -5.00 USD") in found(ledger)


def test_amounts_that_no_number_holds_stop_the_order_and_nothing_else(ledger: Ledger) -> None:
    change(ledger, 3, lambda line: line.replace(b'"20.00"', b'"%b.00"' % (b"9" * 5000)))
    assert found(ledger) == [("decisions", 3, "refused by R11: amount is 10^14 or more")]


def test_a_checkpoint_from_outside_of_another_ledger_is_not_extended(ledger: Ledger) -> None:
    other = Checkpoint(origin_of("f" * 32), 11, verify(ledger).root)
    report = verify(ledger, outside=other)
    assert [one.problem.split(",")[0] for one in report.checks[-1].problems] == [f"it is of {other.origin}"]


def test_a_log_rewritten_with_care_does_not_extend_its_checkpoint(ledger: Ledger) -> None:
    outside = Published(ledger.store, ID).publish(wait=0)
    (ledger.path / "checkpoints" / "000000000011").unlink()
    change(ledger, 11, lambda line: line.replace(b"asked", b"asket"))
    assert verify(ledger).ok
    report = verify(ledger, outside=outside)
    assert [(check.check, check.problems[0].seq) for check in report.checks if not check.ok] == [
        ("extends checkpoint", 11)
    ]


def test_memory_is_dropped_and_damage_told_all_the_same(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where an order is read again that cannot be followed, or has a line that counts for nothing."""
    change(ledger, 3, lambda line: line.replace(b'"version":2', b'"version":7'))
    change(
        ledger,
        8,
        lambda line: (
            line.replace(b'"type":"noted"', b'"type":"unfrozen"')
            .replace(b',"text":"asked the seller"', b"")
            .replace(b'"actor":"buyer"', b'"actor":"carrier"')
        ),
    )
    due = found(ledger)
    assert due
    monkeypatch.setattr(kept, "WHOLE_BYTES", 10)
    monkeypatch.setattr("ledger.scan.BLOCK_BYTES", 300)
    assert found(ledger) == due
    monkeypatch.setattr(kept, "PACKED_BYTES", 0)
    assert found(ledger) == due
