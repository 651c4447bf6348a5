"""The library eventsourcing with its SQLite recorder: an aggregate per order, an event and a save() per fact, no rules.

Arguments: the feed, the database to make.
"""

import json
import os
import sys
from uuid import NAMESPACE_URL, UUID, uuid5


def main(feed: str, database: str) -> None:
    """Save every fact."""
    os.environ |= {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": database}
    from eventsourcing.application import AggregateNotFoundError, Application
    from eventsourcing.domain import Aggregate, event

    class Order(Aggregate):
        @event("Placed")
        def __init__(self, order_id: str, fact: str) -> None:
            self.order_id = order_id
            self.last = fact

        @staticmethod
        def create_id(order_id: str, fact: str = "") -> UUID:
            return uuid5(NAMESPACE_URL, order_id)

        @event("Happened")
        def happen(self, fact: str) -> None:
            self.last = fact

    orders: Application[UUID] = Application()
    with open(feed, encoding="utf-8") as lines:
        for line in lines:
            order_id = json.loads(line)["order_id"]
            try:
                order: Order = orders.repository.get(Order.create_id(order_id))
                order.happen(line)
            except AggregateNotFoundError:
                order = Order(order_id, line)
            orders.save(order)


if __name__ == "__main__":
    main(*sys.argv[1:])
