"""A short run of the kill test; the long one is `python -m benchmarks.kill`."""

import subprocess
import sys


def test_what_killed_writers_had_acknowledged_is_there_once() -> None:
    """Eight writers at once, eight of them killed: the script says what is missing, twice there, or broken."""
    command = [sys.executable, "-m", "benchmarks.kill", "--kills", "8", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
