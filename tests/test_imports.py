"""Imports go commands → queries → ledger and never back; only commands/ knows the terminal, the clock and chance."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ABOVE = {"ledger": {"queries", "commands", "tests"}, "queries": {"commands", "tests"}, "commands": {"tests"}}
MODULES = [path.relative_to(ROOT) for room in ABOVE for path in sorted((ROOT / room).rglob("*.py"))]

KEPT_OUT = {
    "print": "print",
    "input": "input",
    "datetime.now": "the clock",
    "datetime.utcnow": "the clock",
    "datetime.today": "the clock",
    "date.today": "the clock",
    "time.time": "the clock",
    "time.time_ns": "the clock",
    "os.environ": "the environment",
    "os.getenv": "the environment",
    "os.urandom": "chance",
    "uuid.uuid1": "chance",
    "uuid.uuid4": "chance",
    "sys.stdout": "the terminal",
    "sys.stderr": "the terminal",
    "sys.stdin": "the terminal",
    "sys.argv": "the command line",
}
NOT_IMPORTED = {"random", "secrets", "typer", "rich", "getpass", "locale"}


def _tree(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_bytes(), str(module))


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""


def _used(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_never_go_back_up(module: Path) -> None:
    rooms = {name.split(".")[0] for name in _imported(_tree(module))}
    assert not rooms & ABOVE[module.parts[0]]


@pytest.mark.parametrize("module", [module for module in MODULES if module.parts[0] != "commands"], ids=str)
def test_ledger_and_queries_neither_print_nor_read_clock_environment_or_chance(module: Path) -> None:
    tree = _tree(module)
    assert not NOT_IMPORTED & {name.split(".")[0] for name in _imported(tree)}
    assert not {KEPT_OUT[name] for name in _used(tree) if name in KEPT_OUT}


def test_the_ledger_needs_no_database_to_be_kept() -> None:
    users = {module.parts[0] for module in MODULES if "duckdb" in _imported(_tree(module))}
    assert "ledger" not in users
