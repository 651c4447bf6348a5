"""Orders in memory: whichever way they leave it and come back, they stand where their lines lead."""

from collections.abc import Callable
from typing import Never

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger import kept
from ledger.events import Paid, Recorded, Retracted
from ledger.kept import Kept
from ledger.line import encode
from ledger.order import Order, Unread, evolve, fold
from tests import scenario as s
from tests.logs import log_of
from tests.strategies import histories

ROOM = st.sampled_from([0, 500, 3000, 1 << 20])


def standing(order: Order) -> Order:
    """The order without its lines, of which some may be unread."""
    return replace(order, lines=[], unread=0)


def packed(lines: list[Recorded]) -> Order:
    """The order of these lines as it comes back after it was packed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept, "WHOLE_BYTES", 0)
        orders = Kept[Never]()
        orders.put("a", fold("a", lines))
        orders.turn()
        orders.put("b", Order("b"))
        orders.turn()
        found = orders.recall("a")
    assert found is not None
    return found


@given(histories(max_orders=5), ROOM, ROOM)
def test_an_order_stands_where_its_lines_lead(lines: list[Recorded], whole_bytes: int, packed_bytes: int) -> None:
    """Each line is added to its order as a writer does it; an order that was let go of is folded from those before."""
    orders = Kept[Never]()
    log: dict[str, list[Recorded]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept, "WHOLE_BYTES", whole_bytes)
        patch.setattr(kept, "PACKED_BYTES", packed_bytes)
        for line in lines:
            order_id = line.event.order_id
            before = log.setdefault(order_id, [])
            is_kept = order_id in orders
            order = orders.recent.get(order_id) or orders.recall(order_id)
            assert (order is not None) == is_kept
            if order is None:
                assert orders.forgot or not before
                order = fold(order_id, before)
                order.lines = [encode(one) for one in before]
                orders.put(order_id, order)
            assert standing(order) == standing(fold(order_id, before))
            if type(line.event) is Retracted or line.seq % 3 == 0:
                orders.restore(order, [encode(one) for one in before[: order.unread]])
                assert order.lines == [encode(one) for one in before]
            evolve(order, line)
            order.lines[-1] = encode(line)
            before.append(line)
            orders.turn()


def test_what_cannot_be_packed_is_let_go_of() -> None:
    """Sums of amounts that no order has do not fit; nor does what stands for an order that cannot be followed."""
    orders = Kept[str]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept, "WHOLE_BYTES", 0)
        orders.put("a", Order("a", paid=1 << 70))
        orders.put("b", "cannot be followed")
        orders.put("c", Order("c"))
        for other in ("d", "e"):
            assert not orders.forgot
            orders.turn()
            orders.put(other, Order(other))
    assert orders.forgot
    assert [orders.recall(order_id) for order_id in "abc"] == [None, None, Order("c")]


def test_an_order_that_is_held_stays_however_long_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "WHOLE_BYTES", 10_000)
    orders = Kept[Never]()
    long = Order("a")
    orders.put("a", long)
    for number in range(1000):
        orders.put(f"b{number}", Order(f"b{number}"))
        long.lines.append(bytes(5_000))
        orders.bytes += 5_000
        orders.turn(held="a")
        assert orders.recent["a"] is long
        assert orders.bytes <= 10_000


def test_what_unread_lines_say_is_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    orders = Kept[Never]()
    orders.put("a", Order("a", version=1, title="x" * 10_000, lines=[bytes(20_000)]))
    with monkeypatch.context() as patch:
        patch.setattr(kept, "WHOLE_BYTES", 0)
        orders.turn()
        orders.put("b", Order("b"))
        orders.turn()
    assert orders.bytes == 0
    orders.recall("a")
    assert 10_000 < orders.bytes < 12_000


ASKED: dict[str, Callable[[Order], object]] = {
    "history": lambda order: order.history,
    "line": lambda order: order.line(1),
    "happened_at": lambda order: order.happened_at(s.after(0)),
    "in_force": lambda order: order.in_force(),
    "in_force_of": lambda order: order.in_force_of([Paid]),
}


@pytest.mark.parametrize("asked", ASKED)
def test_lines_that_are_unread_are_not_taken_for_none(asked: str) -> None:
    lines = log_of([s.placed(order_id="a", at=s.after(0)), s.noted(order_id="a", at=s.after(1))])
    order = packed(lines)
    assert (order.version, order.unread, order.lines) == (2, 2, [])
    with pytest.raises(Unread, match=r"^a$"):
        ASKED[asked](order)
