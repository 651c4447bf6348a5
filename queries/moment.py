"""From where one looks at a ledger."""

from datetime import datetime
from typing import NamedTuple


class Moment(NamedTuple):
    """The present, and the as-of and known-at instants (None: everything there is)."""

    now: datetime
    as_of: datetime | None = None
    known_at: datetime | None = None
