"""A dispute of the Open Platform: who asked for what, which solution was reached, and what that means for the order."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal

from ledger import events as e
from ledger import money
from ledger.errors import Malformed, Refused
from ledger.formats.foreign import Asked, order_of
from ledger.formats.open_platform_values import NAME, Node, Reading, Time

DISPUTE_ACTIONS = {
    "initiate": "dispute-opened",
    "cancel": "dispute-withdrawn",
    "platform_force_reach": "dispute-resolved",
    "platform_perform_solution": "dispute-resolved",
    "perform_solution": "dispute-resolved",
    "buyer_accept": "dispute-resolved",
    "seller_accept": "dispute-resolved",
    "buyer_accept_platform": "dispute-resolved",
    "seller_accept_platform": "dispute-resolved",
}
"""What a step of a dispute becomes; those that resolve need a solution that was reached. Any other is noted."""

_FORCED = {"platform_force_reach", "platform_perform_solution"}
_PERFORMED = {"perform_solution", "platform_perform_solution"}

DisputeReason = Literal[
    "not-received", "delivered-elsewhere", "not-as-described", "damaged", "counterfeit", "bad-tracking", "other"
]
DISPUTE_REASONS: dict[str, DisputeReason] = {
    "not receive good": "not-received",
    "not receive goods": "not-received",
    "not received": "not-received",
    "goods not received": "not-received",
    "item not received": "not-received",
    "order not received": "not-received",
    "package not received": "not-received",
    "did not receive the goods": "not-received",
    "i did not receive the goods": "not-received",
    "i did not receive my order": "not-received",
    "товар не получен": "not-received",
    "я не получил товар": "not-received",
    "sent to the wrong address": "delivered-elsewhere",
    "delivered to the wrong address": "delivered-elsewhere",
    "package was sent to the wrong address": "delivered-elsewhere",
    "package delivered to wrong address": "delivered-elsewhere",
    "not as described": "not-as-described",
    "item not as described": "not-as-described",
    "product not as described": "not-as-described",
    "goods not as described": "not-as-described",
    "wrong item": "not-as-described",
    "wrong size": "not-as-described",
    "wrong color": "not-as-described",
    "low quality": "not-as-described",
    "quality problem": "not-as-described",
    "товар не соответствует описанию": "not-as-described",
    "damaged": "damaged",
    "damaged goods": "damaged",
    "item damaged": "damaged",
    "product damaged": "damaged",
    "goods damaged": "damaged",
    "package damaged": "damaged",
    "товар поврежден": "damaged",
    "counterfeit": "counterfeit",
    "counterfeit goods": "counterfeit",
    "counterfeit product": "counterfeit",
    "no tracking information": "bad-tracking",
    "tracking information not available": "bad-tracking",
    "invalid tracking number": "bad-tracking",
    "tracking number is invalid": "bad-tracking",
}
"""The buyer's words for what is wrong, without case and points; any others are `other`, with the words in the note."""

DISPUTE_FIELDS: tuple[tuple[str, str], ...] = (
    ("order_id, else parent_order_id", "the order, which has to be in the ledger"),
    ("gmt_create, the first step `initiate`", "dispute-opened"),
    ("content of the buyer, reason_english", "dispute-opened: reason, if it is a phrase of the list; else other"),
    ("buyer's first solution: refund_money_post", "dispute-opened: claim, in the order's currency only"),
    ("refund_money in another currency", "in the note"),
    (
        "the solution that was reached: its amount",
        "dispute-resolved: all of the order's amount buyer-won, else partial",
    ),
    ("reverse_detail_status", "in the note: it proves no refund on the buyer's account"),
)
"""What becomes of a dispute's fields."""


class Dispute(Reading):
    """A dispute's record, and the facts that it tells of an order in the ledger."""

    def __init__(self, node: Node, asked: Asked) -> None:
        super().__init__(asked)
        self.node = node
        self.order_id = ""
        self.currency = ""
        self.amount = 0
        self.steps = sorted(self._steps(), key=lambda step: step[0].at)

    def told(self) -> tuple[list[e.Fact], list[Malformed]]:
        """Return the facts by their time, and the problems."""
        try:
            placed = self._order()
        except Malformed as problem:
            return [], [*self.problems, problem]
        self.order_id, self.currency = placed.order_id, placed.currency
        try:
            self.amount = money.parse(placed.amount, placed.currency)
        except Refused as refused:
            self.problem(f"order {self.order_id}: {refused.what}", why=refused.why, hint=refused.hint)
            return [], self.problems
        facts = [*self._opened(), *self._later()]
        return sorted(facts, key=lambda fact: fact.occurred_at), self.problems

    def _order(self) -> e.Placed:
        """Return the order as it was placed; by its own number, else as the only part of its parent."""
        named, parent = self.node.number("order_id"), self.node.number("parent_order_id")
        if named is None and parent is None:
            raise Malformed(
                "a dispute without the number of its order",
                why="neither order_id nor parent_order_id holds one",
                hint="look the dispute up in the marketplace",
            )
        placed = named and self.asked.placed(order_of(named, self.asked))
        if not placed and parent and not (named and len(self.asked.parts_of(parent)) > 1):
            placed = self.asked.placed(order_of(parent, self.asked))
        if not placed:
            raise Malformed(
                f"a dispute of order {named or parent}, which is not in the ledger",
                why="the first event of an order is `placed` (R7)",
                hint="import the order first, then this file again",
            )
        return placed

    def _steps(self) -> Iterator[tuple[Time, str, Node]]:
        for row in self.node.rows("process_dto_list"):
            action, time = row.text("action_type"), self.time(row, "gmt_create")
            if action and time:
                yield time, action, row

    def _fact(self, kind: Any, time: Time, note: str | None = None, **fields: Any) -> e.Fact:
        fact: e.Fact = kind(
            order_id=self.order_id,
            occurred_at=time.at,
            ambiguous_time=time.ambiguous,
            source=NAME,
            note="; ".join(text for text in (note, time.note) if text) or None,
            **fields,
        )
        return fact

    def _opened(self) -> list[e.Fact]:
        first = next((time for time, action, _ in self.steps if action == "initiate"), None)
        when = first or self.time(self.node, "gmt_create")
        if when is None:
            self.problem(
                f"a dispute of order {self.order_id} without its time",
                why="a fact needs the time when it happened",
                hint="record it by hand: orderledger record dispute-opened",
            )
            return []
        words = [text for _, action, row in self.steps if action == "initiate" and (text := row.text("content"))]
        words += [text for text in (self.node.text("reason_english"), self.node.text("issue_reason")) if text]
        solutions = sorted(self.node.rows("buyer_solution_list"), key=lambda row: row.text("gmt_create") or "")
        words += [text for row in solutions[:1] if (text := row.text("content"))]
        known = [DISPUTE_REASONS[plain] for text in words if (plain := _plain(text)) in DISPUTE_REASONS]
        claim, elsewhere = self._solved(solutions[0]) if solutions else (None, None)
        number = self.node.text("issue_reason_id")
        note = "; ".join(
            [
                *dict.fromkeys(words),
                *([f"reason {number}"] if number else []),
                *([f"claim {elsewhere}"] if elsewhere else []),
            ]
        )
        return [
            self._fact(
                e.DisputeOpened,
                when,
                note or None,
                reason=known[0] if known else "other",
                claim=money.text(claim, self.currency) if claim else None,
            )
        ]

    def _later(self) -> list[e.Fact]:
        """Return what came of it, and each step that is no event as a note."""
        facts: list[e.Fact] = []
        resolved = self._resolved()
        if resolved is not None:
            facts.append(resolved)
        settled_at = resolved and resolved.occurred_at
        for time, action, row in self.steps:
            told = DISPUTE_ACTIONS.get(action)
            by = row.text("submit_member_type")
            settled = told == "dispute-resolved" and (action not in _PERFORMED or time.at == settled_at)
            if told == "dispute-opened" or (settled_at is not None and settled):
                continue
            if told == "dispute-withdrawn" and by in (None, "buyer"):
                facts.append(self._fact(e.DisputeWithdrawn, time))
                continue
            words = [f"dispute: {action}", row.text("content")]
            facts.append(
                self._fact(
                    e.Noted,
                    time,
                    text=": ".join(text for text in words if text),
                    actor=by if by in ("buyer", "seller") else "platform",
                )
            )
        ended = any(isinstance(fact, e.DisputeResolved | e.DisputeWithdrawn) for fact in facts)
        is_detail = "process_dto_list" in self.node.fields  # a row of a list of disputes is not meant to say more
        if is_detail and self.node.text("issue_status") == "finish" and not ended and not self.problems:
            self._unresolved("it does not tell how")
        return facts

    def _resolved(self) -> e.Fact | None:
        """Return how it was decided: by the solution that was reached, if its amount is told."""
        actions = {action for _, action, _ in self.steps}
        solution = self._reached(actions)
        if solution is None:
            return None
        when = self.time(solution, "reached_time") or self._settled_at()
        amount, elsewhere = self._solved(solution)
        if when is None or amount is None or amount > self.amount:
            untold = "when" if when is None else "for which amount in the order's currency"
            self._unresolved(
                f"it does not tell {untold}" if when is None or amount is None else "for more than the order's amount"
            )
            return None
        outcome = "buyer-won" if amount == self.amount else "partial" if amount else "seller-won"
        status = self.node.text("reverse_detail_status")
        words = [solution.text("solution_type"), elsewhere, status and f"reverse_detail_status {status}"]
        return self._fact(
            e.DisputeResolved,
            when,
            "; ".join(text for text in words if text) or None,
            outcome=outcome,
            to_buyer=money.text(amount, self.currency) if outcome == "partial" else None,
        )

    def _unresolved(self, what: str) -> None:
        self.problem(
            f"the dispute of order {self.order_id} has ended, but {what}",
            why="how much the buyer gets back cannot be guessed (R15)",
            hint="record it by hand: orderledger record dispute-resolved",
        )

    def _settled_at(self) -> Time | None:
        """Return when a solution was settled on: the last step that did, else the first that carried it out."""
        settled = [
            (time, action) for time, action, _ in self.steps if DISPUTE_ACTIONS.get(action) == "dispute-resolved"
        ]
        decided = [time for time, action in settled if action not in _PERFORMED]
        carried_out = [time for time, _ in settled]
        return decided[-1] if decided else carried_out[0] if carried_out else None

    def _reached(self, actions: set[str]) -> Node | None:
        """Return the solution that both sides or the platform settled on; none while the goods are to be sent back."""
        lists = ("buyer_solution_list", "seller_solution_list", "platform_solution_list")
        buyers, sellers, platforms = (self.node.rows(name) for name in lists)
        every = [*buyers, *sellers, *platforms]
        reached = [row for row in every if row.text("status") in ("reached", "perform") or row.text("reached_time")]
        forced = actions & _FORCED or {"buyer_accept_platform", "seller_accept_platform"} <= actions
        if not reached and forced:
            reached = platforms
        if not reached and "seller_accept" in actions:
            reached = buyers
        if not reached and "buyer_accept" in actions:
            reached = sellers
        amounts = [self._solved(row) for row in reached]
        found = {elsewhere if own is None else own for own, elsewhere in amounts}
        if len(found) > 1:
            self._unresolved("it does not tell by which of its solutions")
        if len(found) != 1:
            return None
        solution = reached[0]
        performed = actions & _PERFORMED or solution.text("status") == "perform"
        return None if solution.text("solution_type") == "return_and_refund" and not performed else solution

    def _solved(self, solution: Node) -> tuple[int | None, str | None]:
        """Return a solution's amount in the order's currency, and in words what it is in another.

        The platform's solution may tell only the other one: then it is the amount of a solution with the same one.
        """
        own, elsewhere = self._amounts(solution)
        if own is None and elsewhere is not None:
            lists = ("buyer_solution_list", "seller_solution_list", "platform_solution_list")
            others = (self._amounts(row) for name in lists for row in self.node.rows(name))
            same = {amount for amount, words in others if words == elsewhere and amount is not None}
            own = same.pop() if len(same) == 1 else None
        return own, elsewhere

    def _amounts(self, solution: Node) -> tuple[int | None, str | None]:
        own: int | None = None
        elsewhere: str | None = None
        for name in ("refund_money_post", "refund_money"):
            text, code = solution.text(name), solution.text(f"{name}_currency")
            if text is None:
                value = solution.fields.get(name)
                text = str(value) if isinstance(value, Decimal) else None
            if text is None or code is None:
                continue
            if code != self.currency:
                elsewhere = elsewhere or f"{text[:40]} {code}"
            elif own is None:
                found = self.money(solution, (name,), code)
                own = found and found[0]
        return own, elsewhere


def _plain(text: str) -> str:
    """Return words without case, points and spare spaces."""
    return " ".join(re.sub(r"[^\w\s']", " ", text.lower()).replace("ё", "е").split())
