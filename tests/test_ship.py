"""Shipping: a place has what the ledger has, whole or not at all, and questions about it have the same answers."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from errno import EPERM
from hashlib import sha256
from pathlib import Path

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from benchmarks.generate import facts
from ledger import scan, shipment
from ledger.disk import LogFile
from ledger.errors import Damaged
from tests.running import Answer, Cli

NOW = ("--now", "2026-06-01")
AUDIT = ("audit", "overdue-orders", *NOW)


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what is fetched in a folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kept"))
    return tmp_path / "kept" / "orderledger"


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """An object store on this machine; give its bucket's URL."""
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AWS_ACCESS_KEY_ID", "none")
        patched.setenv("AWS_SECRET_ACCESS_KEY", "none")
        patched.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patched.setenv("AWS_ENDPOINT_URL_S3", f"http://{host}:{port}")
        fsspec.filesystem("s3").mkdir("orders")
        yield "s3://orders"
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where to ship to."""
    if request.param == "folder":
        return str(tmp_path / "shipped" / "eu")
    return f"{request.getfixturevalue('store')}/{tmp_path.name}/eu"


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """A ledger of several segments."""
    found = Cli(tmp_path / "ledger", capsys)
    found.ok("init")
    config = found.ledger / "ledger.toml"
    config.write_text(config.read_text().replace("67108864", "20000"))
    add(found, 0, 150)
    add(found, 150, 300)
    return found


def add(cli: Cli, first: int, end: int) -> None:
    """Import some of the generated facts."""
    feed = cli.ledger.parent / "feed.jsonl"
    feed.write_text("".join(f"{fact}\n" for fact in list(facts(300, 1))[first:end]))
    cli.ok("import", str(feed))


def of(cli: Cli, place: str, *arguments: str) -> Answer:
    """Ask what was shipped to a place."""
    return Cli(place, cli._capsys)(*arguments)  # type: ignore[arg-type]


def names(place: str) -> set[str]:
    """What lies in a place."""
    fs, root = fsspec.url_to_fs(place)
    fs.invalidate_cache()
    return {path.removeprefix(root.rstrip("/") + "/") for path in fs.find(root)}


def test_what_was_shipped_answers_like_the_ledger(cli: Cli, place: str) -> None:
    told = cli.ok("ship", place)
    assert told.startswith(f"300 events are in {place}: ")
    for question in (AUDIT, ("list", *NOW), ("money",), ("sql", "SELECT * FROM events ORDER BY seq")):
        assert of(cli, place, *question) == cli(*question)


def test_it_is_read_beside_other_ledgers(cli: Cli, place: str, tmp_path: Path) -> None:
    cli.ok("ship", place)
    other = Cli(tmp_path / "us", cli._capsys)
    other.ok("init")
    other.ok("record", "placed", "A1", "--seller", "s1", "--amount", "1", "--currency", "USD", "--at", "2024-01-01")
    query = "SELECT ledger, count(*) AS events FROM events GROUP BY ledger ORDER BY ledger"
    assert Cli(place, cli._capsys)("--ledger", str(other.ledger), "sql", query).out == "ledger,events\neu,300\nus,1\n"  # type: ignore[arg-type]
    both = Cli(place, cli._capsys)("--ledger", str(cli.ledger), "list")  # type: ignore[arg-type]
    assert (both.code, both.err.splitlines()[0]) == (2, "error: eu and ledger are the same ledger")


def test_a_pattern_finds_what_was_shipped(cli: Cli, place: str) -> None:
    cli.ok("ship", place)
    pattern = place.rpartition("/")[0] + "/*"
    assert of(cli, pattern, *AUDIT) == cli(*AUDIT)


def test_only_what_is_new_is_copied(cli: Cli, place: str) -> None:
    placed = ("record", "placed", "--seller", "s1", "--amount", "1", "--currency", "USD")
    cli.ok(*placed, "A0")
    cli.ok("ship", place)
    before = names(place)
    assert cli.ok("ship", place).split(": ")[1].startswith("0 files copied")
    assert names(place) == before
    cli.ok(*placed, "A1")
    assert ": 1 file copied" in cli.ok("ship", place)
    [new], [old] = names(place) - before, before - names(place)
    assert new.split("-")[0] == old.split("-")[0] == "lines/" + max((cli.ledger / "events").iterdir()).stem


def test_one_that_was_stopped_is_gone_on_with(cli: Cli, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from queries.places import Place

    put = Place.put
    done: list[str] = []

    def stopped(self: Place, path: Path, file: shipment.Shipped) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(file.name)
        put(self, path, file)

    monkeypatch.setattr(Place, "put", stopped)
    assert cli("ship", place).code == 130
    assert of(cli, place, "list").code == 5
    monkeypatch.setattr(Place, "put", put)
    cli.ok("ship", place)
    assert of(cli, place, *AUDIT) == cli(*AUDIT)


def test_each_file_is_what_the_manifest_says(cli: Cli, place: str) -> None:
    cli.ok("checkpoint")
    cli.ok("ship", place)
    fs, root = fsspec.url_to_fs(place)
    found = shipment.decode(fs.cat_file(f"{root}/{shipment.MANIFEST}"), place)
    assert names(place) == {shipment.MANIFEST, *(file.name for file in found.files)}
    assert "checkpoints/000000000300" in names(place)
    lines = b"".join(fs.cat_file(f"{root}/{file.name}") for file in found.files if file.kind == "lines")
    assert lines == b"".join(path.read_bytes() for path in sorted((cli.ledger / "events").iterdir()))


def test_bytes_that_changed_there_are_not_read(cli: Cli, place: str, kept: Path) -> None:
    cli.ok("ship", place)
    [name] = {name for name in names(place) if "-" in name and name.startswith("lines/")}
    fs, root = fsspec.url_to_fs(place)
    fs.pipe_file(f"{root}/{name}", fs.cat_file(f"{root}/{name}").replace(b"USD", b"EUR"))
    answer = of(cli, place, "list")
    assert (answer.code, answer.out) == (5, "")
    assert answer.err == (
        f"error: {place} has another {name}\nwhy: its bytes are not those that were shipped\n"
        "hint: remove it there, and `orderledger ship` brings it again\n"
    )
    assert not any(path.suffix == ".jsonl" for path in kept.iterdir())
    cli.ok("record", "placed", "A1", "--seller", "s1", "--amount", "1", "--currency", "USD", "--at", "2026-01-01")
    cli.ok("ship", place)
    assert of(cli, place, *AUDIT) == cli(*AUDIT)


def test_a_file_that_is_gone_there_is_told_and_brought_again(cli: Cli, place: str) -> None:
    cli.ok("ship", place)
    name = min(name for name in names(place) if name.startswith("columns/"))
    fs, root = fsspec.url_to_fs(place)
    fs.rm_file(f"{root}/{name}")
    answer = of(cli, place, "list")
    assert (answer.code, answer.out) == (5, "")
    assert answer.err.startswith(f"error: {place} has no {name}\n")
    assert ": 1 file copied" in cli.ok("ship", place)
    assert of(cli, place, *AUDIT) == cli(*AUDIT)


def rewritten(place: Path, **changes: object) -> None:
    """Change what the manifest of a place says."""
    manifest = place / shipment.MANIFEST
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))


def test_a_manifest_that_leaves_lines_out_is_told(cli: Cli, tmp_path: Path) -> None:
    place = tmp_path / "eu"
    cli.ok("ship", str(place))
    files = json.loads((place / shipment.MANIFEST).read_text())["files"]
    newest = max(file["first_seq"] for file in files)
    for left in ([file for file in files if file["first_seq"] != newest], []):
        rewritten(place, files=left)
        answer = of(cli, str(place), "money")
        assert (answer.code, answer.out) == (5, "")
        assert answer.err.startswith("error: lines of the ledger are missing, or there twice\nwhy: it has ")
        assert answer.err.endswith("hint: 300 were shipped; ship it again\n")


def test_a_damaged_line_is_not_shipped(cli: Cli, tmp_path: Path) -> None:
    segment = max((cli.ledger / "events").iterdir())
    segment.write_bytes(segment.read_bytes().replace(b'"seller":"', b'"seller":"x', 1))
    answer = cli("ship", str(tmp_path / "place"))
    assert (answer.code, answer.out) == (5, "")
    assert answer.err.startswith("error: a line of the log is damaged\n")
    assert not (tmp_path / "place" / shipment.MANIFEST).exists()


def test_lines_that_cannot_be_told_apart_are_not_shipped(cli: Cli, tmp_path: Path) -> None:
    first = min((cli.ledger / "events").iterdir())
    content = first.read_bytes()
    first.chmod(0o600)
    first.write_bytes(content[:-1] + b" ")
    with pytest.raises(Damaged, match="is damaged"):
        scan.check(LogFile(1, first, len(content)))
    answer = cli("ship", str(tmp_path / "place"))
    assert (answer.code, answer.out) == (5, "")
    assert not (tmp_path / "place" / shipment.MANIFEST).exists()


def test_a_shipped_line_that_is_none_is_told(cli: Cli, tmp_path: Path) -> None:
    place = tmp_path / "eu"
    cli.ok("ship", str(place))
    files = json.loads((place / shipment.MANIFEST).read_text())["files"]
    for file in files:
        if "-" in file["name"] and file["kind"] == "lines":
            content = (place / file["name"]).read_bytes().replace(b'"amount":"', b'"amount":#', 1)
            (place / file["name"]).write_bytes(content)
            file["sha256"] = sha256(content).hexdigest()
    rewritten(place, files=files)
    for question in (["money"], ["list"], ["sql", "SELECT max(amount) AS most FROM events"], [*AUDIT]):
        answer = of(cli, str(place), *question)
        assert (answer.code, answer.out) == (5, "")
        assert answer.err.startswith(f"error: what was shipped to {place} cannot be read\n")


def test_a_copy_that_went_another_way_takes_nothing_away(cli: Cli, place: str, tmp_path: Path) -> None:
    shutil.copytree(cli.ledger, tmp_path / "copy")
    copy = Cli(tmp_path / "copy", cli._capsys)
    placed = ("record", "placed", "--seller", "s1", "--amount", "1", "--currency", "USD", "--at", "2026-01-01")
    cli.ok(*placed, "A1")
    cli.ok("ship", place)
    before = names(place)
    for order in ("B1", "B2"):
        copy.ok(*placed, order)
    answer = copy("ship", place)
    assert (answer.code, answer.out) == (5, "")
    assert answer.err.startswith(f"error: {place} has what this ledger has not\nwhy: lines/")
    assert names(place) == before
    cli.ok(*placed, "A2")
    cli.ok("ship", place)


def test_a_manifest_that_cannot_be_written_is_told(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "eu"
    cli.ok("ship", str(place))
    before = names(str(place))
    replace = Path.replace

    def refused(self: Path, target: Path) -> Path:
        if target.name == shipment.MANIFEST:
            raise PermissionError(EPERM, "it is not to be changed", str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refused)
    cli.ok("record", "placed", "A1", "--seller", "s1", "--amount", "1", "--currency", "USD", "--at", "2026-01-01")
    answer = cli("ship", str(place))
    assert (answer.code, answer.out) == (7, "")
    assert before < names(str(place))
    assert not list(place.rglob("*.tmp"))
    assert of(cli, str(place), "sql", "SELECT count(*) AS n FROM events").out == "n\n300\n"


def test_what_is_in_the_way_of_a_file_is_not_waited_for(cli: Cli, tmp_path: Path, kept: Path) -> None:
    place = tmp_path / "eu"
    cli.ok("ship", str(place))
    right = cli(*AUDIT)
    assert of(cli, str(place), *AUDIT) == right
    copy = min((cli.ledger / "cache").glob("*.parquet"))
    for path in (copy, min(kept.glob("*.parquet"))):
        path.unlink()
        os.mkfifo(path)
    assert cli(*AUDIT) == right
    assert of(cli, str(place), *AUDIT) == right
    (place / shipment.MANIFEST).unlink()
    os.mkfifo(place / shipment.MANIFEST)
    for answer in (of(cli, str(place), *AUDIT), cli("ship", str(place))):
        assert (answer.code, answer.out) == (7, "")
        assert "it is no plain file" in answer.err


def test_a_ledger_is_no_place_to_ship_to(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Cli(tmp_path / "other", cli._capsys)
    other.ok("init")
    monkeypatch.chdir(tmp_path)
    for place in (str(cli.ledger), str(other.ledger), f"{other.ledger}/cache/eu", "other"):
        answer = cli("ship", place)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.startswith(f"error: {tmp_path}/")
        assert "what is shipped would be taken for what is written there" in answer.err
    assert not (other.ledger / shipment.MANIFEST).exists()


def test_what_lies_in_a_ledger_is_not_taken_for_it(cli: Cli, tmp_path: Path) -> None:
    cli.ok("ship", str(tmp_path / "place"))
    shutil.copytree(tmp_path / "place", cli.ledger, dirs_exist_ok=True)
    cli.ok("record", "placed", "A1", "--seller", "s1", "--amount", "1", "--currency", "USD", "--at", "2026-01-01")
    assert cli.ok("sql", "SELECT count(*) AS n FROM events") == "n\n301\n"


@pytest.mark.parametrize("verb", [["show", "A1"], ["verify"], ["ship", "there"], ["export", "facts"]])
def test_what_reads_the_ledger_itself_says_so(cli: Cli, place: str, verb: list[str]) -> None:
    cli.ok("ship", place)
    answer = of(cli, place, *verb)
    assert (answer.code, answer.out) == (2, "")
    what = f"error: `{verb[0]}` reads a ledger itself, and {place} is what was shipped of one\n"
    assert answer.err == f"{what}hint: list, money, audit and sql read that\n"
    assert f"and {place}/* is a pattern" in of(cli, f"{place}/*", *verb).err


def test_what_was_fetched_is_not_fetched_again(cli: Cli, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from queries.places import Place

    cli.ok("ship", place)
    due = of(cli, place, *AUDIT)
    monkeypatch.setattr(Place, "fetch", None)
    assert of(cli, place, *AUDIT) == due


def test_what_was_fetched_and_changed_since_is_fetched_again(cli: Cli, place: str, kept: Path) -> None:
    cli.ok("ship", place)
    due = of(cli, place, *AUDIT)
    for path in kept.glob("*.jsonl"):
        path.write_bytes(path.read_bytes().replace(b"USD", b"EUR"))
    assert of(cli, place, *AUDIT) == due


def test_a_place_has_one_ledger(cli: Cli, place: str, tmp_path: Path) -> None:
    cli.ok("ship", place)
    other = Cli(tmp_path / "us", cli._capsys)
    other.ok("init")
    answer = other("ship", place)
    assert (answer.code, answer.err.splitlines()[0]) == (2, f"error: {place} has another ledger")


def test_a_ledger_that_lost_events_takes_none_away(cli: Cli, place: str, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(cli.ledger, older)
    cli.ok("record", "placed", "A1", "--seller", "s1", "--amount", "1", "--currency", "USD")
    cli.ok("ship", place)
    before = names(place)
    answer = Cli(older, cli._capsys)("ship", place)
    assert (answer.code, answer.err.splitlines()[0]) == (5, f"error: {place} has what this ledger has not")
    assert names(place) == before


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"{", "is no shipped ledger"),
        (json.dumps({"format": 0, "ledger": "x", "events": 0, "files": []}).encode(), "is no shipped ledger"),
        (json.dumps({"format": 2, "ledger": "x", "events": 0, "files": []}).encode(), "was shipped by a newer"),
        (
            json.dumps(
                {
                    "format": 1,
                    "ledger": "x",
                    "events": 0,
                    "files": [{"name": "../../x", "kind": "lines", "size": 0, "sha256": "0" * 64}],
                }
            ).encode(),
            "is no shipped ledger",
        ),
    ],
)
def test_a_manifest_that_is_none_is_told(cli: Cli, tmp_path: Path, content: bytes, what: str) -> None:
    place = tmp_path / "there"
    place.mkdir()
    (place / shipment.MANIFEST).write_bytes(content)
    for answer in (of(cli, str(place), "list"), cli("ship", str(place))):
        assert answer.code == 5
        assert answer.err.startswith(f"error: {place} {what}")


@pytest.mark.parametrize(
    ("place", "code", "words"),
    [
        ("nowhere://x/y", 2, "is no place"),
        ("gs://x/y", 2, "cannot be reached"),
        ("http://127.0.0.1:1/x", 2, "does not take"),
        ("s3://no-such-bucket-of-orders/eu", 7, "does not take"),
        ("/dev/null/eu", 7, "cannot be read"),
    ],
)
def test_a_place_that_cannot_be_is_told(cli: Cli, store: str, place: str, code: int, words: str) -> None:
    answer = cli("ship", place)
    assert (answer.code, answer.out) == (code, "")
    assert answer.err.startswith(f"error: {place} {words}")
    assert answer.err.count("\n") <= 3


@pytest.mark.parametrize("place", ["", "s3://", "s3:///", "eu::x"])
def test_a_place_that_is_none_is_told(cli: Cli, store: str, place: str) -> None:
    answer = cli("ship", place)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"error: {place!r} names no place\n")


def test_a_file_that_became_shorter_has_no_digest(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"abc")
    assert shipment.digest(path, 2) == sha256(b"ab").hexdigest()
    with pytest.raises(OSError, match="became shorter"):
        shipment.digest(path, 4)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--engine", "spark"], "--engine spark needs a server"),
        (["--connect", "sc://127.0.0.1:1"], "--connect is for another engine"),
        (["--engine", "spark", "--connect", "sc://127.0.0.1:1"], "--engine spark needs the extra spark"),
    ],
)
@pytest.mark.parametrize(
    "verb", [["list"], ["money"], ["audit", "retractions"], ["sql", "SELECT 1 AS one"]], ids=" ".join
)
def test_a_cluster_needs_an_address_and_a_client(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: list[str], options: list[str], said: str
) -> None:
    cli.ok("ship", str(tmp_path / "place"))
    monkeypatch.setitem(sys.modules, "grpc", None)
    answer = of(cli, str(tmp_path / "place"), *verb, *options)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"error: {said}")
