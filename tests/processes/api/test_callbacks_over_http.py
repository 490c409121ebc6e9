"""Callbacks over HTTP: the token is the authority, and nothing else is asked or told."""

import json
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from processes.api.callbacks import MAX_BYTES
from processes.models import Callback, StoredFile
from processes.services.callback_tokens import token_of
from processes.services.files import file_info
from tests.processes.callback_kit import CallbackKit
from tests.processes.services.conftest import kit  # noqa: F401 - a fixture


@pytest.fixture
def calls(kit: Any) -> CallbackKit:  # noqa: F811
    calls = CallbackKit(kit)
    branches = {"progress": "seen", "complete": "seen", "cancel": "seen"}
    calls.begin(
        calls.anchor(next=branches, callbackData={"a": 1}, callbackStoreResponse=True), calls.call(), calls.see("seen")
    )
    return calls


def post(client: Client, token: str, body: Any, **headers: str) -> Any:
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    return client.post(f"/api/callbacks/{token}/", content, content_type="application/json", headers=headers)


def test_a_report_reaches_the_run_and_a_query_tells_how_the_callback_stands(client: Client, calls: CallbackKit) -> None:
    token = calls.tokens[0]
    answer = post(client, token, {"action": "progress", "data": {"n": 1}})
    assert (answer.status_code, answer.json()) == (200, {"callbackStatus": "progress"})
    calls.kit.work()
    assert calls.seen == [("seen", {"n": 1})]
    told = {"callbackStatus": "progress", "callbackData": {"a": 1, "n": 1}}
    assert client.get(f"/api/callbacks/{token}/").json() == told
    assert post(client, token, {"action": "query"}).json() == told


@pytest.mark.parametrize(
    ("action", "status"),
    [("start", "started"), ("progress", "progress"), ("complete", "completed"), ("error", "error"),
     ("cancel", "cancelled")],
)  # fmt: skip
def test_every_report_can_be_made(client: Client, calls: CallbackKit, action: str, status: str) -> None:
    answer = post(client, calls.tokens[0], {"action": action})
    assert (answer.status_code, answer.json()) == (200, {"callbackStatus": status})


def test_the_token_may_come_as_a_bearer_token_so_that_no_address_shows_it(client: Client, calls: CallbackKit) -> None:
    bearer = {"Authorization": f"Bearer {calls.tokens[0]}"}
    answer = client.post("/api/callbacks/", '{"action": "start"}', content_type="application/json", headers=bearer)
    assert answer.json() == {"callbackStatus": "started"}
    assert client.get("/api/callbacks/", headers=bearer).json()["callbackStatus"] == "started"
    assert client.get("/api/callbacks/").status_code == 404


def test_a_report_that_comes_too_late_is_a_conflict(client: Client, calls: CallbackKit) -> None:
    token = calls.tokens[0]
    post(client, token, {"action": "complete", "data": 1})
    answer = post(client, token, {"action": "progress", "data": 2})
    assert (answer.status_code, answer.json()["code"]) == (409, "callback_conflict")
    assert post(client, token, {"action": "complete", "data": 1}).json() == {"callbackStatus": "completed"}


def test_an_idempotency_key_makes_a_report_one_however_often_it_comes(client: Client, calls: CallbackKit) -> None:
    for _ in range(2):
        answer = post(client, calls.tokens[0], {"action": "progress", "data": {"n": 1}}, **{"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json()) == (200, {"callbackStatus": "progress"})
    calls.kit.work()
    assert calls.seen == [("seen", {"n": 1})]


def test_another_report_under_the_key_of_one_is_a_conflict(client: Client, calls: CallbackKit) -> None:
    post(client, calls.tokens[0], {"action": "progress"}, **{"Idempotency-Key": "k"})
    answer = post(client, calls.tokens[0], {"action": "complete"}, **{"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (409, "key_reused")
    assert calls.callback().status == "progress"


def test_unknown_forged_and_purged_tokens_look_the_same(client: Client, calls: CallbackKit) -> None:
    purged = calls.tokens[0]
    Callback.objects.all().delete()
    forged = purged[:-1] + ("A" if purged[-1] != "A" else "B")
    answers = set()
    for token in (purged, forged, token_of(uuid.uuid4()), "x", "%00", "🙂", "cb1_" + "A" * 5_000):
        for answer in (client.get(f"/api/callbacks/{token}/"), post(client, token, {"action": "complete"}),
                       post(client, token, b"no JSON")):  # fmt: skip
            answers.add((answer.status_code, answer.content))
    assert len(answers) == 1
    status, content = answers.pop()
    assert (status, json.loads(content)["code"]) == (404, "callback_not_found")


BAD_BODIES: list[Any] = [
    b"", b"no JSON", b"\xff\xfe", b"[]", b"null", b'"x"', b"1" * 6_000, {}, {"action": None}, {"action": "create"},
    {"action": "await"}, {"action": "timeout"}, {"action": ["progress"]}, {"action": "progress", "date": 1},
    '{"action": "progress", "data": NaN}', '{"action": "progress", "data": 1e999}',
    '{"action": "progress", "data": "\\u0000"}', '{"action": "progress", "data": "\\ud800"}',
    '{"action": "progress", "data": {"\\u0000": 1}}',
    '{"action": "progress", "data": ' + "[" * 60 + "]" * 60 + "}", "[" * 100_000,
    '{"action": "progress", "data": ' + "1" * 5_000 + "}",
]  # fmt: skip


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: str(body)[:40])
def test_what_is_no_report_is_refused_with_what_is_wrong(client: Client, calls: CallbackKit, body: Any) -> None:
    answer = post(client, calls.tokens[0], body)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert answer.json()["message"]
    assert calls.callback().status == "created"


@pytest.mark.parametrize("key", ["k" * 101, "a\0b", "a\nb", "\ud800"], ids=ascii)
def test_a_key_that_cannot_be_kept_is_refused(client: Client, calls: CallbackKit, key: str) -> None:
    answer = post(client, calls.tokens[0], {"action": "progress"}, **{"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert "Idempotency-Key is a text of at most 100 characters, all of them printable" in answer.json()["message"]


@pytest.mark.parametrize("bytes_more", [1, 5_000_000])
def test_a_body_that_is_too_large_is_refused(client: Client, calls: CallbackKit, bytes_more: int) -> None:
    answer = post(client, calls.tokens[0], b" " * (MAX_BYTES + bytes_more))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("length", ["²", "٣", "-1", "1_0", "many"])
def test_a_length_that_is_no_number_is_a_fault_of_the_request(
    client: Client, calls: CallbackKit, kind: str, length: str
) -> None:
    url = f"/api/callbacks/{calls.tokens[0]}/"
    answer = client.post(url, b'{"action": "progress"}', content_type=kind, headers={"Content-Length": length})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_refused(client: Client, calls: CallbackKit, method: str) -> None:
    assert getattr(client, method)(f"/api/callbacks/{calls.tokens[0]}/").status_code == 405


def test_a_report_needs_neither_a_session_nor_a_csrf_token(calls: CallbackKit) -> None:
    client = Client(enforce_csrf_checks=True)
    answer = post(client, calls.tokens[0], {"action": "start"})
    assert answer.status_code == 200
    assert not answer.cookies


def test_who_is_signed_in_makes_no_difference(client: Client, calls: CallbackKit) -> None:
    client.force_login(User.objects.create_superuser("root"))
    assert client.get(f"/api/callbacks/{token_of(uuid.uuid4())}/").status_code == 404


@pytest.mark.parametrize("known", [True, False])
def test_no_answer_is_kept_or_tells_others_where_it_came_from(client: Client, calls: CallbackKit, known: bool) -> None:
    token = calls.tokens[0] if known else "x"
    for answer in (client.get(f"/api/callbacks/{token}/"), post(client, token, {"action": "start"})):
        assert "no-store" in answer.headers["Cache-Control"]
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Type"] == ("application/json" if known else "application/problem+json")


def send_parts(client: Client, token: str, *, report: Any, **parts: Any) -> Any:
    fields = {} if report is None else {"report": report if isinstance(report, str) else json.dumps(report)}
    return client.post(f"/api/callbacks/{token}/", {**fields, **parts})


def test_files_that_come_with_a_report_are_stored_for_its_callback(client: Client, calls: CallbackKit) -> None:
    slip = SimpleUploadedFile("slip.pdf", b"%PDF-1.4", "application/pdf")
    answer = send_parts(client, calls.tokens[0], report={"action": "complete", "data": {"n": 1}}, slip=slip)
    assert (answer.status_code, answer.json()) == (200, {"callbackStatus": "completed"})
    stored = StoredFile.objects.get()
    assert (stored.callback_id, stored.name, stored.content_type) == (
        calls.callback().pk,
        "slip.pdf",
        "application/pdf",
    )
    told = client.get(f"/api/callbacks/{calls.tokens[0]}/").json()["callbackData"]
    assert told == {"a": 1, "n": 1, "slip": dict(file_info(stored))}


def test_a_report_with_files_that_comes_again_under_its_key_stores_no_second_file(
    client: Client, calls: CallbackKit
) -> None:
    for _ in range(2):
        answer = client.post(
            f"/api/callbacks/{calls.tokens[0]}/",
            {"report": '{"action": "complete"}', "slip": SimpleUploadedFile("slip.txt", b"paid")},
            headers={"Idempotency-Key": "slip"},
        )
        assert answer.status_code == 200
    assert StoredFile.objects.count() == 1


@pytest.mark.parametrize(
    ("report", "status", "code"),
    [
        (None, 400, "bad_request"),
        ("no JSON", 400, "bad_request"),
        ({"action": "complete", "data": [1]}, 400, "bad_request"),
        ({"action": "dance"}, 400, "bad_request"),
        ('{"action": "complete"' + " " * MAX_BYTES + "}", 413, "too_large"),
        ('{"action": "complete"' + " " * 5_000_000 + "}", 413, "too_large"),
    ],
    ids=str,
)
def test_parts_that_are_no_report_are_refused_and_store_nothing(
    client: Client, calls: CallbackKit, report: Any, status: int, code: str
) -> None:
    answer = send_parts(client, calls.tokens[0], report=report, slip=SimpleUploadedFile("slip.txt", b"paid"))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not StoredFile.objects.exists()


def raw_parts(client: Client, token: str, *parts: tuple[bytes, bytes]) -> Any:
    """Send a completion with files, each under the name of its part as it is."""
    report = b'--x\r\nContent-Disposition: form-data; name="report"\r\n\r\n{"action": "complete"}\r\n'
    head = b'--x\r\nContent-Disposition: form-data; name="%s"; filename="a.txt"\r\n\r\n%s\r\n'
    body = report + b"".join(head % part for part in parts) + b"--x--\r\n"
    return client.post(f"/api/callbacks/{token}/", body, content_type="multipart/form-data; boundary=x")


def test_a_file_whose_part_has_a_name_that_cannot_be_stored_is_refused_and_the_run_goes_on_waiting(
    client: Client, calls: CallbackKit
) -> None:
    answer = raw_parts(client, calls.tokens[0], (b"slip", b"paid"), (b"a\x00b", b"paid"))
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert "NUL" in answer.json()["message"]
    assert (calls.callback().status, calls.callback().run.status) == ("created", "waiting")
    assert not StoredFile.objects.exists()


def test_two_files_under_one_name_are_refused_since_one_would_be_lost(client: Client, calls: CallbackKit) -> None:
    answer = raw_parts(client, calls.tokens[0], (b"slip", b"one"), (b"other", b"x"), (b"slip", b"two"))
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert "'slip'" in answer.json()["message"]
    assert not StoredFile.objects.exists()
    assert calls.callback().status == "created"


def test_two_reports_in_one_request_are_refused(client: Client, calls: CallbackKit) -> None:
    texts = ['{"action": "progress"}', '{"action": "complete"}']
    answer = client.post(f"/api/callbacks/{calls.tokens[0]}/", {"report": texts})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert calls.callback().status == "created"


def test_a_text_beside_the_report_is_refused_since_it_would_be_lost(client: Client, calls: CallbackKit) -> None:
    slip = SimpleUploadedFile("slip.txt", b"paid")
    answer = send_parts(client, calls.tokens[0], report={"action": "complete"}, slip=slip, reference="PAY-7")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert "'reference'" in answer.json()["message"]
    assert '"data" of the report' in answer.json()["message"]
    assert not StoredFile.objects.exists()
    assert calls.callback().status == "created"


def test_a_file_does_not_take_the_place_of_what_the_report_says_under_its_name(
    client: Client, calls: CallbackKit
) -> None:
    report = {"action": "complete", "data": {"n": 1, "slip": "to follow"}}
    answer = send_parts(client, calls.tokens[0], report=report, slip=SimpleUploadedFile("slip.txt", b"paid"))
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert "'slip'" in answer.json()["message"]
    assert not StoredFile.objects.exists()
    assert calls.callback().status == "created"


def test_what_is_larger_than_the_site_takes_is_refused(client: Client, calls: CallbackKit, settings: Settings) -> None:
    settings.STEPLINE_UPLOAD_MAX_BYTES = 1_000
    answer = send_parts(
        client, calls.tokens[0], report={"action": "complete"}, slip=SimpleUploadedFile("slip.txt", b"p" * 1_000)
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert not StoredFile.objects.exists()


def test_files_that_are_too_many_are_refused(client: Client, calls: CallbackKit) -> None:
    many = {f"file{number}": SimpleUploadedFile("a.txt", b"a") for number in range(101)}
    answer = send_parts(client, calls.tokens[0], report={"action": "complete"}, **many)
    assert (answer.status_code, answer.json()["code"]) == (422, "callback_file")
    assert not StoredFile.objects.exists()


def test_a_body_that_only_says_it_has_parts_is_refused(client: Client, calls: CallbackKit) -> None:
    url = f"/api/callbacks/{calls.tokens[0]}/"
    answer = client.post(url, b"no parts", content_type="multipart/form-data; boundary=x")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    answer = client.post(url, b"no parts", content_type="multipart/form-data")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_a_file_that_comes_too_late_is_not_kept(client: Client, calls: CallbackKit) -> None:
    post(client, calls.tokens[0], {"action": "complete"})
    late = send_parts(client, calls.tokens[0], report={"action": "complete"}, slip=SimpleUploadedFile("s.txt", b"s"))
    assert late.status_code == 200
    assert not StoredFile.objects.exists()
