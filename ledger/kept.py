"""The orders that are kept in memory while a log is written or read, in bounded room whatever the size of the log.

Older ones are packed without their lines, which few decisions ask for: so there is room for the orders that a large
marketplace has open at once, which would else be folded from their lines again and again.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from msgspec import msgpack

from ledger.order import Order

WHOLE_BYTES = 40 << 20
PACKED_BYTES = 40 << 20
"""So many bytes of whole orders, and of packed ones, are a generation; of each there are two."""

_WHOLE = 600
_PACKED = 220
"""What an order takes besides its lines, or besides the bytes that it is packed in."""

_decode = msgpack.Decoder(Order).decode
_encode = msgpack.Encoder().encode

Other = TypeVar("Other")
"""What stands for an order that cannot be followed."""


class Kept(Generic[Other]):
    """Orders by their ids, each once: in `recent`, where a user looks first, or older and to be recalled.

    `bytes` is what the recent ones take; a user adds to it what their lines grow by, and calls `turn` now and then.
    Once one was let go of, `forgot` is true: what is not here may be in the log.
    """

    def __init__(self) -> None:
        self.recent: dict[str, Order | Other] = {}
        self.bytes = 0
        self.forgot = False
        self._older: dict[str, Order | Other] = {}
        self._packed: dict[str, bytes] = {}
        self._older_packed: dict[str, bytes] = {}
        self._packed_bytes = 0

    def __contains__(self, order_id: str) -> bool:
        return (
            order_id in self.recent
            or order_id in self._older
            or order_id in self._packed
            or order_id in self._older_packed
        )

    @property
    def crowded(self) -> bool:
        """Whether the recent ones are enough for a generation."""
        return self.bytes > WHOLE_BYTES

    def put(self, order_id: str, order: Order | Other) -> Order | Other:
        """Keep an order that is not here yet."""
        self.recent[order_id] = order
        self.bytes += _size(order) if isinstance(order, Order) else _WHOLE
        return order

    def recall(self, order_id: str) -> Order | Other | None:
        """Bring an older order among the recent ones, its lines unread if it was packed; None where it is not here."""
        order = self._older.pop(order_id, None)
        if order is None:
            packed = self._packed.pop(order_id, b"")
            if packed:
                self._packed_bytes -= _PACKED + len(packed)
            else:
                packed = self._older_packed.pop(order_id, b"")
            order = _decode(packed) if packed else None
        return None if order is None else self.put(order_id, order)

    def restore(self, order: Order, lines: Sequence[bytes]) -> None:
        """Give an order, which is recent, its unread lines."""
        assert len(lines) == order.unread, order.order_id
        order.lines, order.unread = [*lines, *order.lines], 0
        self.bytes += sum(map(len, lines))

    def turn(self, held: str = "") -> None:
        """Begin a new generation where this one is large enough; a recent order that is `held` goes on into it.

        What was older is packed, and what was packed long ago may be let go of.
        """
        if not self.crowded:
            return
        older, self._older, self.recent, self.bytes = self._older, self.recent, {}, 0
        if held:
            self.recent[held] = self._older.pop(held)
        while older:
            self._pack(*older.popitem())
        if self._packed_bytes > PACKED_BYTES:
            self.forgot = self.forgot or bool(self._older_packed)
            self._older_packed, self._packed, self._packed_bytes = self._packed, {}, 0

    def _pack(self, order_id: str, order: Order | Other) -> None:
        """Pack an order without its lines; one that cannot be packed is let go of."""
        with suppress(OverflowError):  # sums or dates that no order has
            if isinstance(order, Order):
                order.unread, order.lines = order.version, []
                packed = self._packed[order_id] = _encode(order)
                self._packed_bytes += _PACKED + len(packed)
                return
        self.forgot = True


def _size(order: Order) -> int:
    lines = sum(len(line) for line in order.lines if isinstance(line, bytes))
    if not order.unread:
        return _WHOLE + lines
    told = (order.seller, order.title, order.fact_ids, order.retracted)  # which is in lines that are unread
    return _WHOLE + lines + len(_encode(told))
