"""The numbers of the trade: how long each timer runs, each with its meaning, each overridable by the ledger's owner."""

import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct, ValidationError, convert, structs

from ledger.errors import Damaged, Usage

_FOLDER = Path(__file__).parent / "policies"


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """The settings in force; the meaning and unit of each stand beside its default in `policies/*.toml`."""

    pay_days: int
    verify_hours: int
    ship_days: int
    answer_days: int
    protection_days: int
    protection_after_scan_days: int
    review_days: int
    refund_days: int
    security_refund_business_days: int
    dispute_refund_days: int
    dispute_after_expiry_days: int
    dispute_after_confirmed_days: int
    feedback_days: int
    future_minutes: int
    buyer_cancels_unpaid: bool
    time_zone: str
    holidays: frozenset[date]

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if type(value) is int and not 0 <= value <= 3650:
                raise ValueError(f"{name} must be from 0 to 3650")

    @cached_property
    def zone(self) -> tzinfo:
        """The zone in which business days are counted."""
        if self.time_zone == "UTC":
            return UTC
        from zoneinfo import ZoneInfo

        return ZoneInfo(self.time_zone)

    def business_days_after(self, start: datetime, days: int) -> datetime:
        """Return the same time of day so many business days later; the first day is not counted."""
        moment = start.astimezone(self.zone)
        while days:
            moment += timedelta(days=1)
            if moment.weekday() < 5 and moment.date() not in self.holidays:
                days -= 1
        return moment.astimezone(UTC)


class Setting(NamedTuple):
    """One number of the trade: its value in force, and what it means."""

    name: str
    value: Any
    unit: str
    meaning: str
    default: Any


def names() -> list[str]:
    """Return the policies that come with orderledger."""
    return sorted(path.name.removesuffix(".toml") for path in _FOLDER.iterdir() if path.name.endswith(".toml"))


def load(name: str, overrides: bytes | None = None) -> Policy:
    """Return the named policy with the ledger's own settings over it; a setting that makes no sense is Damaged."""
    values = {key: setting["value"] for key, setting in _defaults(name).items()}
    if overrides is not None:
        values |= _read_overrides(overrides)
    try:
        policy = convert(values, Policy, strict=False)
        policy.zone  # noqa: B018 - an unknown zone shows itself here, not in the middle of an import
    except (ValidationError, ValueError, OSError, LookupError, RecursionError) as error:
        raise Damaged(
            f"the policy cannot be used: {error}",
            why="a setting in the ledger's policy.toml is unknown or has no sensible value",
            hint="see the settings with their meaning: orderledger policy, in another ledger",
        ) from None
    return policy


def settings(name: str, policy: Policy) -> list[Setting]:
    """Return every setting with its meaning, in the order of the file."""
    values: Mapping[str, Any] = structs.asdict(policy)
    return [
        Setting(key, _shown(values[key]), about["unit"], about["meaning"], about["value"])
        for key, about in _defaults(name).items()
    ]


def _shown(value: Any) -> Any:
    return sorted(day.isoformat() for day in value) if isinstance(value, frozenset) else value


def _defaults(name: str) -> dict[str, dict[str, Any]]:
    if name not in names():
        raise Usage(f"no policy is named {name!r}", hint=f"there is: {', '.join(names())}")
    return tomllib.loads(_FOLDER.joinpath(f"{name}.toml").read_text("utf-8"))


def _read_overrides(content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Damaged(f"policy.toml cannot be read: {error}", hint="mend the line, or remove the file") from None
