"""`python -m tests.fuzzing [--seconds N] [TARGET…]`: atheris, guided by coverage, on each target for its share of time.

What it learns is kept in build/fuzzing/corpus/, what breaks a target in build/fuzzing/crashes/.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from random import Random

BUILD = Path(__file__).parents[2] / "build" / "fuzzing"
MAX_BYTES = 1 << 14
ONE = "--one"
NO_ATHERIS = (
    "atheris is not installed: it comes with the extra `fuzz`, for CPython 3.11 to 3.13 on Linux and x86_64 only"
)


def main() -> int:
    """Fuzz in one process a target, because atheris ends the process; exit code 1 when a target broke."""
    if sys.argv[1:2] == [ONE]:
        _fuzz(sys.argv[2], int(sys.argv[3]))
    from tests.fuzzing.seeds import SEEDS

    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(SEEDS))
    given = parser.parse_args()
    names: list[str] = given.targets or list(SEEDS)
    if unknown := set(names) - set(SEEDS):
        parser.error(f"no target is called {', '.join(sorted(unknown))}; there are {', '.join(SEEDS)}")
    seconds = max(1, given.seconds // len(names))
    try:
        import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: F401 - looked for only
    except ImportError:
        sys.stderr.write(f"{NO_ATHERIS}\n")
        return 1
    broken = [name for name in names if not _survives(name, seconds)]
    if broken:
        sys.stderr.write(f"broken: {', '.join(broken)}; what broke them is in {BUILD / 'crashes'}\n")
    return int(bool(broken))


def _survives(name: str, seconds: int) -> bool:
    """Run one target in a process of its own, which leaves its temporary files in a folder that goes with it."""
    command = [sys.executable, "-m", "tests.fuzzing", ONE, name, str(seconds)]
    with tempfile.TemporaryDirectory(prefix="fuzzing-") as folder:
        done = subprocess.run(command, env=os.environ | {"TMPDIR": folder}, capture_output=True, text=True, check=False)
    told = done.stderr.splitlines()
    tries = next((line.split()[1] for line in reversed(told) if line.startswith("Done ")), "?")
    sys.stdout.write(f"{name}: {tries} tries{', broken' if done.returncode else ''}\n")
    sys.stdout.flush()
    if done.returncode:
        sys.stderr.write("".join(f"{line}\n" for line in told if not line.startswith(("#", "INFO"))))
    return done.returncode == 0


def _fuzz(name: str, seconds: int) -> None:
    """Hand the target over to atheris; this does not return."""
    import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

    with atheris.instrument_imports(include=["ledger", "queries", "commands"]):
        from tests.fuzzing.mutating import mutated
        from tests.fuzzing.seeds import SEEDS
        from tests.fuzzing.targets import TARGETS

    corpus, crashes = BUILD / "corpus" / name, BUILD / "crashes" / name
    for folder in (corpus, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS[name]:
        (corpus / sha256(seed).hexdigest()[:16]).write_bytes(seed)

    def change(data: bytes, limit: int, seed: int) -> bytes:
        # Half of the changes are libFuzzer's own, which know what was compared.
        return (atheris.Mutate(data, limit) if seed % 2 else mutated(Random(seed), data))[:limit]

    options = [f"-max_total_time={seconds}", f"-max_len={MAX_BYTES}", f"-artifact_prefix={crashes}/", "-timeout=30"]
    atheris.Setup([sys.argv[0], str(corpus), *options, "-rss_limit_mb=3000"], TARGETS[name], custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
