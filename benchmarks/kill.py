"""The kill test of `orderledger verify --self-test`, with as many kills as wanted, by a seed, in a folder to keep."""

import argparse
import sys
import tempfile
from pathlib import Path

from commands.killing import SEGMENT_BYTES, SHARED_ORDERS, Ledger, check, note, run, story
from ledger.errors import StorageFailed

__all__ = ["SEGMENT_BYTES", "SHARED_ORDERS", "Ledger", "check", "note", "story"]
"""What other tests of faults are made of, too."""


def main() -> None:
    """Run the kill test; exit 1 and say what is wrong when anything acknowledged is not there exactly once."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how many processes to kill (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="who does what, and when it is killed (default 1)")
    parser.add_argument("--folder", type=Path, help="an empty folder to keep; else a temporary one")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder: Path = chosen.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            outcome = run(folder, chosen.kills, chosen.seed)
        except StorageFailed as error:
            raise SystemExit(str(error)) from error
    print(
        f"{outcome.killed} killed, {outcome.finished} finished; {outcome.lines} facts in the log, "
        f"{outcome.unacknowledged} of them never acknowledged; {outcome.torn_ends} torn ends repaired, "
        f"{outcome.segments} segments\n{outcome.lines_at_the_end} after importing everything again"
    )
    for problem in outcome.problems[:50]:
        print(problem, file=sys.stderr)
    if outcome.problems:
        raise SystemExit(f"{len(outcome.problems)} problems")
    print("everything acknowledged is in the log exactly once")


if __name__ == "__main__":
    main()
