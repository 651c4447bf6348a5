"""The progress bar of long work: on a terminal only, and on stderr."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from ledger.importing import Summary


class Progress:
    """Hears how an import goes on: `seen` of the bytes read, `heard` of the lines decided. Shows nothing itself."""

    def __init__(self) -> None:
        self.summary: Summary | None = None

    def seen(self, size: int) -> None:
        """Take note of `size` more bytes read."""

    def heard(self, summary: "Summary") -> None:
        """Take note of what has been decided so far."""
        self.summary = summary


@contextmanager
def shown(total: int | None, doing: str = "importing") -> Iterator[Progress]:
    """Show the progress towards `total` bytes with rate and time left; without a total only the rate."""
    if not sys.stderr.isatty():
        yield Progress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    known = (TaskProgressColumn(), TimeRemainingColumn()) if total else ()
    columns = (TextColumn(doing), BarColumn(), TextColumn("{task.fields[told]}"), *known)
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _Shown(bar, total)


class _Shown(Progress):
    def __init__(self, bar: "Bar", total: int | None) -> None:
        super().__init__()
        self._bar = bar
        self._task = bar.add_task("", total=total, told="")
        self._began = time.monotonic()

    def seen(self, size: int) -> None:
        self._bar.advance(self._task, size)

    def heard(self, summary: "Summary") -> None:
        super().heard(summary)
        rate = summary.read / max(time.monotonic() - self._began, 0.001)
        self._bar.update(self._task, told=f"{summary.read:,} lines, {rate:,.0f} a second")
