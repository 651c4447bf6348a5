"""What killed processes left in cache/: files half written, folders of questions that nobody asks any more."""

import shutil
from contextlib import suppress
from pathlib import Path

KEPT_SECONDS = 2 * 86_400
"""Nothing that is still at work is older: a question may take a day at most."""


def sweep(cache: Path, new: Path) -> None:
    """Remove temporary files and folders that are much older than a new one; what cannot be removed stays.

    Only their age tells: the process may be one of another machine, or of a container with the same ledger.
    """
    with suppress(OSError):
        oldest = new.lstat().st_mtime - KEPT_SECONDS
        for path in [*cache.glob("copying-*.tmp"), *cache.glob("read-*")]:
            if path.lstat().st_mtime < oldest:
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
