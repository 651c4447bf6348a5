"""A disk that is full, and a file that may not grow: what was acknowledged stays, and with room again it goes on."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import kill
from tests.faults.checking import Watch, badly_said, ids_of, made
from tests.faults.test_syscalls import recording
from tests.running import PROGRAM, ROOT, Answer

SMALL_BYTES = 512 << 10
STORIES = [fact for number in range(500) for fact in kill.story(f"full-{number}", number)]


def run(watch: Watch, arguments: list[str], limit: int | None = None) -> Answer:
    """Run a command in a process of its own, of which no file may grow over a limit."""
    python, option, program = PROGRAM
    if limit is not None:
        program = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); {program}"
    command = [python, option, program, "--ledger", str(watch.path), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return Answer(done.returncode, done.stdout, done.stderr)


def stopped_well(watch: Watch, answer: Answer, before: int) -> list[str]:
    """What is wrong with a command that ended for want of room."""
    found = badly_said(answer.code, answer.err, {7})
    told = json.loads(answer.out)["recorded"] if answer.out else 0
    new = len(watch.complete()) - before
    if new != told:
        found.append(f"{told} lines were said to be recorded, the log has {new} new ones: {answer.err}")
    return found + watch.lost() + watch.wrong()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    options = f"size={SMALL_BYTES},mode=0700"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small file system can be made here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="a small file system needs root and Linux")
@pytest.mark.parametrize("free_bytes", [0, 4096, 65536, 400_000])
@pytest.mark.parametrize("option", [[], ["--atomic"]])
def test_a_full_disk_takes_nothing_and_goes_on_when_there_is_room(
    small_disk: Path, tmp_path: Path, free_bytes: int, option: list[str]
) -> None:
    watch = made(small_disk)
    facts = tmp_path / "facts.jsonl"
    facts.write_text("".join(json.dumps(fact) + "\n" for fact in STORIES))
    watch.tried(STORIES)
    before = len(watch.complete())
    ballast = small_disk / "ballast"
    room = os.statvfs(small_disk)
    ballast.write_bytes(bytes(max(0, room.f_bavail * room.f_frsize - free_bytes)))

    found = stopped_well(watch, run(watch, ["import", str(facts), "-o", "json", *option]), before)
    answer = run(watch, recording("meanwhile"))
    found += badly_said(answer.code, answer.err, {0, 7})
    if answer.code == 0:
        watch.heard(answer.out.encode().rstrip(b"\n"))
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert found + watch.recovered(by_itself=True) == []


@pytest.mark.parametrize("kib", [0, 1, 2, 4, 40, 400, 1400])
@pytest.mark.parametrize("option", [[], ["--atomic"]])
def test_a_file_that_may_not_grow_takes_nothing(tmp_path: Path, kib: int, option: list[str]) -> None:
    watch = made(tmp_path, segment_bytes=64 << 20)
    facts = tmp_path / "facts.jsonl"
    facts.write_text("".join(json.dumps(fact) + "\n" for fact in STORIES))
    watch.tried(STORIES)
    before = len(watch.complete())
    answer = run(watch, ["import", str(facts), "-o", "json", *option], kib << 10)
    if answer.code == 0:  # the log found room, the index may have found none
        found = badly_said(answer.code, answer.err) + watch.heard_of(ids_of(STORIES))
    else:
        found = stopped_well(watch, answer, before)
    assert found + watch.recovered(by_itself=True) == []


def test_what_does_not_fit_any_more_is_refused_line_by_line(tmp_path: Path) -> None:
    """At every size of the file between two lines: a torn line is never left, and nothing acknowledged goes."""
    watch = made(tmp_path)
    size = max((watch.path / "events").iterdir()).stat().st_size
    found: list[str] = []
    for number in range(12):
        before = len(watch.complete())
        answer = run(watch, recording(f"try-{number}"), size + 40 * number)
        if answer.code == 0:
            watch.heard(answer.out.encode().rstrip(b"\n"))
        else:
            found += stopped_well(watch, answer, before)
    assert found + watch.recovered(by_itself=True) == []
    assert len(watch.lines) > 3
