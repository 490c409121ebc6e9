"""API tokens: programs come in by them, as their users, as far as their scopes go, until they are revoked."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from tasks import mutation, query
from tasks.errors import BadRequest, InvalidToken
from tasks.live import Visitor
from tasks.models import ApiToken, TaskRoot
from tasks.registry import CallContext
from tasks.services.access import Viewer
from tasks.services.api_tokens import PREFIX, create_api_token, find_api_token, revoke_api_token, token_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return User.objects.create_user("program")


@pytest.fixture(autouse=True)
def _functions(own_declarations: None) -> None:
    @query("test.whoami", access="anyone")
    def whoami(context: CallContext) -> str:
        return str(context.user.get_username())

    @mutation("test.change")
    def change(context: CallContext) -> str:
        return "changed"


def made(user: User, *scopes: str, **options: Any) -> str:
    return create_api_token(user=user, name="test", scopes=scopes or ["write"], **options)[1]


def client_with(secret: str, **options: Any) -> Client:
    return Client(headers={"Authorization": f"Bearer {secret}"}, **options)


def call(client: Client, name: str) -> Any:
    return client.post(f"/api/rpc/{name}", "{}", content_type="application/json")


def test_only_a_digest_of_it_is_kept(user: User) -> None:
    row, secret = create_api_token(user=user, name="ci", scopes=["read"])

    assert secret.startswith(PREFIX)
    assert secret not in json.dumps(list(ApiToken.objects.values()), default=str)
    assert (row.hint, row.scopes) == (secret[:10], ["read"])
    assert find_api_token(secret).user == user


def test_a_program_is_its_user_and_needs_no_csrf_token(user: User) -> None:
    client = client_with(made(user), enforce_csrf_checks=True)

    assert call(client, "test.whoami").json() == "program"
    assert call(client, "test.change").json() == "changed"


def test_the_token_counts_and_not_a_session_beside_it(user: User) -> None:
    client = client_with(made(user))
    client.force_login(User.objects.create_superuser("boss"))
    before = client.session.session_key

    assert call(client, "test.whoami").json() == "program"
    assert client.session.session_key == before


@pytest.mark.parametrize("how", ["unknown", "revoked", "over", "inactive", "empty"])
def test_one_that_doesnt_hold_opens_nothing(user: User, how: str) -> None:
    row, secret = create_api_token(user=user, name="test", scopes=["write"])
    if how == "revoked":
        assert revoke_api_token(row)
    elif how == "over":
        ApiToken.objects.update(expires_at=timezone.now())
    elif how == "inactive":
        User.objects.update(is_active=False)
    else:
        secret = PREFIX + ("" if how == "empty" else "x" * 43)

    answer = call(client_with(secret), "test.whoami")

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert 'error="invalid_token"' in answer["WWW-Authenticate"]
    with pytest.raises(InvalidToken):
        find_api_token(secret)


def test_it_opens_what_its_scopes_say(user: User) -> None:
    reads = client_with(made(user, "read"))
    assert call(reads, "test.whoami").status_code == 200
    refused = call(reads, "test.change")
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert reads.get("/api/tasks/").status_code == 200
    assert reads.get("/api/inbox/").status_code == 200
    assert reads.post("/api/instances/", "{}", content_type="application/json").status_code == 403
    one = client_with(made(user, "call:test.change"))
    assert (call(one, "test.change").status_code, call(one, "test.whoami").status_code) == (200, 403)
    assert one.get("/api/tasks/").json()["code"] == "insufficient_scope"


def test_a_batch_is_asked_call_by_call(user: User) -> None:
    body = json.dumps([{"fn": "test.whoami"}, {"fn": "test.change"}])
    answer = client_with(made(user, "rpc:read")).post("/api/rpc/batch", body, content_type="application/json")
    assert [one["ok"] for one in answer.json()] == [True, False]


def test_elsewhere_it_opens_nothing() -> None:
    secret = made(User.objects.create_superuser("boss"))
    assert client_with(secret).get("/admin/tasks/job/").status_code == 302
    assert client_with(secret).get("/inbox/").status_code == 302
    page = client_with(secret, enforce_csrf_checks=True).post("/accounts/login/", {})
    assert page.status_code == 403


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer", "Bearer 1.abc.def", "Token stl_abc", "stl_abc"])
def test_other_headers_are_somebody_elses(header: str) -> None:
    assert token_in(header) is None
    assert call(Client(headers={"Authorization": header}), "test.whoami").json() == ""


def test_it_never_allows_more_than_its_user_may(user: User) -> None:
    root = TaskRoot.objects.create(title="Another's", owner=User.objects.create_user("other"))
    client = client_with(made(user))
    assert client.get(f"/api/tasks/{root.pk}/").status_code == 404
    user.is_staff = True
    user.save()
    user.user_permissions.add(Permission.objects.get(codename="view_taskroot"))
    assert client.get(f"/api/tasks/{root.pk}/").status_code == 200


def test_when_it_was_used_is_known_to_the_minute(user: User, django_assert_num_queries: Any) -> None:
    secret = made(user)
    find_api_token(secret)
    first = ApiToken.objects.get().used_at
    with django_assert_num_queries(1):
        find_api_token(secret)
    ApiToken.objects.update(used_at=timezone.now() - timedelta(minutes=2))
    find_api_token(secret)
    again = ApiToken.objects.get().used_at
    assert first is not None
    assert again is not None
    assert timezone.now() - again < timedelta(minutes=1)


def test_who_came_in_by_it_is_nobody_once_it_is_revoked(user: User) -> None:
    row, _ = create_api_token(user=user, name="test", scopes=["read"])
    visitor = Visitor(user=user, session=None, token_id=row.pk)
    assert visitor.now().user_id == user.pk
    assert revoke_api_token(row)
    assert not revoke_api_token(row)
    assert visitor.now() == Viewer()
    assert isinstance(visitor.looked_up()[0], AnonymousUser)


def test_a_token_that_is_over_before_it_begins_isnt_made(user: User) -> None:
    with pytest.raises(BadRequest):
        create_api_token(user=user, name="late", scopes=["read"], expires_at=timezone.now() - timedelta(days=1))
    assert not ApiToken.objects.exists()


def test_whoever_lacks_a_csrf_token_is_told_as_programs_are(user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    answer = call(client, "test.change")
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")


def test_the_command_prints_nothing_but_the_token(user: User) -> None:
    out = StringIO()
    call_command("create_api_token", "program", "--name", "ci", "--scope", "read", "--days", "30", stdout=out)

    row = find_api_token(out.getvalue().strip())
    assert (row.name, row.scopes) == ("ci", ["read"])
    assert row.expires_at is not None
    assert timedelta(days=29) < row.expires_at - timezone.now() < timedelta(days=31)


@pytest.mark.parametrize("arguments", [("nobody", "--scope", "read"), ("program",), ("program", "--scope", "all")])
def test_the_command_says_what_is_wrong(user: User, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        call_command("create_api_token", *arguments, stdout=StringIO())
    assert not ApiToken.objects.exists()


# In the admin.

LIST, ADD = "/admin/tasks/apitoken/", "/admin/tasks/apitoken/add/"


def admin_client(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def clerk() -> User:
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(content_type__model="apitoken"))
    return clerk


def test_a_new_one_is_shown_once(clerk: User) -> None:
    client = admin_client(clerk)
    shown = client.post(ADD, {"name": "ci", "user": clerk.pk, "scopes": "read\ncall:shop.get_order"})

    row = ApiToken.objects.get()
    assert (row.user, row.scopes) == (clerk, ["read", "call:shop.get_order"])
    secret = shown.context["secret"]
    assert find_api_token(secret) == row
    assert secret in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    for address in (LIST, f"{LIST}{row.pk}/change/"):
        later = client.get(address).content.decode()
        assert row.hint in later
        assert secret not in later


def test_nobody_makes_one_in_the_name_of_somebody_else_but_superusers(clerk: User) -> None:
    boss = User.objects.create_superuser("boss")
    refused = admin_client(clerk).post(ADD, {"name": "ci", "user": boss.pk, "scopes": "write"})
    assert "user" in refused.context["adminform"].form.errors
    assert not ApiToken.objects.exists()
    admin_client(boss).post(ADD, {"name": "ci", "user": clerk.pk, "scopes": "write"})
    assert ApiToken.objects.get().user == clerk


@pytest.mark.parametrize(
    ("field", "value"), [("scopes", "admin"), ("scopes", ""), ("expires_at_0", "2020-01-01"), ("name", "")]
)
def test_the_form_says_what_is_wrong(clerk: User, field: str, value: str) -> None:
    given = {"name": "ci", "user": clerk.pk, "scopes": "read", "expires_at_1": "00:00:00" if "expires" in field else ""}
    answer = admin_client(clerk).post(ADD, {**given, field: value})
    assert field.removesuffix("_0") in answer.context["adminform"].form.errors
    assert not ApiToken.objects.exists()


def test_what_one_is_good_for_cant_be_changed_afterwards(clerk: User) -> None:
    row, _ = create_api_token(user=clerk, name="old", scopes=["read"])
    admin_client(clerk).post(f"{LIST}{row.pk}/change/", {"name": "new", "scopes": "write", "user": "1"})
    row.refresh_from_db()
    assert (row.name, row.scopes, row.user) == ("new", ["read"], clerk)


def test_several_are_revoked_at_once(clerk: User) -> None:
    rows = [create_api_token(user=clerk, name=name, scopes=["read"])[0] for name in ("a", "b")]
    admin_client(clerk).post(LIST, {"action": "revoke", "_selected_action": [row.pk for row in rows]})
    assert not ApiToken.objects.filter(revoked_at=None).exists()


@pytest.mark.parametrize(
    ("state", "names"), [("", {"a", "b", "c", "d"}), ("holds", {"a", "b"}), ("expired", {"c"}), ("revoked", {"d"})]
)
def test_the_list_is_narrowed_by_state(clerk: User, state: str, names: set[str]) -> None:
    later = timezone.now() + timedelta(days=1)
    rows = {
        name: create_api_token(user=clerk, name=name, scopes=["read"], expires_at=None if name == "a" else later)[0]
        for name in "abcd"
    }
    ApiToken.objects.filter(name="c").update(expires_at=timezone.now())
    revoke_api_token(rows["d"])
    shown = admin_client(clerk).get(LIST, {"state": state} if state else {}).context["cl"].result_list
    assert {row.name for row in shown} == names


def test_a_superuser_names_the_user_among_however_many(clerk: User) -> None:
    page = admin_client(User.objects.create_superuser("boss")).get(ADD).content.decode()
    assert "vForeignKeyRawIdAdminField" in page
    assert "<option" not in page
    own = admin_client(clerk).get(ADD).content.decode()
    assert own.count("<option") == 1
    assert "_addanother" not in own
