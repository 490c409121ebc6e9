"""http_request and send_email in a process: what they ask for, what they leave in the data, what they refuse."""

import pytest
from django.core import mail as django_mail

from processes.errors import DefinitionError
from processes.models import Connection
from processes.services.access import Caller
from processes.services.audit import SYSTEM
from processes.services.connections import save_connection
from processes.services.files import store_file
from processes.services.grants import user_of_token
from processes.services.running import run_process
from tests.processes.services.published import publish_process, save_process
from tests.processes.services.real_servers import web_server

pytestmark = pytest.mark.django_db

SECRET = "s3cr3t-of-scripts"


@pytest.fixture
def server(settings):
    settings.STEPLINE_OUTBOUND_HOSTS = ("127.0.0.1",)
    settings.STEPLINE_OUTBOUND_PRIVATE = ("127.0.0.1",)
    with web_server() as server:
        server.on("/v1/order", body=b'{"id": 5}', headers={"Content-Type": "application/json", "Set-Cookie": "a=b"})
        server.on("/v1/text", body=b"plain", headers={"Content-Type": "text/plain", "ETag": '"1"'})
        server.on("/v1/missing", status=404, body=b"no such order")
        server.on("/v1/later", status=503)
        save_connection(
            connection=Connection(name="orders", settings={"base_url": f"{server.url}/v1", "scheme": "bearer"}),
            secret=SECRET,
            actor=SYSTEM,
        )
        yield server


def ask(*, slug: str = "shop", bindings: dict | None = None, data: dict | None = None, **config) -> dict:
    actions = [{"name": "ask", "script": "http_request", "config": {"connection": "${api}", **config}}]
    publish_process(slug, actions, bindings={"api": {"credential": "orders"}} if bindings is None else bindings)
    return run_process(slug=slug, data=data).to_json()


def test_an_answer_goes_into_the_data_and_its_status_is_the_state(server):
    report = ask(url="order")
    assert report["state"] == "200"
    assert report["data"] == {
        "response": {"status": 200, "headers": {"content-type": "application/json"}, "json": {"id": 5}}
    }
    assert server.received[0].headers["Authorization"] == f"Bearer {SECRET}"


def test_what_is_not_json_comes_as_text_under_the_key_that_is_asked_for(server):
    report = ask(url="text", into="page")
    assert report["data"]["page"] == {
        "status": 200, "headers": {"content-type": "text/plain", "etag": '"1"'}, "text": "plain",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "expect", "code", "permanent"),
    [
        ("missing", None, "outbound_status", True),
        ("later", None, "outbound_status", False),
        ("missing", [200, 404], None, None),
        ("missing", ["4xx"], None, None),
        ("later", ["*"], None, None),
        ("order", [201], "outbound_status", True),
    ],
)
def test_a_status_that_is_not_expected_is_an_error(server, path, expect, code, permanent):
    report = ask(url=path, **({} if expect is None else {"expect": expect}))
    error = report["error"] or {}
    assert error.get("code") == code
    if code is None:
        assert report["state"] == str(report["data"]["response"]["status"])
    else:
        raised = run_process(slug="shop").error
        assert raised is not None
        assert raised.permanent is permanent
        assert "response" not in report["data"]


def test_the_status_chooses_the_way_on(server):
    actions = [
        {"name": "ask", "script": "http_request", "next": {"404": "create"},
         "config": {"connection": "${api}", "url": "missing", "expect": [200, 404]}},
        {"name": "found", "script": "set_state", "config": {"state": "found"}, "next": False},
        {"name": "create", "script": "set_state", "config": {"state": "create"}},
    ]  # fmt: skip
    publish_process("shop", actions, bindings={"api": {"credential": "orders"}})
    assert run_process(slug="shop").to_json()["state"] == "create"


@pytest.mark.parametrize(
    ("method", "has_key"), [("GET", False), ("POST", True), ("put", True), ("PATCH", True), ("DELETE", True)]
)
def test_requests_that_change_something_bear_an_idempotency_key(server, method, has_key):
    ask(url="order", method=method)
    assert ("Idempotency-Key" in server.received[0].headers) is has_key


def test_in_the_foreground_no_two_runs_share_a_key_and_ones_own_key_wins(server):
    ask(url="order", method="POST")
    run_process(slug="shop")
    ask(slug="own", url="order", method="POST", headers={"idempotency-key": "mine"})
    keys = [{name.lower(): value for name, value in got.headers.items()}["idempotency-key"] for got in server.received]
    assert keys[0] != keys[1]
    assert keys[2] == "mine"


@pytest.mark.parametrize(
    ("config", "where"),
    [
        ({"connection": "orders"}, "/connection"),
        ({"connection": {"name": "orders"}}, "/connection"),
        ({"connection": "${code}"}, "/connection"),
        ({}, ""),
        ({"url": "x", "json": 1, "body": "b"}, ""),
        ({"url": "x", "expect": [700]}, "/expect"),
        ({"url": "x", "expect": ["20x"]}, "/expect"),
        ({"url": "x", "method": "TRACE"}, "/method"),
        ({"url": "x", "timeout_seconds": 0}, "/timeout_seconds"),
        ({"url": "x", "redirects": 99}, "/redirects"),
        ({"url": "x", "verify": False}, "/verify"),
    ],
)
def test_a_config_that_cannot_work_is_refused_when_it_is_saved(server, config, where):
    with pytest.raises(DefinitionError) as caught:
        save_process("shop", [{"name": "a", "script": "http_request", "config": config}],
                     bindings={"code": {"value": "orders"}})  # fmt: skip
    assert [problem.path for problem in caught.value.problems] == [f"/0/config{where}"]


def test_a_plain_name_comes_with_the_cure(server):
    with pytest.raises(DefinitionError, match=r'bind the connection.*"\$\{reference\}"'):
        save_process("shop", [{"name": "a", "script": "http_request", "config": {"url": "x", "connection": "orders"}}])


def test_an_unknown_connection_is_refused_at_its_binding(server):
    with pytest.raises(DefinitionError) as caught:
        save_process("shop", [{"name": "a", "script": None}], bindings={"api": {"credential": "order"}})
    problem = caught.value.problems[0]
    assert (problem.path, problem.suggestion) == ("/bindings/api/credential", 'Did you mean "orders"?')


def test_a_derivation_that_is_known_does_not_hide_that_a_connection_is_gone(server):
    template = save_process("shop", [{"name": "a", "script": None}], bindings={"api": {"credential": "orders"}})
    template.bindings.all().delete()
    Connection.objects.all().delete()
    with pytest.raises(DefinitionError, match="There is no connection"):
        save_process("shop", [{"name": "a", "script": None}], bindings={"api": {"credential": "orders"}})


@pytest.mark.parametrize(
    ("connection", "data"),
    [
        ({"$ref": "credential", "name": "orders"}, {}),
        ("%{data:link}", {"link": {"$ref": "credential", "name": "orders"}}),
    ],
)
def test_a_reference_that_nobody_bound_opens_nothing(server, connection, data):
    """Neither one that an editor writes by hand, nor one that comes with the data of whoever uses the process."""
    report = ask(url="order", connection=connection, bindings={}, data=data)
    assert report["error"]["code"] == "connection_not_bound"
    assert not server.received


def test_a_path_from_the_data_stays_below_the_connection(server):
    report = ask(url="%{data:path}", data={"path": "../../admin"})
    assert report["error"]["code"] == "outbound_refused"
    assert not server.received


def test_the_callers_own_credentials_are_shown_to_listed_hosts_only(server, settings, django_user_model):
    user = django_user_model.objects.create_user("ann")
    actions = [
        {"name": "lend", "script": "store_credentials"},
        {"name": "ask", "script": "http_request", "config": {"url": server.url, "credentials": True}},
    ]
    publish_process("shop", actions)
    assert run_process(slug="shop", user=user).to_json()["error"]["code"] == "outbound_refused"
    assert not server.received
    settings.STEPLINE_CALLER_HOSTS = ("127.0.0.1",)
    report = run_process(slug="shop", user=user).to_json()
    assert report["status"] == "completed", report
    scheme, _, token = server.received[0].headers["Authorization"].partition(" ")
    assert scheme == "Bearer"
    assert user_of_token(token, audience=server.url) == user
    assert token not in repr(report)


def test_a_redirect_elsewhere_gets_no_credentials(server, settings, django_user_model):
    user = django_user_model.objects.create_user("ann")
    settings.STEPLINE_CALLER_HOSTS = (server.address,)
    with web_server() as other:
        server.on("/go", status=302, headers={"Location": other.url})
        config = {"url": f"{server.url}/go", "credentials": True, "redirects": 1}
        actions = [
            {"name": "lend", "script": "store_credentials"},
            {"name": "ask", "script": "http_request", "config": config},
        ]
        publish_process("shop", actions)
        assert run_process(slug="shop", user=user).to_json()["status"] == "completed"
        assert "Authorization" in server.received[0].headers
        assert "Authorization" not in other.received[0].headers


def test_credentials_that_nobody_lent_are_an_error(server):
    report = ask(url="order", credentials=True)
    assert report["error"]["code"] == "no_credentials"


# -- mail ----------------------------------------------------------------------------------------------------------


def send(data: dict | None = None, **config) -> dict:
    given = {"to": "ann@example.com", "subject": "Hello", "text": "Hi.", **config}
    publish_process("letter", [{"name": "send", "script": "send_email", "config": given}])
    return run_process(slug="letter", data=data).to_json()


def test_a_mail_is_sent_and_its_id_is_the_value():
    report = send(cc=["bob@example.com"], html="<p>Hi.</p>", **{"from": "shop@example.com"})
    assert report["status"] == "completed", report
    sent = django_mail.outbox[0]
    assert (sent.to, sent.cc, sent.from_email) == (["ann@example.com"], ["bob@example.com"], "shop@example.com")
    assert sent.extra_headers["Message-ID"] == report["value"]
    assert report["value"].endswith("@example.com>")


def test_only_files_of_the_caller_are_attached():
    foreign = dict(store_file(content=b"secret plans", name="plans.txt", caller=Caller(session_key="somebody else")))
    report = send(data={"file": foreign}, attachments=["%{data:file}"])
    assert report["error"]["code"] == "file_not_found"
    assert not django_mail.outbox


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"to": "nobody"}, "mail_refused"),
        ({"to": []}, "mail_refused"),
        ({"subject": "%{data:subject}"}, "mail_refused"),
        ({"attachments": ["%{data:subject}"]}, "config"),
    ],
)
def test_what_cannot_be_sent(config, code):
    report = send(data={"subject": "Hello\nBcc: eve@example.com"}, **config)
    assert report["error"]["code"] == code
    assert not django_mail.outbox
