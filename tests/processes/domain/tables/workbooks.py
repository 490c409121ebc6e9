"""Make workbooks as Excel writes them, and spoil them."""

import io
import re
import zipfile
from typing import Any

from openpyxl import Workbook

TEXTS = "xl/sharedStrings.xml"
SHEET = "xl/worksheets/sheet1.xml"
TYPES = "[Content_Types].xml"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def book(*rows: list[Any], sheet: str = "Data", **sheets: list[list[Any]]) -> io.BytesIO:
    """Return a workbook as Excel writes it: texts in a table of their own."""
    workbook = Workbook()
    workbook.active.title = sheet
    for row in rows:
        workbook.active.append(row)
    for name, more in sheets.items():
        other = workbook.create_sheet(name)
        for row in more:
            other.append(row)
    file = io.BytesIO()
    workbook.save(file)
    return with_shared_texts(file)


def with_shared_texts(file: io.BytesIO) -> io.BytesIO:
    """Move the texts from their cells into one table, where Excel keeps them."""
    texts: dict[str, int] = {}

    def refer(match: re.Match[str]) -> str:
        return f't="s"><v>{texts.setdefault(match[1], len(texts))}</v>'

    with zipfile.ZipFile(file) as archive:
        types = archive.read(TYPES).decode()
        names = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
        sheets = {
            name: re.sub(r't="inlineStr"><is>(.*?)</is>', refer, archive.read(name).decode()).encode() for name in names
        }
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    types = types.replace("</Types>", f'<Override PartName="/{TEXTS}" ContentType="{kind}"/></Types>')
    table = f'<sst xmlns="{MAIN}">{"".join(f"<si>{text}</si>" for text in texts)}</sst>'
    return changed(file, **{TYPES: types.encode(), TEXTS: table.encode()}, **sheets)


def changed(file: io.BytesIO, **parts: bytes) -> io.BytesIO:
    """Return a workbook with other parts: sheet=…, texts=…, or by name."""
    names = {"sheet": SHEET, "texts": TEXTS}
    new = {names.get(name, name): content for name, content in parts.items()}
    result = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in dict.fromkeys([*old.namelist(), *new]):
            archive.writestr(name, new[name] if name in new else old.read(name))
    result.seek(0)
    return result


def sheet_of(rows: str) -> bytes:
    return f'<?xml version="1.0"?><worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'.encode()
