"""A run's page: where it has been, what it has started and what it belongs to, page by page."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from processes.admin.runs import page as run_page
from processes.models import Run
from tasks.services.work import work_off
from tests.processes.admin.runs_desk import RUNS, page_of, queries, waiting
from tests.processes.scripts.test_parallel_scripts import children, parallel
from tests.processes.services.conftest import api, kit, operator
from tests.processes.services.test_compensating_runs import park
from tests.processes.services.test_controlling import Breaks, failed

__all__ = ["api", "kit", "operator"]


def test_child_runs_are_shown_under_their_parent_and_lead_back(
    kit: Any, api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_page, "PAGE_SIZE", 2)
    branches = {name: {"script": kit.script(park, durable=True)} for name in ("a", "b", "c")}
    parent = kit.start(*parallel(kit, branches))
    kit.work()
    pages = [api.get(page_of(parent, query=query)) for query in ("", "?children=2", "?children=x", "?children=99")]
    assert [len(page.context["children"]) for page in pages] == [2, 1, 2, 1]
    assert "3 child runs" in pages[0].content.decode()
    first, _second, third = children()
    assert page_of(first.pk) in pages[0].content.decode()
    assert page_of(third.pk) in pages[1].content.decode()
    shown = api.get(page_of(third.pk)).content.decode()
    assert "Part of" in shown
    assert page_of(parent) in shown


def test_the_list_tells_runs_of_their_own_from_parts(kit: Any, api: Client) -> None:
    parent = kit.start(*parallel(kit, {"a": {"script": kit.script(park, durable=True)}}))
    kit.work()
    (child,) = children()
    for query, expected in (("no", [parent]), ("yes", [child.pk])):
        rows = api.get(RUNS, {"part": query}).context["cl"].result_list
        assert [run.pk for run in rows] == expected


@pytest.mark.parametrize("deed", ["retry", "rewind", "move", "undo", "test"])
def test_a_part_that_has_failed_is_offered_to_nobody_by_itself(kit: Any, api: Client, deed: str) -> None:
    kit.start(*parallel(kit, {"a": {"script": kit.script(Breaks())}}))
    kit.work()
    (child,) = children()
    assert child.status == "failed"
    shown = api.get(page_of(child.pk))
    assert deed not in [page.name for page, _address in shown.context["buttons"]]


def test_checkpoints_are_paged_latest_first(kit: Any, api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_page, "PAGE_SIZE", 3)
    run_id = failed(kit, Breaks())
    first = api.get(page_of(run_id))
    assert [row.ordinal for row in first.context["checkpoints"]] == [3, 2, 1]
    assert f"?before={first.context['more_before']}" in first.content.decode()
    second = api.get(page_of(run_id, query="?before=1"))
    assert ([row.ordinal for row in second.context["checkpoints"]], second.context["more_before"]) == ([0], None)
    for odd in ("?before=x", "?before=-1", "?before=99999999999999999999"):
        assert api.get(page_of(run_id, query=odd)).status_code == 200


def test_the_way_back_is_offered_at_places_only_and_to_operators_only(kit: Any, api: Client, client: Client) -> None:
    run_id = failed(kit, Breaks())
    shown = api.get(page_of(run_id)).content.decode()
    assert [f"?ordinal={number}" in shown for number in range(4)] == [True, True, True, False]
    client.force_login(User.objects.create_superuser("root"))
    assert "?ordinal=1" in client.get(page_of(run_id)).content.decode()
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_run"))
    client.force_login(reader)
    assert "?ordinal=1" not in client.get(page_of(run_id)).content.decode()


def test_a_run_whose_process_is_gone_is_shown_and_moved_nowhere(kit: Any, api: Client) -> None:
    run_id = waiting(kit)
    Run.objects.filter(pk=run_id).update(template=None)
    shown = api.get(page_of(run_id))
    assert [page.name for page, _address in shown.context["buttons"]] == ["pause", "edit", "export", "cancel"]
    assert "published any more" in api.get(page_of(run_id, "move")).content.decode()


def test_pages_of_twenty_children_take_as_many_queries_as_of_one(kit: Any, api: Client) -> None:
    waits = kit.script(park, durable=True)
    counts = []
    for number in (1, 20):
        parent = kit.start(*parallel(kit, {f"b{index}": {"script": waits} for index in range(number)}))
        kit.work()
        counts.append(queries(api, page_of(parent)))
    assert counts[0] == counts[1]


def test_a_part_that_nobody_has_begun_is_shown_and_exported(kit: Any, api: Client) -> None:
    waits = {"script": kit.script(park, durable=True)}
    kit.start(*parallel(kit, {"a": waits, "b": waits}))
    work_off("default")
    child = Run.objects.filter(fan_out__isnull=False, status="created").first()
    assert child is not None
    shown = api.get(page_of(child.pk))
    assert [page.name for page, _address in shown.context["buttons"]] == ["pause", "edit", "export", "cancel"]
    assert "There are none." in shown.content.decode()
    assert json.loads(api.post(page_of(child.pk, "export")).getvalue())["checkpoints"] == []


def test_what_was_done_with_a_run_is_found_from_its_page_by_who_may_read_the_log(
    kit: Any, api: Client, operator: User, client: Client
) -> None:
    run_id = waiting(kit)
    api.post(page_of(run_id, "pause"))
    assert "/admin/processes/auditentry/" not in api.get(page_of(run_id)).content.decode()
    client.force_login(User.objects.create_superuser("root"))
    address = client.get(page_of(run_id)).context["audit_address"]
    found = [entry.action for entry in client.get(address).context["cl"].result_list]
    assert found == ["run.paused", "run.started"]


@pytest.mark.parametrize(
    ("deed", "text"),
    [
        ("change", "Haltepunkte"),
        ("pause", "Er bleibt vor seiner nächsten Aktion stehen"),
        ("cancel", "Was wartet, endet sofort"),
        ("edit", "Ein JSON-Objekt."),
        ("move", "Dieser Lauf hat diesen Plan bereits."),
        ("export", "Sie bekommen eine JSON-Datei"),
    ],
)
def test_the_pages_speak_the_reader_s_language(kit: Any, api: Client, deed: str, text: str) -> None:
    answer = api.get(page_of(waiting(kit), deed), headers={"accept-language": "de"})
    assert text in answer.content.decode()
