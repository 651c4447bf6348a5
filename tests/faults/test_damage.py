"""Any byte of a small log changed, or its end cut off anywhere: every command answers rightly or says where it is bad.

The short form tries a seeded sample of the bytes, the long one all.
"""

from pathlib import Path
from random import Random

import pytest

from benchmarks import kill
from tests.faults import LONG, SEED
from tests.faults.checking import badly_said, made, opened
from tests.faults.test_syscalls import note
from tests.running import Answer, Cli

SAMPLE = 8
PARTS = 4
ORDER = kill.SHARED_ORDERS[0]
READS = {
    "list": ["list", "--archived", "-o", "csv", "--sort", "order_id"],
    "show": ["show", ORDER, "-o", "json"],
    "log": ["log", "-o", "jsonl"],
}
RECORD = ["record", "noted", ORDER, "--text", "x", "--fact-id", "after", "--at", "2026-01-01", "-o", "json"]


class Spoilt:
    """A ledger of three orders and two notes in one or two segments, before and after somebody spoils it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], *, segments: int) -> None:
        self.watch = made(folder, segment_bytes=700 if segments == 2 else 10_000)
        self.cli = Cli(self.watch.path, capsys)
        for name in ("one", "two"):
            given = note(name)
            text = ["--text", str(given["text"]), "--fact-id", name, "--at", str(given["occurred_at"])]
            self.cli.ok("record", "noted", ORDER, *text)
        self.paths = sorted((self.watch.path / "events").iterdir())
        assert len(self.paths) == segments
        self.index = (self.watch.path / "cache" / "index.sqlite").read_bytes()
        self.files = [path.read_bytes() for path in self.paths]
        self.lines = b"".join(self.files).splitlines(keepends=True)
        self.right = [self._answers(count) for count in range(len(self.lines) + 1)]

    def _answers(self, count: int) -> dict[str, str]:
        """What the reads print when the log has only so many lines."""
        self.put(b"".join(self.lines[:count]), indexed=False)
        return {name: self.cli(*arguments).out for name, arguments in READS.items()}

    def put(self, log: bytes, *, indexed: bool) -> None:
        """Make these the bytes of the log, cut into its segments where they were, and undo everything else."""
        for path in [*(self.watch.path / "rejects").iterdir(), *(self.watch.path / "events").iterdir()]:
            path.unlink()
        first = len(self.files[0])
        parts = [log] if len(self.files) == 1 else [log[:first], log[first:]]
        for path, part in zip(self.paths, parts, strict=True):
            if part:
                path.write_bytes(part)
        index = self.watch.path / "cache" / "index.sqlite"
        index.unlink(missing_ok=True)
        if indexed:
            index.write_bytes(self.index)

    def log(self) -> bytes:
        return b"".join(path.read_bytes() for path in sorted((self.watch.path / "events").iterdir()))

    def rejected(self) -> bytes:
        return b"".join(path.read_bytes() for path in sorted((self.watch.path / "rejects").iterdir()))

    def good(self, log: bytes) -> int:
        """How many lines are good before the first that is not."""
        lines = log.splitlines(keepends=True)
        return next((at for at, line in enumerate(self.lines) if lines[at : at + 1] != [line]), len(self.lines))

    def spoilings(self, random: Random) -> list[bytes]:
        """The log cut anywhere, and with any byte changed: in one bit, to a newline, or to nothing; shuffled."""
        whole = b"".join(self.files)
        found = [whole[:size] for size in range(len(whole))]
        for at, byte in enumerate(whole):
            other = random.choice(sorted({byte ^ 1, byte ^ 0x80, ord("\n"), 0} - {byte}))
            found.append(whole[:at] + bytes([other]) + whole[at + 1 :])
        random.shuffle(found)
        return found


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("segments", [1, 2])
def test_a_damaged_log_is_never_taken_for_a_good_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], segments: int, part: int
) -> None:
    ledger = Spoilt(tmp_path, capsys, segments=segments)
    spoilings = ledger.spoilings(Random(SEED))
    chosen = (spoilings if LONG else spoilings[: SAMPLE * PARTS])[part::PARTS]
    assert [problem for number, log in enumerate(chosen) for problem in problems(ledger, log, number % 2 == 0)] == []


def problems(ledger: Spoilt, log: bytes, indexed: bool) -> list[str]:
    """What is wrong with the commands' answers on this log."""
    found: list[str] = []
    good = ledger.good(log)
    for name, arguments in READS.items():
        ledger.put(log, indexed=indexed)
        answer = ledger.cli(*arguments)
        found += wrong_read(ledger, name, answer, good, torn=is_torn(ledger, log, good))
        if ledger.log() != log:
            found.append(f"{name} changed the log")
    ledger.put(log, indexed=indexed)
    found += wrong_record(ledger, ledger.cli(*RECORD), log, good)
    ledger.put(log, indexed=indexed)
    found += wrong_repair(ledger, ledger.cli("repair"), log, good)
    where = next((at for at, byte in enumerate(b"".join(ledger.files)) if log[at : at + 1] != bytes([byte])), len(log))
    return [f"byte {where} (line {good + 1}), {log[where : where + 1]!r} of {len(log)}: {problem}" for problem in found]


def mended(ledger: Spoilt, log: bytes, good: int) -> int:
    """How many lines are good once a last one is that has only lost its newline."""
    rest = log[len(b"".join(ledger.lines[:good])) :]
    whole = good < len(ledger.lines) and rest.startswith(ledger.lines[good][:-1]) and b"\n" not in rest
    return good + whole


def is_torn(ledger: Spoilt, log: bytes, good: int) -> bool:
    """Whether what follows the good lines is only a line that is not ended, at the end of the log."""
    return b"\n" not in log[len(b"".join(ledger.lines[:good])) :]


def wrong_read(ledger: Spoilt, name: str, answer: Answer, good: int, *, torn: bool) -> list[str]:
    """SQL does not check CRCs, so `list` may show a changed value; whatever else is shown is right."""
    found = badly_said(answer.code, answer.err, {0, 5, 1} if name == "show" else {0, 5})
    right = [ledger.right[good][name]] if torn else [lines[name] for lines in ledger.right]
    if answer.out not in right and not (name == "list" and not torn and answer.code == 0):
        found.append(f"{answer.out} is not right")
    if name == "log" and answer.code == 0 and not torn:
        found.append("the damage was not seen")
    if name == "log" and answer.out != ledger.right[good][name]:
        found.append(f"not the {good} good lines")
    return [f"{name}: {problem}" for problem in found]


def wrong_record(ledger: Spoilt, answer: Answer, log: bytes, good: int) -> list[str]:
    found = badly_said(answer.code, answer.err, {0, 3, 5})
    after = ledger.log()
    good = mended(ledger, log, good)
    kept = b"".join(ledger.lines[:good])
    if answer.code == 0 and not (after.startswith(kept) and after.endswith(answer.out.encode())):
        found.append("the line is not at the end of the log, or a good one is gone")
    if answer.code == 5 and after != log:
        found.append("refused, and yet the log was changed")
    if answer.code == 3 and ledger.right[good]["show"]:
        found.append("refused, but the order is there")
    return [f"record: {problem}" for problem in found]


def wrong_repair(ledger: Spoilt, answer: Answer, log: bytes, good: int) -> list[str]:
    found = badly_said(answer.code, answer.err, {0, 5})
    ended = mended(ledger, log, good)
    kept = b"".join(ledger.lines[:ended])
    after = ledger.log()
    if answer.code == 0 and not after.startswith(kept):
        found.append("a good line is gone")
    if after.removesuffix(b"\n" if answer.code == 0 and ended > good else b"") + ledger.rejected() != log:
        found.append("what was cut off is not in rejects/")
    placed = ".jsonl, line " in answer.err or "the log is shorter than it was" in answer.err
    if answer.code == 5 and (after != log or not placed):
        found.append(f"refused without a place, or changed the log: {answer.err}")
    if answer.code == 0:
        if after != kept:
            found.append("more is left than the good lines")
        with opened(ledger.watch.path) as opened_ledger:
            if opened_ledger.store.first_damage() is not None:
                found.append("the log is still damaged")
        code = ledger.cli("record", "placed", "new", "--seller", "s", "--amount", "1", "--currency", "USD").code
        if code != 0:
            found.append(f"the next record ended with {code}")
    return [f"repair: {problem}" for problem in found]
