"""Tracking numbers of the Universal Postal Union's form S10: two letters, eight digits, a check digit, a country."""

from operator import mul

_WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)


def wrong_check_digit(tracking: str) -> bool:
    """Return whether this looks like an S10 number and its check digit is wrong; any other number is not judged."""
    if len(tracking) != 13 or not tracking.isascii():
        return False
    service, digits, country = tracking[:2], tracking[2:11], tracking[11:]
    if not (service.isalpha() and digits.isdigit() and country.isalpha()):
        return False
    return check_digit(digits[:8]) != int(digits[8])


def check_digit(serial: str) -> int:
    """Return the S10 check digit of eight digits."""
    total: int = sum(map(mul, _WEIGHTS, map(int, serial)))
    remainder = 11 - total % 11
    return {10: 0, 11: 5}.get(remainder, remainder)
