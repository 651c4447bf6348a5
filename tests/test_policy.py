"""The policy: every number with its meaning, each of them overridable by the ledger's owner."""

import pytest

from ledger.errors import LedgerError
from ledger.policy import load, settings

LENGTHS = {
    "pay_days": 20,
    "verify_hours": 24,
    "ship_days": 7,
    "answer_days": 14,
    "protection_days": 40,
    "protection_after_scan_days": 5,
    "review_days": 7,
    "refund_days": 14,
    "security_refund_business_days": 20,
    "dispute_refund_days": 7,
    "dispute_after_expiry_days": 15,
    "dispute_after_confirmed_days": 7,
    "feedback_days": 30,
    "future_minutes": 5,
}


def test_the_numbers_of_the_trade() -> None:
    """The default policy has the lengths of AliExpress-style trade."""
    policy = load("aliexpress", None)
    assert {name: getattr(policy, name) for name in LENGTHS} == LENGTHS
    assert policy.time_zone == "UTC"
    assert not policy.holidays


def test_every_setting_tells_its_meaning() -> None:
    """Value, unit, meaning and default of each, in the order of the policy's file."""
    listed = settings("aliexpress", load("aliexpress", b"pay_days = 3\n"))
    assert {setting.name for setting in listed} >= set(LENGTHS)
    assert all(setting.unit and setting.meaning for setting in listed)
    by_name = {setting.name: setting for setting in listed}
    assert (by_name["pay_days"].value, by_name["pay_days"].default) == (3, 20)
    assert [name for name, setting in by_name.items() if setting.value != setting.default] == ["pay_days"]


def test_overrides_leave_the_rest() -> None:
    """One line changes one number."""
    policy = load("aliexpress", b"protection_days = 90\n")
    assert (policy.protection_days, policy.ship_days) == (90, 7)
    assert load("aliexpress", b"") == load("aliexpress", None)


@pytest.mark.parametrize(
    "overrides",
    [
        b"pay_day = 3\n",
        b"pay_days = -1\n",
        b"pay_days = 1.5\n",
        b'pay_days = "soon"\n',
        b"pay_days = true\n",
        b"pay_days\n",
        b'time_zone = "Mars/Olympus"\n',
        b'time_zone = "../../etc/passwd"\n',
        b'holidays = ["2024-13-01"]\n',
        b"\xff\n",
    ],
)
def test_overrides_that_make_no_sense(overrides: bytes) -> None:
    """An unknown name or a value without sense is said, never ignored."""
    with pytest.raises(LedgerError):
        load("aliexpress", overrides)


def test_an_unknown_policy() -> None:
    """A policy that does not come with orderledger is an error that names those that do."""
    with pytest.raises(LedgerError, match="aliexpress"):
        load("nowhere", None)
