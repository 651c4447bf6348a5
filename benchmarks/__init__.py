"""Generated facts, measurements and the kill test; run as `python -m benchmarks.NAME` from the project's folder."""

import sys
from pathlib import Path

_SCRIPT = Path(sys.executable).with_name("orderledger")
_MAIN = "from commands.main import entry; entry()"

ORDERLEDGER = [str(_SCRIPT)] if _SCRIPT.exists() else [sys.executable, "-c", _MAIN]
"""How to start the program: the installed script, else the checkout's own main."""
