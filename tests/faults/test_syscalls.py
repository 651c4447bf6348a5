"""Each system call of a command that writes is failed, and the command killed at each: nothing acknowledged is lost.

The short form tries a seeded sample of them, the long one all.
"""

import compileall
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from benchmarks import kill
from tests.faults import LONG, SEED, tracing
from tests.faults.checking import NOW, Watch, badly_said, fact_of, ids_of, made, opened
from tests.faults.tracing import Call, Fault
from tests.running import ROOT, Answer

SAMPLE = 8
"""So many faults of each command are tried in the short form."""

PARTS = 4
"""Each command's faults are spread over so many tests, which may run at once."""

KILLED = -9

REFUSED = tracing.refusal()
pytestmark = pytest.mark.skipif(bool(REFUSED), reason=REFUSED)


@pytest.fixture(autouse=True, scope="module")
def compiled() -> None:
    """Compile every module: what other tests compile meanwhile would change which files a command opens."""
    for room in ("commands", "ledger", "queries"):
        compileall.compile_dir(ROOT / room, quiet=2)


class Scene(NamedTuple):
    """A command, what it brings, and how the ledger is prepared for it."""

    arguments: list[str]
    facts: list[dict[str, object]]
    prepare: Callable[[Watch], None] = lambda watch: None
    segment_bytes: int = kill.SEGMENT_BYTES


def note(name: str) -> dict[str, object]:
    return kill.note(kill.SHARED_ORDERS[0], name, 5)


def recording(name: str) -> list[str]:
    given = note(name)
    return [
        *["record", "noted", str(given["order_id"]), "--text", str(given["text"]), "--fact-id", name],
        *["--at", str(given["occurred_at"]), "--allow-odd", "-o", "json"],
    ]


def indexed(watch: Watch) -> None:
    """Record a little, so that the log's end is not indexed."""
    watch.tried([note("before")])
    with opened(watch.path) as ledger:
        watch.heard(ledger.record(fact_of(note("before")), now=NOW, allow_odd=True).line)


def torn(watch: Watch) -> None:
    """Leave the end of a line that was being written when somebody was killed."""
    segment = max((watch.path / "events").glob("*.jsonl"))
    segment.write_bytes(segment.read_bytes() + b'{"seq":4,"vers')


def without_index(watch: Watch) -> None:
    (watch.path / "cache" / "index.sqlite").unlink(missing_ok=True)


STORIES = [fact for number in range(8) for fact in kill.story(f"own-{number}", number)]
IMPORT = ["import", "facts.jsonl", "-o", "json"]

SCENES = {
    "record": Scene(recording("n1"), [note("n1")], indexed),
    "record after a torn line": Scene(recording("n1"), [note("n1")], torn),
    "record in a new segment": Scene(recording("n1"), [note("n1")], segment_bytes=1),
    "import": Scene(IMPORT, STORIES, indexed),
    "import without an index": Scene(IMPORT, STORIES, without_index),
    "import in a new segment": Scene(IMPORT, STORIES, segment_bytes=2000),
    "import at once": Scene([*IMPORT, "--atomic"], STORIES),
}


def begun(folder: Path, scene: Scene) -> Watch:
    """The ledger as the command finds it, the same each time."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    watch = made(folder, segment_bytes=scene.segment_bytes)
    scene.prepare(watch)
    (folder / "facts.jsonl").write_text("".join(json.dumps(fact) + "\n" for fact in scene.facts))
    return watch


def started(folder: Path, scene: Scene, fault: Fault | None = None) -> Answer:
    arguments = [str(folder / part) if part == "facts.jsonl" else part for part in scene.arguments]
    return tracing.run(folder, arguments, fault)


def calls_of(folder: Path, scene: Scene) -> list[Call]:
    """The calls of the command on its ledger: two runs alike, since a new file beside its modules makes Python look."""
    calls, before = traced(folder, scene), None
    while calls != before:
        calls, before = traced(folder, scene), calls
    return calls


def traced(folder: Path, scene: Scene) -> list[Call]:
    begun(folder, scene)
    answer = started(folder, scene)
    assert answer.code == 0, answer
    return tracing.calls_on(folder)


def problems(folder: Path, scene: Scene, fault: Fault) -> list[str]:
    """What is wrong after the command ran with the fault; and whether the fault was met at all."""
    watch = begun(folder, scene)
    before = watch.complete()
    watch.tried(scene.facts)
    answer = started(folder, scene, fault)
    found = []
    if answer.code != KILLED:
        if "(INJECTED)" not in (folder / "trace").read_text(errors="replace"):
            found.append("the fault was not met")
        found += badly_said(answer.code, answer.err)
    if answer.code == 0:
        found += watch.heard_of(ids_of(scene.facts))
    if answer.out.startswith('{"seq"'):
        watch.heard(answer.out.encode().rstrip(b"\n"))
    if answer.code > 0:
        found += untold(len(watch.complete()) - len(before), answer)
    found += watch.lost()
    found += watch.recovered(by_itself=True)
    return [f"{fault.inject}: {problem}" for problem in found]


def untold(new: int, answer: Answer) -> list[str]:
    """Whether a command that failed said how many lines it left in the log: those of its summary, else none."""
    told = json.loads(answer.out)["recorded"] if answer.out.startswith('{"read"') else 0
    if new == told or any(words in answer.err for words in ("may be in the log", "is recorded")):
        return []
    return [
        f"{told} lines were said to be recorded, the log has {new} new ones; it ended with {answer.code}: {answer.err}"
    ]


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", SCENES)
def test_a_command_whose_calls_fail_loses_nothing_and_says_what_is_wrong(tmp_path: Path, name: str, part: int) -> None:
    scene = SCENES[name]
    faults = tracing.faults_of(calls_of(tmp_path / "tried", scene))
    Random(SEED).shuffle(faults)
    chosen = (faults if LONG else faults[:SAMPLE])[part::PARTS]
    assert [problem for fault in chosen for problem in problems(tmp_path / "tried", scene, fault)] == []
