"""csv-import on the real stack, as a browser without JavaScript sees it: the path that must work, and bad input."""

import codecs
import csv
import io
import json
import re
import uuid
import zipfile
from collections.abc import Callable

import pytest
from websockets.sync.client import connect

from tests.acceptance.conftest import Stack, Visitor

pytestmark = pytest.mark.acceptance

HEADER = "iata,name,city,state,country,latitude,longitude"
GOOD = "AAA,One,Town,TX,USA,41.5,-95.0"


def said(page: str) -> str:
    """Return what a page says in alerts and error lists, as plain text."""
    alerts = r'<(?:ul|div)[^>]*(?:class="errorlist[^>]*|role="alert")[^>]*>(.*?)</(?:ul|div)>'
    found = re.findall(alerts, page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", " ".join(found)).split())


def counts(page: str) -> tuple[int, int]:
    found = dict(re.findall(r'class="rows-(accepted|rejected)" value="(\d+)"', page))
    return int(found["accepted"]), int(found["rejected"])


def test_3376_airports_are_checked_imported_and_accounted_for(stack: Stack, visitor: Visitor, airports: bytes) -> None:
    rows = list(csv.DictReader(io.StringIO(airports.decode())))
    bad = [row for row in rows if "NA" in (row["city"], row["state"])]
    assert (len(rows), len(bad)) == (3376, 12)

    preview = visitor.upload(airports)
    assert "Columns found" in preview.text
    assert "have problems and would be rejected" in preview.text
    progress = visitor.confirm(preview)
    task = visitor.task_of(progress)
    updates = list(visitor.follow(task))

    assert [update["seq"] for update in updates] == list(range(1, len(updates) + 1))
    assert updates[0]["type"] == "taskStart"
    assert updates[-1]["type"] == "taskEnd"
    started = [update["node"]["alias"] for update in updates if update["type"] == "nodeStart"]  # type: ignore[index]
    assert started == ["read", "validate", "import", "finish"]

    page = visitor.http.get(progress.url)
    found = re.search(r'<a class="button" href="([^"]+)">See the result</a>', page.text)
    assert found is not None
    result = visitor.http.get(found[1].replace("&amp;", "&"))
    assert counts(result.text) == (3364, 12)
    download = re.search(r'href="(/files/[^"]+)"', result.text)
    assert download is not None
    rejected = visitor.http.get(download[1])
    assert "attachment" in rejected.headers["Content-Disposition"]
    listed = list(csv.DictReader(io.StringIO(rejected.content.decode("utf-8-sig"))))
    assert [row["iata"] for row in listed] == [row["iata"] for row in bad]
    assert stack.ask_database(f"models.ImportedRow.objects.filter(batch_id='{task}').count()") == "3364"


def test_a_second_confirmation_imports_nothing_and_says_what_happened(
    stack: Stack, visitor: Visitor, airports: bytes
) -> None:
    preview = visitor.upload(airports)
    first = visitor.confirm(preview)
    task = visitor.task_of(first)
    second = visitor.confirm(preview)
    assert second.status_code == 409
    assert f"/progress/{task}/" in second.text
    list(visitor.follow(task))
    assert stack.ask_database(f"models.ImportBatch.objects.filter(pk='{task}').count()") == "1"
    name = "airports.csv"
    assert preview.text.count(name) >= 1


def workbook() -> bytes:
    """Return the beginnings of a real .xlsx file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return packed.getvalue()


BAD_FILES = {
    "no text at all": (b"", "empty"),
    "only a header": (HEADER.encode(), "row"),
    "no CSV but a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "another type"),
    "an Excel file": (workbook(), "another type"),
    "Windows-1252": (f"{HEADER}\nAAA,\x93One\x94,Town,TX,USA,1,2\n".encode("latin-1"), "1252"),
    "10,000 columns": ((",".join(f"c{n}" for n in range(10_000)) + "\n" + "," * 9_999).encode(), "10,000 columns"),
    "broken UTF-8": (f"{HEADER}\nAAA,Zürich,Köln,TX,USA,1,2\nBBB,Málaga,".encode() + b"\xff,TX,USA,1,2\n", "UTF-8"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(visitor: Visitor, case: str) -> None:
    content, reason = BAD_FILES[case]
    page = visitor.upload(content)
    assert page.status_code in (200, 422)
    assert reason.lower() in said(page.text).lower(), said(page.text) or page.text
    assert 'type="file"' in page.text


def test_no_file_is_refused(visitor: Visitor) -> None:
    page = visitor.http.get("/p/csv-import/")
    answer = visitor.http.post("/p/csv-import/", data=visitor.fields(page.text))
    assert "Choose a file" in said(answer.text)


def test_100_mb_are_refused_with_the_limit(visitor: Visitor) -> None:
    page = visitor.upload(f"{HEADER}\n".encode() + f"{GOOD}\n".encode() * 3_300_000)
    assert page.status_code in (200, 413, 422)
    assert "50" in said(page.text), said(page.text) or page.text


ENCODINGS = {
    "UTF-8": lambda text: text.encode(),
    "UTF-8 with BOM": lambda text: codecs.BOM_UTF8 + text.encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "Latin-1": lambda text: text.encode("latin-1"),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_usual_encodings_are_read(visitor: Visitor, encoding: str) -> None:
    page = visitor.upload(ENCODINGS[encoding](f"{HEADER}\nAAA,Zürich,Köln,TX,USA,47.4,8.5\n"))
    assert "Zürich" in page.text
    assert "Columns found" in page.text


def test_a_row_with_too_few_fields_is_shown_and_rejected(visitor: Visitor) -> None:
    preview = visitor.upload(f"{HEADER}\n{GOOD}\nBBB,Two\n".encode())
    assert re.search(r"fields", preview.text)
    task = visitor.task_of(visitor.confirm(preview))
    assert list(visitor.follow(task))[-1]["type"] == "taskEnd"
    page = visitor.http.get(f"/progress/{task}/")
    found = re.search(r'<a class="button" href="([^"]+)">See the result</a>', page.text)
    assert found is not None
    assert counts(visitor.http.get(found[1].replace("&amp;", "&")).text) == (1, 1)


@pytest.mark.parametrize("reference", ["A" * 22, "short", "../../etc/passwd", "🙂"])
def test_a_forged_reference_is_not_found(visitor: Visitor, reference: str) -> None:
    preview = visitor.upload(f"{HEADER}\n{GOOD}\n".encode())
    forged = visitor.http.post("/p/csv-import/", data={**visitor.fields(preview.text), "data": reference})
    assert forged.status_code == 404
    assert "Traceback" not in forged.text


def test_somebody_elses_reference_looks_like_a_forged_one(visitor: Visitor, new_visitor: Callable[[], Visitor]) -> None:
    preview = visitor.upload(f"{HEADER}\n{GOOD}\n".encode())
    stranger = new_visitor()
    own = stranger.upload(f"{HEADER}\n{GOOD}\n".encode())
    token = {"csrfmiddlewaretoken": stranger.fields(own.text)["csrfmiddlewaretoken"]}
    foreign = stranger.http.post("/p/csv-import/", data={**visitor.fields(preview.text), **token})
    forged = stranger.http.post("/p/csv-import/", data={**visitor.fields(preview.text), **token, "data": "A" * 22})
    assert foreign.status_code == forged.status_code == 404
    assert re.sub(r'value="[^"]*"', "", foreign.text) == re.sub(r'value="[^"]*"', "", forged.text)
    assert visitor.confirm(preview).status_code == 200  # the owner's step was not touched


def test_somebody_elses_task_is_not_found_by_page_stream_or_socket(
    stack: Stack, visitor: Visitor, new_visitor: Callable[[], Visitor]
) -> None:
    task = visitor.task_of(visitor.confirm(visitor.upload(f"{HEADER}\n{GOOD}\n".encode())))
    stranger = new_visitor()
    stranger.http.get("/p/csv-import/")
    for unknown in (task, uuid.uuid4()):
        assert stranger.http.get(f"/progress/{unknown}/").status_code == 404
        assert stranger.http.get(f"/api/tasks/{unknown}/updates/").status_code == 404
    cookies = "; ".join(f"{name}={value}" for name, value in stranger.http.cookies.items())
    url = f"{stack.address.replace('http', 'ws')}/ws/"
    with connect(url, additional_headers={"Cookie": cookies}, origin=stack.address) as socket:  # type: ignore[arg-type]
        answers = []
        for unknown in (task, uuid.uuid4()):
            socket.send(json.dumps({"type": "subscribe", "taskId": str(unknown), "snapshot": True}))
            answer = json.loads(socket.recv(10))
            assert answer.pop("taskId") == str(unknown)
            answers.append(answer)
    assert answers[0] == answers[1]
    assert answers[0]["code"] == "not_found"
