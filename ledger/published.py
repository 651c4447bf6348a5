"""The checkpoints that a ledger published: one a file in checkpoints/, named by size. Nothing else writes there.

What was published binds the log: it may be sealed in somebody's drawer. A checkpoint that leaves the program is on disk
before, and none leaves that contradicts one which did.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from ledger import plain
from ledger.checkpoint import DIGITS, Checkpoint, Unproven, contradiction, origin_of, parse
from ledger.disk import REPAIR, write_all
from ledger.errors import BadInput, Damaged, NotFound, StorageFailed, Usage
from ledger.line import check_crc
from ledger.merkle import Span, Tree, inclusion, leaf
from ledger.proof import Proof, check
from ledger.segments import Snapshot, position
from ledger.signing import Signer
from ledger.store import EventStore

_NAME = re.compile(f"[0-9]{{{DIGITS}}}")


class Published:
    """The checkpoints of one ledger, and the proofs that lead to them.

    Everything is computed from the log's lines, each checked on the way; others may write meanwhile. The errors are
    those of the store, and Damaged when the log contradicts what was published.
    """

    def __init__(self, store: EventStore, ledger_id: str) -> None:
        self.origin = origin_of(ledger_id)
        self._store = store
        self._folder = store.path / "checkpoints"

    def checkpoints(self) -> dict[int, Checkpoint]:
        """Every published checkpoint by its size, the smallest first; Damaged when one is not what was written."""
        names = sorted(os.listdir(self._folder)) if self._folder.exists() else []
        return {int(name): self._read(name) for name in names if _NAME.fullmatch(name)}

    def publish(self, *, wait: float, signer: Signer | None = None) -> Checkpoint:
        """Publish the head of the log as it is now, with the signatures that it already had."""
        return self._publish(wait, signer, lambda size: ())[0]

    def prove(self, seq: int, *, wait: float, signer: Signer | None = None) -> Proof:
        """Publish the head of the log as it is now, and prove that a line is under it; NotFound."""

        def spans(size: int) -> Iterable[Span]:
            if seq > size:
                raise NotFound(f"no such seq: {seq}", why=f"the log ends at seq {size}")
            return inclusion(seq - 1, size)

        checkpoint, snapshot, tree = self._publish(wait, signer, spans)
        return self._proof(seq, checkpoint, snapshot, tree)

    def prove_under(self, seq: int, checkpoint: Checkpoint, *, wait: float) -> Proof:
        """Prove that a line is under a checkpoint which came from outside; NotFound, Unproven when the log is not."""
        if checkpoint.origin != self.origin:
            raise Usage(
                "the checkpoint is of another ledger", why=f"it is of {checkpoint.origin}, this is {self.origin}"
            )
        size = checkpoint.size
        if seq > size:
            raise NotFound(f"the checkpoint does not cover seq {seq}", why=f"it covers seq 1 to {size}")
        with self._store.lock(wait):
            self._store.ready()
            snapshot = self._store.snapshot()
        tree = Tree([(0, size), *inclusion(seq - 1, size)])
        tree.extend(islice(self._leaves(snapshot), size))
        if problem := contradiction(checkpoint, tree):
            raise Unproven(
                "the log does not extend the checkpoint", why=problem, hint="it was changed, or one of them is made up"
            )
        return self._proof(seq, checkpoint, snapshot, tree)

    def _publish(
        self, wait: float, signer: Signer | None, spans: Callable[[int], Iterable[Span]]
    ) -> tuple[Checkpoint, Snapshot, Tree]:
        """Publish the head of the log; the tree has the roots of `spans`, which are given the size."""
        if signer is not None and signer.verifier.name != self.origin:
            raise Usage(
                "the key is not this ledger's",
                why=f"it is of {signer.verifier.name}, this is {self.origin}",
                hint="every ledger has a key of its own: orderledger keygen",
            )
        while True:
            with self._store.lock(wait):
                size = self._store.ready().seq
                snapshot, known = self._store.snapshot(), self.checkpoints()
            tree = Tree([*((0, one) for one in (size, *known)), *spans(size)])
            tree.extend(self._leaves(snapshot))
            _refuse_contradiction(known, tree)
            with self._store.lock(wait):
                still = {one: found for one, found in self.checkpoints().items() if one <= size}
                if still == known and self._store.snapshot().end >= snapshot.end:
                    return self._keep(known.get(size), size, tree, signer), snapshot, tree

    def _keep(self, known: Checkpoint | None, size: int, tree: Tree, signer: Signer | None) -> Checkpoint:
        """Store the checkpoint of a size, unless it is there as it should be."""
        checkpoint = known or Checkpoint(self.origin, size, tree.root())
        if signer is not None:
            checkpoint = signer.sign(checkpoint)
        if checkpoint != known:
            try:
                self._write(_name(size), checkpoint.text)
            except OSError as error:
                raise StorageFailed(
                    f"the checkpoint cannot be kept: {error.strerror}",
                    why="so it was not published",
                    hint="make room or check the disk and its permissions, then do it again",
                ) from error
        return checkpoint

    def _write(self, name: str, text: bytes) -> None:
        """Let a file appear whole and durable, in place of one of its name; OSError."""
        plain.check_folder(self._folder)
        disk, temporary = self._store.disk, self._folder / ".new"
        if not self._folder.exists():
            self._folder.mkdir(mode=0o700)
            disk.sync_folder(self._folder.parent)
        fd = disk.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            write_all(disk, fd, text)
            disk.sync(fd)
        finally:
            disk.close(fd)
        disk.rename(temporary, self._folder / name)
        disk.sync_folder(self._folder)

    def _read(self, name: str) -> Checkpoint:
        path = self._folder / name
        try:
            checkpoint = parse(plain.read(path), f"checkpoints/{name}")
            why = "" if checkpoint.origin == self.origin else f"it is of {checkpoint.origin}, this is {self.origin}"
            why = why or ("" if _name(checkpoint.size) == name else f"it covers seq 1 to {checkpoint.size}")
        except BadInput as error:
            why = error.why
        except OSError as error:
            why = error.strerror or str(error)
        if why:
            raise Damaged(
                f"checkpoints/{name} is not what was published",
                why=why,
                hint="bring it back from a backup, or from whoever was given it",
            )
        return checkpoint

    def _leaves(self, snapshot: Snapshot) -> Iterator[bytes]:
        """The leaves of the log; Damaged at the first line that does not match its CRC or has another seq."""
        for seq, (_, line) in enumerate(self._store.lines(0, snapshot), 1):
            try:
                check_crc(line)
            except Damaged as damaged:
                raise Damaged(f"seq {seq} of the log is damaged", why=damaged.why, hint=damaged.hint) from None
            if not line.startswith(b'{"seq":%d,' % seq):
                raise Damaged(f"seq {seq} of the log is damaged", why="another line is in its place", hint=REPAIR)
            yield leaf(line)

    def _proof(self, seq: int, checkpoint: Checkpoint, snapshot: Snapshot, tree: Tree) -> Proof:
        before = [ordinal for ordinal, file in enumerate(snapshot.files) if file.first_seq <= seq]
        first_seq = snapshot.files[before[-1]].first_seq
        lines = self._store.lines(position(before[-1], 0), snapshot)
        _, line = next(islice(lines, seq - first_seq, None))
        hashes = tuple(tree.roots[span] for span in inclusion(seq - 1, checkpoint.size))
        proof = Proof(line, seq - 1, hashes, checkpoint)
        check(proof)
        return proof


def _name(size: int) -> str:
    return f"{size:0{DIGITS}d}"


def _refuse_contradiction(known: dict[int, Checkpoint], tree: Tree) -> None:
    agreed = 0
    for size, checkpoint in known.items():
        if problem := contradiction(checkpoint, tree):
            raise Damaged(
                f"the log contradicts what was published: {problem}",
                why=f"see checkpoints/{_name(size)}" + (f"; up to seq {agreed} all is as it was" if agreed else ""),
                hint="nothing was published; bring the log back from a backup",
            )
        agreed = size
