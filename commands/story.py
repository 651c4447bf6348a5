"""An order told as a story: how it stands, where its money is, what runs, and what happened on a time line."""

from datetime import datetime
from unicodedata import east_asian_width

from commands.colours import WORDS, paint
from commands.output import Target, visible
from commands.render import short_instant
from ledger.decide import FLAGS
from ledger.events import Event, Placed, Recorded, Retracted, tag_of
from ledger.order import Order
from ledger.timers import Timer
from queries import words
from queries.case import protected_before
from queries.standing import closed_how, status_in_words, tone, whereabouts

WIDEST = 110
"""Longer lines are hard to read, however wide the terminal is."""

LABEL = 25
"""Cells for what a line is about."""

GLUE = "\u00a0"
"""Stands for a space at which a line is not broken."""

TONES = {name: WORDS[name] for name in ("buyer", "seller", "split", "escrow", "unknown")}
TONES |= {"odd": "yellow", "late": "red", "gone": "dim"}
"""The colour of a sentence, by its tone (queries/case.py)."""

_ACTOR_STYLES = {"buyer": "green", "seller": "cyan", "platform": "magenta", "carrier": "dim"}


class Page:
    """Lines of text, folded at spaces to the width there is, coloured where colour is on."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.lines: list[str] = []

    def add(self, text: str, style: str = "", *, before: str = "", painted: str = "", after: str = "") -> None:
        """Add text, folded to hang after `before`; `painted` is `before` with its colours, `after` ends it dimmed."""
        if self.target.screen:
            text = visible(text)
        hang = " " * cells(before)
        glued = after.replace(" ", GLUE) if len(after) < LABEL else after
        folded = fold(f"{text} {glued}" if after else text, max(min(self.target.width, WIDEST) - len(hang), 20))
        for at, line in enumerate(self._coloured(folded, style, len(after))):
            self.lines.append((hang if at else painted or before) + line)

    def _coloured(self, lines: list[str], style: str, dimmed: int) -> list[str]:
        """Colour lines, and dim so many of their last characters."""
        coloured = []
        for line in reversed(lines):
            own = line[: max(len(line) - dimmed, 0)]
            coloured.append(self.paint(own, style) + self.paint(line[len(own) :].replace(GLUE, " "), "dim"))
            dimmed = max(dimmed - len(line) - 1, 0)  # a space was lost where the lines were broken
        return coloured[::-1]

    def head(self, text: str) -> None:
        """Begin a part of the page."""
        self.lines.append("")
        self.add(text, "bold")

    def paint(self, text: str, style: str) -> str:
        """Colour text, where colour is on."""
        return paint(text, style, bool(self.target.screen and self.target.screen.colour))

    def day(self, instant: datetime) -> str:
        """Write the local date."""
        return short_instant(instant, self.target.tz)[:10]

    def minute(self, instant: datetime) -> str:
        """Write the local date and minute."""
        return short_instant(instant, self.target.tz)


def fold(text: str, width: int) -> list[str]:
    """Break text at spaces into lines of at most so many cells; a longer word is left whole."""
    lines = []
    for paragraph in text.split("\n"):
        line, used = "", 0
        for word in paragraph.split(" "):
            needed = cells(word)
            if line and used + 1 + needed > width:
                lines.append(line)
                line, used = word, needed
            else:
                line, used = (f"{line} {word}", used + 1 + needed) if line else (word, needed)
        lines.append(line)
    return lines


def cells(text: str) -> int:
    """Count the cells of a terminal that text takes."""
    return len(text) if text.isascii() else sum(1 + (east_asian_width(character) in "WF") for character in text)


def tell(target: Target, order: Order, lines: list[Recorded], timers: list[Timer], now: datetime) -> str:
    """Tell the order's story: `lines` are what is shown on the time line, `now` is the present."""
    page = Page(target)
    _headline(page, order, lines, now)
    _money(page, order)
    _running(page, order, timers, now)
    _events(page, order, lines)
    return "\n".join(page.lines) + "\n"


def _headline(page: Page, order: Order, lines: list[Recorded], now: datetime) -> None:
    title(page, order)
    page.add(headline(page, order, now), TONES.get(tone(order, now), "bold"))


def title(page: Page, order: Order) -> None:
    """Say which order it is, and what was placed."""
    page.add(f"{order.title or 'an order'} — {order.order_id}", "bold")
    if order.known:
        placed = next(line.event for line in order.in_force())
        amount = words.amount(order.amount, order.currency)
        page.add(f"{amount} from {order.seller}, placed on {page.day(placed.occurred_at)}")
    page.lines.append("")


def headline(page: Page, order: Order, now: datetime) -> str:
    """Say in words how the order stands: its status or closure, then where its money went."""
    standing = status_in_words(order)
    if order.status == "closed" and order.closed_at:
        standing += f" {page.day(order.closed_at)} — {closed_how(order)}"
    return "; ".join([standing, *whereabouts(order, now, page.day)])


def _money(page: Page, order: Order) -> None:
    if not order.known:
        return
    page.head("Where the money is")
    rows = [
        ("you paid", order.paid, "", True),
        ("held in escrow", order.escrow, "yellow", True),
        ("to the seller", order.to_seller, "cyan", True),
        ("back to you, arrived", order.refunded, "green", True),
        ("still owed to you", order.pending, "red", order.refund_failed),
        ("back to you, on its way", order.pending, "green", order.pending != 0 and not order.refund_failed),
    ]
    shown = [
        (label, words.amount(minor, order.currency), style if minor else "dim")
        for label, minor, style, show in rows
        if show
    ]
    widest = max(len(amount) for _, amount, _ in shown)
    for label, amount, style in shown:
        before = f"  {label:<{LABEL}}"
        page.add("", before=before, painted=before + page.paint(amount.rjust(widest), style))


def _running(page: Page, order: Order, timers: list[Timer], now: datetime) -> None:
    running = sorted((timer for timer in timers if timer.running), key=lambda timer: timer.due_at)
    if not running:
        return
    page.head("What runs out, and then")
    for timer in running:
        label = words.TIMERS[timer.timer].label
        before = f"  {label:<{LABEL}}"
        bounced, overdue = timer.timer == "refund_by" and order.refund_failed, timer.due_at < now
        left = words.time_left(timer.due_at - now)
        if bounced:
            left = f"bounced, {left}" if overdue else "bounced"
        page.add(f"{page.minute(timer.due_at)}  {left}", "red" if overdue or bounced else "bold", before=before)
        then = words.after(timer.timer, held=order.disputed or order.frozen, base=order.base)
        page.add(words.BOUNCED if bounced else then, before=" " * len(before))


def _events(page: Page, order: Order, lines: list[Recorded]) -> None:
    page.head(f"What happened (times in {page.target.tz})")
    protected = protected_before(order)
    by_version = {line.version: line for line in lines}

    def place(line: Recorded) -> tuple[datetime, int, int]:
        # A retraction's own time counts for nothing: it stands below what it takes back.
        told = by_version.get(line.event.retracts, line) if isinstance(line.event, Retracted) else line
        return told.event.occurred_at, told.version, line.version

    for line in sorted(lines, key=place):
        _event(page, order, line, protected.get(line.seq))


def _event(page: Page, order: Order, line: Recorded, protected_until: datetime | None) -> None:
    actor = line.event.actor or "buyer"
    gone = order.retracted.get(line.version)
    when, place, who = page.minute(line.event.occurred_at), f"  v{line.version:<4}", f"{_who(actor):<10}"
    style = "dim" if gone else ""
    painted = page.paint(when, style) + page.paint(place, "dim") + page.paint(who, style or _ACTOR_STYLES[actor])
    said = words.sentence(
        line.event,
        getattr(line.event, "currency", None) or order.currency,
        page.day,
        known=_in_headline(order, line.event),
        protected_until=protected_until,
    )
    if gone:
        said = f"[taken back in v{gone.version}] {said}"
    page.add(said, style, before=when + place + who, painted=painted)
    for flag in line.odd:
        if flag == "unknown-cause":
            continue  # the sentence itself says so
        page.add(f"odd: {_oddity(line, flag)}", style or "yellow", before=" " * len(when + place + who))


def _oddity(line: Recorded, flag: str) -> str:
    """Say what a flag means; one of a later version of this program is named."""
    if flag == "gap":
        return words.GAPS[tag_of(line.event)]
    return FLAGS[flag].text if flag in FLAGS else flag


def _in_headline(order: Order, event: Event) -> tuple[str, ...]:
    """Name the fields of an event that the headline has said already."""
    said = isinstance(event, Placed) and (event.title, event.seller) == (order.title, order.seller)
    return ("title", "seller") if said else ()


def _who(actor: str) -> str:
    return words.ACTORS[actor].removeprefix("the ")
