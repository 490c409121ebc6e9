"""Whoever asked is told by mail once a task has ended, however it ended, and a mail server can't hurt the task."""

from datetime import timedelta
from email import message_from_string
from email.header import decode_header, make_header

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.core import mail
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from tasks.domain.outcomes import Parked
from tasks.domain.retry import RetryPolicy
from tasks.domain.statuses import NodeStatus
from tasks.errors import NotWatchable, PermanentError
from tasks.models import Job, TaskRoot, Watch
from tasks.services.cancelling import cancel
from tasks.services.dispatch import end_stale_roots, tick
from tasks.services.enqueuing import enqueue
from tasks.services.losses import release_expired
from tasks.services.roots import Owner, create_root, end_root
from tasks.services.watches import TELL_JOB, is_watching, mail_is_set_up, masked, set_watch, tell, tell_watchers
from tasks.services.work import work_off
from tests.processes.services.real_servers import mail_server
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)

URL = "https://stepline.example/progress/1/"


@pytest.fixture
def user() -> User:
    return User.objects.create_user("ada", email="ada@example.org")


def new_root(user: User | None, *, title: str = "Importing airports", lease: timedelta | None = None) -> TaskRoot:
    return create_root(title=title, owner=Owner(user_id=user.pk if user else None), lease=lease)


def watch(root: TaskRoot, user: User, *, language: str = "en", on: bool | None = True) -> bool:
    return set_watch(root=root, user=user, url=URL, language=language, on=on).is_watching


def end(root: TaskRoot, status: NodeStatus = NodeStatus.COMPLETED) -> None:
    end_root(root_id=root.pk, status=status, reason="because")


def dispatch() -> None:
    """Do what a worker and the dispatcher do, until nothing is left to do."""
    while work_off("default") or tell_watchers():
        pass


def sent_to() -> list[tuple[list[str], str]]:
    return [(message.to, message.subject) for message in mail.outbox]


# -- asking -----------------------------------------------------------------------------------------------------------


def test_asking_twice_is_asking_once_and_can_be_taken_back(user: User) -> None:
    root = new_root(user)
    assert watch(root, user)
    assert watch(root, user)
    assert Watch.objects.count() == 1
    assert is_watching(root_id=root.pk, user=user)
    assert not watch(root, user, on=False)
    assert not watch(root, user, on=False)
    assert not Watch.objects.exists()


def test_without_saying_which_it_is_the_other_one(user: User) -> None:
    root = new_root(user)
    assert [watch(root, user, on=None) for _ in range(3)] == [True, False, True]


def test_who_cannot_get_mail_is_told_so(user: User, settings: Settings) -> None:
    root = new_root(user)
    nameless = User.objects.create_user("bob")
    for visitor in (AnonymousUser(), nameless):
        with pytest.raises(NotWatchable, match="mail address"):
            set_watch(root=root, user=visitor, url=URL, language="en", on=True)
        assert not is_watching(root_id=root.pk, user=visitor)
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", ""
    assert not mail_is_set_up()
    with pytest.raises(NotWatchable, match="sends no mail"):
        watch(root, user)
    settings.EMAIL_HOST = "mail.example.org"
    assert mail_is_set_up()
    assert not Watch.objects.exists()


def test_after_the_end_nothing_is_stored_but_the_end_is_told(user: User) -> None:
    root = new_root(user)
    end(root, NodeStatus.FAILED)
    state = set_watch(root=root, user=user, url=URL, language="en", on=True)
    assert (state.is_watching, state.ended, state.status) == (False, True, "failed")
    dispatch()
    assert not mail.outbox
    assert not Watch.objects.exists()


def test_asking_at_the_moment_of_the_end_is_not_missed(user: User) -> None:
    root = new_root(user)
    Watch.objects.create(root=root, user=user, url=URL)
    end(root)
    dispatch()
    assert len(mail.outbox) == 1


@pytest.mark.parametrize(
    ("address", "shown"), [("ada@example.org", "a…@example.org"), ("ä@b", "ä…@b"), ("", ""), ("nonsense", "")]
)
def test_an_address_is_not_shown_to_who_looks_over_the_shoulder(address: str, shown: str) -> None:
    assert masked(address) == shown


# -- however it ends --------------------------------------------------------------------------------------------------


def test_a_job_that_completes_is_told_once(kit, user: User) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: None, title="Importing airports", shared=True)
    watch(job.root, user)
    assert tell_watchers() == 0, "not before the end"
    dispatch()
    assert sent_to() == [(["ada@example.org"], "Done: Importing airports")]
    assert URL in mail.outbox[0].body
    assert "“Importing airports” is done." in mail.outbox[0].body


def test_the_dispatcher_sees_to_it_by_itself(broker, user: User) -> None:  # type: ignore[no-untyped-def]
    root = new_root(user)
    watch(root, user)
    assert tick().told == 0
    end(root)
    assert (tick().told, tick().told) == (1, 0)


def test_a_job_that_fails_for_good_is_told(kit, user: User) -> None:  # type: ignore[no-untyped-def]
    def fail(context: object) -> None:
        raise ValueError("secret")

    once = RetryPolicy(attempts=2, backoff="fixed", delay_seconds=0, jitter=0)
    job = kit.enqueue(fail, retry=once, title="Importing airports", shared=True)
    watch(job.root, user)
    dispatch()
    assert TaskRoot.objects.get(pk=job.pk).status == "failed"
    assert sent_to() == [(["ada@example.org"], "Failed: Importing airports")]
    assert "secret" not in mail.outbox[0].body


def test_a_job_that_nobody_holds_and_that_is_cancelled_is_told(kit, user: User) -> None:  # type: ignore[no-untyped-def]
    job = kit.enqueue(lambda context: Parked(), title="Importing airports", shared=True)
    watch(job.root, user)
    work_off("default")
    cancel(root_id=job.pk, reason="never mind")
    dispatch()
    assert sent_to() == [(["ada@example.org"], "Cancelled: Importing airports")]


def test_a_job_whose_workers_keep_dying_is_told(kit, user: User) -> None:  # type: ignore[no-untyped-def]
    def die(context: object) -> None:
        raise KeyboardInterrupt

    job = kit.enqueue(die, title="Importing airports", shared=True)
    watch(job.root, user)
    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            work_off("default")
        Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
        release_expired()
    dispatch()
    assert sent_to() == [(["ada@example.org"], "Failed: Importing airports")]


def test_an_indicator_whose_work_never_began_is_told(user: User) -> None:
    root = new_root(user, lease=timedelta(seconds=-1))
    watch(root, user)
    assert end_stale_roots() == 1
    dispatch()
    assert sent_to() == [(["ada@example.org"], "Failed: Importing airports")]


def test_each_of_those_who_asked_gets_a_mail_of_their_own(user: User) -> None:
    root = new_root(user)
    TaskRoot.objects.update(shared=True)
    others = [User.objects.create_user(f"u{number}", email=f"u{number}@example.org") for number in range(3)]
    for watcher in (user, *others):
        watch(root, watcher)
    end(root)
    dispatch()
    assert sorted(to for to, _ in sent_to()) == [
        ["ada@example.org"],
        *([f"u{number}@example.org"] for number in range(3)),
    ]


# -- the mail ---------------------------------------------------------------------------------------------------------


def test_a_title_with_lines_and_markup_is_one_line_of_plain_text(user: User) -> None:
    root = new_root(user, title="Import\r\nBcc: x@example.org <b>" + "ü" * 300)
    watch(root, user)
    end(root)
    dispatch()
    subject = mail.outbox[0].subject
    assert subject.startswith("Done: Import Bcc: x@example.org <b>ü")
    assert len(subject) <= 130
    assert "\n" not in subject
    assert mail.outbox[0].recipients() == ["ada@example.org"]


@pytest.mark.parametrize("language", ["de", "en", "xx", ""])
def test_it_is_written_in_the_language_of_whoever_asked(user: User, language: str, settings: Settings) -> None:
    root = new_root(user)
    watch(root, user, language=language)
    end(root)
    dispatch()
    assert "“Importing airports”" in mail.outbox[0].body or "„Importing airports“" in mail.outbox[0].body


def test_who_left_or_may_not_see_it_any_more_gets_nothing(user: User) -> None:
    staff = User.objects.create_user("boss", email="boss@example.org", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_taskroot"))
    gone = User.objects.create_user("gone", email="gone@example.org")
    stranger = User.objects.create_user("stranger", email="stranger@example.org")
    root = new_root(user)
    for watcher in (staff, gone, stranger, user):
        Watch.objects.create(root=root, user=watcher, url=URL)
    User.objects.filter(pk=gone.pk).update(is_active=False)
    User.objects.filter(pk=user.pk).update(email="")
    end(root)
    dispatch()
    assert [to for to, _ in sent_to()] == [["boss@example.org"]]


def test_what_was_begun_before_signing_in_is_told(user: User) -> None:
    root = create_root(title="Importing airports", owner=Owner(session_key="s" * 32))
    watch(root, user)
    end(root)
    dispatch()
    assert len(mail.outbox) == 1


def test_a_watch_whose_task_was_purged_is_no_error(user: User) -> None:
    root = new_root(user)
    watch(root, user)
    end(root)
    tell_watchers()
    root.delete()
    while work_off("default"):
        pass
    assert [job.status for job in Job.objects.all()] == ["completed"]
    assert not mail.outbox
    assert not tell(12345)


def test_a_job_that_names_no_watch_fails_for_good() -> None:
    enqueue(TELL_JOB, owner=Owner())
    work_off("default")
    assert Job.objects.get().status == "failed"


# -- the mail server --------------------------------------------------------------------------------------------------


def ended_and_watched(user: User) -> TaskRoot:
    root = new_root(user)
    watch(root, user)
    end(root)
    tell_watchers()
    return root


def use_server(settings: Settings, port: int) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "127.0.0.1", port, False
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.DEFAULT_FROM_EMAIL = "stepline@example.org"


def test_a_mail_leaves_with_a_name_that_every_attempt_bears(user: User, settings: Settings) -> None:
    with mail_server() as server:
        use_server(settings, server.port)
        ended_and_watched(user)
        work_off("default")
        assert tell(Watch.objects.get().pk), "as after a worker that died before its checkpoint"
        letters = [message_from_string(letter.content) for letter in server.letters]
    assert len(letters) == 2
    assert letters[0]["Message-ID"] == letters[1]["Message-ID"]
    assert letters[0]["Message-ID"].endswith("@stepline.example>")
    assert letters[0]["Auto-Submitted"] == "auto-generated"
    assert (letters[0]["From"], letters[0]["To"]) == ("stepline@example.org", "ada@example.org")
    assert str(make_header(decode_header(letters[0]["Subject"]))) == "Done: Importing airports"


def test_a_server_that_is_down_or_busy_is_asked_again_later(user: User, settings: Settings) -> None:
    with mail_server() as server:
        port = server.port
    use_server(settings, port)
    root = ended_and_watched(user)
    assert work_off("default")
    job = Job.objects.get(function=TELL_JOB)
    assert (job.status, job.error["code"]) == ("retry", "mail_not_taken")
    assert job.due_at > timezone.now() + timedelta(seconds=30)
    root.refresh_from_db()
    assert root.status == "completed", "the tree has nothing to do with it"
    with mail_server() as server:
        use_server(settings, server.port)
        server.replies["MAIL"] = "451 later"
        Job.objects.update(due_at=timezone.now())
        assert work_off("default")
        assert Job.objects.get(function=TELL_JOB).status == "retry"
        del server.replies["MAIL"]
        Job.objects.update(due_at=timezone.now())
        assert work_off("default")
        assert len(server.letters) == 1
    assert Job.objects.get(function=TELL_JOB).status == "completed"


@pytest.mark.parametrize(("verb", "reply"), [("RCPT", "550 nobody of this name"), ("DATA", "554 spam s3cret")])
def test_a_server_that_says_no_for_good_is_left_alone(user: User, settings: Settings, verb: str, reply: str) -> None:
    with mail_server() as server:
        use_server(settings, server.port)
        server.replies[verb] = reply
        ended_and_watched(user)
        assert work_off("default")
    job = Job.objects.get(function=TELL_JOB)
    assert job.status == "failed"
    assert "s3cret" not in str(job.error)


def test_a_sign_in_that_is_refused_can_be_mended(user: User, settings: Settings) -> None:
    with mail_server() as server:
        use_server(settings, server.port)
        settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "me", "s3cret"
        server.replies["AUTH"] = "535 not you, s3cret"
        ended_and_watched(user)
        assert work_off("default")
    job = Job.objects.get(function=TELL_JOB)
    assert job.status == "retry"
    assert "s3cret" not in str(job.error)


def test_an_error_of_the_mail_itself_says_nothing_of_its_content(user: User, settings: Settings) -> None:
    with mail_server() as server:
        use_server(settings, server.port)
        server.replies["RCPT"] = "550 no"
        ended_and_watched(user)
        with pytest.raises(PermanentError, match=r"^The mail server refused the mail \(550\)\.$"):
            tell(Watch.objects.get().pk)


def test_several_dispatchers_hand_each_watch_on_once(user: User) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite lets only one transaction begin at a time")
    roots = [new_root(user) for _ in range(20)]
    for root in roots:
        watch(root, user)
        end(root)
    assert all(isinstance(count, int) for count in together(*[tell_watchers] * 3))
    tell_watchers()
    assert Job.objects.filter(function=TELL_JOB).count() == 20
    assert not Watch.objects.filter(told_at=None).exists()


def test_many_watches_are_handed_on_in_batches(user: User) -> None:
    for _ in range(5):
        root = new_root(user)
        watch(root, user)
        end(root)
    assert [tell_watchers(limit=2) for _ in range(4)] == [2, 2, 1, 0]
