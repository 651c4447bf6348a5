"""An order of the Open Platform: its children, its operation log, and what its fields tell that the log does not."""

import re
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from ledger import events as e
from ledger import money
from ledger.errors import Malformed, Refused
from ledger.formats import marketplace
from ledger.formats.foreign import UNKNOWN_SELLER, Asked, order_of
from ledger.formats.open_platform_values import LOOK_UP, NAME, Node, Reading, Time, split

ACTIONS = {
    "front_create_order": "placed",
    "front_pay_online_success": "paid",
    "front_paypal_pay_success": "paid",
    "front_pay_wu_success": "paid",
    "front_pay_qw_success": "paid",
    "front_mb_pay_success": "paid",
    "risk_control_pass": "verified",
    "front_sellerAnnounceSendGoods": "shipped",
    "front_seller_send_all_goods": "shipped",
    "front_seller_send_part_goods": "shipped",
    "front_buyerComfirmAcceptGoods": "confirmed",
    "pledge_issue_buyer_create": "dispute-opened",
    "pledge_issue_buyer_cancel": "dispute-withdrawn",
    "pledge_refund_ing": "noted",
    "pledge_refund_success": "refunded",
    "pledge_refund_fail": "refund-failed",
    "buyer_close_cancel": "closed: cancelled",
    "cancel_order_close_trade": "closed: cancelled",
    "trade_close": "closed",
    "front_trade_success": "ended",
    "front_trade_completed": "ended",
}
"""What an entry of the operation log becomes. `closed`: the end reason says why; `ended`: a closing seen once more."""

END_REASONS = marketplace.END_REASONS
"""What an end reason says of the closing; any other word is `closed: unknown`, with the word in its note."""

NOT_ENDED = frozenset(
    {
        "PLACE_ORDER_SUCCESS",
        "PAYMENT_PROCESSING",
        "IN_CANCEL",
        "WAIT_SELLER_SEND_GOODS",
        "SELLER_PART_SEND_GOODS",
        "WAIT_BUYER_ACCEPT_GOODS",
        "WAIT_SELLER_EXAMINE_MONEY",
        "RISK_CONTROL",
        "RISK_CONTROL_HOLD",
        "WAIT_GROUP_SUCCESS",
        "IN_PRESELL_PROMOTION",
    }
)
"""In these an order has not ended, whatever else it says."""

ENDED = frozenset({"FINISH", "ARCHIVE"})

FIELDS: tuple[tuple[str, str], ...] = (
    ("child_order_list, product_list", "one order each, with the parent's number; its own where there is none"),
    ("order_amount, else pay_amount, init_oder_amount", "the amount, split between the children by price"),
    ("init_order_amt, else total_product_amount, else price x count", "the price by which it is split"),
    ("gmt_create", "placed, if the operation log does not say"),
    ("seller_operator_login_id, else seller_login_id, store_info: store_id", "placed: seller"),
    ("seller_signer_fullname, else store_info: store_name", "placed: note"),
    ("goods_prepare_time", "placed: processing_days"),
    ("gmt_pay_success, gmt_pay_time", "paid, if the log does not say and fund_status is not NOT_PAY"),
    ("payment_type", "paid: method"),
    ("logistic_info_list: logistics_no, logistics_service_name, gmt_send", "shipped: tracking, carrier, time"),
    ("send_goods_time, gmt_send_goods_time", "shipped, if neither log nor parcels say"),
    ("logistic_info_list: gmt_received, where receive_status is received", "delivered-scan"),
    ("issue_info, child_issue_info: issue_time", "dispute-opened (other), if the log does not say"),
    ("end_reason, order_end_reason with gmt_trade_end", "the closing; its time is the log's if the log has it"),
    ("refund_info: refund_ok with amount and refund_time", "refunded, and the amounts of the closing"),
    ("frozen_status IN_FROZEN", "noted at gmt_modified: since when is not told"),
    ("buyer, addresses, messages, fees, loans", "not read"),
)
"""What becomes of an order's fields."""

_LISTS = (
    *("child_order_list", "product_list", "opr_log_dto_list", "operation_log_list"),
    *("logistic_info_list", "logistics_info_list"),
)
_LOG = ("opr_log_dto_list", "operation_log_list")
_MOST_CHILDREN = 200
_MOST_ENTRIES = 1000
_ONE_SHIPMENT = timedelta(minutes=10)
_SAME_DAY = timedelta(hours=36)


class _Entry(NamedTuple):
    """An entry of the operation log: what it becomes, its own word, its time and its id."""

    told: str
    action: str
    time: Time
    fact_id: str | None


class _Part:
    """An order as the ledger knows it: a child of the marketplace's order, or that order itself.

    `alone`: it is all there is of the marketplace's order, so that what is told of that is told of it.
    """

    def __init__(self, order_id: str, rows: list[Node]) -> None:
        self.order_id = order_id
        self.rows = rows
        self.alone = True
        self.amount: int | None = None
        self.log: list[_Entry] = []

    def text(self, *names: str) -> str | None:
        """Return what its rows say in these fields; None where they do not agree."""
        said = {text for row in self.rows if (text := row.text(*names)) is not None}
        return said.pop() if len(said) == 1 else None

    def first(self, *names: str) -> str | None:
        """Return what the first of its rows says that says anything in these fields."""
        return next((text for row in self.rows if (text := row.text(*names)) is not None), None)

    def entries(self, *told: str) -> list[_Entry]:
        """Return its entries of the operation log that become this, earliest first."""
        return [entry for entry in self.log if entry.told.partition(":")[0] in told]


class Order(Reading):
    """An order's record, and the facts that it tells.

    `currency` and `total` are those of the whole order. `unreadable`: its amount or time stands there, but is none.
    """

    def __init__(self, node: Node, asked: Asked) -> None:
        super().__init__(asked)
        self.node = node
        self.id = node.number("id", "order_id")
        self.currency = asked.currency
        self.total: int | None = None
        self.unreadable = False

    def told(self) -> tuple[list[e.Fact], list[Malformed]]:
        """Return the facts of each part, in the order in which they are to be decided, and the problems."""
        if self.id is None:
            self.problem(
                "an order without its number",
                why="neither id nor order_id holds one",
            )
            return [], self.problems
        self.check_shapes(self.node, lists=_LISTS, objects=("refund_info", "store_info", "issue_info"))
        try:
            parts = self._parts(self.id)
        except Malformed as problem:
            return [], [*self.problems, problem]
        self._read_log(parts)
        before = len(self.problems)
        self._share(parts)
        self.time(self.node, "gmt_create")
        self.unreadable = len(self.problems) > before
        facts = [fact for part in parts for fact in self._facts(part)]
        if not facts and not self.problems:
            self.problem(f"order {self.id}: nothing that it tells has a time", why="only what has one is told")
        return facts, self.problems

    def _parts(self, order_id: str) -> list[_Part]:
        """Return the orders it consists of: its children, those of one number together, or itself.

        Another source may have told all of it as one order, under the number that a shop shows: then it is that one.
        """
        rows = self.node.rows("child_order_list", "product_list")
        if self.asked.placed(order_id) is not None and not self.asked.parts_of(order_id):
            return [_Part(order_id, rows)]
        if len(rows) > _MOST_CHILDREN or len(self.node.rows(*_LOG)) > _MOST_ENTRIES:
            raise Malformed(
                f"order {order_id}: more than {_MOST_CHILDREN} children, or {_MOST_ENTRIES} entries of its log",
                why="no order of a marketplace has so many",
                hint=LOOK_UP,
            )
        found: dict[str, list[Node]] = {}
        nameless: list[Node] = []
        for row in rows:
            name = row.number("id", "child_id", "child_order_id", "son_order_id")
            if name is None:
                nameless.append(row)
            else:
                found.setdefault(name, []).append(row)
        if not found:
            return [_Part(order_of(order_id, self.asked), rows)]
        if nameless:
            self.problem(
                f"{len(nameless)} of the order's children have no number",
                why="a child is an order of its own (R5a)",
            )
        parts = [_Part(name, rows) for name, rows in found.items()]
        for part in parts:
            part.alone = len(parts) == 1
        return parts

    def _share(self, parts: list[_Part]) -> None:
        """Split the amount between the parts by their price (R5a)."""
        amount = self.money(self.node, ("order_amount", "pay_amount", "init_oder_amount"), self.currency)
        if amount is None:
            return
        self.total, self.currency = amount
        if len(parts) == 1:
            parts[0].amount = self.total
            return
        prices = [self._price(part) for part in parts]
        weights = [price for price in prices if price is not None]
        if len(weights) < len(prices) or not any(weights):
            self.problem(
                "the amount cannot be split between the order's children",
                why="the price of some of them is not told (R5a)",
                hint="record each with its own amount: orderledger record placed",
            )
            return
        for part, share in zip(parts, split(self.total, weights), strict=True):
            part.amount = share

    def _price(self, part: _Part) -> int | None:
        total = 0
        for row in part.rows:
            whole = self._own(row, "init_order_amt", "total_product_amount")
            if whole is None:
                one, count = self._own(row, "product_price", "product_unit_price"), row.text("product_count")
                if one is None or count is None or not _is_count(count):
                    return None
                whole = one * int(count)
            total += whole
        return total

    def _own(self, row: Node, *names: str) -> int | None:
        """Return an amount in the order's currency; one in another is a problem."""
        found = self.money(row, names, self.currency)
        if found is None:
            return None
        amount, currency = found
        if self.currency is not None and currency != self.currency:
            self.problem(
                f"{names[0]}: it is in {currency}, the order in {self.currency}",
                why="an order's books stay in its own currency (R11)",
            )
            return None
        return amount

    def _read_log(self, parts: list[_Part]) -> None:
        """Give each part its entries of the operation log, earliest first."""
        named = {part.order_id: part for part in parts}
        for row in self.node.rows(*_LOG):
            action = row.text("action_type")
            if action is None:
                self.problem("operation log: an entry without action_type", why="that says what happened")
                continue
            time = self.time(row, "gmt_create")
            if time is None:
                if row.text("gmt_create") is None:  # what is no time is told already
                    self.problem(f"operation log: {action} has no time", why="a fact needs the time when it happened")
                continue
            own_id = row.id("id")
            entry = _Entry(ACTIONS.get(action, "noted"), action, time, own_id and f"op-log:{own_id}"[:128])
            child = row.id("child_order_id")
            for part in [named[child]] if child in named else self._meant(parts, entry, child):
                part.log.append(entry)
        for part in parts:
            part.log.sort(key=lambda entry: entry.time.at)

    def _meant(self, parts: list[_Part], entry: _Entry, child: str | None) -> list[_Part]:
        """Return the parts that an entry is about which names none of them."""
        if len(parts) == 1:
            return parts
        if child not in (None, self.id):
            self.problem(
                f"operation log: {entry.action} is about {child}, which is none of the order's children",
                why="it does not say which of them is meant",
                hint="record it with the order's own id",
            )
            return []
        if not entry.told.startswith(("dispute", "refund")):
            return parts
        if entry.told.startswith("dispute"):
            touched = [part for part in parts if (part.text("issue_status") or "NO_ISSUE") != "NO_ISSUE"]
        else:
            touched = [part for part in parts if any(row.part("refund_info").fields for row in part.rows)]
        if len(touched) == 1 or (touched == parts and entry.told.startswith("refund")):
            return touched
        self.problem(
            f"operation log: {entry.action} does not say which of the {len(parts)} children is meant",
            why="each is disputed and refunded alone (R5a)",
            hint="record it with the order's own id",
        )
        return []

    def _facts(self, part: _Part) -> list[e.Fact]:
        placed = self._placed(part)
        if placed is None and not self._known(part):
            return []
        facts: list[e.Fact] = []
        facts += self._paid(part)
        facts += [self._fact(e.Verified, part, entry) for entry in part.entries("verified")]
        facts += self._shipped(part)
        facts += self._disputes(part)
        refunded = self._refunded(part)
        closings = self._closings(part, refunded, paid=any(isinstance(fact, e.Paid) for fact in facts))
        facts += [*closings, *refunded]
        facts += [self._fact(e.RefundFailed, part, entry) for entry in part.entries("refund-failed")]
        facts += self._noted(part)
        # A refund that a dispute decided is decided first, also where its time is earlier.
        after = max((one.occurred_at for one in closings if isinstance(one, e.DisputeResolved)), default=None)

        def turn(fact: e.Fact) -> datetime:
            return max(fact.occurred_at, after) if after and isinstance(fact, e.Refunded) else fact.occurred_at

        return [*([placed] if placed else []), *sorted(facts, key=turn)]

    def _known(self, part: _Part) -> bool:
        """Whether the ledger has the order: its amount stands for one that is not told; if not, that is a problem."""
        known = self.asked.placed(part.order_id)
        if known is not None and known.currency in money.EXPONENTS and self.currency in (None, known.currency):
            self.currency = known.currency
            with suppress(Refused):
                part.amount = part.amount or money.parse(known.amount, known.currency)
            return True
        if self.unreadable and part.amount != 0:
            return False  # what cannot be read of its amount and time is a problem already
        untold = "an amount above zero" if part.amount == 0 else "its amount" if part.amount is None else "its time"
        self.problem(
            f"order {part.order_id}: it does not tell {untold}",
            why="an order is placed at a time, for an amount",
            hint="record it by hand: orderledger record placed",
        )
        return False

    def _fact(self, kind: Any, part: _Part, when: _Entry | Time, note: str | None = None, **fields: Any) -> e.Fact:
        """Return a fact of a part, at the time and with the id of what told it."""
        time, fact_id = (when.time, when.fact_id) if isinstance(when, _Entry) else (when, None)
        fact: e.Fact = kind(
            order_id=part.order_id,
            occurred_at=time.at,
            ambiguous_time=time.ambiguous,
            fact_id=fact_id,
            source=NAME,
            note="; ".join(text for text in (note, time.note) if text) or None,
            **fields,
        )
        return fact

    def _text(self, minor: int) -> str:
        assert self.currency is not None  # an amount was read in it
        return money.text(minor, self.currency)

    def _placed(self, part: _Part) -> e.Fact | None:
        when = next(iter(part.entries("placed")), None) or self.time(self.node, "gmt_create")
        if when is None or not part.amount or self.currency is None:
            return None
        store, logins = self.node.part("store_info"), ("seller_operator_login_id", "seller_login_id")
        seller = self.node.id(*logins) or store.id("store_id")
        shop = self.node.text("seller_signer_fullname") or store.text("store_name") or self.node.text(*logins)
        days = part.text("goods_prepare_time")
        return self._fact(
            e.Placed,
            part,
            when,
            f"seller: {shop}" if shop and shop != seller else None,
            seller=seller or UNKNOWN_SELLER,
            amount=self._text(part.amount),
            currency=self.currency,
            title=part.first("product_name") or self._named(part),
            items=self._items(part) or None,
            marketplace=marketplace.NAME,
            parent=self.id if self.id != part.order_id else None,
            processing_days=int(days) if days and _is_count(days) and int(days) <= 3650 else None,
        )

    def _named(self, part: _Part) -> str | None:
        """Return the product's name as it stands beside the children."""
        product = part.first("product_id")
        return self._names.get(product) if product else None

    @cached_property
    def _names(self) -> dict[str | None, str | None]:
        rows = self.node.rows("child_order_ext_info_list")
        return {row.text("product_id"): row.text("product_name") for row in rows}

    def _items(self, part: _Part) -> tuple[e.Item, ...]:
        items = []
        for row in part.rows:
            price, count = self._own(row, "product_price", "product_unit_price"), row.text("product_count")
            if price is not None and count is not None and _is_count(count):
                items.append(
                    e.Item(
                        quantity=int(count),
                        price=self._text(price),
                        line_id=row.id("id", "child_id", "child_order_id", "son_order_id"),
                        product=row.text("product_id"),
                        sku=row.text("sku_code"),
                        title=row.text("product_name"),
                    )
                )
        return tuple(items)

    def _paid(self, part: _Part) -> list[e.Fact]:
        """Return the payment: no entry of the log tells an amount, so that the first one stands for all of it."""
        when: _Entry | Time | None = next(iter(part.entries("paid")), None)
        if when is None:
            when = self.time(self.node, "gmt_pay_success", "gmt_pay_time")
            if when is not None and (part.text("fund_status") or self.node.text("fund_status")) == "NOT_PAY":
                self.problem(
                    f"order {part.order_id}: it has a time of paying, and fund_status NOT_PAY",
                    why="the order contradicts itself",
                    hint="look the order up in the marketplace; record the payment by hand: orderledger record paid",
                )
                return []
        if when is None or not part.amount:
            return []
        return [self._fact(e.Paid, part, when, amount=self._text(part.amount), method=self.node.text("payment_type"))]

    def _shipped(self, part: _Part) -> list[e.Fact]:
        """Return the parcels, each with the entry of the log that is nearest in time, and what came of them."""
        parcels = self._parcels(part)
        log = part.entries("shipped")
        facts: list[e.Fact] = []
        for parcel in parcels:
            tracking, note = _tracking(parcel)
            sent = self.time(parcel, "gmt_send")
            when: _Entry | Time | None = _nearest(log, sent) or sent
            if isinstance(when, _Entry):
                log.remove(when)
            when = when or self.time(self.node, "gmt_send_goods_time")
            carrier = parcel.text("logistics_service_name", "logistics_service", "logistics_type_code")
            if when is not None:
                facts.append(self._fact(e.Shipped, part, when, note, tracking=tracking, carrier=carrier))
            elif tracking is not None:
                self.problem(
                    f"parcel {tracking}: it does not tell when it was sent",
                    why="a fact needs the time when it happened",
                    hint="record it by hand: orderledger record shipped",
                )
            received = self.time(parcel, "gmt_received")
            if received is not None and parcel.text("receive_status") == "received":
                facts.append(self._fact(e.DeliveryScan, part, received, tracking=tracking))
        told = [fact.occurred_at for fact in facts if isinstance(fact, e.Shipped)]
        for entry in log:
            # The seller's word and the marketplace's entry are of one shipment.
            if all(abs(at - entry.time.at) > _ONE_SHIPMENT for at in told):
                facts.append(self._fact(e.Shipped, part, entry))
                told.append(entry.time.at)
        if not told:
            facts += self._sent(part)
        return facts

    def _sent(self, part: _Part) -> list[e.Fact]:
        """Return the shipment as the rows of an order list tell it."""
        row = next((row for row in part.rows if row.text("send_goods_time")), None)
        when = self.time(row, "send_goods_time") if row else self.time(self.node, "gmt_send_goods_time")
        if when is None:
            return []
        return [self._fact(e.Shipped, part, when, carrier=part.first("logistics_service_name"))]

    def _parcels(self, part: _Part) -> list[Node]:
        """Return the parcels that hold a part's goods."""
        parcels = self.node.rows("logistic_info_list", "logistics_info_list")
        if part.alone:
            return parcels
        own = self._parcels_by_child.get(part.order_id, [])
        if own or len(parcels) < 2:
            return own or parcels
        if self._parcels_by_child.keys() == {None}:
            self.problem(
                f"{len(parcels)} parcels do not say which of the order's children they hold",
                why="each child is an order of its own (R5a)",
                hint="record the tracking numbers by hand: orderledger record shipped",
            )
        return []

    @cached_property
    def _parcels_by_child(self) -> dict[str | None, list[Node]]:
        found: dict[str | None, list[Node]] = {}
        for parcel in self.node.rows("logistic_info_list", "logistics_info_list"):
            found.setdefault(parcel.id("child_order_id", "son_order_id"), []).append(parcel)
        return found

    def _disputes(self, part: _Part) -> list[e.Fact]:
        facts: list[e.Fact] = [
            self._fact(e.DisputeOpened, part, entry, "the operation log does not say why", reason="other")
            for entry in part.entries("dispute-opened")
        ]
        if not facts and (part.text("issue_status") or self.node.text("issue_status")) != "NO_ISSUE":
            infos = [row.part("child_issue_info") for row in part.rows] + (
                [self.node.part("issue_info")] if part.alone else []
            )
            for info in infos:
                if (info.text("issue_status") or "NO_ISSUE") == "NO_ISSUE":
                    continue
                when = self.time(info, "issue_time")
                if when is not None:
                    facts.append(self._fact(e.DisputeOpened, part, when, "the order does not say why", reason="other"))
                    break
        return facts + [self._fact(e.DisputeWithdrawn, part, entry) for entry in part.entries("dispute-withdrawn")]

    # ---- how it ended ----

    def _info(self, part: _Part) -> Node:
        """Return what is told of a part's refund."""
        own = [info for row in part.rows if (info := row.part("refund_info")).fields]
        if len(own) == 1:
            return own[0]
        whole = self.node.part("refund_info") if part.alone else Node({})
        if len(own) > 1 and not whole.fields and "refund_ok" in [info.text("refund_status") for info in own]:
            self.problem(
                f"order {part.order_id}: several of its children were refunded",
                why="they are one order here, and one refund of it is not told",
                hint="record it by hand: orderledger record refunded",
            )
        return whole

    def _refund(self, part: _Part) -> tuple[Node, int]:
        """Return what is told of a part's refund, and its amount: money and coupon together; 0 if none is told."""
        info = self._info(part)
        if not info.fields:
            whole = self.node.part("refund_info")
            if part.alone or not whole.fields or self._any_own_refund:
                return info, 0
            amount = self._cash_and_coupon(whole)
            if amount and amount == self.total:
                return whole, part.amount or 0
            if amount and whole.text("refund_status") == "refund_ok":
                self.problem(
                    "refund_info does not say which of the order's children was refunded",
                    why="each is refunded alone (R5a)",
                    hint="record it by hand: orderledger record refunded",
                )
            return info, 0
        return info, self._cash_and_coupon(info)

    @cached_property
    def _any_own_refund(self) -> bool:
        return any(row.part("refund_info").fields for row in self.node.rows("child_order_list", "product_list"))

    def _cash_and_coupon(self, info: Node) -> int:
        return sum(self._own(info, name) or 0 for name in ("refund_cash_amt", "refund_coupon_amt"))

    def _decided(self, part: _Part) -> int:
        """Return the refund that was decided on, whether it has arrived or not."""
        info, amount = self._refund(part)
        return amount if info.text("refund_status") in ("refund_ok", "wait_refund") else 0

    def _refunded(self, part: _Part) -> list[e.Fact]:
        """Return the refund that has arrived: only with an amount, and a time from the log or of its own."""
        entries = part.entries("refunded")
        info, amount = self._refund(part)
        status = info.text("refund_status")
        if not entries and status != "refund_ok":
            return []
        if status not in ("refund_ok", None):
            self.problem(
                f"order {part.order_id}: its log says that a refund arrived, refund_status {status} that it has not",
                why="the order contradicts itself",
                hint="record it by hand, if it arrived: orderledger record refunded",
            )
            return []
        if not amount:
            self.problem(
                f"order {part.order_id}: a refund arrived, but refund_info does not tell its amount",
                why="how much came back cannot be guessed",
                hint="record it by hand: orderledger record refunded",
            )
            return []
        when: _Entry | Time | None = entries[-1] if entries else self.time(info, "refund_time")
        if when is None:
            self.problem(
                f"order {part.order_id}: a refund arrived, but refund_time does not tell when",
                why="a fact needs the time when it happened",
                hint="record it by hand: orderledger record refunded",
            )
            return []
        coupon = self._own(info, "refund_coupon_amt") if self._info(part).fields else None
        note = f"of it {self._text(coupon)} as a coupon" if coupon else None
        return [self._fact(e.Refunded, part, when, note, amount=self._text(amount))]

    def _closings(self, part: _Part, refunded: list[e.Fact], *, paid: bool) -> list[e.Fact]:
        """Return how the order ended: once, though log and fields both tell it; and what a dispute made of it later."""
        log = part.entries("confirmed", "closed")
        first = next((entry for entry in log if entry.told != "closed"), log[0] if log else None)
        word = part.text("end_reason", "order_end_reason") or self.node.text("end_reason", "order_end_reason")
        status = part.text("order_status", "son_order_status") or self.node.text("order_status")
        seen_again = part.entries("ended")
        ended = self._ended(part, word, status, told_by_log=bool(log or seen_again))
        by_word = END_REASONS.get(word or "", "closed: unknown")
        facts: list[e.Fact] = []
        if first and first.told == "confirmed" and by_word.startswith("dispute") and ended and ended.at > first.time.at:
            facts.append(self._fact(e.Confirmed, part, first))
            first = None
        when = first or ended or (seen_again[0] if seen_again else None)
        if when is None:
            if status in ENDED and not facts:
                self.problem(
                    f"order {part.order_id}: it is {status}, but gmt_trade_end does not tell since when",
                    why="a closing needs its time",
                    hint="look the order up; record how it ended: orderledger record closed",
                )
            return facts
        told = by_word
        if first and first.told != "closed" and by_word == "closed: unknown":
            told = first.told
        note = f"end reason: {word}" if word else None
        if first and first.told not in ("closed", told):
            note = f"{note}; the operation log says {first.action}"
        return [*facts, self._closing(part, when, told, note, refunded, word=word, paid=paid)]

    def _ended(self, part: _Part, word: str | None, status: str | None, *, told_by_log: bool) -> Time | None:
        """Return when the order's fields say that it ended; that it has not ended and has is a problem."""
        row = next((row for row in part.rows if row.text("gmt_trade_end")), self.node)
        ended = self.time(row, "gmt_trade_end")
        if status not in NOT_ENDED or told_by_log:
            return ended
        if ended or word:
            field = "gmt_trade_end" if ended else f"the end reason {word}"
            self.problem(
                f"order {part.order_id}: {field} says that it ended, order_status {status} that it has not",
                why="the order contradicts itself",
                hint="look the order up; if it ended, record how: orderledger record closed",
            )
        return None

    def _closing(
        self,
        part: _Part,
        when: _Entry | Time,
        told: str,
        note: str | None,
        refunded: list[e.Fact],
        *,
        word: str | None,
        paid: bool,
    ) -> e.Fact:
        tag, _, reason = told.partition(": ")
        closing = e.TYPES[tag]
        if closing is e.DisputeResolved:
            decided = self._decided(part)
            if decided and part.amount:
                won = decided >= part.amount
                amounts = {
                    "outcome": "buyer-won" if won else "partial",
                    "to_buyer": None if won else self._text(decided),
                }
                return self._fact(closing, part, when, note, **amounts)
            if reason and not self._refund(part)[0].text("refund_status"):  # else it would say less than all
                return self._fact(closing, part, when, note, outcome=reason)
            closing, reason = e.Closed, "unknown"
        if closing is e.Closed:
            at = when.time.at if isinstance(when, _Entry) else when.at
            # Of the others the rules say where the money went, and a smaller refund leaves the rest on its way (R15a).
            proven = reason == "unknown" and paid
            back = [fact.amount for fact in refunded if isinstance(fact, e.Refunded) and fact.occurred_at >= at]
            by_buyer = word == "buyer_cancel_notpay_order" and not paid
            return self._fact(
                closing,
                part,
                when,
                note,
                reason=reason,
                to_buyer=back[0] if back and proven else None,
                actor="buyer" if by_buyer else None,
            )
        if closing is e.ClosedBySecurity:
            return self._fact(closing, part, when, note, reason=word)
        return self._fact(closing, part, when, note)

    def _noted(self, part: _Part) -> list[e.Fact]:
        """Return what the log tells that is no event, and a freeze, of which only the day it was seen is known."""
        facts: list[e.Fact] = [
            self._fact(e.Noted, part, entry, text=f"operation log: {entry.action}", actor="platform")
            for entry in part.entries("noted")
        ]
        if (part.text("frozen_status") or self.node.text("frozen_status")) == "IN_FROZEN":
            seen = self.time(self.node, "gmt_modified", "gmt_update")
            if seen is not None:
                facts.append(
                    self._fact(e.Noted, part, seen, text="the marketplace shows it as frozen", actor="platform")
                )
        return facts


def _nearest(log: list[_Entry], sent: Time | None) -> _Entry | None:
    """Return the entry of the log that tells of a parcel: the nearest in time, the first where no time is told."""
    if sent is None:
        return log[0] if log else None
    near = min(log, key=lambda entry: abs(entry.time.at - sent.at), default=None)
    return near if near and abs(near.time.at - sent.at) <= _SAME_DAY else None


def _tracking(parcel: Node) -> tuple[str | None, str | None]:
    """Return the tracking number, or a note with what stands in its place."""
    number, text = parcel.id("logistics_no"), parcel.text("logistics_no")
    return number, f"tracking: {text}" if text and number is None else None


def _is_count(text: str) -> bool:
    return bool(re.fullmatch(r"[1-9][0-9]{0,8}", text))
