"""The table of the trade: which event may happen in which status, and where it leads.

A cell is a verdict and the next base status: `ok` is recorded, `odd` is recorded and flagged, `no` is refused; `=`
keeps the base. R12, R22 and R24 are decided by the rule of that number. The columns `disputed` and `frozen` give a
verdict only: under them the base moves as its own column says.
"""

from typing import NamedTuple

BASES = ("awaiting-payment", "verifying-payment", "processing", "cancelling", "shipped", "delivered", "closed")
STATUSES = (*BASES, "disputed", "frozen")
"""Every status an order can show; `none` before it is placed."""

_TABLE = """
event                      none                awaiting-payment      verifying-payment  processing      cancelling      shipped         delivered   closed   disputed  frozen
placed                     ok>awaiting-payment no                    no                 no              no              no              no          no       no        no
paid                       no                  ok>verifying-payment  ok>=               odd>=           odd>=           odd>=           odd>=       odd>=    odd       odd
verified                   no                  odd>processing        ok>processing      odd>=           odd>=           odd>=           odd>=       odd>=    odd       odd
processing-extended        no                  no                    odd>=              ok>=            odd>=           no              no          no       no        odd
cancel-requested           no                  no                    odd>cancelling     ok>cancelling   odd>=           odd>=           odd>=       no       no        odd
cancel-accepted            no                  no                    odd>=              odd>=           ok>=            no              no          no       no        ok
cancel-declined            no                  no                    no                 odd>=           ok>processing   odd>=           no          no       no        ok
shipped                    no                  odd>shipped           odd>shipped        ok>shipped      ok>shipped      ok>=            odd>=       odd>=    ok        odd
scanned                    no                  odd>=                 odd>=              odd>=           odd>=           ok>=            ok>=        ok>=     ok        ok
delivered-scan             no                  odd>delivered         odd>delivered      odd>delivered   odd>delivered   ok>delivered    ok>=        ok>=     ok        ok
protection-extended        no                  no                    no                 odd>=           no              ok>=            ok>=        no       odd       odd
confirmed                  no                  odd>closed            odd>closed         odd>closed      odd>closed      odd>closed      ok>closed   no       odd       odd
dispute-opened             no                  no                    odd>=              R22>=           ok>=            ok>=            ok>=        R12>=    odd       ok
dispute-withdrawn          no                  no                    no                 no              no              no              no          no       ok        no
dispute-resolved           no                  no                    odd>closed         odd>closed      odd>closed      odd>closed      odd>closed  no       ok        odd
frozen                     no                  odd>=                 ok>=               ok>=            ok>=            ok>=            ok>=        no       ok        odd
unfrozen                   no                  no                    no                 no              no              no              no          no       R24       ok
closed-by-security         no                  odd>closed            ok>closed          ok>closed       ok>closed       ok>closed       odd>closed  no       ok        ok
closed:payment-timeout     no                  ok>closed             odd>closed         no              no              no              no          no       no        no
closed:not-shipped         no                  odd>closed            odd>closed         ok>closed       ok>closed       no              no          no       odd       ok
closed:cancelled           no                  ok>closed             odd>closed         odd>closed      ok>closed       odd>closed      no          no       odd       odd
closed:out-of-stock        no                  ok>closed             odd>closed         ok>closed       ok>closed       no              no          no       odd       ok
closed:protection-expired  no                  no                    odd>closed         odd>closed      odd>closed      ok>closed       ok>closed   no       odd       odd
closed:administration      no                  ok>closed             ok>closed          ok>closed       ok>closed       ok>closed       ok>closed   no       ok        ok
closed:unknown             no                  odd>closed            odd>closed         odd>closed      odd>closed      odd>closed      odd>closed  no       odd       odd
refund-failed              no                  no                    odd>=              odd>=           odd>=           odd>=           odd>=       ok>=     ok        odd
refunded                   no                  no                    odd>=              odd>=           odd>=           odd>=           odd>=       ok>=     odd       odd
feedback-left              no                  no                    no                 no              no              odd>=           odd>=       ok>=     odd       no
noted                      no                  ok>=                  ok>=               ok>=            ok>=            ok>=            ok>=        ok>=     ok        ok
retracted                  no                  ok>back               ok>back            ok>back         ok>back         ok>back         ok>back     ok>back  ok        ok
"""  # noqa: E501 - a table is read across


class Cell(NamedTuple):
    """What an event means in a status: `verdict` is ok, odd, no, or the rule that decides; `next` the base after it."""

    verdict: str
    next: str


def _read(table: str) -> dict[str, dict[str, Cell]]:
    header, *rows = (line.split() for line in table.strip().splitlines())
    columns = header[1:]
    return {
        row: {column: _cell(text, column) for column, text in zip(columns, texts, strict=True)} for row, *texts in rows
    }


def _cell(text: str, column: str) -> Cell:
    verdict, _, target = text.partition(">")
    return Cell(verdict, column if target in ("", "=") else target)


TABLE: dict[str, dict[str, Cell]] = _read(_TABLE)
"""Row (event type, `closed:` with its reason) → column (status) → cell."""
