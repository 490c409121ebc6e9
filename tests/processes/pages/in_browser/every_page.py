"""Bring a browser to each kind of page that people see, with the data that makes it so."""

import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from playwright.sync_api import BrowserContext, FilePayload, Page

from examples.leave_requests.models import Department
from processes.models import DataNode, Plan, ProcessInstance
from tasks.models import Job, Node, TaskRoot
from tests.processes.services.driven.leave_kit import leave
from tests.processes.services.published import form, page, publish_process

AIRPORTS = b"iata,name,city,state,country,latitude,longitude\nABC,First,Town,TX,USA,1,2\nDEF,,Town,TX,USA,91,x\n"
LONG = "A title of two hundred characters that goes on and on, as titles do when nobody stops their writer: " * 2
UNBROKEN = "x" * 200
RTL = "استيراد المطارات من ملف طويل جدا"

FIELDS = (
    {"name": "purpose", "label": "What for", "required": True, "help": "A few words."},
    {"name": "amount", "label": "Amount", "type": "number", "required": True},
    {"name": "day", "label": "Day", "type": "date"},
    {"name": "about", "label": "More about it", "type": "textarea"},
    {
        "name": "kind",
        "label": "Kind",
        "type": "choice",
        "choices": [{"value": "t", "label": "Travel"}, {"value": "m", "label": LONG[:90]}],
    },
    {"name": "agreed", "label": "I have kept the receipt", "type": "boolean"},
    {"name": "receipt", "label": "Receipt", "type": "file"},
)


class Visit:
    """A browser on its way through the pages, and the server that it visits."""

    def __init__(self, page: Page, context: BrowserContext, address: str) -> None:
        self.page, self.context, self.address = page, context, address
        # Pages in this test are looked at as they stand: their task says nothing further.
        page.route_web_socket("**/ws/", lambda socket: None)

    def go(self, path: str) -> None:
        self.page.goto(self.address + path)

    def sign_in(self, **fields: Any) -> User:
        user = User.objects.create_user("ada.lovelace@engines.example", password="pw", **fields)
        client = Client()
        client.force_login(user)
        cookie = client.cookies["sessionid"].value
        self.context.add_cookies([{"name": "sessionid", "value": cookie, "url": self.address}])
        return user


def a_task(user: User | None, title: str, status: str, **fields: Any) -> TaskRoot:
    closed = status in ("completed", "failed", "cancelled")
    # What waits for a worker is the job; the tree itself has not begun.
    root = TaskRoot.objects.create(
        title=title,
        status={"pending": "created", "retry": "running"}.get(status, status),
        owner=user,
        shared=user is None,
        closed=closed,
        finished_at=timezone.now() if closed else None,
        lease_until=None if closed else timezone.now() + timedelta(hours=1),
        **fields,
    )
    Job.objects.create(root=root, function="none", status=status, due_at=timezone.now(), worker="w")
    parent = uuid.uuid4()
    rows: list[dict[str, Any]] = [
        {"id": parent, "title": "Read", "status": "completed", "output": "line 1\nline 2\n" * 40},
        {"title": LONG[:200], "status": "running", "current": 3, "total": 8, "message": "row 3"},
        {"title": UNBROKEN, "status": "failed", "error": "The column is missing.", "parent_id": parent},
        {"title": RTL, "status": "waiting", "message": "again in a minute"},
        {"title": "Later", "status": "created"},
        {"title": "Left out", "status": "skipped"},
        {"title": "Stopped", "status": "cancelled", "error": "cancelled by ada"},
    ]
    for ordinal, row in enumerate(rows):
        Node.objects.create(root=root, ordinal=ordinal, type="action", **row)
    return root


def full_home(visit: Visit) -> None:
    user = visit.sign_in(is_staff=True, is_superuser=True)
    template = publish_process("claim", [form("ask", "ask", *FIELDS)])
    for number, title in enumerate((LONG[:200], UNBROKEN, RTL, *(f"Process {n}" for n in range(12)))):
        other = publish_process(f"p{number}", [page("a", "hello")])
        type(other).objects.filter(pk=other.pk).update(title=title, description=title)
    for status in ("pending", "running", "waiting", "retry"):
        a_task(user, LONG[:200] if status == "pending" else f"{status} {UNBROKEN[:100]}", status, message=LONG)
    for title in (RTL, UNBROKEN, LONG[:200]):
        a_task(user, title, "failed", error=title)
        a_task(user, title, "completed", meta={"redirect": "/p/claim/"})
        a_task(user, title, "cancelled")
        DataNode.objects.create(owner=user, template=template, step="ask", drafted_at=timezone.now())
        plan = Plan.objects.get(pk=template.published_plan_id)
        ProcessInstance.objects.create(template=template, plan=plan, owner=user, title=title, status="waiting")
    visit.go("/")


def searched_home(visit: Visit) -> None:
    full_home(visit)
    visit.go("/?q=process")


def whole_list(visit: Visit) -> None:
    user = visit.sign_in()
    for _ in range(26):
        a_task(user, "Import", "completed")
    visit.go("/work/finished/")


def refused_sign_in(visit: Visit) -> None:
    visit.go("/accounts/login/?next=/admin/")
    visit.page.fill("#id_username", "nobody")
    visit.page.fill("#id_password", "nothing")
    visit.page.get_by_role("button", name="Sign in").click()
    visit.page.get_by_role("alert").wait_for()


def signed_out(visit: Visit) -> None:
    visit.sign_in()
    visit.go("/")
    visit.page.get_by_role("button", name="Sign out").click()
    visit.page.get_by_role("heading", name="You have signed out").wait_for()


def a_form(visit: Visit) -> None:
    publish_process("claim", [form("ask", "ask", *FIELDS, config={"title": "Expense claim", "intro": LONG})])
    visit.go("/p/claim/")


def a_form_with_errors(visit: Visit) -> None:
    a_form(visit)
    visit.page.locator("main button[type=submit]").first.click()
    visit.page.get_by_role("alert").first.wait_for()


def an_example(slug: str) -> Callable[[Visit], None]:
    def bring(visit: Visit) -> None:
        call_command("load_examples", verbosity=0)
        visit.sign_in()
        visit.go(f"/p/{slug}/")

    return bring


def a_preview(visit: Visit) -> None:
    call_command("load_examples", verbosity=0)
    visit.go("/p/csv-import/")
    file: FilePayload = {"name": f"{UNBROKEN}.csv", "mimeType": "text/csv", "buffer": AIRPORTS}
    visit.page.set_input_files('input[type="file"]', file)
    visit.page.get_by_role("button", name="Upload and check").click()
    visit.page.get_by_role("heading", name="Columns found").wait_for()


def a_page(visit: Visit) -> None:
    text = f"Hello\n\n{LONG}\n\n{UNBROKEN}\n\n{RTL}"
    publish_process("show", [page("show", text)])
    visit.go("/p/show/")


def an_instance(visit: Visit) -> None:
    user = visit.sign_in()
    template = publish_process("claim", [form("ask", "ask", *FIELDS)])
    plan = Plan.objects.get(pk=template.published_plan_id)
    instance = ProcessInstance.objects.create(template=template, plan=plan, owner=user, title="Train to Graz")
    visit.go(f"/instances/{instance.pk}/")


def a_progress(status: str, **fields: Any) -> Callable[[Visit], None]:
    def bring(visit: Visit) -> None:
        user = visit.sign_in()
        root = a_task(user, "Importing airports", status, message="Row 3 of 8", output="one\ntwo\n" * 30, **fields)
        visit.go(f"/progress/{root.pk}/")

    return bring


def not_found(visit: Visit) -> None:
    visit.go("/p/nothing/")


def not_by_a_link(visit: Visit) -> None:
    publish_process("work", [form("ask", "go"), {"name": "go", "script": "noop"}])
    visit.go("/p/work/?action=go")


def submitted_twice(visit: Visit) -> None:
    actions = [form("ask", "keep", {"name": "a"}), {"name": "keep", "script": "save_data"}, form("more", "end")]
    publish_process("work", [*actions, page("end", "done")])
    visit.go("/p/work/")
    visit.page.fill("[name=a]", "one")
    visit.page.locator("main button[type=submit]").first.click()
    visit.page.wait_for_url("**form=more**")
    other = visit.context.new_page()
    other.goto(visit.page.url)
    other.locator("main button[type=submit]").first.click()
    other.get_by_text("done").wait_for()
    other.close()
    visit.page.locator("main button[type=submit]").first.click()
    visit.page.locator(".error-page").wait_for()


def a_bad_request(visit: Visit) -> None:
    publish_process("show", [page("show", "%{param:who}")])
    visit.go("/p/show/")


def without_a_token(visit: Visit) -> None:
    a_form(visit)
    visit.context.clear_cookies()
    visit.page.fill("[name=purpose]", "a")
    visit.page.locator("main button[type=submit]").first.click()
    visit.page.locator(".error-page").wait_for()


def too_large(visit: Visit) -> None:
    publish_process("work", [form("ask", "ask", {"name": "about", "type": "textarea"})])
    visit.go("/p/work/")
    visit.page.evaluate("document.querySelector('[name=about]').value = 'x'.repeat(3_000_000)")
    visit.page.locator("main button[type=submit]").first.click()
    visit.page.locator(".error-page").wait_for()


def failed(visit: Visit) -> None:
    publish_process("work", [{"name": "a", "script": None, "next": "a"}])
    visit.go("/p/work/")


def broken(visit: Visit) -> None:
    visit.go("/nothing/broken/")


def a_team_s_list(visit: Visit) -> None:
    a_team_s_object(visit)
    visit.go("/leave/")


def a_team_s_form(visit: Visit) -> None:
    visit.sign_in()
    visit.go("/leave/new/")


def a_team_s_object(visit: Visit) -> None:
    call_command("load_examples", verbosity=0)
    user = visit.sign_in()
    thing = leave(user, department=Department.objects.create(name="Sales", manager=user), note=UNBROKEN)
    thing.execute(user=user, action="hand_in")
    visit.go(thing.get_absolute_url())


#: Each kind of page: how to get there, and the status that it comes with.
PAGES: Mapping[str, tuple[Callable[[Visit], None], int]] = MappingProxyType(
    {
        "home, with nothing": (lambda visit: visit.go("/"), 200),
        "home, with everything": (full_home, 200),
        "home, searched": (searched_home, 200),
        "a list": (whole_list, 200),
        "an empty list": (lambda visit: visit.go("/work/drafts/"), 200),
        "sign in": (lambda visit: visit.go("/accounts/login/"), 200),
        "sign in, refused": (refused_sign_in, 200),
        "signed out": (signed_out, 200),
        "a form": (a_form, 200),
        "a form with errors": (a_form_with_errors, 422),
        "csv-import": (an_example("csv-import"), 200),
        "csv-import, preview": (a_preview, 200),
        "expense-claim": (an_example("expense-claim"), 200),
        "a page": (a_page, 200),
        "an instance": (an_instance, 200),
        "a team's list": (a_team_s_list, 200),
        "a team's form": (a_team_s_form, 200),
        "a team's object": (a_team_s_object, 200),
        "progress, waiting for a worker": (a_progress("pending"), 200),
        "progress, running": (a_progress("running", current=3, total=8), 200),
        "progress, failed": (a_progress("failed", error="The column is missing."), 200),
        "progress, cancelled": (a_progress("cancelled", error="cancelled by ada"), 200),
        "progress, completed": (a_progress("completed"), 200),
        "400": (a_bad_request, 400),
        "403": (without_a_token, 403),
        "404": (not_found, 404),
        "405": (not_by_a_link, 405),
        "409": (submitted_twice, 409),
        "413": (too_large, 413),
        "500": (failed, 500),
        "500, of the server": (broken, 500),
    }
)
