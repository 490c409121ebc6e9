"""Runs, callbacks and data nodes in the admin: found by whoever may see them, changed by nobody, without any token."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from processes.models import Callback, DataNode, Run
from tasks.models import TaskRoot
from tests.processes.callback_kit import CallbackKit
from tests.processes.form_answer_kit import answer, ask, person, visitor
from tests.processes.services.conftest import kit  # noqa: F401 - a fixture

RUNS, CALLBACKS, NODES = (f"/admin/processes/{name}/" for name in ("run", "callback", "datanode"))
VIEWS = ("view_run", "view_callback", "view_datanode")


@pytest.fixture
def calls(kit: Any) -> CallbackKit:  # noqa: F811
    """A run that waits, whose process keeps a token in its data, as none should."""
    calls = CallbackKit(kit)

    def careless(app: Any) -> None:
        calls.tokens.append(app.get("callbackToken"))
        app.data["kept"] = {"token": calls.tokens[-1], "room": "12b"}

    calls.begin(
        calls.anchor("order", next={"progress": "seen"}, callbackData={"parcel": 1}, callbackStoreResponse=True),
        {"name": "call", "script": kit.script(careless), "next": False},
        calls.see("seen"),
        user=User.objects.create_user("ada"),
    )
    calls.report("progress", {"parcel": 2, "token": calls.tokens[0]})
    return calls


@pytest.fixture
def reader(client: Client, transactional_db: None) -> Client:
    user = User.objects.create_user("reader", is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=VIEWS))
    client.force_login(user)
    return client


def found(client: Client, address: str, query: str) -> list[Any]:
    response = client.get(address, {"q": query})
    assert response.status_code == 200
    return list(response.context["cl"].result_list)


def test_a_run_shows_why_it_waits_its_data_its_inbox_and_its_callbacks(reader: Client, calls: CallbackKit) -> None:
    run, row = Run.objects.get(), calls.callback()
    listed = reader.get(RUNS).content.decode()
    assert "reports to order, until" in listed
    shown = reader.get(f"{RUNS}{run.pk}/change/").content.decode()
    for text in ("ada", "reports to order, until", "12b", "report", f"{CALLBACKS}{row.pk}/change/", str(row.pk)):
        assert text in shown, text


def test_a_failed_run_shows_its_error_and_is_found_by_it(reader: Client, calls: CallbackKit) -> None:
    config = {"code": "sold_out", "message": "None left of it"}
    run_id = calls.begin({"name": "a", "script": "fail", "config": config})
    assert [run.pk for run in found(reader, RUNS, "none left")] == [run_id]
    assert [run.pk for run in found(reader, RUNS, "sold_out")] == [run_id]
    assert "None left of it" in reader.get(f"{RUNS}{run_id}/change/").content.decode()


def test_the_list_tells_runs_by_their_titles_and_says_what_they_have_failed_with(
    reader: Client, calls: CallbackKit
) -> None:
    config = {"code": "sold_out", "message": "None left of it"}
    run_id = calls.begin({"name": "a", "script": "fail", "config": config})
    TaskRoot.objects.filter(pk=run_id).update(title="Order 17")
    listed = reader.get(RUNS).content.decode()
    for text in (">Order 17<", "A process</small>", "None left of it"):
        assert text in listed, text
    assert ">" + str(run_id) not in listed
    assert "sold_out" not in listed
    assert [run.pk for run in found(reader, RUNS, "order 17")] == [run_id]


def test_an_error_is_said_in_words_before_all_that_is_known_of_it(reader: Client, calls: CallbackKit) -> None:
    run_id = calls.begin({"name": "a", "script": "fail", "config": {"code": "full", "message": "No room <b>"}})
    shown = reader.get(f"{RUNS}{run_id}/change/").content.decode()
    said, _opens, known = shown.partition("<details>")
    assert '<p class="task-error">No room &lt;b&gt;</p>' in said
    assert "&quot;code&quot;: &quot;full&quot;" in known.partition("</details>")[0]


def test_a_callback_shows_its_response_store(reader: Client, calls: CallbackKit) -> None:
    row = calls.callback()
    shown = reader.get(f"{CALLBACKS}{row.pk}/change/").content.decode()
    for text in ("order", "progress", "&quot;parcel&quot;: 1", "&quot;parcel&quot;: 2", f"{RUNS}{row.run_id}/change/"):
        assert text in shown, text


@pytest.mark.parametrize("query", ["ada", "A process", "order", "{id}", "{short}"])
def test_callbacks_are_found_by_owner_process_anchor_and_id(reader: Client, calls: CallbackKit, query: str) -> None:
    row = calls.callback()
    asked = query.format(id=row.pk, short=row.pk.hex[:8])
    assert found(reader, CALLBACKS, asked) == [row]
    assert found(reader, CALLBACKS, "nobody") == []


@pytest.mark.parametrize("query", ["ada", "A process", "{id}", "{short}"])
def test_runs_are_found_by_owner_process_and_id(reader: Client, calls: CallbackKit, query: str) -> None:
    run = Run.objects.get()
    assert found(reader, RUNS, query.format(id=run.pk, short=run.pk.hex[:8])) == [run]
    assert found(reader, RUNS, "nobody") == []


def test_the_lists_are_narrowed_by_status_and_process(reader: Client, calls: CallbackKit) -> None:
    slug = Run.objects.get().template.slug  # type: ignore[union-attr]
    for address in (RUNS, CALLBACKS):
        for query, count in (("status=waiting", 1), ("status=completed", 0), (f"process={slug}", 1), ("process=x", 0)):
            expected = 0 if (address, query) == (CALLBACKS, "status=waiting") else count
            assert reader.get(f"{address}?{query}").context["cl"].result_count == expected, (address, query)
    assert reader.get(f"{CALLBACKS}?status=progress").context["cl"].result_count == 1


def test_nothing_shows_a_token(reader: Client, calls: CallbackKit) -> None:
    run, row = Run.objects.get(), calls.callback()
    for place in (RUNS, CALLBACKS, f"{RUNS}{run.pk}/change/", f"{CALLBACKS}{row.pk}/change/"):
        assert calls.tokens[0] not in reader.get(place).content.decode()
    assert "cb1_•••" in reader.get(f"{RUNS}{run.pk}/change/").content.decode()


@pytest.mark.parametrize("address", [RUNS, CALLBACKS, NODES])
def test_without_the_permission_they_are_closed(client: Client, calls: CallbackKit, address: str) -> None:
    client.force_login(User.objects.create_user("staff", is_staff=True))
    assert client.get(address).status_code == 403
    pk = {RUNS: Run.objects.get().pk, CALLBACKS: calls.callback().pk, NODES: 1}[address]
    assert client.get(f"{address}{pk}/change/").status_code in (302, 403)


@pytest.mark.parametrize("address", [RUNS, CALLBACKS])
def test_nobody_adds_changes_or_deletes_by_hand(client: Client, calls: CallbackKit, address: str) -> None:
    client.force_login(User.objects.create_superuser("root"))
    pk = Run.objects.get().pk if address == RUNS else calls.callback().pk
    assert client.post(f"{address}add/", {}).status_code == 403
    assert client.post(f"{address}{pk}/change/", {"status": "completed"}).status_code == 403
    assert client.post(f"{address}{pk}/delete/", {"post": "yes"}).status_code == 403
    assert (Run.objects.get().status, calls.callback().status) == ("waiting", "progress")


def test_links_lead_only_to_what_the_reader_may_see(client: Client, calls: CallbackKit) -> None:
    user = User.objects.create_user("reader", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_run"))
    client.force_login(user)
    shown = client.get(f"{RUNS}{Run.objects.get().pk}/change/").content.decode()
    assert "order" in shown
    assert f"{CALLBACKS}" not in shown
    assert "/admin/tasks/job/" not in shown


def test_data_nodes_are_searched_and_show_neither_data_nor_reference(reader: Client) -> None:
    node = DataNode.objects.create(
        owner=User.objects.create_user("bob"), data={"amount": "top secret"}, step="enterAmount"
    )
    DataNode.objects.create(owner=User.objects.create_user("eve"))
    for query in ("bob", "enterAmount"):
        assert found(reader, NODES, query) == [node]
    for place in (NODES, f"{NODES}{node.pk}/change/"):
        content = reader.get(place).content.decode()
        assert "top secret" not in content
        assert node.reference not in content


def test_a_list_reads_no_row_twice(reader: Client, calls: CallbackKit, django_assert_max_num_queries: Any) -> None:
    reader.get(RUNS)
    with django_assert_max_num_queries(12):
        reader.get(CALLBACKS)
    with django_assert_max_num_queries(12):
        reader.get(RUNS)
    assert Callback.objects.count() == 1


def test_a_run_shows_its_forms_and_who_may_answer_them(reader: Client, kit: Any) -> None:  # noqa: F811
    person("ann", "clerks")
    run_id = kit.start(
        ask(title="Approve it", answered_by={"users": ["ann"], "groups": ["clerks"], "staff": True}),
        {"name": "after", "script": None},
    )
    kit.work()
    listed = reader.get(RUNS).content.decode()
    assert "an answer to “Approve it”" in listed
    page = f"{RUNS}{run_id}/change/"
    shown = reader.get(page).content.decode()
    for text in ("Approve it", "ann", "the group clerks", "all staff"):
        assert text in shown, text
    answer(run_id, visitor(User.objects.get(username="ann")), {"text": "x"})
    assert "answered by ann" in reader.get(page).content.decode()
