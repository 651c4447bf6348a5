"""A ledger: a folder with the log, the rules in force and what was derived; it joins the store and the decider."""

import os
import re
import shutil
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

from msgspec import Struct, ValidationError, convert
from msgspec.structs import replace

from ledger import events as e
from ledger import plain
from ledger.decide import decide, refuse_odd
from ledger.disk import Disk, locked, write_all
from ledger.errors import Damaged, NotFound, StorageFailed, Usage, VersionConflict
from ledger.formats.facts import Reject
from ledger.importing import Import, Line, Summary
from ledger.index import LAG_BYTES, Index, IndexFailed, Mismatch, lines_before_damage, lines_of
from ledger.line import decode, encode
from ledger.order import Order, as_believed, fold
from ledger.policy import Policy, load
from ledger.same import already_recorded
from ledger.store import EventStore
from ledger.writer import Writer

_PLACED_OR_TAKEN_BACK = re.compile(rb'"type":"(?:placed|retracted)"').search

FORMAT = 1
"""The format of ledger folders that this program writes; newer ones are refused."""

FOLDERS = ("events", "checkpoints", "rejects", "audits", "cache")


class Config(Struct, frozen=True, kw_only=True):
    """What ledger.toml says: the format, the ledger's id (128-bit hex), its birth, its policy, its segments' size."""

    format: int
    id: str
    created_at: str
    policy: str
    segment_bytes: int


class Receipt(Struct, frozen=True):
    """The answer to a fact: the line it has in the log (without newline), and whether it was there before (R10).

    `retracted_by` is the seq of the line that took a duplicate back: it is not recorded again by telling it again.
    """

    recorded: e.Recorded
    line: bytes
    duplicate: bool
    retracted_by: int | None = None


class Ledger:
    """One ledger folder, opened.

    `warnings` is what a command should say on stderr when it is done. `damage` is set once an order's history ended
    before a damaged line of the log.
    """

    def __init__(self, path: Path, config: Config, policy: Policy) -> None:
        self.path = path
        self.config = config
        self.policy = policy
        self.warnings: list[str] = []
        self.damage: Damaged | None = None
        self.store = EventStore(path, segment_bytes=config.segment_bytes)
        self.index = Index(path / "cache" / "index.sqlite")
        self._writer = Writer(self.store, self.index, self.warnings)

    @classmethod
    def create(cls, path: Path, *, policy: str, now: datetime, ledger_id: str) -> "Ledger":
        """Make a new ledger folder; Usage where there is one already, StorageFailed where the disk refuses."""
        load(policy)
        if (path / "ledger.toml").exists() or (path.exists() and any(path.iterdir())):
            raise Usage(
                f"{path} is there already and not empty",
                why="a new ledger begins in a new or empty folder",
                hint="name another folder, or use the ledger that is there with --ledger",
            )
        born = f"{now:%Y-%m-%dT%H:%M:%SZ}"
        config = Config(format=FORMAT, id=ledger_id, created_at=born, policy=policy, segment_bytes=64 << 20)
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.chmod(0o700)
            for name in FOLDERS:
                (path / name).mkdir(mode=0o700)
            _write_config(path, config)
        except OSError as error:
            raise StorageFailed(f"cannot make a ledger in {path}", why=error.strerror or "") from error
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> "Ledger":
        """Open a ledger folder; Damaged where there is none, it is of a newer format, or not mine."""
        config = _read_config(path)
        try:
            return cls(path, config, load(config.policy, _read_overrides(path)))
        except Usage as error:
            raise Damaged(f"{path}/ledger.toml is damaged: {error.what}", hint=error.hint) from None

    def history(self, order_id: str) -> list[e.Recorded]:
        """Return every line of an order, oldest first, up to where the log is damaged; none when nobody placed it."""
        with self._looking() as index:
            try:
                return lines_of(self.store, index, order_id)
            except Mismatch:
                return self._search(order_id)

    def _search(self, order_id: str) -> list[e.Recorded]:
        """Look through the whole log."""
        try:
            return lines_of(self.store, None, order_id)
        except Damaged as damaged:
            self.damage = damaged
            return lines_before_damage(self.store, order_id)

    def placings(self) -> Callable[[str], e.Placed | None]:
        """Return what tells how an order was placed in the log of this moment, None where that is not in force.

        Made for many orders one after the other: what of the log is not indexed is read once.
        """
        index = Index(self.index.path)
        index.look(self.store)
        late: dict[str, list[e.Recorded]] = {}
        with suppress(Damaged):
            for _, line in index.lag(self.store):
                if _PLACED_OR_TAKEN_BACK(line):
                    recorded = decode(line)
                    late.setdefault(recorded.event.order_id, []).append(recorded)

        def placing(order_id: str) -> e.Placed | None:
            try:
                lines = [decode(self.store.read_line(at)) for at in index.positions(order_id)] + late.get(order_id, [])
            except (Damaged, Mismatch):
                lines = self._search(order_id)
            if any(line.event.order_id != order_id for line in lines):  # the index is of another log
                lines = self._search(order_id)
            taken_back = {line.event.retracts for line in lines if isinstance(line.event, e.Retracted)}
            return next(
                (one.event for one in lines if isinstance(one.event, e.Placed) and one.version not in taken_back), None
            )

        return placing

    def order_ids(self, prefix: str, limit: int = 50) -> list[str]:
        """Return up to `limit` orders whose ids begin so."""
        with self._looking() as index:
            return index.order_ids(self.store, prefix, limit)

    @contextmanager
    def _looking(self) -> Iterator[Index]:
        """An index to look things up in, apart from the one that the writer keeps up to date."""
        index = Index(self.index.path)
        index.look(self.store)
        try:
            yield index
        finally:
            index.close()

    def order(self, order_id: str, *, as_of: datetime | None = None, known_at: datetime | None = None) -> Order:
        """Return where an order stands, or stood at a moment; NotFound when nothing was known of it."""
        lines = as_believed(self.history(order_id), as_of=as_of, known_at=known_at)
        if not lines and self.damage is not None:
            raise self.damage
        if not lines:
            raise NotFound(
                f"no such order: {order_id}",
                why="nothing is recorded of it" + (" until then" if as_of or known_at else ""),
                hint="orders are listed with: orderledger list --archived",
            )
        return fold(order_id, lines)

    def record(
        self,
        fact: e.Fact,
        *,
        now: datetime,
        wait: float = 10.0,
        allow_odd: bool = False,
        expect_version: int | None = None,
        undated: bool = False,
    ) -> Receipt:
        """Decide one fact and append it; it is on disk when this returns.

        `undated`: its time is only that of the command, which may have waited for another one to end.
        Refused, VersionConflict, Locked or StorageFailed otherwise; then nothing was appended.
        """
        writer = self._writer
        with writer.lock(wait, lambda: now, LAG_BYTES):
            order = writer.order(fact.order_id)
            writer.read_lines(order)
            if undated:
                fact = _after_the_others(fact, order, now)
                now = max(now, fact.occurred_at)
            if expect_version is not None and order.version != expect_version:
                known = already_recorded(order, fact)
                if known is None:
                    raise VersionConflict(fact.order_id, expect_version, order.version)
                return _again(order, known)
            decision = decide(order, fact, self.policy, now)
            if isinstance(decision, e.Recorded):
                return _again(order, decision)
            if not allow_odd:
                refuse_odd(fact, decision.odd, hint="if it did happen so, record it with --allow-odd")
            recorded = writer.add(order, decision)
            writer.commit()
            return Receipt(recorded, _line(recorded), duplicate=False)

    def import_facts(
        self,
        lines: Iterable[Line | None],
        *,
        now: Callable[[], datetime],
        reject: Callable[[Reject], None],
        wait: float = 10.0,
        strict: bool = False,
        atomic: bool = False,
        dry_run: bool = False,
        progress: Callable[[Summary], None] | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Summary:
        """Decide many facts and append them in batches; each batch is on disk when `progress` hears of it.

        The lock is free while input is awaited; a None among the lines says that the input pauses.
        """
        job = Import(self._writer, self.policy, now=now, reject=reject, strict=strict, progress=progress, stop=stop)
        if atomic or dry_run:
            return job.run_at_once(lines, wait=wait, keep=not dry_run)
        return job.run(lines, wait=wait)

    @property
    def sealed_segments(self) -> int:
        """How many segments do not grow any more, as far as this ledger's own writing tells."""
        return self._writer.segment

    def repair(self, *, wait: float = 10.0) -> str:
        """Move a damaged end of the last segment to rejects/, and say what was done; Damaged where that may not be."""
        with self.store.lock(wait):
            self.index.check(self.store)
            done = self.store.repair()
            try:
                self.index.check(self.store)
            except Damaged:
                self.index.discard()  # what it has besides the log was moved away just now
            return done

    def rebuild(self, *, wait: float = 10.0) -> None:
        """Throw the derived files away and make them again from the log."""
        with self.store.lock(wait):
            self.store.ready()
            plain.check_folder(self.path / "cache")
            _clear(self.path / "cache")
            try:
                self.index.rebuild(self.store)
            except IndexFailed as error:
                raise StorageFailed(
                    str(error), why="the log itself is as it was", hint="see to the folder cache/"
                ) from None


def _clear(cache: Path) -> None:
    """Remove what is in the folder of the derived files, but for the folders of questions that are being answered."""
    for path in cache.iterdir() if cache.exists() else ():
        with suppress(OSError):  # it went meanwhile, or cannot be removed
            if not path.is_dir() or path.is_symlink():
                path.unlink()
            elif not locked(path):
                shutil.rmtree(path, ignore_errors=True)


def _after_the_others(fact: e.Fact, order: Order, now: datetime) -> e.Fact:
    """Let a fact that was told before the latest was recorded come after it."""
    latest = order.effective_at
    if latest is None or fact.occurred_at > latest or order.line(order.version).recorded_at <= now:
        return fact
    return replace(fact, occurred_at=latest + timedelta(microseconds=1))


def _again(order: Order, recorded: e.Recorded) -> Receipt:
    retraction = order.retracted.get(recorded.version)
    return Receipt(recorded, _line(recorded), duplicate=True, retracted_by=retraction.seq if retraction else None)


def _line(recorded: e.Recorded) -> bytes:
    return encode(replace(recorded, crc=""))[:-1]


def _write_config(path: Path, config: Config) -> None:
    """Write ledger.toml last and at once: a folder without it is no ledger."""
    text = "".join(
        f"{name} = {value if isinstance(value, int) else chr(34) + value + chr(34)}\n"
        for name, value in ((name, getattr(config, name)) for name in config.__struct_fields__)
    )
    temporary, disk = path / "ledger.toml.tmp", Disk()
    fd = disk.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        write_all(disk, fd, text.encode())
        disk.sync(fd)
    finally:
        disk.close(fd)
    disk.rename(temporary, path / "ledger.toml")
    disk.sync_folder(path)
    disk.sync_folder(path.parent)


def _read_overrides(path: Path) -> bytes | None:
    try:
        return plain.read(path / "policy.toml")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Damaged(
            f"{path}/policy.toml cannot be read", why=error.strerror or "", hint="mend it, or remove it"
        ) from None


def _read_config(path: Path) -> Config:
    try:
        content = plain.read(path / "ledger.toml")
    except OSError as error:
        raise Damaged(
            f"no ledger in {path}",
            why=f"its ledger.toml cannot be read: {error.strerror}",
            hint="name the ledger folder with --ledger, or make one: orderledger init",
        ) from None
    try:
        values = tomllib.loads(content.decode("utf-8"))
        if isinstance(values.get("format"), int) and values["format"] > FORMAT:
            raise Damaged(
                f"the ledger in {path} is of format {values['format']}",
                why=f"this orderledger knows formats up to {FORMAT}",
                hint="use a newer orderledger",
            )
        return convert(values, Config)
    except (ValueError, ValidationError) as error:
        raise Damaged(f"{path}/ledger.toml is damaged", why=str(error), hint="bring it back from a backup") from None
