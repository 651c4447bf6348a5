"""The entry of the command line: finds the verb, runs it, and prints what went wrong once."""

import gc
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from types import FrameType
from typing import Annotated

import typer
from typer._click import Command, Context
from typer._click.exceptions import NoArgsIsHelpError, NoSuchOption, UsageError
from typer.core import TyperGroup

from ledger.errors import LedgerError, Usage

VERBS = (
    "init",
    "record",
    "import",
    "retract",
    "show",
    "why",
    "list",
    "due",
    "reconcile",
    "money",
    "log",
    "audit",
    "sql",
    "export",
    "schema",
    "policy",
    "verify",
    "checkpoint",
    "prove",
    "check-proof",
    "keygen",
    "repair",
    "rebuild",
    "ship",
    "demo",
)
"""Every command, in the order of the help. `import` lives in `commands/import_.py`, the others in their own name."""


_NO_UTF8 = Usage("an argument is not valid UTF-8", hint="type it in UTF-8")


class Verbs(TyperGroup):
    """The commands by name: a verb's module is imported when the verb is asked for, so that one does not pay for all.

    A module gives `command`: a function with Typer's annotations, or a ready group.
    """

    def list_commands(self, ctx: Context) -> list[str]:
        """Name the commands, in the order of the help."""
        return list(VERBS)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """Import the module of a command and make the command; None when there is no such command."""
        if cmd_name not in VERBS:
            return None
        module = import_module(f"commands.{'import_' if cmd_name == 'import' else cmd_name.replace('-', '_')}")
        if isinstance(module.command, TyperGroup):
            return module.command
        verb = typer.Typer(add_completion=False, rich_markup_mode=None)
        verb.command(cmd_name)(module.command)
        return typer.main.get_command(verb)


def _print_version(wanted: bool) -> None:
    """Print the version and end, if that is wanted."""
    if wanted:
        from importlib.metadata import version

        typer.echo(f"orderledger {version('orderledger')}")
        raise typer.Exit


app = typer.Typer(cls=Verbs, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback()
def orderledger(
    ledger: Annotated[
        list[str] | None,
        typer.Option(
            "--ledger",
            metavar="DIR",
            help="ledger folder; else $ORDERLEDGER, else the nearest .orderledger/; "
            "list, money, audit and sql read several together",
        ),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version and exit")
    ] = False,
) -> None:
    """Keep the life of marketplace orders: what happened, why each was closed, and where the money is."""


def main() -> int:
    """Run the command line of this process and give its exit code."""
    if not _has_streams():
        return 7
    # A command is short: looking for garbage while modules load, and once more at the end, takes a tenth of its time.
    gc.set_threshold(20_000, 20, 20)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupted)
    return run(sys.argv[1:])


def entry() -> None:
    """Run the command line and end the process at once: what is left to tidy up is memory, which goes with it."""
    code = main()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            continue
        except OSError:
            code = 7
    os._exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command and give the exit code; whatever went wrong is on stderr in at most three lines."""
    try:
        _check_text(arguments)
        code = _invoke(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        code = 0
    except LedgerError as error:
        _explain(error.what, error.why, error.hint)
        code = error.exit_code
    except UnicodeEncodeError as error:
        if "surrogates" not in error.reason:
            raise
        _explain(_NO_UTF8.what, _NO_UTF8.why, _NO_UTF8.hint)  # a file has that name, but it was given for a text
        code = _NO_UTF8.exit_code
    except UsageError as error:
        code = _explain_usage(error)
    except KeyboardInterrupt:
        code = Interrupted.code
    except RuntimeError as error:
        if str(error) != "Query interrupted":  # DuckDB's word for a signal that came while it was at work
            raise
        code = Interrupted.code
    except OSError as error:
        _discard_output()
        _explain(f"cannot read or write: {error.strerror or error}", str(error.filename or ""))
        code = 7
    return code


def _check_text(arguments: Sequence[str]) -> None:
    """Refuse arguments that are not UTF-8, but for the names of files that are there."""
    for argument in arguments:
        if argument.isascii() or os.path.exists(argument):
            continue
        name, equals, path = argument.partition("=")
        try:
            (name if equals and os.path.exists(path) else argument).encode()
        except UnicodeEncodeError:
            raise _NO_UTF8 from None


def _invoke(arguments: Sequence[str]) -> int:
    command = typer.main.get_command(app)
    if "_ORDERLEDGER_COMPLETE" in os.environ:
        command.main(list(arguments), prog_name="orderledger")
    try:
        with command.make_context("orderledger", list(arguments)) as ctx:
            command.invoke(ctx)
    except typer.Exit as finished:
        return finished.exit_code
    return 0


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM came; `code` is the exit code a shell expects then."""

    code = 130


def _interrupted(number: int, frame: FrameType | None) -> None:
    Interrupted.code = 128 + number
    raise Interrupted


def _has_streams() -> bool:
    """Tell whether stdout can be written to; a closed stdin becomes one that cannot be read.

    Otherwise the next file that is opened would take the place of the closed one.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_WRONLY)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - it stays as long as the process
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 - the same
    if sys.stdout is None:
        sys.stdout = sys.stderr
        _explain("stdout is closed, so nothing was done", hint="let it go somewhere, such as >/dev/null")
        return False
    return True


def _discard_output() -> None:
    """Point stdout nowhere, so that the interpreter's last flush has nothing to complain about."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _explain_usage(error: UsageError) -> int:
    if isinstance(error, NoArgsIsHelpError):
        typer.echo(error.message, err=True)
        return error.exit_code
    path = error.ctx.command_path if error.ctx else "orderledger"
    hint = f"see `{path} --help`"
    if isinstance(error, NoSuchOption) and error.option_name == "--ledger":
        hint = f"it goes before the command: {path.replace(' ', ' --ledger DIR ', 1)}"
    _explain(error.format_message(), hint=hint)
    return error.exit_code


def _explain(what: str, why: str = "", hint: str = "") -> None:
    from commands.output import visible

    with suppress(OSError):  # where stderr takes nothing, the exit code is all there is to say
        for label, text in (("error", what), ("why", why), ("hint", hint)):
            if text:
                typer.echo(f"{label}: {visible(text)}".encode("utf-8", "backslashreplace"), err=True)
