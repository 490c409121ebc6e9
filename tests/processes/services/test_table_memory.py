"""Tables are streamed: how many rows there are makes no difference to memory."""

import itertools
import tracemalloc

import pytest

from processes.domain.tables import DelimitedRecords, JsonLinesRecords, WorkbookRecords, open_table
from tests.processes.domain.tables.workbooks import book, changed, sheet_of


def csv_of(count: int) -> DelimitedRecords:
    rows = (f"{number},Name {number},{number * 3.5}\n".encode() for number in range(count))
    return DelimitedRecords(open_table(itertools.chain([b"id,name,amount\n"], rows)))


def json_lines_of(count: int) -> JsonLinesRecords:
    return JsonLinesRecords(f'{{"id": {number}, "name": "Name {number}"}}\n'.encode() for number in range(count))


def workbook_of(count: int) -> WorkbookRecords:
    head = '<row r="1"><c r="A1" t="inlineStr"><is><t>id</t></is></c></row>'
    rows = (
        f'<row r="{number}" ht="15" customHeight="1"><c r="A{number}"><v>1</v></c></row>' for number in range(2, count)
    )
    return WorkbookRecords(changed(book(["id"]), sheet=sheet_of(head + "".join(rows))))


@pytest.mark.parametrize(
    ("make", "counts"),
    # Each is longer than the pieces in which files are read.
    [(csv_of, (10_000, 40_000)), (json_lines_of, (10_000, 40_000)), (workbook_of, (4_000, 12_000))],
)
def test_memory_does_not_grow_with_the_rows(make, counts):
    # What is made once, by whoever comes first, counts for none.
    for _ in make(10):
        pass
    fewer, more = (peak(make, count) for count in counts)
    # Bookkeeping of the archive and the parser apart; every row kept would be 80 bytes and more.
    assert more < fewer + 200_000


def peak(make, count):
    """Return how many bytes were held at once, at most: the least of a few readings, since other threads count too."""
    peaks = []
    for _ in range(3):
        records = make(count)
        tracemalloc.start()
        try:
            for _ in records:
                pass
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    return min(peaks)
