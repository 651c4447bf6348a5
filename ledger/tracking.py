"""Tracking numbers of the Universal Postal Union's form S10: two letters, eight digits, a check digit, a country."""

import re

_S10 = re.compile(r"[A-Za-z]{2}([0-9]{8})([0-9])[A-Za-z]{2}")


def wrong_check_digit(tracking: str) -> bool:
    """Return whether this looks like an S10 number and its check digit is wrong; any other number is not judged."""
    match = _S10.fullmatch(tracking)
    return match is not None and check_digit(match[1]) != int(match[2])


def check_digit(serial: str) -> int:
    """Return the S10 check digit of eight digits."""
    a, b, c, d, e, f, g, h = serial.encode()
    # The weights sum to 44, a multiple of 11, so the digits' character codes do as well as the digits.
    remainder = 11 - (8 * a + 6 * b + 4 * c + 2 * d + 3 * e + 5 * f + 9 * g + 7 * h) % 11
    return {10: 0, 11: 5}.get(remainder, remainder)
