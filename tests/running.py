"""Running the command line in a test: in this process, or in one of its own where signals and pipes matter."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from commands.main import run

ROOT = Path(__file__).parent.parent
PROGRAM = [sys.executable, "-c", "from commands.main import entry; entry()"]


@dataclass(frozen=True)
class Answer:
    """What a command gave: its exit code and what it printed."""

    code: int
    out: str
    err: str


class Cli:
    """The command line on one ledger."""

    def __init__(self, ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.ledger = ledger
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Answer:
        self._capsys.readouterr()
        code = run(["--ledger", str(self.ledger), *arguments])
        out, err = self._capsys.readouterr()
        return Answer(code, out, err)

    def ok(self, *arguments: str) -> str:
        """Run a command that must succeed without a word on stderr, and give what it printed."""
        answer = self(*arguments)
        assert (answer.code, answer.err) == (0, ""), answer
        return answer.out

    def start(self, *arguments: str, stdin: int | None = None, stdout: int | None = None) -> "subprocess.Popen[bytes]":
        """Start a command in a process of its own."""
        command = [*PROGRAM, "--ledger", str(self.ledger), *arguments]
        return subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, cwd=ROOT)
