"""The generated facts are what the measurements take them for: repeatable, sorted, of every kind, never refused."""

import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.generate import facts
from benchmarks.paths import PATHS
from ledger.decide import Decision, decide
from ledger.events import TYPES, Fact, Recorded
from ledger.order import Order, evolve
from ledger.policy import load

PROJECT = Path(__file__).parent.parent
NOW = datetime(2026, 6, 1, tzinfo=UTC)
EVENTS = 5_000
DECODER: msgspec.json.Decoder[Fact] = msgspec.json.Decoder(Fact)


def generated(events: int = EVENTS, seed: int = 1) -> list[Fact]:
    return [DECODER.decode(line) for line in facts(events, seed)]


def test_no_generated_fact_is_refused_and_about_one_in_a_hundred_is_odd() -> None:
    policy = load("aliexpress")
    orders: dict[str, Order] = {}
    flags: Counter[str] = Counter()
    odd = 0
    for seq, fact in enumerate(generated(), start=1):
        order = orders.setdefault(fact.order_id, Order(fact.order_id))
        decision = decide(order, fact, policy, NOW)
        assert isinstance(decision, Decision), f"{fact} is already there"
        odd += bool(decision.odd)
        flags.update(decision.odd)
        recorded = Recorded(
            seq=seq,
            version=order.version + 1,
            recorded_at=NOW,
            status=decision.status,
            odd=decision.odd,
            effective_at=decision.effective_at,
            event=decision.event,
        )
        evolve(order, recorded)
    assert 0.005 < odd / EVENTS < 0.02
    assert {"gap", "out-of-turn", "undecided-refund", "tracking-check-digit", "after-window"} <= flags.keys()
    assert {order.closure_reason for order in orders.values()} >= {"confirmed", "protection-expired", "not-shipped"}


def test_the_feed_has_exactly_the_facts_asked_for_in_the_order_they_occurred_in_two_years() -> None:
    for events in (0, 1, 10, EVENTS):
        feed = generated(events)
        assert len(feed) == events
        assert feed == sorted(feed, key=lambda fact: fact.occurred_at)
        assert all(datetime(2024, 6, 1, tzinfo=UTC) <= fact.occurred_at < NOW for fact in feed)


def test_every_type_of_event_occurs_and_an_order_has_about_seven() -> None:
    feed = generated(40_000)
    assert {type(fact) for fact in feed} == set(TYPES.values())
    assert 6 < len(feed) / len({fact.order_id for fact in feed}) < 8
    assert round(sum(PATHS.values())) == 100


def test_the_same_seed_gives_the_same_bytes_whatever_the_hash_seed_and_another_seed_gives_others() -> None:
    def output(seed: str, hash_seed: str) -> bytes:
        arguments = [sys.executable, "-m", "benchmarks.generate", "--events", "200", "--seed", seed]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        return subprocess.run(arguments, cwd=PROJECT, env=environment, capture_output=True, check=True).stdout

    assert output("3", "1") == output("3", "2") == "".join(f"{fact}\n" for fact in facts(200, 3)).encode()
    assert output("3", "1") != output("4", "1")
