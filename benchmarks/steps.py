"""The steps of generated orders: what happens to an order between `placed` and its end, one function a step."""

from datetime import UTC, datetime
from random import Random

from ledger import money
from ledger.tracking import check_digit

DAY = 86_400
SPAN_DAYS = 730
FIRST = int(datetime(2024, 6, 1, tzinfo=UTC).timestamp())
POSTS = ("RR", "LX", "LY", "RB", "UA", "CP"), ("CN", "CN", "CN", "HK", "SG", "NL", "GB", "MY")
CARRIERS = ("china-post", "cainiao", "yunexpress", "post-nl", "royal-mail", "4px")
PLACES = ("Shenzhen", "Guangzhou", "Yiwu", "Liege", "Frankfurt", "Warszawa", "São Paulo", "Madrid", "Leeds", "Kuwait")
JOURNEY = ("accepted", "sorting", "export", "customs-in", "customs-out", "import", "out-for-delivery")
GRIEVANCES = ("not-as-described", "damaged", "counterfeit", "other")
METHODS = ("card", "card", "card", "bank transfer", "wallet", "cash")
NOTES = ("asked the seller for a photo", "seller answers within a day", "screenshot kept", "neighbour may take it")
MISTAKES = ("typed for the wrong order", "the screenshot was of another order", "wrong button")

DATES = [datetime.fromtimestamp(FIRST + day * DAY, UTC).strftime("%Y-%m-%dT") for day in range(SPAN_DAYS + 400)]
CLOCK = [f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z" for second in range(DAY)]


def stamp(instant: int) -> str:
    """An instant in seconds since 1970, within the feed's years, is written as ISO 8601 with `Z`."""
    day, second = divmod(instant - FIRST, DAY)
    return DATES[day] + CLOCK[second]


class Story:
    """One order being told: its facts so far, the time it has come to and the money in it, in minor units."""

    __slots__ = ("amount", "at", "currency", "decimals", "facts", "numbered", "order_id", "paid", "random", "tracking")

    def __init__(self, random: Random, order_id: str, at: int) -> None:
        self.random = random
        self.order_id = order_id
        self.at = at
        self.facts: list[tuple[int, str]] = []
        self.numbered = random.random() < 0.25
        self.currency = "USD"
        self.decimals = 2
        self.amount = 0
        self.paid = 0
        self.tracking: str | None = None

    def say(self, kind: str, after: int = 1, fields: str = "") -> None:
        """Add a fact `after` seconds later; `fields` is the rest of the object, each field led by a comma."""
        self.at += after
        if self.numbered:
            fields += f',"fact_id":"op-{self.order_id[2:12]}-{len(self.facts) + 1}"'
        text = f'{{"type":"{kind}","order_id":"{self.order_id}","occurred_at":"{stamp(self.at)}"{fields}}}'
        self.facts.append((self.at, text))

    def chance(self, share: float) -> bool:
        """True with this probability."""
        return self.random.random() < share

    def one_of(self, things: tuple[str, ...]) -> str:
        """One of the things, each as likely as the others."""
        return things[int(self.random.random() * len(things))]

    def days(self, least: float, most: float) -> int:
        """A random number of seconds between two numbers of days, at least 1."""
        return 1 + int((least + (most - least) * self.random.random()) * DAY)

    def money(self, minor: int) -> str:
        """An amount in minor units is written with exactly the currency's decimals."""
        return money.plain(minor, self.decimals)


def pay(story: Story, amount: int | None = None) -> None:
    """The buyer pays, one time in twelve partly by a voucher."""
    amount = story.amount if amount is None else amount
    if amount > 1 and story.chance(1 / 12):
        voucher = 1 + int(story.random.random() * (amount - 1))
        story.say("paid", story.days(0, 0.02), f',"amount":"{story.money(voucher)}","method":"voucher"')
        story.paid += voucher
        amount -= voucher
    if amount:
        fields = f',"amount":"{story.money(amount)}","currency":"{story.currency}","method":"{story.one_of(METHODS)}"'
        if story.chance(0.3):
            fields += f',"account":"**** {int(story.random.random() * 10_000):04d}"'
        story.say("paid", story.days(0, 0.2), fields)
        story.paid += amount


def prepare(story: Story) -> None:
    """The order is paid and verified; the seller sometimes gets more days."""
    pay(story)
    story.say("verified", story.days(0.1, 1.2))
    if story.chance(0.03):
        story.say("processing-extended", story.days(1, 5), f',"days":{3 + int(story.random.random() * 12)}')
    if story.chance(0.02):
        remark(story)


def parcel(story: Story) -> str:
    """The fields of a new tracking number: mostly S10 with the right check digit, one in two hundred wrong."""
    number = int(story.random.random() * 10**8)
    if story.chance(0.7):
        digits = f"{number:08d}"
        digit = check_digit(digits)
        if story.chance(0.005):
            digit = (digit + 1) % 10
        services, countries = POSTS
        story.tracking = f"{story.one_of(services)}{digits}{digit}{story.one_of(countries)}"
    else:
        story.tracking = f"YT{2_400_000_000 + number}{int(story.random.random() * 10**6):06d}"
    return f',"tracking":"{story.tracking}","carrier":"{story.one_of(CARRIERS)}"'


def ship(story: Story) -> None:
    """The seller ships, one time in thirty as two parcels."""
    after = story.days(0.3, 5)
    story.say("shipped", after, parcel(story) + (',"ambiguous_time":true' if story.chance(0.002) else ""))
    if story.chance(1 / 30):
        story.say("shipped", story.days(0.1, 2), parcel(story))


def travel(story: Story) -> None:
    """The parcel is scanned on its way, mostly not at all or once: most sources tell only the ends."""
    stops = int(story.random.random() ** 2 * 4)
    for stop in range(stops):
        checkpoint = JOURNEY[min(stop * 2 + (1 if story.chance(0.5) else 0), len(JOURNEY) - 1)]
        place = f',"place":"{story.one_of(PLACES)}"' if story.chance(0.6) else ""
        story.say("scanned", story.days(0.5, 5), f',"checkpoint":"{checkpoint}"{place}')
    if story.chance(0.01):
        checkpoint = story.one_of(("attempted", "held", "returned"))
        story.say("scanned", story.days(0.5, 3), f',"checkpoint":"{checkpoint}","tracking":"{story.tracking}"')


def arrive(story: Story) -> None:
    """The parcel is delivered, with the mistakes people make when they type it in."""
    if story.chance(0.003):
        story.say("delivered-scan", story.days(0.2, 1))
        take_back(story, 600)
    fields = f',"tracking":"{story.tracking}"' if story.tracking else ""
    if story.chance(0.05):
        fields += ',"recipient":"neighbour"'
    story.say("delivered-scan", story.days(1, 6), fields)


def deliver(story: Story) -> None:
    """The main path up to the delivery scan."""
    prepare(story)
    ship(story)
    travel(story)
    if story.chance(0.02):
        story.say("protection-extended", story.days(0.2, 2), f',"days":{5 + int(story.random.random() * 26)}')
    arrive(story)


def confirm(story: Story) -> None:
    """The buyer confirms receipt within days of the scan."""
    story.say("confirmed", story.days(0.05, 4))


def close(story: Story, reason: str, after: int, fields: str = "") -> None:
    """The order is closed for this reason."""
    story.say("closed", after, f',"reason":"{reason}"{fields}')


def refund(story: Story, amount: int, soonest: float = 1, latest: float = 12) -> None:
    """Money decided to go back arrives: mostly at once, sometimes in two parts or failing first, rarely never."""
    if amount == 0 or story.chance(0.02):
        return
    if story.chance(0.03):
        story.say("refund-failed", story.days(soonest, latest), ',"reason":"card expired"')
    if amount > 1 and story.chance(0.05):
        part = 1 + int(story.random.random() * (amount - 1))
        story.say("refunded", story.days(soonest, latest), f',"amount":"{story.money(part)}","method":"voucher"')
        amount -= part
    fields = f',"amount":"{story.money(amount)}","method":"{story.one_of(METHODS)}"'
    if story.currency == "USD" and story.chance(0.15):
        bank = amount * 56 // 10
        fields += f',"account_amount":"{bank // 100}.{bank % 100:02d}","account_currency":"BRL"' if bank else ""
    story.say("refunded", story.days(soonest, latest), fields)


def rate(story: Story) -> None:
    """One buyer in four leaves feedback, a few of them after the window has closed (odd)."""
    if story.chance(0.25):
        rating = "positive" if story.chance(0.85) else story.one_of(("neutral", "negative"))
        text = ',"text":"as described, thank you"' if story.chance(0.4) else ""
        after = story.days(31, 50) if story.chance(0.03) else story.days(0.01, 20)
        story.say("feedback-left", after, f',"rating":"{rating}"{text}')


def remark(story: Story) -> None:
    """Somebody notes something, now and then with a photo."""
    fields = f',"text":"{story.one_of(NOTES)}"'
    if story.chance(0.3):
        fields += f',"attachments":[{{"name":"photo.jpg","sha256":"{story.random.getrandbits(256):064x}"}}]'
    if story.chance(0.2):
        fields += ',"actor":"seller"'
    story.say("noted", story.days(0.01, 1), fields)


def take_back(story: Story, after: int) -> None:
    """The latest fact is retracted: its version is the number of the order's facts so far."""
    story.say("retracted", after, f',"retracts":{len(story.facts)},"why":"{story.one_of(MISTAKES)}"')


def dispute(story: Story, reason: str, after: int) -> None:
    """The buyer opens a dispute, half of them saying how much they want back."""
    claim = f',"claim":"{story.money(story.paid)}"' if story.chance(0.5) else ""
    story.say("dispute-opened", after, f',"reason":"{reason}"{claim}')
    if story.chance(0.3):
        remark(story)


def resolve(story: Story, outcome: str) -> None:
    """The dispute is decided; what goes to the buyer arrives later."""
    part = max(1, int(story.paid * story.random.random()))
    fields = f',"to_buyer":"{story.money(part)}"' if outcome == "partial" else ""
    story.say("dispute-resolved", story.days(2, 15), f',"outcome":"{outcome}"{fields}')
    refund(story, {"buyer-won": story.paid, "partial": part, "seller-won": 0}[outcome], 2, 7)
