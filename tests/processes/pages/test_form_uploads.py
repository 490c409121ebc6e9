"""What file fields take, keep, and give back."""

from typing import Any

import pytest
from django.core.files.uploadedfile import UploadedFile
from django.test import Client

from processes.models import StoredFile
from tests.processes.pages.browsing import send_form
from tests.processes.pages.form_kit import EXE, PDF, PNG, RECEIPT, TICKET, ZIP, refusal, sent, shown, upload
from tests.processes.services.published import form, page, publish_process

ONE = {"name": "x", "type": "file", "accept": [".pdf"]}
MANY = {"name": "x", "type": "file", "multiple": True, "max_files": 3}
IMAGE = {"name": "x", "type": "image"}


def clean(field: dict[str, Any], *files: Any, values: dict[str, Any] | None = None, **options: Any) -> Any:
    form = sent(field, values=values or {}, files={"x": list(files)} if files else {}, **options)
    assert form.is_valid(), form.errors
    return form.cleaned_data["x"]


def refused(field: dict[str, Any], *files: Any, **options: Any) -> str:
    return refusal(field, None, files={"x": list(files)} if files else {}, **options)


def test_a_file_arrives_as_an_upload_that_can_be_read_from_its_beginning() -> None:
    file = clean(ONE, upload("a.pdf", PDF, "application/pdf"))
    assert isinstance(file, UploadedFile)
    assert file.read() == PDF


def test_several_files_arrive_as_a_list() -> None:
    assert [file.name for file in clean(MANY, upload("a", b"1"), upload("b", b"2"))] == ["a", "b"]
    assert clean({**MANY, "required": False}) == []


def test_a_single_field_takes_one_of_several() -> None:
    assert clean(ONE, upload("a.pdf", PDF), upload("b.pdf", PDF)).name == "b.pdf"


def test_too_many_files_are_refused_and_kept_ones_count() -> None:
    assert "At most 3 files" in refused(MANY, *(upload(name, b"x") for name in "abcd"))
    field = {**MANY, "max_files": 1}
    form = sent(field, values={"x-keep": RECEIPT["id"]}, files={"x": [upload("a", b"x")]}, data={"x": [RECEIPT]})
    assert "At most 1 file " in str(form.errors["x"])
    assert form.entered() == {"x": [RECEIPT]}


@pytest.mark.parametrize(
    ("field", "file", "message"),
    [
        (ONE, None, "Choose a file."),
        (ONE, upload("a.pdf", b""), "The file is empty."),
        ({**ONE, "max_bytes": 5}, upload("a.pdf", PDF), "too large"),
        (ONE, upload("a.png", PNG), "not of a type that is taken"),
        (ONE, upload("a.pdf", EXE, "application/pdf"), "its content is of another type"),
        (ONE, upload("a.pdf", b"just words", "application/pdf"), "its content is of another type"),
        (IMAGE, upload("a.png", PDF, "image/png"), "its content is of another type"),
        (IMAGE, upload("a.svg", b"<svg xmlns='x'><script/></svg>", "image/svg+xml"), "another type"),
        ({**IMAGE, "accept": [".pdf"]}, upload("a.pdf", PDF), "is not a picture"),
        (MANY, upload("b.txt", b""), "b.txt: The file is empty."),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_clear_words(field: dict[str, Any], file: Any, message: str) -> None:
    assert message in refused(field, *([] if file is None else [file]))


def test_a_picture_is_taken() -> None:
    assert clean(IMAGE, upload("a.png", PNG, "image/png")).name == "a.png"
    svg = upload("a.svg", b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml")
    assert clean({**IMAGE, "accept": [".svg"]}, svg).name == "a.svg"


# -- what was kept -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["data", "entered"])
def test_a_kept_file_is_shown_and_satisfies_a_required_field(source: str) -> None:
    form = shown(ONE, **{source: {"x": RECEIPT}})
    html = str(form["x"])
    assert f'href="/files/{RECEIPT["id"]}/"' in html
    assert "receipt.pdf" in html
    assert "120.0\xa0KB" in html
    assert 'name="x-clear"' in html
    assert " required" not in html
    assert clean(ONE, **{source: {"x": RECEIPT}}) == RECEIPT


def test_what_was_entered_comes_before_the_data_also_where_a_file_was_removed() -> None:
    assert "receipt" not in str(shown(ONE, data={"x": RECEIPT}, entered={"x": None})["x"])
    assert "Choose a file." in refused(ONE, data={"x": RECEIPT}, entered={"x": None})


def test_a_kept_file_can_be_removed_and_replaced() -> None:
    optional = {**ONE, "required": False}
    assert clean(optional, values={"x-clear": "1"}, data={"x": RECEIPT}) is None
    form = sent(ONE, values={"x-clear": "1"}, data={"x": RECEIPT})
    assert "Choose a file." in str(form.errors["x"])
    assert form.entered() == {"x": None}
    assert " checked" in str(form["x"])
    assert clean(ONE, upload("new.pdf", PDF), data={"x": RECEIPT}).name == "new.pdf"


def test_of_several_kept_files_those_stay_that_are_named() -> None:
    data = {"x": [RECEIPT, TICKET]}
    assert clean(MANY, values={"x-keep": [TICKET["id"], "made-up"]}, data=data) == [TICKET]
    kept, new = clean(MANY, upload("a", b"x"), values={"x-keep": [RECEIPT["id"]]}, data=data)
    assert (kept, new.name) == (RECEIPT, "a")
    html = str(shown(MANY, data=data)["x"])
    assert html.count('name="x-keep"') == html.count(" checked") == 2
    form = sent(MANY, {"name": "b"}, values={"x-keep": [TICKET["id"]], "b": ""}, data=data)
    assert str(form["x"]).count(" checked") == 1


def test_what_nobody_kept_before_can_not_be_made_up() -> None:
    assert clean({**MANY, "required": False}, values={"x-keep": [RECEIPT["id"]]}) == []


@pytest.mark.parametrize("odd", ["text", 3, {"type": "FILE_INFO"}, {"type": "FILE_INFO", "id": "no-id"}, [None, {}]])
def test_odd_values_in_data_are_no_files_and_break_nothing(odd: Any) -> None:
    assert "<a href" not in str(shown(ONE, data={"x": odd})["x"])


def test_files_that_are_right_by_themselves_are_entered_and_shown_once_they_are_stored() -> None:
    fields = (ONE, {"name": "name"})
    form = sent(*fields, values={"name": ""}, files={"x": upload("a.pdf", PDF)})
    assert not form.is_valid()
    entered = form.entered()
    assert isinstance(entered["x"], UploadedFile)
    form.show_kept({"x": RECEIPT})
    assert "receipt.pdf" in str(form["x"])
    form = sent(ONE, values={}, files={"x": upload("a.pdf", EXE)})
    assert form.entered() == {"x": None}
    right, wrong = upload("a.txt", b"x"), upload("b.txt", b"")
    assert sent(MANY, values={}, files={"x": [right, wrong]}).entered() == {"x": [right]}


def test_a_disabled_file_is_shown_and_stays() -> None:
    field = {**ONE, "disabled": True}
    assert clean(field, upload("a.pdf", PDF), values={"x-clear": "1"}, data={"x": RECEIPT}) == RECEIPT
    html = str(shown(field, data={"x": RECEIPT})["x"])
    assert "receipt.pdf" in html
    assert "<input" not in html


def test_a_zip_called_csv_is_refused() -> None:
    assert "another type" in refused({**ONE, "accept": [".csv"]}, upload("rows.csv", ZIP, "text/csv"))


@pytest.mark.django_db
def test_a_field_takes_as_many_files_as_a_definition_may_allow(client: Client) -> None:
    many = {"name": "x", "type": "file", "multiple": True, "max_files": 100}
    publish_process("send", [form("ask", "done", many), page("done", "done")])
    files = [upload(f"{number}.txt", b"x") for number in range(100)]
    assert send_form(client, client.get("/p/send/"), x=files).status_code == 200
    assert StoredFile.objects.count() == 100
