"""Process instances: created with Data and bindings of their own, executed, also from other processes."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.utils import timezone

from processes.domain.application import Application
from processes.domain.request import Request
from processes.errors import DefinitionError, NotJsonError, PermanentError, ProcessError
from processes.models import (
    Access,
    AuditEntry,
    Connection,
    DataNode,
    FileHolder,
    Plan,
    ProcessInstance,
    ProcessTemplate,
    Run,
    StoredFile,
)
from processes.registry import scripts
from processes.services.access import Caller
from processes.services.authoring.templates import publish
from processes.services.data_nodes import create_data_node, load_data_node, save_data_node
from processes.services.doer import STEPLINE
from processes.services.errors import (
    AuthorityError,
    BindingRefusedError,
    DataNodeNotFoundError,
    InstanceNotFoundError,
    NotPublishedError,
    TemplateNotFoundError,
)
from processes.services.files import open_file, store_file
from processes.services.foreground import Answer, Visit, published_plan, run_foreground
from processes.services.instance_status import set_status
from processes.services.instances import context_node_of, create_instance, execute_instance
from tasks.services.roots import Owner, create_root
from tests.processes.authority_kit import own
from tests.processes.services.published import action, change_draft, page, publish_process, save_process

pytestmark = pytest.mark.django_db

CLAIM = [
    page("show", "Amount: %{data:amount}", entry=True),
    action("add", "set_data", config={"values": {"amount": 7}}),
    action("save", "save_data", next=False),
    action("@init", "set_data", config={"values": {"amount": 3}}, next="save"),
    action("@start", "load_data"),
]


@pytest.fixture
def owner() -> User:
    return User.objects.create_user("owner")


def claim(**options: Any) -> ProcessTemplate:
    return publish_process("claim", CLAIM, **options)


# -- creating ---------------------------------------------------------------------------------------------------------


def test_an_instance_begins_with_its_data_and_runs_init_once(owner: User) -> None:
    seen: list[str] = []
    with scripts.override("test_init", lambda app: seen.append(app.data["amount"])):
        actions = [
            page("show", "x"),
            action("@init", "test_init", entry=False, next=False),
            action("@start", "load_data"),
        ]
        instance = create_instance(
            template=publish_process("claim", actions), owner=owner, data={"amount": 5}, title="Trip to Graz"
        )
        execute_instance(instance=instance, user=owner)
    assert seen == [5]
    assert str(instance) == "Trip to Graz"


def test_without_init_nothing_runs(owner: User) -> None:
    instance = create_instance(template=publish_process("claim", [action("first", "fail")]), owner=owner)
    assert context_node_of(instance).data == {}


def test_what_init_saves_is_the_instances_data(owner: User) -> None:
    assert context_node_of(create_instance(template=claim(), owner=owner)).data == {"amount": 3}


def test_an_instance_whose_init_fails_is_not_there(owner: User) -> None:
    template = publish_process("claim", [action("first"), action("@init", "fail", config={"code": "no_budget"})])
    with pytest.raises(ProcessError) as failed:
        create_instance(template=template, owner=owner)
    assert failed.value.code == "no_budget"
    assert not ProcessInstance.objects.exists()
    assert not DataNode.objects.exists()
    told = AuditEntry.objects.filter(subject_kind="processinstance").order_by("pk").values_list("action", flat=True)
    assert list(told) == ["instance.created", "instance.deleted"]


def test_where_init_fails_the_draft_and_its_files_are_what_they_were(owner: User) -> None:
    saves = action("@init", "save_data", next="refuse")
    template = publish_process("claim", [page("show", "x"), saves, action("refuse", "fail"), action("@start", "noop")])
    caller = Caller(user_id=owner.pk, template_id=template.pk, slug=template.slug)
    node = create_data_node(caller=caller, data={})
    receipt = dict(store_file(content=b"paid", name="r.txt", caller=caller, belongs_to=node))
    loose = dict(store_file(content=b"loose", name="l.txt", caller=caller))
    save_data_node(caller=caller, reference=node.reference, data={"receipt": receipt})
    DataNode.objects.update(drafted_at=timezone.now(), entered={"ask": {"what": "typed"}})
    rows = StoredFile.objects.order_by("pk").values("pk", "node_id", "run_id", "instance_id", "expires_at")
    before = [*rows]
    node.refresh_from_db()

    with pytest.raises(ProcessError):
        create_instance(template=template, owner=owner, data={"files": [receipt, loose]}, caller=caller, node=node)

    assert [*rows] == before
    left = DataNode.objects.get()
    assert (left.data, left.entered) == ({"receipt": receipt}, {"ask": {"what": "typed"}})
    assert (left.continued_in, left.drafted_at) == (None, node.drafted_at)
    with open_file(receipt, caller=caller) as content:
        assert content.read() == b"paid"


def test_where_init_fails_after_the_node_has_gone_there_is_no_instance_and_the_error_is_its_own(owner: User) -> None:
    def drop(app: Application) -> None:
        DataNode.objects.filter(kind="temporary").delete()
        raise ValueError("no")

    with scripts.override("test_drop", drop):
        template = publish_process("claim", [page("show", "x"), action("@init", "test_drop")])
        caller = Caller(user_id=owner.pk, template_id=template.pk, slug=template.slug)
        node = create_data_node(caller=caller, data={})
        receipt = dict(store_file(content=b"paid", name="r.txt", caller=caller, belongs_to=node))
        with pytest.raises(ProcessError, match="no"):
            create_instance(template=template, owner=owner, data={"receipt": receipt}, caller=caller, node=node)
    assert not ProcessInstance.objects.exists()
    assert not StoredFile.objects.exists()


def test_where_init_fails_a_run_has_its_files_again(owner: User) -> None:
    template = publish_process("claim", [page("show", "x"), action("@init", "fail")])
    caller = Caller(user_id=owner.pk, template_id=template.pk, slug=template.slug)
    root = create_root(title="Run", owner=Owner(user_id=owner.pk), steps=[])
    run = Run.objects.create(root=root, plan_id=template.published_plan_id, user_id=owner.pk, cursor={}, request={})
    made = dict(store_file(content=b"made", name="m.txt", caller=caller, belongs_to=run))
    with pytest.raises(ProcessError):
        create_instance(template=template, owner=owner, data={"files": [made]}, caller=caller)
    assert StoredFile.objects.get().run == run
    assert not FileHolder.objects.exists()
    run.delete()
    assert not StoredFile.objects.exists()


def test_publishing_the_template_changes_no_instance(owner: User) -> None:
    template = claim()
    instance = create_instance(template=template, owner=owner)
    assert instance.plan_id == template.published_plan_id
    change_draft(template, [page("show", "Something else")])
    publish(template=template)
    assert "Amount: 3" in str(execute_instance(instance=instance, user=owner).response.content)
    other = create_instance(template=template, owner=owner)
    assert "Something else" in str(execute_instance(instance=other, user=owner).response.content)


# -- its bindings -----------------------------------------------------------------------------------------------------


def rate(name: str, text: str = "Rate %{data:rate}", **options: Any) -> ProcessTemplate:
    actions = [action("take", "set_data", config={"values": {"rate": "${rate}"}}), page("show", text)]
    return publish_process(name, actions, bindings={"rate": {"value": 1}}, **options)


def test_an_instance_overrides_bindings_once_more(owner: User) -> None:
    base = rate("base")
    template = publish_process("child", [], bindings={"rate": {"value": 2}}, extends=[base])
    instances = [
        create_instance(template=template, owner=owner, bindings=bindings) for bindings in ({}, {"rate": {"value": 3}})
    ]
    shown = [str(execute_instance(instance=instance, user=owner).response.content) for instance in instances]
    assert shown == ["<p>Rate 2</p>", "<p>Rate 3</p>"]
    assert instances[0].plan_id == template.published_plan_id
    assert instances[1].bindings == {"rate": {"value": 3}}


def test_it_is_derived_from_what_is_published_not_from_a_draft(owner: User) -> None:
    template = rate("rates")
    change_draft(template, [page("show", "unfinished")])
    instance = create_instance(template=template, owner=owner, bindings={"rate": {"value": 3}})
    assert "Rate 3" in str(execute_instance(instance=instance, user=owner).response.content)


def test_equal_bindings_give_equal_plans(owner: User) -> None:
    template = rate("rates")
    plans = {create_instance(template=template, owner=owner, bindings={"rate": {"value": 3}}).plan_id for _ in range(2)}
    assert len(plans) == 1
    assert Plan.objects.filter(pk__in=plans).exists()


@pytest.mark.parametrize(
    "bindings", [{"rate": {"process": "nowhere"}}, {"rate": {"nonsense": 1}}, {"": {"value": 1}}, {"rate": 3}]
)
def test_bindings_that_fit_nothing_create_nothing(owner: User, bindings: Any) -> None:
    template = rate("rates")
    with pytest.raises(DefinitionError) as refused:
        create_instance(template=template, owner=owner, bindings=bindings)
    assert refused.value.problems[0].path.startswith("/bindings")
    assert not ProcessInstance.objects.exists()


@pytest.mark.parametrize("kind", ["draft", "abstract"])
def test_only_what_is_published_can_have_instances(owner: User, kind: str) -> None:
    template = save_process("claim", [page("show", "x")], abstract=kind == "abstract")
    if kind == "abstract":
        publish(template=template)
    with pytest.raises(NotPublishedError):
        create_instance(template=template, owner=owner)


# -- who may ----------------------------------------------------------------------------------------------------------


def test_an_actor_needs_to_be_allowed_and_can_own_it_only_themselves(owner: User) -> None:
    actor, root = User.objects.create_user("actor"), User.objects.create_superuser("root")
    template = claim(access=Access.STAFF)
    with pytest.raises(TemplateNotFoundError):
        create_instance(template=template, owner=actor, actor=actor)
    ProcessTemplate.objects.update(access=Access.SIGNED_IN)
    with pytest.raises(AuthorityError):
        create_instance(template=template, owner=owner, actor=actor)
    assert create_instance(template=template, owner=actor, actor=actor).owner == actor
    assert create_instance(template=template, owner=owner, actor=root).owner == owner


def test_an_actor_overrides_bindings_only_where_they_may_edit(owner: User) -> None:
    with pytest.raises(PermanentError) as refused:
        create_instance(template=rate("rates"), owner=owner, actor=owner, bindings={"rate": {"value": 3}})
    assert refused.value.code == "not_allowed"


def test_an_actor_binds_only_the_connections_that_they_may(owner: User) -> None:
    Connection.objects.create(name="bank", everyone=False)
    editor = User.objects.create_user("editor", is_staff=True)
    editor.user_permissions.add(Permission.objects.get(codename="change_processtemplate"))
    bindings = {"account": {"credential": "bank"}}
    with pytest.raises(BindingRefusedError):
        create_instance(template=rate("rates"), owner=editor, actor=editor, bindings=bindings)
    assert not ProcessInstance.objects.exists()


@pytest.mark.parametrize(
    ("given", "path"),
    [({"data": {"days": {1, 2}}}, "/data/days"), ({"title": "a\0b"}, "/title")],
)
def test_what_can_t_be_stored_is_told_with_its_place(owner: User, given: Any, path: str) -> None:
    with pytest.raises(NotJsonError) as caught:
        create_instance(template=publish_process("a", [page("show", "here")]), owner=owner, **given)
    assert caught.value.path == path


@pytest.mark.parametrize("status", ["*", "!open", "null", " open", "a\0b", "x" * 61])
def test_what_rules_couldn_t_tell_apart_is_no_status(owner: User, status: str) -> None:
    template = publish_process("a", [page("show", "here")])
    with pytest.raises(PermanentError) as caught:
        create_instance(template=template, owner=owner, status=status)
    assert caught.value.code == "config"
    instance = create_instance(template=template, owner=owner, status="open")
    with pytest.raises(PermanentError):
        set_status(instance.pk, status, doer=STEPLINE)
    instance.refresh_from_db()
    assert instance.status == "open"


def test_the_data_outlives_its_owner(owner: User) -> None:
    instance = create_instance(template=publish_process("a", [page("show", "here")]), owner=owner, data={"days": 3})
    owner.delete()
    instance.refresh_from_db()
    assert instance.owner is None
    assert context_node_of(instance).data == {"days": 3}


def test_data_that_an_earlier_release_has_stored_outlives_it_once_it_was_saved(owner: User) -> None:
    template = publish_process("a", [action("load", "load_data"), action("save", "save_data", next=False)])
    instance = create_instance(template=template, owner=owner, data={"days": 3})
    DataNode.objects.update(owner=owner)
    execute_instance(instance=instance, user=owner)
    owner.delete()
    assert context_node_of(instance).data == {"days": 3}


def test_a_title_is_cut_to_its_column(owner: User) -> None:
    created = create_instance(template=publish_process("a", [page("show", "here")]), owner=owner, title="x" * 201)
    assert created.title == "x" * 200


def test_executing_is_for_those_who_may(owner: User) -> None:
    instance = create_instance(template=claim(), owner=owner)
    with pytest.raises(InstanceNotFoundError):
        execute_instance(instance=instance, user=User.objects.create_user("other"))


# -- executing --------------------------------------------------------------------------------------------------------


def test_what_is_executed_reads_and_writes_the_instances_data(owner: User) -> None:
    instance = create_instance(template=claim(), owner=owner)
    execute_instance(instance=instance, user=owner, action="add")
    assert context_node_of(instance).data == {"amount": 7}
    assert "Amount: 7" in str(execute_instance(instance=instance, user=owner).response.content)


def test_staff_work_on_the_same_data(owner: User) -> None:
    instance = create_instance(template=claim(), owner=owner)
    execute_instance(instance=instance, user=User.objects.create_superuser("root"), action="add")
    assert context_node_of(instance).data == {"amount": 7}


def test_parameters_reach_the_process(owner: User) -> None:
    instance = create_instance(template=publish_process("echo", [page("show", "%{param:x}")]), owner=owner)
    answer = execute_instance(instance=instance, user=owner, parameters={"x": "hello"})
    assert answer.response.content == "<p>hello</p>"


def test_what_was_saved_since_it_was_loaded_is_not_overwritten(owner: User) -> None:
    def somebody_else_saves(app: Application) -> None:
        execute_instance(instance=instance, user=owner, action="add")

    with scripts.override("test_meanwhile", somebody_else_saves):
        actions = [
            *CLAIM,
            action("slow", "test_meanwhile"),
            action("set", "set_data", config={"values": {"amount": 1}}),
        ]
        actions.append(action("saveIt", "save_data"))
        instance = create_instance(template=publish_process("slow", actions), owner=owner)
        with pytest.raises(ProcessError) as refused:
            execute_instance(instance=instance, user=owner, action="slow")
    assert refused.value.code == "stale_data"
    assert (refused.value.fields["expected"], refused.value.fields["revision"]) == (2, 3)
    assert context_node_of(instance).data == {"amount": 7}


def test_what_was_never_loaded_is_replaced_as_a_whole(owner: User) -> None:
    actions = [action("set", "set_data", config={"values": {"amount": 1}}), action("save", "save_data")]
    instance = create_instance(template=publish_process("sets", actions), owner=owner, data={"old": True})
    for _ in range(2):
        execute_instance(instance=instance, user=owner)
    assert context_node_of(instance).data == {"amount": 1}


@pytest.mark.parametrize("script", ["save_data", "load_data"])
def test_without_an_instance_there_is_no_context_node(owner: User, script: str) -> None:
    publish_process("plain", [action("first", script, config={"node": "context"})])
    with pytest.raises(ProcessError) as refused:
        visit("plain", owner)
    assert refused.value.code == "no_context_node"


def visit(slug: str, user: User) -> Answer:
    """Run a process as its page does."""
    template = ProcessTemplate.objects.get(slug=slug)
    caller = Caller(user_id=user.pk, template_id=template.pk, slug=slug)
    return run_foreground(
        Visit(template=template, plan=published_plan(template), request=Request(), caller=caller, user=user)
    )


def test_the_data_of_an_instance_is_not_deleted_by_its_process(owner: User) -> None:
    actions = [action("load", "load_data"), action("drop", "delete_data_node")]
    instance = create_instance(template=publish_process("drops", actions), owner=owner, data={"amount": 1})
    with pytest.raises(ProcessError) as refused:
        execute_instance(instance=instance, user=owner)
    assert refused.value.code == "context_node"
    assert context_node_of(instance).data == {"amount": 1}


def test_its_reference_opens_it_to_no_page(owner: User) -> None:
    instance = create_instance(template=claim(), owner=owner)
    node = context_node_of(instance)
    for instance_id in (None, instance.pk):
        caller = Caller(user_id=owner.pk, template_id=instance.template_id, slug="claim", instance_id=instance_id)
        with pytest.raises(DataNodeNotFoundError):
            load_data_node(caller=caller, reference=node.reference)


# -- executing it from another process --------------------------------------------------------------------------------


def executing(target: Any = None) -> Any:
    """Return a script that executes `target`, or what its config names, and keeps what that answers."""

    def execute(app: Application) -> None:
        done = app.execute(app.config or target, action="@display")
        app.data["shown"], app.data["inner"] = done.app.response.content, dict(done.app.data)

    return execute


DISPLAY = [*CLAIM, page("@display", "It is %{data:amount}")]


@pytest.mark.parametrize("form", ["instance", "reference", "binding"])
def test_app_execute_runs_an_instance_in_a_fresh_context(owner: User, form: str) -> None:
    instance = create_instance(template=publish_process("claim", DISPLAY), owner=owner)
    reference = context_node_of(instance).reference
    target = {"instance": instance, "reference": {"$ref": "data_node", "reference": reference}}.get(form)
    with scripts.override("test_execute", executing(target)):
        mine = action("first", "set_data", config={"values": {"mine": 1}})
        execute = action("go", "test_execute", **({"config": "${it}"} if form == "binding" else {}))
        publish_process("outer", [mine, execute], bindings={"it": {"data_node": reference}})
        answer = visit("outer", owner)
    assert answer.data["shown"] == "<p>It is 3</p>"
    assert answer.data["inner"] == {"amount": 3}
    assert answer.data["mine"] == 1


def test_executing_an_instance_needs_the_rights_that_are_in_force(owner: User) -> None:
    instance = create_instance(template=publish_process("claim", DISPLAY), owner=owner)
    other = User.objects.create_user("other")
    with scripts.override("test_execute", executing(instance)):
        publish_process("plain", [action("go", "test_execute")])
        with pytest.raises(InstanceNotFoundError) as forbidden:
            visit("plain", other)
        own(publish_process("lending", [action("go", "run_as_owner", config={"script": "test_execute"})]), owner)
        assert visit("lending", other).data["shown"] == "<p>It is 3</p>"
    nothing = executing({"$ref": "data_node", "reference": "A" * 22})
    with scripts.override("test_execute", nothing), pytest.raises(InstanceNotFoundError) as missing:
        visit("plain", owner)
    assert forbidden.value.message == missing.value.message


def test_an_executed_instance_lends_its_own_owner(owner: User) -> None:
    seen: list[str] = []

    def who(app: Application) -> None:
        seen.append(app.user.get_username())

    with scripts.override("test_who", who):
        wrap = action("@display", "run_as_owner", config={"script": "test_who"}, next=False)
        template = own(publish_process("claim", [page("first", "x"), wrap]), User.objects.create_user("editor"))
        instance = create_instance(template=template, owner=owner)
        root = User.objects.create_superuser("root")
        execute_instance(instance=instance, user=root, action="@display")
        with scripts.override("test_execute", executing(instance)):
            own(publish_process("outer", [action("go", "test_execute")]), User.objects.create_user("third"))
            visit("outer", root)
        instance.owner = None
        instance.save()
        with pytest.raises(ProcessError) as refused:
            execute_instance(instance=instance, user=root, action="@display")
    assert seen == ["owner", "owner"]
    assert refused.value.code == "no_owner"


def test_creating_and_executing_are_in_the_audit_log(owner: User) -> None:
    instance = create_instance(template=claim(), owner=owner, actor=owner)
    execute_instance(instance=instance, user=owner, action="add")
    told = AuditEntry.objects.filter(subject_kind="processinstance", subject_id=instance.pk.hex).order_by("pk")
    assert [(entry.action, entry.actor_name, entry.details.get("action")) for entry in told] == [
        ("instance.created", "owner", None), ("instance.executed", "owner", "add"),
    ]  # fmt: skip


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_command_creates_an_instance(owner: User, capsys: pytest.CaptureFixture[str]) -> None:
    rate("rates")
    call_command(
        "create_instance", "rates", owner="owner", title="Mine", data='{"a": 1}', binding=['rate={"value": 4}']
    )
    instance = ProcessInstance.objects.get()
    assert capsys.readouterr().out.strip() == f"/instances/{instance.pk}/"
    assert (instance.owner, instance.title, instance.bindings) == (owner, "Mine", {"rate": {"value": 4}})
    assert context_node_of(instance).data == {"a": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"owner": "nobody"}, 'no active user "nobody"'),
        ({"slug": "nothing"}, 'no process "nothing"'),
        ({"data": "[1]"}, "takes a JSON object"),
        ({"data": "{"}, "--data: "),
        ({"binding": ["rate"]}, "takes REF=TARGET"),
        ({"binding": ['rate={"process": "nowhere"}']}, "nowhere"),
    ],
)
def test_the_command_says_what_is_wrong(owner: User, options: dict[str, Any], message: str) -> None:
    rate("rates")
    slug = options.pop("slug", "rates")
    with pytest.raises(CommandError, match=message):
        call_command("create_instance", slug, **{"owner": "owner", **options})
    assert not ProcessInstance.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_background_run_overwrites_nothing_that_was_saved_while_it_ran(kit, owner: User) -> None:  # type: ignore[no-untyped-def]
    actions = [
        action("load", "load_data"),
        action("leave", "execute_in_background"),
        action("count", "set_data", config={"values": {"amount": 8}}),
        action("save", "save_data", next=False),
        action("add", "load_data", next="more"),
        action("more", "set_data", config={"values": {"amount": 9}}),
        action("saveMore", "save_data"),
    ]
    instance = create_instance(template=publish_process("works", actions), owner=owner, data={"b": 1})
    execute_instance(instance=instance, user=owner)
    execute_instance(instance=instance, user=owner, action="add")
    kit.work()
    run = Run.objects.get()
    assert (run.status, run.error["code"]) == ("failed", "stale_data")
    assert context_node_of(instance).data == {"b": 1, "amount": 9}


# -- in the background ------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_background_run_keeps_knowing_its_instance(kit, owner: User) -> None:  # type: ignore[no-untyped-def]
    def who(app: Application) -> None:
        app.data["lent"] = app.user.get_username()

    actions = [
        action("load", "load_data"),
        action("leave", "execute_in_background"),
        action("count", "set_data", config={"values": {"amount": 8}}),
        action("lent", "run_as_owner", config={"script": kit.script(who)}),
        action("save", "save_data"),
    ]
    root = User.objects.create_superuser("root")
    instance = create_instance(template=publish_process("works", actions), owner=owner, title="Graz", data={"b": 1})
    answer = execute_instance(instance=instance, user=root)
    run = Run.objects.select_related("root").get()
    assert answer.response.redirect == f"/progress/{run.pk}/"
    assert (run.instance, run.user, run.root.title) == (instance, root, "Graz")
    kit.work()
    assert kit.run(run.pk).status == "completed"
    assert context_node_of(instance).data == {"b": 1, "amount": 8, "lent": "owner"}
