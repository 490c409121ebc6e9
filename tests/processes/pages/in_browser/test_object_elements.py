"""`<process-status>`, `<process-options>` and `<process-progress>` on a page of a team's own, in a browser."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.template import RequestContext, Template
from django.test import Client
from django.urls import include, path
from playwright.sync_api import Page, expect

from examples.leave_requests.models import Department, LeaveRequest
from tests.processes.services.driven.leave_kit import leave, load
from tests.processes.services.instance_kit import member
from tests.static.conftest import BROWSER

pytestmark = [*BROWSER, pytest.mark.django_db(transaction=True)]

DRAWN = """<!doctype html><title>Ours</title>{% load stepline_driven %}{% process_media %}
<main>{% process_status thing %}
{% process_options thing in_place=True without="@display" %}{% process_progress thing %}</main>"""
BLANK = """<!doctype html><title>Ours</title>{% load stepline_driven %}{% process_media %}{% csrf_token %}
<main><process-status src="{{ src }}"></process-status><process-options src="{{ src }}" in-place without="@display">
</process-options><process-progress src="{{ src }}"></process-progress></main>"""


def ours(request: HttpRequest, look: str) -> HttpResponse:
    thing = LeaveRequest.objects.get()
    context = {"thing": thing, "src": f"/api/instances/{thing.instance_id}/"}
    return HttpResponse(Template({"drawn": DRAWN, "blank": BLANK}[look]).render(RequestContext(request, context)))


urlpatterns = [path("ours/<slug:look>/", ours), path("", include("config.urls"))]


@pytest.fixture
def thing(transactional_db: None, settings: Any) -> LeaveRequest:
    settings.ROOT_URLCONF = __name__
    load()
    Department.objects.create(name="Sales", manager=member("boss"))
    return leave(member("mara"))


@pytest.fixture
def ours_at(page: Page, live_server: Any, complaints: list[str]) -> Any:
    # What is shown here is what the elements ask for; the feed of running work has tests of its own.
    page.route_web_socket("**/ws/", lambda socket: None)

    def go(look: str, user: User) -> Page:
        client = Client()
        client.force_login(user)
        cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": str(live_server)}
        page.context.add_cookies([cookie])
        page.goto(f"{live_server}/ours/{look}/")
        page.evaluate("window.stillTheSamePage = true")
        return page

    yield go
    # What is refused, the browser notes by itself.
    assert [one for one in complaints if "403 (Forbidden)" not in one] == []


@pytest.mark.parametrize("look", ["drawn", "blank"])
def test_an_action_is_executed_in_its_place_and_all_is_as_it_stands_then(
    thing: LeaveRequest, ours_at: Any, look: str
) -> None:
    page = ours_at(look, thing.employee)
    page.evaluate(
        "addEventListener('process-executed', (event) => {"
        " window.executed = event.detail.action; event.preventDefault(); })"
    )
    expect(page.locator("process-status")).to_have_text("Draft")
    page.get_by_role("button", name="Hand in").click()
    expect(page.locator("process-status")).to_have_text("Handed in")
    expect(page.get_by_role("button")).to_have_text(["Take back"])
    assert page.evaluate("[window.stillTheSamePage, window.executed]") == [True, "hand_in"]
    thing.refresh_from_db()
    assert thing.status == "handed in"


def test_without_a_listener_it_goes_where_the_process_leads(thing: LeaveRequest, ours_at: Any) -> None:
    page = ours_at("drawn", thing.employee)
    page.get_by_role("button", name="Hand in").click()
    page.wait_for_url(f"**{thing.get_absolute_url()}")


def test_what_is_refused_is_told_and_what_is_offered_now_is_shown(thing: LeaveRequest, ours_at: Any) -> None:
    page = ours_at("drawn", thing.employee)
    thing.execute(user=thing.employee, action="hand_in")
    page.get_by_role("button", name="Hand in").click()
    expect(page.get_by_role("alert")).to_contain_text("isn't open to you at the status")
    expect(page.locator("process-status")).to_have_text("Handed in")
    expect(page.get_by_role("button")).to_have_text(["Take back"])


def test_whoever_comes_back_to_the_page_sees_what_others_have_done(thing: LeaveRequest, ours_at: Any) -> None:
    page = ours_at("drawn", thing.employee)
    thing.set_status("refused")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("process-status")).to_have_text("Refused")
    expect(page.locator("process-options button")).to_have_count(0)


def test_running_work_is_shown_as_soon_as_it_has_begun(thing: LeaveRequest, ours_at: Any) -> None:
    thing.execute(user=thing.employee, action="hand_in")
    page = ours_at("drawn", User.objects.get(username="boss"))
    page.evaluate("addEventListener('process-executed', (event) => event.preventDefault())")
    page.get_by_role("button", name="Approve").click()
    run = page.locator(".process-run")
    expect(run.get_by_role("link")).to_have_text(str(thing))
    expect(run).to_contain_text("Waiting for a worker")
    expect(run.get_by_role("progressbar")).to_be_visible()


def test_what_leads_to_another_site_is_not_shown(thing: LeaveRequest, ours_at: Any) -> None:
    page = ours_at("drawn", thing.employee)
    found = page.evaluate(
        """async () => {
            const { ownAddress } = await import("/static/processes/process-options.js");
            return ["/a/?b#c", "https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)", null, 3]
              .map((address) => ownAddress(address));
        }"""
    )
    assert found == ["/a/?b#c", None, None, None, None, None]
