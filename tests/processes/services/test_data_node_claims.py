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
        data_nodes.claim_revision(caller=SESSION, reference=node.reference, revision=1)
    data_nodes.create_data_node(caller=SESSION, data={})
    assert not DataNode.objects.filter(pk=node.pk).exists()


def test_the_first_claim_wins_and_the_second_learns_how_things_stand(node: DataNode) -> None:
    claimed = data_nodes.claim_revision(caller=SESSION, reference=node.reference, revision=1)
    assert claimed.revision == 2
    with pytest.raises(ConflictError) as caught:
        data_nodes.claim_revision(caller=SESSION, reference=node.reference, revision=1)
    assert caught.value.fields == {"reference": node.reference, "step": "", "continued_in": None}


@pytest.mark.parametrize("revision", [-1, 0, 2, 99])
def test_a_revision_that_never_was_is_not_claimed(node: DataNode, revision: int) -> None:
    with pytest.raises(DataNodeNotFoundError):
        data_nodes.claim_revision(caller=SESSION, reference=node.reference, revision=revision)


def test_a_claim_that_is_given_back_restores_data_and_revision(node: DataNode) -> None:
    claimed = data_nodes.claim_revision(caller=SESSION, reference=node.reference, revision=1)
    data_nodes.save_data_node(caller=SESSION, reference=node.reference, data={"half": True}, step="later")
    assert data_nodes.give_back_claim(node=claimed)
    node.refresh_from_db()
    assert (node.revision, node.data, node.step) == (1, {"a": 1}, "")


def test_a_claim_cannot_be_given_back_once_somebody_went_on(node: DataNode) -> None:
    claimed = data_nodes.claim_revision(caller=SESSION, reference=node.reference, revision=1)
    data_nodes.claim_revision(caller=SESSION, reference=node.reference, revision=2)
    assert not data_nodes.give_back_claim(node=claimed)
    node.refresh_from_db()
    assert node.revision == 3


def test_one_background_run_takes_the_data_over(node: DataNode) -> None:
    first, second = uuid4(), uuid4()
    data_nodes.hand_over(node=node, root_id=first)
    with pytest.raises(ConflictError) as caught:
        data_nodes.hand_over(node=node, root_id=second)
    assert caught.value.fields["continued_in"] == str(first)
    with pytest.raises(ConflictError):
        data_nodes.claim_revision(caller=SESSION, reference=node.reference, revision=1)
    assert not data_nodes.give_back_claim(node=node)
