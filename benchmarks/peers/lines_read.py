"""What `verify` takes in Python before any line is decided again: the floor under it.

Every line is held against its CRC, hashed as a leaf, decoded into its event and encoded again. Argument: the ledger.
"""

import sys
from hashlib import sha256
from pathlib import Path

from ledger.line import decode, encode


def main(ledger: str) -> None:
    """Read every line."""
    for path in sorted(Path(ledger, "events").glob("*.jsonl")):
        with path.open("rb") as lines:
            for line in lines:
                recorded = decode(line[:-1])
                sha256(b"\0" + line[:-1]).digest()
                encode(recorded)


if __name__ == "__main__":
    main(*sys.argv[1:])
