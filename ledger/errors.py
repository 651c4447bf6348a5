"""What can go wrong, as values a command can print: what, why, hint, and the exit code a script sees."""

from msgspec import DecodeError

UNREADABLE = (DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec says of bytes that are no JSON of the kind due."""


class LedgerError(Exception):
    """Something the user can act on: `what` happened, `why`, and a `hint` what to do instead."""

    exit_code = 1

    def __init__(self, what: str, *, why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint

    def __str__(self) -> str:
        return "\n".join(line for line in (self.what, self.why, self.hint) if line)


class NotFound(LedgerError):
    """The answer is no: there is no such order, or no such seq (exit 1)."""

    exit_code = 1


class LimitReached(LedgerError):
    """A query was stopped at its time or memory limit (exit 1)."""

    exit_code = 1


class Usage(LedgerError):
    """The command was called wrongly: a value that does not parse, an unknown name (exit 2)."""

    exit_code = 2


class Refused(LedgerError):
    """The fact cannot be recorded: `rule` is R1 … R24, `L` for the lifecycle, `F` for malformed (exit 3)."""

    exit_code = 3

    def __init__(self, rule: str, what: str, *, why: str = "", hint: str = "") -> None:
        super().__init__(what, why=why, hint=hint)
        self.rule = rule


class Malformed(Refused):
    """The fact is not well formed, so no rule was asked (rule `F`, exit 3)."""

    def __init__(self, what: str, *, why: str = "", hint: str = "") -> None:
        super().__init__("F", what, why=why, hint=hint)


class VersionConflict(LedgerError):
    """The order has moved on since the caller looked at it (exit 3)."""

    exit_code = 3

    def __init__(self, order_id: str, expected: int, found: int) -> None:
        super().__init__(
            f"order {order_id}: expected version {expected}, found version {found}",
            why="someone recorded an event of this order in between, or you looked at an older state",
            hint=f"look at `orderledger show {order_id}`, then try again with --expect-version {found}",
        )


class BadInput(LedgerError):
    """A file cannot be read as what it should be (exit 4)."""

    exit_code = 4


class Damaged(LedgerError):
    """The ledger is damaged, of a newer format, not mine, or was not found (exit 5)."""

    exit_code = 5


class Locked(LedgerError):
    """Another writer holds the ledger for longer than the caller wanted to wait (exit 6)."""

    exit_code = 6


class StorageFailed(LedgerError):
    """The disk did not take it: full, no permission, I/O error; nothing of the batch is in the log (exit 7)."""

    exit_code = 7
