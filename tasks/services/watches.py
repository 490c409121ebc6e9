"""Telling people by mail that a task has ended, because they asked for it.

A watch is a row; asking twice is asking once. When a root has closed, however it ended, the dispatcher finds its
watches and hands each to a job of its own (`tell_watchers`), in one transaction with the note that it did: no mail is
forgotten, and a mail server that is down has nothing to do with the tree. The job sends it, and is tried again for
hours; a worker that dies between the mail and its checkpoint sends it once more, under the same Message-ID.
"""

import hashlib
import smtplib
import uuid
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from tasks.domain.statuses import NodeStatus
from tasks.errors import MailNotTaken, NotWatchable, PermanentError
from tasks.models import TaskRoot, Watch
from tasks.services.access import may_see, viewer_of
from tasks.services.enqueuing import enqueue
from tasks.services.roots import Owner

__all__ = ["TELL_JOB", "WatchState", "address_of_user", "is_watching", "mail_is_set_up", "masked", "set_watch", "tell"]

#: The job that sends one mail (tasks.jobs registers it).
TELL_JOB = "tasks.tell"
#: After the work of people: a mail may wait a moment.
TELL_PRIORITY = -10
_SMTP_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
_TITLE_CHARS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchState:
    """Say how things stand after somebody has asked for a mail, or has taken that back."""

    is_watching: bool
    #: The task is over, so that no mail will come.
    ended: bool
    status: str


def mail_is_set_up() -> bool:
    """Tell whether this site can send mail: Django's own backend needs a host."""
    return settings.EMAIL_BACKEND != _SMTP_BACKEND or bool(settings.EMAIL_HOST)


def address_of_user(user: AbstractBaseUser | AnonymousUser) -> str:
    """Return where mail to a user goes; empty for somebody not signed in, or without an address."""
    if not isinstance(user, AbstractBaseUser) or not user.is_authenticated:
        return ""
    return str(getattr(user, user.get_email_field_name(), "") or "")


def masked(address: str) -> str:
    """Return an address as it may be shown where others look on: `ada@example.org` is `a…@example.org`."""
    name, at, host = address.rpartition("@")
    return f"{name[:1]}…{at}{host}" if at else ""


def is_watching(*, root_id: uuid.UUID, user: AbstractBaseUser | AnonymousUser) -> bool:
    """Tell whether a user waits for a mail about a task."""
    return isinstance(user, AbstractBaseUser) and _open_watches(root_id, user).exists()


def set_watch(
    *, root: TaskRoot, user: AbstractBaseUser | AnonymousUser, url: str, language: str, on: bool | None = None
) -> WatchState:
    """Let a user be told when a task has ended, or not any more; without `on`, the other of the two.

    `root` is one that they may see. `url` is the absolute address of its page, for the mail. Asking twice is asking
    once. Where the task has ended already nothing is stored: it can be told at once. Raises NotWatchable for somebody
    who isn't signed in or has no address, and where the site sends no mail.
    """
    if not isinstance(user, AbstractBaseUser) or not address_of_user(user):
        raise NotWatchable(_("Sign in with an account that has a mail address, to be told by mail."))
    if not mail_is_set_up():
        raise NotWatchable(_("This site sends no mail."))
    with transaction.atomic():
        mine = _open_watches(root.pk, user)
        if on is None:
            on = not mine.exists()
        if on:
            # A root that closes at this moment isn't missed: the dispatcher looks for watches of closed roots.
            defaults = {"url": url, "language": language}
            Watch.objects.get_or_create(root_id=root.pk, user_id=user.pk, defaults=defaults)
        root.refresh_from_db(fields=["closed", "status"])
        if root.closed or not on:
            mine.delete()
    return WatchState(is_watching=on and not root.closed, ended=root.closed, status=root.status)


def tell_watchers(*, limit: int = 50) -> int:
    """Hand the watches of roots that have closed to jobs that send the mails, and return how many."""
    with transaction.atomic():
        rows = Watch.objects.filter(told_at__isnull=True, root__closed=True).order_by("id")
        chosen = list(rows.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)[:limit])
        for pk in chosen:
            enqueue(TELL_JOB, owner=Owner(), arguments={"watch": pk}, title="Mail about a task", priority=TELL_PRIORITY)
        if chosen:
            Watch.objects.filter(pk__in=chosen).update(told_at=Now())
    return len(chosen)


def tell(watch_id: int) -> bool:
    """Send the mail of a watch, and return whether there was one to send.

    There is none where the task was purged, or where the user has left, has no address any more, or may not see the
    task any more. Raises MailNotTaken where another try may succeed, PermanentError where none can.
    """
    watch = Watch.objects.select_related("root", "user").filter(pk=watch_id).first()
    if watch is None or not watch.user.is_active:
        return False
    address = address_of_user(watch.user)
    if not address or not _may_still_see(watch):
        return False
    _send(_message(watch, address))
    return True


def _open_watches(root_id: uuid.UUID, user: AbstractBaseUser) -> QuerySet[Watch]:
    return Watch.objects.filter(root_id=root_id, user_id=user.pk, told_at__isnull=True)


def _may_still_see(watch: Watch) -> bool:
    root = watch.root
    # What somebody began before they signed in is known by their session, which a job doesn't have.
    began_before_signing_in = root.owner_id is None and bool(root.session_key)
    return began_before_signing_in or may_see(viewer_of(user=watch.user, session=None), root)


def _message(watch: Watch, address: str) -> EmailMessage:
    root = watch.root
    context = {
        "title": root.title,
        "short_title": _one_line(root.title),
        "url": watch.url,
        "is_completed": root.status == NodeStatus.COMPLETED,
        "is_cancelled": root.status == NodeStatus.CANCELLED,
        "name": watch.user.get_username(),
    }
    with translation.override(_language(watch.language)):
        subject = _one_line(render_to_string("tasks/mail/ended_subject.txt", context))
        text = render_to_string("tasks/mail/ended.txt", context)
    headers = {"Message-ID": _message_id(watch), "Auto-Submitted": "auto-generated"}
    return EmailMessage(subject=subject, body=text, to=[address], headers=headers)


def _message_id(watch: Watch) -> str:
    """Return the same name for each attempt, so that a mail which was sent twice can be told from two."""
    # Addresses of tasks are nobody's business along the way.
    digest = hashlib.sha256(f"{watch.pk}:{watch.root_id}".encode()).hexdigest()[:32]
    return f"<{digest}.watch@{urlsplit(watch.url).hostname or 'localhost'}>"


def _send(message: EmailMessage) -> None:
    """Hand a mail over; what goes wrong is told without the server's words, which may quote anything."""
    backend = message.connection = get_connection()
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _said in error.recipients.values()]
        raise _problem(min(codes, default=550)) from None
    except smtplib.SMTPResponseException as error:
        # A password that is refused can be mended by those who run the site: not for good.
        is_sign_in = isinstance(error, smtplib.SMTPAuthenticationError)
        raise _problem(421 if is_sign_in else error.smtp_code) from None
    except (smtplib.SMTPException, OSError) as error:
        raise MailNotTaken(f"The mail server can't be reached, or broke off ({type(error).__name__}).") from None
    finally:
        # Where signing in has failed the connection is still open; that the other side hung up is no news.
        with suppress(OSError, smtplib.SMTPException):
            backend.close()


def _problem(code: int) -> MailNotTaken | PermanentError:
    kind = PermanentError if code >= 500 else MailNotTaken
    return kind(f"The mail server refused the mail ({code}).", status=code)


def _language(wanted: str) -> str:
    known = {code for code, _name in settings.LANGUAGES}
    return wanted if wanted in known else settings.LANGUAGE_CODE


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TITLE_CHARS else f"{line[: _TITLE_CHARS - 1]}…"
