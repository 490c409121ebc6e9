"""What people may choose from, and what data gets of it."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.db.models import QuerySet

from processes.errors import PermanentError
from processes.registry import queryset, querysets
from processes.services import form_rows
from tests.processes.pages.form_kit import refusal, sent, shown, taken

LETTERS = {"type": "choice", "choices": ["a", "b", "c"]}
GROUPED = {
    "type": "choice",
    "choices": ["none", {"label": "Fruit", "choices": ["apple", {"value": 2, "label": "Pear"}]}],
}
TEAMS = {"$ref": "queryset", "name": "teams"}


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        (LETTERS, "b", "b"),
        ({**LETTERS, "widget": "radio"}, "b", "b"),
        ({**LETTERS, "required": False}, "", None),
        ({**LETTERS, "widget": "radio", "required": False}, None, None),
        ({**LETTERS, "widget": "hidden"}, "a", "a"),
        ({"type": "choice", "choices": [1, 2.5, "3"]}, "1", 1),
        ({"type": "choice", "choices": [1, 2.5, "3"]}, "2.5", 2.5),
        ({"type": "choice", "choices": [1, 2.5, "3"]}, "3", "3"),
        (GROUPED, "2", 2),
        (GROUPED, "none", "none"),
        ({**GROUPED, "type": "choices"}, ["2", "none", "2"], ["none", 2]),
        ({**LETTERS, "type": "choices"}, ["c", "a"], ["a", "c"]),
        ({**LETTERS, "type": "choices", "widget": "select"}, ["c"], ["c"]),
        ({**LETTERS, "type": "choices", "required": False}, None, []),
    ],
)
def test_data_gets_the_value_that_was_offered_with_its_type(field: dict[str, Any], value: Any, kept: Any) -> None:
    assert taken(field, value) == kept


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (LETTERS, "d", "not one of the available choices"),
        (LETTERS, "", "required"),
        (LETTERS, None, "required"),
        ({**LETTERS, "type": "choices"}, ["a", "d"], "not one of the available choices"),
        ({**LETTERS, "type": "choices"}, None, "required"),
        (GROUPED, "Fruit", "not one of the available choices"),
        ({"type": "choice", "choices": []}, "a", "not one of the available choices"),
    ],
)
def test_only_what_is_offered_is_taken(field: dict[str, Any], value: Any, message: str) -> None:
    assert message in refusal(field, value)


def test_groups_are_shown_under_their_headings() -> None:
    assert '<optgroup label="Fruit">' in str(shown({"name": "x", **GROUPED})["x"])


def test_what_data_holds_is_chosen_whatever_its_type() -> None:
    assert 'value="2" selected' in str(shown({"name": "x", **GROUPED}, data={"x": 2})["x"])
    form = shown({"name": "x", **LETTERS, "type": "choices"}, data={"x": ["a", "c"]})
    assert str(form["x"]).count(" checked") == 2
    form = shown({"name": "x", **LETTERS, "type": "choices"}, data={"x": "c"})
    assert str(form["x"]).count(" checked") == 1


def test_choices_that_are_still_a_placeholder_are_an_error_in_clear_words() -> None:
    with pytest.raises(PermanentError, match='choices of the field "x"'):
        shown({"name": "x", "type": "choice", "choices": "%{attr:gone}"})


# -- querysets ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def teams() -> Iterator[None]:
    @queryset("teams", label="name")
    def of_user(user: User | AnonymousUser) -> QuerySet[Group]:
        return Group.objects.order_by("name") if user.is_superuser else Group.objects.filter(name__startswith="open")

    yield
    querysets.unregister("teams")


@pytest.fixture
def groups(teams: None, db: None) -> dict[str, Group]:
    return {name: Group.objects.create(name=name) for name in ("open north", "open south", "secret")}


def test_the_rows_of_a_queryset_are_offered_and_data_gets_the_key(groups: dict[str, Group]) -> None:
    field = {"type": "choice", "choices": TEAMS}
    north = groups["open north"].pk
    assert f'<option value="{north}">open north</option>' in str(shown({"name": "x", **field})["x"])
    assert taken(field, str(north)) == north
    assert taken({**field, "widget": "radio"}, str(north)) == north
    assert taken({**field, "type": "choices"}, [str(north)]) == [north]


def test_a_row_outside_of_the_queryset_is_refused(groups: dict[str, Group]) -> None:
    secret = str(groups["secret"].pk)
    for field in ({"type": "choice"}, {"type": "choices"}):
        assert "available choices" in refusal({**field, "choices": TEAMS}, secret)
        assert "available choices" in refusal({**field, "choices": TEAMS}, "x; drop table")
    assert "secret" not in str(shown({"name": "x", "type": "choice", "choices": TEAMS})["x"])


def test_each_user_is_offered_their_own_rows(groups: dict[str, Group]) -> None:
    user = User(is_superuser=True)
    secret = groups["secret"].pk
    assert taken({"type": "choice", "choices": TEAMS}, str(secret), user=user) == secret


@pytest.fixture
def too_many(groups: dict[str, Group], monkeypatch: pytest.MonkeyPatch) -> dict[str, Group]:
    monkeypatch.setattr(form_rows, "MAX_CHOICES", 1)
    return groups


def test_of_too_many_rows_one_is_named_and_the_page_stays_small(too_many: dict[str, Group]) -> None:
    field = {"type": "choice", "choices": TEAMS}
    north = too_many["open north"].pk
    html = str(shown({"name": "x", **field})["x"])
    assert "<select" not in html
    assert '<option value="open north">' in html
    assert taken(field, "Open North") == north
    assert taken(field, str(north)) == north
    assert taken({**field, "required": False}, "") is None
    assert "nothing called “secret”" in refusal(field, "secret")
    assert "nothing called “99999999999999999999”" in refusal(field, "99999999999999999999")
    assert 'value="open north"' in str(shown({"name": "x", **field}, data={"x": north})["x"])


def test_of_too_many_rows_several_are_named_line_by_line(too_many: dict[str, Group]) -> None:
    field = {"type": "choices", "choices": TEAMS}
    north, south = too_many["open north"].pk, too_many["open south"].pk
    assert taken(field, f"open south\r\n\r\n{north}\r\nopen south") == [south, north]
    assert "nothing called “nobody”" in refusal(field, "open south\nnobody")
    form = shown({"name": "x", **field}, data={"x": [north, south]})
    assert form["x"].value() == "open north\nopen south"
    form = sent({"name": "x", **field}, values={"x": "nobody"})
    assert form.entered() == {"x": "nobody"}
    assert "nobody</textarea>" in str(form["x"])


def test_names_that_several_rows_bear_need_the_key(too_many: dict[str, Group]) -> None:
    second = Group.objects.create(name="open NORTH")
    field = {"name": "x", "type": "choice", "choices": TEAMS}
    assert taken(field, str(second.pk)) == second.pk
    assert f'value="{second.pk}"' in str(shown(field, data={"x": second.pk})["x"])
    assert f'value="{second.pk}"' in str(sent(field, {"name": "y"}, values={"x": str(second.pk)})["x"])
    assert "Several are called “open north”" in refusal({"type": "choice", "choices": TEAMS}, "open north")


@pytest.mark.parametrize("gives", [lambda user: [1, 2], lambda user: Group.objects.all()[:3], lambda user: None])
def test_a_function_that_gives_no_queryset_is_an_error_that_names_it(gives: Any, db: None) -> None:
    queryset("odd")(gives)
    try:
        with pytest.raises(PermanentError, match="odd"):
            shown({"name": "x", "type": "choice", "choices": {"$ref": "queryset", "name": "odd"}})
    finally:
        querysets.unregister("odd")


def test_a_manager_and_other_fields_do_too(db: None) -> None:
    queryset("users", value="username", label="get_username")(lambda user: User.objects)
    try:
        User.objects.create(username="ada")
        assert taken({"type": "choice", "choices": {"$ref": "queryset", "name": "users"}}, "ada") == "ada"
    finally:
        querysets.unregister("users")
