"""The targets: each takes the bytes of one entry and raises nothing, unless there is a bug."""

import atexit
import io
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from zlib import crc32
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from commands import clock, lines
from commands.audit import RESERVED
from commands.main import run
from ledger import checkpoint as c
from ledger import line as log_line
from ledger import policy, proof, signing
from ledger.book import Ledger
from ledger.decide import Decision, decide
from ledger.errors import LedgerError, Malformed, Refused
from ledger.events import Fact
from ledger.formats import facts
from ledger.formats import statement as statements
from ledger.formats.catalog import FORMATS
from ledger.formats.facts import Reject
from ledger.formats.foreign import Asked
from ledger.importing import Summary
from ledger.merkle import Tree, inclusion, leaf
from ledger.order import Order, evolve
from ledger.verify import verify
from queries import catalog
from queries.engine import Relations, open_relations
from queries.mapping import fact_lines
from queries.moment import Moment
from tests import scenario as s
from tests.logs import log_of, write

Target = Callable[[bytes], None]

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ZONE = ZoneInfo("America/Sao_Paulo")
STORY = [*s.PROCESSING, s.shipped(at=s.after(3)), s.confirmed(at=s.after(9))]
KNOWN = [*STORY, s.shipped(at=s.after(4), tracking="LV410937265CN")]
"""What a foreign file is held against: it may tell of this parcel."""
LOG = [log_line.encode(one)[:-1] for one in log_of(STORY)]
_CRC = re.compile(rb',"crc":"[^"]*"\}\Z')
_SEPARATOR = b"\x00"


def line(data: bytes) -> None:
    """A line of the log, as it is and with the CRC that its bytes should have."""
    body = _CRC.sub(b"", data)
    for text in (data, b'%b,"crc":"%08x"}' % (body, crc32(body))):
        with suppress(LedgerError):
            recorded = replace(log_line.decode(text), crc="")
            again = log_line.encode(recorded)
            assert again.index(b"\n") == len(again) - 1
            assert replace(log_line.decode(again[:-1]), crc="") == recorded


def fact(data: bytes) -> None:
    """A line of a facts log: what it says is kept, decided, and made a line that says it again."""
    together = facts.parse_all([data])
    try:
        found = facts.parse(data)
    except Malformed:
        assert together is None
        return
    assert together in (None, [found])
    assert facts.parse(msgspec.json.encode(found)) == found
    with suppress(Refused):
        _decided(found)


def _decided(found: Fact) -> None:
    for history in ([], STORY[:1], STORY[:2], STORY):
        order = Order(found.order_id)
        for told in log_of(history):
            evolve(order, replace(told, event=replace(told.event, order_id=found.order_id)))
        decision = decide(order, found, s.POLICY, NOW)
        if isinstance(decision, Decision):
            recorded = s.line_of(decision, seq=order.version + 1, version=order.version + 1, recorded_at=NOW)
            evolve(order, recorded)
            assert replace(log_line.decode(log_line.encode(recorded)[:-1]), crc="") == recorded
            assert min(order.escrow, order.pending) >= 0


def imported(data: bytes) -> None:
    """A file that is imported: each line is recorded, known or refused, what was refused is kept to the byte."""
    with _folder() as folder:
        ledger = Ledger.create(folder / "ledger", policy="aliexpress", now=NOW, ledger_id="0" * 32)
        source = folder / "log.jsonl"
        source.write_bytes(data)
        try:
            lines.check([str(source)], None)
            asked = Asked(None, list)
            read = lines.read([str(source)], None, asked, stop=bool, seen=lambda count: None)
            given = [one for one in read if one is not None]
        except LedgerError:
            return
        refused: list[Reject] = []
        summary = ledger.import_facts(given, now=lambda: NOW, reject=refused.append)
        _check_counts(summary, len(given), len(refused))
        of_number = {one.number: one.text for one in given}
        for reject in refused:
            kept = reject.raw if reject.text is None else reject.text.encode()
            assert kept == facts.original(of_number[reject.line])
            assert facts.original(msgspec.json.encode(reject)) == kept
        report = verify(ledger)
        assert report.ok, report
        assert report.events == summary.recorded
        again = ledger.import_facts(given, now=lambda: NOW, reject=refused.append)
        assert again.duplicates >= summary.recorded


def _check_counts(summary: Summary, given: int, refused: int) -> None:
    assert summary.read == given == summary.recorded + summary.duplicates + summary.refused
    assert summary.refused == refused
    assert summary.odd <= summary.recorded


def foreign(data: bytes) -> None:
    """A file of somebody else, held against every format: what it tells can stand in a facts log."""
    for one in FORMATS.values():
        one.sniff(data[: 1 << 18])
        asked = Asked("USD", lambda: KNOWN)
        with suppress(LedgerError):
            for record in one.read(data, asked):
                for told in record.facts:
                    asked.note(told)
                    assert facts.parse(msgspec.json.encode(told)) == told
                assert all(problem.what for problem in record.problems)


def statement(data: bytes) -> None:
    """A statement of an account: its lines move money, and each stands in a line of the file."""
    with suppress(LedgerError):
        moved = statements.read(data, "EUR")
        assert all(entry.amount and entry.currency for entry in moved)
        numbers = [entry.number for entry in moved]
        assert numbers == sorted(set(numbers))


def table(data: bytes) -> None:
    """A table that is read by a map; the first byte chooses its kind."""
    kind = (".csv", ".tsv", ".json", ".jsonl", ".parquet")[data[0] % 5 if data else 0]
    sql = b"SELECT 'noted' AS type, COLUMNS(*)::VARCHAR AS note FROM t LIMIT 50"
    _mapped(sql, f"t{kind}", data[1:])


def mapping(data: bytes) -> None:
    """A map that is run over a table."""
    _mapped(data, "t.csv", b"order_id,sum,ts\n007,12.30,2024-01-01 10:00:00\n8,,\n")


def _mapped(sql: bytes, name: str, content: bytes) -> None:
    with _folder() as folder:
        (folder / "map.sql").write_bytes(sql)
        (folder / name).write_bytes(content)
        with suppress(LedgerError):
            for text in fact_lines(folder / "map.sql", {"t": folder / name}):
                assert b"\n" not in text
                assert isinstance(msgspec.json.decode(text), dict)


def sql(data: bytes) -> None:
    """A query of somebody else."""
    text = data.decode("utf-8", "surrogateescape")
    relations = _relations()
    with suppress(LedgerError):
        answer = relations.run_sandboxed(text, {})
        assert len(answer.columns) == len(answer.types)


@cache
def _relations() -> Relations:
    """Open the relations of a small log, once: it takes longer than a query."""
    open_until_the_end = ExitStack()
    atexit.register(open_until_the_end.close)
    folder = Path(open_until_the_end.enter_context(tempfile.TemporaryDirectory()))
    snapshot = write(folder / "events", log_of(STORY))
    opened = open_relations(snapshot, Moment(s.NOW), scratch=folder, memory="200MiB", timeout=2)
    return open_until_the_end.enter_context(opened)


def audit(data: bytes) -> None:
    """An audit of the user's own, as a file of a folder."""
    relations = _relations()
    with _folder() as folder, suppress(LedgerError):
        (folder / "own.sql").write_bytes(data)
        found = catalog.audits([folder], reserved=RESERVED, only="own")["own"]
        relations.run_sandboxed(found.sql, {param.name: param.default for param in found.params})


def checkpoint(data: bytes) -> None:
    """A checkpoint that was handed on."""
    with suppress(LedgerError):
        assert c.parse(data, "it").text == data


def proven(data: bytes) -> None:
    """A proof that was handed on: where it holds under a checkpoint known from elsewhere, the line is in the log."""
    with suppress(LedgerError):
        found = proof.parse(data, "it")
        assert found.text == data
        proof.check(found, outside=HEAD)
        assert found.line == LOG[found.index]


def _head() -> tuple[c.Checkpoint, list[bytes]]:
    """A checkpoint of the log, and a proof of each line."""
    tree = Tree([(0, len(LOG)), *(span for at in range(len(LOG)) for span in inclusion(at, len(LOG)))])
    tree.extend(map(leaf, LOG))
    head = c.Checkpoint(c.origin_of("0" * 32), len(LOG), tree.root())
    hashes = [tuple(tree.roots[span] for span in inclusion(at, len(LOG))) for at in range(len(LOG))]
    return head, [proof.Proof(text, at, hashes[at], head).text for at, text in enumerate(LOG)]


HEAD, PROOFS = _head()


def key(data: bytes) -> None:
    """A public and a private key, and what they say to a checkpoint."""
    text = data.decode("utf-8", "surrogateescape")
    with suppress(LedgerError):
        assert signing.read_verifier(text).text == text
        signing.read_verifier(text).problem(HEAD)
    with suppress(LedgerError):
        signer = signing.read_signer(text, "it")
        assert signer.text == text
        signed = signer.sign(replace(HEAD, origin=signer.verifier.name))
        assert signer.verifier.problem(signed) == ""


def config(data: bytes) -> None:
    """The file ledger.toml of a ledger."""
    with _folder() as folder:
        (folder / "events").mkdir()
        (folder / "ledger.toml").write_bytes(data)
        with suppress(LedgerError):
            Ledger.open(folder)


def overrides(data: bytes) -> None:
    """The file policy.toml of a ledger; what it leaves standing can be reckoned with."""
    with suppress(LedgerError):
        found = policy.load("aliexpress", data)
        assert policy.settings("aliexpress", found)
        found.business_days_after(NOW, found.security_refund_business_days)


def time(data: bytes) -> None:
    """A time, a length of time and a zone, as people type them."""
    text = data.decode("utf-8", "surrogateescape")
    with suppress(LedgerError):
        instant = clock.parse(text, ZONE, NOW)
        assert clock.parse(clock.text(instant), UTC, NOW) == instant
    with suppress(LedgerError):
        assert clock.ahead(text, NOW) >= NOW
    with suppress(LedgerError):
        clock.parse("2024-03-01 10:00", clock.zone(text), NOW)


def options(data: bytes) -> None:
    """The words of `record`, cut at NUL bytes; the ledger takes nothing that verify would not."""
    words = [os.fsdecode(word) for word in data.split(_SEPARATOR)]
    if any(word.startswith("--at") and "--attach".startswith(word.partition("=")[0]) for word in words):
        words = [word for word in words if not word.startswith("--att")]  # reads files, which is not the point
    with _folder() as folder:
        ledger = folder / "ledger"
        Ledger.create(ledger, policy="aliexpress", now=NOW, ledger_id="0" * 32)
        with redirect_stdout(_stream()), redirect_stderr(_stream()) as stderr:
            code = run(["--ledger", str(ledger), "record", *words, "--wait", "1"])
        stderr.seek(0)
        told = stderr.read()
        assert code in (0, 2, 3), told
        assert len(told.splitlines()) <= 3, told
        assert told or code == 0
        assert verify(Ledger.open(ledger)).ok


def _stream() -> io.TextIOWrapper:
    """A standard stream that refuses what is no UTF-8."""
    return io.TextIOWrapper(io.BytesIO(), "utf-8", "strict", write_through=True)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


TARGETS: dict[str, Target] = {
    one.__name__: one
    for one in (
        line,
        fact,
        imported,
        foreign,
        statement,
        table,
        mapping,
        sql,
        audit,
        checkpoint,
        proven,
        key,
        config,
        overrides,
        time,
        options,
    )
}
