"""The books that are exported are those of the ledger: hledger and beancount accept them and count the same."""

import csv
import importlib.util
import io
import os
import re
import shutil
import subprocess
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from benchmarks.generate import facts as generated
from commands import accounting
from commands.main import run
from commands.output import Screen
from ledger import money
from ledger.book import Ledger
from ledger.events import Fact, Placed, Recorded
from ledger.formats import beancount, hledger
from ledger.formats.accounting import Accounts, Movement, account, plain_name
from ledger.order import Order, as_believed, fold
from queries.engine import Relations
from tests import scenario as s
from tests.logs import log_of, relations
from tests.running import ROOT, Cli
from tests.strategies import histories
from tests.test_laws_ledger import content, new_ledger, tell, texts
from tests.test_laws_order import per_order

D = Decimal
Balances = dict[tuple[str, str], Decimal]
ACCOUNTS: tuple[Accounts, ...] = get_args(Accounts)
SAMPLED: tuple[Accounts, ...] = ("plain", "order")
EVENTS = int(os.environ.get("EXPORT_EVENTS", "700"))
"""How many generated events are exported: seven an order. From 10,000 events, more histories are drawn too."""

PROGRAMS = {"hledger": shutil.which("hledger"), "beancount": importlib.util.find_spec("beancount")}
INSTALLED = [name for name, program in PROGRAMS.items() if program]
needs_hledger = pytest.mark.skipif("hledger" not in INSTALLED, reason="hledger is not installed")
needs_beancount = pytest.mark.skipif("beancount" not in INSTALLED, reason="beancount is not installed")
PROGRAM = [pytest.param("hledger", marks=needs_hledger), pytest.param("beancount", marks=needs_beancount)]

IDS = [
    "shop-1",
    "shop_1",
    "Shop-1",
    "a--b",
    "-",
    "a-",
    "x;y",
    "a|b",
    "(z)",
    "50%",
    "%28",
    "магазин",
    "💸",
    '"q"',
    "a\\b",
    "=",
]
TITLES = [
    *("Seeds; 2 mm, 1000 pieces | blue", "two\nlines\r\nand\ta tab", "; date:1999-01-01, type:none", "[2001-01-01]"),
    *(
        'a "quoted" \\n \\ back\\\\slash',
        "  ",
        "",
        "= 5 USD",
        "\x01\x7f\x85\u2028\u202e",
        "деньги 💸",
        ")",
        "% ( * ! ^#@",
    ),
]


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(tmp_path / "ledger", capsys)


def told(cli: Cli, *facts: Fact) -> Ledger:
    """Make the ledger of these facts."""
    ledger = new_ledger(str(cli.ledger.parent))
    _, refused = tell(ledger, texts(facts))
    assert refused == []
    return ledger


def check(name: str, path: Path) -> tuple[int, str]:
    """Let the program check a file as strictly as it can; beancount does it in this process, which starts sooner."""
    if name == "beancount":
        _, errors = _loaded(path)
        return int(bool(errors)), "\n".join(str(error.message) for error in errors)
    done = _hledger(path, "check", "--strict")
    return done.returncode, done.stdout + done.stderr


def _hledger(path: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"LC_ALL": "C.UTF-8"}  # it reads a journal in the encoding of the locale
    line = [str(PROGRAMS["hledger"]), "-f", str(path), *command]
    return subprocess.run(line, capture_output=True, text=True, timeout=600, env=environment, check=False)


def balances_of(name: str, path: Path) -> Balances:
    """Return what the program counts in each account, once it accepts the file; those with nothing are left out."""
    if name == "beancount":
        entries, errors = _loaded(path)
        assert errors == []
        return _beancount_balances(entries)
    done = _hledger(path, "balance", "--strict", "--flat", "--no-total", "-O", "csv", "--layout=bare")
    assert (done.returncode, done.stderr) == (0, "")
    rows = csv.DictReader(io.StringIO(done.stdout))
    return {(row["account"], row["commodity"]): D(row["balance"]) for row in rows if D(row["balance"])}


def _loaded(path: Path) -> tuple[list[Any], list[Any]]:
    """Read a file as bean-check does: its entries, and what is wrong with it."""
    loader: Any = importlib.import_module("beancount.loader")
    validation: Any = importlib.import_module("beancount.ops.validation")
    entries, errors, _ = loader.load_file(str(path), extra_validations=validation.HARDCORE_VALIDATIONS)
    return list(entries), list(errors)


def _written(found: Relations, name: str, accounts: Accounts = "plain") -> str:
    """Return the books that a program is given of relations which were prepared for such accounts."""
    return "".join(accounting.parts(found, accounting.BOOKS[name], accounts))


def _prepare(found: Relations, accounts: Accounts) -> None:
    """Prepare relations for such accounts, whatever they were prepared for before."""
    for table in ("legs", "balances"):
        found.run(f"DROP TABLE IF EXISTS internal.{table}", {})
    accounting.prepare(found, accounts)


def _transactions(entries: list[Any]) -> list[Any]:
    return [entry for entry in entries if type(entry).__name__ == "Transaction"]


def _beancount_balances(entries: list[Any]) -> Balances:
    found: Counter[tuple[str, str]] = Counter()
    for entry in _transactions(entries):
        for posting in entry.postings:
            found[posting.account, posting.units.currency] += posting.units.number
    return {key: D(value) for key, value in found.items() if value}


def believed(log: list[Recorded], as_of: datetime | None = None) -> list[Order]:
    orders = [fold(lines[0].event.order_id, as_believed(lines, as_of=as_of)) for lines in per_order(log)]
    return [order for order in orders if order.known]


def folded(orders: list[Order], accounts: Accounts) -> Balances:
    """Return what should be in each account by the folds of the orders; those with nothing are left out."""
    found: Counter[tuple[str, str]] = Counter()
    for order in orders:
        [first] = [line.event for line in order.in_force() if isinstance(line.event, Placed)]
        owner = {"plain": None, "seller": order.seller, "order": order.order_id, "marketplace": first.marketplace}
        amounts = {
            "buyer": order.refunded - order.paid,
            "escrow": order.escrow,
            "seller": order.to_seller,
            "refunds": order.pending,
        }
        for name, minor in amounts.items():
            value = D(money.text(minor, order.currency))
            found[account(name, accounts, owner[accounts]), order.currency] += value  # type: ignore[assignment]
    return {key: D(value) for key, value in found.items() if value}


# What a file says.

SMALL = (
    s.placed(at=s.after(0), title="Seeds, 2 mm; blue | new", seller="bead_shop"),
    s.paid(at=s.after(1)),
    s.noted(at=s.after(2), text="a note moves nothing"),
    s.confirmed(at=s.after(20)),
    s.placed(at=s.after(3), order_id="77)", amount="5000", currency="JPY"),
    s.paid(at=s.after(4), order_id="77)", amount="5000"),
    s.dispute_opened(at=s.after(5), order_id="77)"),
    s.dispute_resolved(at=s.after(6), order_id="77)", outcome="partial", to_buyer="1000"),
)
JOURNAL = """\
; The money of the orders, from orderledger

decimal-mark .
commodity 1000. JPY
commodity 1000.00 USD
account Assets:Orderledger:Buyer
account Assets:Orderledger:Escrow
account Assets:Orderledger:Refunds
account Assets:Orderledger:Seller

2024-03-02 * (8123456789012345) bead_shop | You paid 20.00 USD into escrow
    ; seq:2, version:2, type:paid, time:2024-03-02T10:00:00Z
    ; title:Seeds; 2 mm; blue | new
    Assets:Orderledger:Buyer   -20.00 USD
    Assets:Orderledger:Escrow   20.00 USD

2024-03-05 * (77%29) shop-1 | You paid 5000 JPY into escrow
    ; seq:6, version:2, type:paid, time:2024-03-05T10:00:00Z
    Assets:Orderledger:Buyer   -5000 JPY
    Assets:Orderledger:Escrow   5000 JPY

2024-03-07 * (77%29) shop-1 | The platform decided the dispute: each side gets a part
    ; seq:8, version:4, type:dispute-resolved, time:2024-03-07T10:00:00Z
    Assets:Orderledger:Escrow   -5000 JPY
    Assets:Orderledger:Refunds   1000 JPY
    Assets:Orderledger:Seller    4000 JPY

2024-03-21 ! (8123456789012345) bead_shop | You confirmed that the parcel arrived
    ; seq:4, version:4, type:confirmed, time:2024-03-21T10:00:00Z, odd:gap
    ; title:Seeds; 2 mm; blue | new
    Assets:Orderledger:Escrow  -20.00 USD
    Assets:Orderledger:Seller   20.00 USD

2024-03-21 * closing balances
    Assets:Orderledger:Buyer  0 JPY = -5000 JPY
    Assets:Orderledger:Buyer  0.00 USD = -20.00 USD
    Assets:Orderledger:Escrow  0 JPY = 0 JPY
    Assets:Orderledger:Escrow  0.00 USD = 0.00 USD
    Assets:Orderledger:Refunds  0 JPY = 1000 JPY
    Assets:Orderledger:Seller  0 JPY = 4000 JPY
    Assets:Orderledger:Seller  0.00 USD = 20.00 USD
"""
BEANCOUNT_START = """\
option "title" "The money of the orders, from orderledger"

2024-03-02 commodity JPY
2024-03-02 commodity USD
2024-03-02 open Assets:Orderledger:Buyer:Seller-bead--5fshop
2024-03-02 open Assets:Orderledger:Buyer:Seller-shop-1
2024-03-02 open Assets:Orderledger:Escrow:Seller-bead--5fshop
2024-03-02 open Assets:Orderledger:Escrow:Seller-shop-1
2024-03-02 open Assets:Orderledger:Refunds:Seller-shop-1
2024-03-02 open Assets:Orderledger:Seller:Seller-bead--5fshop
2024-03-02 open Assets:Orderledger:Seller:Seller-shop-1

2024-03-02 * "bead_shop" "You paid 20.00 USD into escrow" ^8123456789012345
  seq: 2
  version: 2
  order: "8123456789012345"
  type: "paid"
  time: "2024-03-02T10:00:00Z"
  title: "Seeds, 2 mm; blue | new"
  Assets:Orderledger:Buyer:Seller-bead--5fshop   -20.00 USD
  Assets:Orderledger:Escrow:Seller-bead--5fshop   20.00 USD

2024-03-05 * "shop-1" "You paid 5000 JPY into escrow" ^77--29
"""
BEANCOUNT_END = """\
2024-03-22 balance Assets:Orderledger:Buyer:Seller-bead--5fshop  -20.00 ~ 0 USD
2024-03-22 balance Assets:Orderledger:Buyer:Seller-shop-1  -5000 ~ 0 JPY
2024-03-22 balance Assets:Orderledger:Escrow:Seller-bead--5fshop  0.00 ~ 0 USD
2024-03-22 balance Assets:Orderledger:Escrow:Seller-shop-1  0 ~ 0 JPY
2024-03-22 balance Assets:Orderledger:Refunds:Seller-shop-1  1000 ~ 0 JPY
2024-03-22 balance Assets:Orderledger:Seller:Seller-bead--5fshop  20.00 ~ 0 USD
2024-03-22 balance Assets:Orderledger:Seller:Seller-shop-1  4000 ~ 0 JPY
"""


def test_a_journal_has_accounts_transactions_and_closing_balances(cli: Cli) -> None:
    told(cli, *SMALL)
    assert cli.ok("export", "hledger") == JOURNAL


def test_a_beancount_file_has_accounts_transactions_and_closing_balances(cli: Cli) -> None:
    told(cli, *SMALL)
    found = cli.ok("export", "beancount", "--accounts", "seller")
    assert found.startswith(BEANCOUNT_START)
    assert found.endswith(f"\n\n{BEANCOUNT_END}")


def test_accounts_are_as_fine_as_is_asked_for(tmp_path: Path) -> None:
    owners = {
        "plain": {""},
        "seller": {":Seller-bead--5fshop", ":Seller-shop-1"},
        "order": {":Order-8123456789012345", ":Order-77--29", ":Order-3"},
        "marketplace": {":No-marketplace", ":Marketplace-Ali--20Express"},
    }
    bought = {"order_id": "3", "seller": "bead_shop", "marketplace": "Ali Express"}
    facts = [*SMALL, s.placed(at=s.after(30), **bought), s.paid(at=s.after(31), order_id="3")]
    with relations(tmp_path, log_of(facts)) as found:
        for accounts in ACCOUNTS:
            _prepare(found, accounts)
            text = _written(found, "hledger", accounts)
            assert set(re.findall(r"Assets:Orderledger:Escrow(\S*)", text)) == owners[accounts]


def test_what_is_retracted_is_left_out() -> None:
    facts = (s.placed(at=s.after(0)), s.paid(at=s.after(1), amount="3.25"), s.paid(at=s.after(2), amount="7.50"))
    taken_back = (*facts, s.retracted(at=s.after(3), retracts=3))
    text = _books_of(taken_back)["hledger"]
    assert "3.25 USD" in text
    assert "7.50" not in text


def test_it_is_as_of_the_moment_and_the_day_is_that_in_utc(cli: Cli) -> None:
    late = datetime.fromisoformat("2024-03-05T23:30:00-05:00")
    told(cli, s.placed(at=s.after(0)), s.paid(at=late), s.confirmed(at=s.after(9)))
    found = cli.ok("export", "hledger", "--as-of", s.after(8).isoformat(), "--tz", "America/New_York")
    assert re.findall("^2024.*", found, re.MULTILINE) == [
        f"2024-03-06 * ({s.ORDER}) shop-1 | You paid 20.00 USD into escrow",
        "2024-03-06 * closing balances",
    ]
    assert "2024-03-06T04:30:00Z" in found


def test_rows_of_any_number_come_once_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with relations(tmp_path, log_of(SMALL)) as found:
        accounting.prepare(found, "plain")
        for page in (4, 9):  # of nine legs
            monkeypatch.setattr(accounting, "PAGE", page)
            assert _written(found, "hledger") == JOURNAL


def test_on_a_terminal_nothing_of_an_order_steers_it(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    told(cli, s.placed(at=s.after(0), title="left\u202eright\x1b[2J"), s.paid(at=s.after(1)))
    monkeypatch.delenv("PAGER", raising=False)
    monkeypatch.setattr("commands.output._screen", lambda no_color: Screen(80, 24, colour=False))
    found = cli.ok("export", "beancount")
    assert 'title: "left\\u202eright\\x1b[2J"' in found
    assert not {"\u202e", "\x1b"} & {*found}


# What is asked for wrongly.


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["hledger", "--since-seq", "3"], "export it whole"),
        (["beancount", "--since-seq", "0"], "export it whole"),
        (["hledger", "--relation", "orders"], "a relation is written as csv"),
        (["beancount", "--spreadsheet-safe"], "it is for csv and tsv"),
        (["csv", "--accounts", "plain"], "it is for hledger and beancount"),
        (["hledger", "--accounts", "month"], "marketplace"),
    ],
)
def test_wrong_usage_writes_nothing(cli: Cli, arguments: list[str], hint: str) -> None:
    told(cli, *SMALL)
    answer = cli("export", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert hint in answer.err


def test_damage_ends_the_books_before_it(cli: Cli) -> None:
    ledger = told(cli, *SMALL)
    [segment] = (ledger.path / "events").iterdir()
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join([*lines[:6], b"{" + lines[6][2:], *lines[7:]]))
    answer = cli("export", "hledger")
    assert answer.code == 5
    assert "-5000" in answer.out
    assert "decided the dispute" not in answer.out


# Names.


@settings(max_examples=50)
@given(st.text(max_size=20) | st.sampled_from(IDS))
def test_a_plain_name_can_be_read_back(text: str) -> None:
    """So different names stay different; and both programs take every one of its characters."""
    name = plain_name(text)
    escaped = re.compile("(?:--[0-9a-f]{2})+")
    assert escaped.sub(lambda found: bytes.fromhex(found[0].replace("-", "")).decode(), name) == text
    assert re.fullmatch("[A-Za-z0-9-]*", name)


@settings(max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1), st.text())
def test_no_text_of_an_order_adds_a_line_or_ends_its_field(odd_id: str, title: str) -> None:
    movement = Movement(
        1,
        2,
        "paid",
        odd_id,
        s.START,
        odd_id,
        title,
        None,
        "You paid",
        "USD",
        ((account("buyer", "plain", None), D(1)),),
    )
    lines = hledger.transaction(movement).split("\n")
    assert len(lines) == (6 if title.strip("\x00\x1f\x7f") and lines[2].startswith("    ; title:") else 5)
    assert re.fullmatch(r"2024-03-01 \* \([^()]+\) [^|;]+ \| You paid", lines[0])
    assert [line.count(",") for line in lines[2:]] == [0] * len(lines[2:])
    entry = beancount.transaction(movement)
    strings = re.findall(r'"(?:[^"\\]|\\.)*"', entry, re.DOTALL)
    assert entry.count('"') - entry.count(r"\"") == 2 * len(strings)
    assert entry.endswith("\n  Assets:Orderledger:Buyer  1.00 USD\n\n")


# What the programs say.


@cache
def _books_of(facts: tuple[Fact, ...]) -> dict[str, str]:
    """Return the books of these facts, as each program is given them."""
    with TemporaryDirectory() as folder, relations(Path(folder), log_of(facts)) as found:
        accounting.prepare(found, "plain")
        return {name: _written(found, name) for name in accounting.BOOKS}


def _saved(text: str, folder: Path) -> Path:
    path = folder / "books"
    path.write_text(text, encoding="utf-8")
    return path


@st.composite
def odd_names(draw: st.DrawFn) -> list[Recorded]:
    """Draw a history whose sellers, orders, titles and marketplaces have names that try to be something else."""
    log = draw(histories(min_orders=6, max_orders=8, max_facts=12))
    names = draw(st.lists(st.sampled_from(IDS), min_size=8, max_size=8, unique=True))
    ids = dict(zip(sorted({line.event.order_id for line in log}), names, strict=False))
    renamed = []
    for line in log:
        event = replace(line.event, order_id=ids[line.event.order_id])
        if isinstance(event, Placed):
            marketplace = draw(st.sampled_from([None, "", "Ali Express", *TITLES]))
            title = draw(st.sampled_from(TITLES))
            event = replace(event, seller=draw(st.sampled_from(names)), title=title, marketplace=marketplace)
        renamed.append(replace(line, event=event))
    return renamed


@st.composite
def moments(draw: st.DrawFn) -> tuple[list[Recorded], Accounts, datetime | None]:
    """Draw a history, for what there are accounts, and as of when the books are to be."""
    log = draw(odd_names())
    times = [line.effective_at or line.event.occurred_at for line in log]
    return log, draw(st.sampled_from(ACCOUNTS)), draw(st.sampled_from([None, *times]))


def count_the_same(name: str, text: str, orders: list[Order], accounts: Accounts, folder: Path) -> None:
    """Check that a program accepts the books of these orders and counts what they add up to."""
    path = _saved(text, folder)
    if name == "hledger":
        assert balances_of("hledger", path) == folded(orders, accounts)
        return
    entries, errors = _loaded(path)
    assert errors == []
    assert _beancount_balances(entries) == folded(orders, accounts)
    by_id = {order.order_id: order for order in orders}
    for entry in _transactions(entries):
        order = by_id[entry.meta["order"]]
        assert (entry.payee, entry.meta.get("title", "")) == (order.seller, order.title or "")
        assert entry.links == {plain_name(order.order_id)}
        [line] = [line for line in order.in_force() if line.seq == entry.meta["seq"]]
        assert (entry.date, entry.meta["version"]) == (line.event.occurred_at.date(), line.version)
        assert (entry.flag == "!", entry.meta["type"]) == (bool(line.odd), line.event.__struct_config__.tag)


@pytest.mark.skipif(not INSTALLED, reason="neither hledger nor beancount is installed")
@settings(max_examples=3 if EVENTS < 10_000 else 20)
@given(moments())
def test_programs_count_what_the_orders_add_up_to_and_read_every_text_as_it_was(
    drawn: tuple[list[Recorded], Accounts, datetime | None],
) -> None:
    log, accounts, as_of = drawn
    with TemporaryDirectory() as folder, relations(Path(folder), log, as_of=as_of) as found:
        accounting.prepare(found, accounts)
        for name in INSTALLED:
            count_the_same(name, _written(found, name, accounts), believed(log, as_of), accounts, Path(folder))


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """The ledger of the sample logs."""
    ledger = new_ledger(str(tmp_path_factory.mktemp("samples")))
    logs = sorted((ROOT / "sample_logs").glob("*.jsonl"))
    tell(ledger, (line for path in logs for line in path.read_bytes().splitlines()))
    return ledger


@pytest.fixture(scope="module")
def sample_books(samples: Ledger) -> dict[tuple[str, Accounts], str]:
    """The books of the samples, for each program, with few accounts and with many."""
    written: dict[tuple[str, Accounts], str] = {}
    with relations(samples.path.parent / "relations", content(samples)) as found:
        for accounts in SAMPLED:
            _prepare(found, accounts)
            written |= {(name, accounts): _written(found, name, accounts) for name in accounting.BOOKS}
    return written


@pytest.fixture(scope="module")
def sample_money(samples: Ledger) -> Balances:
    """What `money` tells of it; accounts with nothing are left out."""
    path = samples.path.parent / "money.csv"
    assert run(["--ledger", str(samples.path), "money", "--to", str(path)]) == 0
    rows = csv.DictReader(path.read_text().splitlines())
    return {(row["account"], row["currency"]): D(row["balance"]) for row in rows if D(row["balance"])}


@pytest.mark.parametrize("accounts", SAMPLED)
@pytest.mark.parametrize("name", PROGRAM)
def test_the_sample_logs_are_accepted_and_have_the_balances_that_money_tells(
    sample_books: dict[tuple[str, Accounts], str],
    sample_money: Balances,
    tmp_path: Path,
    name: str,
    accounts: Accounts,
) -> None:
    sums: Counter[tuple[str, str]] = Counter()
    for (account_name, currency), value in balances_of(name, _saved(sample_books[name, accounts], tmp_path)).items():
        sums[account_name.split(":")[2].lower(), currency] += value  # type: ignore[assignment]
    assert {key: D(value) for key, value in sums.items() if value} == sample_money


@pytest.mark.parametrize("name", PROGRAM)
def test_a_cent_that_is_missing_is_noticed(tmp_path: Path, name: str) -> None:
    whole = _books_of(SMALL)[name]
    head, end = whole.rsplit("Assets:Orderledger:Seller", 1)
    wrong = [
        whole.replace(" 20.00 USD\n", " 19.99 USD\n", 1),
        _without_the_last_movement(whole),
        f"{head}Assets:Orderledger:Seller{end.replace('20.00', '20.01')}",
    ]
    assert check(name, _saved(whole, tmp_path))[0] == 0
    for text in wrong:
        assert text != whole
        assert check(name, _saved(text, tmp_path))[0] == 1


def _without_the_last_movement(text: str) -> str:
    parts = text.split("\n\n")
    return "\n\n".join([*parts[:-2], parts[-1]])


LARGEST = {
    code: money.text(money.TOO_MUCH * 10 ** money.EXPONENTS[code] - 1, code) for code in ("USD", "JPY", "KWD", "CLF")
}
EARLY = datetime.fromisoformat("0001-01-02T00:00:00Z")
EXTREME = tuple(
    fact
    for number in range(40)
    for currency, amount in LARGEST.items()
    for order in [{"order_id": f"{number}-{currency}", "amount": amount}]
    for fact in (s.placed(currency=currency, at=EARLY, **order), s.paid(at=EARLY + timedelta(days=number + 1), **order))
)


@pytest.mark.parametrize("name", PROGRAM)
def test_the_largest_amounts_are_exact_and_an_early_day_is_one(tmp_path: Path, name: str) -> None:
    text = _books_of(EXTREME)[name]
    assert str(date(1, 1, 3)) in text
    found = balances_of(name, _saved(text, tmp_path))
    assert {code: found["Assets:Orderledger:Escrow", code] for code in LARGEST} == {
        code: 40 * D(amount) for code, amount in LARGEST.items()
    }


@pytest.mark.parametrize("name", PROGRAM)
def test_no_movement_at_all_is_accepted(tmp_path: Path, name: str) -> None:
    assert balances_of(name, _saved(_books_of(())[name], tmp_path)) == {}


@needs_beancount
def test_bean_check_itself_accepts_the_sample_logs_and_refuses_what_is_wrong(
    sample_books: dict[tuple[str, Accounts], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = sample_books["beancount", "order"]
    assert _bean_check(_saved(text, tmp_path)) == 0
    assert capsys.readouterr() == ("", "")
    assert _bean_check(_saved(text.replace(" 64.20 USD\n", " 64.19 USD\n", 1), tmp_path)) == 1


def _bean_check(path: Path) -> Any:
    """Run the command `bean-check` in this process."""
    main: Any = importlib.import_module("beancount.scripts.check").main
    with pytest.raises(SystemExit) as ended:
        main(["--no-cache", str(path)], prog_name="bean-check")
    return ended.value.code


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """A ledger of generated orders."""
    ledger = new_ledger(str(tmp_path_factory.mktemp("generated")))
    tell(ledger, (line.encode() for line in generated(EVENTS, 1)))
    return ledger


@pytest.fixture(scope="module")
def many_folded(many: Ledger) -> Balances:
    return folded(believed(content(many)), "plain")


@pytest.mark.parametrize("name", PROGRAM)
def test_generated_orders_are_accepted_and_add_up(
    many: Ledger, many_folded: Balances, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "books"
    assert run(["--ledger", str(many.path), "export", name, str(path)]) == 0
    assert balances_of(name, path) == many_folded
