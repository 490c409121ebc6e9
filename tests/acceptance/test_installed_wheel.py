"""The built wheel in a project of somebody else's, with a user model of its own, as docs/installing.md has it."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.supervisor.broker import EmbeddedBroker
from tests.config.conftest import ROOT

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

RECIPE = ROOT / "docs/installing.md"
_FILE = re.compile(r"^```\w+ file=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

#: User models as teams have them: how they are written, and how one is made.
USERS = {
    "a key that is a UUID": """
        import uuid

        from django.contrib.auth.models import AbstractUser
        from django.db import models


        class User(AbstractUser):
            id = models.UUIDField(primary_key=True, default=uuid.uuid4)
        """,
    "a name that is an address": """
        from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
        from django.contrib.auth.models import PermissionsMixin
        from django.db import models


        class UserManager(BaseUserManager):
            def create_user(self, email, **given):
                user = self.model(email=email, **given)
                user.set_unusable_password()
                user.save()
                return user

            def create_superuser(self, email, **given):
                return self.create_user(email, is_staff=True, is_superuser=True, **given)


        class User(AbstractBaseUser, PermissionsMixin):
            email = models.EmailField(primary_key=True)
            is_active = models.BooleanField(default=True)
            is_staff = models.BooleanField(default=False)
            USERNAME_FIELD = "email"
            objects = UserManager()
        """,
}

#: A team's model that a process drives.
REPORT = """
from django.conf import settings
from django.db import models

from processes.driven import ProcessDriven


class Report(ProcessDriven):
    default_process = "hello"
    first_status = "new"
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)

    def get_process_owner(self):
        return self.author

    def __str__(self):
        return "A report"
"""

#: Work that a worker of its own takes, hinted by the dispatcher or by whoever has started it.
WAIT = """
import time

import django

django.setup()

from django.contrib.auth import get_user_model
from django.test import Client
from processes.models import Run

client = Client()
User = get_user_model()
client.force_login(User.objects.get(**{User.USERNAME_FIELD: "bob@example.com"}))
assert client.post("/p/hello/", {"action": "later"}).status_code == 303
run = Run.objects.order_by("created_at").last()
deadline = time.monotonic() + 90
while run.status not in ("completed", "failed") and time.monotonic() < deadline:
    time.sleep(0.2)
    run.refresh_from_db()
print(run.status, run.error)
"""

SETTINGS = """
AUTH_USER_MODEL = "people.User"
INSTALLED_APPS = ["people", "reports", *INSTALLED_APPS]
ALLOWED_HOSTS = ["testserver"]
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://")
"""

#: Wherever a process names users, or acts with somebody's rights.
RIGHTS = {
    "name": "rights",
    "title": "Rights",
    "execute": "signed_in",
    "extends": [],
    "bindings": {},
    "definition": [
        {"name": "begin", "script": "execute_in_background"},
        {"name": "load", "script": "load_data", "entry": False},
        {"name": "keep", "script": "store_credentials", "entry": False},
        {"name": "as_caller", "script": "run_as_caller", "config": {"script": "noop"}, "entry": False},
        {"name": "as_owner", "script": "run_as_owner", "config": {"script": "noop"}, "entry": False},
        {
            "name": "ask_others",
            "script": "assign",
            "entry": False,
            "config": {
                "to": {"data": "people"},
                "due": "P1D",
                "escalate": [{"after": "PT1H", "to": {"users": ["bob@example.com"]}}],
            },
        },
        {
            "name": "ask",
            "script": "show_form",
            "entry": False,
            "next": False,
            "config": {
                "title": "How many?",
                "fields": [{"name": "pieces", "type": "integer"}],
                "action": "answered",
                "answered_by": {"owner": True, "data": "people"},
            },
        },
        {"name": "answered", "script": "noop", "next": False},
    ],
}

#: What is done in the project, in one process: it prints `all is well` at its end.
VISIT = """
import django

django.setup()

from django.contrib.auth import get_user_model
from django.test import Client
from reports.models import Report
from processes.models import AuditEntry, ProcessInstance, ProcessTemplate, Run, RunForm
from processes.services.assignments import Assignment, assign, claim, hand_on
from processes.services.doer import Doer
from processes.services.instances import create_instance, execute_instance
from tasks.services.work import work_off

User = get_user_model()
users = User.objects
ann, bob = users.create_user("ann@example.com"), users.create_superuser("bob@example.com")
client, staff = Client(), Client()
client.force_login(ann)
staff.force_login(bob)


def page(visitor, address, status=200, **posted):
    answer = visitor.post(address, posted) if posted else visitor.get(address)
    assert answer.status_code == status, (address, answer.status_code, answer.content[:2000])
    return answer


# In the foreground, on its page.
assert b"Hello" in page(client, "/p/hello/").content
page(client, "/")

# In the background, and its page of progress.
led = page(client, "/p/hello/", 303, action="later")
work_off("default")
run = Run.objects.get()
assert (run.status, run.user_id) == ("completed", ann.pk), (run.status, run.error)
page(client, f"/progress/{run.pk}/")
assert client.get(f"/api/tasks/{run.pk}/").json()["status"] == "completed"
page(Client(), f"/progress/{run.pk}/", 404)

# Cancelled before anybody works on it, and replayed by somebody else.
page(client, "/p/hello/", 303, action="later")
waiting = Run.objects.exclude(pk=run.pk).get()
page(client, f"/progress/{waiting.pk}/cancel/", 303, sure="yes")
waiting.refresh_from_db()
assert waiting.status == "cancelled", waiting.status

# A thing that a process drives, its instance, and who is asked.
report = Report.objects.create(author=ann)
assert list(Report.objects.for_user(ann)) == list(Report.objects.for_user(bob)) == [report]
instance = ProcessInstance.objects.get()
assert (instance.owner, instance.title, report.status) == (ann, "A report", "new")
page(client, report.process_url)
page(client, report.history_url)
assert client.get(f"/api/instances/{instance.pk}/").json()["owner"] == "ann@example.com"
assign(instance.pk, Assignment(users=[ann.pk, bob.pk]), doer=Doer.of(bob))
assert list(Report.objects.waiting_for(ann)) == [report]
page(client, "/inbox/")
claim(instance.pk, user=ann)
hand_on(instance.pk, to=bob.pk, user=ann)
answer = execute_instance(instance=instance, user=ann, action="later")
while work_off("default"):
    pass
assert Run.objects.get(pk=answer.run_id).status == "completed"

# Rights that are kept and lent, users who are named by a process: their keys in JSON are found again.
rights = ProcessTemplate.objects.get(slug="rights")
people = [{"id": str(bob.pk), "username": "bob@example.com"}, "ann@example.com"]
thing = create_instance(template=rights, owner=ann, data={"people": people})
answer = execute_instance(instance=thing, user=ann, action="begin")
while work_off("default"):
    pass
asked = Run.objects.get(pk=answer.run_id)
assert asked.status == "waiting", (asked.status, asked.error)
assert {row.user_id for row in thing.candidates.all()} == {ann.pk, bob.pk}
assert ProcessInstance.objects.get(pk=thing.pk).escalation[0]["users"] == [
    bob.pk if isinstance(bob.pk, str) else str(bob.pk)
]
form = RunForm.objects.get(run=asked)
page(staff, f"/forms/{form.reference}/")
sent = staff.post(f"/api/forms/{form.reference}/", {"values": {"pieces": 3}}, content_type="application/json")
assert sent.status_code == 202, sent.content
while work_off("default"):
    pass
assert Run.objects.get(pk=asked.pk).status == "completed"

# What staff see of it.
for model in ("processtemplate", "processinstance", "run", "auditentry", "datanode"):
    page(staff, f"/admin/processes/{model}/?q=ann")
for model in ("taskroot", "job"):
    page(staff, f"/admin/tasks/{model}/?q=ann")
page(staff, f"/admin/processes/run/{run.pk}/change/")
template = ProcessTemplate.objects.get(slug="hello")
page(staff, f"/admin/processes/processtemplate/{template.pk}/change/")
assert AuditEntry.objects.filter(actor_id=str(ann.pk), actor_name="ann@example.com").exists()
report.delete()
ann.delete()
print("all is well")
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment with the wheel, and what it needs from the one that runs the tests."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    python = folder / "venv/bin/python"
    # Nothing is downloaded: the other packages are those that are there already.
    paths = sysconfig.get_paths(vars={"base": str(folder / "venv"), "platbase": str(folder / "venv")})
    Path(paths["purelib"], "already_there.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    return python


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """Give the project a broker of its own."""
    folder = tmp_path / "broker"
    folder.mkdir(mode=0o700)
    broker = EmbeddedBroker(data_folder=folder)
    broker.start()
    yield broker.url
    broker.stop()


class Project:
    """A project that `django-admin startproject` has made."""

    def __init__(self, folder: Path, python: Path, redis_url: str) -> None:
        self.folder, self._python = folder, python
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "REDIS_URL": redis_url,
            "DJANGO_SETTINGS_MODULE": "mysite.settings",
        }

    def run(self, *command: str) -> str:
        """Run Python in the project, hold it to ending well, and return what it prints."""
        done = subprocess.run(
            [str(self._python), *command],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @contextmanager
    def running(self, *command: str) -> Iterator[None]:
        """Let a program run in the project meanwhile; it must end when it is told to."""
        with (self.folder / "programs.log").open("a") as log:
            program = subprocess.Popen(
                [str(self._python), *command], cwd=self.folder, env=self._environment, stdout=log, stderr=log
            )
            try:
                yield
            finally:
                program.terminate()
                program.wait(60)

    def write(self, name: str, text: str, *, appends: bool = False) -> None:
        """Write a file of the project, or go on with it."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        before = path.read_text() if appends else ""
        path.write_text(before + text)


@pytest.fixture(params=sorted(USERS))
def project(request: pytest.FixtureRequest, tmp_path: Path, python: Path, redis_url: str) -> Project:
    """Return a new project that follows the recipe, with one of the user models."""
    folder = tmp_path / "mysite"
    folder.mkdir()
    project = Project(folder, python, redis_url)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    start = [str(python), "-m", "django", "startproject", "mysite", "."]
    subprocess.run(start, cwd=folder, env=environment, check=True, capture_output=True)
    files = _FILE.findall(RECIPE.read_text(encoding="utf-8"))
    assert {name for name, _ in files} > {"mysite/settings.py", "mysite/urls.py", "mysite/asgi.py", "hello.json"}
    for name, text in files:
        project.write(name, text, appends=name == "mysite/settings.py")
    project.write("people/__init__.py", "")
    project.write("people/models.py", textwrap.dedent(USERS[request.param]))
    project.write("reports/__init__.py", "")
    project.write("reports/models.py", REPORT)
    project.write("mysite/settings.py", SETTINGS, appends=True)
    project.write("rights.json", json.dumps(RIGHTS))
    project.write("visit.py", VISIT)
    project.write("wait.py", WAIT)
    return project


def test_the_recipe_runs_a_process_for_users_of_another_kind(project: Project) -> None:
    project.run("manage.py", "makemigrations", "people", "reports")
    project.run("manage.py", "migrate")
    project.run("manage.py", "check", "--fail-level", "WARNING")
    assert "hello: created, published" in project.run("manage.py", "import_process", "hello.json")
    project.run("manage.py", "import_process", "rights.json")
    assert project.run("manage.py", "makemigrations", "--check", "--dry-run").strip() == "No changes detected"
    project.run("-c", "import mysite.asgi")
    assert project.run("visit.py").endswith("all is well\n")
    worker = ["-m", "celery", "-A", "mysite", "worker", "--queues", "default", "--concurrency", "1"]
    with project.running(*worker), project.running("manage.py", "dispatcher"):
        assert project.run("wait.py").startswith("completed")
