"""A run waits with lent rights, and they are taken away meanwhile: it fails where it would use them, and says why."""

import uuid

import pytest
from django.contrib.auth.models import User

from processes.domain.directives import Park
from processes.models import Grant, Run
from processes.registry import scripts
from processes.services.grants import revoke_grant
from processes.services.inbox import resume_run
from tests.processes.authority_kit import own, telling


@pytest.fixture
def parked(kit):  # type: ignore[no-untyped-def]
    """Give a function that starts a run which waits inside a wrapped process, before it tells whose rights it has."""

    def start(wrapper: str) -> tuple[uuid.UUID, User, User]:
        owner, caller = User.objects.create_user("owner"), User.objects.create_user("caller")
        inside = [{"name": "wait", "script": "test_wait"}, {"name": "tell", "script": telling_name}]
        template = kit.template(
            {"name": "store", "script": "store_credentials"},
            {"name": "wrapped", "script": wrapper, "config": {"process": "${inside}"}},
            {"name": "after", "script": telling_name},
            bindings={"inside": {"process": inside}},
        )
        own(template, owner)
        run_id = kit.start(template=template, user=caller)
        kit.work()
        assert kit.run(run_id).status == "waiting"
        return run_id, owner, caller

    with telling() as telling_name, scripts.override("test_wait", lambda app: Park(reason="wait"), durable=True):
        yield start


def resume(kit, run_id: uuid.UUID) -> Run:  # type: ignore[no-untyped-def]
    run = kit.run(run_id)
    resume_run(run_id=run_id, ordinal=run.ordinal, state=None, dedupe_key="go")
    kit.work()
    return kit.run(run_id)  # type: ignore[no-any-return]


def test_what_still_holds_is_used(kit, parked) -> None:  # type: ignore[no-untyped-def]
    run = resume(kit, parked("run_as_owner")[0])
    assert (run.status, run.error) == ("completed", None)
    assert kit.data(run.pk)["told"] == ["tell owner/caller", "after caller/caller"]


@pytest.mark.parametrize("how", ["inactive", "deleted"])
def test_an_owner_who_leaves_lends_nothing_any_more(kit, parked, how: str) -> None:  # type: ignore[no-untyped-def]
    run_id, owner, _ = parked("run_as_owner")
    if how == "deleted":
        owner.delete()
    else:
        User.objects.filter(pk=owner.pk).update(is_active=False)
    run = resume(kit, run_id)
    assert (run.status, run.error["code"], run.error["action"]) == ("failed", "authority", "tell")
    assert kit.data(run_id)["told"] == []


@pytest.mark.parametrize("how", ["revoked", "inactive"])
def test_credentials_that_are_taken_back_lend_nothing_any_more(kit, parked, how: str) -> None:  # type: ignore[no-untyped-def]
    run_id, _, caller = parked("run_as_caller")
    if how == "revoked":
        assert revoke_grant(Grant.objects.get().reference, execution=str(run_id))
    else:
        User.objects.filter(pk=caller.pk).update(is_active=False)
    run = resume(kit, run_id)
    assert (run.status, run.error["code"], run.error["action"]) == ("failed", "authority", "tell")
