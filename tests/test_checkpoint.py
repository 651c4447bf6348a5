"""Checkpoints: their text, to the byte, and that a ledger never publishes one which contradicts another."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.checkpoint import Checkpoint, Unproven, contradiction, parse
from ledger.errors import BadInput, Damaged, LedgerError, Locked, NotFound, StorageFailed, Usage
from ledger.merkle import EMPTY, Tree, leaf
from ledger.proof import Proof, check
from ledger.proof import parse as parse_proof
from ledger.published import Published
from ledger.segments import Snapshot
from ledger.signing import Signer, read_signer, read_verifier
from ledger.store import EventStore
from tests.test_store import FailingDisk, append, line, names, segment

ID = "0123456789abcdef" * 2
ORIGIN = f"orderledger/{ID}"
ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
SIGNATURE = "— witness.example/w1 Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurm"
PLAIN = f"{ORIGIN}\n42\n{ROOT}\n"
SIGNED = f"{PLAIN}\n{SIGNATURE}\n— a dGhlIGtleQ==\n"


# The text.


def test_a_checkpoint_is_three_lines_and_then_its_signatures() -> None:
    checkpoint = parse(SIGNED.encode(), "it")
    assert (checkpoint.origin, checkpoint.size, len(checkpoint.root)) == (ORIGIN, 42, 32)
    assert checkpoint.signatures == (SIGNATURE, "— a dGhlIGtleQ==")
    assert (checkpoint.body, checkpoint.text) == (PLAIN.encode(), SIGNED.encode())
    assert parse(PLAIN.encode(), "it").text == PLAIN.encode()


@given(
    st.integers(0, 10**12 - 1),
    st.binary(min_size=32, max_size=32),
    st.lists(st.sampled_from([SIGNATURE, "— a dGhlIGtleQ==", "— ключ dGhlIGtleQ=="])),
)
def test_every_checkpoint_is_read_as_it_was_written(size: int, root: bytes, signatures: list[str]) -> None:
    checkpoint = Checkpoint(ORIGIN, size, root, tuple(signatures))
    assert parse(checkpoint.text, "it") == checkpoint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (PLAIN, ""),
        (PLAIN, "\n"),
        ("\n42", ""),
        ("\n42", "\n"),
        (ROOT, f"{ROOT}\nmore"),
        (ORIGIN, "example.com/log"),
        (ORIGIN, "orderledger/"),
        (ORIGIN, f"{ORIGIN} "),
        (ORIGIN, f" {ORIGIN}"),
        (ORIGIN, f"{ORIGIN}+1"),
        (ORIGIN, "orderledger/é"),
        ("42", "042"),
        ("42", "+42"),
        ("42", "-42"),
        ("42", "4_2"),
        ("42", "42 "),
        ("42", "4.2"),
        ("42", "٤٢"),
        ("42", "x"),
        ("42", "1234567890123"),
        ("42", "9" * 5000),
        (ROOT, ""),
        (ROOT, ROOT[:-1]),
        (ROOT, ROOT[:-4]),
        (ROOT, f"AAAA{ROOT}"),
        (ROOT, ROOT.replace("I=", "J=")),
        (ROOT, ROOT.replace("/", "_")),
        (ROOT, f"{ROOT} "),
        (ROOT, ROOT.replace("C", "é")),
        ("\n", "\r\n"),
        ("\n\n", "\n\n\n"),
        ("\n\n", "\n"),
        ("dGhlIGtleQ==\n", "dGhlIGtleQ=="),
        ("dGhlIGtleQ==\n", "dGhlIGtleQ==\n\n"),
        ("dGhlIGtleQ==\n", "dGhlIGtleQ==\nmore\n"),
        (f"{SIGNATURE}\n— a dGhlIGtleQ==\n", ""),
        ("— a ", "- a "),
        ("— a ", "— "),
        ("— a ", "—  a "),
        ("— a ", "— a+b "),
        ("— a ", "— a  "),
        ("— a ", "— a\u00a0b "),
        ("— a ", "— a\u202eb "),
        ("— a ", "— a\tb "),
        ("— a ", "— a\x00 "),
        ("dGhlIGtleQ==", "dGhlIGtleR=="),
        ("dGhlIGtleQ==", "dGhlIGtleQ"),
        ("dGhlIGtleQ==", "AAAAAA=="),
        ("dGhlIGtleQ==", ""),
    ],
)
def test_whatever_is_written_otherwise_is_no_checkpoint(old: str, new: str) -> None:
    text = SIGNED if old in SIGNED and old != PLAIN else PLAIN
    assert old in text
    with pytest.raises(BadInput, match=r"letter\.txt is no checkpoint") as caught:
        parse(text.replace(old, new).encode(), "letter.txt")
    assert caught.value.why
    assert caught.value.hint


@pytest.mark.parametrize("text", [PLAIN.encode() + b"\xff\n", b"\x00" + PLAIN.encode(), PLAIN.encode("utf-16")])
def test_what_is_not_plain_text_is_no_checkpoint(text: bytes) -> None:
    with pytest.raises(BadInput):
        parse(text, "it")


def test_a_checkpoint_with_any_byte_changed_is_none_or_another() -> None:
    text = SIGNED.encode()
    for at in range(len(text)):
        for bit in range(8):
            changed = text[:at] + bytes([text[at] ^ 1 << bit]) + text[at + 1 :]
            try:
                assert parse(changed, "it") != parse(text, "it")
            except BadInput:
                continue


def test_a_log_contradicts_a_checkpoint_by_its_lines_or_by_their_number() -> None:
    tree = Tree([(0, 2), (0, 4)])
    tree.extend(leaf(line(seq)) for seq in (1, 2, 3))
    good = Checkpoint(ORIGIN, 2, tree.roots[0, 2])
    assert contradiction(good, tree) == ""
    assert "seq 1 to 2 are not those" in contradiction(Checkpoint(ORIGIN, 2, EMPTY), tree)
    assert "ends at seq 3, the checkpoint covers seq 1 to 4" in contradiction(Checkpoint(ORIGIN, 4, EMPTY), tree)


# Publishing.


@pytest.fixture
def disk() -> FailingDisk:
    return FailingDisk()


@pytest.fixture
def store(tmp_path: Path, disk: FailingDisk) -> EventStore:
    """A store with three lines, in segments of two."""
    for name in ("events", "checkpoints"):
        (tmp_path / name).mkdir()
    store = EventStore(tmp_path, segment_bytes=2 * len(line(1)), disk=disk)
    append(store, 1, 2)
    append(store, 3)
    return store


@pytest.fixture
def published(store: EventStore) -> Published:
    return Published(store, ID)


def root_of(*lines: bytes) -> bytes:
    tree = Tree()
    tree.extend(leaf(one[:-1]) for one in lines)
    return tree.root()


def kept(store: EventStore) -> dict[str, bytes]:
    folder = store.path / "checkpoints"
    return {name: (folder / name).read_bytes() for name in names(folder)}


def rewrite(store: EventStore, first_seq: int, content: bytes) -> None:
    segment(store, first_seq).chmod(0o600)
    segment(store, first_seq).write_bytes(content)


def test_what_is_published_covers_every_line_and_is_kept_under_its_size(
    store: EventStore, published: Published
) -> None:
    checkpoint = published.publish(wait=0)
    assert checkpoint == Checkpoint(ORIGIN, 3, root_of(line(1), line(2), line(3)))
    assert kept(store) == {"000000000003": checkpoint.text}
    assert (store.path / "checkpoints" / "000000000003").stat().st_mode & 0o777 == 0o600
    assert published.checkpoints() == {3: checkpoint}


def test_each_size_is_kept_and_a_size_is_published_once(
    store: EventStore, published: Published, disk: FailingDisk
) -> None:
    first = published.publish(wait=0)
    calls = disk.calls.copy()
    assert published.publish(wait=0) == first
    assert disk.calls == calls
    append(store, 4)
    second = published.publish(wait=0)
    assert second.size == 4
    assert published.checkpoints() == {3: first, 4: second}


def test_an_empty_log_has_a_head_too(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    store = EventStore(tmp_path)
    published = Published(store, ID)
    assert published.publish(wait=0) == Checkpoint(ORIGIN, 0, EMPTY)
    append(store, 1)
    assert published.publish(wait=0).size == 1
    assert list(kept(store)) == ["000000000000", "000000000001"]


def test_lines_of_a_killed_writer_are_synced_before_they_are_published(store: EventStore, disk: FailingDisk) -> None:
    append(EventStore(store.path), 4)
    disk.calls.clear()
    Published(store, ID).publish(wait=0)
    assert disk.calls == ["sync", "sync_folder", "write", "sync", "rename", "sync_folder"]


@pytest.mark.parametrize(
    ("first_seq", "content"),
    [
        (1, line(1, "another story") + line(2)),
        (1, line(1) + line(2, "another story")),
        (3, line(3, "another story")),
        (3, line(3, "another story") + line(4)),
    ],
)
def test_a_rewritten_log_is_noticed_and_not_published(
    store: EventStore, published: Published, first_seq: int, content: bytes
) -> None:
    published.publish(wait=0)
    before = kept(store)
    rewrite(store, first_seq, content)
    acts: list[Callable[[], object]] = [lambda: published.publish(wait=0), lambda: published.prove(2, wait=0)]
    for act in acts:
        with pytest.raises(Damaged, match="contradicts what was published: the lines seq 1 to 3") as caught:
            act()
        assert "checkpoints/000000000003" in caught.value.why
    assert kept(store) == before


def test_a_log_that_was_cut_is_noticed_and_not_published(store: EventStore, published: Published) -> None:
    published.publish(wait=0)
    segment(store, 3).unlink()
    told = "the log ends with seq 2, and a published checkpoint covers seq 1 to 3"
    with pytest.raises(Damaged, match=told):
        published.publish(wait=0)
    with pytest.raises(Damaged, match=told):
        append(store, 3)


def test_where_the_log_was_changed_is_said_as_near_as_checkpoints_tell(store: EventStore, published: Published) -> None:
    published.publish(wait=0)
    append(store, 4)
    published.publish(wait=0)
    append(store, 5)
    published.publish(wait=0)
    rewrite(store, 3, line(3) + line(4, "another story"))
    with pytest.raises(Damaged, match="seq 1 to 4") as caught:
        published.publish(wait=0)
    assert caught.value.why == "see checkpoints/000000000004; up to seq 3 all is as it was"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (line(1).replace(b"as ever", b"as Ever") + line(2), "seq 1 of the log is damaged"),
        (line(2) + line(2), "seq 1 of the log is damaged"),
    ],
)
def test_a_damaged_log_is_not_published(store: EventStore, published: Published, content: bytes, said: str) -> None:
    rewrite(store, 1, content)
    with pytest.raises(Damaged, match=said):
        published.publish(wait=0)
    assert kept(store) == {}


def test_a_log_with_a_segment_missing_is_not_published(store: EventStore, published: Published) -> None:
    append(store, 4)
    append(store, 5)
    segment(store, 3).unlink()
    with pytest.raises(Damaged, match="does not follow"):
        published.publish(wait=0)
    assert kept(store) == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("000000000002", b""),
        ("000000000002", PLAIN.encode()),
        ("000000000002", PLAIN.replace(ID, "f" * 32).replace("\n42\n", "\n2\n").encode()),
        ("000000000002", PLAIN.replace("\n42\n", "\n2\n").encode() + b"\n"),
    ],
)
def test_a_kept_checkpoint_that_was_changed_stops_publishing(
    store: EventStore, published: Published, name: str, text: bytes
) -> None:
    (store.path / "checkpoints" / name).write_bytes(text)
    with pytest.raises(Damaged, match=f"checkpoints/{name} is not what was published") as caught:
        published.publish(wait=0)
    assert caught.value.why
    assert list(kept(store)) == [name]


def test_a_kept_checkpoint_that_cannot_be_read_stops_publishing(store: EventStore, published: Published) -> None:
    (store.path / "checkpoints" / "000000000002").mkdir()
    with pytest.raises(Damaged, match="is not what was published"):
        published.publish(wait=0)


def test_other_files_beside_the_checkpoints_are_passed_over(store: EventStore, published: Published) -> None:
    for name in (".new", "notes.txt", "42"):
        (store.path / "checkpoints" / name).write_text("")
    assert published.publish(wait=0).size == 3


@pytest.mark.parametrize("call", ["write", "sync", "rename", "sync_folder"])
def test_a_checkpoint_that_is_not_on_disk_is_not_published(
    store: EventStore, published: Published, disk: FailingDisk, call: str
) -> None:
    disk.write_bytes_max = 10
    disk.fail(call, code=errno.ENOSPC)
    with pytest.raises(StorageFailed, match=os.strerror(errno.ENOSPC)) as caught:
        published.publish(wait=0)
    assert "not published" in caught.value.why
    assert ("000000000003" in kept(store)) == (call == "sync_folder")
    assert published.publish(wait=0).text == kept(store)["000000000003"]


def test_a_folder_that_takes_no_file_is_storage_that_failed(store: EventStore, published: Published) -> None:
    (store.path / "checkpoints" / ".new").mkdir()
    with pytest.raises(StorageFailed):
        published.publish(wait=0)


def test_the_lock_is_awaited_and_is_free_while_lines_are_hashed(
    store: EventStore, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EventStore(store.path).lock(0), pytest.raises(Locked):
        published.publish(wait=0)
    meanwhile(published, monkeypatch, lambda: append(EventStore(store.path), 4))
    assert published.publish(wait=0).size == 3
    assert published.publish(wait=0).size == 4


def meanwhile(published: Published, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let something be done once while the lines are hashed."""
    acts = [act]
    read = published._leaves

    def leaves(snapshot: Snapshot) -> Iterator[bytes]:
        yield from read(snapshot)
        while acts:
            acts.pop()()

    monkeypatch.setattr(published, "_leaves", leaves)


def test_what_another_publishes_meanwhile_is_compared_too(
    store: EventStore, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process publishes a smaller head after ours was begun: here one of another log."""
    made_up = Checkpoint(ORIGIN, 2, EMPTY)
    path = store.path / "checkpoints" / "000000000002"
    meanwhile(published, monkeypatch, lambda: path.write_bytes(made_up.text))
    with pytest.raises(Damaged, match="contradicts"):
        published.publish(wait=0)
    assert list(kept(store)) == ["000000000002"]


def test_a_log_that_is_cut_meanwhile_is_not_published_as_it_was(
    store: EventStore, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(published, monkeypatch, segment(store, 3).unlink)
    assert published.publish(wait=0).size == 2


# Proofs.


@pytest.mark.parametrize("seq", [1, 2, 3])
def test_a_proof_has_the_line_and_leads_to_a_published_checkpoint(
    store: EventStore, published: Published, seq: int
) -> None:
    proof = published.prove(seq, wait=0)
    assert (proof.line, proof.index) == (line(seq)[:-1], seq - 1)
    assert kept(store) == {"000000000003": proof.checkpoint.text}
    assert parse_proof(proof.text, "it") == proof
    check(proof, outside=published.publish(wait=0))


def test_an_older_checkpoint_can_be_led_to_as_well(store: EventStore, published: Published) -> None:
    older = published.publish(wait=0)
    append(store, 4)
    proof = published.prove_under(2, older, wait=0)
    check(proof, outside=older)
    assert list(kept(store)) == ["000000000003"]
    with pytest.raises(Unproven, match="another checkpoint") as caught:
        check(published.prove(2, wait=0), outside=older)
    assert "prove SEQ --checkpoint" in caught.value.hint
    with pytest.raises(NotFound, match="does not cover seq 4"):
        published.prove_under(4, older, wait=0)


def test_a_checkpoint_that_the_log_does_not_extend_is_not_led_to(store: EventStore, published: Published) -> None:
    older = published.publish(wait=0)
    for other, said in (
        (Checkpoint(ORIGIN, 3, EMPTY), "not those"),
        (Checkpoint(ORIGIN, 4, older.root), "ends at seq 3"),
    ):
        with pytest.raises(Unproven, match="does not extend") as caught:
            published.prove_under(1, other, wait=0)
        assert said in caught.value.why
    with pytest.raises(Usage, match="another ledger"):
        published.prove_under(1, Checkpoint("orderledger/x", 3, older.root), wait=0)
    assert len(kept(store)) == 1


def test_a_seq_that_is_not_there_publishes_nothing(store: EventStore, published: Published) -> None:
    with pytest.raises(NotFound, match="no such seq: 4"):
        published.prove(4, wait=0)
    assert kept(store) == {}


@pytest.fixture
def proof(published: Published) -> Proof:
    return published.prove(2, wait=0)


def test_a_proof_with_any_byte_changed_is_none_or_does_not_hold(proof: Proof) -> None:
    text = proof.text
    for at in range(len(text)):
        for bit in range(8):
            changed = text[:at] + bytes([text[at] ^ 1 << bit]) + text[at + 1 :]
            with pytest.raises((BadInput, Unproven)):
                check(parse_proof(changed, "it"), outside=proof.checkpoint)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"@v1", b"@v2"),
        (b"extra ", b"Extra "),
        (b"extra ", b"extra  "),
        (b"index 1", b"index 01"),
        (b"index 1", b"index -1"),
        (b"index 1", b"index "),
        (b"index 1", b"index x"),
        (b"index 1\n", b""),
        (b"index 1", b"index 1234567890123"),
        (b"index 1\n", b"index 1\nAAAA\n"),
        (b"index 1\n", b"index 1\nno base64\n"),
        (b"index 1\n", b"index 1\n\n"),
        (b"\n\n", b"\n"),
        (b"\n", b"\r\n"),
        (b"orderledger/", b"example.com/"),
    ],
)
def test_whatever_is_written_otherwise_is_no_proof(proof: Proof, old: bytes, new: bytes) -> None:
    assert old in proof.text
    with pytest.raises(BadInput, match=r"letter\.txt is no") as caught:
        parse_proof(proof.text.replace(old, new), "letter.txt")
    assert caught.value.why


def test_a_proof_without_its_line_or_cut_short_is_none(proof: Proof) -> None:
    head, _, rest = proof.text.partition(b"\nindex")
    for text in (head.split(b"\n")[0] + b"\nindex" + rest, b"", head, proof.text[:-1], proof.checkpoint.text):
        with pytest.raises(BadInput):
            parse_proof(text, "it")


@pytest.mark.parametrize(("extra", "said"), [(b"two\nlines", "several lines"), (b"\xff", "not UTF-8")])
def test_what_is_not_one_line_of_text_is_no_line(proof: Proof, extra: bytes, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_proof(Proof(extra, 1, proof.hashes, proof.checkpoint).text, "it")
    assert said in caught.value.why


def test_a_line_in_another_place_than_its_seq_says_does_not_hold() -> None:
    """Two lines that both say seq 1 could otherwise be shown to two people under one checkpoint."""
    first, second = line(1)[:-1], line(1, "another story")[:-1]
    checkpoint = Checkpoint(ORIGIN, 2, root_of(line(1), line(1, "another story")))
    check(Proof(first, 0, (leaf(second),), checkpoint))
    with pytest.raises(Unproven) as caught:
        check(Proof(second, 1, (leaf(first),), checkpoint))
    assert "does not begin with seq 2" in caught.value.why


def test_a_checkpoint_from_outside_has_to_be_the_same(proof: Proof) -> None:
    own = proof.checkpoint
    for other, said in (
        (Checkpoint("orderledger/x", own.size, own.root), "another ledger"),
        (Checkpoint(own.origin, own.size + 1, own.root), "another checkpoint"),
        (Checkpoint(own.origin, own.size, EMPTY), "contradicts"),
    ):
        with pytest.raises(Unproven, match=said):
            check(proof, outside=other)


# Signatures.

# The example of golang.org/x/mod/sumdb/note: a private key, the public one, a text and its signature.
GO_PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_SIGNATURE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)


def test_keys_and_signatures_are_those_of_the_reference_implementation() -> None:
    signer = read_signer(GO_PRIVATE, "it")
    assert (signer.text, signer.verifier.text) == (GO_PRIVATE, GO_PUBLIC)
    assert read_verifier(GO_PUBLIC) == signer.verifier
    assert signer.signature(GO_TEXT) == GO_SIGNATURE


@pytest.mark.parametrize(
    ("read", "good"), [(read_verifier, GO_PUBLIC), (lambda text: read_signer(text, "it"), GO_PRIVATE)]
)
def test_a_key_with_anything_changed_is_none(read: Callable[[str], object], good: str) -> None:
    others = [good[:start] for start in range(len(good))] + [good[start:] for start in range(1, len(good))]
    others += [good[:at] + chr(ord(good[at]) ^ 1) + good[at + 1 :] for at in range(len(good))]
    others += [f"{good}\n", f"{good}=", GO_PUBLIC.replace("+c74f20a3+A", "+173116ae+Z"), "++", "é+é+é"]
    for text in others:
        with pytest.raises((BadInput, Usage)):
            read(text)


def signer_of(origin: str = ORIGIN, secret: bytes = b"s" * 32) -> Signer:
    return Signer(origin, secret)


def test_a_signature_is_kept_and_one_of_another_key_stands_beside_it(store: EventStore, published: Published) -> None:
    plain = published.publish(wait=0)
    one, two = signer_of(), signer_of(secret=b"t" * 32)
    assert one.verifier.problem(plain) == "it bears no signature of this key"
    published.publish(wait=0, signer=one)
    both = published.publish(wait=0, signer=two)
    assert (one.verifier.problem(both), two.verifier.problem(both)) == ("", "")
    assert published.publish(wait=0, signer=one).text == kept(store)["000000000003"]
    assert len(published.publish(wait=0).signatures) == 2
    assert published.prove(1, wait=0).checkpoint.signatures == published.checkpoints()[3].signatures


def test_a_key_of_another_ledger_signs_nothing(store: EventStore, published: Published) -> None:
    with pytest.raises(Usage, match="not this ledger's"):
        published.publish(wait=0, signer=signer_of("orderledger/x"))
    assert kept(store) == {}


def test_a_signature_counts_for_its_key_and_its_text_only(published: Published) -> None:
    signer = signer_of()
    good = published.publish(wait=0, signer=signer)
    other = Checkpoint(good.origin, good.size, EMPTY, good.signatures)
    assert "another text" in signer.verifier.problem(other)
    assert "no signature" in signer_of(secret=b"t" * 32).verifier.problem(good)
    assert "the key is of orderledger/x" in signer_of("orderledger/x").verifier.problem(good)


def test_one_bad_signature_of_a_key_spoils_the_good_one(published: Published) -> None:
    signer = signer_of()
    good = published.publish(wait=0, signer=signer)
    bad = signer.sign(Checkpoint(good.origin, good.size, EMPTY)).signatures
    assert signer.verifier.problem(Checkpoint(good.origin, good.size, good.root, good.signatures + bad))


def test_a_proof_may_be_asked_for_a_signature_that_the_outside_checkpoint_has(published: Published) -> None:
    signer = signer_of()
    proof = published.prove(2, wait=0)
    with pytest.raises(Unproven, match="not signed with the key given"):
        check(proof, key=signer.verifier)
    signed = published.publish(wait=0, signer=signer)
    check(proof, key=signer.verifier, outside=signed)
    check(published.prove(2, wait=0), key=signer.verifier)


def test_errors_have_the_exit_codes_of_the_contract() -> None:
    expected: dict[type[LedgerError], int] = {Unproven: 1, NotFound: 1, Usage: 2, BadInput: 4, Damaged: 5}
    assert {error: error.exit_code for error in expected} == expected
