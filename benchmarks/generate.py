"""Generated facts: a feed of many orders as a marketplace would send it, sorted by the time things occurred.

Every path an order can take occurs, in realistic shares; the mix and its shares are the table `PATHS` of paths.py.
About one fact in a hundred is odd on purpose; no fact is one that the ledger refuses. The same number of events and
the same seed always give the same bytes. Memory holds the days still to come of the orders that are open.
"""

import argparse
import sys
from collections import deque
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from random import Random
from signal import SIG_DFL, SIGPIPE, signal

from benchmarks.paths import PATHS, not_shipped, out_of_stock, payment_timeout
from benchmarks.steps import DATES, DAY, FIRST, SPAN_DAYS, Story, take_back
from ledger import money

FACTS_PER_ORDER = 7.0
SELLERS = 4_000
SALE_DAYS = {"11-11": 4.0, "11-29": 2.5, "03-28": 2.0}
"""Days of the year on which more is ordered, and how many times more."""

CURRENCIES = {
    "USD": (1.0, 50),
    "EUR": (0.9, 20),
    "BRL": (5.5, 9),
    "JPY": (1.5, 7),
    "GBP": (0.8, 5),
    "PLN": (4.0, 4),
    "KRW": (13.0, 3),
    "KWD": (3.0, 2),
}
"""Code: minor units for what costs one US cent, share in percent."""

TITLES = (
    "Glass seed beads 2 mm, 1000 pieces",
    "USB-C cable 100 W, braided",
    "Phone case, clear",
    "LED strip 5 m, warm white",
    "Кабель для зарядки, 1 м",
    "Stainless steel watch strap 20 mm",
    "Soldering iron tips, set of 10",
    "Children's raincoat, yellow",
    'Screwdriver set \\"precision\\", 24 bits',
    "Bicycle bell",
)


class Market:
    """What orders share: the sellers, the currencies, and closed orders that may be ordered again."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.serial = 0
        self.again: deque[tuple[int, str]] = deque(maxlen=1_000)
        self.currencies = [(code, money.EXPONENTS[code], rate) for code, (rate, _) in CURRENCIES.items()]
        self.currency_shares = list(accumulate(share for _, share in CURRENCIES.values()))
        self.paths = list(PATHS)
        self.path_shares = list(accumulate(PATHS.values()))

    def order(self, at: int) -> Story:
        """A whole order placed at this time: told to its end, whenever that is."""
        random = self.random
        self.serial += 1
        buyer = int(random.random() ** 2 * 10_000)
        story = Story(random, f"8{10_000_000_000 + self.serial * 7 + int(random.random() * 7)}{buyer:04d}", at)
        seller = int(random.random() ** 3 * SELLERS)
        self.place(story, seller)
        if seller % 97 == 96 and random.random() < 0.5:
            path = self.paths[int(random.random() * len(self.paths))]  # a seller of whom one hears everything
        else:
            path = random.choices(self.paths, cum_weights=self.path_shares)[0]
        path(story)
        if path in (payment_timeout, not_shipped, out_of_stock):
            self.again.append((story.at, story.order_id))
        return story

    def place(self, story: Story, seller: int) -> None:
        """The order is placed: a price with a long tail, one order in six with its lines."""
        story.currency, story.decimals, rate = self.random.choices(self.currencies, cum_weights=self.currency_shares)[0]
        price = max(2, int(self.random.lognormvariate(7.2, 1.0) * rate))
        quantity = 1 if self.random.random() < 0.8 else 1 + int(self.random.random() * 5)
        story.amount = price * quantity
        fields = (
            f',"seller":"shop{1_100_000 + seller * 37}","amount":"{story.money(story.amount)}"'
            f',"currency":"{story.currency}","title":"{story.one_of(TITLES)}"{self.extras(story, price, quantity)}'
        )
        if story.chance(0.002):
            story.say("placed", 0, fields)
            take_back(story, 60)
        story.say("placed", 1, fields)

    def extras(self, story: Story, price: int, quantity: int) -> str:
        """The fields of an order that only some sources give."""
        fields = ""
        if story.chance(1 / 6):
            product = 1_005_000_000_000_000 + int(self.random.random() * 10**12)
            fields = (
                f',"items":[{{"quantity":{quantity},"price":"{story.money(price)}","product":"{product}",'
                f'"sku":"{int(self.random.random() * 10**6)}:color"}}]'
            )
        if story.chance(0.5):
            fields += ',"marketplace":"aliexpress"'
        if story.chance(0.1):
            fields += f',"processing_days":{3 + int(self.random.random() * 12)}'
        if story.chance(0.2):
            fields += f',"protection_days":{60 + int(self.random.random() * 31)}'
        if story.chance(0.05):
            fields += f',"parent":"9{story.order_id[1:]}"'
        if self.again and self.again[0][0] < story.at and story.chance(0.3):
            fields += f',"reorder_of":"{self.again.popleft()[1]}"'
        return fields


def days(events: int, seed: int) -> Iterator[list[tuple[int, int, int, str]]]:
    """The feed's days: each a sorted list of (seconds since 1970, order, place in the order, fact as JSON)."""
    random = Random(seed)
    market = Market(random)
    # A little more than enough orders: the feed is cut after `events`, and its last orders are still open.
    orders_a_day = (events / FACTS_PER_ORDER * 1.05 + events**0.5) / SPAN_DAYS
    coming: list[list[tuple[int, int, int, str]]] = [[] for _ in DATES]
    owed = 0.0
    for day in range(len(DATES)):
        owed += orders_a_day * SALE_DAYS.get(DATES[day][5:10], 1.0) if day < SPAN_DAYS else 0.0
        while owed >= 1:
            owed -= 1
            story = market.order(FIRST + day * DAY + int(random.random() * DAY))
            for place, (at, fact) in enumerate(story.facts):
                coming[(at - FIRST) // DAY].append((at, market.serial, place, fact))
        today, coming[day] = sorted(coming[day]), []
        yield today


def facts(events: int, seed: int) -> Iterator[str]:
    """Exactly this many facts as JSON, one a line without the newline, sorted by occurred_at."""
    for today in days(events, seed):
        for *_, fact in today[:events]:
            yield fact
        events -= len(today)
        if events <= 0:
            return


def main() -> None:
    """Write generated facts to a file or to standard output."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generate", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="number of facts (default 1,000,000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same facts (default 1)")
    parser.add_argument("--out", type=Path, help="file to write (default: standard output)")
    chosen = parser.parse_args()
    signal(SIGPIPE, SIG_DFL)  # `| head` ends it quietly
    with open(chosen.out or sys.stdout.fileno(), "w", encoding="utf-8", newline="\n") as out:
        out.writelines(fact + "\n" for fact in facts(chosen.events, chosen.seed))


if __name__ == "__main__":
    main()
