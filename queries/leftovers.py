"""What killed processes left in cache/: files half written, folders of questions that nobody asks any more."""

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

_OF_A_PROCESS = re.compile(r"(?:copying|read)-(\d+)-.*")


def name(kind: str) -> str:
    """How the name of a temporary file or folder of this process begins."""
    return f"{kind}-{os.getpid()}-"


def sweep(cache: Path) -> None:
    """Remove temporary files and folders of processes that are not there any more; what cannot be removed stays."""
    with suppress(OSError):
        for path in list(cache.iterdir()):
            found = _OF_A_PROCESS.fullmatch(path.name)
            if found and not _alive(int(found[1])):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
