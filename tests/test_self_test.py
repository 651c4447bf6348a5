"""`verify --self-test`: where it looks, what it says of a good and of a broken program, and that nothing is left."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from types import FrameType
from zlib import crc32

import pytest

from commands import killing, self_test
from commands.killing import Claim, Job, Outcome
from commands.main import run
from ledger.disk import Disk
from ledger.errors import StorageFailed
from tests.running import ROOT, Cli

ROOT_ON_DISK = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in that nothing above it says is a ledger's."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.delenv("ORDERLEDGER", raising=False)
    return home


@pytest.fixture
def cli(home: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(home / "ledger", capsys)


Tried = list[tuple[Path, int, int]]


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> Tried:
    """What the kill test was called with, which finds nothing wrong without doing anything."""
    calls: Tried = []

    def run(folder: Path, kills: int, seed: int) -> Outcome:
        assert (folder / "syncs").exists()
        calls.append((folder, kills, seed))
        return Outcome(killed=kills, lines=7)

    monkeypatch.setattr(killing, "run", run)
    monkeypatch.setattr(self_test, "SYNCS_MAX", 1)
    return calls


def finds(monkeypatch: pytest.MonkeyPatch, *problems: str) -> None:
    monkeypatch.setattr(killing, "run", lambda folder, kills, seed: Outcome(killed=3, problems=list(problems)))
    monkeypatch.setattr(self_test, "SYNCS_MAX", 1)


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# The whole of it.


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three writers of little, two of them killed."""
    monkeypatch.setattr(self_test, "KILLS", 2)
    monkeypatch.setattr(self_test, "SYNCS_MAX", 5)
    monkeypatch.setattr(killing, "ROLES", ("record", "import", "stdin"))
    monkeypatch.setattr(killing, "ORDERS_MAX", 12)


@pytest.mark.usefixtures("few")
def test_a_healthy_disk_is_ok_and_nothing_stays_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in a folder whose name is no UTF-8 and has blanks, with a file in it that is called as the program is."""
    home = Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xe9d name"))
    try:
        home.mkdir()
    except OSError:
        pytest.skip("the file system takes UTF-8 only")
    (home / "commands.py").write_text("raise SystemExit(9)\n")
    monkeypatch.chdir(home)
    monkeypatch.delenv("ORDERLEDGER", raising=False)
    code = run(["verify", "--self-test", "-o", "json"])
    answer = capsys.readouterr()
    assert code == 0, answer
    found = json.loads(answer.out)
    assert (found["ok"], found["problems"], found["writers"], found["place"]) == (True, [], 3, str(home))
    assert found["killed"] >= 2
    assert 12 < found["acknowledged"] <= found["lines"] <= found["lines_at_the_end"]
    assert left_in(home) == ["commands.py"]


def test_a_program_that_forgets_what_it_acknowledged_is_found(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a fact that is gone, and `show` with a version of its own, it says so and the seed."""
    real = killing.Ledger.run

    def forgetful(ledger: killing.Ledger, folder: Path, kills: int, seed: int) -> list[killing.Report]:
        return [killing.Report(kills=kills, finished=1, claims=[Claim("gone", 13, 2)])]

    def imagined(ledger: killing.Ledger, *arguments: str, stdin: bytes = b"") -> str:
        return '{"version": 99}' if arguments[0] == "show" else real(ledger, *arguments, stdin=stdin)

    monkeypatch.setattr(killing, "write_all", forgetful)
    monkeypatch.setattr(killing.Ledger, "run", imagined)
    monkeypatch.setattr(self_test, "SYNCS_MAX", 1)
    answer = cli("verify", "--self-test")
    assert (answer.code, answer.err) == (1, "")
    assert "fact gone was acknowledged and is not in the log" in answer.out
    assert f"show says version 99 of {killing.SHARED_ORDERS[0]}, the log has another" in answer.out
    assert re.search(r"\n\d wrong \(seed \d+\):\n", answer.out)
    assert "ok:" not in answer.out
    assert left_in(cli.ledger.parent) == []


# What it says.


def test_what_was_not_shown_is_said_too(cli: Cli, tried: Tried, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_test, "MOUNTS", Path("/nowhere"))
    out = cli.ok("verify", "--self-test")
    [(folder, kills, _)] = tried
    assert (folder.parent, folder.exists(), kills) == (cli.ledger.parent, False, self_test.KILLS)
    assert out.startswith(f"tried in a temporary folder in {cli.ledger.parent}\n")
    assert "events in the log after the kills" in out
    assert "never acknowledged" not in out, "what was not counted is not told"
    assert "\nok: " in out
    assert out.endswith("Not shown: what a power cut does; whether the disk keeps what it has synced.\n")
    assert max(map(len, out.splitlines()[1:])) < 80


def test_every_problem_is_in_json_and_the_first_fifty_in_text(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    finds(monkeypatch, *(f"problem {number};" for number in range(60)))
    answer = cli("verify", "--self-test")
    assert answer.code == 1
    assert "60 wrong (seed " in answer.out
    assert "  problem 49;\n  … and so on; -o json has them all\n" in answer.out
    answer = cli("verify", "--self-test", "-o", "jsonl")
    assert (answer.code, len(answer.out.splitlines())) == (1, 1)
    found = json.loads(answer.out)
    assert (found["ok"], len(found["problems"]), found["lines"]) == (False, 60, None)
    assert isinstance(found["seed"], int)


def test_memory_and_other_machines_are_warned_of(
    cli: Cli, tried: Tried, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    monkeypatch.setattr(self_test, "MOUNTS", mounts)
    for kind, said in (("tmpfs", "is memory"), ("nfs4", "another machine keeps"), ("fuse.sshfs", "another machine")):
        mounts.write_text(ROOT_ON_DISK.replace("ext4", kind))
        answer = cli("verify", "--self-test")
        assert (answer.code, answer.err.count("\n")) == (0, 1)
        assert answer.err.startswith(f"warning: {cli.ledger.parent} is on {kind}, which ")
        assert said in answer.err
        assert f"({kind})\n" in answer.out
    mounts.write_text(ROOT_ON_DISK)
    cli.ok("verify", "--self-test")
    assert len(tried) == 4


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/srv/me", "ext4"),
        ("/srv/big disk/shop", "nfs"),
        ("/srv/big disk", "nfs"),
        ("/srv/big disks", "ext4"),
        ("/srv/big disk/a/b", "xfs"),
        ("/srv/b\udce9d", "btrfs"),
        ("/twice/x", "tmpfs"),
    ],
)
def test_the_longest_mount_above_a_folder_says_its_kind(folder: str, kind: str) -> None:
    mounts = (
        ROOT_ON_DISK
        + "31 22 0:40 / /srv/big\\040disk/a rw shared:5 master:1 - xfs /dev/b rw\n"
        + "30 22 0:39 /x\\040y /srv/big\\040disk rw - nfs server:/x rw\n"
        + "33 22 0:42 / /srv/b\udce9d rw - btrfs /dev/c rw\n"
        + "34 22 0:43 / /twice rw - ext4 /dev/d rw\n"
        + "35 34 0:44 / /twice rw - tmpfs none rw\n"
    )
    assert self_test.file_system(Path(folder), mounts) == kind
    assert self_test.file_system(Path(folder), "") is None


# Where it looks.


def test_it_tries_the_disk_that_keeps_the_ledger_or_would(
    home: Path, cli: Cli, tried: Tried, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a ledger elsewhere, by a symlink, not made yet, or none: it is tried beside it, above it, or here."""
    elsewhere = home.parent / "elsewhere"
    elsewhere.mkdir()
    (home / "link").symlink_to(elsewhere / "made")
    (home / "loop").symlink_to("loop")
    for ledger, place in (
        (elsewhere / "made", elsewhere),
        (elsewhere / "not" / "yet", elsewhere),
        (home / "link", elsewhere),
        (home / "loop" / "x", home),
    ):
        cli.ledger = ledger
        cli.ok("verify", "--self-test")
        assert tried.pop()[0].parent == place, ledger
    monkeypatch.setattr(Path, "is_mount", lambda path: path == elsewhere)
    cli.ledger = elsewhere
    cli.ok("verify", "--self-test")
    assert tried.pop()[0].parent == elsewhere


def test_without_a_ledger_it_tries_the_folder_one_is_in(
    home: Path, tried: Tried, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["verify", "--self-test"]) == 0
    assert tried.pop()[0].parent == home
    (home / ".orderledger").mkdir()
    (home / "deep").mkdir()
    monkeypatch.chdir(home / "deep")
    assert run(["verify", "--self-test"]) == 0
    assert tried.pop()[0].parent == home
    assert left_in(home / "deep") == []


def test_a_ledger_of_ones_own_is_not_touched(cli: Cli, tried: Tried) -> None:
    cli.ok("init")
    before = {path: path.stat() for path in (cli.ledger, *cli.ledger.rglob("*"))}
    cli.ok("verify", "--self-test")
    assert {path: path.stat() for path in (cli.ledger, *cli.ledger.rglob("*"))} == before
    assert len(tried) == 1


# What goes wrong.


@pytest.mark.parametrize("other", [["--quick"], ["--checkpoint", "x"]])
def test_it_takes_no_other_option(cli: Cli, tried: Tried, other: list[str]) -> None:
    answer = cli("verify", "--self-test", *other)
    assert (answer.code, tried) == (2, [])
    assert "takes neither --quick nor --checkpoint" in answer.err


def test_a_place_that_takes_no_folder_is_a_failure_of_storage(cli: Cli, tried: Tried) -> None:
    cli.ledger.write_text("a file")
    cli.ledger = cli.ledger / "under" / "a file"
    answer = cli("verify", "--self-test")
    assert (answer.code, answer.out, tried) == (7, "", [])
    assert answer.err.startswith(f"error: cannot make a folder in {cli.ledger.parents[1]}\nwhy: Not a directory\n")


def test_a_file_system_without_locks_is_a_failure_of_storage(
    cli: Cli, tried: Tried, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)
    answer = cli("verify", "--self-test")
    assert (answer.code, tried, left_in(cli.ledger.parent)) == (7, [], [])
    assert answer.err.startswith("error: the file system has no locks here\nwhy: flock: No locks available\n")


def test_a_full_disk_is_a_failure_of_storage(cli: Cli, tried: Tried, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(disk: Disk, fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Disk, "sync", full)
    answer = cli("verify", "--self-test")
    assert (answer.code, tried, left_in(cli.ledger.parent)) == (7, [], [])
    assert "why: No space left on device\nhint: it needs some " in answer.err


def test_a_folder_that_cannot_be_removed_is_named(cli: Cli, tried: Tried, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(self_test, "rmtree", refuse)
    answer = cli("verify", "--self-test")
    [(folder, *_)] = tried
    assert (answer.code, folder.exists()) == (0, True)
    assert answer.err == f"warning: cannot remove {folder} (Device or resource busy); it can be deleted\n"


# Signals.


@pytest.fixture
def handlers() -> Iterator[None]:
    """Begins with the signals as a terminal gives them, also under nohup, and puts back what a test does to them."""
    before = {number: signal.getsignal(number) for number in self_test.ENDING}
    for number in self_test.ENDING:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_the_first_signal_ends_it_and_no_second_one_disturbs_what_is_tidied(
    cli: Cli, tried: Tried, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []

    class Ended(KeyboardInterrupt):
        pass

    def handler(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        raise Ended

    def interrupted(folder: Path, kills: int, seed: int) -> Outcome:
        try:
            signal.raise_signal(number)
        except Ended:
            for each in self_test.ENDING:
                signal.raise_signal(each)
            raise
        raise AssertionError("a signal was not heard")

    monkeypatch.setattr(killing, "run", interrupted)
    signal.signal(signal.SIGINT, handler)
    for number in self_test.ENDING:
        assert cli("verify", "--self-test").code == 130
        assert (heard.pop(), heard, left_in(cli.ledger.parent)) == (number, [], [])
        assert signal.getsignal(signal.SIGINT) == handler, "later commands hear signals again"


@pytest.mark.usefixtures("handlers")
def test_a_signal_that_was_ignored_stays_so(cli: Cli, tried: Tried, monkeypatch: pytest.MonkeyPatch) -> None:
    """As under nohup; and where Ctrl-C is ignored, no other signal is taken for it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    during: list[object] = []

    def run(folder: Path, kills: int, seed: int) -> Outcome:
        during.extend(signal.getsignal(number) for number in self_test.ENDING)
        return Outcome()

    monkeypatch.setattr(killing, "run", run)
    cli.ok("verify", "--self-test")
    assert during.pop(0) == signal.SIG_IGN
    assert all(map(callable, during))
    during.clear()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cli.ok("verify", "--self-test")
    assert during == [signal.SIG_IGN, signal.SIG_IGN, signal.getsignal(signal.SIGTERM)]


HANGING = """
import os, sys, time
arguments = sys.argv[3:]
if arguments[0] == "init":
    os.makedirs("ledger/events")
    open("ledger/ledger.toml", "w").write("segment_bytes = 1")
elif arguments != ["import", "-"]:
    open(f"pid-{os.getpid()}", "w")
    time.sleep(600)
"""
"""A program that makes a ledger and then writes for ever."""


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("number", self_test.ENDING, ids=lambda number: number.name)
def test_a_signal_ends_the_writers_and_removes_the_folder(home: Path, number: signal.Signals) -> None:
    """Given eight writers at work, when a signal comes twice, then nothing of them stays: no process, no file."""
    program = f"""
import sys
from commands import killing, main
killing.PROGRAM = [sys.executable, "-S", "-c", {HANGING!r}]
sys.exit(main.main())
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, "verify", "--self-test"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        while len(writers := list(home.glob(".orderledger-self-test-*/pid-*"))) < len(killing.ROLES):
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        process.send_signal(number)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (128 + number, b"", b"")
    assert left_in(home) == []
    for writer in writers:
        with pytest.raises(ProcessLookupError):
            os.kill(int(writer.name.removeprefix("pid-")), 0)


# The kill test itself.


def acting(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Let a small program stand for ours; its arguments begin at sys.argv[3]."""
    monkeypatch.setattr(killing, "PROGRAM", [sys.executable, "-S", "-c", "import sys\n" + program])


@pytest.fixture
def under_test(tmp_path: Path) -> killing.Ledger:
    return killing.Ledger(tmp_path)


NOTE = Job("record", ["record", "noted"], b"", ["n1"])
IMPORT = Job("stdin", ["import", "-"], b"{}\n", ["a", "b"])


def test_what_a_command_says_is_a_claim_even_when_it_is_killed_then(
    under_test: killing.Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting(monkeypatch, "import os; print('#13 7000 v2 shipped', flush=True); os.kill(os.getpid(), 9)")
    report = killing.Report()
    assert not killing.attempt(under_test, NOTE, None, report)
    assert (report.kills, report.finished, report.claims, report.problems) == (1, 0, [Claim("n1", 13, 2)], [])


def test_a_command_is_killed_when_patience_is_over(under_test: killing.Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    acting(monkeypatch, "import time; time.sleep(600)")
    report = killing.Report()
    assert not killing.attempt(under_test, NOTE, 0.05, report)
    assert (report.kills, report.claims, report.problems) == (1, [], [])
    under_test.stop()
    assert not killing.attempt(under_test, NOTE, None, report), "after the stop nothing is started that stays"


def test_a_command_that_fails_or_acknowledges_nothing_is_a_problem(
    under_test: killing.Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = killing.Report()
    acting(monkeypatch, "sys.stderr.buffer.write(b'error: \\xff\\n'); sys.exit(5)")
    assert killing.attempt(under_test, NOTE, None, report)
    acting(monkeypatch, "print('fine')")
    assert killing.attempt(under_test, NOTE, None, report)
    acting(monkeypatch, """print('{"recorded": 1, "duplicates": 0}')""")
    assert killing.attempt(under_test, IMPORT, None, report)
    assert report.problems == [
        "record noted ended with 5: error: \ufffd",
        "record noted ended with 0: fine",
        'import - ended with 0: {"recorded": 1, "duplicates": 0}',
    ]
    assert (report.finished, report.claims) == (3, [])


def test_a_command_that_cannot_write_is_a_failure_of_storage(
    under_test: killing.Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting(monkeypatch, "sys.stderr.write('error: disk full\\nwhy: x\\n'); sys.exit(7)")
    with pytest.raises(StorageFailed) as failed:
        killing.run(under_test.folder, 1, 1)
    assert failed.value.why == "disk full"


def test_a_disk_that_fills_up_ends_all_writers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given imports that fail for want of room, the records that would go on are killed."""
    acting(
        monkeypatch, HANGING.replace("time.sleep(600)", "time.sleep(600) if arguments[0] == 'record' else sys.exit(7)")
    )
    with pytest.raises(StorageFailed, match="the disk did not take"):
        killing.run(tmp_path, 1000, 1)
    for writer in tmp_path.glob("pid-*"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(writer.name.removeprefix("pid-")), 0)


def test_a_program_that_does_not_even_begin_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    acting(monkeypatch, "sys.exit('no such thing')")
    outcome = killing.run(tmp_path, 1, 1)
    assert outcome == Outcome(problems=["init ledger ended with 1: no such thing"])


def test_one_writer_that_fails_stops_the_others_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a program whose records are refused, when it is tried, then that is all that is said."""
    acting(monkeypatch, HANGING.replace("time.sleep(600)", "sys.exit(arguments[0] == 'record' and 3)"))
    outcome = killing.run(tmp_path, 1000, 1)
    assert outcome.problems
    assert all(" ended with " in problem for problem in outcome.problems)
    assert outcome.lines is None, "a log of a program that fails is not looked at"


def test_what_verify_finds_is_a_problem(under_test: killing.Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [{"check": "tree", "problems": [{"problem": "another root"}]}, {"check": "seqs", "problems": []}]
    acting(monkeypatch, f"print({json.dumps({'checks': checks})!r}); sys.exit(1)")
    assert killing.verified(under_test) == ["verify, tree: another root"]
    acting(monkeypatch, "raise SystemError('a bug')")
    with pytest.raises(killing.Broken, match=r"verify ended with 1: .*a bug"):
        killing.verified(under_test)


def test_an_import_that_records_again_what_is_there_is_a_problem(
    under_test: killing.Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    acting(monkeypatch, """print('{"read": 2, "recorded": 2, "duplicates": 0, "refused": 0}')""")
    found = {"a": killing.Line(1, 1, "7")}
    [problem] = killing.import_all_again(under_test, [IMPORT], found)
    assert problem.startswith("import of a … again: {'read': 2, 'recorded': 2")
    assert killing.import_all_again(under_test, [IMPORT], {}) == []


# The log, looked at without the program.


def resealed(line: bytes, old: bytes, new: bytes) -> bytes:
    """A line changed by somebody who knows how to make a checksum."""
    assert old in line
    covered = line.replace(old, new).rpartition(b',"crc":"')[0]
    return b'%s,"crc":"%08x"}\n' % (covered, crc32(covered))


Lines = list[bytes]
DAMAGE: dict[str, tuple[Callable[[Lines], Lines], str]] = {
    "a line lost at the end": (lambda lines: lines[:-1], "fact n1 was acknowledged and is not in the log"),
    "a line lost amid": (lambda lines: lines[:2] + lines[3:], "seq 3: says seq 4, version 1"),
    "a byte changed": (lambda lines: [lines[0].replace(b"placed", b"plased"), *lines[1:]], "not a whole line"),
    "a torn end": (lambda lines: [*lines[:-1], lines[-1][:-1]], "not a whole line with a right CRC"),
    "a line twice": (lambda lines: [*lines, lines[-1]], "fact n1 is there already, at 13"),
    "another seq": (
        lambda lines: [*lines[:-1], resealed(lines[-1], b'"seq":13', b'"seq":15')],
        "fact n1 was acknowledged as #13 v2 and is at #15 v2",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_wrong_with_a_log_is_found(
    under_test: killing.Ledger, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    """Given a log of thirteen lines that is right, when it is damaged, then looking at it finds that."""
    cli = Cli(under_test.path, capsys)
    cli.ok("init")
    facts = [killing.story(order_id, 0)[0] for order_id in killing.SHARED_ORDERS]
    facts.append(killing.note(killing.SHARED_ORDERS[0], "n1", 1))
    told = under_test.folder / "facts"
    told.write_text("".join(json.dumps(fact) + "\n" for fact in facts))
    cli("import", str(told))
    acknowledged = [Claim("n1", 13, 2)]
    found, wrong = killing.check(under_test, acknowledged)
    assert (len(found), wrong) == (13, [])

    change, said = DAMAGE[damage]
    segment = under_test.path / "events" / "000000000001.jsonl"
    segment.write_bytes(b"".join(change(segment.read_bytes().splitlines(keepends=True))))
    assert said in "\n".join(killing.check(under_test, acknowledged)[1])

    segment.rename(segment.with_name("000000000002.jsonl"))
    assert "does not begin with the seq of its name" in "\n".join(killing.check(under_test, [])[1])


def test_the_seed_decides_who_does_what(tmp_path: Path) -> None:
    for role in ("import", "stdin"):
        one, same = (killing.import_job(Random(5), "w1-1", role, tmp_path) for _ in range(2))
        assert one == same
        assert one != killing.import_job(Random(6), "w1-1", role, tmp_path)
    assert killing.record_job(Random(5), "w0-1") == killing.record_job(Random(5), "w0-1")
