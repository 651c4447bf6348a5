"""The paths of generated orders: how a whole order goes from `placed` on, and how many orders go that way."""

from collections.abc import Callable

from benchmarks.steps import (
    DAY,
    GRIEVANCES,
    Story,
    arrive,
    close,
    confirm,
    deliver,
    dispute,
    pay,
    prepare,
    rate,
    refund,
    resolve,
    ship,
    take_back,
    travel,
)


def confirmed(story: Story) -> None:
    """Delivered and confirmed."""
    deliver(story)
    if story.chance(0.003):
        story.say("confirmed", story.days(0.01, 0.1))
        take_back(story, 90)
    confirm(story)
    rate(story)


def expired(story: Story) -> None:
    """Delivered; the protection ran out five days after the scan and nobody disputed."""
    deliver(story)
    close(story, "protection-expired", 5 * DAY)
    rate(story)


def expired_unseen(story: Story) -> None:
    """Never scanned as delivered; the protection ran out."""
    prepare(story)
    ship(story)
    shipped_at = story.at
    travel(story)
    close(story, "protection-expired", max(1, shipped_at + 40 * DAY - story.at))


def payment_timeout(story: Story) -> None:
    """Never paid; one buyer in ten pays too late (odd) and gets the money back (odd: nobody decided it)."""
    close(story, "payment-timeout", 20 * DAY)
    if story.chance(0.1):
        pay(story)
        refund(story, story.paid)


def not_shipped(story: Story) -> None:
    """Paid and never shipped: the money goes back."""
    prepare(story)
    close(story, "not-shipped", 7 * DAY)
    refund(story, story.paid)


def cancelled_unpaid(story: Story) -> None:
    """The buyer cancels before paying."""
    close(story, "cancelled", story.days(0.01, 5), ',"actor":"buyer"')


def cancelled(story: Story) -> None:
    """The buyer asks to cancel and the seller agrees, or never answers."""
    prepare(story)
    request_cancelling(story)
    if story.chance(0.75):
        story.say("cancel-accepted", story.days(0.2, 3))
        close(story, "cancelled", story.days(0.01, 0.5))
    else:
        close(story, "cancelled", 14 * DAY)
    refund(story, story.paid)


def request_cancelling(story: Story) -> None:
    """The buyer asks to cancel, one in five blaming the seller."""
    complaint = ',"complaint":true' if story.chance(0.2) else ""
    story.say("cancel-requested", story.days(0.1, 3), f',"reason":"changed my mind"{complaint}')


def cancel_declined(story: Story) -> None:
    """The seller declines or just ships; some buyers dispute at once, the others get the parcel."""
    prepare(story)
    request_cancelling(story)
    declined = story.chance(0.6)
    if declined:
        story.say("cancel-declined", story.days(0.2, 3), ',"reason":"already-shipped"')
    if declined and story.chance(0.3):
        dispute(story, "bad-tracking", story.days(1, 3))
        resolve(story, "buyer-won")
    else:
        ship(story)
        travel(story)
        arrive(story)
        confirm(story)


def out_of_stock(story: Story) -> None:
    """The seller has none left: the money goes back."""
    prepare(story)
    close(story, "out-of-stock", story.days(0.2, 4))
    refund(story, story.paid)


def dispute_buyer_won(story: Story) -> None:
    """The parcel did not come, or went elsewhere; the buyer wins."""
    prepare(story)
    ship(story)
    travel(story)
    if story.chance(0.3):
        arrive(story)
        dispute(story, "delivered-elsewhere", story.days(0.1, 4))
    else:
        dispute(story, "not-received", story.days(15, 30))
    resolve(story, "buyer-won")


def dispute_partial(story: Story) -> None:
    """The goods are not right; the money is split."""
    deliver(story)
    dispute(story, story.one_of(GRIEVANCES), story.days(0.1, 4))
    resolve(story, "partial")


def dispute_seller_won(story: Story) -> None:
    """The seller proves the delivery and is paid."""
    deliver(story)
    dispute(story, story.one_of(GRIEVANCES), story.days(0.1, 4))
    resolve(story, "seller-won")


def dispute_withdrawn(story: Story) -> None:
    """The parcel comes during the dispute; the buyer withdraws it and confirms."""
    prepare(story)
    ship(story)
    dispute(story, "not-received", story.days(10, 25))
    arrive(story)
    story.say("dispute-withdrawn", story.days(0.1, 2))
    story.say("confirmed", story.days(0.01, 1))
    rate(story)


def claw_back(story: Story) -> None:
    """Confirmed, then disputed within the window or after it (odd), and taken back from the seller."""
    confirmed_at = story.days(0.05, 3)
    deliver(story)
    story.say("confirmed", confirmed_at)
    dispute(story, story.one_of(GRIEVANCES), story.days(8, 20) if story.chance(0.1) else story.days(0.2, 6.9))
    resolve(story, "buyer-won" if story.chance(0.6) else "partial")


def security(story: Story) -> None:
    """Closed by the platform's security, half of them after a freeze."""
    prepare(story)
    if story.chance(0.5):
        ship(story)
    if story.chance(0.5):
        story.say("frozen", story.days(0.2, 3), ',"reason":"unusual payment"')
        if story.chance(0.3) and story.tracking:
            story.say("scanned", story.days(0.2, 2), ',"checkpoint":"sorting"')
    story.say("closed-by-security", story.days(0.5, 7), ',"reason":"the seller is under investigation"')
    refund(story, story.paid, 3, 25)


def released(story: Story) -> None:
    """Frozen for a review and released; the parcel travels on meanwhile."""
    prepare(story)
    ship(story)
    story.say("frozen", story.days(0.2, 3), ',"reason":"risk review"')
    travel(story)
    if story.chance(0.2):
        dispute(story, "not-received", story.days(1, 3))
        story.say("unfrozen", story.days(0.5, 3))
        resolve(story, "seller-won" if story.chance(0.4) else "buyer-won")
    else:
        story.say("unfrozen", story.days(0.5, 3))
        arrive(story)
        confirm(story)
        rate(story)


def administration(story: Story) -> None:
    """The administration closes the order, a third of them after a freeze, and the money goes back."""
    prepare(story)
    if story.chance(0.5):
        ship(story)
    if story.chance(0.3):
        story.say("frozen", story.days(0.2, 3))
    close(story, "administration", story.days(0.5, 6))
    refund(story, story.paid)


def unexplained(story: Story) -> None:
    """Closed and nobody says why (odd); later the money comes back, is disputed, or stays where it is."""
    prepare(story)
    ship(story)
    story.say("closed", story.days(5, 20), ',"reason":"unknown"' if story.chance(0.5) else "")
    if story.chance(0.4):
        refund(story, story.paid, 5, 30)
    elif story.chance(0.5):
        dispute(story, "other", story.days(1, 20))
        resolve(story, "buyer-won")


def undecided_refund(story: Story) -> None:
    """A part of the money arrives back while the parcel is on its way, with no decision on record (odd)."""
    prepare(story)
    ship(story)
    refund(story, max(1, story.paid // 3))
    arrive(story)
    confirm(story)


def step_missing(story: Story) -> None:
    """The source left out a step: the verification or the handing over to the carrier (odd)."""
    pay(story)
    if story.chance(0.6):
        ship(story)
    else:
        story.say("verified", story.days(0.1, 1))
    arrive(story)
    confirm(story)


def confirmed_early(story: Story) -> None:
    """Confirmed while the parcel was still on its way (odd); the delivery scan comes after the closing."""
    prepare(story)
    ship(story)
    story.say("confirmed", story.days(1, 4))
    arrive(story)


def wrong_payment(story: Story) -> None:
    """The buyer pays too much or, before the verification, too little (odd)."""
    if story.chance(0.5):
        pay(story)
        pay(story, max(1, story.amount // 10))
    else:
        pay(story, max(1, story.amount * 9 // 10))
    story.say("verified", story.days(0.1, 1))
    ship(story)
    arrive(story)
    confirm(story)


def out_of_turn(story: Story) -> None:
    """A step comes when it should not: protection extended before shipping, shipped while frozen (odd)."""
    prepare(story)
    if story.chance(0.5):
        story.say("protection-extended", story.days(0.2, 2), ',"days":10')
        ship(story)
    else:
        story.say("frozen", story.days(0.2, 2))
        ship(story)
        story.say("unfrozen", story.days(0.5, 2))
    arrive(story)
    story.say("refund-failed", story.days(0.1, 1))
    close(story, "protection-expired", 5 * DAY)


PATHS: dict[Callable[[Story], None], float] = {
    confirmed: 57.0,
    expired: 18.0,
    expired_unseen: 3.0,
    payment_timeout: 3.0,
    not_shipped: 2.5,
    cancelled_unpaid: 2.0,
    cancelled: 2.5,
    cancel_declined: 1.0,
    out_of_stock: 1.0,
    dispute_buyer_won: 1.2,
    dispute_partial: 0.8,
    dispute_seller_won: 0.6,
    dispute_withdrawn: 0.5,
    claw_back: 0.4,
    security: 0.6,
    released: 0.8,
    administration: 0.3,
    unexplained: 0.4,
    undecided_refund: 0.2,
    step_missing: 2.0,
    confirmed_early: 1.2,
    wrong_payment: 0.6,
    out_of_turn: 0.4,
}
"""Every path with its share in percent."""
