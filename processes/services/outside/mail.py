"""Hand mail over for delivery: to the mail server of a connection, or to the site's own.

As with requests, nothing of what goes wrong here takes a secret along.
"""

import smtplib
import socket
import ssl
from collections.abc import Iterable, Mapping
from contextlib import suppress
from email.headerregistry import Address
from email.utils import getaddresses

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend
from django.core.validators import validate_email

from processes.domain.connections import SmtpSettings
from processes.domain.json_values import JSON
from processes.domain.outside import Mail
from processes.errors import ProcessError
from processes.services.connections import find_smtp
from processes.services.errors import MailError, MailRefusedError
from processes.services.files import open_file
from processes.services.outside.exchange import reach_of_settings
from processes.services.outside.network import Deadline, dial, ssl_context
from processes.services.secrets import Secret, mask

__all__ = ["MAX_ATTACHED_BYTES", "MAX_RECIPIENTS", "post"]

#: Of all attachments of a mail together; many mail servers take 25 MB of mail, where attachments are a third larger.
MAX_ATTACHED_BYTES = 15 * 1024 * 1024
MAX_RECIPIENTS = 200
_TIMEOUT_SECONDS = 30.0
_SMTP_BACKEND = "django.core.mail.backends.smtp.EmailBackend"


def post(mail: Mail) -> ProcessError | None:
    """Hand a mail over, and return why it wasn't taken, if it wasn't: an error without a traceback."""
    forms: tuple[str, ...] = (settings.EMAIL_HOST_PASSWORD,)
    backend: BaseEmailBackend | None = None
    try:
        if mail.connection is None:
            _check_mail_server()
            backend, sender = get_connection(), settings.DEFAULT_FROM_EMAIL
        else:
            server, password = find_smtp(mail.connection)
            forms = () if password is None else (password.reveal(),)
            backend, sender = _backend_of(server, password), server.from_address
        _message(mail, sender, backend).send()
    except ProcessError as error:
        found: ProcessError = error
    except (TimeoutError, ssl.SSLError, smtplib.SMTPException, OSError) as error:
        found = _error_of(error, forms)
    except Exception as error:  # noqa: BLE001 - whatever it is, its text and frames might hold a secret
        found = MailError(f"The mail could not be sent ({type(error).__name__}).")
    else:
        return None
    finally:
        if backend is not None:
            # Where signing in has failed the connection is still open; that the other side hung up is no news.
            with suppress(OSError, smtplib.SMTPException):
                backend.close()
    found.__traceback__ = found.__cause__ = found.__context__ = None
    return found


def _check_mail_server() -> None:
    if settings.EMAIL_BACKEND == _SMTP_BACKEND and not settings.EMAIL_HOST:
        raise MailRefusedError(
            "This site has no mail server. Those who run it name one in EMAIL_URL; or bind a connection to one."
        )


def _message(mail: Mail, sender: str, backend: BaseEmailBackend) -> EmailMultiAlternatives:
    recipients = [*mail.to, *mail.cc, *mail.bcc]
    if not recipients:
        raise MailRefusedError("A mail needs somebody to go to.")
    if len(recipients) > MAX_RECIPIENTS:
        raise MailRefusedError(f"A mail goes to {MAX_RECIPIENTS} addresses at most, not {len(recipients):,}.")
    if len(mail.subject.splitlines()) > 1 or "\0" in mail.subject:
        raise MailRefusedError("The subject of a mail is one line.")
    message = EmailMultiAlternatives(
        subject=mail.subject,
        body=mail.text,
        from_email=_address(mail.sender or sender),
        to=_addresses(mail.to),
        cc=_addresses(mail.cc),
        bcc=_addresses(mail.bcc),
        reply_to=_addresses(mail.reply_to),
        connection=backend,
    )
    if mail.message_id is not None:
        message.extra_headers["Message-ID"] = mail.message_id
    if mail.html is not None:
        message.attach_alternative(mail.html, "text/html")
    left = MAX_ATTACHED_BYTES
    for attachment in mail.attachments:
        left -= _attach(message, attachment.file, left)
    return message


def _attach(message: EmailMultiAlternatives, info: Mapping[str, JSON], left: int) -> int:
    """Attach a stored file, reading no more than is allowed; return its size."""
    with open_file(info) as file:
        content = file.read(left + 1)
    if len(content) > left:
        raise MailRefusedError(
            f"The attachments have more than {MAX_ATTACHED_BYTES // 1024 // 1024} MB. Send a link instead."
        )
    kind = str(info.get("content_type") or "application/octet-stream")
    # Anything may lie in a file that says it is text: it is attached byte by byte.
    if kind.startswith(("text/", "message/")):
        kind = "application/octet-stream"
    message.attach(str(info.get("name") or "file"), content, kind)
    return len(content)


def _addresses(addresses: Iterable[str]) -> list[str]:
    return [_address(text) for text in addresses]


def _address(text: str) -> str:
    """Return an address as it was given, once it is one and no more; raises MailRefusedError."""
    parsed = getaddresses([text])
    if len(parsed) == 1 and text.isprintable():
        try:
            validate_email(parsed[0][1])
            Address(addr_spec=parsed[0][1])
        except (ValidationError, ValueError, IndexError):
            pass
        else:
            return text
    raise MailRefusedError(f"{text[:100]!r} isn't a mail address.")


def _backend_of(server: SmtpSettings, password: Secret | None) -> BaseEmailBackend:
    return _GuardedBackend(
        host=server.host,
        port=server.port,
        username=server.username,
        password="" if password is None else password.reveal(),
        use_tls=server.security == "starttls",
        use_ssl=server.security == "tls",
        timeout=_TIMEOUT_SECONDS,
    )


def _error_of(error: Exception, forms: tuple[str, ...]) -> ProcessError:
    """Return what to tell of a failure: whether another try may succeed, and the server's own words without secrets."""
    if isinstance(error, TimeoutError):
        return MailError(f"The mail server didn't answer within {_TIMEOUT_SECONDS:g} seconds.")
    if isinstance(error, ssl.SSLCertVerificationError):
        return MailError(f"The mail server's certificate isn't accepted: {error.verify_message}.")
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = {code for code, _ in error.recipients.values()}
        return _refused(min(codes, default=550), "it takes none of the recipients")
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return _refused(error.smtp_code, "it doesn't accept username and password")
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        return _refused(error.smtp_code, f"it says “{mask(said, forms)[:200]}”")
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return MailRefusedError("The mail server doesn't offer what the connection asks for: STARTTLS, or signing in.")
    return MailError("The mail server can't be reached, or ended the connection.")


def _refused(code: int, why: str) -> ProcessError:
    kind = MailRefusedError if code >= 500 else MailError
    return kind(f"The mail server refused the mail ({code}): {why}.", fields={"status": code})


class _GuardedSMTP(smtplib.SMTP):
    """Connect only to where it is allowed."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connected = dial(host, port, reach=reach_of_settings(), deadline=Deadline(timeout))
        connected.settimeout(timeout)
        return connected


class _GuardedSMTPS(smtplib.SMTP_SSL):
    """Connect only to where it is allowed, encrypted from the start."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connected = dial(host, port, reach=reach_of_settings(), deadline=Deadline(timeout))
        connected.settimeout(timeout)
        return self.context.wrap_socket(connected, server_hostname=host)


class _GuardedBackend(EmailBackend):
    """Be Django's backend with connections that are checked, and certificates checked as requests do."""

    ssl_context = property(lambda self: ssl_context())

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        """Return what speaks to the server."""
        return _GuardedSMTPS if self.use_ssl else _GuardedSMTP
