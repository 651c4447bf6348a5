"""docs/audits.md has every audit under its theme, with its question, and runs it."""

import re
from itertools import pairwise

from queries.catalog import Audit, audits
from tests.running import ROOT

PAGE = (ROOT / "docs" / "audits.md").read_text()
HEADING = re.compile(r"^(##|###) (.+)$", re.MULTILINE)


def sections() -> list[tuple[str, str, str]]:
    """Every audit's section: the theme it stands under, its name, its text."""
    found, theme = [], ""
    headings = [*HEADING.finditer(PAGE), None]
    for heading, after in pairwise(headings):
        assert heading
        if heading[1] == "##":
            theme = heading[2].split()[0].lower()
        else:
            found.append((theme, heading[2], PAGE[heading.end() : after.start() if after else len(PAGE)]))
    return found


def described(audit: Audit, text: str) -> bool:
    example = re.search(rf"^\$ orderledger( --ledger \S+)* audit {audit.name}\b", text, re.MULTILINE)
    return text.startswith(f"\n\n*{audit.question}*\n") and example is not None


def test_every_audit_stands_under_its_theme() -> None:
    assert sorted((theme, name) for theme, name, _ in sections()) == sorted(
        (audit.theme, audit.name) for audit in audits().values()
    )


def test_every_audit_has_its_question_and_an_example_that_is_run() -> None:
    assert [name for _, name, text in sections() if not described(audits()[name], text)] == []
