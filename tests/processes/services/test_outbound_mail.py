"""Mail: what leaves, by whose server, and what never may."""

import socket

import pytest
from django.core import mail as django_mail

from processes.domain.outside import Attachment, Mail
from processes.errors import ProcessError
from processes.models import Connection
from processes.services.access import Caller
from processes.services.audit import SYSTEM
from processes.services.connections import save_connection
from processes.services.files import store_file
from processes.services.outside import live_outside, mail
from tests.processes.services.real_servers import mail_server

pytestmark = pytest.mark.django_db

PASSWORD = "mail-pa55word-77"


@pytest.fixture
def server(settings):
    settings.STEPLINE_OUTBOUND_PRIVATE = ("127.0.0.1",)
    with mail_server() as server:
        yield server


@pytest.fixture
def linked(server) -> Connection:
    return link(server.port)


def link(port: int, **fields) -> Connection:
    settings = {
        "host": "127.0.0.1", "port": port, "security": "none", "username": "shop",
        "from_address": "Shop <shop@example.com>", **fields,
    }  # fmt: skip
    connection = Connection(name="mail", kind="smtp", settings=settings)
    return save_connection(connection=connection, secret=PASSWORD, actor=SYSTEM)


def send(**fields) -> None:
    live_outside().send(Mail(**{"to": ["ann@example.com"], "subject": "Hello", "text": "Hi.", **fields}))


def refusal(code: str, **fields) -> ProcessError:
    with pytest.raises(ProcessError) as caught:
        send(**fields)
    error = caught.value
    assert error.code == code, error
    assert PASSWORD not in repr(error.to_json())
    assert error.__cause__ is None
    assert error.__context__ is None
    return error


def test_a_connections_server_gets_the_mail_and_the_password(server, linked):
    send(connection="mail", cc=["Bob <bob@example.com>"], bcc=["eve@example.com"], message_id="<1@example.com>")
    assert server.signed_in == [("shop", PASSWORD)]
    letter = server.letters[0]
    assert "shop@example.com" in letter.sender
    assert [line.partition("<")[2].partition(">")[0] for line in letter.recipients] == [
        "ann@example.com", "bob@example.com", "eve@example.com",
    ]  # fmt: skip
    assert "Message-ID: <1@example.com>" in letter.content
    assert "From: Shop <shop@example.com>" in letter.content
    assert "eve@example.com" not in letter.content


def test_without_a_connection_the_sites_own_server_sends_it(settings):
    settings.DEFAULT_FROM_EMAIL = "site@example.com"
    send(html="<p>Hi.</p>", reply_to=["desk@example.com"])
    sent = django_mail.outbox[0]
    assert (sent.from_email, sent.reply_to) == ("site@example.com", ["desk@example.com"])
    assert sent.alternatives[0][0] == "<p>Hi.</p>"


def test_a_site_without_a_mail_server_says_so(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = ""
    assert "EMAIL_URL" in refusal("mail_refused").message


@pytest.mark.parametrize(
    "fields",
    [
        {"subject": "a\nBcc: eve@example.com"},
        {"subject": "a\rb"},
        {"subject": "a\u2028b"},
        {"to": ["ann@example.com\nBcc: eve@example.com"]},
        {"to": ["ann@example.com, eve@example.com"]},
        {"to": ["ann"]},
        {"to": [""]},
        {"to": ["Ann <ann@example.com> eve@example.com"]},
        {"to": []},
        {"cc": ["a@b.example\r\nX: 1"]},
        {"reply_to": ["nobody"]},
        {"sender": "a@b.example\nBcc: eve@example.com"},
        {"to": [f"a{number}@example.com" for number in range(201)]},
    ],
)
def test_what_would_add_headers_or_recipients_is_refused(fields):
    assert refusal("mail_refused", **fields).permanent
    assert not getattr(django_mail, "outbox", [])


def test_stored_files_are_attached():
    info = store_file(content=b"a,b\n1,2\n", name="a.csv", content_type="text/csv", caller=Caller(session_key="s"))
    send(attachments=[Attachment(file=dict(info))])
    name, content, _ = django_mail.outbox[0].attachments[0]
    assert (name, content) == ("a.csv", b"a,b\n1,2\n")


def test_attachments_have_a_limit_together(monkeypatch):
    monkeypatch.setattr(mail, "MAX_ATTACHED_BYTES", 10)
    info = store_file(content=b"123456", name="a.bin", caller=Caller(session_key="s"))
    send(attachments=[Attachment(file=dict(info))])
    refusal("mail_refused", attachments=[Attachment(file=dict(info)), Attachment(file=dict(info))])


def test_an_attachment_that_is_gone_is_told():
    refusal("file_not_found", attachments=[Attachment(file={"type": "FILE_INFO", "id": "0" * 32})])


@pytest.mark.parametrize(
    ("replies", "code"),
    [
        ({"AUTH": f"535 no, {PASSWORD} is wrong"}, "mail_refused"),
        ({"AUTH": "454 later"}, "mail_failed"),
        ({"MAIL": f"550 {PASSWORD}"}, "mail_refused"),
        ({"MAIL": "451 later"}, "mail_failed"),
        ({"RCPT": "550 nobody here"}, "mail_refused"),
        ({"RCPT": "450 later"}, "mail_failed"),
        ({"DATA": f"554 spam from {PASSWORD}"}, "mail_refused"),
        ({"DATA": "452 full"}, "mail_failed"),
    ],
)
def test_what_a_server_says_decides_whether_another_try_may_help(server, linked, replies, code):
    server.replies.update(replies)
    refusal(code, connection="mail")
    assert not server.letters


def test_starttls_is_never_given_up_silently(server):
    link(server.port, security="starttls")
    refusal("mail_refused", connection="mail")
    assert not server.signed_in
    assert not server.letters


def test_a_server_that_does_not_speak_tls_is_told(server):
    link(server.port, security="tls")
    refusal("mail_failed", connection="mail")


def test_a_private_mail_server_must_be_allowed(server, linked, settings):
    settings.STEPLINE_OUTBOUND_PRIVATE = ()
    refusal("outbound_refused", connection="mail")
    assert not server.signed_in


def test_nobody_there(settings):
    settings.STEPLINE_OUTBOUND_PRIVATE = ("127.0.0.1",)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        link(free.getsockname()[1])
        refusal("outbound_failed", connection="mail")
