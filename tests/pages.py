"""Parts of a page that are written from the program: between `<!-- NAME: … -->` and `<!-- end -->`."""

import os
import re
from collections.abc import Iterable
from pathlib import Path


def table(*rows: tuple[str, ...]) -> str:
    """Draw a table whose first row is its head."""
    head, *others = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "| --- " * len(rows[0]) + "|", *others])


def filled(page: str, part: str, text: Iterable[str]) -> str:
    """Return the page with a part written anew."""
    marked = re.compile(rf"(<!-- {part}: .*? -->\n).*?(<!-- end -->\n)", re.DOTALL)
    found = marked.search(page)
    assert found, part
    return page[: found.start()] + found[1] + "\n" + "\n\n".join(text) + "\n\n" + found[2] + page[found.end() :]


def keep(path: Path, due: str) -> None:
    """Check that a page says what is due, or make it say so where $UPDATE_DOCS is set."""
    if "UPDATE_DOCS" in os.environ:
        path.write_text(due)
    else:
        assert due == path.read_text()
