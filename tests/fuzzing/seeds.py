"""What the fuzzer begins from: valid input of every target, and words that are likely to hurt."""

from pathlib import Path

import msgspec

from ledger import signing
from ledger.events import TYPES
from tests.fuzzing.targets import HEAD, LOG, PROOFS, STORY
from tests.telling import FORMATS
from tests.workbooks import packed

SAMPLES = Path(__file__).parents[2] / "sample_logs"

_SIGNER = signing.Signer(HEAD.origin, bytes(range(32)))
_SIGNED = _SIGNER.sign(HEAD)
_AUDIT = """-- question: Which closures refunded the buyer?
-- theme:    closures
-- params:   since TIMESTAMP = NULL   only closures from then on
-- params:   least DOUBLE = 0.5
-- columns:  order_id VARCHAR, money DECIMAL(38,4)
SELECT order_id, to_buyer AS money FROM closures WHERE closed_at >= $since OR to_buyer > $least ORDER BY order_id
"""


def _samples() -> list[bytes]:
    return [path.read_bytes() for path in sorted(SAMPLES.glob("*.jsonl"))]


def _foreign() -> list[bytes]:
    """Small files of each foreign format, and a workbook."""
    kept = [path for path in sorted(FORMATS.rglob("*")) if path.is_file() and not path.name.endswith(".facts.jsonl")]
    small = [path for path in kept if path.stat().st_size < 6000 and path.parent.name != "data_request"]
    return [*(path.read_bytes() for path in small), packed({})]


SEEDS: dict[str, list[bytes]] = {
    "line": LOG,
    "fact": sorted({line for text in _samples() for line in text.splitlines() if line}),
    "imported": _samples(),
    "foreign": _foreign(),
    "statement": [
        b"Date,Description,Money Out,Money In,Balance,Currency\n15 Mar 2024,SHOP 81,12.30,,1.00,EUR\n",
        "Konto;DE00\n\nBuchungstag;Empfänger;Betrag (€);Währung\n15.03.24;Müller;-1.234,56;EUR\n".encode("cp1252"),
        b'"Datum","Naam","Af Bij","Bedrag (EUR)"\r\n"20240315","SHOP 81","Af","12,30"\r\n',
        b"\xef\xbb\xbfPosting Date\tDetails\tAmount\n03/15/2024\tSHOP 81\tEUR -12.30\n03/05/2024\tX\t(5.00)\n",
    ],
    "table": [
        b'\0order_id,sum\n1,12.30\n2,"a,""b""\n"\n',
        b"\0id;sum\r\n1;2\r\n",
        b"\1id\tsum\n1\t2\n",
        b'\2[{"id":1,"lines":[{"price":"1.10"}]},{"id":"x"}]',
        b'\3{"id":1,"raw":{"deep":{"x":1.10}}}\n{"id":null}\n',
        b"\4PAR1\x15\x00\x15\x10\x15\x00PAR1",
    ],
    "mapping": [
        b"SELECT 'noted' AS type, order_id, CAST(ts AS TIMESTAMP) AS occurred_at FROM t WHERE ts <> ''",
        b"SELECT 'paid' AS type, CAST(sum AS DECIMAL(9,2)) AS amount, 3 AS days, [{'quantity': 1}] AS items FROM t",
        (SAMPLES / "maps" / "olist.sql").read_bytes(),
    ],
    "sql": [
        b"SELECT seller, count(*) AS orders FROM orders GROUP BY seller ORDER BY orders DESC",
        b"WITH a AS (SELECT * FROM events) SELECT a.order_id, now() FROM a JOIN timers USING (order_id);",
        b"SELECT * FROM (VALUES (1), (2)) v(x) QUALIFY row_number() OVER (ORDER BY x) = 1 -- end",
        b"PIVOT events ON type USING count(*)",
    ],
    "audit": [_AUDIT.encode()],
    "checkpoint": [HEAD.text, _SIGNED.text],
    "proven": PROOFS,
    "key": [_SIGNER.text.encode(), _SIGNER.verifier.text.encode()],
    "config": [
        b'format = 1\nid = "%b"\ncreated_at = "2026-01-01T00:00:00Z"\npolicy = "aliexpress"\nsegment_bytes = 67108864\n'
        % (b"0" * 32)
    ],
    "overrides": [b'pay_days = 3\ntime_zone = "Asia/Shanghai"\nholidays = ["2026-02-17", 2026-02-18]\n'],
    "time": [b"2024-03-01T10:00:00+08:00", b"2024-03-01 10:00", b"2d ago", b"90m", b"Europe/Berlin", b"now"],
    "options": [
        b"placed\x0081\x00--seller\0s\0--amount\0005.00\0--currency\0USD\0--at\0002026-01-01 10:00\0--tz\0Asia/Tokyo",
        b'placed\x0081\0--seller=s\0--amount=5\0--currency=USD\0--items=[{"quantity":1,"price":"5"}]\0-o\0json',
        b"paid\x0081\0--amount\x005\0--by\0buyer\0--verify-by\x002d ago\0--allow-odd\0--expect-version\x000",
    ],
}
"""By the name of the target."""

_TEXTS = [
    "\0", "\\u0000", "\x1b[31m", "\x7f", "\x85", "\u061c", "\u200e", "\u202e", "\u2066", "\u2028", "\ufeff",
    "[red]x[/]", "=HYPERLINK(\\\"http://x\\\")", "@SUM(1)", "\u0661\u0662", "\uff11", "e\u0301" * 8, "x" * 129,
    "\\ud800", "\\udc00\\ud800", "1" * 401, "1e999", "-1e999", "NaN", "Infinity", "1E400", "0.", ".5", "+5", "-0",
    "1_000", "0x10", str(2**63), str(-(2**63)), str(2**64), "null", "true", '""', "[]", "{}", "[" * 40, '{"a":' * 40,
    '{"x":[' * 600, '"', "\\", "\\\\", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59",
    "9999-12-31T23:59:59Z", "0000-00-00T00:00:00Z", "2024-02-30T10:00:00Z", "2024-03-01T24:00:00Z",
    "2024-03-01T10:00:60Z", "2024-W09-5", "20240301", "2018-11-04 00:30", "2024-03-01T10:00:00.1234567891Z",
    "999999999w ago", "10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "\r\n", "\n", "\r", "\n\n", "\t", " ", "''",
    "$$", "$now", ";", "--", "/*", "*/", "(" * 60, "SELECT", "UNION ALL", "../../etc/passwd", "/dev/zero", "{order}",
    "%s%n", "\U0001f4a3", "\u00df", "\u0130", "posixrules", "localtime", "JPY", "XXX", "KWD", "usd", "12.345",
    "99999999999999.99", "100000000000000", "TIMESTAMP 'infinity'", "DATE '294247-01-10'", "1e38::DECIMAL(38,0)",
    "current_setting('x')", "getenv('HOME')", "read_text('/etc/passwd')", "glob('/*')", "range(9)", "::BLOB",
    "::TIMESTAMPTZ", "INTERVAL 9 YEAR", "::BIT", "MAP {1: 2}", "{'a': [1]}", "'x'::ENUM('x')", "::UUID", "::TIMETZ",
    "::HUGEINT",
]  # fmt: skip
WORDS = [text.encode() for text in _TEXTS] + [tag.encode() for tag in TYPES] + [b"\xff", b"\xc0\x80", b"\xed\xa0\x80"]
"""Pieces that are put into what is mutated."""

FACTS = [msgspec.json.encode(one) for one in STORY]
