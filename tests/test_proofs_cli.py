"""checkpoint, prove, check-proof and keygen, as somebody types them: answers, exit codes, files, and what they load."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.book import Ledger
from ledger.checkpoint import Checkpoint
from ledger.merkle import EMPTY
from tests.running import PROGRAM, ROOT, Answer, Cli
from tests.test_store import FailingDisk


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A ledger of five lines, in a folder of its own; the shell is in another one."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    cli = Cli(tmp_path / "ledger", capsys)
    cli.ok("init")
    cli.ok("record", "placed", "81", "--seller", "s", "--amount", "12.30", "--currency", "USD")
    for text in ("one", "two", "three", "fo\u202eur"):
        cli.ok("record", "noted", "81", "--text", text)
    return cli


@pytest.fixture
def nowhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line of somebody who has no ledger."""
    return Cli(tmp_path / "no-ledger", capsys)


def origin(cli: Cli) -> str:
    return f"orderledger/{Ledger.open(cli.ledger).config.id}"


def lines(cli: Cli) -> list[bytes]:
    return (cli.ledger / "events" / "000000000001.jsonl").read_bytes().splitlines()


def says(answer: Answer, code: int, *words: str) -> None:
    """An answer that is an error of at most three lines, with these words in it."""
    assert answer.code == code, answer
    assert answer.out == ""
    assert answer.err.startswith("error: ")
    assert len(answer.err.splitlines()) <= 3
    for word in words:
        assert word in answer.err


def save(name: str, text: str) -> str:
    Path(name).write_text(text)
    return name


# checkpoint


def test_a_checkpoint_is_printed_and_kept(cli: Cli) -> None:
    printed = cli.ok("checkpoint")
    assert printed.splitlines()[:2] == [origin(cli), "5"]
    kept = cli.ledger / "checkpoints" / "000000000005"
    assert kept.read_text() == printed == cli.ok("checkpoint")
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_ledger_that_was_rewritten_or_cut_is_exit_5(cli: Cli) -> None:
    cli.ok("checkpoint")
    segment = cli.ledger / "events" / "000000000001.jsonl"
    whole = segment.read_bytes()
    segment.write_bytes(b"".join(line + b"\n" for line in lines(cli)[:4]))
    for verb in (["checkpoint"], ["prove", "1"]):
        says(cli(*verb), 5, "the log ends with seq 4", "seq 1 to 5", "from a backup")
    segment.write_bytes(whole.replace(b'"one"', b'"One"'))
    says(cli("checkpoint"), 5, "seq 2 of the log is damaged", "CRC")


def test_repair_leaves_what_a_checkpoint_covers(cli: Cli) -> None:
    cli.ok("checkpoint")
    segment = cli.ledger / "events" / "000000000001.jsonl"
    segment.write_bytes(segment.read_bytes().replace(b'"one"', b'"One"'))
    says(cli("repair"), 5, "a published checkpoint covers seq 1 to 5")


def test_a_torn_end_is_moved_away_with_a_warning_and_not_published(cli: Cli) -> None:
    with (cli.ledger / "events" / "000000000001.jsonl").open("ab") as segment:
        segment.write(b'{"seq":6,"torn')
    answer = cli("checkpoint")
    assert (answer.code, answer.out.splitlines()[1]) == (0, "5")
    assert answer.err.startswith("warning: the last line of the log was torn")


def test_a_locked_ledger_is_exit_6_and_no_ledger_exit_5(cli: Cli, nowhere: Cli) -> None:
    with Ledger.open(cli.ledger).store.lock(0):
        says(cli("checkpoint", "--wait", "0"), 6, "another command")
        says(cli("prove", "1", "--wait", "0"), 6, "another command")
    for verb in (["checkpoint"], ["prove", "1"], ["keygen"]):
        says(nowhere(*verb), 5, "no ledger")


def test_a_checkpoint_that_cannot_be_kept_is_exit_7_and_is_not_printed(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FailingDisk()
    monkeypatch.setattr("ledger.store.Disk", lambda: disk)
    disk.fail("rename")
    says(cli("checkpoint"), 7, "cannot be kept", "not published")


# prove and check-proof


def test_a_proof_is_checked_without_a_ledger_and_gives_the_exact_line(cli: Cli, nowhere: Cli) -> None:
    head = save("head", cli.ok("checkpoint"))
    for seq in range(1, 6):
        proof = save("line.tlog-proof", cli.ok("prove", str(seq)))
        assert nowhere.ok("check-proof", proof, "--checkpoint", head).encode() == lines(cli)[seq - 1] + b"\n"


def test_a_proof_is_checked_in_an_empty_folder_of_another_process(cli: Cli, tmp_path: Path) -> None:
    proof = cli.ok("prove", "3")
    (tmp_path / "empty").mkdir()
    program = f"import sys; sys.path[:0] = {[str(ROOT), *sys.path]!r}; {PROGRAM[2]}"
    done = subprocess.run(
        [sys.executable, "-c", program, "check-proof", "-"],
        cwd=tmp_path / "empty",
        input=proof.encode(),
        capture_output=True,
        check=True,
        env={name: value for name, value in os.environ.items() if name != "ORDERLEDGER"},
    )
    assert done.stdout == lines(cli)[2] + b"\n"
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_proof_that_was_checked_alone_comes_with_a_warning(cli: Cli, nowhere: Cli) -> None:
    proof = save("proof", cli.ok("prove", "2"))
    answer = nowhere("check-proof", proof)
    assert (answer.code, answer.out.encode()) == (0, lines(cli)[1] + b"\n")
    assert answer.err.startswith("warning: only the proof itself was checked")


def test_the_line_is_shown_with_escapes_on_a_terminal(
    cli: Cli, nowhere: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    proof = save("proof", cli.ok("prove", "5"))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert r"fo\u202eur" in nowhere("check-proof", proof).out


def test_prove_writes_a_private_file_that_appears_whole(cli: Cli, nowhere: Cli) -> None:
    assert cli.ok("prove", "2", "--to", "line.tlog-proof") == ""
    assert Path("line.tlog-proof").stat().st_mode & 0o777 == 0o600
    assert Path("line.tlog-proof").read_text() == cli.ok("prove", "2")
    says(cli("prove", "2", "--to", str(cli.ledger / "ledger.toml")), 2, "a ledger's own file")
    says(cli("prove", "2", "--to", "no/such/folder"), 7, "cannot write")


def test_proving_publishes_the_head_it_leads_to(cli: Cli) -> None:
    proof = cli.ok("prove", "2")
    assert proof.endswith("\n\n" + (cli.ledger / "checkpoints" / "000000000005").read_text())


def test_an_old_checkpoint_can_be_led_to_when_the_log_has_grown(cli: Cli, nowhere: Cli) -> None:
    head = save("head", cli.ok("checkpoint"))
    cli.ok("record", "noted", "81", "--text", "later")
    save("new", cli.ok("prove", "2"))
    says(
        nowhere("check-proof", "new", "--checkpoint", head), 1, "leads to another checkpoint", "prove SEQ --checkpoint"
    )
    save("old", cli.ok("prove", "2", "--checkpoint", head))
    assert nowhere.ok("check-proof", "old", "--checkpoint", head).encode() == lines(cli)[1] + b"\n"
    says(cli("prove", "6", "--checkpoint", head), 1, "does not cover seq 6")


def test_a_checkpoint_that_is_not_of_this_log_is_not_led_to(cli: Cli, tmp_path: Path) -> None:
    save("other", Checkpoint(origin(cli), 5, EMPTY).text.decode())
    says(cli("prove", "2", "--checkpoint", "other"), 1, "does not extend the checkpoint")
    save("other", Checkpoint("orderledger/x", 5, EMPTY).text.decode())
    says(cli("prove", "2", "--checkpoint", "other"), 2, "another ledger")


@pytest.mark.parametrize(("seq", "code", "word"), [("6", 1, "no such seq: 6"), ("0", 2, "SEQ"), ("x", 2, "SEQ")])
def test_a_seq_that_is_not_there_is_exit_1_and_no_number_exit_2(cli: Cli, seq: str, code: int, word: str) -> None:
    says(cli("prove", seq), code, word)
    assert list((cli.ledger / "checkpoints").iterdir()) == []


@pytest.mark.parametrize(
    ("change", "code", "word"),
    [
        (lambda text: text.replace("index 1", "index 2"), 1, "do not lead from the line"),
        (lambda text: text.replace("\n5\n", "\n50\n"), 1, "do not lead from the line"),
        (lambda text: text[:-1], 4, "no checkpoint"),
        (lambda text: text.replace("index 1", "index one"), 4, "no proof of a line"),
        (lambda text: text.partition("\n\n")[2], 4, "no proof of a line"),
        (lambda text: "", 4, "no proof of a line"),
        (lambda text: "x" * (17 << 20), 4, "none of them is so long"),
    ],
)
def test_a_proof_that_does_not_hold_is_exit_1_and_what_is_none_exit_4(
    cli: Cli, nowhere: Cli, change: Callable[[str], str], code: int, word: str
) -> None:
    proof = save("proof", change(cli.ok("prove", "2")))
    says(nowhere("check-proof", proof), code, word)


def test_files_that_cannot_be_read_are_exit_4(cli: Cli, nowhere: Cli) -> None:
    proof = save("proof", cli.ok("prove", "2"))
    says(nowhere("check-proof", "missing"), 4, "cannot read missing")
    says(nowhere("check-proof", proof, "--checkpoint", "missing"), 4, "cannot read missing")
    says(nowhere("check-proof", proof, "--checkpoint", proof), 4, "proof is no checkpoint")
    says(nowhere("check-proof", "."), 4, "cannot read .")
    says(cli("prove", "2", "--checkpoint", "missing"), 4, "cannot read missing")


def test_a_checkpoint_of_another_story_is_exit_1(cli: Cli, nowhere: Cli) -> None:
    proof = save("proof", cli.ok("prove", "2"))
    for checkpoint, word in (
        (Checkpoint(origin(cli), 5, EMPTY), "contradicts"),
        (Checkpoint(origin(cli), 6, EMPTY), "another checkpoint"),
        (Checkpoint("orderledger/x", 5, EMPTY), "another ledger"),
    ):
        save("head", checkpoint.text.decode())
        says(nowhere("check-proof", proof, "--checkpoint", "head"), 1, word)


def test_the_program_in_the_documentation_checks_proofs_without_orderledger(cli: Cli) -> None:
    """docs/proofs.md has one for whoever has nothing but Python; it follows the RFC's own steps."""
    program = (ROOT / "docs" / "proofs.md").read_text().partition("```python\n")[2].partition("```")[0]
    save("check.py", program)
    for size in range(5, 9):
        for seq in range(1, size + 1):
            proof = cli.ok("prove", str(seq))
            done = subprocess.run(
                [sys.executable, "-IS", "check.py", save("proof", proof)], capture_output=True, check=True
            )
            assert done.stdout == lines(cli)[seq - 1] + b"\n"
        cli.ok("record", "noted", "81", "--text", f"number {size}")
    for old, new in (("index 7", "index 6"), ("\n8\n", "\n9\n"), ("extra ", "extra e30K"), ("\n\n", "\nAAAA\n\n")):
        save("proof", proof.replace(old, new, 1))
        assert subprocess.run([sys.executable, "-IS", "check.py", "proof"], capture_output=True, check=False).returncode


# Signing.


def test_a_key_is_private_and_never_overwritten(cli: Cli) -> None:
    public = cli.ok("keygen")
    assert public.startswith(f"{origin(cli)}+")
    key = Path("orderledger.key")
    assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_text()
    assert before.startswith("PRIVATE+KEY+")
    says(cli("keygen"), 2, "is there already", "--to")
    assert key.read_text() == before
    assert cli.ok("keygen", "--to", "other.key") != public
    says(cli("keygen", "--to", "no/such/folder"), 7, "cannot write")
    says(cli("keygen", "--to", str(cli.ledger / "checkpoints" / "key")), 2, "a ledger's own file")


def test_a_key_that_cannot_be_written_leaves_no_file(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    says(cli("keygen"), 7, "No space left")
    assert not Path("orderledger.key").exists()


def test_a_signed_checkpoint_says_whose_log_it_is(cli: Cli, nowhere: Cli) -> None:
    public = cli.ok("keygen").strip()
    other = cli.ok("keygen", "--to", "other.key").strip()
    plain = save("plain", cli.ok("prove", "2"))
    says(nowhere("check-proof", plain, "--public-key", public), 1, "bears no signature of this key")
    signed = save("signed", cli.ok("prove", "2", "--key", "orderledger.key"))
    assert nowhere.ok("check-proof", signed, "--public-key", public).encode() == lines(cli)[1] + b"\n"
    says(nowhere("check-proof", signed, "--public-key", other), 1, "bears no signature of this key")
    head = save("head", cli.ok("checkpoint", "--key", "other.key"))
    assert nowhere.ok("check-proof", signed, "--public-key", other, "--checkpoint", head)


def test_a_signature_under_another_text_is_exit_1(cli: Cli, nowhere: Cli) -> None:
    """The size alone may be changed so that the hashes still lead to the root; the signature sees it."""
    public = cli.ok("keygen").strip()
    proof = save("proof", cli.ok("prove", "2", "--key", "orderledger.key").replace("\n5\n", "\n6\n"))
    assert nowhere("check-proof", proof).code == 0
    says(nowhere("check-proof", proof, "--public-key", public), 1, "for another text")


def test_keys_that_are_none_or_not_private_or_of_another_ledger_sign_nothing(cli: Cli, tmp_path: Path) -> None:
    cli.ok("keygen")
    key = Path("orderledger.key")
    key.chmod(0o644)
    says(cli("checkpoint", "--key", str(key)), 4, "can be read by others", "chmod 600 orderledger.key")
    save("none", "no key\n")
    Path("none").chmod(0o600)
    says(cli("checkpoint", "--key", "none"), 4, "none is no private key")
    says(cli("checkpoint", "--key", "missing"), 4, "cannot read missing")
    cli.ok("init", str(tmp_path / "second"))
    key.chmod(0o600)
    cli.ledger = tmp_path / "second"
    says(cli("checkpoint", "--key", str(key)), 2, "not this ledger's", "keygen")
    assert list((cli.ledger / "checkpoints").iterdir()) == []


def test_what_cannot_go_together_or_is_no_key_is_exit_2(cli: Cli, nowhere: Cli) -> None:
    save("head", cli.ok("checkpoint"))
    proof = save("proof", cli.ok("prove", "2"))
    says(cli("prove", "2", "--checkpoint", "head", "--key", "k"), 2, "--key does not go with --checkpoint")
    says(nowhere("check-proof", proof, "--public-key", "my key"), 2, "no verifier key", "keygen")


@pytest.mark.parametrize(
    "arguments",
    [
        ["keygen", "--to", "new.key"],
        ["checkpoint", "--key", "orderledger.key"],
        ["prove", "2", "--key", "orderledger.key"],
        ["check-proof", "proof", "--public-key", "PUBLIC"],
    ],
)
def test_without_cryptography_signing_says_how_to_get_it(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    public = cli.ok("keygen").strip()
    save("proof", cli.ok("prove", "2"))
    for name in [name for name in sys.modules if name.partition(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    answer = cli(*[public if one == "PUBLIC" else one for one in arguments])
    says(answer, 2, "need the package cryptography", "pipx inject orderledger cryptography")
    assert not Path("new.key").exists()
    assert cli.ok("checkpoint")


def test_what_needs_no_signature_loads_no_cryptography() -> None:
    program = (
        "import sys, commands.main, commands.checkpoint, commands.prove, commands.check_proof, commands.keygen;"
        "import ledger.published, ledger.signing;"
        "sys.exit(bool({'duckdb', 'cryptography', 'pymerkle', 'rich'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
