"""Faults on purpose: failing and killed system calls, damaged bytes, full disks, and a disk that loses its power.

The short form is part of the tests. The long one tries everything that there is to try, and the laws of the ledger on
ten times as many histories: `make torture`, which sets FAULTS=long; FAULTS_SEED=N begins with another seed.
"""

import os

LONG = os.environ.get("FAULTS") == "long"
SEED = int(os.environ.get("FAULTS_SEED", "1"))

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where files are that need no real disk: thousands of ledgers would only make other tests wait for it."""
