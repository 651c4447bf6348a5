"""What killed processes left in cache/: files half written, folders of questions that nobody asks any more."""

import shutil
import time
from contextlib import suppress
from pathlib import Path

KEPT_SECONDS = 2 * 86_400
"""Nothing that is still at work is older: a question may take a day at most."""


def sweep(cache: Path) -> None:
    """Remove old temporary files and folders; what cannot be removed stays.

    Only their age tells: the process may be one of another machine, or of a container with the same ledger.
    """
    with suppress(OSError):
        for path in [*cache.glob("copying-*.tmp"), *cache.glob("read-*")]:
            about = path.lstat()
            if time.time() - about.st_mtime > KEPT_SECONDS:
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
