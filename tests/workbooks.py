"""Workbooks for tests: of any cells, and of parts that can be damaged one by one."""

import io
import zipfile
from datetime import date, datetime
from typing import Any

from openpyxl import Workbook  # type: ignore[import-untyped]


def _cell(value: Any) -> Any:
    if isinstance(value, dict):
        return date.fromisoformat(value["date"]) if "date" in value else datetime.fromisoformat(value["datetime"])
    return value


def workbook(tables: dict[str, list[list[Any]]]) -> bytes:
    """Return an XLSX file with these sheets; a time is {"datetime": …} or {"date": …}."""
    book = Workbook()
    book.remove(book.active)
    for title, rows in tables.items():
        sheet = book.create_sheet(title)
        for number, row in enumerate(rows, 1):
            for column, value in enumerate(row, 1):
                sheet.cell(number, column, _cell(value))
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


_SPREADSHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
SHEET, STRINGS = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"
_TEXTS = ["order_id", "gmt_create_order_time", "payable_amt", "is_success_pay", "gmt_pay_order_time"]
_TEXTS += ["8123456789012345", "2024-03-01 10:00:00", "true", "2024-03-01 10:01:00"]

PARTS = {
    "[Content_Types].xml": f'''<Types xmlns="{_PACKAGE}/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>
<Override PartName="/{SHEET}" ContentType="{_TYPE}.worksheet+xml"/>
<Override PartName="/{STRINGS}" ContentType="{_TYPE}.sharedStrings+xml"/></Types>''',
    "_rels/.rels": f'''<Relationships xmlns="{_PACKAGE}/relationships">
<Relationship Id="a" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>''',
    "xl/_rels/workbook.xml.rels": f'''<Relationships xmlns="{_PACKAGE}/relationships">
<Relationship Id="a" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>''',
    "xl/workbook.xml": f'''<workbook xmlns="{_SPREADSHEET}" xmlns:r="{_OFFICE}"><sheets>
<sheet name="Order Information" sheetId="1" r:id="a"/></sheets></workbook>''',
    STRINGS: f'<sst xmlns="{_SPREADSHEET}">{"".join(f"<si><t>{text}</t></si>" for text in _TEXTS)}</sst>',
    SHEET: f'<worksheet xmlns="{_SPREADSHEET}"><dimension ref="A1:E2"/><sheetData><row r="1">'
    + "".join(f'<c r="{column}1" t="s"><v>{number}</v></c>' for number, column in enumerate("ABCDE"))
    + '</row><row r="2"><c r="A2" t="s"><v>5</v></c><c r="B2" t="s"><v>6</v></c><c r="C2"><v>1999</v></c>'
    + '<c r="D2" t="s"><v>7</v></c><c r="E2" t="s"><v>8</v></c></row></sheetData></worksheet>',
}
"""A workbook as a spreadsheet program writes it, with its texts in a table of their own."""


def packed(change: dict[str, bytes]) -> bytes:
    """Return the good workbook with some of its parts replaced, and others added; the same bytes every time."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as out:
        for name, part in ({name: text.encode() for name, text in PARTS.items()} | change).items():
            out.writestr(zipfile.ZipInfo(name), part, zipfile.ZIP_DEFLATED)
    return content.getvalue()
