"""What checks of a log found: for each check the problems, where they are, and how many more there were."""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct

PROBLEMS_MAX = 1000
"""So many problems are kept of each check."""


class Told(NamedTuple):
    """A problem, and the check that finds it."""

    check: str
    problem: str


class Place(NamedTuple):
    """A line of the log: the seq due there, its segment and its number in it from 1; all None for what is no line."""

    seq: int | None = None
    segment: str | None = None
    line: int | None = None


NOWHERE = Place()


class Problem(Struct, frozen=True):
    """One thing that is wrong, and where."""

    seq: int | None
    segment: str | None
    line: int | None
    problem: str


class Check(Struct, frozen=True):
    """What one check found: the problems that were kept, and how many there are; none is well."""

    check: str
    problems: tuple[Problem, ...]
    count: int

    @property
    def ok(self) -> bool:
        """Whether it found nothing."""
        return not self.problems


class Findings:
    """The problems of several checks, gathered in the order in which they are found."""

    def __init__(self, names: Iterable[str]) -> None:
        self._found: dict[str, list[Problem]] = {name: [] for name in names}
        self._counts = dict.fromkeys(self._found, 0)

    def say(self, check: str, problem: str, place: Place = NOWHERE) -> None:
        """Note a problem."""
        self._counts[check] += 1
        if len(self._found[check]) < PROBLEMS_MAX:
            self._found[check].append(Problem(*place, problem))

    def any(self, *names: str) -> bool:
        """Whether one of these checks found a problem."""
        return any(self._counts[name] for name in names)

    def checks(self) -> list[Check]:
        """Every check; where problems were too many to be kept, the last one says how many more there are."""
        return [Check(name, tuple(self._told(name)), self._counts[name]) for name in self._found]

    def _told(self, name: str) -> Iterable[Problem]:
        found = self._found[name]
        yield from found
        if more := self._counts[name] - len(found):
            yield Problem(*NOWHERE, f"and {more:,} more")
