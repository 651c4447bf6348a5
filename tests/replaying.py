"""Transcripts of the command line: `$ orderledger …` lines with what they print, and how they are run again.

A line that begins with `# ` is a remark. `$ cat > FILE <<END` makes a file of the lines up to END, `$ cat FILE` shows
one. All else is output. In a marked transcript `! ` stands before each line of stderr, and `[exit N]` after a command
that did not succeed.
"""

import glob
import importlib
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from freezegun import freeze_time

from commands.main import VERBS, run
from tests.running import ROOT

NOW = "2026-06-01T12:00:00Z"
HERE = "/somewhere"
"""What a transcript calls the folder it runs in."""

# Types are made while modules load, and from the real clock's class: that must not happen while the clock is frozen.
for verb in VERBS:
    importlib.import_module(f"commands.{'import_' if verb == 'import' else verb.replace('-', '_')}")
for module in ("ledger.book", "queries.engine", "queries.mapping", "commands.reading", "commands.story"):
    importlib.import_module(module)


class Shell:
    """A folder in which transcripts are run at a frozen instant; `sample_logs` is there."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._folder = folder
        (folder / "sample_logs").symlink_to(ROOT / "sample_logs")
        monkeypatch.chdir(folder)
        monkeypatch.delenv("ORDERLEDGER", raising=False)
        monkeypatch.setenv("COLUMNS", "80")

    def replay(self, transcript: str, *, marked: bool = True) -> str:
        """Run a transcript's commands and return it as it should read."""
        lines = iter(transcript.splitlines())
        return "".join(f"{line}\n" for line in self._replayed(lines, marked=marked))

    def _replayed(self, lines: Iterator[str], *, marked: bool) -> Iterator[str]:
        before = "#"
        for line in lines:
            if line.startswith("# "):
                yield from [line] if before.startswith("#") else ["", line]
            elif line.startswith("$ "):
                yield line
                words = shlex.split(line[2:])
                match words:
                    case ["cat", ">", name, "<<END"]:
                        yield from _make(Path(name), lines)
                    case ["cat", name]:
                        yield from Path(name).read_text().splitlines()
                    case ["orderledger", *arguments]:
                        yield from self._run(arguments, marked=marked)
                    case _:
                        raise AssertionError(f"not a command of a transcript: {line}")
            else:
                continue
            before = line

    def _run(self, arguments: list[str], *, marked: bool) -> Iterator[str]:
        self._capsys.readouterr()
        with freeze_time(NOW, ignore=["ledger.formats"]):  # which know no clock, and make times that are encoded
            code = run([name for word in arguments for name in _expanded(word)])
        out, err = (text.replace(str(self._folder), HERE) for text in self._capsys.readouterr())
        yield from out.splitlines()
        yield from (f"! {line}" if marked else line for line in err.splitlines())
        if marked and code:
            yield f"[exit {code}]"


def _make(path: Path, lines: Iterator[str]) -> Iterator[str]:
    """Write the lines up to END into a file, and repeat them."""
    content = []
    for line in lines:
        yield line
        if line == "END":
            break
        content.append(line)
    path.write_text("".join(f"{line}\n" for line in content))


def _expanded(word: str) -> list[str]:
    """Return the files that a pattern names, or the word itself."""
    return sorted(glob.glob(word)) if "*" in word and " " not in word else [word]
