"""What others do with the same facts, each a small program of its own: `python -m benchmarks.peers.NAME`."""
