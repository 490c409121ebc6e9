"""`run_as_owner`, `run_as_caller`, and the caller's stored credentials (DESIGN: authority)."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from processes.domain.application import Application
from processes.domain.interpreter import Interpreter
from processes.domain.request import Request
from processes.models import AuditEntry, DataNode, Grant, ProcessTemplate
from processes.registry import scripts
from processes.services.access import Caller
from processes.services.authoring.templates import publish
from processes.services.authoring.trial import try_out
from processes.services.files import find_file, open_file, store_file
from processes.services.foreground import published_plan
from processes.services.host import DjangoHost, caller_of
from tests.processes.authority_kit import own
from tests.processes.services.published import action, change_draft, publish_process

pytestmark = pytest.mark.django_db

INNER = {"inner": {"process": "inner"}}


@pytest.fixture
def owner() -> User:
    return User.objects.create_user("owner")


@pytest.fixture
def caller() -> User:
    return User.objects.create_user("caller")


@pytest.fixture(autouse=True)
def inner(tell: str) -> ProcessTemplate:
    """A process to be wrapped; it belongs to nobody."""
    fails = [action("tries", tell), action("fails", "fail", config={"code": "broken"})]
    return publish_process("inner", [action("look", tell, next=False), *fails])


class Ran:
    """Run a published process for somebody in the foreground, and hold what came of it."""

    def __init__(self, template: ProcessTemplate, user: User | None, **parameters: str) -> None:
        template.refresh_from_db()
        user_id, session = (user.pk, "") if user is not None else (None, "visitor")
        caller = Caller(user_id=user_id, session_key=session, template_id=template.pk, slug=template.slug)
        plan = published_plan(template)
        self.host = DjangoHost(caller=caller, plan=plan)
        self.app = Application(user=user, request=Request(parameters=dict(parameters)), execution=self.host.execution)
        interpreter = Interpreter.start(plan, app=self.app, host=self.host, entry=parameters.get("action"))
        error = getattr(interpreter.run(), "error", None)
        self.error = error
        self.code = None if error is None else error.code
        self.told = self.app.data.get("told", [])


def wrap(name: str = "wrapped", by: str = "run_as_owner", **config: Any) -> dict[str, Any]:
    return action(name, by, config=config or {"process": "${inner}"})


def outer(*actions: dict[str, Any], owner: User | None = None, **bindings: Any) -> ProcessTemplate:
    return own(publish_process("outer", actions, bindings={**INNER, **bindings}), owner)


# -- run_as_owner -----------------------------------------------------------------------------------------------------


def test_only_what_is_wrapped_runs_with_the_owners_rights(tell: str, owner: User, caller: User) -> None:
    template = outer(action("before", tell), wrap(), action("after", tell), owner=owner)
    assert Ran(template, caller).told == ["before caller/caller", "look owner/owner", "after caller/caller"]


def test_a_visitor_who_is_not_signed_in_borrows_them_too(tell: str, owner: User) -> None:
    assert Ran(outer(wrap(), action("after", tell), owner=owner), None).told == ["look owner/owner", "after -/-"]


@pytest.mark.parametrize(
    "config",
    [
        {"process": "${inner}"},
        {"process": "inner"},
        {"process": "${inner}", "action": "look"},
        {"script": "test_tell_authority"},
        {"script": "${teller}"},
    ],
)
def test_what_can_be_wrapped(tell: str, owner: User, caller: User, config: dict[str, Any]) -> None:
    template = outer(wrap("look", **config), action("after", tell), owner=owner, teller={"script": tell})
    assert Ran(template, caller).told == ["look owner/owner", "after caller/caller"]


def test_state_and_value_of_what_is_wrapped_are_those_of_the_action(owner: User, caller: User) -> None:
    with scripts.override("test_answer", lambda app: setattr(app, "state", "late") or 42):
        template = publish_process(
            "answering",
            [
                wrap("first", script="test_answer") | {"next": {"late": "second"}},
                action("missed", "fail"),
                wrap("second", process="${answer}"),
            ],
            bindings={"answer": {"process": [action("only", "test_answer")]}},
        )
        ran = Ran(own(template, owner), caller)
    assert ran.code is None
    assert ran.app.state == "late"


def test_an_error_inside_leaves_with_the_owners_rights_given_back(tell: str, owner: User, caller: User) -> None:
    template = outer(
        wrap("wrapped", process="${inner}", action="tries") | {"next": True},
        action("after", tell, next=False),
        action("@error", tell, next=True),
        owner=owner,
    )
    ran = Ran(template, caller)
    assert ran.code == "broken"
    assert ran.told == ["tries owner/owner", "@error caller/caller"]
    assert ran.app.authority is None


def test_after_a_reset_error_the_process_goes_on_as_its_caller(tell: str, owner: User, caller: User) -> None:
    template = outer(
        wrap("wrapped", process="${inner}", action="tries"),
        action("after", tell, next=False),
        action("@error", "reset_error", next="after"),
        owner=owner,
    )
    assert Ran(template, caller).told == ["tries owner/owner", "after caller/caller"]


@pytest.mark.parametrize(
    "config",
    [
        {"process": "${inner}", "action": "undeclared"},
        {"script": "test_raising"},
    ],
)
def test_an_error_at_its_very_beginning_gives_them_back_too(
    tell: str, owner: User, caller: User, config: dict[str, Any]
) -> None:
    def raising(app: Application) -> None:
        raise RuntimeError("no")

    with scripts.override("test_raising", raising):
        ran = Ran(outer(wrap(**config), action("@error", tell), owner=owner), caller)
    assert ran.code in {"not_found", "script_error"}
    assert ran.told == ["@error caller/caller"]


def test_an_optional_action_that_is_not_there_runs_nothing(tell: str, owner: User, caller: User) -> None:
    template = outer(wrap(process="${inner}", action="undeclared?"), action("after", tell), owner=owner)
    assert Ran(template, caller).told == ["after caller/caller"]


def test_what_is_wrapped_deals_with_its_own_errors_as_the_owner(tell: str, owner: User, caller: User) -> None:
    handler = {"process": [action("breaks", "fail"), action("@error", tell)]}
    template = outer(wrap(process="${handler}"), action("@error", tell), owner=owner, handler=handler)
    assert Ran(template, caller).told == ["@error owner/owner", "@error caller/caller"]


def test_wrapping_inside_of_what_is_wrapped_changes_nothing(tell: str, owner: User, caller: User) -> None:
    deep = {"process": [wrap("again", script=tell), action("still", tell)]}
    template = outer(wrap(process="${deep}"), action("after", tell), owner=owner, deep=deep)
    assert Ran(template, caller).told == ["again owner/owner", "still owner/owner", "after caller/caller"]


def test_a_sub_process_lends_the_owner_of_what_is_executed_not_its_own(inner: ProcessTemplate, owner: User) -> None:
    lending = publish_process("lending", [wrap("again")], bindings=INNER)
    own(lending, User.objects.create_user("other"))
    template = publish_process("caller", [action("calls", "lending")], bindings={"lending": {"process": "lending"}})
    assert Ran(own(template, owner), None).told == ["look owner/owner"]


def test_python_code_that_calls_it_gets_its_own_authority_back(tell: str, owner: User, caller: User) -> None:
    def code(app: Application) -> None:
        app.call("run_as_owner", config={"process": "inner"})
        app.call(tell)
        app.call("run_as_owner", config={"script": tell})
        app.call(tell)

    with scripts.override("test_code", code):
        ran = Ran(outer(action("code", "test_code"), owner=owner), caller)
    assert ran.told == ["look owner/owner", "code caller/caller", "code owner/owner", "code caller/caller"]


def test_without_an_owner_nothing_is_lent(tell: str, caller: User) -> None:
    ran = Ran(outer(wrap()), caller)
    assert ran.code == "no_owner"
    assert ran.told == []


def test_an_inactive_owner_lends_nothing(owner: User, caller: User) -> None:
    template = outer(wrap(), owner=owner)
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert Ran(template, caller).code == "authority"


def test_an_owner_who_is_deactivated_meanwhile_lends_nothing_any_more(tell: str, owner: User, caller: User) -> None:
    def deactivate(app: Application) -> None:
        User.objects.filter(pk=owner.pk).update(is_active=False)
        later = timezone.now() + timedelta(seconds=6)
        app.host.now = lambda: later  # type: ignore[method-assign, union-attr]

    with scripts.override("test_deactivate", deactivate):
        steps = {"process": [action("first", tell), action("then", "test_deactivate"), action("last", tell)]}
        ran = Ran(outer(wrap(process="${steps}"), owner=owner, steps=steps), caller)
    assert ran.told == ["first owner/owner"]
    assert ran.code == "authority"


def test_a_draft_lends_only_the_rights_of_whoever_tries_it(tell: str, owner: User, caller: User) -> None:
    template = outer(wrap(), owner=owner)
    template.refresh_from_db()
    ProcessTemplate.objects.filter(pk=template.pk).update(published_plan=None)
    template.versions.all().delete()
    plan = published_plan(template)
    host = DjangoHost(caller=Caller(user_id=caller.pk, template_id=template.pk, slug="outer"), plan=plan)
    app = Application(user=caller)
    Interpreter.start(plan, app=app, host=host).run()
    assert app.data["told"] == ["look caller/caller"]


@pytest.mark.parametrize("published", [True, False])
def test_trying_it_out_in_the_admin_borrows_nobodys_rights(
    tell: str, owner: User, caller: User, published: bool
) -> None:
    template = outer(wrap(), owner=owner)
    report = try_out(template=template, user=caller, published=published)
    assert report.to_json()["data"] == {"told": ["look caller/caller"]}


@pytest.mark.parametrize(
    "config",
    [
        {"process": "%{param:which}"},
        {"process": {"$ref": "process", "name": "inner", "reference": "inner"}},
        {"process": "unbound"},
        {"script": "%{param:which}"},
        "%{data:all}",
        {"process": "${teller}"},
        {"script": "${inner}"},
        {"script": "run_as_owner"},
    ],
)
def test_nobody_but_the_definition_says_what_runs_with_other_rights(
    tell: str, owner: User, caller: User, config: Any
) -> None:
    publish_process("unbound", [action("look", tell)])
    template = outer(
        action("prepare", "set_data", config={"values": {"all": {"script": tell}}}),
        action("wrapped", "run_as_owner", config=config),
        owner=owner,
        teller={"script": tell},
    )
    ran = Ran(template, caller, which="inner")
    assert ran.code in {"unsafe_target", "config"}
    assert ran.told == []


def test_with_lent_rights_call_process_takes_only_what_is_bound(tell: str, owner: User, caller: User) -> None:
    steps = {"process": [action("calls", "call_process", config={"process": "%{param:which}"})]}
    template = outer(wrap(process="${steps}"), owner=owner, steps=steps)
    assert Ran(template, caller, which="inner").code == "unsafe_target"


@pytest.mark.parametrize("way", ["call_process", "execute"])
def test_a_process_that_nobody_has_bound_borrows_nothing(tell: str, owner: User, caller: User, way: str) -> None:
    """Its editors are checked by nobody: whoever publishes it decides what it does."""
    own(publish_process("foreign", [wrap()], bindings=INNER), caller)

    def execute(app: Application) -> None:
        app.execute("foreign")

    with scripts.override("test_execute", execute):
        steps = {
            "call_process": action("calls", "call_process", config={"process": "%{param:which}"}),
            "execute": action("calls", "test_execute"),
        }
        template = outer(steps[way], owner=owner)
        ran = Ran(template, caller, which="foreign")
        assert (ran.code, ran.told) == ("unsafe_target", [])
        template = outer_anew(template, steps[way], foreign={"process": "foreign"})
        assert Ran(template, caller, which="foreign").code is None


def outer_anew(template: ProcessTemplate, *actions: dict[str, Any], **bindings: Any) -> ProcessTemplate:
    change_draft(template, actions, **{**INNER, **bindings})
    publish(template=template)
    return template


@pytest.mark.parametrize("name", ["run_as_owner", "runAsOwner", "mine"])
def test_no_name_of_it_lets_a_request_choose(tell: str, owner: User, caller: User, name: str) -> None:
    choosing = action("wrapped", name, config={"script": "%{param:which}"})
    template = outer(choosing, owner=owner, mine={"script": "run_as_owner"})
    ran = Ran(template, caller, which=tell)
    assert (ran.code, ran.told) == ("unsafe_target", [])


def test_lending_is_in_the_audit_log(owner: User, caller: User) -> None:
    template = outer(wrap(), owner=owner)
    Ran(template, caller)
    entry = AuditEntry.objects.get(action="authority.lent")
    assert (entry.actor_name, entry.authority_name) == ("caller", "owner")
    assert (entry.subject_kind, entry.subject_id) == ("processtemplate", str(template.pk))
    assert (entry.details["action"], entry.details["process"]) == ("wrapped", "inner")


# -- whose things are whose -------------------------------------------------------------------------------------------


def test_data_and_files_stay_the_callers_and_the_owners_files_can_be_read(owner: User, caller: User) -> None:
    of_owner = store_file(content=b"secret", name="a.txt", caller=Caller(user_id=owner.pk))
    of_caller = store_file(content=b"mine", name="b.txt", caller=Caller(user_id=caller.pk))

    def work(app: Application) -> None:
        for info in (of_owner, of_caller):
            with open_file(info, caller=caller_of(app)) as file:
                app.data.setdefault("read", []).append(file.read().decode())
        made = store_file(content=b"made", name="c.txt", caller=caller_of(app))
        app.data["made"] = made["id"]

    with scripts.override("test_work", work):
        steps = {"process": [action("work", "test_work"), action("keep", "save_data", config={"node": "temporary"})]}
        template = outer(wrap(process="${steps}"), owner=owner, steps=steps)
        ran = Ran(template, caller)
        assert ran.app.data["read"] == ["secret", "mine"]
    assert find_file(ran.app.data["made"]).owner == caller
    assert DataNode.objects.get().owner == caller

    with scripts.override("test_work", work):
        assert Ran(outer_again(owner), caller).code == "file_not_found"


def outer_again(owner: User) -> ProcessTemplate:
    """Publish the same work, wrapped by nothing."""
    return own(publish_process("unwrapped", [action("work", "test_work")]), owner)


# -- the caller's credentials -----------------------------------------------------------------------------------------

STORE, REMOVE = action("store", "store_credentials"), action("remove", "remove_credentials")


def test_the_stored_user_is_the_caller_while_the_owners_rights_are_in_force(
    tell: str, owner: User, caller: User
) -> None:
    template = outer(STORE, wrap(), REMOVE, action("after", tell), owner=owner)
    assert Ran(template, caller).told == ["look owner/caller", "after caller/caller"]


@pytest.mark.parametrize(
    ("what", "told", "has_credentials"),
    [
        ("both", ["look owner/caller"], True),
        ("user", ["look owner/caller"], False),
        ("credentials", ["look owner/owner"], True),
    ],
)
def test_each_is_stored_alone(what: str, told: list[str], has_credentials: bool, owner: User, caller: User) -> None:
    ran = Ran(outer(action("store", "store_credentials", config={"what": what}), wrap(), owner=owner), caller)
    assert ran.told == told
    assert ("credentials" in ran.app.attributes) is has_credentials
    assert Grant.objects.exists() is has_credentials


@pytest.mark.parametrize(
    ("what", "told", "holds"),
    [
        ("both", "look owner/owner", False),
        ("user", "look owner/owner", True),
        ("credentials", "look owner/caller", False),
    ],
)
def test_each_is_removed_alone(what: str, told: str, holds: bool, owner: User, caller: User) -> None:
    ran = Ran(outer(STORE, action("remove", "remove_credentials", config={"what": what}), wrap(), owner=owner), caller)
    assert ran.told == [told]
    assert ("credentials" in ran.app.attributes) is holds
    assert (Grant.objects.get().revoked_at is None) is holds


def test_inside_the_owners_rights_run_as_caller_acts_as_the_caller(tell: str, owner: User, caller: User) -> None:
    steps = {
        "process": [
            action("asOwner", tell),
            wrap("asCaller", "run_as_caller", script=tell),
            wrap("inner", "run_as_caller"),
            action("asOwnerAgain", tell),
        ]
    }
    # An inline process has bindings of its own.
    template = own(
        publish_process(
            "wrapping",
            [STORE, wrap(process="${steps}"), REMOVE],
            bindings={"steps": {"process": {"actions": steps["process"], "bindings": INNER, "format": 1}}},
        ),
        owner,
    )
    assert Ran(template, caller).told == [
        "asOwner owner/caller", "asCaller caller/caller", "look caller/caller", "asOwnerAgain owner/caller",
    ]  # fmt: skip


def test_it_is_always_the_runs_own_caller_who_is_stored_never_a_lent_authority(
    tell: str, owner: User, caller: User
) -> None:
    steps = {"process": [STORE]}
    template = outer(
        wrap(process="${steps}"),
        wrap("asCaller", "run_as_caller", script=tell),
        owner=owner,
        steps=steps,
    )
    assert Ran(template, caller).told == ["asCaller caller/caller"]
    assert Grant.objects.get().user == caller


def test_somebody_not_signed_in_is_stored_as_nobody(tell: str, owner: User) -> None:
    store = action("store", "store_credentials", next={"anonymous": "wrapped", "*": False})
    ran = Ran(outer(store, wrap(), REMOVE, owner=owner), None)
    assert ran.told == ["look owner/-"]
    assert not Grant.objects.exists()


def test_without_stored_credentials_nothing_runs_as_the_caller(caller: User) -> None:
    assert Ran(outer(wrap(by="run_as_caller")), caller).code == "no_credentials"


@pytest.mark.parametrize("lost", ["revoked", "expired", "inactive", "foreign execution", "foreign template", "scope"])
def test_credentials_that_hold_no_more_are_refused(lost: str, tell: str, owner: User, caller: User) -> None:
    def lose(app: Application) -> None:
        changes: dict[str, Any] = {
            "revoked": {"revoked_at": timezone.now()},
            "expired": {"expires_at": timezone.now()},
            "foreign execution": {"execution": "another"},
            "foreign template": {"template": ProcessTemplate.objects.get(slug="inner")},
            "scope": {"scopes": ["http"]},
        }
        if lost == "inactive":
            User.objects.filter(pk=caller.pk).update(is_active=False)
        else:
            Grant.objects.update(**changes[lost])

    with scripts.override("test_lose", lose):
        ran = Ran(outer(STORE, action("lose", "test_lose"), wrap(by="run_as_caller")), caller)
    assert ran.code == "authority"
    assert ran.told == []


def test_credentials_that_are_revoked_in_the_middle_serve_no_more(tell: str, caller: User) -> None:
    steps = {
        "process": [
            action("first", tell),
            action("remove", "remove_credentials", config={"what": "credentials"}),
            action("then", tell),
        ]
    }
    template = outer(
        action("store", "store_credentials", config={"what": "credentials"}),
        action("wrapped", "run_as_caller", config={"process": "${steps}"}),
        steps=steps,
    )
    ran = Ran(template, caller)
    assert ran.told == ["first caller/caller"]
    assert ran.code == "authority"


def test_storing_anew_revokes_what_was_stored_before(caller: User) -> None:
    Ran(outer(STORE, action("again", "store_credentials", config={"minutes": 5, "scopes": ["call"]})), caller)
    first, second = Grant.objects.order_by("pk")
    assert first.revoked_at is not None
    assert second.revoked_at is None
    assert second.scopes == ["call"]
    assert timedelta(minutes=4) < second.expires_at - timezone.now() <= timedelta(minutes=5)


def test_storing_and_removing_are_in_the_audit_log_without_the_reference(caller: User) -> None:
    ran = Ran(outer(STORE, REMOVE), caller)
    assert ran.code is None
    entries = AuditEntry.objects.filter(subject_kind="grant").order_by("pk")
    assert [(entry.action, entry.actor_name) for entry in entries] == [
        ("credentials.stored", "caller"), ("credentials.removed", "caller"),
    ]  # fmt: skip
    assert all(Grant.objects.get().reference not in str(entry.details) + entry.subject_id for entry in entries)


def test_the_names_of_the_source_library_are_known() -> None:
    for alias, name in {
        "runAsOwner": "run_as_owner",
        "storeCredentials": "store_credentials",
        "removeCredentials": "remove_credentials",
    }.items():
        assert scripts.get(alias).name == name
