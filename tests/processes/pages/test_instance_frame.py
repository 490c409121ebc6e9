"""Around an instance: where it stands, what is offered, who has it, its history; the inbox; and beginning one."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from processes.models import InstanceType, ProcessInstance
from processes.services.assignments import Assignment, assign
from processes.services.doer import STEPLINE
from processes.services.instance_status import set_status
from tests.processes.pages.browsing import links_of, main_of
from tests.processes.services.instance_kit import leave, leave_type, member
from tests.processes.services.published import action, publish_process

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return member("owner")


@pytest.fixture
def clerk() -> User:
    return member("clerk", "clerks")


@pytest.fixture
def type() -> InstanceType:
    return leave_type()


@pytest.fixture
def instance(type: InstanceType, owner: User) -> ProcessInstance:
    return leave(type, owner)


@pytest.fixture
def address(instance: ProcessInstance) -> str:
    return f"/instances/{instance.pk}/"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(client: Client, address: str) -> str:
    return " ".join(main_of(client.get(address)).split())


def test_it_shows_itself_where_no_action_is_asked_for(owner: User, address: str) -> None:
    text = text_of(signed_in(owner), address)
    assert "3 days" in text
    assert '<span class="status"><bdi>Draft</bdi></span>' in text


def test_what_is_offered_is_done_by_its_button(owner: User, instance: ProcessInstance, address: str) -> None:
    client = signed_in(owner)
    assert '<input type="hidden" name="action" value="hand_in"><button class="" type="submit">Hand in' in text_of(
        client, address
    )
    sent = client.post(address, {"action": "hand_in"})
    assert (sent.status_code, sent.headers["Location"]) == (303, f"{address}?action=%40display")
    instance.refresh_from_db()
    assert instance.status == "handed in"
    shown = text_of(client, address)
    assert "Hand in</button>" not in shown
    assert "Status “draft” → “handed in”" in shown


def test_what_isn_t_offered_is_refused_with_the_reason(owner: User, address: str) -> None:
    client = signed_in(owner)
    refused = client.post(address, {"action": "approve"})
    assert refused.status_code == 403
    assert "“Approve” isn&#x27;t open to you at the status “draft”." in main_of(refused)
    assert f'href="{address}"' in main_of(refused)


def test_who_was_asked_claims_it_on_its_page_and_gives_it_back(
    instance: ProcessInstance, clerk: User, address: str
) -> None:
    assign(instance.pk, Assignment(groups=[Group.objects.get(name="clerks").pk]), doer=STEPLINE)
    client = signed_in(clerk)
    assert "Waits for clerks" in text_of(client, address)
    assert client.post(f"{address}claim/").headers["Location"] == address
    claimed = text_of(client, address)
    assert "You have it now." in claimed
    assert "Assigned to you" in claimed
    assert client.post(f"{address}release/").status_code == 303
    assert "Waits for clerks" in text_of(client, address)


def test_who_hands_it_on_and_may_not_open_it_any_more_comes_to_their_inbox(
    instance: ProcessInstance, address: str
) -> None:
    ann, bob = member("ann"), member("bob")
    operator = User.objects.create_superuser("operator")
    assign(instance.pk, Assignment(users=[ann.pk]), doer=STEPLINE)
    assert signed_in(operator).post(f"{address}hand-on/", {"to": "bob"}).headers["Location"] == address
    instance.refresh_from_db()
    assert instance.assignee == bob


@pytest.mark.parametrize("deed", ["claim", "release", "hand-on"])
def test_a_deed_is_nobody_s_who_may_not_open_it(address: str, deed: str) -> None:
    client = signed_in(member("other"))
    assert client.post(f"{address}{deed}/", {"to": "owner"}).status_code == 404
    assert client.get(f"{address}{deed}/").status_code == 405
    assert Client().post(f"{address}{deed}/").status_code == 302


def test_a_deed_that_can_t_be_done_says_why(instance: ProcessInstance, address: str) -> None:
    ann = member("ann")
    assign(instance.pk, Assignment(users=[ann.pk]), doer=STEPLINE)
    refused = signed_in(ann).post(f"{address}release/")
    assert refused.status_code == 409
    assert "hand it on to somebody instead" in main_of(refused)


def test_the_history_tells_what_was_changed(owner: User, address: str) -> None:
    client = signed_in(owner)
    client.post(address, {"action": "change", "days": "5"})
    text = text_of(client, f"{address}history/")
    assert "<code>/days</code></th><td>3</td><td>5</td>" in text
    assert "Changed 1 value" in text
    assert "Executed “change”" in text


def test_the_history_is_leafed(owner: User, address: str) -> None:
    client = signed_in(owner)
    for number in range(30):
        client.post(address, {"action": "change", "days": str(number)})
    assert links_of(client.get(f"{address}history/"))["Older"] == "?page=2"
    assert "Created" in text_of(client, f"{address}history/?page=3")


def test_the_history_is_for_those_who_may_open_it(address: str) -> None:
    assert signed_in(member("other")).get(f"{address}history/").status_code == 404


def test_the_inbox_shows_what_waits_with_what_can_be_done(instance: ProcessInstance, clerk: User, address: str) -> None:
    set_status(instance.pk, "handed in", doer=STEPLINE)
    client = signed_in(clerk)
    for page in ("/inbox/", "/"):
        text = text_of(client, page)
        assert f'href="{address}"' in text
        assert 'value="approve"><button class="button-quiet button-small" type="submit">Approve' in text
        assert f'action="{address}claim/"' in text


def test_an_empty_inbox_says_so(owner: User) -> None:
    assert "Nobody waits for you." in text_of(signed_in(owner), "/inbox/")
    assert "Waits for you" not in text_of(signed_in(owner), "/")


def test_the_inbox_is_for_those_who_are_signed_in() -> None:
    assert Client().get("/inbox/").headers["Location"] == "/accounts/login/?next=/inbox/"


def test_the_inbox_and_the_forms_that_wait_lead_to_each_other(owner: User) -> None:
    assert links_of(signed_in(owner).get("/inbox/"))["Forms that wait for you"] == "/forms/"
    assert links_of(signed_in(owner).get("/forms/"))["What waits for you besides"] == "/inbox/"
    # The inbox of nobody is no place to lead to.
    assert "/inbox/" not in main_of(Client().get("/forms/"))


def test_a_new_one_is_begun_on_its_type_s_page(type: InstanceType, owner: User) -> None:
    client = signed_in(owner)
    assert 'href="/new/leave/"' in main_of(client.get("/"))
    assert client.get("/new/leave/").status_code == 200
    sent = client.post("/new/leave/")
    created = ProcessInstance.objects.get()
    assert sent.headers["Location"] == f"/instances/{created.pk}/"
    assert (created.type, created.owner, created.status, created.status_rules) == (
        type, owner, "draft", type.status_rules,
    )  # fmt: skip


def test_what_a_process_makes_itself_is_begun_with_the_process_and_offered_once(
    type: InstanceType, owner: User
) -> None:
    own = {"name": "hand_in", "script": "create_instance", "config": {"type": "leave"}, "next": False}
    template = publish_process("ask-leave", [action("ask"), own])
    InstanceType.objects.update(template=template)
    shown = main_of(signed_in(owner).get("/"))
    assert "/p/ask-leave/" in shown
    assert "/new/leave/" not in shown
    assert signed_in(owner).get("/new/leave/").status_code == 200


@pytest.mark.parametrize("change", [{"enabled": False}, {"access": "staff"}, {"access": "groups"}])
def test_a_type_that_isn_t_open_to_somebody_isn_t_there(type: InstanceType, owner: User, change: dict) -> None:
    InstanceType.objects.update(**change)
    client = signed_in(owner)
    assert client.get("/new/leave/").status_code == client.post("/new/leave/").status_code == 404
    assert "/new/leave/" not in main_of(client.get("/"))
    assert not ProcessInstance.objects.exists()


def test_members_of_its_groups_may_create_one(type: InstanceType, clerk: User) -> None:
    InstanceType.objects.update(access="groups")
    type.groups.add(clerk.groups.get())
    assert signed_in(clerk).post("/new/leave/").status_code == 303


def test_posting_needs_the_token(address: str, owner: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    for place in (f"{address}claim/", "/new/leave/", address):
        assert client.post(place, {"action": "hand_in"}).status_code == 403


def test_nobody_needs_to_claim_what_is_their_own(owner: User, address: str) -> None:
    client = signed_in(owner)
    for page in ("/inbox/", address):
        text = text_of(client, page)
        assert "Hand in</button>" in text or "Hand in<span" in text
        assert "/claim/" not in text
