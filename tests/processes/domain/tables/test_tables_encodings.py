"""Which encodings are read, and what is said of the others."""

from io import BytesIO

import pytest

from processes.domain.tables import TableError, open_table

TEXT = "code,city\nZRH,Zürich\nCGN,Köln\n"
ROWS = [("ZRH", "Zürich"), ("CGN", "Köln")]


def rows_of(content: bytes) -> list[tuple[str, ...]]:
    return [row.fields for row in open_table(BytesIO(content))]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (TEXT.encode("utf-8"), "utf-8"),
        (TEXT.encode("utf-8-sig"), "utf-8"),
        (b"\xff\xfe" + TEXT.encode("utf-16-le"), "utf-16-le"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "utf-16-be"),
        (TEXT.encode("utf-16-le"), "utf-16-le"),
        (TEXT.encode("utf-16-be"), "utf-16-be"),
        (TEXT.encode("latin-1"), "latin-1"),
    ],
    ids=["utf-8", "utf-8 bom", "utf-16-le bom", "utf-16-be bom", "utf-16-le bare", "utf-16-be bare", "latin-1"],
)
def test_these_encodings_are_read_and_named(content: bytes, encoding: str) -> None:
    table = open_table(BytesIO(content))

    assert table.header == ("code", "city")
    assert [row.fields for row in table] == ROWS
    assert table.encoding == encoding


def test_ascii_counts_as_utf_8() -> None:
    table = open_table(BytesIO(b"a,b\n1,2\n"))

    assert list(table)
    assert table.encoding == "utf-8"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_file_may_stay_ascii_for_long_before_its_encoding_shows(encoding: str) -> None:
    plain = "".join(f"{number},plain\n" for number in range(20_000))
    table = open_table(BytesIO(f"id,city\n{plain}20000,Zürich\n20001,Köln\n".encode(encoding)))

    assert table.encoding == "utf-8"  # nothing is known yet
    assert [row.fields[1] for row in table][-2:] == ["Zürich", "Köln"]
    assert table.encoding == encoding


def test_the_size_of_the_pieces_changes_nothing() -> None:
    content = ("id,city\r\n" + "1,Zürich\r\n" * 50).encode()
    whole = [(row.line, row.fields) for row in open_table([content])]

    for size in (1, 2, 3, 7):
        pieces = (content[start : start + size] for start in range(0, len(content), size))
        assert [(row.line, row.fields) for row in open_table(pieces)] == whole


@pytest.mark.parametrize(
    ("content", "code", "found", "line", "byte"),
    [
        # "code,city\n" is 10 bytes; "ZRH," are the bytes 11 to 14.
        (b"code,city\nZRH,\x93Zurich\x94\n", "wrong_encoding", "Windows-1252", 2, 15),
        ("code,city\nZRH,Zürich €\n".encode("cp1252"), "wrong_encoding", "0x80", 2, 22),
        (b"code,city\nZRH,Z\x00rich\n", "not_a_table", "NUL", 2, 16),
        (b"code,city\nZRH,\xfc\x01\n", "not_a_table", "0x01", 2, 16),
        ("code,city\nZRH,üüü".encode() + b"\xff,\n", "wrong_encoding", "FF", 2, 21),
        ("code,city\nZRH,üüü".encode() + b"\xc3", "wrong_encoding", "ends in the middle", 2, 21),
        (b"\xff\xfe" + "a,b\n".encode("utf-16-le") + b"\x00\xd8", "wrong_encoding", "ends in the middle", 2, 11),
        (b"\xff\xfe" + "a,b\n".encode("utf-16-le") + b"\x00\xdc,\x00", "wrong_encoding", "UTF-16", 2, 11),
        ("a,b\n1,2\n".encode("utf-32"), "wrong_encoding", "UTF-32", 1, 1),
        ("a,b\n1,2\n".encode("utf-32-be"), "wrong_encoding", "UTF-32", 1, 1),
        ("a,b\n1,2\n".encode("utf-32-le"), "wrong_encoding", "UTF-32", 1, 1),
    ],
)
def test_other_encodings_are_refused_with_their_place(
    content: bytes, code: str, found: str, line: int, byte: int
) -> None:
    with pytest.raises(TableError) as caught:
        rows_of(content)

    assert caught.value.code == code
    assert found in caught.value.message
    assert (caught.value.line, caught.value.byte) == (line, byte)


def test_the_place_is_counted_from_the_start_of_a_long_file() -> None:
    lines = b"1,plain\r\n" * 20_000
    content = b"a,b\r\n" + lines + "2,ü\r\n".encode() * 9 + b"3,\xff\r\n"

    with pytest.raises(TableError) as caught:
        rows_of(content)

    assert caught.value.line == 1 + 20_000 + 9 + 1
    assert caught.value.byte == content.index(b"\xff") + 1


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"PK\x03\x04\x14\x00\x06\x00[Content_Types].xml", "Office document"),
        (b"PK\x03\x04\x14\x00\x06\x00xl/workbook.xml", "Excel workbook (.xlsx)"),
        (b"PK\x03\x04\x14\x00\x06\x00photos/1.jpg", "ZIP archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00\x00", "old Excel workbook"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF"),
        (b"\x1f\x8b\x08\x00\x00", "gzip"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "PNG"),
        (b"<!DOCTYPE html>\n<html>", "HTML"),
        (b'<?xml version="1.0"?>\n<a/>', "HTML or XML"),
    ],
)
def test_what_is_no_text_is_named(content: bytes, found: str) -> None:
    with pytest.raises(TableError) as caught:
        rows_of(content)

    assert caught.value.code == "not_a_table"
    assert found in caught.value.message
    assert "CSV" in caught.value.message  # the cure
