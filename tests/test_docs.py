"""What README.md and docs/ say of the program is so.

`UPDATE_DOCS=1 pytest tests/test_docs.py` writes what their sessions print anew.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from commands import main
from queries.catalog import audits
from queries.relations import VIEWS
from tests.replaying import Shell
from tests.running import ROOT

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CONSOLE = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
# Folders that exist on somebody's own machine only; /tmp is everybody's.
MACHINE_PATH = re.compile(rb"(?<![\w.~])/(?:home|Users|root|work|private|workspace|mnt|media|builds)/\w")


@pytest.mark.parametrize("verb", main.VERBS)
def test_every_command_has_help_with_an_example_and_is_named_in_the_readme(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run([verb, "--help"]) == 0
    assert f"Example: orderledger {verb}" in " ".join(capsys.readouterr().out.split())
    assert re.search(rf"\b(?:orderledger|make) {verb}\b", (ROOT / "README.md").read_text())


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_sessions_in_a_document_are_what_the_program_prints(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blocks of one document are run one after the other, in one folder with the sample logs."""
    shell = Shell(tmp_path, capsys, monkeypatch)
    page = path.read_text()
    due = CONSOLE.sub(lambda session: shell.replay(session[0], marked=False), page)
    if "UPDATE_DOCS" in os.environ:
        path.write_text(due)
    else:
        assert due == page


def test_the_readme_shows_a_session() -> None:
    assert CONSOLE.search((ROOT / "README.md").read_text())


@pytest.mark.parametrize("path", [*DOCUMENTS, ROOT / "sample_logs" / "README.md", ROOT / "benchmarks" / "README.md"])
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
        assert "://" in target or (path.parent / target).exists(), target


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("a source archive does not know which files are kept")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    found = {
        name: match[0]
        for name in listed.decode().split("\0")
        if name and (ROOT / name).is_file() and (match := MACHINE_PATH.search((ROOT / name).read_bytes()))
    }
    assert found == {}


def test_every_audit_and_relation_is_named_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    named = set(re.findall(r"`([a-z-]+)[` ]", readme))
    assert set(audits()) - named == set()
    assert set(VIEWS) - named == set()
