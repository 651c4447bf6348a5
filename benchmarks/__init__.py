"""Generated facts, measurements and the kill test; run as `python -m benchmarks.NAME` from the project's folder."""
