"""The histories of all orders for programs of process mining."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from commands import output, reading
from ledger.errors import Usage

if TYPE_CHECKING:
    from commands.export import Job
    from queries.histories import Histories


def export(job: "Job") -> None:
    """Print the events in force as a log for process mining."""
    from queries.histories import Histories

    if job.since_seq is not None:
        raise Usage(
            f"--since-seq does not go with {job.format}",
            why="it tells of each order as a whole",
            hint="export it whole, in the place of the one before",
        )
    target = output.choose("jsonl", job.to, pipe="jsonl")
    with reading.relations(job.ctx, job.moment) as relations:
        histories = Histories(relations)
        with output.opened(target, paged=True) as writer:
            for part in WRITERS[job.format](histories):
                writer.write(output.visible_json(part.decode()) if target.screen else part)


def _ocel(histories: "Histories") -> Iterator[bytes]:
    from ledger.formats import ocel

    return ocel.document(histories, shared=histories.shared_parcels(), repeated=histories.repeated())


def _xes(histories: "Histories") -> Iterable[bytes]:
    from ledger.formats import xes

    return map(str.encode, xes.document(histories))


WRITERS = {"ocel": _ocel, "xes": _xes}
"""What writes each format; what XES would do to a terminal, it writes as references itself."""
