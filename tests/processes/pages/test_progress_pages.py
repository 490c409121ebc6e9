"""The progress page, for those who may see the task, with and without JavaScript."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from processes.models import DataNode, Run
from processes.services.background import continue_in_background  # noqa: F401 - the page is nothing without it
from tasks.models import TaskRoot
from tasks.services.work import work_off
from tests.processes.pages.browsing import main_of, read_form, send_form
from tests.processes.services.published import form, page, publish_process

pytestmark = pytest.mark.django_db

START = [
    form("ask", "begin", {"name": "name"}),
    {"name": "begin", "script": "start_progress", "config": {"title": "Greeting %{data:name}"}},
    {"name": "leave", "script": "execute_in_background"},
    page("greet", "hello", entry=False),
    {"name": "renderProgress", "script": "render_progress", "safe": True, "next": False},
]


def begin(client: Client) -> Run:
    publish_process("greet", START)
    response = send_form(client, client.get("/p/greet/"), name="Ada")
    run = Run.objects.get()
    assert response.status_code == 303
    assert response.headers["Location"] == f"/progress/{run.pk}/"
    return run


def test_a_form_can_lead_into_the_background_and_onto_the_progress_page(client: Client) -> None:
    run = begin(client)
    response = client.get(f"/progress/{run.pk}/")
    assert response.status_code == 200
    assert "Greeting Ada" in response.content.decode()
    assert DataNode.objects.get().continued_in == run.pk


def test_a_second_confirmation_starts_nothing_and_leads_to_the_work(client: Client) -> None:
    publish_process("greet", START)
    tab = client.get("/p/greet/")
    send_form(client, tab, name="Ada")
    lost = send_form(client, tab, name="Ada")
    run = Run.objects.get()
    assert lost.status_code == 409
    assert f"/progress/{run.pk}/" in lost.content.decode()
    assert TaskRoot.objects.count() == 1


def test_a_run_without_start_progress_gets_a_page_too(client: Client) -> None:
    publish_process(
        "plain", [form("ask", "leave"), {"name": "leave", "script": "execute_in_background"}, page("a", "x")]
    )
    response = send_form(client, client.get("/p/plain/"))
    assert response.headers["Location"] == f"/progress/{Run.objects.get().pk}/"
    assert client.get(response.headers["Location"]).status_code == 200


def test_somebody_elses_task_looks_like_none(client: Client) -> None:
    run = begin(client)
    other = Client()
    other.force_login(User.objects.create_user("other"))
    for visitor in (Client(), other):
        refused = visitor.get(f"/progress/{run.pk}/")
        missing = visitor.get("/progress/00000000-0000-7000-8000-000000000000/")
        assert refused.status_code == missing.status_code == 404
        assert main_of(refused) == main_of(missing)
        assert visitor.post(f"/progress/{run.pk}/cancel/").status_code == 404


def test_cancelling_works_without_javascript_and_twice(client: Client) -> None:
    run = begin(client)
    for _ in range(2):
        response = client.post(f"/progress/{run.pk}/cancel/")
        assert response.headers["Location"] == f"/progress/{run.pk}/"
    run.refresh_from_db()
    assert run.status == "cancelled"


@pytest.mark.parametrize(
    ("target", "followed"),
    [
        ("/p/greet/?action=x", True),
        ("//evil.example/", False),
        ("https://evil.example/", False),
        ("javascript:alert(1)", False),
        ("p/greet/", False),
        (7, False),
    ],
)
def test_at_the_end_the_page_leads_on_within_this_site_only(client: Client, target: object, followed: bool) -> None:
    run = begin(client)
    TaskRoot.objects.filter(pk=run.pk).update(status="completed", closed=True, meta={"redirect": target})
    context = client.get(f"/progress/{run.pk}/").context
    assert (context["redirect_url"] == target) is followed


def test_a_process_whose_own_drawing_fails_still_shows_how_it_goes(client: Client) -> None:
    run = begin(client)
    broken = [*START[:-1], {"name": "renderProgress", "script": "show_page", "config": {"text": "%{data:none}"}}]
    plan = publish_process("broken", [*broken, START[-1] | {"name": "other"}]).published_plan_id
    Run.objects.update(plan_id=plan)
    assert "Greeting Ada" in client.get(f"/progress/{run.pk}/").content.decode()


def test_the_home_page_lists_my_recent_tasks(client: Client) -> None:
    run = begin(client)
    assert f"/progress/{run.pk}/" in client.get("/").content.decode()
    assert f"/progress/{run.pk}/" not in Client().get("/").content.decode()
    assert read_form(client.get("/p/greet/"))["form"] == "ask"


def test_the_progress_page_of_no_task_is_missing(client: Client) -> None:
    begin(client)
    for address in ("/p/greet/?action=renderProgress", "/p/greet/?action=renderProgress?"):
        assert client.get(address).status_code == 404


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_work_that_came_to_nothing_can_be_started_anew(client: Client, status: str) -> None:
    run = begin(client)
    assert 'data-part="again" hidden' in main_of(client.get(f"/progress/{run.pk}/"))
    TaskRoot.objects.filter(pk=run.pk).update(status=status, closed=True)
    shown = main_of(client.get(f"/progress/{run.pk}/"))
    assert 'data-part="again"><a class="button" href="/p/greet/">' in shown


def test_the_result_can_be_opened_as_long_as_the_task_is_listed(client: Client) -> None:
    end = {"name": "end", "script": "end_progress_with_execute", "config": {"action": "load"}, "entry": False}
    load = {"name": "load", "script": "load_data"}
    keep = {"name": "keep", "script": "save_data"}
    publish_process("greet", [*START[:3], end | {"next": False}, load, keep, page("greet", "hello"), START[-1]])
    send_form(client, client.get("/p/greet/"), name="Ada")
    while work_off("default"):
        pass
    root = TaskRoot.objects.get()
    address = client.get(f"/progress/{root.pk}/").context["redirect_url"]
    for _ in range(2):  # opening it doesn't shorten its life either
        node = DataNode.objects.get(reference=address.rpartition("=")[2])
        assert node.expires_at >= root.purge_at - timedelta(minutes=1)
        assert client.get(address).status_code == 200
