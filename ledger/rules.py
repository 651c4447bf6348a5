"""The rules of the trade in words, by the ids that refusals, flags and explanations cite."""

RULES = {
    "R1": "A closing comes from the buyer or the platform; told of the seller it is refused. "
    "Else a seller could decide over the buyer's money.",
    "R2": "An order closes once and stays closed; whoever still wants the goods orders anew. "
    "Nothing but a dispute may look again at where its money went.",
    "R3": "A closing whose cause nobody knows is suspicious, and flagged. "
    "What is held stays in escrow until a refund or a dispute moves it.",
    "R4": "What the carrier says of a parcel is not what the marketplace says of the order. "
    "Of all scans only the one at delivery changes the order's status.",
    "R5": "The ledger writes down what happened elsewhere. What is impossible is refused; "
    "what is out of place, or lacks a step before it, is recorded with a flag.",
    "R5a": "An order is disputed and closed on its own, also where the marketplace sells several under one number. "
    "Their common payment is shared out among them by price.",
    "R6": "Every event is for one party to do, and told of another it is refused. "
    "The buyer may close an order too, as cancelled, while nothing is paid.",
    "R7": "An order begins when it is placed; before that nothing else is recorded of it.",
    "R8": "An order is placed once; a second placing with other particulars is refused.",
    "R9": "What happened earlier than the latest event on record is flagged, unless it is a scan. "
    "What lies in the future is refused, but for the few minutes by which clocks differ.",
    "R10": "Telling a fact twice records it once, and the answer is the line it has. "
    "A fact_id belongs to one fact of its order.",
    "R11": "An amount is positive, in the order's currency and with no more decimals than that has. "
    "No event moves more money than there is.",
    "R12": "A closed order can be disputed within its window, or at any time if the cause of the closing is unknown; "
    "later disputes are flagged. Where neither escrow nor the seller has any of the money there is nothing to dispute.",
    "R13": "At the prompt a flagged fact is refused unless --allow-odd is said; "
    "an import records it and counts it, unless --strict is said.",
    "R14": "Money never appears or vanishes: it moves between buyer, escrow, seller and refunds, "
    "and every event's moves add up to zero. No account but the buyer's falls below zero.",
    "R15": "A closing that names no amounts sends what is held where its kind says, "
    "and its kind says how soon a refund should arrive.",
    "R15a": "Amounts that a closing names win, and one that it leaves out follows from the other. "
    "They empty escrow, unless the cause is unknown; a decided dispute may also reach for what the seller has.",
    "R16": "A dispute won after the seller was paid takes the money back from the seller. "
    "That a closing came before its time is no reason for a flag.",
    "R17": "A refund that nobody had decided is flagged; it is taken from escrow, and what that lacks from the seller. "
    "More than was paid and has not come back is refused.",
    "R18": "Payments add up, and more than the order's amount is flagged. "
    "Parcels share one protection: the first one sent starts it, any delivery scan cuts it.",
    "R18a": "The bank may show a payment or a refund in a currency of its own. "
    "It is noted beside the amount; the books stay in the order's currency.",
    "R19": "While an order is disputed or frozen, the end of buyer protection does not close it.",
    "R20": "Where those who describe the trade disagree about a number, the policy takes one and says so beside it; "
    "a ledger's owner may take another.",
    "R21": "No order closes by the passing of time: what has run out is listed, and waits for somebody to record it.",
    "R22": "While the seller prepares the parcel, a dispute is in order after a request to cancel was declined; "
    "without that it is flagged.",
    "R23": "A mistake is taken back by a line of its own, the order's latest event first. "
    "Both lines stay, and all else is as if the event had never been told.",
    "R24": "A freeze can be lifted while a dispute runs; one that is not there cannot.",
    "L": "The lifecycle says of each event and status whether it is recorded, recorded with a flag, or refused, "
    "and which status follows.",
    "F": "What is told is malformed, such as a time without a zone or an unknown field, so that no rule was asked.",
}
"""Every rule by its id; `L` stands for the lifecycle, `F` for what is no fact at all."""
