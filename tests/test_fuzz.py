"""Foreign bytes give a value or a clear error, whatever they are; an import takes hostile text to the letter."""

import json
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.formats.facts import Reject
from tests import scenario as s
from tests.fuzzing.mutating import mutated
from tests.fuzzing.seeds import FACTS, SEEDS, WORDS
from tests.fuzzing.targets import NOW, TARGETS, fact, imported
from tests.running import Cli

DEAR = {
    "imported": 20,
    "foreign": 150,
    "statement": 150,
    "table": 20,
    "mapping": 15,
    "sql": 40,
    "audit": 40,
    "options": 30,
    "config": 150,
}
"""So many tries of targets that take milliseconds; the others get CHEAP ones."""
CHEAP = 500

PLACED = {
    "type": "placed",
    "order_id": "81",
    "occurred_at": "2026-01-01T00:00:00Z",
    "seller": "s",
    "amount": "5.00",
    "currency": "USD",
}
NOTED = {"type": "noted", "order_id": "81", "occurred_at": "2026-01-02T00:00:00Z"}


@pytest.mark.parametrize("name", TARGETS)
def test_what_the_fuzzer_begins_from_is_well(name: str) -> None:
    for seed in SEEDS[name]:
        TARGETS[name](seed)


@pytest.mark.parametrize("name", TARGETS)
def test_wounded_input_gives_a_value_or_a_clear_error(name: str) -> None:
    random = Random(name)
    for _ in range(DEAR.get(name, CHEAP)):
        data = mutated(random, random.choice(SEEDS[name]))
        try:
            TARGETS[name](data)
        except Exception as error:
            error.add_note(f"{name}: {data!r}")
            raise


@pytest.mark.parametrize("name", sorted((TARGETS.keys() - DEAR.keys()) | {"foreign", "statement"}))
@given(data=st.binary(max_size=300))
@settings(max_examples=50)
def test_any_bytes_give_a_value_or_a_clear_error(name: str, data: bytes) -> None:
    TARGETS[name](data)


TEXTS = st.sampled_from([word.decode("utf-8", "replace") for word in WORDS]) | st.text(max_size=20)
LEAVES = st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | TEXTS | st.just("\ud800")
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)
NAMES = st.sampled_from([*PLACED, "actor", "fact_id", "note", "items", "pay_by", "days", "retracts", "attachments"])


@st.composite
def hostile_facts(draw: st.DrawFn) -> bytes:
    """A fact with fields left out, renamed, repeated, and of values that they cannot have; not always JSON any more."""
    fields: dict[str, Any] = json.loads(draw(st.sampled_from(FACTS)))
    pairs = list(fields.items())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(pairs)))
        new = draw(st.tuples(NAMES | TEXTS, VALUES))
        pairs[at : at + draw(st.integers(0, 1))] = draw(
            st.sampled_from([[], [new], [new, new], pairs[at : at + 1] * 2])
        )
    ascii_only = draw(st.booleans())
    inner = ",".join(f"{_json(name, ascii_only)}:{_json(value, ascii_only)}" for name, value in pairs)
    end = draw(st.sampled_from(["}", "}", "}", "}", "", "}}", "}\r", "},", "}{}", "} "]))
    return f"{{{inner}{end}".encode("utf-8", "surrogatepass")


def _json(value: Any, ascii_only: bool) -> str:
    return json.dumps(value, ensure_ascii=ascii_only)


@given(data=hostile_facts())
@settings(max_examples=100)
def test_a_hostile_fact_is_taken_to_the_letter_or_refused(data: bytes) -> None:
    fact(data)


@given(data=st.lists(hostile_facts() | st.sampled_from(FACTS), min_size=1, max_size=6))
@settings(max_examples=25)
def test_a_file_of_hostile_facts_is_answered_line_by_line(data: list[bytes]) -> None:
    imported(b"\xef\xbb\xbf" + b"\n".join(data))


TAKEN: dict[str, str] = {
    "escape sequences": "\x1b[2J\x1b]0;title\x07",
    "bidi characters": "\u202eevil\u2066",
    "markup": "[red]x[/] [link=http://x]y[/link]",
    "a formula": '=HYPERLINK("http://x")',
    "line ends": "a\r\nb\u2028c",
    "combining marks": "e\u0301" * 500,
    "a place outside the basic plane": "\U0001f4a3",
    "a noncharacter": "\uffff\ufffe",
    "almost a mebibyte": "x" * ((1 << 20) - 200),
}

WORDS_OF_RULES: dict[str, tuple[dict[str, Any] | bytes, str]] = {
    "NUL": (NOTED | {"text": "a\0b"}, "F"),
    "NUL in a list": (NOTED | {"attachments": [{"name": "\0", "sha256": "0" * 64}]}, "F"),
    "half a surrogate pair": (NOTED | {"text": "\ud800"}, "F"),
    "bytes that are no UTF-8": (msgspec.json.encode(NOTED | {"text": "x"}).replace(b"x", b"\xff"), "F"),
    "an overlong NUL": (msgspec.json.encode(NOTED | {"text": "x"}).replace(b"x", b"\xc0\x80"), "F"),
    "a raw control character": (msgspec.json.encode(NOTED | {"text": "x"}).replace(b"x", b"\x1b"), "F"),
    "a mebibyte and a byte": (msgspec.json.encode(NOTED | {"text": "x" * (1 << 20)}), "F"),
    "an amount that is a number": (PLACED | {"order_id": "2", "amount": 5}, "F"),
    "an amount that is no number": (
        b'{"type":"paid","order_id":"81","occurred_at":"2026-01-02T00:00:00Z","amount":NaN}',
        "F",
    ),
    "an amount in exponents": (NOTED | {"type": "paid", "amount": "1e999"}, "F"),
    "an amount in Arabic digits": (NOTED | {"type": "paid", "amount": "\u0661"}, "F"),
    "an amount of 401 digits": (NOTED | {"type": "paid", "amount": "1" * 401}, "R11"),
    "a number of 401 digits": (NOTED | {"type": "retracted", "retracts": 10**400, "why": "x"}, "R23"),
    "a number above 64 bits": (NOTED | {"type": "protection-extended", "days": 2**64}, "F"),
    "a line end in an id": (PLACED | {"order_id": "8\n1"}, "F"),
    "a line separator in an id": (PLACED | {"order_id": "8\u20281"}, "F"),
    "a long id": (PLACED | {"order_id": "8" * 129}, "F"),
    "an empty id": (PLACED | {"order_id": ""}, "F"),
    "the year 10000": (NOTED | {"occurred_at": "10000-01-01T00:00:00Z"}, "F"),
    "the year 0": (NOTED | {"occurred_at": "0000-01-01T00:00:00Z"}, "F"),
    "before the calendar begins in UTC": (NOTED | {"occurred_at": "0001-01-01T00:00:00+23:59"}, "F"),
    "after the calendar ends in UTC": (NOTED | {"occurred_at": "9999-12-31T23:59:59-23:59"}, "F"),
    "the last instant there is": (NOTED | {"occurred_at": "9999-12-31T23:59:59.999999Z"}, "R9"),
    "brackets, very deep": (b'{"type":"noted","order_id":"81","text":' + b"[" * 100_000, "F"),
    "objects, very deep": (b'{"x":' * 100_000, "F"),
    "deep in a field": (NOTED | {"text": json.loads("[" * 40 + "]" * 40)}, "F"),
    "two facts": (msgspec.json.encode(NOTED) * 2, "F"),
    "a second mark of byte order": (b"\xef\xbb\xbf" + msgspec.json.encode(NOTED), "F"),
    "UTF-16": (json.dumps(NOTED).encode("utf-16-le").replace(b"\n", b""), "F"),
}


def _line(fields: dict[str, Any] | bytes) -> bytes:
    return fields if isinstance(fields, bytes) else json.dumps(fields).encode()


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    made = Cli(tmp_path / "ledger", capsys)
    made.ok("init")
    return made


def test_hostile_text_is_kept_to_the_letter(cli: Cli, tmp_path: Path) -> None:
    source = tmp_path / "log.jsonl"
    told = [NOTED | {"text": text, "fact_id": name} for name, text in TAKEN.items()]
    source.write_bytes(b"\r\n".join(map(_line, [PLACED, *told])))
    assert json.loads(cli.ok("import", str(source), "-o", "json"))["recorded"] == len(told) + 1
    found = [
        json.loads(line)["event"]["text"]
        for line in cli.ok("log", "--type", "noted", "-o", "jsonl").rstrip("\n").split("\n")
    ]
    assert found == list(TAKEN.values())
    assert json.loads(cli.ok("verify", "-o", "json"))["ok"]


def test_hostile_lines_are_refused_each_by_its_rule_and_kept_to_the_byte(cli: Cli, tmp_path: Path) -> None:
    source = tmp_path / "log.jsonl"
    lines = [_line(fields) for fields, _ in WORDS_OF_RULES.values()]
    source.write_bytes(b"\n".join([_line(PLACED), *lines]))
    answer = cli("import", str(source), "-o", "json")
    counts = json.loads(answer.out)
    rejects = [msgspec.json.decode(line, type=Reject) for line in Path(counts["rejects"]).read_bytes().splitlines()]
    assert answer.code == 4
    assert [(name, reject.rule) for name, reject in zip(WORDS_OF_RULES, rejects, strict=True)] == [
        (name, rule) for name, (_, rule) in WORDS_OF_RULES.items()
    ]
    assert [reject.raw if reject.text is None else reject.text.encode() for reject in rejects] == lines
    assert (counts["read"], counts["recorded"]) == (len(lines) + 1, 1)
    again = json.loads(cli("import", counts["rejects"], "-o", "json").out)
    assert (again["read"], again["refused"]) == (len(lines), len(lines))


def test_the_length_of_a_line_is_limited_to_the_byte(cli: Cli, tmp_path: Path) -> None:
    source = tmp_path / "log.jsonl"
    room = (1 << 20) - len(_line(NOTED | {"text": ""}))
    source.write_bytes(b"\n".join(map(_line, [PLACED, *(NOTED | {"text": "x" * (room + more)} for more in (0, 1))])))
    counts = json.loads(cli("import", str(source), "-o", "json").out)
    assert (counts["recorded"], counts["refused"]) == (2, 1)


def test_the_story_that_is_fuzzed_is_of_the_present() -> None:
    assert max(s.after(9), s.START) < NOW
