"""Every audit's answer on the sample logs, worked out by hand from their stories.

The answers lie in `tests/answers/`, to the byte as `-o csv` prints them. `because` says how each was found, and names a
sample log by its file; due dates follow from the default policy. Where a program disagrees with an answer, the story
decides who is right: these files are never written by a program.
"""

from pathlib import Path
from typing import NamedTuple

import pytest
from freezegun import freeze_time

from commands.main import run
from queries.catalog import audits
from tests.replaying import NOW
from tests.running import ROOT, Cli

ANSWERS = Path(__file__).parent / "answers"
SAMPLES = sorted((ROOT / "sample_logs").glob("*.jsonl"))


class Question(NamedTuple):
    """An audit as it is asked, and why its answer is what it is."""

    audit: str
    because: str
    options: str = ""

    @property
    def file(self) -> Path:
        """The hand-made answer: at-risk, --days 30 is in at-risk--days-30.csv."""
        name = f"{self.audit} {self.options}".rstrip().replace(" --", "--").replace(" ", "-").replace(":", "")
        return ANSWERS / f"{name}.csv"


QUESTIONS = [
    Question(
        "refunded-closures",
        "Of 28 closings (27 closed orders, dispute-after-closing twice) these 14 sent money back. closed-unknown sent "
        "none; unknown-then-refunded sent none at first, but its closing is the last one before the 152.00 came. "
        "`refunded` is what arrived: nothing yet in frozen-then-refunded and the third order of broken; 12.345 once "
        "in refund-failed. A claw-back is a negative to_seller.",
    ),
    Question(
        "refunded-closures",
        "security-closure and frozen-then-refunded; nothing else was closed for security.",
        options="--reason security",
    ),
    Question(
        "refunded-closures",
        "delivered-elsewhere-disputed was decided at that very second, which is inside; all earlier ones are not.",
        options="--since 2025-10-24T11",
    ),
    Question(
        "paid-out-closures",
        "Seven were confirmed, two ran out of protection, one dispute went to the seller and one was split (46.50 of "
        "64.00). The second closing of dispute-after-closing took 210.00 back and is not here; its first one is.",
    ),
    Question(
        "paid-out-closures",
        "frozen-then-released was confirmed at 07:45, which is inside, and typing-mistake after it.",
        options="--since 2025-11-18T07:45",
    ),
    Question(
        "split-closures",
        "Only dispute-partial gave each side a part: 17.50 and the other 46.50. A claw-back is no split.",
    ),
    Question("split-closures", "The only one was a day earlier.", options="--since 2025-05-23"),
    Question(
        "closed-without-delivery",
        "28 closings less the 12 of the 11 orders with a delivery scan before them. Nothing had been paid in "
        "payment-timeout, cancelled-while-unpaid and the second order of broken, so nobody got anything; "
        "closed-unknown still holds its money; confirmed-too-early and protection-expired paid a seller without a "
        "scan.",
    ),
    Question(
        "closed-without-delivery",
        "Both closings without a cause; the refund of unknown-then-refunded comes a week later, so its money is held.",
        options="--as-of 2023-10-05",
    ),
    Question(
        "closed-without-delivery",
        "administration in February, frozen-then-refunded in April; typing-mistake in between was delivered.",
        options="--since 2026-01-01",
    ),
    Question(
        "paid-without-delivery",
        "confirmed-too-early: the buyer confirmed what never came. protection-expired: a neighbour has the parcel, "
        "but no scan says so. Every other seller who was paid had a scan.",
    ),
    Question(
        "paid-without-delivery",
        "confirmed-too-early was confirmed on 4 October, protection-expired closed on the 15th at 10:20.",
        options="--since 2025-10-15",
    ),
    Question(
        "protection-cut-unchallenged",
        "Eleven orders have a delivery scan, and each cut forty days (dispute-buyer-won: sixty) to five. Six were "
        "confirmed (dispute-after-closing disputed besides), four disputed. delivered-elsewhere is left: protected "
        "until 15 September, scanned on 24 August at 12:05, so until the 29th at 12:05, and then the seller was paid.",
    ),
    Question(
        "protection-cut-unchallenged",
        "delivered-elsewhere-disputed was scanned the day before and is disputed the day after: until then it is "
        "here, open, with nothing paid out. Shipped on 27 September it was protected until 6 November, now until the "
        "19th of October.",
        options="--as-of 2025-10-15",
    ),
    Question(
        "protection-cut-unchallenged",
        "delivered-elsewhere was scanned on 24 August, before `since`.",
        options="--as-of 2025-10-15 --since 2025-08-25",
    ),
    Question(
        "protection-cut-unchallenged",
        "confirmed was scanned at 13:47 and will be confirmed at 20:15; dispute-after-closing and the others before "
        "it were confirmed or disputed.",
        options="--as-of 2025-01-29T14",
    ),
    Question(
        "at-risk",
        "still-open is the only open order; shipped on 16 May at 10:00 and protected for 40 days, it has until 25 "
        "June.",
    ),
    Question(
        "at-risk",
        "From 1 June 12:00 to 25 June 10:00 are 24 days less 2 hours: 574 hours.",
        options="--days 30",
    ),
    Question(
        "at-risk",
        "protection-expired: 30 days from 5 September 10:20 and 10 more, so until 15 October 10:20: 5 days, 10 hours "
        "and 20 minutes. Its dispute was withdrawn the day before. delivered-elsewhere-disputed has until 6 November, "
        "and confirmed-too-early is closed.",
        options="--as-of 2025-10-10",
    ),
    Question(
        "at-risk",
        "Now also delivered-elsewhere-disputed: shipped on 27 September 08:30, not scanned yet, until 6 November "
        "08:30: 27 days, 8 hours and a half.",
        options="--as-of 2025-10-10 --days 30",
    ),
    Question(
        "at-risk",
        "Exactly 29 days before 6 November 08:30, which is inside. protection-expired is disputed that day, so its "
        "protection cannot run out.",
        options="--as-of 2025-10-08T08:30 --days 29",
    ),
    Question(
        "refunds-in-transit",
        "The third order of broken: won on 18 April 2025, 7 days for a dispute. frozen-then-refunded: closed by "
        "security on Thursday 16 April 2026, 20 business days are four weeks: Thursday 14 May. Both have passed, "
        "neither bounced. All other refunds have arrived.",
    ),
    Question(
        "refunds-in-transit",
        "refund-failed: closed on 9 December at 22:00, 14 days, bounced on the 16th: overdue although the day has not "
        "come. The order of broken was due in April.",
        options="--as-of 2025-12-20",
    ),
    Question(
        "refunds-in-transit",
        "not-shipped: closed on 30 May at 03:00, 14 days; 150.00 of 189.90 came the day before, 39.90 are to come.",
        options="--as-of 2024-06-05",
    ),
    Question(
        "refunds-in-transit",
        "Due at this very second, and not overdue before it has passed. The other refunds of that spring had arrived "
        "or were not decided.",
        options="--as-of 2025-04-25T09",
    ),
    Question(
        "open-dispute-windows",
        "The last closing that opened one is typing-mistake, confirmed on 7 February: until the 14th. The later ones, "
        "administration and security, open none; neither does a closing without a cause, which may be disputed at any "
        "time.",
    ),
    Question(
        "open-dispute-windows",
        "dispute-after-closing was confirmed on 23 October at 21:10; a week. The 210.00 are with the seller.",
        options="--as-of 2024-10-25",
    ),
    Question(
        "open-dispute-windows",
        "The dispute was opened on the 27th: what the window waited for has come.",
        options="--as-of 2024-10-28",
    ),
    Question(
        "open-dispute-windows",
        "delivered-elsewhere: the protection ran out on 29 August at 12:05, 15 days; this is the last second. Its "
        "buyer wrote three days later.",
        options="--as-of 2025-09-13T12:05",
    ),
    Question(
        "open-feedback-windows",
        "The last order that was delivered or confirmed before it was closed is typing-mistake: 30 days from 7 "
        "February. frozen-then-refunded and administration were neither, so their buyers can rate nobody.",
    ),
    Question(
        "open-feedback-windows",
        "confirmed-too-early: 30 days from 4 October. delivered-elsewhere-disputed: 30 days from the decision the day "
        "before. protection-expired was closed on the 15th without a scan or a confirmation.",
        options="--as-of 2025-10-25",
    ),
    Question(
        "open-feedback-windows",
        "confirmed-too-early was rated on 2 November, a day before its window ended. cancelled-while-unpaid opened "
        "none.",
        options="--as-of 2025-11-03",
    ),
    Question(
        "closures-by-reason",
        "The 28 closings, no two in one month for the same reason in the same currency: April 2025 has two decided "
        "disputes, one in USD and one in JPY. Each row has the amounts of one closing.",
    ),
    Question(
        "closures-by-reason",
        "Six of its seven orders are closed.",
        options="--seller FastTech-Outlet",
    ),
    Question(
        "closures-by-reason",
        "protection-expired was closed at that second; confirmed-too-early earlier in that October is left out.",
        options="--since 2025-10-15T10:20",
    ),
    Question(
        "security-closures",
        "security-closure and frozen-then-refunded, of the one seller with seven orders: administration and the five "
        "others that gave money back were closed for other reasons. 119.00 have not arrived.",
    ),
    Question("security-closures", "Only frozen-then-refunded.", options="--since 2026-01-01"),
    Question(
        "security-closures",
        "Then FastTech-Outlet had one order and one security closure; the refund arrives on 17 March.",
        options="--as-of 2025-03-10",
    ),
    Question(
        "seller-risk",
        "FastTech-Outlet: 7 orders; security-closure, frozen-then-refunded, cancellation-declined and "
        "delivered-elsewhere-disputed gave money back, the last two were disputed, the first two are the security "
        "closures; all that was shipped was in time: (4 + 2 + 0 + 3 x 2) / 7. PhotoPro-Lens: 3 orders, all gave money "
        "back, one disputed: 4 / 3. BrightHome-LED: of 3 one never shipped and gave money back: 2 / 3. "
        "Lumo-Audio-Store: of 6 (three of them in broken) one gave money back, two were disputed, dispute-seller-won "
        "was shipped three days late: 4 / 6. Silk-Road-Textiles: of 3 one cancelled with a refund, one declined, and "
        "closed-unknown, whose missing verification leaves no day to be late for: 1 / 3. The others have 2 orders.",
    ),
    Question(
        "seller-risk",
        "Besides: GulfGadgets, both orders gave money back, one disputed, one never shipped: (2 + 1 + 1) / 2. "
        "NordTools-Official: both disputed (a withdrawn dispute counts), one split: 3 / 2. Kawaii-Stationery: one "
        "refund: 1 / 2.",
        options="--min-orders 1",
    ),
    Question(
        "money-by-account",
        "USD: 1117.90 were paid in and 563.48 came back; escrow has 73.35 of closed-unknown and 74.20 of still-open, "
        "119.00 of frozen-then-refunded are on their way, the sellers have the rest, 287.87. EUR: 46.50 and 86.40. "
        "JPY: the refund of broken. What was paid in BRL and KWD came back to the last cent, and no seller ever had "
        "any.",
    ),
    Question(
        "money-by-account",
        "USD by then: 73.35 unexplained, 152.00 paid and refunded, 18.75 and 210.00 with the sellers. Everything in "
        "BRL, JPY and KWD had come back; nothing had been paid in EUR.",
        options="--as-of 2024-10-25",
    ),
    Question(
        "money-by-month",
        "The payments, releases and refunds of every story put down under the month of their UTC time (not-shipped "
        "was paid on 21 May, in UTC) and added up by currency. October 2023: the refund that nobody decided counts "
        "both as sent back and as arrived. November 2024: the claw-back is negative. May 2025: 88.88 had been decided "
        "in April. January 2026: 49.50 and not the 94.50 that were taken back.",
    ),
    Question(
        "money-by-month",
        "out-of-stock was closed on 11 December, its refund arrives on the 19th.",
        options="--as-of 2023-12-12",
    ),
    Question(
        "time-in-status",
        "The statuses of each story were written down with the times at which they were shown (a parcel shipped in a "
        "freeze shows from its end on; protection-expired is shipped twice, before and after its dispute, and "
        "cancellation-declined twice processing), the differences added up by order and status, and ranked by seller: "
        "of n the ceil(n/2)-th and the ceil(0.9 n)-th; halves round up. How an order stands now has not ended and is "
        "left out, so that closed is there only for dispute-after-closing, between its closing and its dispute. A "
        "throw-away script did the subtractions.",
    ),
    Question("time-in-status", "The rows with at least four orders.", options="--min-orders 4"),
    Question(
        "late-shipments",
        "dispute-seller-won: verified on 27 February 00:20, seven days to 5 March (a leap year), shipped on 8 March "
        "09:30: 3 days and 9 hours. not-shipped: five days of its own from 21 May 03:00 and four more. refund-failed: "
        "seven days from 1 December 22:00. The last two were never shipped. cancellation-declined was not shipped "
        "either, but was not closed for that.",
    ),
    Question(
        "late-shipments",
        "dispute-seller-won is two days over its day and not shipped yet: that is not late but overdue.",
        options="--as-of 2024-03-07",
    ),
    Question(
        "unexplained-closures",
        "closed-unknown gives no reason and unknown-then-refunded says unknown; only the first still holds money.",
    ),
    Question(
        "unexplained-closures",
        "A week before the 152.00 come back they are held as well.",
        options="--as-of 2023-10-05",
    ),
    Question(
        "confirmed-before-delivery",
        "Eight were confirmed; only confirmed-too-early had no delivery scan.",
    ),
    Question(
        "bad-tracking",
        "The check digit of 19287340 is 7 (8x1 + 6x9 + 4x2 + 2x8 + 3x7 + 5x3 + 9x4 + 7x0 = 158, which is 4 more than "
        "14 x 11), not 8; the other 13 numbers are right. LW817405678CN was given to two orders on the same morning: "
        "one parcel was scanned as delivered elsewhere, nothing came of the other.",
    ),
    Question(
        "bad-tracking",
        "The parcels that share a number are handed over on the 27th.",
        options="--as-of 2025-09-26",
    ),
    Question(
        "bait-prices",
        "No title stands on four orders. Four others of the same seller in USD exist for FastTech-Outlet (seven "
        "orders) and Lumo-Audio-Store (five) only. security-closure: the others are 36.48, 52.10, 61.75, 74.20, 88.88 "
        "and 119.00, the third of six is 61.75, and 14.90 is 0.2413 of it. The next, 36.48, is 0.59 of it.",
    ),
    Question(
        "bait-prices",
        "dispute-seller-won: the others are 27.89, 40.00, 40.00 and 49.50, the second of four is 40.00, and 18.75 is "
        "exactly 0.46875 of it, which is inside (printed 0.4688).",
        options="--ratio 0.46875",
    ),
    Question("bait-prices", "0.2413 is more.", options="--ratio 0.2"),
    Question(
        "oddities-by-kind",
        "closed-unknown: shipped without a verification, closed without a cause; unknown-then-refunded: closed "
        "without a cause, then a refund that nobody decided; payment-timeout: an hour that came twice; "
        "cancellation-declined: the check digit; dispute-partial: a note of the day before the dispute, recorded "
        "after it; confirmed-too-early: confirmed before any delivery; frozen-then-released: shipped in a freeze; "
        "administration: verified with 49.00 missing. The overpayment of typing-mistake was taken back with its "
        "event.",
    ),
    Question(
        "oddities-by-kind",
        "The stories of 2023.",
        options="--as-of 2024-01-01",
    ),
    Question(
        "overdue-orders",
        "Of the open order nothing has run out. The two refunds on their way have: 402 days and 3 hours, 18 days, 3 "
        "hours and 45 minutes. closed-unknown is closed and has no date for its money.",
    ),
    Question(
        "overdue-orders",
        "refund-failed bounced, so it is listed three days before its date, with none over it; broken since April.",
        options="--as-of 2025-12-20",
    ),
    Question(
        "overdue-orders",
        "closed-unknown: paid on 14 July, a day for the verification that never came; shipped on the 18th at 10:00, "
        "40 days to 27 August. It is closed on 9 September.",
        options="--as-of 2023-09-01",
    ),
    Question(
        "overdue-orders",
        "dispute-buyer-won: scanned on 1 September 07:12, five days; disputed on the 3rd, decided on the 15th: "
        "meanwhile the protection has run out and cannot close the order.",
        options="--as-of 2024-09-10",
    ),
    Question(
        "overdue-orders",
        "dispute-seller-won should have been shipped by 5 March 00:20; 23 hours and 40 minutes are 1.0 days.",
        options="--as-of 2024-03-06",
    ),
    Question(
        "cancellations",
        "cancellation-declined, cancellation-declined-shipped (declined a minute before it was shipped) and "
        "cancelled-after-payment. Fourteen days each, answered in hours. That of broken is refused.",
    ),
    Question(
        "cancellations",
        "An hour before the seller of cancellation-declined-shipped answers.",
        options="--as-of 2025-05-04T08",
    ),
    Question(
        "cancellations",
        "The same facts, looked at a day after 18 May 07:05.",
        options="--as-of 2025-05-04T08 --now 2025-05-19",
    ),
    Question(
        "exposed-orders",
        "still-open is the only open order, and its seller has two security closures; frozen-then-refunded is frozen "
        "no more.",
    ),
    Question(
        "exposed-orders",
        "delivered-elsewhere-disputed and confirmed-too-early were shipped the day before by a seller with the "
        "security closure of March; 40 days. protection-expired is open too, of a seller without a blemish.",
        options="--as-of 2025-09-28",
    ),
    Question(
        "exposed-orders",
        "frozen-then-released is frozen itself, and was shipped in the freeze the day before: 40 days. No order of "
        "FastTech-Outlet is open.",
        options="--as-of 2025-11-03",
    ),
    Question(
        "exposed-orders",
        "frozen-then-refunded is frozen and not shipped, so it has no protection yet; one security closure so far.",
        options="--as-of 2026-04-12",
    ),
    Question("retractions", "Only typing-mistake takes something back: its second version, the payment of 94.50."),
    Question(
        "retractions",
        "Ten seconds earlier it had not happened, though it is known now that the payment counts for nothing.",
        options="--as-of 2026-01-18T16:07",
    ),
    Question("retractions", "That very second.", options="--since 2026-01-18T16:07:10"),
    Question(
        "variants",
        "The types on the lines of each story, by time (the late note of dispute-partial goes before its dispute), "
        "less the two lines of typing-mistake that count for nothing, were joined and counted by a throw-away script. "
        "Two paths are taken twice: payment-timeout and cancelled-while-unpaid; typing-mistake and the first order of "
        "broken. Days are from the first line to the last; money went back in the 14 orders of refunded-closures.",
    ),
    Question("variants", "closed-unknown, unknown-then-refunded, out-of-stock.", options="--as-of 2024-01-01"),
    Question(
        "handovers",
        "Each two neighbours of those lines, counted by the same script: orders once, hours each time (only scanned > "
        "scanned comes twice in one order). Ranked as in time-in-status.",
    ),
    Question(
        "handovers",
        "closed-unknown: 2 minutes 43, then 100 hours and 10 minutes, then 1262 hours. unknown-then-refunded: 70 "
        "seconds, then nearly 12 hours; it is closed a day later.",
        options="--as-of 2023-10-01",
    ),
    Question("order-in-two-ledgers", "There is only one ledger."),
]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with every sample log, imported now."""
    folder = tmp_path_factory.mktemp("answers") / "ledger"
    with freeze_time(NOW):
        assert run(["--ledger", str(folder), "init"]) == 0
        assert run(["--ledger", str(folder), "import", *map(str, SAMPLES)]) == 4  # broken.jsonl has bad lines
    return folder


@pytest.fixture
def cli(ledger: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line on that ledger."""
    return Cli(ledger, capsys)


def answer(cli: Cli, audit: str, options: str = "") -> str:
    with freeze_time(NOW):
        return cli.ok("audit", audit, *options.split(), "-o", "csv")


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.file.stem)
def test_the_answer_is_the_one_worked_out_by_hand(cli: Cli, question: Question) -> None:
    assert answer(cli, question.audit, question.options) == question.file.read_text(), question.because


def test_every_audit_has_an_answer_and_every_answer_a_question() -> None:
    assert {question.audit for question in QUESTIONS if not question.options} == set(audits())
    assert sorted(question.file.name for question in QUESTIONS) == sorted(path.name for path in ANSWERS.iterdir())


@pytest.mark.parametrize("name", audits())
def test_what_has_happened_until_now_is_all_there_is(cli: Cli, name: str) -> None:
    assert answer(cli, name, f"--as-of {NOW} --known-at {NOW}") == answer(cli, name)


@pytest.mark.parametrize("name", audits())
def test_nothing_was_known_before_the_import(cli: Cli, name: str) -> None:
    columns = [column.name for column in audits()[name].columns]
    assert answer(cli, name, "--known-at 2026-06-01T11:59:59Z") == ",".join(columns) + "\n"
