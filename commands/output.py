"""Where output goes: a terminal with its pager, a pipe, or a file that appears whole or not at all."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, get_args

from commands.context import Format
from ledger.errors import StorageFailed, Usage

if TYPE_CHECKING:
    import subprocess

FORMATS: tuple[str, ...] = get_args(Format)
ENDINGS = {f".{name}": name for name in FORMATS[1:]} | {".txt": "table", ".ndjson": "jsonl", ".markdown": "md"}
NARROW = 80
"""Columns of running text that is not printed on a terminal."""
WIDE = 200
"""Columns of a table that is drawn into a pipe or a file."""

_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


@dataclass(frozen=True)
class Screen:
    """A terminal: its size in character cells and whether it shows colour."""

    width: int
    height: int
    colour: bool


@dataclass(frozen=True)
class Target:
    """How and where a command prints: `screen` is None in a pipe or a file, which get exact bytes."""

    format: str
    to: Path | None = None
    screen: Screen | None = None
    tz: tzinfo = UTC

    @property
    def width(self) -> int:
        """The columns that running text may use."""
        return self.screen.width if self.screen else NARROW

    @property
    def table_width(self) -> int:
        """The columns that a drawn table may use."""
        return self.screen.width if self.screen else WIDE


def choose(
    output: str | None, to: Path | None, *, pipe: str, no_color: bool = False, tz: tzinfo = UTC, only: str = ""
) -> Target:
    """Decide format and place; `pipe` is the format outside a terminal, `only` names all that the command can print.

    Raises Usage for a format that does not exist, that the command does not have, or that needs a file.
    """
    if to is not None:
        not_a_ledgers_own(to)
    screen = None if to else _screen(no_color)
    name = output or (_by_ending(to, pipe) if to else "table" if screen else pipe)
    if name not in (only.split() or FORMATS):
        raise Usage(f"no output format {name!r} here", hint=f"this command prints {', '.join(only.split() or FORMATS)}")
    if name == "parquet" and (to is None or (to.exists() and not to.is_file())):
        raise Usage("parquet is written to a file only", hint="say where with --to FILE.parquet")
    return Target(name, to, screen, tz)


def not_a_ledgers_own(path: Path) -> Path:
    """Give the path back; Usage when a file of that name is a ledger's own."""
    # Both what the path says and where its symlinks lead.
    if any(map(_is_a_ledgers_own, {path.absolute(), path.parent.resolve() / path.name, path.resolve()})):
        raise Usage(f"{path} is a ledger's own file", why="nothing else may write there", hint="name another place")
    return path


def _is_a_ledgers_own(path: Path) -> bool:
    in_own_folder = path.parent.name in ("events", "checkpoints", "cache")
    own_name = path.name in ("ledger.toml", "policy.toml", "lock")
    return (in_own_folder and os.path.lexists(path.parent.parent / "ledger.toml")) or (
        own_name and os.path.lexists(path.parent / "ledger.toml")
    )


def _by_ending(to: Path, pipe: str) -> str:
    ending = to.suffix.lower()
    if not ending or ending in ENDINGS:
        return ENDINGS.get(ending, pipe)
    raise Usage(
        f"{to}: the ending {ending} names no format",
        hint=f"say which with --output, or end the name in one of {' '.join(ENDINGS)}",
    )


def _screen(no_color: bool) -> Screen | None:
    if not sys.stdout.isatty():
        return None
    width, height = shutil.get_terminal_size()
    dull = no_color or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return Screen(width, height, not dull)


def visible(text: str) -> str:
    """Show control and bidirectional characters as escapes, so that text of the log cannot steer a terminal."""
    return _UNSEEN.sub(lambda found: _SHORT.get(found[0]) or _escape(found[0]), text)


def visible_json(text: str) -> str:
    r"""Show the same characters as \uXXXX, which leaves JSON what it is; line ends between values stay."""
    return _UNSEEN.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class Writer:
    """Takes text or bytes to one place; a closed pipe ends the command quietly, any other failure is exit 7."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name

    def write(self, data: str | bytes) -> None:
        """Write text as UTF-8, bytes as they are."""
        with self._failures():
            self._put(data if isinstance(data, bytes) else data.encode("utf-8", "backslashreplace"))

    def flush(self) -> None:
        """Hand on what has been written so far."""
        with self._failures():
            self._stream.flush()

    def close(self) -> None:
        """Finish; whatever could not be written is known now."""
        self.flush()

    def _put(self, data: bytes) -> None:
        self._stream.write(data)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            _silence_stdout()
            raise SystemExit(0) from None
        except OSError as error:
            _silence_stdout()
            raise _unwritable(self._name, error) from error


def _silence_stdout() -> None:
    """Keep Python from trying once more, and complaining, when it exits."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


class _Paged(Writer):
    """Holds back one screenful; what is longer goes through the pager."""

    def __init__(self, stream: BinaryIO, pager: list[str], height: int) -> None:
        super().__init__(stream, "standard output")
        self._pager = pager
        self._room = height - 1
        self._held: list[bytes] | None = []
        self._lines = 0
        self._process: subprocess.Popen[bytes] | None = None

    def _put(self, data: bytes) -> None:
        if self._held is None:
            self._stream.write(data)
            return
        self._held.append(data)
        self._lines += data.count(b"\n")
        if self._lines > self._room:
            self._start()

    def _start(self) -> None:
        import subprocess

        held, self._held = self._held or [], None
        environment = {"LESS": "FRX"} | os.environ
        try:
            self._process = subprocess.Popen(self._pager, stdin=subprocess.PIPE, env=environment)
        except OSError:
            self._process = None
        if self._process and self._process.stdin:
            self._stream = self._process.stdin  # type: ignore[assignment] # IO[bytes] of Popen is a BinaryIO
        self._stream.write(b"".join(held))

    def close(self) -> None:
        with self._failures():
            if self._held is not None:
                self._stream.write(b"".join(self._held))
            self._stream.flush()
        self.wait()

    def wait(self) -> None:
        """Stay until the reader leaves the pager; Ctrl-C is the pager's."""
        if self._process is None:
            return
        with suppress(BrokenPipeError):
            self._stream.close()
        while self._process.poll() is None:
            with suppress(KeyboardInterrupt):
                self._process.wait()


@contextmanager
def opened(out: Target, *, paged: bool = False) -> Iterator[Writer]:
    """Open the place of `out`: a file is written beside its name and renamed when complete."""
    if out.to is not None and (out.to.is_file() or not out.to.exists()):
        with whole_file(out.to.resolve()) as path, path.open("wb") as stream:
            writer = Writer(stream, str(out.to))
            yield writer
            writer.flush()
        return
    if out.to is not None:
        with _device(out.to) as stream:
            yield Writer(stream, str(out.to))
        return
    writer = _standard(out.screen if paged else None)
    try:
        yield writer
        writer.close()
    finally:
        if isinstance(writer, _Paged):
            writer.wait()


def _standard(screen: Screen | None) -> Writer:
    sys.stdout.flush()
    pager = _pager() if screen else []
    if screen and pager:
        return _Paged(sys.stdout.buffer, pager, screen.height)
    return Writer(sys.stdout.buffer, "standard output")


def _pager() -> list[str]:
    import shlex

    try:
        return shlex.split(os.environ.get("PAGER", ""))
    except ValueError as error:
        raise Usage("$PAGER cannot be read", why=str(error), hint="PAGER is a program with its options") from None


@contextmanager
def _device(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("wb") as stream:
            yield stream
    except OSError as error:
        raise _unwritable(path, error) from error


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`, and rename it to `path` if nothing goes wrong."""
    import tempfile

    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        os.close(handle)
    except OSError as error:
        raise _unwritable(path, error) from error
    temporary = Path(name)
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _unwritable(place: Path | str, error: OSError) -> StorageFailed:
    why = error.strerror or str(error)
    return StorageFailed(f"cannot write {place}", why=why, hint="make room, or name another place")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
