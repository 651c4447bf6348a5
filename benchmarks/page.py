"""docs/performance.md and its picture, written from what was measured."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import log10
from pathlib import Path

from benchmarks.run import LARGE, LINES_ONLY, LINES_READ, Row, in_words, table

DOCS = Path(__file__).parent.parent / "docs"
WIDTH, HEIGHT, LEFT, TOP = 640, 360, 70, 20
COLOURS = ("#0b6e99", "#b3541e", "#3b7d3b", "#7a4f9a", "#8a6d00", "#555555")
CURVES = (
    "import",
    "verify",
    "rebuild",
    "audit after one more record",
    "record placed",
    "- DuckDB's typed scan of the lines",
)
"""The works that the picture shows."""

PAGE = """# What things cost

This page is written by `make bench`; the figures are of {about}.

Every figure is of a whole process, started cold, as a user waits for it: the median of three rounds of works that ran
in turn, of eleven for `record` and `show`; above a million events there is one round. A name that begins with a dash
is somebody else's work on the same facts in the same minutes, and the column before the last is how the time of those
above it is to that: compare these, for the seconds are this machine's. Writers, `record`, `show` and `verify` have
one core, questions and `rebuild` all. `benchmarks/README.md` says what the facts are and what each peer does.

{tables}

![How costs grow with the number of events](performance.svg)

## The aims, and whether they hold

Rates, and `import` beside SQLite, are aims from a million events on: below, most of the time is the start of the
process. SQLite, beside it, looks at no rule.

{aims}

## What stands behind those that do not hold

{limits}
"""


LIMITS = """\
**import and verify.** At {events} events, decoding a fact, making its line, writing and indexing it take {written} µs
of one core, which is {first} events/s before any rule is looked at; the rules, reading orders again that are no longer
in memory, and on the same core the columnar copies, take {rules} µs more. For `verify` it is
{read} µs to read, hash and encode a line, and {again} µs to decide it again.
A profile of the rules is flat: some forty calls of Python functions for an event, of which the largest, `decide`
itself, takes a tenth of the time. What is left to gain is another language, or more cores: an order's events have to be
decided one after the other, and every line needs the seq before it.

**rebuild** makes all that is derived, not one projection: the index, for which every line is read and held against its
CRC in Python, a columnar copy of every segment, and five projections, within the 2 GiB that DuckDB may take.

Where a question is measured once, as `list` above a million events, it makes the projections that it reads first."""


def write(about: str, measured: Mapping[int, Sequence[Row]]) -> None:
    """Write the page and the picture."""
    tables = "\n\n".join(f"## {events:,} events\n\n{table(rows)}" for events, rows in measured.items())
    page = PAGE.format(about=about, tables=tables, aims="\n".join(aims(measured)), limits=limits(measured))
    (DOCS / "performance.md").write_text(page)
    (DOCS / "performance.svg").write_text(picture(measured))


def aims(measured: Mapping[int, Sequence[Row]]) -> Iterator[str]:
    """Each aim with the figure that was measured."""
    yield "| aim | events | measured | holds |"
    yield "| --- | ---: | ---: | --- |"
    for events, rows in measured.items():
        costs = {row.work: row.cost for row in rows}
        for name, aim, value, holds in _aims_of(events, {work: cost.seconds for work, cost in costs.items()}):
            yield f"| {name}: {aim} | {events:,} | {value} | {_held(holds)} |"
        for work in ("import", "verify"):
            peak = costs[work].peak_mib
            yield f"| {work}: ≤ 512 MiB of memory | {events:,} | {peak:.0f} MiB | {_held(peak <= 512)} |"


def limits(measured: Mapping[int, Sequence[Row]]) -> str:
    """What the floors under `import` and `verify` say, of the largest ledger measured."""
    events = max(measured)
    micros = {row.work: row.cost.cpu_seconds / events * 1e6 for row in measured[events]}
    written, read = micros[LINES_ONLY], micros[LINES_READ]
    return LIMITS.format(
        events=f"{events:,}",
        written=f"{written:.1f}",
        rules=f"{micros['import'] - written:.1f}",
        read=f"{read:.1f}",
        again=f"{micros['verify'] - read:.1f}",
        first=f"{1e6 / written:,.0f}",
    )


def _held(holds: bool) -> str:
    return "yes" if holds else "**no**"


def _aims_of(events: int, seconds: Mapping[str, float]) -> Iterator[tuple[str, str, str, bool]]:
    """Name, aim, figure and whether it holds."""

    def at_most(name: str, aim: float, work: str, peer: str) -> tuple[str, str, str, bool]:
        ratio = seconds[work] / seconds[peer]
        return name, f"≤ {aim} × the time of `{peer.removeprefix('- ')}`", f"{ratio:.2f} ×", ratio <= aim

    def rate(name: str, aim: int) -> tuple[str, str, str, bool]:
        reached = events / seconds[name]
        return name, f"≥ {aim:,} events/s", f"{reached:,.0f}", reached >= aim

    yield at_most("record placed", 1.4, "record placed", "- a Typer command that does nothing")
    yield at_most("record noted", 1.4, "record noted", "- a Typer command that does nothing")
    if events >= LARGE:  # below, the start of the process is most of the time
        yield at_most("import", 1.0, "import", "- SQLite, WAL, FULL, 1,000 rows a transaction")
    if saving := [work for work in seconds if work.startswith("- eventsourcing")]:
        few = next(work for work in seconds if work.startswith("import of "))
        yield at_most(few, 0.1, few, saving[0])
    if events >= LARGE:
        yield rate("import", 120_000)
        yield rate("verify", 100_000)
        yield rate("verify --quick", 400_000)
    yield at_most("rebuild", 2.0, "rebuild", "- DuckDB's typed scan of the lines")
    for work in ("audit refunded-closures", "audit after one more record"):
        yield work, "≤ 2.5 s", in_words(seconds[work]), seconds[work] <= 2.5


def picture(measured: Mapping[int, Sequence[Row]]) -> str:
    """Seconds over events, both logarithmic, as SVG."""
    points = {
        work: [(events, row.cost.seconds) for events, rows in measured.items() for row in rows if row.work == work]
        for work in CURVES
    }
    times = [seconds for line in points.values() for _, seconds in line]
    low, high = int(log10(min(times)) - 1), int(log10(max(times)) + 1)
    first, last = log10(min(measured)), max(log10(max(measured)), log10(min(measured)) + 1)

    def place(events: float, seconds: float) -> str:
        x = LEFT + (log10(events) - first) / (last - first) * (WIDTH - LEFT - 210)
        y = TOP + (high - log10(seconds)) / (high - low) * (HEIGHT - TOP - 50)
        return f"{x:.1f},{y:.1f}"

    def text(at: str, words: str, more: str = "") -> str:
        x, y = at.split(",")
        return f'<text x="{x}" y="{y}" {more}>{escape(words)}</text>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for power in range(low, high + 1):
        ends = place(10**first, 10**power), place(10**last, 10**power)
        parts.append(f'<polyline points="{" ".join(ends)}" stroke="#dddddd" fill="none"/>')
        parts.append(text(ends[0], f"{10.0**power:g} s ", 'text-anchor="end" dx="-6" dy="4"'))
    for events in measured:
        parts.append(text(place(events, 10**low), f"{events:,}", 'text-anchor="middle" dy="18"'))
    parts.append(
        text(
            place(10 ** ((first + last) / 2), 10**low),
            "events; both axes are logarithmic",
            'text-anchor="middle" dy="36"',
        )
    )
    below = 0.0  # two names are never written over each other
    for (work, line), colour in sorted(
        zip(points.items(), COLOURS, strict=True), key=lambda curve: -curve[0][1][-1][1]
    ):
        places = [place(*point) for point in line]
        parts.append(f'<polyline points="{" ".join(places)}" stroke="{colour}" stroke-width="2" fill="none"/>')
        parts += [
            f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in (point.split(",") for point in places)
        ]
        x, y = places[-1].split(",")
        below = max(float(y) + 4, below + 13)
        parts.append(text(f"{x},{below:.1f}", work.removeprefix("- "), f'dx="10" fill="{colour}"'))
    return "\n".join([*parts, "</svg>", ""])
