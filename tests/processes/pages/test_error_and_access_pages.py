"""Every refusal is a clear page; what is forbidden looks like what is missing."""

from collections.abc import Callable
from html import unescape

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from processes.domain.application import Application
from processes.errors import PermanentError, ProcessError
from processes.models import Access, ProcessTemplate
from processes.registry import scripts
from processes.services.errors import (
    AuthorityError,
    ConnectionMissingError,
    MailError,
    MailRefusedError,
    NoCredentialsError,
    NoOwnerError,
    OutboundError,
    OutboundRefusedError,
    OutboundStatusError,
    OutboundTimeoutError,
    OutboundTooLargeError,
    SecretUnreadableError,
)
from tests.processes.pages.browsing import main_of
from tests.processes.services.published import form, page, publish_process, save_process

pytestmark = pytest.mark.django_db

ANYBODY, USER, MEMBER, STAFF, ADMIN = "anybody", "user", "member", "staff", "admin"
WHO = [ANYBODY, USER, MEMBER, STAFF, ADMIN]


def signed_in(who: str) -> Client:
    client = Client()
    if who == ANYBODY:
        return client
    user = User.objects.create_user(who, is_staff=who in (STAFF, ADMIN), is_superuser=who == ADMIN)
    if who == MEMBER:
        user.groups.add(Group.objects.get(name="editors"))
    client.force_login(user)
    return client


@pytest.mark.parametrize(
    ("access", "statuses"),
    [
        (Access.PUBLIC, [200, 200, 200, 200, 200]),
        (Access.SIGNED_IN, [302, 200, 200, 200, 200]),
        (Access.STAFF, [302, 404, 404, 200, 200]),
        (Access.GROUPS, [302, 404, 200, 404, 200]),
    ],
)
@pytest.mark.parametrize("number", range(len(WHO)), ids=WHO)
def test_who_may_execute(access: Access, statuses: list[int], number: int) -> None:
    editors = Group.objects.create(name="editors")
    publish_process("work", [page("a", "hello")], access=access).groups.add(editors)
    client = signed_in(WHO[number])
    response = client.get("/p/work/")
    assert response.status_code == statuses[number]
    assert ("/p/work/" in client.get("/").content.decode()) is (statuses[number] == 200)
    if response.status_code == 404:
        assert main_of(response) == main_of(client.get("/p/nothing/"))
    if response.status_code == 302:
        assert response.headers["Location"].startswith("/accounts/login/?next=/p/work/")


def test_a_forbidden_process_looks_like_a_missing_one() -> None:
    publish_process("secret", [page("a", "hello")], access=Access.STAFF)
    client = signed_in(USER)
    forbidden, missing = client.get("/p/secret/"), client.get("/p/nothing/")
    assert forbidden.status_code == missing.status_code == 404
    assert main_of(forbidden) == main_of(missing)


@pytest.mark.parametrize("kind", ["draft", "abstract"])
def test_a_process_that_is_not_published_or_abstract_is_missing(client: Client, kind: str) -> None:
    if kind == "draft":
        save_process("work", [page("a", "hello")])
    else:
        publish_process("work", [page("a", "hello")], abstract=True)
    assert client.get("/p/work/").status_code == 404


def test_what_a_script_raised_is_shown_to_staff_only(caplog: pytest.LogCaptureFixture) -> None:
    def broken(app) -> None:
        raise KeyError("secret-key")

    with scripts.override("broken", broken):
        publish_process("work", [{"name": "a", "script": "broken"}])
        for_user, for_staff = signed_in(USER).get("/p/work/"), signed_in(STAFF).get("/p/work/")
    assert for_user.status_code == for_staff.status_code == 500
    assert "secret-key" not in for_user.content.decode()
    assert "secret-key" in for_staff.content.decode()
    assert "Traceback" not in for_staff.content.decode()
    assert "KeyError" in caplog.text


def raising(error: Exception) -> Callable[[Application], None]:
    def script(app: Application) -> None:
        raise error

    return script


OWN_WORDS = [
    (OutboundError("api.example can't be reached."), 502),
    (OutboundTimeoutError("There was no complete answer within 3 seconds."), 502),
    (OutboundStatusError("The service answered with the status 500.", fields={"text": "inner secret"}), 502),
    (OutboundTooLargeError("The answer has more than 3 bytes."), 502),
    (MailError("The mail server can't be reached."), 502),
    (MailRefusedError("'x' isn't a mail address."), 502),
    (AuthorityError("The owner of this process is inactive."), 403),
]


@pytest.mark.parametrize(("error", "status"), OWN_WORDS, ids=[error.code for error, _ in OWN_WORDS])
def test_what_others_failed_to_do_is_told_in_its_own_words(client: Client, error: ProcessError, status: int) -> None:
    with scripts.override("raising", raising(error)):
        publish_process("work", [{"name": "a", "script": "raising"}])
        response = client.get("/p/work/")
    assert response.status_code == status
    assert error.message in unescape(response.content.decode())
    assert "inner secret" not in response.content.decode()


FOR_STAFF = [
    (ConnectionMissingError('There is no connection "payroll" any more.'), 500),
    (SecretUnreadableError('The secret of the connection "payroll" can\'t be read.'), 500),
    (PermanentError('This process doesn\'t bind the connection "payroll".', code="connection_not_bound"), 500),
    (NoOwnerError("The payroll has no owner."), 500),
    (NoCredentialsError("No payroll credentials."), 500),
    (PermanentError('The process "payroll" must be bound.', code="unsafe_target"), 500),
    (OutboundRefusedError("https://payroll.internal/hook/t0ken isn't asked."), 502),
]


@pytest.mark.parametrize(("error", "status"), FOR_STAFF, ids=[error.code for error, _ in FOR_STAFF])
def test_what_is_not_set_up_is_told_to_staff_and_others_learn_whom_to_ask(error: ProcessError, status: int) -> None:
    with scripts.override("raising", raising(error)):
        publish_process("work", [{"name": "a", "script": "raising"}])
        for_user, for_staff = signed_in(USER).get("/p/work/"), signed_in(STAFF).get("/p/work/")
    assert for_user.status_code == for_staff.status_code == status
    assert "payroll" not in for_user.content.decode()
    assert "tell those who run" in for_user.content.decode()
    assert error.message in unescape(for_staff.content.decode())


def test_a_process_that_runs_in_circles_is_stopped(client: Client) -> None:
    publish_process("circle", [{"name": "a", "script": None, "next": "a"}])
    response = client.get("/p/circle/")
    assert response.status_code == 500
    assert "come to an end" in response.content.decode()


def test_a_request_that_is_too_large_is_refused_before_it_is_read(client: Client, settings) -> None:
    settings.STEPLINE_UPLOAD_MAX_BYTES = 1_000
    publish_process("work", [form("a", "a")])
    response = client.post("/p/work/", {"x": "y" * 2_000})
    assert response.status_code == 413
    assert "1000" in response.content.decode()


def test_too_much_text_and_too_many_fields_are_refused_in_clear_words(client: Client, settings) -> None:
    publish_process("work", [form("a", "a")])
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    assert client.post("/p/work/", {"x": "y" * 200}).status_code == 413
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10_000
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 2
    assert client.post("/p/work/", {f"x{n}": "y" for n in range(5)}).status_code == 413


def test_a_body_that_is_not_multipart_is_refused(client: Client) -> None:
    publish_process("work", [form("a", "a")])
    response = client.post("/p/work/", b"nonsense", content_type="multipart/form-data; boundary=\x00")
    assert response.status_code == 400


@pytest.mark.parametrize("url", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"])
def test_a_process_cannot_lead_to_another_site(client: Client, url: str) -> None:
    publish_process("lead", [{"name": "a", "script": "redirect", "config": {"url": "%{param:to}"}, "next": False}])
    assert client.get("/p/lead/", {"to": url}).status_code == 500
    assert client.get("/p/lead/", {"to": "/p/lead/"}).headers["Location"] == "/p/lead/"


def test_an_allowed_host_may_be_led_to(client: Client, settings) -> None:
    settings.STEPLINE_REDIRECT_HOSTS = ("good.example",)
    publish_process("lead", [{"name": "a", "script": "redirect", "config": {"url": "https://good.example/x"}}])
    response = client.get("/p/lead/")
    assert response.headers["Location"] == "https://good.example/x"
    # Without this a browser follows a link there, but no form.
    assert "form-action 'self' good.example" in response.headers["Content-Security-Policy"]


def test_a_missing_parameter_is_named(client: Client) -> None:
    publish_process("work", [{"name": "a", "script": "show_page", "config": {"text": "%{param:who}"}}])
    response = client.get("/p/work/")
    assert response.status_code == 400
    assert "%{param:who}" in response.content.decode()


def test_the_home_page_lists_what_can_be_started(client: Client) -> None:
    publish_process("work", [page("a", "hello")])
    ProcessTemplate.objects.create(slug="draft", title="Unfinished", definition="[]", access=Access.PUBLIC)
    text = client.get("/").content.decode()
    assert 'href="/p/work/"' in text
    assert "Unfinished" not in text


@pytest.mark.parametrize("code", ["failed", "user", "sign_in_required", "template_not_found", "outbound_failed"])
def test_a_process_that_fails_on_purpose_says_its_own_words_whatever_its_code(code: str) -> None:
    publish_process(
        "work", [{"name": "no", "script": "fail", "config": {"code": code, "message": "The shop is closed."}}]
    )
    response = Client().get("/p/work/")
    assert response.status_code == 422
    assert "The shop is closed." in response.content.decode()
