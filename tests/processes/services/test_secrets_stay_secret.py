"""The secrets of connections, looked for everywhere after they were used in every way, with every outcome.

The servers are real ones and must have received the right secret: a search that finds nothing proves nothing where
nothing was sent.
"""

import base64
import json
import logging
import uuid
from contextlib import suppress
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection as database
from django.test import Client
from django.urls import reverse
from django.views.debug import ExceptionReporter

from processes.domain.outside import OutboundRequest
from processes.errors import ProcessError
from processes.models import AuditEntry, Connection
from processes.registry import scripts
from processes.services.audit import actor_of
from processes.services.connections import save_connection
from processes.services.outside import live_outside
from processes.services.running import run_process
from tests.processes.services.conftest import RunKit
from tests.processes.services.published import publish_process
from tests.processes.services.real_servers import MailServer, Received, Reply, WebServer, mail_server, web_server
from tests.processes.services.secret_hunt import (
    database_files,
    every_value,
    forms_of,
    found_in,
    models_with_text,
    stored_files,
    texts_of_error,
)

TOKEN = "tok-5up3r!5ecret/+="
PASSWORD = 'pa55"word\\übergroß'
KEY = "key-0123456789abcdef"
MAIL_PASSWORD = "mail-pa55%40word-77"

SECRETS = [
    *forms_of(TOKEN), *forms_of(PASSWORD, "ann"), *forms_of(KEY), *forms_of(MAIL_PASSWORD, "shop"),
]  # fmt: skip

#: What a web service may do: the path, and the code of the error that comes of it, if one does.
OUTCOMES = {
    "/fine": None,
    "/echo": None,
    "/broken": "outbound_status",
    "/forbidden": "outbound_status",
    "/silent": "outbound_timeout",
    "/nonsense": "outbound_failed",
    "/huge": "outbound_too_large",
    "/away": "outbound_refused",
    "/../out": "outbound_refused",
}


def echo(received: Received) -> Reply:
    """Say back what was received, as some services do in their errors."""
    headers = {"Content-Type": "application/json", "X-Request-Id": received.headers.get("Authorization", "-")}
    proof = received.headers.get("Authorization", "").partition(" ")[2]
    try:
        decoded = base64.b64decode(proof, validate=True).decode()
    except ValueError:
        decoded = ""
    body = json.dumps({"you": received.headers, "decoded": decoded}).encode()
    return Reply(status=500 if received.path == "/v1/broken" else 200, body=body, headers=headers)


@pytest.fixture
def web(settings):
    settings.STEPLINE_OUTBOUND_PRIVATE = ("127.0.0.1",)
    with web_server() as server:
        server.on("/v1/echo", echo)
        server.on("/v1/broken", echo)
        server.on("/v1/forbidden", status=403, body=b"no")
        server.on("/v1/silent", raw=lambda handler: server.over.wait(30))
        server.on("/v1/nonsense", raw=lambda handler: handler.wfile.write(b"nonsense\r\n\r\n"))
        server.on("/v1/huge", body=b"x" * 20_000)
        server.on("/v1/away", status=302, headers={"Location": "http://evil.example/?from=here"})
        yield server


@pytest.fixture
def post():
    with mail_server() as server:
        yield server


@pytest.fixture
def linked(transactional_db, web: WebServer, post: MailServer) -> None:
    ways = {
        "bearer": ({"scheme": "bearer"}, TOKEN),
        "basic": ({"scheme": "basic", "username": "ann"}, PASSWORD),
        "header": ({"scheme": "header", "header": "X-Api-Key"}, KEY),
    }
    root = User.objects.create_superuser("root", password="a long password")
    for name, (fields, secret) in ways.items():
        row = Connection(name=name, settings={"base_url": f"{web.url}/v1", **fields})
        save_connection(connection=row, secret=secret, actor=actor_of(root))
    settings = {
        "host": "127.0.0.1", "port": post.port, "security": "none", "username": "shop",
        "from_address": "shop@example.com",
    }  # fmt: skip
    mail = Connection(name="mail", kind="smtp", settings=settings)
    save_connection(connection=mail, secret=MAIL_PASSWORD, actor=actor_of(root))


@pytest.fixture
def everything_logged(caplog):
    """Have every logger speak, whatever it was told to keep to itself."""
    names = [None, *logging.root.manager.loggerDict]
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    caplog.set_level(logging.DEBUG)
    yield caplog
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def ask(path: str) -> list[dict]:
    config = {"connection": "${api}", "url": path, "timeout_seconds": 0.3, "max_bytes": 10_000, "redirects": 2}
    return [
        {"name": "ask", "script": "http_request", "config": {**config, "method": "POST", "json": {"a": 1}}},
        {"name": "show", "script": "show_page", "config": {"text": "The answer: %{data:response}"}},
    ]


def write() -> list[dict]:
    config = {"connection": "${api}", "to": "ann@example.com", "subject": "Hello", "text": "Hi."}
    return [{"name": "write", "script": "send_email", "config": config}]


def check_nothing_is_found(places) -> None:
    found = {place: forms for place, text in places if (forms := found_in(text, SECRETS))}
    assert not found


def check_database() -> None:
    places = list(every_value())
    assert {place.partition(".")[0] for place, _ in places} <= set(database.introspection.table_names())
    assert models_with_text() <= set(database.introspection.table_names())
    check_nothing_is_found(places)
    for name, content in (*database_files(), *stored_files()):
        assert not [form for form in SECRETS if form.encode() in content], name


def check_received(web: WebServer, way: str) -> None:
    """Make sure that the test can fail: the server was shown the secret."""
    expected = {
        "bearer": ("Authorization", f"Bearer {TOKEN}"),
        "basic": ("Authorization", "Basic " + base64.b64encode(f"ann:{PASSWORD}".encode()).decode()),
        "header": ("X-Api-Key", KEY),
    }
    name, value = expected[way]
    assert web.received
    assert {received.headers.get(name) for received in web.received} == {value}


def test_the_search_would_find_a_secret(linked):
    """What looks everywhere sees a secret that lies there."""
    User.objects.create_user("leak", first_name=KEY)
    with pytest.raises(AssertionError):
        check_database()


def test_the_search_sees_the_frames_of_an_error():
    def leak(secret: str) -> None:
        raise ValueError

    # As a module of the product's own would be.
    code = leak.__code__.replace(co_filename="product.py")
    with pytest.raises(ValueError, match=r"^$") as caught:
        type(leak)(code, globals())(KEY)
    with pytest.raises(AssertionError):
        check_nothing_is_found(texts_of_error(caught.value))


@pytest.mark.parametrize("way", ["bearer", "basic", "header"])
def test_in_the_foreground(linked, web, everything_logged, way):
    client = Client()
    for number, (path, code) in enumerate(OUTCOMES.items()):
        slug = f"shop-{number}"
        publish_process(slug, ask(path), bindings={"api": {"credential": way}})
        report = run_process(slug=slug, data={"order": 5})
        told = report.to_json()
        assert (told["error"] or {}).get("code") == code, told
        check_nothing_is_found([("report", json.dumps(told, ensure_ascii=False)), ("repr", repr(report))])
        response = client.get(f"/p/{slug}/")
        assert (response.status_code == 200) is (code is None)
        output = StringIO()
        with suppress(SystemExit):
            call_command("run_process", slug, json=True, stdout=output, stderr=output)
        assert '"trace"' in output.getvalue()
        check_nothing_is_found([("page", response.content.decode()), ("run_process", output.getvalue())])
    check_received(web, way)
    check_nothing_is_found([("log", everything_logged.text)])
    check_database()


@pytest.mark.parametrize("way", ["bearer", "basic", "header"])
def test_in_the_background(linked, web, everything_logged, kit: RunKit, way):
    root = User.objects.get(username="root")
    run_ids: list[uuid.UUID] = []
    for number, (path, code) in enumerate(OUTCOMES.items()):
        template = publish_process(f"shop-{number}", ask(path), bindings={"api": {"credential": way}})
        run_id = kit.start(template=template, user=root)
        assert kit.work() >= 1
        run = kit.run(run_id)
        assert (run.error or {}).get("code") == code
        assert run.status == ("completed" if code is None else "failed")
        check_nothing_is_found([("data", json.dumps(kit.data(run_id)))])
        run_ids.append(run_id)
    check_received(web, way)
    check_nothing_is_found([("log", everything_logged.text)])
    check_database()
    check_admin(*run_ids)


def test_mail_in_the_foreground_and_in_the_background(linked, post, everything_logged, kit: RunKit):
    template = publish_process("shop", write(), bindings={"api": {"credential": "mail"}})
    report = run_process(slug="shop").to_json()
    assert report["status"] == "completed", report
    run_id = kit.start(template=template)
    kit.work()
    assert kit.run(run_id).status == "completed"
    assert post.signed_in == [("shop", MAIL_PASSWORD)] * 2
    check_nothing_is_found([("report", json.dumps(report)), ("log", everything_logged.text)])
    check_database()
    check_admin(run_id)


@pytest.mark.parametrize(
    "replies", [{"AUTH": f"535 {MAIL_PASSWORD} is wrong"}, {"MAIL": f"550 {MAIL_PASSWORD}"}, {"DATA": "451 later"}]
)
def test_mail_that_is_refused(linked, post, everything_logged, kit: RunKit, replies):
    post.replies.update(replies)
    template = publish_process("shop", write(), bindings={"api": {"credential": "mail"}})
    report = run_process(slug="shop").to_json()
    assert report["status"] == "failed"
    run_id = kit.start(template=template)
    kit.work()
    assert kit.run(run_id).status == "failed"
    assert post.signed_in
    check_nothing_is_found([("report", json.dumps(report)), ("log", everything_logged.text)])
    check_database()
    check_admin(run_id)


def check_admin(*run_ids: uuid.UUID) -> None:
    """Open every page of the admin that has to do with connections and runs."""
    client = Client()
    client.force_login(User.objects.get(username="root"))
    addresses = [
        reverse("admin:index"),
        reverse("admin:processes_connection_changelist"),
        *(reverse("admin:processes_connection_change", args=[row.pk]) for row in Connection.objects.all()),
        *(reverse("admin:processes_connection_history", args=[row.pk]) for row in Connection.objects.all()),
        reverse("admin:processes_run_changelist"),
        *(reverse("admin:processes_run_change", args=[run_id]) for run_id in run_ids),
        reverse("admin:processes_auditentry_changelist"),
        *(reverse("admin:processes_auditentry_change", args=[row.pk]) for row in AuditEntry.objects.all()[:10]),
        reverse("admin:processes_processtemplate_changelist"),
        *(address for run_id in run_ids for address in (f"/api/tasks/{run_id}/", f"/progress/{run_id}/")),
    ]
    for address in addresses:
        response = client.get(address)
        assert response.status_code in (200, 404), address
        content = b"".join(response.streaming_content) if response.streaming else response.content  # type: ignore[attr-defined]
        check_nothing_is_found([(address, content.decode())])


def test_errors_that_a_teams_own_script_meets(linked, web):
    """A script may keep an error, log it with its traceback, or let it go on."""
    kept: list[BaseException] = []

    def own(app) -> None:
        request = OutboundRequest(
            method="GET", url=app.data["path"], connection="basic", timeout_seconds=0.3, max_bytes=10_000, redirects=1
        )
        try:
            app.outside.request(request)
        except ProcessError as error:
            kept.append(error)
            raise

    with scripts.override("own_request", own):
        publish_process("shop", [{"name": "own", "script": "own_request"}])
        for path in OUTCOMES:
            report = run_process(slug="shop", data={"path": path})
            check_nothing_is_found([("report", json.dumps(report.to_json()))])
    check_received(web, "basic")
    assert [getattr(error, "code", "") for error in kept] == [
        code for code in OUTCOMES.values() if code not in (None, "outbound_status")
    ]
    for error in kept:
        check_nothing_is_found(texts_of_error(error))


def test_error_pages_under_debug(linked, web, settings, everything_logged):
    """Django's own page shows the variables of every frame, and all settings."""
    settings.DEBUG = True

    def own(app) -> None:
        answer = app.outside.request(OutboundRequest(method="GET", url="/echo", connection="bearer"))
        assert answer.status == 200
        try:
            app.outside.request(OutboundRequest(method="GET", url="/nonsense", connection="bearer"))
        except ProcessError as error:
            raise SystemError("own") from error

    client = Client(raise_request_exception=False)
    with scripts.override("own_request", own):
        publish_process("shop", [{"name": "own", "script": "own_request"}])
        response = client.get("/p/shop/")
        assert response.status_code == 500
        check_nothing_is_found([("page", response.content.decode())])
    check_received(web, "bearer")
    check_nothing_is_found([("log", everything_logged.text)])


def test_djangos_page_for_an_unhandled_error(linked, web, settings, rf):
    settings.DEBUG = True
    try:
        live_outside().request(OutboundRequest(method="GET", url="/nonsense", connection="basic"))
    except ProcessError as error:
        reporter = ExceptionReporter(rf.get("/"), type(error), error, error.__traceback__)
        pages = [("html", reporter.get_traceback_html()), ("text", reporter.get_traceback_text())]
    check_received(web, "basic")
    assert "live_outside" in pages[0][1]
    # The test's own frame is on the page too, with the names of this module; none of them is a local variable.
    check_nothing_is_found(pages)
    keys = [("html", key) for key in settings.STEPLINE_ENCRYPTION_KEYS]
    assert not [key for _, key in keys if key in pages[0][1]]


def test_the_change_page_never_gives_a_secret_back(linked):
    client = Client()
    client.force_login(User.objects.get(username="root"))
    row = Connection.objects.get(name="header")
    address = reverse("admin:processes_connection_change", args=[row.pk])
    page = client.get(address).content.decode()
    assert row.secret not in page
    # Neither does a page that comes back because something on it is wrong.
    sent = {
        "kind": "http", "description": "", "base_url": "nonsense", "scheme": "header", "header": "X-Api-Key",
        "new_secret": KEY, "everyone": "on",
    }  # fmt: skip
    again = client.post(address, sent)
    assert again.status_code == 200
    assert "write it like https://" in again.content.decode()
    check_nothing_is_found([("page", page), ("page again", again.content.decode())])
