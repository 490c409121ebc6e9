"""Data nodes belong to somebody, expire, and let one submitter win."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from processes.models import DataNode
from processes.services import data_nodes
from processes.services.access import Caller
from processes.services.errors import ConflictError, DataNodeNotFoundError

pytestmark = pytest.mark.django_db

SESSION = Caller(session_key="s" * 32)


@pytest.fixture
def node() -> DataNode:
    return data_nodes.create_data_node(caller=SESSION, data={"a": 1})


def test_a_node_is_found_by_its_owner_only(node: DataNode) -> None:
    user = Caller(user_id=User.objects.create_user("ada").pk)
    of_user = data_nodes.create_data_node(caller=user, data={})
    assert data_nodes.load_data_node(caller=SESSION, reference=node.reference).data == {"a": 1}
    for caller, reference in (
        (user, node.reference),
        (SESSION, of_user.reference),
        (Caller(), node.reference),
        (Caller(session_key="x" * 32), node.reference),
        (Caller(session_key=SESSION.session_key, template_id=7), node.reference),
    ):
        with pytest.raises(DataNodeNotFoundError):
            data_nodes.load_data_node(caller=caller, reference=reference)


def test_references_are_not_to_be_guessed() -> None:
    references = {data_nodes.create_data_node(caller=SESSION, data={}).reference for _ in range(50)}
    assert len(references) == 50
    assert {len(reference) for reference in references} == {22}


def test_nobody_without_an_identity_can_keep_data() -> None:
    with pytest.raises(DataNodeNotFoundError):
        data_nodes.create_data_node(caller=Caller(), data={})


def test_a_node_lives_as_long_as_the_setting_says_and_longer_with_each_save(node: DataNode, settings) -> None:
    settings.STEPLINE_DATA_NODE_HOURS = 2
    for kept, hours in ((timedelta(hours=1), 2), (timedelta(days=30), 30 * 24)):
        DataNode.objects.update(expires_at=timezone.now() + kept)
        saved = data_nodes.save_data_node(caller=SESSION, reference=node.reference, data={})
        left = saved.expires_at - timezone.now()
        # A result, which was given a longer life, isn't robbed of it when it is saved again.
        assert timedelta(hours=hours - 0.1) < left <= timedelta(hours=hours)


def test_an_expired_node_is_not_there_and_is_cleared_away_by_the_next_one(node: DataNode) -> None:
    DataNode.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(DataNodeNotFoundError):
        data_nodes.claim_revision(caller=SESSION, node=node)
    data_nodes.create_data_node(caller=SESSION, data={})
    assert not DataNode.objects.filter(pk=node.pk).exists()


def at(node: DataNode, revision: int) -> DataNode:
    """Return a node as somebody has loaded it when it had that revision."""
    loaded = DataNode.objects.get(pk=node.pk)
    loaded.revision = revision
    return loaded


def test_the_first_claim_wins_and_the_second_learns_how_things_stand(node: DataNode) -> None:
    claimed = data_nodes.claim_revision(caller=SESSION, node=node, step="ask")
    assert (claimed.revision, claimed.step) == (2, "ask")
    with pytest.raises(ConflictError) as caught:
        data_nodes.claim_revision(caller=SESSION, node=node, step="never")
    assert caught.value.fields == {
        "reference": node.reference,
        "step": "ask",
        "continued_in": None,
        "at": claimed.updated_at.isoformat(),
        "drafted": False,
    }
    assert DataNode.objects.get().step == "ask"


@pytest.mark.parametrize("revision", [-1, 2, 99])
def test_a_revision_that_never_was_is_not_claimed(node: DataNode, revision: int) -> None:
    with pytest.raises(DataNodeNotFoundError):
        data_nodes.claim_revision(caller=SESSION, node=at(node, revision))


def test_what_is_noted_leaves_the_revision_and_yields_to_a_claim(node: DataNode) -> None:
    noted = data_nodes.note(caller=SESSION, node=node, entered={"ask": {"a": "1"}})
    assert (noted.revision, noted.entered) == (1, {"ask": {"a": "1"}})
    data_nodes.claim_revision(caller=SESSION, node=noted)
    with pytest.raises(ConflictError):
        data_nodes.note(caller=SESSION, node=noted, entered={})
    assert DataNode.objects.get().entered == {"ask": {"a": "1"}}


def test_a_claim_that_is_given_back_restores_data_and_revision(node: DataNode) -> None:
    claimed = data_nodes.claim_revision(caller=SESSION, node=node)
    data_nodes.save_data_node(caller=SESSION, reference=node.reference, data={"half": True}, step="later")
    assert data_nodes.give_back_claim(node=claimed)
    node.refresh_from_db()
    assert (node.revision, node.data, node.step) == (1, {"a": 1}, "")


def test_a_claim_may_be_given_back_with_its_number_spent(node: DataNode) -> None:
    claimed = data_nodes.claim_revision(caller=SESSION, node=node)
    data_nodes.save_data_node(caller=SESSION, reference=node.reference, data={"half": True})
    assert data_nodes.give_back_claim(node=claimed, keeps_revision=True)
    node.refresh_from_db()
    assert (node.revision, node.data) == (2, {"a": 1})


def test_a_claim_cannot_be_given_back_once_somebody_went_on(node: DataNode) -> None:
    claimed = data_nodes.claim_revision(caller=SESSION, node=node)
    data_nodes.claim_revision(caller=SESSION, node=claimed)
    assert not data_nodes.give_back_claim(node=claimed)
    node.refresh_from_db()
    assert node.revision == 3


# -- nodes that were only promised -------------------------------------------------------------------------------------


def promised() -> DataNode:
    return data_nodes.promised_node(caller=SESSION, reference="p" * 22)


def test_the_first_claim_of_a_promised_node_creates_it(settings) -> None:
    settings.STEPLINE_DATA_NODE_HOURS = 2
    claimed = data_nodes.claim_revision(caller=SESSION, node=promised(), step="ask")
    assert (claimed.reference, claimed.revision, claimed.step, claimed.data) == ("p" * 22, 1, "ask", {})
    assert timedelta(hours=1.9) < claimed.expires_at - timezone.now() <= timedelta(hours=2)
    with pytest.raises(ConflictError):
        data_nodes.claim_revision(caller=SESSION, node=promised())
    assert DataNode.objects.get() == claimed


def test_one_that_was_only_noted_can_still_be_claimed() -> None:
    assert data_nodes.note(caller=SESSION, node=promised(), entered={"ask": {}}).revision == 0
    assert data_nodes.note(caller=SESSION, node=promised(), entered={"ask": {}}).revision == 0
    assert data_nodes.claim_revision(caller=SESSION, node=promised()).revision == 1


def test_a_claim_of_a_promised_node_that_is_given_back_can_be_repeated() -> None:
    claimed = data_nodes.claim_revision(caller=SESSION, node=promised())
    assert data_nodes.give_back_claim(node=claimed)
    assert data_nodes.claim_revision(caller=SESSION, node=promised()).revision == 1


def test_a_reference_that_is_somebody_elses_is_not_found() -> None:
    other = Caller(session_key="t" * 32)
    data_nodes.claim_revision(caller=other, node=data_nodes.promised_node(caller=other, reference="p" * 22))
    with pytest.raises(DataNodeNotFoundError):
        data_nodes.claim_revision(caller=SESSION, node=promised())


def test_a_deleted_node_is_not_made_anew_by_its_promise_as_long_as_that_holds(node: DataNode, settings) -> None:
    settings.STEPLINE_DATA_NODE_HOURS = 2
    data_nodes.claim_revision(caller=SESSION, node=promised(), entered={"ask": {"a": "secret"}})
    assert data_nodes.delete_data_node(caller=SESSION, reference="p" * 22)
    assert not data_nodes.delete_data_node(caller=SESSION, reference="p" * 22)
    with pytest.raises(DataNodeNotFoundError):
        data_nodes.claim_revision(caller=SESSION, node=promised())
    left = DataNode.objects.get(reference="p" * 22)
    assert (left.data, left.entered, left.owner, left.session_key) == ({}, {}, None, "")
    assert left.expires_at <= timezone.now() + timedelta(hours=2)
    DataNode.objects.filter(pk=node.pk).update(created_at=timezone.now() - timedelta(hours=3))
    assert data_nodes.delete_data_node(caller=SESSION, reference=node.reference)
    assert not DataNode.objects.filter(reference=node.reference).exists()


def test_one_background_run_takes_the_data_over(node: DataNode) -> None:
    first, second = uuid4(), uuid4()
    data_nodes.hand_over(node=node, root_id=first)
    with pytest.raises(ConflictError) as caught:
        data_nodes.hand_over(node=node, root_id=second)
    assert caught.value.fields["continued_in"] == str(first)
    with pytest.raises(ConflictError):
        data_nodes.claim_revision(caller=SESSION, node=node)
    assert not data_nodes.give_back_claim(node=node)
