"""`/instances/<id>/`: executes an instance for its owner and for staff who may; for others it isn't there."""

import uuid

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from processes.domain.application import Application
from processes.models import AuditEntry, DataNode, ProcessInstance, Run
from processes.registry import scripts
from processes.services.instances import context_node_of, create_instance
from tasks.models import TaskRoot
from tasks.services.work import work_off
from tests.processes.pages.browsing import main_of, read_form, send_form
from tests.processes.services.published import action, form, page, publish_process

pytestmark = pytest.mark.django_db

CLAIM = [
    action("@default", "noop", next="load"),
    action("load", "load_data"),
    form("ask", "take", {"name": "amount", "type": "integer"}, config={"title": "Your claim"}),
    action("take", "load_data", safe=False),
    action("save", "save_data"),
    action("leave", "redirect", config={"action": "@display"}, next=False),
    action("@display", "load_data", next="show"),
    page("show", "You claim %{data:amount}."),
]


@pytest.fixture
def owner(client: Client) -> User:
    user = User.objects.create_user("owner")
    client.force_login(user)
    return user


@pytest.fixture
def instance(owner: User) -> ProcessInstance:
    return create_instance(
        template=publish_process("claim", CLAIM), owner=owner, data={"amount": 3}, title="Trip to Graz"
    )


@pytest.fixture
def address(instance: ProcessInstance) -> str:
    return f"/instances/{instance.pk}/"


def test_its_form_leads_back_to_it_and_what_is_entered_becomes_its_data(
    client: Client, instance: ProcessInstance, address: str
) -> None:
    shown = client.get(address)
    assert "Your claim" in main_of(shown)
    assert read_form(shown)["amount"] == "3"
    sent = send_form(client, shown, amount="12")
    assert sent.status_code == 303
    assert sent.headers["Location"] == f"{address}?action=%40display"
    assert "You claim 12." in main_of(client.get(sent.headers["Location"]))
    node = context_node_of(instance)
    assert node.data["amount"] == 12


def test_what_is_entered_lies_beside_the_data_until_the_process_saves_it(
    client: Client, instance: ProcessInstance, address: str
) -> None:
    client.get(address)
    kinds = dict(DataNode.objects.values_list("kind", "instance_id"))
    assert kinds == {"context": instance.pk, "temporary": instance.pk}


def test_an_invalid_form_is_shown_again_at_the_same_place(client: Client, address: str) -> None:
    refused = send_form(client, client.get(address), amount="many")
    assert refused.status_code == 422
    assert f'action="{address}"' in refused.content.decode()


def test_of_two_tabs_one_submits(client: Client, address: str) -> None:
    tabs = [client.get(address)] * 2
    assert [send_form(client, tab, amount="1").status_code for tab in tabs] == [303, 409]
    told = main_of(send_form(client, tabs[1], amount="1"))
    assert f'href="{address}"' in told
    assert "Start again" in told


def test_of_two_people_who_change_the_same_nobody_loses_what_they_saved(
    client: Client, instance: ProcessInstance, address: str
) -> None:
    other = Client()
    other.force_login(User.objects.create_superuser("operator"))
    mine, theirs = client.get(address), other.get(address)
    assert send_form(other, theirs, amount="5").status_code == 303
    refused = send_form(client, mine, amount="12")
    assert refused.status_code == 409
    assert "This was changed meanwhile" in main_of(refused)
    assert f'href="{address}"' in main_of(refused)
    assert context_node_of(instance).data["amount"] == 5
    again = client.get(address)
    assert read_form(again)["amount"] == "5"
    assert send_form(client, again, amount="12").status_code == 303
    assert context_node_of(instance).data["amount"] == 12


def test_one_person_goes_on_from_what_they_saved(client: Client, instance: ProcessInstance, address: str) -> None:
    for amount in ("5", "6"):
        assert send_form(client, client.get(address), amount=amount).status_code == 303
    assert context_node_of(instance).data["amount"] == 6


def test_a_step_that_saved_and_then_failed_can_be_submitted_again(client: Client, owner: User) -> None:
    actions = [*CLAIM[:5], action("tell", "fail", config={"code": "fail", "message": "Nobody is there."}), *CLAIM[5:]]
    instance = create_instance(template=publish_process("fails", actions), owner=owner, data={"amount": 3})
    shown = client.get(f"/instances/{instance.pk}/")
    for amount in ("5", "6"):
        refused = send_form(client, shown, amount=amount)
        assert refused.status_code == 422
        assert "Nobody is there." in main_of(refused)
        assert context_node_of(instance).data["amount"] == int(amount)


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 200), ("?action=@display", 200), ("?action=take", 405), ("?action=nothing", 404), ("?action=@init%3F", 200)],
)
def test_a_link_enters_what_it_may_of_any_process(client: Client, address: str, query: str, status: int) -> None:
    assert client.get(address + query).status_code == status


def test_forms_of_an_instance_are_no_way_into_its_process_or_another_instance(
    client: Client, owner: User, instance: ProcessInstance, address: str
) -> None:
    fields = read_form(client.get(address))
    other = create_instance(template=instance.template, owner=owner)
    for elsewhere in ("/p/claim/", f"/instances/{other.pk}/"):
        assert client.post(elsewhere, {**fields, "amount": "9"}).status_code == 404
        assert client.get(elsewhere, {"data": fields["data"]}).status_code == 404


@pytest.mark.parametrize("method", ["get", "post"])
def test_what_belongs_to_others_looks_like_what_is_not_there(client: Client, address: str, method: str) -> None:
    client.force_login(User.objects.create_user("other", is_staff=True))
    pages = [getattr(client, method)(place) for place in (address, f"/instances/{uuid.uuid4()}/")]
    assert [page.status_code for page in pages] == [404, 404]
    assert main_of(pages[0]) == main_of(pages[1])


def test_staff_who_may_change_instances_execute_it(client: Client, instance: ProcessInstance, address: str) -> None:
    operator = User.objects.create_user("operator", is_staff=True)
    operator.user_permissions.add(Permission.objects.get(codename="change_processinstance"))
    client.force_login(operator)
    assert send_form(client, client.get(address), amount="5").status_code == 303
    assert context_node_of(instance).data["amount"] == 5
    entry = AuditEntry.objects.filter(action="instance.executed").latest("pk")
    assert (entry.actor_name, entry.subject_id, entry.details) == (
        "operator", instance.pk.hex, {"action": "take", "how": "form"},
    )  # fmt: skip


def test_somebody_not_signed_in_is_asked_to_whether_it_exists_or_not(client: Client, address: str) -> None:
    client.logout()
    for place in (address, f"/instances/{uuid.uuid4()}/"):
        answer = client.get(place)
        assert answer.status_code == 302
        assert answer.headers["Location"] == f"/accounts/login/?next={place}"


def test_posting_needs_the_token(instance: ProcessInstance, owner: User, address: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    assert client.post(address, {"action": "take"}).status_code == 403


def test_what_goes_on_in_the_background_leads_back_to_the_instance(client: Client, owner: User) -> None:
    actions = [
        action("begin", "start_progress"),
        action("go", "execute_in_background"),
        action("finish", "end_progress_with_execute", config={"action": "@display"}, next=False),
        page("@display", "done"),
        action("renderProgress", "render_progress"),
    ]
    instance = create_instance(template=publish_process("works", actions), owner=owner, title="Graz")
    answer = client.post(f"/instances/{instance.pk}/")
    run = Run.objects.get()
    assert answer.headers["Location"] == f"/progress/{run.pk}/"
    assert run.instance == instance
    while work_off("default"):
        pass
    progress = client.get(f"/progress/{run.pk}/").content.decode()
    assert f'href="/instances/{instance.pk}/"' in progress
    result = TaskRoot.objects.get(pk=run.pk).meta["redirect"]
    assert result.startswith(f"/instances/{instance.pk}/?action=%40display&data=")
    assert "done" in main_of(client.get(result))


@pytest.mark.parametrize("loads_first", [False, True])
def test_a_button_on_its_page_works_on_its_data_and_counts_once(client: Client, owner: User, loads_first: bool) -> None:
    button = {"label": "Approve", "action": "approve", "method": "post"}
    first = [action("load", "load_data")] if loads_first else []
    actions = [
        *first,
        action("show", "show_page", config={"text": "A claim", "links": [button]}, next=False),
        action("approve", "load_data"),
        action("set", "set_data", config={"values": {"approved": True}}),
        action("save", "save_data"),
        page("end", "%{data:amount} approved"),
    ]
    instance = create_instance(template=publish_process("approval", actions), owner=owner, data={"amount": 3})
    address = f"/instances/{instance.pk}/"
    fields = {**read_form(client.get(address)), "action": "approve"}
    assert "3 approved" in main_of(client.post(address, fields))
    assert client.post(address, fields).status_code == 409
    assert context_node_of(instance).data == {"amount": 3, "approved": True}


def test_a_button_of_another_page_that_is_shown_here_is_promised_nothing(client: Client, owner: User) -> None:
    button = {"label": "Approve", "action": "approve", "method": "post"}
    inner = publish_process(
        "inner",
        [action("show", "show_page", config={"text": "x", "links": [button]}, next=False), page("approve", "ok")],
    )
    instance = create_instance(template=inner, owner=owner)

    def show_instance(app: Application) -> None:
        app.response = app.execute(instance).app.response

    with scripts.override("show_instance_for_test", show_instance):
        publish_process("outer", [action("show", "show_instance_for_test", next=False)])
        fields = read_form(client.get("/p/outer/"))
    assert set(fields) == {"csrfmiddlewaretoken"}
    assert "ok" in main_of(client.post(f"/instances/{instance.pk}/", {**fields, "action": "approve"}))
