"""Parcel trackers: what 17TRACK and AfterShip say of a parcel becomes scans of the order that it belongs to."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.errors import BadInput
from ledger.events import Fact, tag_of
from ledger.formats.facts import parse
from ledger.formats.foreign import Asked, Format
from ledger.formats.parcels import DELIVERED, NOTHING
from ledger.formats.tracking_17track import STAGE, STATUS, SUB_STATUS, TRACKING_17TRACK
from ledger.formats.tracking_aftership import SUBTAG, TAG, TRACKING_AFTERSHIP
from tests import scenario as s
from tests.running import Cli
from tests.telling import FORMATS, check, files, told

TRACKERS = [TRACKING_17TRACK, TRACKING_AFTERSHIP]
PARCEL, SECOND, SHARED = "LV410937265CN", "YT2407712345678901", "SHARED-1"
ORDERS = [f"810100000000000{number}" for number in range(1, 5)]
PARENT, FAMILY = "8200000000000000", "8300000000000000"
KNOWN: list[Fact] = [
    *(s.placed(order_id=order, at=s.after(0)) for order in ORDERS),
    s.placed(order_id="8200000000000001", parent=PARENT, at=s.after(0)),
    s.placed(order_id="8300000000000001", parent=FAMILY, at=s.after(0)),
    s.placed(order_id="8300000000000002", parent=FAMILY, at=s.after(0)),
    s.shipped(order_id=ORDERS[0], tracking=PARCEL, at=s.after(10)),
    s.shipped(order_id=ORDERS[0], tracking=SECOND, at=s.after(11)),
    s.shipped(order_id=ORDERS[1], tracking=SHARED, at=s.after(12)),
    s.shipped(order_id=ORDERS[2], tracking=SHARED, at=s.after(12)),
    s.shipped(order_id=ORDERS[3], tracking="4098123456", at=s.after(12)),
]


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(tmp_path / "ledger", capsys)


def event(sub_status: object, stage: object = None, utc: object = "2024-03-20T10:00:00Z", **more: object) -> object:
    return {"sub_status": sub_status, "stage": stage, "time_utc": utc, **more}


def answer(*events: object, number: str = PARCEL) -> bytes:
    """Return what 17TRACK answers of a parcel with these events."""
    info = {"tracking": {"providers": [{"events": events}]}}
    return json.dumps({"code": 0, "data": {"accepted": [{"number": number, "track_info": info}]}}).encode()


def tracking(*checkpoints: object, number: str = PARCEL) -> bytes:
    """Return a tracking of AfterShip with these checkpoints."""
    return json.dumps({"tracking_number": number, "slug": "post", "checkpoints": checkpoints}).encode()


def facts(format_: Format, content: bytes) -> list[dict[str, Any]]:
    """Return the facts that a file tells, which must have no problems."""
    found = [json.loads(line) for line in told(format_, content, log=KNOWN).splitlines()]
    assert [one for one in found if "fact" not in one] == []
    return [one["fact"] for one in found]


def becomes(fact: dict[str, Any]) -> str:
    return str(fact.get("checkpoint", fact["type"]))


# Whole files.


@pytest.mark.parametrize("path", files("17track"), ids=lambda path: str(path.name))
def test_files_of_17track_tell_what_they_told(path: Path) -> None:
    assert TRACKING_17TRACK.sniff(path.read_bytes()) or path.name == "errors.json"
    check(TRACKING_17TRACK, path, KNOWN)


@pytest.mark.parametrize("path", files("aftership"), ids=lambda path: str(path.name))
def test_files_of_aftership_tell_what_they_told(path: Path) -> None:
    assert TRACKING_AFTERSHIP.sniff(path.read_bytes()) or path.name == "error.json"
    check(TRACKING_AFTERSHIP, path, KNOWN)


@pytest.mark.parametrize("tracker", TRACKERS, ids=lambda tracker: str(tracker.name))
def test_no_tracker_takes_the_other_s_files_or_the_ledger_s_own(tracker: Format) -> None:
    others = [path for other in ("17track", "aftership") if other != tracker.name for path in files(other)]
    others += [*files("log"), *files("cloudevents")]
    assert [path.name for path in others if tracker.sniff(path.read_bytes())] == []
    quoted = json.dumps({"text": answer(event("Delivered_Other")).decode() + tracking({}).decode()}).encode()
    assert not tracker.sniff(quoted)  # what a rejects file holds


@pytest.mark.parametrize("tracker", TRACKERS, ids=lambda tracker: str(tracker.name))
@pytest.mark.parametrize("content", [b"", b"{", b"null", b'"x"', b"[1]", b'{"a":1}', b"\xff\xfe{}", b"a,b\n1,2\n"])
def test_what_is_no_such_file_is_bad_input(tracker: Format, content: bytes) -> None:
    with pytest.raises(BadInput):
        list(tracker.read(content, Asked(None, lambda: KNOWN)))


def test_parcels_may_stand_in_data_itself() -> None:
    wrapped = json.loads(answer(event("Delivered_Other")))
    bare = json.dumps({"data": wrapped["data"]["accepted"]}).encode()
    assert facts(TRACKING_17TRACK, bare) == facts(TRACKING_17TRACK, answer(event("Delivered_Other")))


# Words.


@pytest.mark.parametrize(("word", "meaning"), SUB_STATUS.items())
def test_every_word_of_17track(word: str, meaning: str) -> None:
    found = facts(TRACKING_17TRACK, answer(event(word)))
    assert [becomes(fact) for fact in found] == ([] if meaning == NOTHING else [meaning])


@pytest.mark.parametrize(
    ("sub_status", "stage", "meaning"),
    [
        (None, "Delivered", DELIVERED),
        ("InTransit_Other", "Departure", "export"),
        ("InTransit_PickedUp", "Departure", "accepted"),
        ("InTransit_New", None, "sorting"),
        ("InTransit_New", "Arrival", "import"),
        ("Exception_Other", "Returned", "returned"),
        ("Delivered_ToNeighbour", None, DELIVERED),
    ],
)
def test_the_more_exact_word_of_17track_counts(sub_status: object, stage: object, meaning: str) -> None:
    [fact] = facts(TRACKING_17TRACK, answer(event(sub_status, stage)))
    assert becomes(fact) == meaning


@pytest.mark.parametrize(
    ("tag", "subtag", "meaning"),
    [
        *((tag, None, meaning) for tag, meaning in TAG.items()),
        *((None, subtag, meaning) for subtag, meaning in SUBTAG.items()),
        ("InTransit", "InTransit_001", "sorting"),
        ("Exception", "Exception_011", "returned"),
        ("Delivered", "Delivered_005", DELIVERED),
        ("InTransit", "Expired_001", NOTHING),
    ],
)
def test_every_word_of_aftership(tag: object, subtag: object, meaning: str) -> None:
    found = facts(
        TRACKING_AFTERSHIP, tracking({"tag": tag, "subtag": subtag, "checkpoint_time": "2024-03-20T10:00:00Z"})
    )
    assert [becomes(fact) for fact in found] == ([] if meaning == NOTHING else [meaning])


@pytest.mark.parametrize("table", [SUB_STATUS, STAGE, STATUS, TAG, SUBTAG])
def test_what_words_become_is_a_scan_that_can_be_recorded(table: dict[str, str]) -> None:
    for meaning in {*table.values()} - {NOTHING, DELIVERED}:
        fact = {"type": "scanned", "order_id": "1", "occurred_at": "2024-03-20T10:00:00Z", "checkpoint": meaning}
        assert tag_of(parse(json.dumps(fact).encode())) == "scanned"


# Times of AfterShip, which are often local.


@pytest.mark.parametrize(
    ("local", "heard"),
    [
        ("2024-03-18T20:30:00", "2024-03-18T06:30:00Z"),  # in Kiribati, at once
        ("2024-03-18T20:30:00", "2024-03-18T12:45:00Z"),
        ("2024-03-18T20:30:00", "2024-03-18T22:30:00+02:00"),
        ("2024-03-18T20:30:00", "2024-03-19T08:30:00Z"),  # on Baker Island
        ("2024-03-18", "2024-03-19T11:00:00Z"),
    ],
)
def test_a_local_time_is_the_one_when_aftership_heard_of_it(local: str, heard: str) -> None:
    [fact] = facts(
        TRACKING_AFTERSHIP,
        tracking({"tag": "Delivered", "checkpoint_time": local, "created_at": heard, "message": "ok"}),
    )
    assert datetime.fromisoformat(fact["occurred_at"]) == datetime.fromisoformat(heard)
    assert fact["note"] == "ok (time: when AfterShip heard of it)"


@pytest.mark.parametrize("heard", ["2024-03-18T06:29:59Z", "2024-03-19T08:30:01Z", "2024-03-18T12:45:00", None, 5])
def test_a_local_time_that_it_cannot_have_been_is_refused(heard: object) -> None:
    [line] = told(
        TRACKING_AFTERSHIP,
        tracking({"tag": "Delivered", "checkpoint_time": "2024-03-18T20:30:00", "created_at": heard}),
        log=KNOWN,
    ).splitlines()
    assert "has no zone" in json.loads(line)["problem"]["what"]


# Through the command line.


def shop(cli: Cli, *shipped: tuple[str, str]) -> None:
    """Make a ledger whose orders were shipped with these numbers."""
    cli.ok("init")
    orders = dict.fromkeys(order for order, _ in shipped)
    lines: list[Fact] = [s.placed(order_id=order, at=s.after(0)) for order in orders]
    lines += [s.paid(order_id=order, at=s.after(0, hours=1)) for order in orders]
    lines += [s.verified(order_id=order, at=s.after(0, hours=2)) for order in orders]
    lines += [s.shipped(order_id=order, at=s.after(1), tracking=number) for order, number in shipped]
    path = cli.ledger.parent / "facts.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(fact) + b"\n" for fact in lines))
    cli.ok("import", str(path))


def summary(cli: Cli, *arguments: str) -> dict[str, int]:
    answered = cli("import", "-o", "json", *arguments)
    found = json.loads(answered.out)
    return {name: found[name] for name in ("read", "recorded", "duplicates", "odd", "refused")}


@pytest.mark.parametrize(
    ("path", "read", "scans"), [("17track/answer.json", 13, 12), ("aftership/tracking.json", 9, 9)]
)
def test_a_file_is_recorded_once(cli: Cli, path: str, read: int, scans: int) -> None:
    shop(cli, (ORDERS[0], PARCEL), (ORDERS[0], SECOND))
    first = summary(cli, str(FORMATS / path))
    assert first == {"read": read, "recorded": scans, "duplicates": 0, "odd": 0, "refused": read - scans}
    again = summary(cli, str(FORMATS / path))
    assert again == {"read": read, "recorded": 0, "duplicates": scans, "odd": 0, "refused": read - scans}
    shown = json.loads(cli.ok("show", ORDERS[0], "-o", "json"))
    assert shown["status"] == "delivered"
    [delivery] = [line["event"] for line in shown["events"] if line["event"]["type"] == "delivered-scan"]
    assert (delivery["occurred_at"], delivery["tracking"]) == ("2024-04-02T09:15:00Z", PARCEL)


def test_two_trackers_tell_of_one_delivery_once(cli: Cli) -> None:
    shop(cli, (ORDERS[0], PARCEL), (ORDERS[0], SECOND))
    summary(cli, str(FORMATS / "17track" / "answer.json"))
    told_again = summary(cli, str(FORMATS / "aftership" / "webhook.json"))
    assert told_again == {"read": 2, "recorded": 0, "duplicates": 2, "odd": 0, "refused": 0}


def test_a_parcel_of_nobody_is_refused_with_what_to_record_first(cli: Cli) -> None:
    shop(cli, (ORDERS[0], "another"))
    path = cli.ledger.parent / "parcel.json"
    path.write_bytes(answer(event("Delivered_Other")))
    assert summary(cli, str(path)) == {"read": 1, "recorded": 0, "duplicates": 0, "odd": 0, "refused": 1}
    [rejects] = (cli.ledger / "rejects").iterdir()
    reason = json.loads(rejects.read_text())["reason"]
    assert f"orderledger record shipped ORDER --tracking {PARCEL}" in reason


def test_a_parcel_is_known_from_the_files_before_it_in_the_same_import(cli: Cli) -> None:
    cli.ok("init")
    facts_file, parcel = cli.ledger.parent / "facts.jsonl", cli.ledger.parent / "parcel.json"
    facts_file.write_bytes(b"".join(msgspec.json.encode(fact) + b"\n" for fact in KNOWN))
    parcel.write_bytes(tracking({"tag": "Delivered", "checkpoint_time": "2024-03-20T10:00:00Z"}))
    found = summary(cli, str(facts_file), str(parcel))
    assert (found["recorded"], found["refused"]) == (len(KNOWN) + 1, 0)


# Anything at all.

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
KEYS = st.sampled_from(
    [
        *("data", "accepted", "rejected", "errors", "error", "number", "track_info", "tracking", "providers", "events"),
        *("time_utc", "time_iso", "time_raw", "stage", "sub_status", "latest_event", "msg", "meta", "type", "order_id"),
        *(
            "trackings",
            "tracking_number",
            "checkpoints",
            "checkpoint",
            "tag",
            "subtag",
            "checkpoint_time",
            "created_at",
        ),
    ]
)
WORDS = st.sampled_from([PARCEL, SHARED, "Delivered_Other", "Delivered", "2024-03-20T10:00:00", "2024-03-20T10:00:00Z"])
JSON = st.recursive(
    SCALARS | WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)
)


@pytest.mark.parametrize("tracker", TRACKERS, ids=lambda tracker: str(tracker.name))
@settings(max_examples=40)
@given(content=JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=200))
@example(content=b"[" * 9000 + b"]" * 9000)
@example(content=b'{"number":' * 9000)
@example(content=answer(event("Delivered_Other", time_raw={"date": "1", "time": [], "timezone": {}}, utc=None)))
def test_nothing_but_bad_input_is_raised(tracker: Format, content: bytes) -> None:
    tracker.sniff(content)
    try:
        records = list(tracker.read(content, Asked(None, lambda: KNOWN)))
    except BadInput:
        return
    assert [record.number for record in records] == list(range(1, len(records) + 1))
