"""`orderledger ship`: copy a ledger to another place."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands import context
from ledger.errors import Damaged, Usage

if TYPE_CHECKING:
    from ledger.book import Ledger
    from ledger.shipment import Shipment, Shipped
    from queries.places import Place


def command(
    ctx: typer.Context,
    dest: Annotated[str, typer.Argument(metavar="DEST", help="a folder, or a URL such as s3://bucket/ledgers/eu")],
) -> None:
    """Copy what is new of the ledger to a folder or an object store, for audits elsewhere.

    What is there already is left; every file that is copied is read back and its SHA-256 compared. The manifest comes
    last, so that it can be stopped and run again. What is shipped is read with --ledger DEST.

    Example: orderledger ship s3://bucket/ledgers/eu
    """
    from queries.places import Place

    place = Place(dest)
    ledger = context.open_ledger(ctx)
    if place.is_here:
        _check_apart(Path(place.root))
    copied, shipment = ship(ledger, place)
    left = len(shipment.files) - copied
    files = "1 file" if copied == 1 else f"{copied:,} files"
    context.say(f"{shipment.events:,} events are in {dest}: {files} copied, {left:,} were there")


def _check_apart(folder: Path) -> None:
    """Refuse a folder that is a ledger, or in one: what is shipped lies apart from what is written."""
    for ledger in (folder, *folder.parents):
        if (ledger / "ledger.toml").exists():
            raise Usage(
                f"{folder} is {'a ledger' if folder == ledger else f'in the ledger {ledger}'}",
                why="what is shipped would be taken for what is written there",
                hint="ship to a folder of its own",
            )


def ship(ledger: "Ledger", place: "Place") -> "tuple[int, Shipment]":
    """Bring a place up to the ledger; give how many files were copied, and the new manifest.

    Damaged where a line that is to be copied is not what was written.
    """
    from ledger import scan
    from ledger.disk import LogFile
    from ledger.shipment import FORMAT, Shipment

    before = place.manifest()
    events, here = _files(ledger)
    if before is not None:
        _check(before, ledger.config.id, events, here, place.url)
    there = {file.name: file.sha256 for file in before.files} if before else {}
    copied = 0
    for path, file in here:
        if there.get(file.name) != file.sha256 or place.size(file.name) != file.size:
            if file.kind == "lines":
                scan.check(LogFile(file.first_seq, path, file.size))
            place.put(path, file)
            copied += 1
    shipment = Shipment(FORMAT, ledger.config.id, events, tuple(file for _, file in here))
    if shipment != before:
        place.put_manifest(shipment)
    for name in there.keys() - {file.name for _, file in here}:
        place.remove(name)  # what the newest segment had before, or a copy of an older format
    return copied, shipment


def _files(ledger: "Ledger") -> "tuple[int, list[tuple[Path, Shipped]]]":
    """What there is to ship, and how many events that are."""
    from ledger.segments import last_seq
    from ledger.shipment import Shipped, digest
    from queries import columnar

    def shipped(path: Path, name: str, kind: str, size: int, first_seq: int = 0) -> "tuple[Path, Shipped]":
        return path, Shipped(name, kind, size, digest(path, size), first_seq)  # type: ignore[arg-type]

    snapshot = ledger.store.snapshot()
    if snapshot.damage is not None:
        raise snapshot.damage
    with tempfile.TemporaryDirectory(prefix="orderledger-") as folder:
        copies = columnar.complete(
            ledger.path / "cache", snapshot, spill=Path(folder), memory=context.MEMORY, timeout=None
        )
    found = [
        shipped(path, f"checkpoints/{path.name}", "checkpoint", path.stat().st_size) for path in _checkpoints(ledger)
    ]
    for segment in snapshot.files:
        grows = segment not in snapshot.sealed
        name = f"{segment.path.stem}-{segment.size}.jsonl" if grows else segment.path.name
        found.append(shipped(segment.path, f"lines/{name}", "lines", segment.size, segment.first_seq))
        if segment in copies:
            copy = copies[segment]
            found.append(shipped(copy, f"columns/{copy.name}", "columns", copy.stat().st_size, segment.first_seq))
    return (last_seq(snapshot.files[-1]) or 0 if snapshot.files else 0), found


def _checkpoints(ledger: "Ledger") -> Iterator[Path]:
    """The checkpoints that were published."""
    folder = ledger.path / "checkpoints"
    return (path for path in sorted(folder.iterdir()) if path.name.isdigit() and path.is_file())


def _check(before: "Shipment", ledger: str, events: int, here: "list[tuple[Path, Shipped]]", url: str) -> None:
    """Refuse a place that has another ledger, or more or other events of this one."""
    if before.ledger != ledger:
        raise Usage(
            f"{url} has another ledger",
            why=f"its id is {before.ledger}, this one's {ledger}",
            hint="ship each to a place of its own",
        )
    digests = {file.name: file.sha256 for _, file in here}
    lines = {file.first_seq: path for path, file in here if file.kind == "lines"}
    others = [
        file.name
        for file in before.files
        if digests.get(file.name, file.sha256) != file.sha256
        or (file.kind == "lines" and file.name not in digests and not _begins_with(lines.get(file.first_seq), file))
    ]
    if before.events > events or others:
        raise Damaged(
            f"{url} has what this ledger has not",
            why=f"{others[0]} has other bytes" if others else f"it has {before.events} events, this one {events}",
            hint="is the ledger an older copy? `orderledger verify` looks at it",
        )


def _begins_with(segment: Path | None, file: "Shipped") -> bool:
    """Whether a segment has what was shipped of it when it was shorter."""
    from ledger.shipment import digest

    return segment is not None and segment.stat().st_size >= file.size and digest(segment, file.size) == file.sha256
