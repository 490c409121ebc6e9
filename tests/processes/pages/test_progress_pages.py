"""The progress page, for those who may see the task, with and without JavaScript."""

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from processes.domain.application import Application
from processes.models import AuditEntry, DataNode, ProcessTemplate, Run
from processes.registry import scripts
from tasks.models import Job, TaskRoot, Watch
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


def draw(client: Client, run: Run, *actions: dict[str, object]) -> HttpResponse:
    """Give a run another drawing, and look at its page."""
    plan = publish_process(f"drawn-{ProcessTemplate.objects.count()}", actions).published_plan_id
    Run.objects.filter(pk=run.pk).update(plan_id=plan)
    return client.get(f"/progress/{run.pk}/")


RENDER = START[-1]


def test_looking_at_the_page_runs_nothing_of_the_process_but_its_drawing(client: Client) -> None:
    run = begin(client)
    lifecycle = [{"name": name, "script": "save_data"} for name in ("@start", "@end")]
    noticed: list[str] = []
    with scripts.override("test_notice", lambda app: noticed.append(app.action.name)):
        following = {"name": "next", "script": "test_notice"}
        assert "Greeting Ada" in draw(client, run, RENDER | {"next": True}, following, *lifecycle).content.decode()
        mine = RENDER | {"script": "test_notice", "next": True}
        draw(client, run, mine, following | {"next": False}, *lifecycle)
    assert noticed == ["renderProgress", "next"]
    assert DataNode.objects.count() == 1, "the one of the form"


def test_a_process_may_draw_its_page_itself(client: Client) -> None:
    run = begin(client)
    text = {
        "name": "renderProgress",
        "script": "show_page",
        "config": {"text": "This is %{data:progress}."},
        "next": False,
    }
    assert f"This is {run.pk}." in draw(client, run, text).content.decode()


def test_what_a_drawing_changes_is_taken_back(client: Client) -> None:
    run = begin(client)
    seen: list[int] = []

    def write(app: Application) -> None:
        AuditEntry.objects.create(action="drawn")
        seen.append(AuditEntry.objects.filter(action="drawn").count())

    with scripts.override("test_write", write):
        for _ in range(2):
            response = draw(client, run, RENDER | {"script": "test_write", "next": "draw"}, RENDER | {"name": "draw"})
            assert "Greeting Ada" in response.content.decode()
    assert seen == [1, 1]
    assert not AuditEntry.objects.filter(action="drawn").exists()


@pytest.mark.parametrize("script", ["start_progress", "execute_in_background", "show_form"])
def test_a_drawing_can_neither_begin_nor_wait_for_anything(client: Client, script: str) -> None:
    run, roots = begin(client), TaskRoot.objects.count()
    config = {"show_form": {"action": "renderProgress", "fields": []}}.get(script, {})
    mine = {"name": "renderProgress", "script": script, "config": config, "next": False}
    draw(client, run, mine)
    assert (TaskRoot.objects.count(), DataNode.objects.count()) == (roots, 1)


OWN = RENDER | {"script": "show_page", "config": {"text": "This is %{data:progress}."}}


def begin_without_a_run(client: Client, *actions: dict[str, object]) -> str:
    """Begin an indicator that no run works for, and return the address of its page."""
    begins = {"name": "begin", "script": "start_progress", "config": {"title": "Greeting"}}
    publish_process("greet", [begins | {"next": bool(actions)}, *actions, OWN])
    return str(client.post("/p/greet/", {"action": "begin"}).headers["Location"])


def test_a_process_draws_its_indicator_that_has_no_run_too(client: Client) -> None:
    address = begin_without_a_run(client)
    assert f"This is {TaskRoot.objects.get().pk}." in main_of(client.get(address))
    assert address == f"/progress/{TaskRoot.objects.get().pk}/"


def test_an_indicator_without_a_run_leads_back_to_its_process_and_can_not_be_tried_again(client: Client) -> None:
    address = begin_without_a_run(client)
    TaskRoot.objects.update(status="failed", closed=True)
    context = client.get(address).context
    assert (context["begin_url"], context["again_action_url"], context["again_status_url"]) == ("/p/greet/", "", "")
    refused = client.post(f"{address}again/")
    assert refused.status_code == 404
    assert 'href="/p/greet/"' in main_of(refused)
    assert 'href="/p/greet/"' not in main_of(Client().post(f"{address}again/"))


def test_an_indicator_of_a_process_that_its_owner_may_not_execute_any_more_looks_as_usual(client: Client) -> None:
    address = begin_without_a_run(client)
    ProcessTemplate.objects.update(access="staff")
    shown = main_of(client.get(address))
    assert "This is" not in shown
    assert "Greeting" in shown


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
def test_work_that_came_to_nothing_can_be_tried_again_or_started_anew(client: Client, status: str) -> None:
    run = begin(client)
    context = client.get(f"/progress/{run.pk}/").context
    assert (context["again_action_url"], context["begin_url"]) == ("", "/p/greet/")
    TaskRoot.objects.filter(pk=run.pk).update(status=status, closed=True)
    response = client.get(f"/progress/{run.pk}/")
    assert response.context["again_action_url"] == f"/progress/{run.pk}/again/"
    assert f'action="/progress/{run.pk}/again/"' in main_of(response)
    assert 'href="/p/greet/"' in main_of(response)


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


# -- try again --------------------------------------------------------------------------------------------------------

JSON = {"headers": {"Accept": "application/json"}}


def fail(run: Run, status: str = "failed") -> str:
    """Let a run have come to nothing, and return the address of its page."""
    TaskRoot.objects.filter(pk=run.pk).update(status=status, closed=True)
    Job.objects.filter(pk=run.pk).update(status=status)
    return f"/progress/{run.pk}/"


def test_trying_again_leads_to_a_new_task_and_the_old_page_to_it(client: Client) -> None:
    run = begin(client)
    old = fail(run)
    answers = [client.post(f"{old}again/") for _ in range(2)]
    new = Run.objects.get(previous=run)
    assert [(answer.status_code, answer.headers["Location"]) for answer in answers] == [
        (303, f"/progress/{new.pk}/")
    ] * 2
    response = client.get(old)
    assert (response.context["repetition_url"], response.context["again_action_url"]) == (f"/progress/{new.pk}/", "")
    assert f'href="/progress/{new.pk}/"' in main_of(response)
    while work_off("default"):
        pass
    assert client.get(f"/progress/{new.pk}/").context["is_completed"]


def test_a_script_that_asks_is_answered_in_json(client: Client) -> None:
    run = begin(client)
    old = fail(run)
    assert client.get(f"{old}again/", **JSON).json() == {"offered": True, "refused": "", "url": ""}
    first, second = client.post(f"{old}again/", **JSON), client.post(f"{old}again/", **JSON)
    new = Run.objects.get(previous=run)
    told = {"taskId": str(new.pk), "url": f"/progress/{new.pk}/"}
    assert [(answer.status_code, answer.json()) for answer in (first, second)] == [(201, told), (200, told)]
    assert client.get(f"{old}again/", **JSON).json() == {"offered": False, "refused": "", "url": told["url"]}


def test_why_it_can_not_be_tried_again_is_told(client: Client) -> None:
    run = begin(client)
    old = fail(run)
    ProcessTemplate.objects.update(access="signed_in")
    text = "You may not start this process any more, or it isn't there any more."
    assert client.get(old).context["again_refused"] == text
    refused = client.post(f"{old}again/")
    assert refused.status_code == 409
    assert "You may not start this process any more" in main_of(refused)
    answer = client.post(f"{old}again/", **JSON)
    assert (answer.status_code, answer.json()) == (409, {"code": "not_repeatable", "message": text})
    assert client.get(f"{old}again/", **JSON).json() == {"offered": False, "refused": text, "url": ""}


def test_who_does_not_own_it_may_not_try_it_again(client: Client) -> None:
    run = begin(client)
    old = fail(run)
    staff, other = Client(), Client()
    staff.force_login(User.objects.create_superuser("boss"))
    other.force_login(User.objects.create_user("other"))
    assert staff.get(old).context["again_action_url"] == ""
    for visitor in (Client(), other, staff):
        refused, missing = visitor.post(f"{old}again/"), visitor.post(f"/progress/{uuid.uuid4()}/again/")
        assert refused.status_code == missing.status_code == 404
        assert main_of(refused) == main_of(missing) or visitor is staff
        answer = visitor.post(f"{old}again/", **JSON)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert not Run.objects.filter(previous=run).exists()


def test_looking_changes_nothing_and_another_site_can_not_try_again(client: Client) -> None:
    run = begin(client)
    old = fail(run)
    looked = client.get(f"{old}again/")
    assert (looked.status_code, looked.headers["Location"]) == (303, old)
    guarded = Client(enforce_csrf_checks=True)
    guarded.cookies = client.cookies
    assert guarded.post(f"{old}again/").status_code == 403
    assert guarded.post(f"{old}watch/").status_code == 403
    assert Run.objects.count() == 1


# -- tell me when it's done -------------------------------------------------------------------------------------------


@pytest.fixture
def ada(client: Client) -> User:
    user = User.objects.create_user("ada", email="ada@example.org")
    client.force_login(user)
    return user


def test_a_mail_at_the_end_can_be_asked_for_and_called_off(client: Client, ada: User) -> None:
    run = begin(client)
    page_url = f"/progress/{run.pk}/"
    expected = {"url": f"{page_url}watch/", "mail": "a…@example.org", "may_watch": True, "is_watching": False}
    assert client.get(page_url).context["watch"] == expected
    told = client.post(f"{page_url}watch/", {"on": "1"}, **JSON).json()
    assert told == {"isWatching": True, "mail": "a…@example.org", "status": "created", "ended": False}
    assert client.get(page_url).context["watch"]["is_watching"] is True
    watch = Watch.objects.get()
    assert (watch.user, watch.url, watch.language) == (ada, f"http://testserver{page_url}", "en")
    answer = client.post(f"{page_url}watch/", {"on": "0"})
    assert (answer.status_code, answer.headers["Location"]) == (303, page_url)
    assert not Watch.objects.exists()
    assert client.post(f"{page_url}watch/", **JSON).json()["isWatching"] is True


def test_after_the_end_the_page_tells_it_at_once(client: Client, ada: User) -> None:
    run = begin(client)
    page_url = fail(run)
    assert client.get(page_url).context["watch"]["may_watch"] is False
    told = client.post(f"{page_url}watch/", {"on": "1"}, **JSON).json()
    assert (told["isWatching"], told["ended"], told["status"]) == (False, True, "failed")
    assert not Watch.objects.exists()


def test_nobody_without_an_address_is_offered_mail(client: Client) -> None:
    run = begin(client)
    assert client.get(f"/progress/{run.pk}/").context["watch"]["may_watch"] is False
    answer = client.post(f"/progress/{run.pk}/watch/", **JSON)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_watchable")
    assert client.post(f"/progress/{run.pk}/watch/").status_code == 409


def test_a_site_without_a_mail_server_offers_none(client: Client, ada: User, settings: Settings) -> None:
    run = begin(client)
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", ""
    assert client.get(f"/progress/{run.pk}/").context["watch"]["may_watch"] is False
    assert client.post(f"/progress/{run.pk}/watch/", {"on": "1"}).status_code == 409


def test_somebody_elses_task_can_not_be_watched(client: Client, ada: User) -> None:
    run = begin(client)
    other = Client()
    other.force_login(User.objects.create_user("other", email="o@example.org"))
    assert other.post(f"/progress/{run.pk}/watch/", {"on": "1"}).status_code == 404
    assert not Watch.objects.exists()


# -- stalled ----------------------------------------------------------------------------------------------------------


def test_the_page_says_why_nothing_happens(client: Client) -> None:
    run = begin(client)
    assert client.get(f"/progress/{run.pk}/").context["stall"] is None
    Job.objects.update(due_at=timezone.now() - timedelta(seconds=90))
    response = client.get(f"/progress/{run.pk}/")
    assert response.context["stall"].code == "no_worker"
    assert "No worker has been free for" in main_of(response)
    fail(run)
    assert client.get(f"/progress/{run.pk}/").context["stall"] is None
