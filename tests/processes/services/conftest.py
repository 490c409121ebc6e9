"""A kit for tests of background runs: scripts for one test, published templates, runs."""

import itertools
import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from django.contrib.auth.models import Permission, User
from django.db.models.functions import Now
from django.test import Client

from processes.domain.application import Application
from processes.domain.interpreter import Interpreter
from processes.models import ProcessTemplate, Run
from processes.registry import scripts
from processes.services.access import Caller
from processes.services.authoring.templates import publish, save_draft
from processes.services.background import continue_in_background
from processes.services.derivation import load_plan
from processes.services.host import DjangoHost, host_of
from processes.services.stored_data import StoredData
from tasks.models import Job
from tasks.services import sql
from tasks.services.flusher import stop_flusher
from tasks.services.heartbeat import stop_heart
from tasks.services.hold import Hold
from tasks.services.work import work_off

Script = Callable[[Application], object]
_numbers = itertools.count(1)
#: How often it is looked whether what is due can be claimed after all.
_LOOKS = 10


class RunKit:
    """Register scripts, publish templates and start background runs."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        #: What the scripts of `note` have noted, in order.
        self.notes: list[str] = []

    def script(self, function: Script, *, effect: str = "idempotent", durable: bool = False) -> str:
        name = f"test_{uuid.uuid4().hex}"
        self._stack.enter_context(scripts.override(name, function, effect=effect, durable=durable))  # type: ignore[arg-type]
        return name

    def note(self, text: str, state: str | None = None) -> str:
        def note(app: Application) -> None:
            self.notes.append(text)
            app.data[text] = len(self.notes)
            app.state = state

        return self.script(note)

    def template(self, *actions: dict[str, object], bindings: dict[str, object] | None = None) -> ProcessTemplate:
        template = ProcessTemplate(slug=f"process-{next(_numbers)}", title="A process")
        save_draft(template=template, definition=json.dumps(list(actions)), bindings=bindings or {})
        publish(template=template)
        template.refresh_from_db()
        return template

    def start(
        self,
        *actions: dict[str, object],
        template: ProcessTemplate | None = None,
        user: User | None = None,
        data: dict[str, object] | None = None,
    ) -> uuid.UUID:
        """Start a run whose first actions run in a foreground that goes straight into the background."""
        template = template or self.template(*actions)
        assert template.published_plan_id is not None
        plan = load_plan(template.published_plan_id)
        user_id, session_key = (None, "s") if user is None else (user.pk, "")
        caller = Caller(user_id=user_id, session_key=session_key, template_id=template.pk, slug=template.slug)
        app = Application(user=user, data=data)
        interpreter = Interpreter.start(plan, app=app, host=DjangoHost(caller=caller, plan=plan))
        return continue_in_background(app=app, interpreter=interpreter, template=template, caller=caller)

    @staticmethod
    def work() -> int:
        """Work off everything that is due, and return how many claims that took."""
        done, passed_over = 0, 0
        while passed_over < _LOOKS:
            if work_off("default"):
                done, passed_over = done + 1, 0
                continue
            due = Job.objects.filter(sql.job_claimable(), queue="default", due_at__lte=Now())
            if not due.exists():
                break
            # A claim passes over what somebody has locked for a moment, such as a heart that beats.
            passed_over += 1
            time.sleep(0.01)
        return done

    @staticmethod
    def hold(app: Application) -> Hold:
        """Return the hold of the claim that a script works for."""
        return host_of(app)._why_cancelled.__self__.context.hold  # type: ignore[no-any-return, union-attr]

    @staticmethod
    def data(run_id: uuid.UUID) -> dict[str, object]:
        return StoredData.load(run_id)[1]  # type: ignore[return-value]

    @staticmethod
    def run(run_id: uuid.UUID) -> Run:
        return Run.objects.get(pk=run_id)


def with_control(user: User) -> User:
    """Let a user control runs."""
    user.user_permissions.add(Permission.objects.get(codename="control_run"))
    return User.objects.get(pk=user.pk)


@pytest.fixture
def operator(transactional_db: None) -> User:
    return with_control(User.objects.create_user("olga", is_staff=True))


@pytest.fixture
def api(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


@pytest.fixture
def kit(transactional_db: None) -> Iterator[RunKit]:
    with ExitStack() as stack:
        yield RunKit(stack)
    stop_flusher()
    stop_heart()
