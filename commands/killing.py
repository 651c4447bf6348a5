"""The kill test: eight processes write into one ledger and are killed at random moments; nothing acknowledged is lost.

Some record notes about orders that all of them share, some import files or standard input. Whatever a process said
before it died must be in the log once, at the seq and version it named. A killed command is often tried again with the
same fact_id, as a careful caller would. At the end everything is imported again, and only what is missing is recorded.
The seed decides who does what and when it is killed; how far a process has come by then is the machine's to say.

`verify --self-test` runs it for a user, `python -m benchmarks.kill` with as many kills as one likes.
"""

import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from threading import Lock
from typing import Any, NamedTuple
from zlib import crc32

from commands import progress
from ledger.errors import StorageFailed
from ledger.importing import Summary

_HOME = str(Path(__file__).parent.parent)
PROGRAM = [
    sys.executable,
    "-P",  # a folder of the user's that is called commands is not the program
    "-c",
    f"import sys; sys.path.append({_HOME!r}); from commands.main import entry; entry()",
]
"""How to start the program once more."""

ROLES = ("record", "record", "record", "record", "record", "import", "import", "stdin")
"""What each of the eight writers does."""

SHARED_ORDERS = [f"7{number:015d}" for number in range(12)]
SEGMENT_BYTES = 300_000
ORDERS_MAX = 150
"""How many orders an import brings at most."""

ROOM = "it needs some 20 MB; make room or check the disk and its permissions, then do it again"
KILLED = -9
CRC_AT = re.compile(rb'^(?P<covered>.*),"crc":"(?P<crc>[0-9a-f]{8})"\}$', re.DOTALL)
ACKNOWLEDGED = re.compile(r"#(?P<seq>\d+) \S+ v(?P<version>\d+) ")


class Job(NamedTuple):
    """One command to run: its arguments, what it reads from standard input, and the facts it brings by fact_id."""

    role: str
    arguments: list[str]
    stdin: bytes
    facts: list[str]


class Line(NamedTuple):
    """Where the log has a fact."""

    seq: int
    version: int
    order_id: str


class Claim(NamedTuple):
    """What a command acknowledged: this fact is recorded, at this place if it named one."""

    fact_id: str
    seq: int | None
    version: int | None


@dataclass
class Report:
    """What one writer did and heard; problems are sentences."""

    kills: int = 0
    finished: int = 0
    claims: list[Claim] = field(default_factory=list)
    imports: list[Job] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass
class Outcome:
    """What the whole test did and found, None where it did not come so far; problems are sentences."""

    killed: int = 0
    finished: int = 0
    acknowledged: int | None = None
    lines: int | None = None
    unacknowledged: int | None = None
    segments: int | None = None
    torn_ends: int | None = None
    lines_at_the_end: int | None = None
    problems: list[str] = field(default_factory=list)


class Broken(Exception):
    """A command that has to work did not."""


class Ledger:
    """The ledger under test, and the command that writes into it, started in the folder of both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "ledger"
        self.stopped = False
        self._running: set[subprocess.Popen[bytes]] = set()

    def run(self, *arguments: str, stdin: bytes = b"") -> str:
        """What a command prints that has to work; Broken, with its own words, when it does not."""
        code, out, err = self.attempt(arguments, stdin, None)
        if code:
            raise Broken(ended(arguments, code, err))
        return out

    def attempt(self, arguments: Sequence[str], stdin: bytes, patience: float | None) -> tuple[int, str, str]:
        """Run a command and kill it when patience (seconds) is over: its exit code and what it printed.

        StorageFailed when the disk refused it.
        """
        process = subprocess.Popen(
            [*PROGRAM, "--ledger", self.path.name, *arguments],  # a relative name: the folder's may be no UTF-8
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,  # Ctrl-C is for this process, which stops the others
        )
        self._running.add(process)
        try:
            if self.stopped:
                process.kill()
            out, err = process.communicate(stdin, timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
        finally:
            self._running.discard(process)
        heard = err.decode(errors="replace")
        if process.returncode == StorageFailed.exit_code:
            what = heard.partition("error: ")[2].partition("\n")[0]
            raise StorageFailed("the disk did not take what the self-test writes", why=what, hint=ROOM)
        return process.returncode, out.decode(errors="replace"), heard

    def stop(self) -> None:
        """Kill what runs; what is started from now on ends at once."""
        self.stopped = True
        for process in tuple(self._running):
            process.kill()

    def lines(self) -> Iterator[tuple[str, bytes]]:
        """Each line of the log, newline and all, with its segment's name."""
        for segment in sorted((self.path / "events").glob("*.jsonl")):
            for line in segment.read_bytes().splitlines(keepends=True):
                yield segment.stem, line

    def torn(self) -> int:
        """How many torn ends were moved away."""
        return sum(1 for _ in (self.path / "rejects").glob("torn-*"))


def ended(arguments: Sequence[str], code: int, err: str) -> str:
    """Say in a sentence how a command ended that should have done otherwise."""
    return f"{' '.join(arguments)} ended with {code}: {' '.join(err.split())}"


def note(order_id: str, fact_id: str, second: int) -> dict[str, object]:
    """A fact about a shared order."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_735_689_600 + second))
    return {"type": "noted", "order_id": order_id, "occurred_at": at, "fact_id": fact_id, "text": f"seen by {fact_id}"}


def story(order_id: str, second: int) -> list[dict[str, object]]:
    """The facts of an order of one's own."""
    facts: list[dict[str, object]] = [
        {"type": "placed", "seller": "shop1", "amount": "12.30", "currency": "USD"},
        {"type": "paid", "amount": "12.30"},
        {"type": "verified"},
        {"type": "shipped"},
        {"type": "delivered-scan"},
        {"type": "confirmed"},
    ]
    for step, fact in enumerate(facts):
        own_id = f"{order_id}-{step}"
        fact |= {"order_id": order_id, "fact_id": own_id}
        fact["occurred_at"] = note(order_id, own_id, second + step * 3600)["occurred_at"]
    return facts


def record_job(random: Random, name: str) -> Job:
    """`record` a note about a shared order, repeatable: with its fact_id and time."""
    fact = note(random.choice(SHARED_ORDERS), name, random.randrange(10_000_000))
    arguments = ["record", "noted", str(fact["order_id"]), "--text", str(fact["text"]), "--fact-id", name]
    return Job("record", [*arguments, "--at", str(fact["occurred_at"]), "--allow-odd", "--wait", "600"], b"", [name])


def import_job(random: Random, name: str, role: str, folder: Path) -> Job:
    """`import` up to a thousand facts: orders of its own, with notes about shared orders in between."""
    facts: list[dict[str, object]] = []
    for number in range(random.randint(10, ORDERS_MAX)):
        facts += story(f"{name}-{number}", random.randrange(10_000_000))
        facts.append(note(random.choice(SHARED_ORDERS), f"{name}-{number}-note", random.randrange(10_000_000)))
    text = "".join(json.dumps(fact) + "\n" for fact in facts).encode()
    source = "-"
    if role == "import":
        source = f"{name}.jsonl"
        (folder / source).write_bytes(text)
    arguments = ["import", source, "-o", "json", "--wait", "600"]
    return Job(role, arguments, text if role == "stdin" else b"", [str(fact["fact_id"]) for fact in facts])


def attempt(ledger: Ledger, job: Job, patience: float | None, report: Report) -> bool:
    """Run the command, kill it when patience (seconds) is over, and note what it said; True when it ended by itself."""
    code, out, err = ledger.attempt(job.arguments, job.stdin, patience)
    heard = claims(job, out)
    report.claims += heard
    if code == KILLED:
        report.kills += 1
        return False
    report.finished += 1
    if code or not heard:
        report.problems.append(ended(job.arguments, code, err or out))
    return True


def claims(job: Job, out: str) -> list[Claim]:
    """What a command's output acknowledges, whether or not the command lived on after saying it."""
    if job.role != "record":
        try:
            summary = json.loads(out)
        except ValueError:
            return []
        whole = summary["recorded"] + summary["duplicates"] == len(job.facts)
        return [Claim(fact_id, None, None) for fact_id in job.facts] if whole else []
    heard = ACKNOWLEDGED.search(out)
    return [Claim(job.facts[0], int(heard["seq"]), int(heard["version"]))] if heard else []


def write(ledger: Ledger, folder: Path, writer: int, seed: int, report: Report, enough: Callable[[], bool]) -> None:
    """One writer: run command after command, killing most of them, until it is enough."""
    random = Random(seed * 1_000 + writer)  # noqa: S311 - repeatable, not secret
    role = ROLES[writer]
    usual = 0.0
    for turn in count():
        if enough():
            return
        name = f"w{writer}-{turn}"
        job = record_job(random, name) if role == "record" else import_job(random, name, role, folder)
        if role != "record":
            report.imports.append(job)
        spared = usual == 0 or random.random() < 0.25
        started = time.monotonic()
        # Most of a command's time is its start; it writes, and says so, near its end.
        done = attempt(ledger, job, None if spared else usual * random.uniform(0.8, 1.1), report)
        if done:
            usual = usual * 0.7 + (time.monotonic() - started) * 0.3 if usual else time.monotonic() - started
        elif random.random() < 0.5:
            attempt(ledger, job, None, report)


def write_all(ledger: Ledger, folder: Path, kills: int, seed: int) -> list[Report]:
    """Eight writers at once until so many commands were killed in all, or one of them found a problem."""
    reports = [Report() for _ in ROLES]

    with progress.shown(kills, "killing writers") as bar:
        seen = 0
        counting = Lock()

        def enough() -> bool:
            nonlocal seen
            with counting:
                killed = sum(report.kills for report in reports)
                bar.seen(killed - seen)
                bar.heard(Summary(read=sum(len(report.claims) for report in reports)))
                seen = killed
            return ledger.stopped or killed >= kills or any(report.problems for report in reports)

        with ThreadPoolExecutor(len(ROLES)) as pool:
            try:
                writers = [
                    pool.submit(write, ledger, folder, writer, seed, report, enough)
                    for writer, report in enumerate(reports)
                ]
                for writer in as_completed(writers):
                    writer.result()
            except BaseException:
                ledger.stop()
                raise
    return reports


def check(ledger: Ledger, acknowledged: list[Claim]) -> tuple[dict[str, Line], list[str]]:
    """Where the log has each fact, and what is wrong: gaps, CRCs, doubles, acknowledgements that do not hold."""
    found: dict[str, Line] = {}
    problems: list[str] = []
    versions: Counter[str] = Counter()
    segments: set[str] = set()
    for seq, (segment, line) in enumerate(ledger.lines(), start=1):
        where = f"segment {segment}, seq {seq}"
        if segment not in segments and int(segment) != seq:
            problems.append(f"{where}: the segment does not begin with the seq of its name")
        segments.add(segment)
        crc = CRC_AT.match(line[:-1])
        if not line.endswith(b"\n") or crc is None or crc32(crc["covered"]) != int(crc["crc"], 16):
            problems.append(f"{where}: not a whole line with a right CRC")
            continue
        content: dict[str, Any] = json.loads(line)
        event = content["event"]
        versions[event["order_id"]] += 1
        if (content["seq"], content["version"]) != (seq, versions[event["order_id"]]):
            problems.append(f"{where}: says seq {content['seq']}, version {content['version']}")
        if event["fact_id"] in found:
            problems.append(f"{where}: fact {event['fact_id']} is there already, at {found[event['fact_id']].seq}")
        found[event["fact_id"]] = Line(content["seq"], content["version"], event["order_id"])
    return found, problems + broken_promises(acknowledged, found)


def broken_promises(acknowledged: list[Claim], found: dict[str, Line]) -> list[str]:
    """The acknowledgements that the log does not bear out."""
    problems = []
    for fact_id, seq, version in acknowledged:
        line = found.get(fact_id)
        if line is None:
            problems.append(f"fact {fact_id} was acknowledged and is not in the log")
        elif seq not in {None, line.seq} or version not in {None, line.version}:
            problems.append(
                f"fact {fact_id} was acknowledged as #{seq} v{version} and is at #{line.seq} v{line.version}"
            )
    return problems


def import_again(ledger: Ledger, job: Job, found: dict[str, Line]) -> list[str]:
    """Import a job's facts once more: what is there is a duplicate, what is missing is recorded."""
    summary = json.loads(ledger.run(*job.arguments, stdin=job.stdin))
    there = sum(fact_id in found for fact_id in job.facts)
    expected = {"read": len(job.facts), "recorded": len(job.facts) - there, "duplicates": there, "refused": 0}
    heard = {name: summary[name] for name in expected}
    return [] if heard == expected else [f"import of {job.facts[0]} … again: {heard}, expected {expected}"]


def prepare(ledger: Ledger) -> list[Claim]:
    """Make the ledger, with small segments so that writers die between two of them too, and place the shared orders."""
    ledger.run("init", ledger.path.name)
    settings = ledger.path / "ledger.toml"
    settings.write_text(re.sub(r"segment_bytes *= *\d+", f"segment_bytes = {SEGMENT_BYTES}", settings.read_text()))
    placed = [story(order_id, 0)[0] for order_id in SHARED_ORDERS]
    ledger.run("import", "-", stdin="".join(json.dumps(fact) + "\n" for fact in placed).encode())
    return [Claim(str(fact["fact_id"]), None, None) for fact in placed]


def import_all_again(ledger: Ledger, jobs: list[Job], found: dict[str, Line]) -> list[str]:
    """Import everything once more; what is wrong, in sentences."""
    problems = []
    with progress.shown(len(jobs), "importing again") as bar:
        read = 0
        for job in jobs:
            problems += import_again(ledger, job, found)
            read += len(job.facts)
            bar.seen(1)
            bar.heard(Summary(read=read))
    return problems


def verified(ledger: Ledger) -> list[str]:
    """What `verify` finds wrong, check by check."""
    code, out, err = ledger.attempt(["verify", "-o", "json"], b"", None)
    try:
        checks = json.loads(out)["checks"]
    except ValueError:
        raise Broken(ended(["verify"], code, err)) from None
    return [f"verify, {check['check']}: {one['problem']}" for check in checks for one in check["problems"]]


def run(folder: Path, kills: int, seed: int) -> Outcome:
    """The whole test in this folder; StorageFailed or OSError when the disk takes no more.

    The exception of a signal comes to the thread that waits here, never amid the start of a process: none is left.
    """
    ledger, outcome = Ledger(folder), Outcome()
    with ThreadPoolExecutor(1) as conductor:
        try:
            conductor.submit(_run, ledger, folder, kills, seed, outcome).result()
        except Broken as broken:
            outcome.problems.append(str(broken))
        except BaseException:
            ledger.stop()
            raise
    return outcome


def _run(ledger: Ledger, folder: Path, kills: int, seed: int, outcome: Outcome) -> None:
    acknowledged = prepare(ledger)
    reports = write_all(ledger, folder, kills, seed)
    outcome.killed = sum(report.kills for report in reports)
    outcome.finished = sum(report.finished for report in reports)
    acknowledged += [claim for report in reports for claim in report.claims]
    outcome.problems += [problem for report in reports for problem in report.problems]
    if outcome.problems:
        return

    last = record_job(Random(seed), "after-the-kills")  # noqa: S311 - repeatable, not secret
    acknowledged += claims(last, ledger.run(*last.arguments))
    outcome.acknowledged = len({claim.fact_id for claim in acknowledged})
    found, wrong = check(ledger, acknowledged)
    outcome.problems += wrong + verified(ledger)
    outcome.lines = len(found)
    outcome.unacknowledged = len(found.keys() - {claim.fact_id for claim in acknowledged})
    outcome.segments = len({segment for segment, _ in ledger.lines()})
    outcome.torn_ends = ledger.torn()

    jobs = [job for report in reports for job in report.imports]
    outcome.problems += import_all_again(ledger, jobs, found)
    acknowledged += [Claim(fact_id, None, None) for job in jobs for fact_id in job.facts]
    found, wrong = check(ledger, acknowledged)
    outcome.problems += wrong + verified(ledger)
    outcome.lines_at_the_end = len(found)
    shown = json.loads(ledger.run("show", SHARED_ORDERS[0], "-o", "json"))
    if shown["version"] != max(line.version for line in found.values() if line.order_id == SHARED_ORDERS[0]):
        outcome.problems.append(f"show says version {shown['version']} of {SHARED_ORDERS[0]}, the log has another")
