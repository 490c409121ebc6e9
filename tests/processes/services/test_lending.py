"""What lends its owner's rights comes into force only by the owner or a superuser, whatever was edited for it."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from processes.domain.application import Application
from processes.domain.interpreter import Interpreter
from processes.domain.request import Request
from processes.models import ProcessInstance, ProcessTemplate, VersionCause
from processes.services.access import Caller
from processes.services.authoring.templates import publish
from processes.services.authoring.versions import roll_back
from processes.services.background import continue_in_background
from processes.services.derivation import load_plan
from processes.services.errors import LendingRefusedError, PublishRefusedError
from processes.services.foreground import published_plan
from processes.services.host import DjangoHost
from processes.services.lending import lends_authority
from tests.processes.authority_kit import own
from tests.processes.services.published import action, change_draft, page, publish_process, save_process

pytestmark = pytest.mark.django_db

WRAP = action("wrapped", "run_as_owner", config={"process": "${inner}"})
INNER = {"inner": {"process": "inner"}}


@pytest.fixture
def owner() -> User:
    return User.objects.create_user("owner")


@pytest.fixture
def editor() -> User:
    return User.objects.create_user("editor", is_staff=True)


@pytest.fixture
def lending(owner: User) -> ProcessTemplate:
    publish_process("inner", [page("first", "x")])
    return own(publish_process("lending", [WRAP], bindings=INNER), owner)


def test_an_editor_saves_the_draft_of_what_lends_and_its_owner_publishes_it(
    lending: ProcessTemplate, owner: User, editor: User
) -> None:
    change_draft(lending, [WRAP, page("more", "x")])
    before = lending.published_plan_id
    with pytest.raises(LendingRefusedError) as refused:
        publish(template=lending, user=editor)
    assert [item["template"] for item in refused.value.fields["broken"]] == ["lending"]
    assert "owner" in refused.value.fields["broken"][0]["message"]
    lending.refresh_from_db()
    assert lending.published_plan_id == before
    publish(template=lending, user=owner)
    assert lending.published_plan_id != before


@pytest.mark.parametrize("who", ["superuser", "operator"])
def test_a_superuser_and_the_sites_own_commands_may(lending: ProcessTemplate, who: str) -> None:
    change_draft(lending, [WRAP, page("more", "x")])
    publish(template=lending, user=User.objects.create_superuser("root") if who == "superuser" else None)


def test_an_inactive_superuser_may_not(lending: ProcessTemplate) -> None:
    change_draft(lending, [WRAP, page("more", "x")])
    with pytest.raises(LendingRefusedError):
        publish(template=lending, user=User.objects.create_superuser("root", is_active=False))


@pytest.mark.parametrize("edited", ["inner", "base"])
def test_what_it_calls_or_extends_is_guarded_like_itself(
    lending: ProcessTemplate, owner: User, editor: User, edited: str
) -> None:
    base = publish_process("base", [page("second", "x")])
    child = save_process("child", [WRAP], bindings=INNER, extends=[base])
    own(child, owner)
    publish(template=child)
    changed = ProcessTemplate.objects.get(slug=edited)
    change_draft(changed, [page("second", "malicious")])
    with pytest.raises(PublishRefusedError) as refused:
        publish(template=changed, user=editor)
    broken = {item["template"] for item in refused.value.fields["broken"]}
    assert broken == ({"lending", "child"} if edited == "inner" else {"child"})
    publish(template=changed, user=owner)


def test_going_back_to_an_earlier_version_is_publishing(lending: ProcessTemplate, owner: User, editor: User) -> None:
    change_draft(lending, [WRAP, page("more", "x")])
    publish(template=lending, user=owner)
    with pytest.raises(LendingRefusedError):
        roll_back(template=lending, number=1, user=editor)
    roll_back(template=lending, number=1, user=owner)
    assert lending.versions.first().cause == VersionCause.ROLLED_BACK  # type: ignore[union-attr]


@pytest.mark.parametrize("owned_by", ["editor", "nobody"])
def test_an_editor_publishes_what_lends_only_their_own_rights_or_none(
    lending: ProcessTemplate, editor: User, owned_by: str
) -> None:
    own(lending, editor if owned_by == "editor" else None)
    change_draft(lending, [WRAP, page("more", "x")])
    publish(template=lending, user=editor)


def test_what_lends_nothing_is_published_by_any_editor(owner: User, editor: User) -> None:
    plain = own(publish_process("plain", [page("first", "x")]), owner)
    change_draft(plain, [page("first", "y")])
    publish(template=plain, user=editor)


def test_making_a_process_lend_needs_its_owner_too(owner: User, editor: User) -> None:
    publish_process("inner", [page("first", "x")])
    plain = own(publish_process("plain", [page("first", "x")], bindings=INNER), owner)
    change_draft(plain, [WRAP])
    with pytest.raises(LendingRefusedError):
        publish(template=plain, user=editor)


@pytest.mark.parametrize(
    ("actions", "bindings", "lends"),
    [
        ([WRAP], INNER, True),
        ([action("wrapped", "runAsOwner", config={"process": "${inner}"})], INNER, True),
        ([action("wrapped", "mine", config={"script": "noop"})], {"mine": {"script": "run_as_owner"}}, True),
        ([page("x", "y")], {"mine": {"script": "run_as_owner"}}, True),
        ([action("calls", "other")], {"other": {"process": "lending"}}, True),
        ([action("loop", "call_process", config={"process": "${deep}"})], {"deep": {"process": [WRAP | {"config": {
            "script": "noop"}}]}}, True),
        ([action("asCaller", "run_as_caller", config={"script": "noop"})], {}, False),
        ([page("x", "y")], INNER, False),
    ],
)  # fmt: skip
def test_what_lends(lending: ProcessTemplate, actions: Any, bindings: Any, lends: bool) -> None:
    template = publish_process("it", actions, bindings=bindings)
    assert template.published_plan_id is not None
    assert lends_authority(load_plan(template.published_plan_id)) is lends


def test_nobody_makes_a_process_lend_by_calling_it_back(owner: User, editor: User) -> None:
    """Processes that lead back to themselves are called by their names: their hashes don't change with each other."""
    helper = publish_process("helper", [page("first", "x")])
    own(publish_process("plain", [action("calls", "helper")], bindings={"helper": {"process": "helper"}}), owner)
    evil = [action("steal", "run_as_owner", config={"script": "noop"}), page("first", "x")]
    change_draft(helper, evil, back={"process": "plain"})
    with pytest.raises(LendingRefusedError):
        publish(template=helper, user=editor)
    change_draft(helper, [page("first", "x")], back={"process": "plain"})
    publish(template=helper, user=editor)
    change_draft(helper, evil)
    with pytest.raises(LendingRefusedError) as refused:
        publish(template=helper, user=editor)
    assert [item["template"] for item in refused.value.fields["broken"]] == ["plain"]
    publish(template=helper, user=owner)


@pytest.mark.parametrize("work", ["instance", "run"])
def test_what_instances_and_runs_call_by_its_name_is_guarded_too(owner: User, editor: User, work: str) -> None:
    helper = publish_process("helper", [page("first", "x")])
    plain = publish_process("plain", [action("calls", "helper")], bindings={"helper": {"process": "helper"}})
    change_draft(helper, [page("first", "x")], back={"process": "plain"})
    publish(template=helper)
    plain.refresh_from_db()
    if work == "instance":
        ProcessInstance.objects.create(template=plain, plan_id=plain.published_plan_id, owner=owner)
    else:
        start_run(own(plain, owner))
    # The template itself doesn't call it any more; what is under way does.
    change_draft(plain, [page("first", "x")], unused={"value": 1})
    publish(template=plain)
    change_draft(helper, [action("steal", "run_as_owner", config={"script": "noop"})])
    with pytest.raises(LendingRefusedError, match="plain"):
        publish(template=helper, user=editor)
    publish(template=helper, user=owner)


def start_run(template: ProcessTemplate) -> None:
    plan = published_plan(template)
    host = DjangoHost(caller=Caller(session_key="visitor", template_id=template.pk), plan=plan)
    app = Application(request=Request(), execution=host.execution)
    interpreter = Interpreter.start(plan, app=app, host=host)
    continue_in_background(app=app, interpreter=interpreter, template=template, caller=host.caller)


def test_an_inline_process_extends_only_what_is_published(owner: User) -> None:
    """A draft, which every editor changes, would come into force with whatever its users build on."""
    draft = save_process("draft", [page("first", "x")])
    bindings = {"inner": {"process": {"extends": ["draft"], "definition": []}}}
    user = own(save_process("user", [action("calls", "inner")], bindings=bindings), owner)
    with pytest.raises(PublishRefusedError) as refused:
        publish(template=user)
    assert "isn't published yet" in refused.value.fields["broken"][0]["message"]
    publish(template=draft)
    publish(template=user)


def test_a_process_that_calls_itself_is_looked_through_once(lending: ProcessTemplate) -> None:
    template = publish_process("circle", [action("again", "circle")], bindings={"circle": {"process": "circle"}})
    assert template.published_plan_id is not None
    assert not lends_authority(load_plan(template.published_plan_id))
