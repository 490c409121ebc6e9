"""Data nodes over HTTP: for whom they are bound, and for nobody else."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from processes.models import DataNode, DataNodeKind, ProcessTemplate
from processes.services.access import Caller
from processes.services.data_nodes import claim_revision, create_data_node
from tests.processes.api.api_kit import by_token, person, signed_in
from tests.processes.services.instance_kit import leave, leave_type
from tests.processes.services.published import action, publish_process

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann() -> User:
    return person("ann", staff=False)


@pytest.fixture
def template() -> ProcessTemplate:
    return publish_process("claim", [action("a")])


@pytest.fixture
def caller(ann: User, template: ProcessTemplate) -> Caller:
    return Caller(user_id=ann.pk, template_id=template.pk, slug="claim")


@pytest.fixture
def node(caller: Caller) -> DataNode:
    return create_data_node(caller=caller, data={"amount": 7}, step="ask")


def address(node: DataNode) -> str:
    return f"/api/data-nodes/{node.reference}/"


def test_it_is_told_to_whom_it_is_bound(node: DataNode, ann: User) -> None:
    told = signed_in(ann).get(address(node)).json()
    assert {key: told[key] for key in ("reference", "process", "instance", "step", "revision", "data")} == {
        "reference": node.reference, "process": "claim", "instance": None, "step": "ask", "revision": 1,
        "data": {"amount": 7},
    }  # fmt: skip
    assert by_token(ann, "data-nodes:read").get(address(node)).status_code == 200


def test_what_a_process_keeps_to_itself_is_not_told(caller: Caller, ann: User) -> None:
    node = create_data_node(caller=caller, data={"amount": 7, "_score": 0.2}, step="ask")

    assert signed_in(ann).get(address(node)).json()["data"] == {"amount": 7}


def test_for_everybody_else_there_is_none(node: DataNode, ann: User) -> None:
    boss = User.objects.create_superuser("boss")
    for client in (Client(), signed_in(boss), signed_in(person("bob", staff=False))):
        told = client.get(address(node))
        missing = client.get("/api/data-nodes/AAAAAAAAAAAAAAAAAAAAAA/")
        assert (told.status_code, told.content) == (404, missing.content)
        assert client.delete(address(node)).status_code == 404
    assert by_token(ann, "runs:read").get(address(node)).status_code == 403
    assert DataNode.objects.filter(pk=node.pk).exists()


@pytest.mark.parametrize("reference", ["x", "A" * 22, "%00" * 22, "ä" * 22, "../instances"])
def test_what_is_no_reference_isn_t_there(ann: User, reference: str) -> None:
    assert signed_in(ann).get(f"/api/data-nodes/{reference}/").status_code == 404


def test_neither_what_has_expired_nor_the_data_of_an_instance(node: DataNode, ann: User) -> None:
    DataNode.objects.filter(pk=node.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert signed_in(ann).get(address(node)).status_code == 404
    instance = leave(leave_type(), ann)
    own = DataNode.objects.get(kind=DataNodeKind.CONTEXT, instance=instance)
    assert signed_in(ann).get(address(own)).status_code == 404


def test_the_session_of_somebody_not_signed_in_owns_its_data(template: ProcessTemplate) -> None:
    client = Client()
    client.session["x"] = 1
    session = client.session
    session.save()
    client.cookies["sessionid"] = session.session_key
    caller = Caller(session_key=session.session_key, template_id=template.pk, slug="claim")
    node = create_data_node(caller=caller, data={"amount": 7})
    assert client.get(address(node)).status_code == 200
    assert Client().get(address(node)).status_code == 404


def test_a_tag_tells_whether_it_has_changed(node: DataNode, caller: Caller, ann: User) -> None:
    client = signed_in(ann)
    tag = client.get(address(node)).headers["ETag"]
    assert client.get(address(node), headers={"If-None-Match": tag}).status_code == 304
    claim_revision(caller=caller, node=node, data={"amount": 8})
    changed = client.get(address(node), headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json()["revision"]) == (200, 2)


def test_only_drafts_are_thrown_away(node: DataNode, ann: User) -> None:
    client = signed_in(ann)
    assert client.delete(address(node)).status_code == 404
    DataNode.objects.filter(pk=node.pk).update(drafted_at=timezone.now())
    assert by_token(ann, "data-nodes:read").delete(address(node)).status_code == 403
    assert client.delete(address(node)).status_code == 204
    assert client.get(address(node)).status_code == 404
