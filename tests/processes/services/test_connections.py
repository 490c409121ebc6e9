"""Connections: what is stored of them, who may bind them, what becomes of their secrets."""

import json
import pickle

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import AnonymousUser, Group, User
from django.core.management import CommandError, call_command

from processes.domain.bindings import parse_bindings
from processes.domain.definition import parse_definition
from processes.domain.derivation import derive
from processes.domain.merge import Layer
from processes.errors import DefinitionError
from processes.models import AuditEntry, Connection, ProcessTemplate
from processes.registry import scripts
from processes.services.audit import Actor
from processes.services.authoring.templates import save_draft
from processes.services.connections import (
    bindable_by,
    check_may_bind,
    credential_names,
    delete_connection,
    find_http,
    find_smtp,
    inline_bases,
    known_connections,
    save_connection,
    used_by,
)
from processes.services.errors import (
    BindingRefusedError,
    ConnectionInUseError,
    ConnectionMissingError,
    SecretUnreadableError,
)
from processes.services.secrets import Secret
from tests.processes.services.published import publish_process, save_process

pytestmark = pytest.mark.django_db

ANN = Actor(id="7", name="ann")
SECRET = "hunter2-and-more"
HTTP = {"base_url": "https://api.example.com/v1", "scheme": "bearer"}
SMTP = {"host": "mail.example.com", "from_address": "Shop <shop@example.com>"}


def save(name="api", *, kind="http", settings=HTTP, secret=SECRET, **fields) -> Connection:
    connection = Connection(name=name, kind=kind, settings=settings, **fields)
    return save_connection(connection=connection, secret=secret, actor=ANN)


def problems_of(**fields) -> dict[str, str]:
    with pytest.raises(DefinitionError) as caught:
        save(**fields)
    assert not Connection.objects.exists()
    return {problem.path: problem.message for problem in caught.value.problems}


# -- secrets -------------------------------------------------------------------------------------------------------


def test_a_secret_is_encrypted_at_rest_and_comes_back():
    connection = save()
    connection.refresh_from_db()
    assert SECRET not in connection.secret
    settings, secret = find_http("api")
    assert settings.base_url == HTTP["base_url"]
    assert secret is not None
    assert secret.reveal() == SECRET


def test_a_secret_shows_itself_to_nobody_who_does_not_ask():
    secret = Secret(SECRET)
    assert SECRET not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_all_keys_decrypt_and_the_first_encrypts(settings):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.STEPLINE_ENCRYPTION_KEYS = (old,)
    connection = save()
    settings.STEPLINE_ENCRYPTION_KEYS = (new, old)
    assert find_http("api")[1].reveal() == SECRET
    save_connection(connection=connection, secret="another", actor=ANN)
    settings.STEPLINE_ENCRYPTION_KEYS = (new,)
    assert find_http("api")[1].reveal() == "another"


def test_rotating_puts_every_secret_under_the_first_key(settings, capsys):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.STEPLINE_ENCRYPTION_KEYS = (old,)
    save("a")
    save("b")
    save("c", settings={"base_url": "https://example.com"}, secret="")
    settings.STEPLINE_ENCRYPTION_KEYS = (new, old)
    call_command("rotate_secrets")
    assert capsys.readouterr().out.startswith("2 secrets")
    settings.STEPLINE_ENCRYPTION_KEYS = (new,)
    assert find_http("a")[1].reveal() == find_http("b")[1].reveal() == SECRET
    rotated = AuditEntry.objects.filter(action="connection.rotated")
    assert sorted(rotated.values_list("subject_name", flat=True)) == ["a", "b"]


def test_rotating_is_all_or_nothing(settings):
    lost, old, new = (Fernet.generate_key().decode() for _ in range(3))
    settings.STEPLINE_ENCRYPTION_KEYS = (old,)
    kept = save("a")
    settings.STEPLINE_ENCRYPTION_KEYS = (lost,)
    save("b")
    settings.STEPLINE_ENCRYPTION_KEYS = (new, old)
    with pytest.raises(CommandError, match=r'"b".*STEPLINE_ENCRYPTION_KEYS'):
        call_command("rotate_secrets")
    assert Connection.objects.get(name="a").secret == kept.secret
    assert not AuditEntry.objects.filter(action="connection.rotated").exists()


def test_a_wrong_key_is_told_with_the_connection_and_the_cure(settings):
    save()
    key = Fernet.generate_key().decode()
    settings.STEPLINE_ENCRYPTION_KEYS = (key,)
    with pytest.raises(SecretUnreadableError) as caught:
        find_http("api")
    assert '"api"' in caught.value.message
    assert "STEPLINE_ENCRYPTION_KEYS" in caught.value.message
    assert key not in repr(caught.value.to_json())


def test_a_new_secret_is_the_cure_for_a_lost_key(settings):
    connection = save()
    settings.STEPLINE_ENCRYPTION_KEYS = (Fernet.generate_key().decode(),)
    save_connection(connection=connection, secret="entered again", actor=ANN)
    assert find_http("api")[1].reveal() == "entered again"


# -- saving --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"settings": {}}, "/settings/base_url"),
        ({"settings": {"base_url": "api.example.com"}}, "/settings/base_url"),
        ({"settings": {"base_url": "ftp://api.example.com"}}, "/settings/base_url"),
        ({"settings": {"base_url": "https://"}}, "/settings/base_url"),
        ({"settings": {"base_url": "https://ann:pw@api.example.com"}}, "/settings/base_url"),
        ({"settings": {"base_url": "https://api.example.com/?a=1"}}, "/settings/base_url"),
        ({"settings": {"base_url": "https://api.example.com/#a"}}, "/settings/base_url"),
        ({"settings": {"base_url": "https://api.example.com/a/../b"}}, "/settings/base_url"),
        ({"settings": {"base_url": "https://api.example.com/%2e%2e/b"}}, "/settings/base_url"),
        ({"settings": {"base_url": "https://[::1"}}, "/settings/base_url"),
        ({"settings": {"base_url": "https://a:99999"}}, "/settings/base_url"),
        ({"settings": {**HTTP, "scheme": "digest"}}, "/settings/scheme"),
        ({"settings": {**HTTP, "password": "x"}}, "/settings/password"),
        ({"settings": {**HTTP, "scheme": "basic"}}, "/settings"),
        ({"settings": {**HTTP, "scheme": "basic", "username": "a:b"}}, "/settings"),
        ({"settings": {**HTTP, "scheme": "header"}}, "/settings"),
        ({"settings": {**HTTP, "scheme": "header", "header": "X Key"}}, "/settings"),
        ({"settings": {**HTTP, "scheme": "header", "header": "Host"}}, "/settings"),
        ({"secret": ""}, "/secret"),
        ({"secret": None}, "/secret"),
        ({"secret": "two\nlines"}, "/secret"),
        ({"secret": "schlüssel"}, "/secret"),
        ({"secret": " blank "}, "/secret"),
        ({"kind": "smtp", "settings": {"from_address": "a@b.example"}}, "/settings/host"),
        ({"kind": "smtp", "settings": {**SMTP, "host": "a b"}}, "/settings/host"),
        ({"kind": "smtp", "settings": {**SMTP, "port": 0}}, "/settings/port"),
        ({"kind": "smtp", "settings": {**SMTP, "security": "ssl"}}, "/settings/security"),
        ({"kind": "smtp", "settings": {**SMTP, "from_address": "nobody"}}, "/settings/from_address"),
        ({"kind": "smtp", "settings": {**SMTP, "from_address": "a@b.c\nBcc: d@e.f"}}, "/settings/from_address"),
        ({"kind": "smtp", "settings": SMTP, "secret": "a\r\nb"}, "/secret"),
        ({"kind": "ftp"}, "/kind"),
    ],
)
def test_what_is_not_right_is_refused_at_its_place(fields, path):
    found = problems_of(**fields)
    assert list(found) == [path]
    assert SECRET not in repr(found)


def test_defaults_are_filled_in():
    assert save(kind="smtp", settings=SMTP).settings == {
        **SMTP, "port": 587, "security": "starttls", "username": "",
    }  # fmt: skip
    assert find_smtp("api")[0].port == 587


def test_an_empty_field_keeps_the_secret_and_an_empty_text_removes_it():
    connection = save(settings={**HTTP, "scheme": "none"})
    save_connection(connection=connection, actor=ANN)
    assert find_http("api")[1].reveal() == SECRET
    save_connection(connection=connection, secret="", actor=ANN)
    assert find_http("api")[1] is None


@pytest.mark.parametrize(
    ("settings", "again"),
    [
        ({**HTTP, "base_url": "https://api.example.com/v2"}, False),
        ({**HTTP, "base_url": "https://API.example.com/v1"}, False),
        ({**HTTP, "scheme": "header", "header": "X-Key"}, False),
        ({**HTTP, "base_url": "https://evil.example/v1"}, True),
        ({**HTTP, "base_url": "https://api.example.com:444/v1"}, True),
        ({**HTTP, "base_url": "http://api.example.com/v1"}, True),
    ],
)
def test_a_stored_secret_does_not_follow_a_connection_to_somebody_else(settings, again):
    """Who may change a connection but doesn't know its secret must not have it sent to themselves."""
    connection = save()
    connection.settings = settings
    if again:
        with pytest.raises(DefinitionError, match="Enter the secret again"):
            save_connection(connection=connection, actor=ANN)
        assert Connection.objects.get().settings["base_url"] == HTTP["base_url"]
    save_connection(connection=connection, secret="known" if again else None, actor=ANN)
    assert Connection.objects.get().settings["base_url"] == settings["base_url"]


def test_nor_does_it_become_a_password_for_another_kind():
    connection = save()
    connection.kind, connection.settings = "smtp", SMTP
    with pytest.raises(DefinitionError, match="Enter the secret again"):
        save_connection(connection=connection, actor=ANN)


def test_names_stay():
    connection = save()
    connection.name = "other"
    with pytest.raises(DefinitionError, match="name of a connection stays"):
        save_connection(connection=connection, actor=ANN)


def test_the_audit_log_tells_what_changed_and_no_secret():
    connection = save()
    connection.description = "Orders"
    save_connection(connection=connection, secret="a new secret", actor=ANN)
    save_connection(connection=connection, actor=ANN)
    delete_connection(connection=connection, actor=ANN)
    entries = list(AuditEntry.objects.order_by("id").values_list("action", "actor_name", "details"))
    assert entries == [
        ("connection.created", "ann", {}),
        ("connection.edited", "ann", {"changed": ["description", "secret"]}),
        ("connection.deleted", "ann", {}),
    ]


def test_a_connection_that_is_bound_is_not_deleted():
    connection = save()
    publish_process("shop", [{"name": "a", "script": None}], bindings={"api": {"credential": "api"}})
    assert used_by("api") == ["shop"]
    with pytest.raises(ConnectionInUseError, match="shop"):
        delete_connection(connection=connection, actor=ANN)
    assert Connection.objects.filter(pk=connection.pk).exists()


@pytest.mark.parametrize(("find", "name"), [(find_http, "mail"), (find_smtp, "api"), (find_http, "gone")])
def test_finding_one_that_is_not_there_or_of_the_other_kind(find, name):
    save()
    save("mail", kind="smtp", settings=SMTP)
    with pytest.raises(ConnectionMissingError):
        find(name)


# -- who may bind --------------------------------------------------------------------------------------------------


def test_who_may_bind_a_connection():
    group = Group.objects.create(name="buyers")
    insider, outsider = (User.objects.create_user(name) for name in ("insider", "outsider"))
    root = User.objects.create_superuser("root")
    insider.groups.add(group)
    save("open")
    save("closed", everyone=False)
    save("grouped", everyone=False).groups.add(group)
    assert bindable_by(insider) == ["grouped", "open"]
    assert bindable_by(outsider) == ["open"]
    assert bindable_by(root) == ["closed", "grouped", "open"]
    assert bindable_by(AnonymousUser()) == ["open"]
    check_may_bind(insider, ["open", "grouped"])
    check_may_bind(outsider, ["open", "unknown"])
    check_may_bind(outsider, ["open", "closed"], already=["closed"])
    with pytest.raises(BindingRefusedError, match="closed, grouped"):
        check_may_bind(outsider, ["open", "closed", "grouped"])


def test_credentials_are_found_in_inline_processes_too():
    bindings = {
        "a": {"credential": "one"},
        "b": "script",
        "c": {"value": {"credential": "no"}},
        "d": {"process": {"bindings": {"e": {"credential": "two"}}, "actions": []}},
        "f": {"process": {"extends": ["base", {"bindings": {"g": {"credential": "three"}}}], "actions": []}},
    }
    assert credential_names(bindings) == {"one", "two", "three"}
    assert inline_bases(bindings) == {"base"}


INLINE_WAYS = {
    "binds it": {"process": {"definition": [], "bindings": {"api": {"credential": "api"}}}},
    "extends what binds it": {"process": {"definition": [], "extends": ["shop"]}},
    "deeper": {"process": {"definition": [], "extends": [{"definition": [], "extends": ["shop"]}]}},
}


@pytest.mark.parametrize("way", INLINE_WAYS)
def test_an_inline_process_is_no_way_to_a_connection_that_one_may_not_bind(way):
    save(everyone=False)
    publish_process("shop", [{"name": "a", "script": None}], bindings={"api": {"credential": "api"}})
    template = ProcessTemplate(slug="mine", title="Mine")
    definition = '[{"name": "a", "script": null}]'
    with pytest.raises(BindingRefusedError, match="api"):
        save_draft(
            template=template,
            definition=definition,
            bindings={"inner": INLINE_WAYS[way]},
            user=User.objects.create_user("editor"),
        )
    root = User.objects.create_superuser("root")
    save_draft(template=template, definition=definition, bindings={"inner": INLINE_WAYS[way]}, user=root)


def test_a_connection_that_a_draft_binds_inside_an_inline_process_is_not_deleted():
    connection = save()
    save_process("shop", [{"name": "a", "script": None}], bindings={"inner": INLINE_WAYS["binds it"]})
    with pytest.raises(ConnectionInUseError, match="shop"):
        delete_connection(connection=connection, actor=ANN)


# -- derivation ----------------------------------------------------------------------------------------------------


def layer(**bindings) -> Layer:
    definition = parse_definition([{"name": "a", "script": None, "config": "${api}"}])
    return Layer(name="shop", definition=definition, bindings=parse_bindings(bindings))


def test_a_binding_to_an_unknown_connection_is_a_problem_at_its_place():
    save("orders")
    with pytest.raises(DefinitionError) as caught:
        derive([layer(api={"credential": "order"})], name="shop", catalogue=scripts, credentials=known_connections())
    assert [problem.to_json() for problem in caught.value.problems] == [
        {
            "path": "/bindings/api/credential",
            "message": 'There is no connection "order"',
            "value": "order",
            "suggestion": 'Did you mean "orders"?',
        }
    ]


def test_a_binding_to_a_known_connection_gives_its_name_and_nothing_else():
    save("orders")
    derivation = derive(
        [layer(api={"credential": "orders"})], name="shop", catalogue=scripts, credentials=known_connections()
    )
    assert derivation.plan is not None
    assert derivation.plan.actions[0].config == {"$ref": "credential", "name": "orders"}
    assert SECRET not in json.dumps(derivation.plan.to_json())


def test_names_are_read_only_when_a_credential_is_bound(django_assert_num_queries):
    with django_assert_num_queries(0):
        check = known_connections()
        derive([layer(api={"value": 1})], name="shop", catalogue=scripts, credentials=check)
    save("orders")
    with django_assert_num_queries(1):
        bindings = {"api": {"credential": "orders"}, "b": {"credential": "orders"}}
        derive([layer(**bindings)], name="shop", catalogue=scripts, credentials=check)
