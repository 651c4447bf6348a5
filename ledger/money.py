"""Amounts: decimal text outside, whole minor units (cents, yen, fils) inside, ISO 4217 decimals in between."""

from ledger.errors import Refused

_TWO_DECIMALS = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC
CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES
KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR
NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT
TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
"""
_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_FOUR_DECIMALS = "CLF UYW"

EXPONENTS: dict[str, int] = {
    code: decimals
    for decimals, codes in enumerate((_NO_DECIMALS, "", _TWO_DECIMALS, _THREE_DECIMALS, _FOUR_DECIMALS))
    for code in codes.split()
}
"""The decimals ISO 4217 gives each currency."""

TOO_MUCH = 10**14
"""Amounts and sums stay below this many whole units, so that DECIMAL(18,4) holds them (R11)."""


def exponent(currency: str) -> int:
    """Return the decimals of a currency; an unknown one is refused (R11)."""
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise Refused(
            "R11",
            f"unknown currency {currency!r}",
            why="amounts are kept in a currency of ISO 4217 (R11)",
            hint="give the three capital letters, such as USD, EUR or JPY",
        ) from None


def parse(amount: str, currency: str, what: str = "amount", *, zero: bool = False) -> int:
    """Return the amount in minor units; a sign, too many decimals, too much, or zero are refused (R11)."""
    decimals = exponent(currency)
    whole, _, fraction = amount.partition(".")
    if amount[0] in "+-":
        raise Refused(
            "R11",
            f"{what} {amount} has a sign",
            why="amounts are positive; the event says which way the money goes (R11)",
            hint="leave the sign out",
        )
    if len(fraction) > decimals:
        raise Refused(
            "R11",
            f"{what} {amount} has more decimals than {currency}",
            why=f"{currency} has {decimals} decimals (R11)",
            hint="give the amount as the marketplace shows it, without rounding it yourself",
        )
    minor = int((whole + fraction.ljust(decimals, "0")) or "0") if len(amount) < 40 else TOO_MUCH * 10**decimals
    if minor == 0 and not zero:
        raise Refused("R11", f"{what} is zero", why="an amount of nothing says nothing (R11)")
    check_size(minor, decimals, what)
    return minor


def parse_signed(amount: str, currency: str, what: str) -> int:
    """Return minor units of an amount that may be negative or zero: a claw-back or its absence."""
    if amount[0] == "-":
        return -parse(amount[1:], currency, what, zero=True)
    return parse(amount, currency, what, zero=True)


def check_size(minor: int, decimals: int, what: str) -> None:
    """Refuse what is too large to be summed exactly (R11)."""
    if minor >= TOO_MUCH * 10**decimals:
        raise Refused(
            "R11",
            f"{what} is 10^14 or more",
            why="sums must stay exact (R11)",
            hint="look for a typing mistake",
        )


def text(minor: int, currency: str) -> str:
    """Write minor units with exactly the currency's decimals: 1230 of USD is 12.30."""
    return plain(minor, EXPONENTS[currency])


def plain(minor: int, decimals: int) -> str:
    """Write minor units with so many decimals."""
    if not decimals:
        return str(minor)
    digits = str(abs(minor)).rjust(decimals + 1, "0")
    return f"{'-' if minor < 0 else ''}{digits[:-decimals]}.{digits[-decimals:]}"


def minor(stored: str) -> int:
    """Read an amount of the log, which has exactly its currency's decimals, as minor units."""
    return int(stored.replace(".", ""))
