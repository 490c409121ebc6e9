"""`create_instance` makes one instance, or none; `load_instance` tells what is executed."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from processes.errors import DefinitionError
from processes.models import Access, AuditEntry, DataNode, InstanceEvent, ProcessInstance, ProcessTemplate, Run
from processes.services.instances import context_node_of, create_instance
from processes.testing import FakeUser, run
from tasks.services.work import work_off
from tests.processes.authority_kit import own
from tests.processes.pages.browsing import main_of, read_form, send_form
from tests.processes.services.instance_kit import leave, leave_type
from tests.processes.services.published import action, form, page, publish_process

pytestmark = pytest.mark.django_db

CREATE = {"title": "%{data:what}", "status": "ordered", "data": {"what": "%{data:what}"}, "takes_over": True}
ASK = form("ask", "order", {"name": "what", "max_length": 500})
ORDER = action("order", "create_instance", config=CREATE)
LEAD = action("lead", "redirect", config={"url": "%{data:instance.url}"}, next=False)
SHOWN = [action("@display", "load_data"), page("show", "It is %{data:what}.")]


@pytest.fixture
def owner(client: Client) -> User:
    user = User.objects.create_user("owner")
    client.force_login(user)
    return user


def orders(*actions: dict[str, Any], **options: Any) -> ProcessTemplate:
    return publish_process("orders", [ASK, *(actions or (ORDER, LEAD)), *SHOWN], **options)


def ordered(client: Client, *, what: str = "A chair", place: str = "/p/orders/") -> Any:
    return send_form(client, client.get(place), what=what)


# -- creating ---------------------------------------------------------------------------------------------------------


def test_a_form_ends_as_an_instance_of_the_caller_and_leads_there(client: Client, owner: User) -> None:
    template = orders()

    answer = ordered(client)

    instance = ProcessInstance.objects.get()
    assert (instance.template, instance.owner, instance.title, instance.status) == (
        template,
        owner,
        "A chair",
        "ordered",
    )
    assert instance.plan_id == template.published_plan_id
    assert context_node_of(instance).data == {"what": "A chair"}
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/instances/{instance.pk}/")
    assert "It is A chair." in main_of(client.get(f"/instances/{instance.pk}/?action=@display"))
    created = AuditEntry.objects.get(action="instance.created")
    assert (created.actor_name, created.subject_id) == ("owner", instance.pk.hex)


def test_without_data_of_its_own_it_begins_with_all_of_the_data(client: Client, owner: User) -> None:
    orders(action("order", "create_instance"), LEAD)
    ordered(client)
    assert context_node_of(ProcessInstance.objects.get()).data == {"what": "A chair"}


def test_a_long_title_is_cut(client: Client, owner: User) -> None:
    orders()
    ordered(client, what="x" * 300)
    assert ProcessInstance.objects.get().title == "x" * 200


def test_sending_the_form_again_leads_to_the_instance_and_makes_no_second_one(client: Client, owner: User) -> None:
    orders()
    shown = client.get("/p/orders/")
    sent = send_form(client, shown, what="A chair")

    for again in (send_form(client, shown, what="A chair"), client.get(f"/p/orders/?form=ask&data={reference(shown)}")):
        assert again.status_code == 409
        assert f'href="{sent.headers["Location"]}"' in main_of(again)
    assert ProcessInstance.objects.count() == 1


def reference(shown: Any) -> str:
    return read_form(shown)["data"]


def test_what_became_the_instance_holds_nothing_any_more_and_is_no_draft(client: Client, owner: User) -> None:
    orders()
    shown = client.get("/p/orders/")
    DataNode.objects.update(drafted_at="2026-11-20T12:00Z", entered={"ask": {"what": "A ch"}})
    send_form(client, shown, what="A chair")

    node = DataNode.objects.get(reference=reference(shown))

    assert (node.data, node.entered, node.drafted_at) == ({}, {}, None)
    assert node.continued_in == ProcessInstance.objects.get().pk


def test_one_that_takes_nothing_over_can_be_created_again_and_again(client: Client, owner: User) -> None:
    config = {**CREATE, "takes_over": False}
    again = form("again", "order", {"name": "what"})
    orders(action("order", "create_instance", config=config), again)
    shown = client.get("/p/orders/")
    for what in ("A chair", "A table"):
        shown = send_form(client, shown, what=what)
    assert sorted(ProcessInstance.objects.values_list("title", flat=True)) == ["A chair", "A table"]


@pytest.mark.parametrize("gives_up", [ORDER, action("drop", "delete_data_node")], ids=["instance", "deleted"])
@pytest.mark.parametrize("keeps_more", [False, True])
def test_work_goes_on_in_the_background_after_its_data_were_given_up(
    client: Client, owner: User, gives_up: dict[str, Any], keeps_more: bool
) -> None:
    more = [action("more", "save_data")] if keeps_more else []
    leads = {**ASK, "config": {**ASK["config"], "action": gives_up["name"]}}
    rest = [action("begin", "start_progress"), action("leave", "execute_in_background"), page("end", "done")]
    publish_process("orders", [leads, gives_up, *more, *rest, action("renderProgress", "render_progress")])

    shown = client.get("/p/orders/")
    answer = send_form(client, shown, what="A chair")

    assert answer.headers["Location"] == f"/progress/{Run.objects.get().pk}/"
    assert ProcessInstance.objects.count() == (1 if gives_up is ORDER else 0)
    # Whoever sends it again gets no second one: they are led to the instance, or told that the data are gone.
    again = send_form(client, shown, what="A chair")
    assert again.status_code == (409 if gives_up is ORDER else 404)
    assert (f"/instances/{ProcessInstance.objects.get().pk}/" in main_of(again)) if gives_up is ORDER else True
    assert Run.objects.count() == 1


def test_where_init_fails_there_is_nothing_and_the_form_can_be_sent_again(client: Client, owner: User) -> None:
    refuses = action("@init", "fail", config={"code": "no_budget", "message": "The budget is used up."})
    orders(ORDER, LEAD, refuses)
    shown = client.get("/p/orders/")

    for _ in range(2):
        refused = send_form(client, shown, what="A chair")
        assert refused.status_code == 422
        assert "The budget is used up." in main_of(refused)
    assert not ProcessInstance.objects.exists()
    assert DataNode.objects.get(reference=reference(shown)).continued_in is None


def test_what_init_saves_is_the_instances_data(client: Client, owner: User) -> None:
    orders(
        ORDER,
        LEAD,
        action("@init", "load_data", entry=False, next="number"),
        action("number", "set_data", config={"values": {"number": 17}}),
        action("save", "save_data", next=False),
    )
    ordered(client)
    assert context_node_of(ProcessInstance.objects.get()).data == {"what": "A chair", "number": 17}


def test_somebody_not_signed_in_creates_none(client: Client) -> None:
    orders()
    refused = ordered(client)
    assert refused.status_code == 403
    assert "Sign in first" in main_of(refused)
    assert not ProcessInstance.objects.exists()


@pytest.mark.parametrize("process", ["${things}", "things"])
def test_it_may_be_an_instance_of_another_process(client: Client, owner: User, process: str) -> None:
    things = publish_process("things", SHOWN)
    config = {**CREATE, "process": process}
    orders(action("order", "create_instance", config=config), LEAD, bindings={"things": {"process": "things"}})
    ordered(client)
    assert ProcessInstance.objects.get().template == things


@pytest.mark.parametrize("process", ["staffs", "nowhere"])
def test_of_a_process_that_one_may_not_start_there_are_no_instances(client: Client, owner: User, process: str) -> None:
    publish_process("staffs", SHOWN, access=Access.STAFF)
    orders(action("order", "create_instance", config={**CREATE, "process": process}), LEAD)
    assert ordered(client).status_code == 404
    assert not ProcessInstance.objects.exists()


def test_with_lent_rights_it_makes_only_what_is_bound(client: Client, owner: User) -> None:
    publish_process("staffs", SHOWN, access=Access.STAFF)
    lender = User.objects.create_superuser("lender")
    wrapped = {"script": "create_instance", "config": {**CREATE, "process": "staffs"}}
    template = orders(action("order", "run_as_owner", config=wrapped), LEAD)
    own(template, lender)
    assert ordered(client).status_code == 500
    assert not ProcessInstance.objects.exists()


def test_with_lent_rights_it_still_belongs_to_the_caller(client: Client, owner: User) -> None:
    publish_process("staffs", SHOWN, access=Access.STAFF)
    lender = User.objects.create_superuser("lender")
    wrapped = {"script": "create_instance", "config": {**CREATE, "process": "${staffs}"}}
    template = orders(action("order", "run_as_owner", config=wrapped), LEAD, bindings={"staffs": {"process": "staffs"}})
    own(template, lender)
    ordered(client)
    assert ProcessInstance.objects.get().owner == owner
    assert AuditEntry.objects.get(action="instance.created").actor_name == "lender"


def test_in_the_background_it_creates_one_too(client: Client, owner: User) -> None:
    orders(
        action("order", "execute_in_background"),
        {**ORDER, "name": "create"},
        action("end", next=False),
        action("@init", "load_data", entry=False, next="number"),
        action("number", "set_data", config={"values": {"number": 17}}),
        action("save", "save_data", next=False),
    )
    ordered(client)
    while work_off("default"):
        pass
    instance = ProcessInstance.objects.get()
    assert instance.owner == owner
    assert context_node_of(instance).data == {"what": "A chair", "number": 17}


def test_a_process_from_a_file_has_no_instances() -> None:
    ran = run([action("order", "create_instance")], user=FakeUser())
    assert ran.error is not None
    assert ran.error.code == "template_not_found"


# -- telling what is executed -----------------------------------------------------------------------------------------

TELLING = [
    action("@default", "load_instance", next={"found": "show", "none": "nothing"}),
    page("nothing", "Nothing yet."),
    page("show", "%{data:instance.title} is %{data:instance.status}, at %{data:instance.url}"),
]


def test_what_is_executed_is_told_from_the_process_alone(client: Client, owner: User) -> None:
    template = publish_process("things", TELLING)
    instance = create_instance(template=template, owner=owner, title="A chair", status="ordered")

    assert "Nothing yet." in main_of(client.get("/p/things/"))
    place = f"/instances/{instance.pk}/"
    assert f"A chair is ordered, at {place}" in main_of(client.get(place))


def test_without_an_instance_nothing_is_told_whatever_the_data_held() -> None:
    ran = run([action("tell", "load_instance")], data={"instance": {"title": "forged"}, "other": 1})
    assert ran.state == "none"
    assert ran.data == {"other": 1}


# -- types and titles -------------------------------------------------------------------------------------------------


def typed(**changes: Any) -> dict[str, Any]:
    return action("order", "create_instance", config={**CREATE, "type": "leave", **changes})


def test_an_instance_of_a_type_has_its_process_its_rules_and_its_first_status(client: Client, owner: User) -> None:
    type = leave_type()
    orders(typed(status=""), LEAD)
    ordered(client)
    instance = ProcessInstance.objects.get()
    assert (instance.type, instance.template, instance.status_rules) == (type, type.template, type.status_rules)
    assert (instance.status, instance.title) == ("draft", "A chair")


def test_a_status_of_its_own_comes_before_that_of_the_type(client: Client, owner: User) -> None:
    leave_type()
    orders(typed(), LEAD)
    ordered(client)
    assert ProcessInstance.objects.get().status == "ordered"


@pytest.mark.parametrize("changes", [{"access": Access.STAFF}, {"enabled": False}])
def test_who_may_not_create_anything_of_the_type_makes_nothing(
    client: Client, owner: User, changes: dict[str, Any]
) -> None:
    leave_type(**changes)
    orders(typed(), LEAD)
    assert ordered(client).status_code == 404
    assert not ProcessInstance.objects.exists()


def test_a_type_that_is_not_there_is_told_as_one_that_may_not_be_created(client: Client, owner: User) -> None:
    orders(typed(type="love"), LEAD)
    assert ordered(client).status_code == 404


def test_a_type_and_a_process_at_once_are_refused() -> None:
    with pytest.raises(DefinitionError, match="a type has a process"):
        orders(action("order", "create_instance", config={"type": "leave", "process": "orders"}), LEAD)


def test_with_lent_rights_nothing_of_a_type_is_made(client: Client, owner: User) -> None:
    leave_type()
    wrapped = {"script": "create_instance", "config": {**CREATE, "type": "leave"}}
    own(orders(action("order", "run_as_owner", config=wrapped), LEAD), User.objects.create_superuser("lender"))
    assert ordered(client).status_code == 500
    assert not ProcessInstance.objects.exists()


def test_an_instance_is_called_something_else_and_its_history_tells(client: Client, owner: User) -> None:
    rename = action("rename", "set_title", config={"title": "%{param:title}"}, next=False)
    type = leave_type(actions=[rename, *SHOWN], rules=[])
    instance = leave(type, owner)
    for title in ("Winter", "Winter"):
        client.post(f"/instances/{instance.pk}/", {"action": "rename", "title": title})
    instance.refresh_from_db()
    assert instance.title == "Winter"
    (event,) = InstanceEvent.objects.filter(instance=instance, kind="edited")
    assert event.facts == {"title": {"before": "Summer", "after": "Winter"}}
    assert "Called “Winter” now" in main_of(client.get(f"/instances/{instance.pk}/history/"))


def test_a_title_is_cut_and_needs_an_instance(client: Client, owner: User) -> None:
    type = leave_type(
        actions=[action("rename", "set_title", config={"title": "ä" * 300}, next=False), *SHOWN], rules=[]
    )
    instance = leave(type, owner)
    client.post(f"/instances/{instance.pk}/", {"action": "rename"})
    instance.refresh_from_db()
    assert instance.title == "ä" * 200
    ran = run([action("rename", "set_title", config={"title": "x"})])
    assert ran.error is not None
    assert ran.error.code == "no_instance"
