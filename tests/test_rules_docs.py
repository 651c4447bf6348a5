"""docs/rules.md says what the program does, and every rule that is cited is told.

`UPDATE_DOCS=1 pytest tests/test_rules_docs.py` writes the described parts of the page anew.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger import events as e
from ledger import policy
from ledger.decide import ADVICE, FLAGS, Decision
from ledger.events import TYPES, Fact
from ledger.lifecycle import BASES, STATUSES, TABLE, Cell
from ledger.order import closure_reason
from ledger.rules import RULES
from ledger.timers import KINDS
from queries import words
from tests import scenario as s
from tests.pages import filled, keep, table
from tests.running import ROOT

PAGE = ROOT / "docs" / "rules.md"
CITED = re.compile(r"\bR\d+a?\b")
SOURCES = [path for room in ("ledger", "commands", "queries") for path in sorted((ROOT / room).rglob("*.py"))]


def _statuses() -> Iterator[str]:
    yield table(("status", "what it means"), *((f"`{name}`", words.STATUSES[name]) for name in STATUSES))


def _events() -> Iterator[str]:
    rows = [
        (f"`{tag}`", "anyone" if event.any_actor else event.usual_actor, (event.__doc__ or "").strip())
        for tag, event in TYPES.items()
    ]
    yield table(("event", "by", "what happened"), *rows)


def _lifecycle() -> Iterator[str]:
    columns = [*BASES, "disputed", "frozen"]
    rows = [(f"`{row}`", *(_cell(cells[column], column) for column in columns)) for row, cells in TABLE.items()]
    yield table(("event", *columns), *(row for row in rows if set(row[1:]) != {"–"}))


def _cell(cell: Cell, column: str) -> str:
    verdict = "–" if cell.verdict == "no" else cell.verdict
    return verdict if cell.next in (column, "back") or column not in BASES else f"{verdict} → {cell.next}"


CLOSINGS = [
    s.confirmed(),
    *(s.closed(reason=row.partition(":")[2]) for row in TABLE if row.startswith("closed:")),
    s.closed_by_security(),
    *(s.dispute_resolved(outcome=outcome) for outcome in ("buyer-won", "seller-won")),
    s.dispute_resolved(outcome="partial", to_buyer="5.00"),
]
LATEST_FIRST = (s.DELIVERED, s.SHIPPED, s.CANCELLING, s.PROCESSING, s.VERIFYING)


def _closings() -> Iterator[str]:
    """Try each closing on a paid order, as late in its life as it can be."""
    head = ("closing", "what is held goes to", "a refund should arrive within", "a dispute is possible for")
    yield table(head, *map(_closing, CLOSINGS))


def _closing(fact: Fact) -> tuple[str, ...]:
    tried = (s.given(*before).when(fact) for before in LATEST_FIRST)
    event: Any = next(scenario.event for scenario in tried if isinstance(scenario.answer, Decision))
    outcome = f": {words.CHOICES[event.outcome]}" if isinstance(event, e.DisputeResolved) else ""
    back, paid = getattr(event, "to_buyer", None), getattr(event, "to_seller", None)
    to = " and ".join([*["the buyer"] * bool(back), *["the seller"] * bool(paid)]) or "nobody: it stays in escrow"
    refund = _span(event, "refund_by")
    if isinstance(event, e.ClosedBySecurity):
        refund = f"{s.POLICY.security_refund_business_days} business days"
    return (f"`{closure_reason(event)}`{outcome}", to, refund, _span(event, "dispute_until"))


def _span(event: e.Event, field: str) -> str:
    ends = getattr(event, field, None)
    return words.length(ends - event.occurred_at) if ends else ""


def _timers() -> Iterator[str]:
    rows = [
        (
            f"`{kind.name}`",
            words.TIMERS[kind.name].label,
            _events_of(event for event in TYPES.values() if kind.name in event.__struct_fields__),
            _events_of(event for event in TYPES.values() if issubclass(event, kind.met_by))
            or ("the refund" if kind.name == "refund_by" else "a closing"),
            "; ".join(filter(None, words.TIMERS[kind.name][1:])),
        )
        for kind in KINDS
    ]
    yield table(("timer", "what it is", "set by", "waits for", "when it has run out"), *rows)


def _events_of(types: Iterable[type[e.Event]]) -> str:
    found = list(types)
    if found == [event for event in TYPES.values() if event.closing]:
        return "a closing"
    return ", ".join(f"`{event.__struct_config__.tag}`" for event in found)


def _policy() -> Iterator[str]:
    rows = [
        (f"`{setting.name}`", _value(setting.value), setting.unit, setting.meaning)
        for setting in policy.settings("aliexpress", s.POLICY)
    ]
    yield table(("setting", "value", "unit", "what it means"), *rows)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value or "none")


def _rules() -> Iterator[str]:
    yield table(("rule", "what it says"), *RULES.items())


def _flags() -> Iterator[str]:
    rows = [(f"`{name}`", flag.text + ("; advice" if name in ADVICE else "")) for name, flag in FLAGS.items()]
    yield table(("flag", "what it means"), *rows)


PARTS: dict[str, Callable[[], Iterator[str]]] = {
    "statuses": _statuses,
    "events": _events,
    "lifecycle": _lifecycle,
    "closings": _closings,
    "timers": _timers,
    "policy": _policy,
    "rules": _rules,
    "flags": _flags,
}


def test_the_page_says_what_the_program_does() -> None:
    page = PAGE.read_text()
    for part, text in PARTS.items():
        page = filled(page, part, text())
    keep(PAGE, page)


@pytest.mark.parametrize("path", [*SOURCES, PAGE], ids=lambda path: path.name)
def test_every_rule_that_is_cited_is_told(path: Path) -> None:
    assert set(CITED.findall(path.read_text())) <= set(RULES)


def test_every_rule_is_told_and_no_other() -> None:
    numbers = [f"R{number}" for number in range(1, 25)]
    assert list(RULES) == [*sorted([*numbers, "R5a", "R15a", "R18a"], key=_number), "L", "F"]


def _number(rule: str) -> tuple[int, str]:
    return int(rule[1:].rstrip("a")), rule


def test_rules_are_told_in_plain_sentences() -> None:
    for text in RULES.values():
        assert text[0].isupper()
        assert text.endswith(".")
        assert len(text.split(". ")) <= 2
