"""The transcripts in tests/transcripts/ say what the command line prints.

`UPDATE_TRANSCRIPTS=1 pytest tests/test_transcripts.py` writes them anew; read the diff before it is committed.
"""

import os
from pathlib import Path

import pytest

from tests.replaying import Shell

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_the_command_line_prints_what_its_transcript_says(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    transcript = path.read_text()
    found = Shell(tmp_path, capsys, monkeypatch).replay(transcript)
    if "UPDATE_TRANSCRIPTS" in os.environ:
        path.write_text(found)
    else:
        assert found == transcript
