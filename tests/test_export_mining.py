"""OCEL and XES say of a ledger what its relations say, and other programs can read them.

`UPDATE_MINING=1 pytest tests/test_export_mining.py` writes the files in tests/mining/ anew; read the diff.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from benchmarks.generate import facts as generated
from ledger.events import Fact, Item, Recorded
from ledger.formats import mining, ocel, xes
from queries.engine import Relations
from queries.histories import Histories
from tests import scenario as s
from tests.edges import edge_log
from tests.logs import log_of, relations
from tests.running import Cli
from tests.strategies import histories
from tests.test_laws_ledger import content, draw_moment, new_ledger, standing, tell, texts

MINING = Path(__file__).parent / "mining"
LIVE = "FROM events WHERE retracted_by IS NULL AND type <> 'retracted'"
VARIANTS = files("queries").joinpath("audits", "variants.sql").read_text()
READ: dict[str, Callable[[str], Any]] = {
    "string": str,
    "int": int,
    "float": float,
    "boolean": {"true": True, "false": False}.__getitem__,
}
IMPOSSIBLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

EVENTS = int(os.environ.get("EXPORT_EVENTS", "700"))
"""How many generated events other programs read: seven an order. From 10,000 events, more histories are drawn too."""

Json = dict[str, Any]


def facts() -> list[Fact]:
    """Return one order of each kind that the formats have something to say of."""
    one, two, three = ({"order_id": f"81000000000000{number:02}"} for number in (1, 2, 3))
    bank = {"account_amount": "1.412", "account_currency": "KWD"}
    item = Item(quantity=2, price="10.00", title="beads")
    return [
        s.placed(**one, at=s.after(0), title="<&\"'> \x0b\n\u202eбусы", items=[item], parent="90000000000000"),
        s.paid(**one, at=s.after(0, hours=1), amount="15.00", method="card", account="****1234"),
        s.paid(**one, at=s.after(0, hours=2), amount="5.00", fact_id="bank-17", **bank),
        s.verified(**one, at=s.after(1)),
        s.cancel_requested(**one, at=s.after(2), complaint=True),
        s.cancel_declined(**one, at=s.after(2, hours=3), tracking="RR473124829GB"),
        s.shipped(**one, at=s.after(3), tracking="LP00123456789012", carrier="Post"),
        s.scanned(**one, at=s.after(9), checkpoint="import", place="Riga"),
        s.scanned(**one, at=s.after(7, milliseconds=250), checkpoint="export"),
        s.dispute_opened(**one, at=s.after(20), reason="damaged", claim="8.00"),
        s.dispute_resolved(**one, at=s.after(25), outcome="partial", to_buyer="8.00"),
        s.feedback_left(**one, at=s.after(26), rating="negative", text="broken"),
        s.placed(**two, at=s.after(4), seller="shop-2", currency="JPY", amount="1200", reorder_of=one["order_id"]),
        s.paid(**two, at=s.after(5), amount="1200"),
        s.shipped(**two, at=s.after(6), tracking="LP00123456789012"),
        s.noted(**two, at=s.after(6, hours=1), text="a slip of the pen"),
        s.retracted(**two, at=s.after(6, hours=2), retracts=4),
        s.delivered(**two, at=s.after(12), recipient="a neighbour"),
        s.dispute_opened(**two, at=s.after(13)),
        s.confirmed(**two, at=s.after(14)),
        s.placed(**three, at=s.after(15), parent="90000000000000", reorder_of="8000000000000000"),
    ]


def in_force(log: list[Recorded]) -> list[list[Recorded]]:
    return [order.in_force() for order in standing(log, None, None)]


def ocel_of(found: Iterable[mining.History], *, shared: Iterable[str] = (), repeated: Iterable[str] = ()) -> str:
    return b"".join(ocel.document(found, shared={*shared}, repeated={*repeated})).decode()


def xes_of(found: Iterable[mining.History]) -> str:
    return "".join(xes.document(found))


@contextmanager
def opened(log: list[Recorded], **moment: Any) -> Iterator[tuple[Relations, Histories]]:
    with TemporaryDirectory() as folder, relations(Path(folder), log, per_segment=40, **moment) as found:
        yield found, Histories(found)


def variants(found: Relations) -> dict[str, int]:
    """Return how many orders took each path, as the audit says."""
    return {path: orders for path, orders, *_ in found.run(VARIANTS, {}).rows}


# Golden files.


@pytest.mark.parametrize("name", ["orders.xes", "orders.json"])
def test_the_files_are_as_they_were(name: str) -> None:
    log = in_force(log_of(facts()))
    text = xes_of(log) if name.endswith(".xes") else ocel_of(log, shared={"LP00123456789012"}, repeated={s_one()})
    if "UPDATE_MINING" in os.environ:
        (MINING / name).write_text(text)
    assert text == (MINING / name).read_text()


def s_one() -> str:
    return facts()[0].order_id


# Histories.


def test_histories_have_every_field_and_come_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("queries.histories.PAGE", 4)
    log = log_of(facts())
    with opened(log) as (_, found):
        assert [*found] == [*found] == in_force(log)
        assert found.shared_parcels() == {"LP00123456789012"}
        assert found.repeated() == {s_one()}


# XES.


def trees(text: str) -> tuple[ElementTree.Element, list[ElementTree.Element]]:
    log = ElementTree.fromstring(text)
    return log, log.findall("trace")


def keys(component: ElementTree.Element) -> dict[str, Any]:
    """Return the attributes of a component, each read as its element says."""
    found = {}
    for element in component:
        if element.tag not in ("event", "trace", "extension", "global", "classifier"):
            assert [*element.attrib] == ["key", "value"]
            assert element.attrib["key"] not in found, "a key occurs once in a component"
            read = READ.get(element.tag, datetime.fromisoformat)
            found[element.attrib["key"]] = read(element.attrib["value"])
    return found


def check_xes(text: str) -> list[list[dict[str, Any]]]:
    """Check what the standard's schema asks for, and more; return the events of each trace."""
    log, traces = trees(text)
    assert float(log.attrib["xes.version"]) == 1849.2016
    ranks = {"extension": 0, "global": 1, "classifier": 2, "trace": 4}
    places = [ranks.get(child.tag, 3) for child in log]
    assert places == sorted(places), "the parts of a log have an order"
    prefixes = {child.attrib["prefix"] for child in log.findall("extension")}
    scopes = {child.attrib["scope"]: keys(child) for child in log.findall("global")}
    for classifier in log.findall("classifier"):
        assert re.fullmatch(r"\w+", classifier.attrib["name"]), "an NCName has no blank"
        assert scopes["event"].keys() >= {*classifier.attrib["keys"].split()}
    events = []
    for trace in traces:
        assert keys(trace).keys() >= scopes["trace"].keys()
        tags = [child.tag for child in trace]
        assert tags == sorted(tags, key="event".__eq__), "a trace's attributes come before its events"
        events.append([keys(event) for event in trace.findall("event")])
    for event in [keys(log), *(event for trace in events for event in trace)]:
        assert {key.partition(":")[0] for key in event if ":" in key} <= prefixes
    assert all(event.keys() >= scopes["event"].keys() for trace in events for event in trace)
    return events


def test_xes_has_the_events_in_the_order_in_which_they_happened() -> None:
    events = check_xes(xes_of(in_force(log_of(facts()))))
    assert [event["concept:name"] for event in events[0]][6:9] == ["shipped", "scanned", "scanned"]
    assert [event["checkpoint"] for event in events[0][7:9]] == ["export", "import"]
    assert events[0][7]["time:timestamp"] == s.after(7, milliseconds=250)
    assert (events[0][4]["complaint"], events[0][0]["amount"]) == (True, 20.0)
    assert [len(trace) for trace in events] == [12, 6, 1]


def test_xes_tells_of_each_order_how_it_stands() -> None:
    _, traces = trees(xes_of(in_force(log_of(facts()))))
    known = [keys(trace) for trace in traces]
    assert [(case["status"], case.get("closure_reason")) for case in known] == [
        ("closed", "dispute-resolved"),
        ("closed", "confirmed"),
        ("awaiting-payment", None),
    ]
    assert (known[1]["seller"], known[1]["amount"], known[1]["currency"]) == ("shop-2", 1200.0, "JPY")


@settings(max_examples=50)
@given(st.text())
def test_any_text_comes_through_but_for_what_xml_cannot_hold(text: str) -> None:
    log = in_force(log_of([s.placed(at=s.after(0), title=text), s.noted(at=s.after(1), text=text)]))
    written = xes_of(log)
    assert check_xes(written)[0][1]["text"] == IMPOSSIBLE.sub("\ufffd", text)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", written)
    document = json.loads(ocel_of(log))
    assert [said["value"] for said in document["events"][1]["attributes"] if said["name"] == "text"] == [text]


# OCEL.


def check_ocel(text: str) -> Json:
    """Check that ids are unique, that references lead somewhere, and that attributes are declared."""
    document: Json = json.loads(text)
    objects = {thing["id"]: thing["type"] for thing in document["objects"]}
    assert len(objects) == len(document["objects"])
    assert len({event["id"] for event in document["events"]}) == len(document["events"])
    for plural, singular in (("events", "eventTypes"), ("objects", "objectTypes")):
        declared = {
            kind["name"]: {one["name"]: one["type"] for one in kind["attributes"]} for kind in document[singular]
        }
        for element in document[plural]:
            for said in element["attributes"]:
                readable(declared[element["type"]][said["name"]], said["value"])
            related = [link["objectId"] for link in element["relationships"]]
            assert len(related) == len({*related})
            assert objects.keys() >= {*related}
    assert all(thing == name.partition(":")[0] for name, thing in objects.items())
    assert {link["objectId"] for event in document["events"] for link in event["relationships"]} == objects.keys()
    return document


def readable(kind: str, value: str) -> None:
    read: dict[str, Callable[[str], Any]] = {
        "string": str,
        "time": datetime.fromisoformat,
        "integer": int,
        "float": float,
    }
    assert value in ("true", "false") if kind == "boolean" else read[kind](value) is not None


def test_ocel_fits_the_published_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    schema = json.loads((MINING / "ocel20-schema.json").read_text())
    validator = jsonschema.Draft7Validator(schema, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER)
    for log in (log_of(facts()), edge_log(), []):
        assert [*validator.iter_errors(json.loads(ocel_of(in_force(log))))] == []
    assert [*validator.iter_errors({"eventTypes": [], "objectTypes": [], "events": [{}], "objects": []})] != []


def values(document: Json, object_id: str, name: str) -> list[tuple[str, str]]:
    [thing] = [thing for thing in document["objects"] if thing["id"] == object_id]
    return [(said["value"], said["time"]) for said in thing["attributes"] if said["name"] == name]


def test_ocel_tells_what_became_of_an_object() -> None:
    log = in_force(log_of(facts()))
    document = check_ocel(ocel_of(log, shared={"LP00123456789012"}, repeated={s_one()}))
    order = f"order:{s_one()}"
    assert [value for value, _ in values(document, order, "status")] == [
        *("awaiting-payment", "verifying-payment", "processing", "cancelling", "processing", "shipped"),
        *("disputed", "closed"),
    ]
    assert [value for value, _ in values(document, order, "escrow")] == ["0.00", "15.00", "20.00", "0.00"]
    assert [value for value, _ in values(document, f"payment:{s_one()}:3", "account_amount")] == ["1.412"]
    assert values(document, order, "amount") == [("20.00", "1970-01-01T00:00:00Z")]
    payment = values(document, f"payment:{s_one()}:2", "status")
    assert payment == [("verifying", "2024-03-01T11:00:00Z"), ("verified", "2024-03-02T10:00:00Z")]
    assert [value for value, _ in values(document, f"dispute:{s_one()}:10", "status")] == ["open", "resolved"]
    assert [value for value, _ in values(document, "dispute:8100000000000002:7", "status")] == ["open", "ended"]
    seen = values(document, "parcel:LP00123456789012", "checkpoint")
    assert [value for value, _ in seen] == ["export", "import", "delivered"]


def test_ocel_relates_orders_to_what_they_share() -> None:
    log = in_force(log_of(facts()))
    document = check_ocel(ocel_of(log, shared={"LP00123456789012"}, repeated={s_one()}))
    links = {
        thing["id"]: [(link["objectId"], link["qualifier"]) for link in thing["relationships"]]
        for thing in document["objects"]
        if thing["type"] == "order"
    }
    first, second, third = links.values()
    assert first == [
        ("seller:shop-1", "sold by"),
        ("parent:90000000000000", "part of"),
        (f"payment:{s_one()}:2", "paid with"),
        (f"payment:{s_one()}:3", "paid with"),
        ("parcel:RR473124829GB", "claimed"),
        ("parcel:LP00123456789012", "sent in"),
        (f"dispute:{s_one()}:10", "disputed in"),
    ]
    assert (f"order:{s_one()}", "repeats") in second
    assert ("parcel:LP00123456789012", "sent in") in second
    assert third == [("seller:shop-1", "sold by"), ("parent:90000000000000", "part of")]


def test_a_number_that_was_claimed_and_then_shipped_is_no_mere_claim() -> None:
    told = [*s.CANCELLING, s.cancel_declined(tracking="LP1"), s.shipped(tracking="LP1"), s.cancel_declined()]
    log = in_force(log_of(hourly(told[:-1])))
    document = check_ocel(ocel_of(log))
    [order] = [thing for thing in document["objects"] if thing["type"] == "order"]
    assert {"objectId": "parcel:LP1", "qualifier": "sent in"} in order["relationships"]


def hourly(told: Iterable[Fact]) -> list[Fact]:
    return [replace(fact, occurred_at=s.after(hours=hour)) for hour, fact in enumerate(told)]


# Both say what the relations say.


def agree(log: list[Recorded], as_of: datetime | None = None, known_at: datetime | None = None) -> None:
    with opened(log, as_of=as_of, known_at=known_at) as (found, kept):
        lines = [*kept]
        assert lines == [order.in_force() for order in standing(log, as_of, known_at)]
        traces = check_xes(xes_of(lines))
        assert [{event["seq"] for event in trace} for trace in traces] == [{line.seq for line in one} for one in lines]
        assert Counter(" > ".join(event["concept:name"] for event in trace) for trace in traces) == variants(found)
        document = check_ocel(ocel_of(lines, shared=kept.shared_parcels(), repeated=kept.repeated()))
        assert [event["id"] for event in document["events"]] == [f"event:{line.seq}" for one in lines for line in one]
        things, objects, links, steps = document["objects"], *counts(found)
        assert Counter(thing["type"] for thing in things) == objects
        assert links == Counter(
            link["objectId"].partition(":")[0] for thing in things for link in thing["relationships"]
        )
        orders = [thing for thing in things if thing["type"] == "order"]
        assert sum(said["name"] == "status" for thing in orders for said in thing["attributes"]) == steps
        shown = {thing["id"].removeprefix("order:"): float(last(thing, "escrow") or 0) for thing in orders}
        assert shown == {order_id: float(held) for order_id, held in found.run(ESCROW, {}).rows}
        parcels = [thing for thing in things if thing["type"] == "parcel"]
        where = {thing["id"].removeprefix("parcel:"): last(thing, "checkpoint") for thing in parcels}
        assert where == dict(found.run(CHECKPOINTS, {}).rows)


def counts(found: Relations) -> tuple[Counter[str], Counter[str], int]:
    """Return how many objects of each type there should be, relations from an object to one, and steps."""
    asked = [*OBJECTS.values(), *LINKS.values(), "SELECT count(*) FROM steps"]
    [row] = found.run(f"SELECT {', '.join(f'({sql})' for sql in asked)}", {}).rows
    *numbers, steps = row
    objects = dict(zip(OBJECTS, numbers[: len(OBJECTS)], strict=True))
    links = dict(zip(LINKS, numbers[len(OBJECTS) :], strict=True))
    return Counter(objects), Counter(links), steps


def last(thing: Json, name: str) -> str | None:
    said: list[str] = [said["value"] for said in thing["attributes"] if said["name"] == name]
    return said[-1] if said else None


ESCROW = "SELECT order_id, escrow FROM orders"
CHECKPOINTS = "SELECT tracking, arg_max(last_checkpoint, last_scan_at) FROM parcels GROUP BY tracking"
OBJECTS = {
    "order": "SELECT count(*) FROM orders",
    "seller": "SELECT count(*) FROM sellers",
    "parent": f"SELECT count(DISTINCT parent) {LIVE}",
    "payment": f"SELECT count(*) {LIVE} AND type = 'paid'",
    "parcel": "SELECT count(DISTINCT tracking) FROM parcels",
    "dispute": f"SELECT count(*) {LIVE} AND type = 'dispute-opened'",
}
LINKS = OBJECTS | {
    "order": f"SELECT count(*) {LIVE} AND reorder_of IN (SELECT order_id FROM orders)",
    "seller": "SELECT count(*) FROM orders",
    "parent": f"SELECT count(parent) {LIVE}",
    "parcel": "SELECT count(*) FROM parcels",
}


@settings(max_examples=2 if EVENTS < 10_000 else 20)
@given(st.data())
def test_histories_and_numbers_are_those_of_the_relations_at_any_moment(data: st.DataObject) -> None:
    log = data.draw(histories(min_orders=3, max_orders=5, max_facts=16))
    agree(log, *draw_moment(data.draw, log))


@settings(max_examples=12)
@given(st.data())
def test_every_history_is_a_document_that_fits(data: st.DataObject) -> None:
    log = data.draw(histories(min_orders=2, max_orders=5, max_facts=16))
    moment = draw_moment(data.draw, log)
    lines = [order.in_force() for order in standing(log, *moment)]
    named: list[set[str]] = [{getattr(line.event, "tracking", None) or "" for line in one} - {""} for one in lines]
    shared = {number for number, orders in Counter(number for one in named for number in one).items() if orders > 1}
    traces, document = check_xes(xes_of(lines)), check_ocel(ocel_of(lines, shared=shared))
    assert [{event["seq"] for event in trace} for trace in traces] == [{line.seq for line in one} for one in lines]
    assert [event["id"] for event in document["events"]] == [f"event:{line.seq}" for one in lines for line in one]


def test_the_numbers_are_those_of_the_relations_for_chosen_orders() -> None:
    agree(chosen())


def test_a_ledger_without_events_is_a_document_without_any() -> None:
    assert check_xes(xes_of([])) == []
    document = check_ocel(ocel_of([]))
    assert (document["events"], document["objects"]) == ([], [])


# The command.


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Return the command line on a ledger that was told of the orders."""
    ledger = new_ledger(str(tmp_path))
    _, refused = tell(ledger, texts(facts()))
    assert refused == []
    return Cli(ledger.path, capsys)


@pytest.mark.parametrize(("format_", "check"), [("xes", check_xes), ("ocel", check_ocel)])
def test_a_file_is_private_and_the_same_as_stdout(cli: Cli, tmp_path: Path, format_: str, check: Any) -> None:
    path = tmp_path / "out"
    assert cli.ok("export", format_, str(path)) == ""
    assert path.read_bytes().decode() == cli.ok("export", format_)
    assert path.stat().st_mode & 0o777 == 0o600
    check(path.read_text())


def test_what_had_happened_and_what_was_known(cli: Cli) -> None:
    early = cli.ok("export", "xes", "--as-of", s.after(1).isoformat())
    assert [[event["concept:name"] for event in trace] for trace in check_xes(early)] == [
        ["placed", "paid", "paid", "verified"]
    ]
    before = json.loads(cli.ok("export", "ocel", "--known-at", (s.START - timedelta(days=1)).isoformat()))
    assert (before["events"], before["objects"]) == ([], [])


@pytest.mark.parametrize("format_", ["xes", "ocel"])
@pytest.mark.parametrize("option", [["--since-seq", "3"], ["--relation", "orders"], ["--spreadsheet-safe"]])
def test_options_of_other_formats_are_refused(cli: Cli, format_: str, option: list[str]) -> None:
    answer = cli("export", format_, *option)
    assert (answer.code, answer.out) == (2, "")
    assert f"{option[0]} does not go with {format_}" in answer.err


@pytest.mark.parametrize("format_", ["xes", "ocel"])
def test_damage_ends_the_export_with_a_whole_document(cli: Cli, format_: str) -> None:
    [segment] = (cli.ledger / "events").iterdir()
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join([*lines[:4], b"{" + lines[4][2:], *lines[5:]]))
    answer = cli("export", format_)
    assert (answer.code, answer.err.startswith("error: ")) == (5, True)
    if format_ == "xes":
        assert [len(trace) for trace in check_xes(answer.out)] == [4]
    else:
        assert len(check_ocel(answer.out)["events"]) == 4


@pytest.mark.parametrize("format_", ["xes", "ocel"])
def test_an_order_without_its_first_line_is_damage(cli: Cli, tmp_path: Path, format_: str) -> None:
    [segment] = (cli.ledger / "events").iterdir()
    segment.write_bytes(b"".join(segment.read_bytes().splitlines(keepends=True)[1:]))
    answer = cli("export", format_, str(tmp_path / "out"))
    assert answer.code == 5
    assert f"order {s_one()}: lines are missing from the log" in answer.err
    assert not (tmp_path / "out").exists()


# Another program.


@pytest.fixture(scope="module")
def pm4py() -> Any:
    return pytest.importorskip("pm4py", reason="pm4py is not installed (the extra process-mining)")


@pytest.fixture(scope="module", params=["chosen", "generated"])
def log(pm4py: Any, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Recorded]:
    """Return the lines of a log, once there is a program to read their export."""
    if request.param == "chosen":
        return chosen()
    ledger = new_ledger(str(tmp_path_factory.mktemp("generated")))
    tell(ledger, (line.encode() for line in generated(EVENTS, 1)))
    return content(ledger)


@pytest.mark.filterwarnings("ignore")
def test_pm4py_reads_the_log_of_cases(pm4py: Any, log: list[Recorded], tmp_path: Path) -> None:
    with opened(log) as (found, kept):
        (tmp_path / "log.xes").write_text(xes_of(kept))
        seen = pm4py.get_variants(pm4py.read_xes(str(tmp_path / "log.xes"), variant="iterparse"))
        assert {" > ".join(path): orders for path, orders in seen.items()} == variants(found)


@pytest.mark.filterwarnings("ignore")
def test_pm4py_reads_the_log_of_objects(pm4py: Any, log: list[Recorded], tmp_path: Path) -> None:
    with opened(log) as (found, kept):
        text = ocel_of(kept, shared=kept.shared_parcels(), repeated=kept.repeated())
        (tmp_path / "log.json").write_text(text)
        read = pm4py.read_ocel2_json(str(tmp_path / "log.json"))
        counted = dict(found.run(f"SELECT type, count(*) {LIVE} GROUP BY type", {}).rows)
        assert read.events["ocel:activity"].value_counts().to_dict() == counted
        assert Counter(read.objects["ocel:type"]) == +counts(found)[0]
        document = json.loads(text)
        assert len(read.relations) == sum(len(event["relationships"]) for event in document["events"])
        assert len(read.o2o) == sum(len(thing["relationships"]) for thing in document["objects"])
        said = [(thing["id"], one["name"]) for thing in document["objects"] for one in thing["attributes"]]
        assert len(read.object_changes) == len(said) - len({*said}), "each value but the first of each attribute"
        paid = read.events[read.events["ocel:activity"] == "paid"]["amount"].sum()
        [(due,)] = found.run(f"SELECT sum(amount) {LIVE} AND type = 'paid'", {}).rows
        assert paid == pytest.approx(float(due))


def chosen() -> list[Recorded]:
    """Return the lines of the orders above, and of those that are at some edge."""
    log = log_of(facts())
    return [*log, *(replace(line, seq=line.seq + len(log)) for line in edge_log())]
