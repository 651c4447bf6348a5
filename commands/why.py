"""`orderledger why`: why an order stands as it does, and what can still be done."""

from typing import TYPE_CHECKING, Any

import typer

from commands import clock, context, output, render

if TYPE_CHECKING:
    from datetime import datetime

    from commands.story import Page
    from ledger.order import Order
    from queries.case import Option, Sentence
    from queries.explain import Explanation

LABEL = len("59 minutes left  ")
UNDATED = " " * len("  2024-03-01: ")


def command(
    ctx: typer.Context,
    order_id: context.OrderId,
    output_: context.PlainOption = None,
    to: context.ToOption = None,
    as_of: context.AsOf = None,
    known_at: context.KnownAt = None,
    now: context.Now = None,
    tz: context.Tz = "UTC",
    no_color: context.NoColor = False,
) -> None:
    """Explain an order: why it stands so, where its money is, what can still be done, and what happened.

    Example: orderledger why 8123456789012345
    """
    from commands.story import Page
    from queries.explain import explain

    zone = clock.zone(tz)
    target = output.choose(output_, to, pipe="table", no_color=no_color, tz=zone, only="table json jsonl")
    moment = context.moment(now=now, as_of=as_of, known_at=known_at, tz=zone)
    page = Page(target)
    with context.believed_order(ctx, order_id, moment) as (order, policy):
        explanation = explain(order, policy, moment.now, day=page.day, minute=page.minute)
        if target.format == "table":
            render.text(target, write(page, order, explanation, moment.now))
        else:
            render.record(target, as_data(order, explanation))


def as_data(order: "Order", explanation: "Explanation") -> dict[str, Any]:
    """Give the explanation as the values that `-o json` prints."""
    from commands.show import money_as_data

    return {
        "order_id": order.order_id,
        "status": order.status,
        "sentences": [{"text": said.whole, "rule": said.rule, "seqs": said.seqs} for said in explanation.sentences],
        "money": money_as_data(order),
        "options": [
            {"action": option.action, "until": option.until, "seqs": option.seqs} for option in explanation.options
        ],
    }


def write(page: "Page", order: "Order", explanation: "Explanation", now: "datetime") -> str:
    """Write the explanation for a reader, most needed first."""
    from commands.story import title
    from ledger.rules import RULES

    title(page, order)
    first, *others = explanation.answer
    _say(page, first, plain="bold")
    for said in others:
        _say(page, said)
    if explanation.money:
        page.head("Where the money is")
        for said in explanation.money:
            _say(page, said, before="  ")
    if explanation.options or explanation.over:
        page.head(f"What you can do (times in {page.target.tz})")
        pressing = [option for option in explanation.options if option.urgent or option.until]
        for option in pressing:
            _offer(page, option, now)
        for said in explanation.over:
            _say(page, said, before="  ")
        for option in explanation.options[len(pressing) :]:
            _offer(page, option, now)
    page.head("What happened")
    for said in explanation.story:
        _tell(page, said)
    page.head("The rules")
    for rule in explanation.rules:
        page.add(RULES[rule], "dim", before=f"  {rule:<6}")
    return "\n".join(page.lines) + "\n"


def _say(page: "Page", said: "Sentence", *, before: str = "", plain: str = "") -> None:
    from commands.story import TONES

    page.add(said.whole, TONES.get(said.tone, plain), before=before, after=_rests_on(said))


def _offer(page: "Page", option: "Option", now: "datetime") -> None:
    """Write what can be done after how long there is for it; what is urgent is red."""
    from queries.words import length

    when = "at once" if option.urgent else f"{length(option.until - now)} left" if option.until else "any time"
    before = f"  {when:<{LABEL}}"
    action = f"by {page.minute(option.until)}: {option.action}" if option.until else option.action
    painted = page.paint(before, "red" if option.urgent else "bold" if option.until else "")
    page.add(action, before=before, painted=painted, after=_rests_on(option))


def _tell(page: "Page", said: "Sentence") -> None:
    """Write a sentence of the story beside its date; one without a date belongs to the one before it."""
    from commands.story import TONES

    style, date = TONES.get(said.tone, ""), f"  {said.at}: " if said.at else UNDATED
    page.add(said.text, style, before=date, painted=page.paint(date, style), after=_rests_on(said))


def _rests_on(what: "Sentence | Option") -> str:
    """Name the rule and the events, in brackets."""
    return f"({what.rule}, {' '.join(f'#{seq}' for seq in what.seqs)})"
