"""Mutation testing of the core: small changes to its code, one at a time, and whether a test notices.

mutmut makes them in copies under build/mutants/, so the checkout is never changed, and runs for each the tests of its
group that call the changed function. It passes over decorated functions, so the copies say `name = property(_name)`
where the sources say `@property`. What stands outside of functions is not changed: the tables, the fields of a class.
SQL in other letters (capitals for small ones) is not counted as a change.
"""

import argparse
import ast
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build" / "mutants"
MUTMUT = Path(sys.executable).parent / "mutmut"
NEEDED = ("ledger", "commands", "queries", "sample_logs", "tests", "benchmarks", "docs")
KILLED = frozenset({"killed", "timeout", "segfault"})
RESULT = re.compile(r"^ +(?P<mutant>(?P<module>\S+)\.x\S+): (?P<verdict>.+)$", re.MULTILINE)


class Group(NamedTuple):
    """Files that are changed, and the tests that should notice."""

    files: tuple[str, ...]
    tests: tuple[str, ...]


GROUPS = {
    "order": Group(
        ("ledger/order.py", "ledger/decide.py"),
        (
            "tests/test_order.py",
            "tests/test_order_edges.py",
            "tests/test_lifecycle.py",
            "tests/test_rules.py",
            "tests/test_rules_money.py",
            "tests/test_retraction.py",
            "tests/test_timers.py",
            "tests/test_same_fact.py",
            "tests/test_kept.py",
            "tests/test_laws_order.py",
        ),
    ),
    "merkle": Group(("ledger/merkle.py",), ("tests/test_merkle.py", "tests/test_checkpoint.py")),
    "store": Group(
        ("ledger/store.py", "ledger/mending.py", "ledger/disk.py", "ledger/draft.py"),
        (
            "tests/test_store.py",
            "tests/test_store_edges.py",
            "tests/test_disk_edges.py",
            "tests/test_book.py",
            "tests/faults/test_known.py",
        ),
    ),
}


def main() -> None:
    """Print the figures of every file and the changes that no test noticed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"{', '.join(GROUPS)}; all without")
    names = parser.parse_args().groups or list(GROUPS)
    tables, survivors = [], []
    for name in names:
        place = BUILD / name
        prepare(GROUPS[name], place)
        print(f"{name}: what mutmut says is in {place.relative_to(ROOT)}/mutmut.log", flush=True)
        with (place / "mutmut.log").open("w") as log:
            subprocess.run([MUTMUT, "run"], cwd=place, stdout=log, stderr=log, check=True)
        found = results(place)
        left = {mutant: changed(place, mutant) for _, mutant, verdict in found if verdict not in KILLED}
        found = [one for one in found if not same_sql(left.get(one[1], []))]
        for file in GROUPS[name].files:
            tables.append(row(file, [verdict for module, _, verdict in found if module == dotted(file)]))
        survivors += [
            "\n".join([f"{mutant}: {verdict}", *left[mutant]]) for _, mutant, verdict in found if mutant in left
        ]
    print("", *survivors, "", "| file | mutants | killed | percent |", "|---|---:|---:|---:|", *tables, sep="\n")


def prepare(group: Group, place: Path) -> None:
    """Copy the sources to a new folder, with mutmut's settings."""
    shutil.rmtree(place, ignore_errors=True)
    for name in NEEDED:
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "Makefile"):
        shutil.copy(ROOT / name, place)
    for file in group.files:
        path = place / file
        path.write_text(undecorated(path.read_text("utf-8")), "utf-8")
    settings = {
        "source_paths": ["ledger"],
        "only_mutate": group.files,
        "also_copy": [name for name in NEEDED if name != "ledger"] + ["README.md", "CHANGELOG.md", "Makefile"],
        "pytest_add_cli_args_test_selection": group.tests,
        "pytest_add_cli_args": ["-p", "no:cacheprovider"],
        "timeout_multiplier": ["6"],
        "timeout_constant": ["2"],
    }
    lines = ["[mutmut]", *("\n    ".join([f"{key} =", *values]) for key, values in settings.items())]
    (place / "setup.cfg").write_text("\n".join(lines) + "\n", "utf-8")


def undecorated(source: str) -> str:
    """Return the source with every decorated method as a plain one and an assignment, which mean the same."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and len(node.decorator_list) == 1:
            decorator, indent = ast.unparse(node.decorator_list[0]), " " * node.col_offset
            lines[node.decorator_list[0].lineno - 1] = ""
            lines[node.lineno - 1] = lines[node.lineno - 1].replace(f"def {node.name}(", f"def {node.name}_(")
            lines[(node.end_lineno or 0) - 1] += f"\n\n{indent}{node.name} = {decorator}({node.name}_)"
    return "\n".join(lines) + "\n"


def results(place: Path) -> list[tuple[str, str, str]]:
    """Return module, name and verdict of every mutant."""
    said = subprocess.run([MUTMUT, "results", "--all", "true"], cwd=place, check=True, capture_output=True, text=True)
    return [(found["module"], found["mutant"], found["verdict"]) for found in RESULT.finditer(said.stdout)]


def row(file: str, verdicts: list[str]) -> str:
    """Return the file's row of the table."""
    count = Counter(verdict in KILLED for verdict in verdicts)
    return f"| `{file}` | {len(verdicts)} | {count[True]} | {100 * count[True] / max(len(verdicts), 1):.1f} |"


def changed(place: Path, mutant: str) -> list[str]:
    """Return the lines that a mutant took away and put there."""
    said = subprocess.run([MUTMUT, "show", mutant], cwd=place, check=True, capture_output=True, text=True).stdout
    return [line for line in said.splitlines() if re.match(r"[-+](?![-+])", line)]


def same_sql(lines: list[str]) -> bool:
    """Say whether only capitals and small letters of SQL were changed, between which it knows no difference."""
    return len({line[1:].casefold() for line in lines}) == 1 and all(".execute" in line for line in lines)


def dotted(file: str) -> str:
    """Return a file's name as a module."""
    return file.removesuffix(".py").replace("/", ".")


if __name__ == "__main__":
    main()
