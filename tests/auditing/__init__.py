"""Every audit and the relations it asks, worked out a second time in plain Python over the raw lines of a log.

Nothing of the program is used here, so that the SQL is compared with something that cannot have the same mistake.
"""

from collections.abc import Callable

from tests.auditing import closings, standings
from tests.auditing.book import Row

ANSWERS: dict[str, Callable[..., list[Row]]] = {
    answer.__name__.replace("_", "-"): answer for answer in (*closings.ANSWERS, *standings.ANSWERS)
}
"""The answer to every packaged audit by its name; each takes a Book, and the audit's parameters by name."""
