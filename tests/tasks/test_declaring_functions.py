"""Declaring functions that clients call by name, and who may call them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tasks import job, mutation, query
from tasks.domain.calls import CallKind
from tasks.errors import InvalidArguments, UnknownFunction
from tasks.registry import CallContext, DuplicateFunction, JobContext, Offer, functions, may_call


@pytest.fixture(autouse=True)
def _registry(own_declarations: None) -> Iterator[None]:
    # What apps find, they find in the database.
    sources = dict(functions.sources())
    for name in sources:
        functions.remove_source(name)
    yield
    for name, source in sources.items():
        functions.add_source(name, *source)


@dataclass
class Somebody:
    pk: int | None = 1
    is_authenticated: bool = True
    is_active: bool = True
    is_staff: bool = False
    permissions: set[str] = field(default_factory=set)

    def has_perm(self, name: str) -> bool:
        return name in self.permissions


NOBODY = Somebody(pk=None, is_authenticated=False, is_active=False)
CONTEXT: Any = object()


def test_a_function_stays_what_it_is_and_can_be_called_by_name() -> None:
    @query
    def double_of_a_test(context: CallContext, number: int) -> int:
        return number * 2

    assert double_of_a_test(CONTEXT, 2) == 4
    found = functions.get("double_of_a_test", NOBODY)
    assert found.kind is CallKind.QUERY
    assert found.bind(CONTEXT, {"number": 4})() == 8


def test_a_mutation_may_have_another_name() -> None:
    @mutation("test.change")
    def change(context: CallContext) -> None: ...

    assert functions.get("test.change", NOBODY).kind is CallKind.MUTATION


@pytest.mark.parametrize(
    ("arguments", "named"), [({}, ["number"]), ({"number": "x"}, ["number"]), ({"number": 1, "more": 2}, ["more"])]
)
def test_wrong_arguments_are_named_before_anything_is_called(arguments: dict[str, Any], named: list[str]) -> None:
    @query("test.typed")
    def typed(context: CallContext, number: int) -> int:
        raise AssertionError("it was called")

    with pytest.raises(InvalidArguments) as caught:
        functions.get("test.typed", NOBODY).bind(CONTEXT, arguments)
    assert caught.value.fields["arguments"] == named


def test_who_takes_nothing_is_given_nothing() -> None:
    @query("test.bare")
    def bare(context: CallContext) -> int:
        return 1

    with pytest.raises(InvalidArguments):
        functions.get("test.bare", NOBODY).bind(CONTEXT, {"a": 1})


def test_two_functions_of_one_name_are_told_apart_by_giving_a_name() -> None:
    query("test.same")(lambda context: None)
    with pytest.raises(DuplicateFunction, match="another name"):
        mutation("test.same")(lambda context: None)


def test_a_job_can_be_started_where_it_says_by_whom() -> None:
    @job("test.open", access="signed_in")
    def opened(context: JobContext, size: int) -> None: ...

    @job("test.closed")
    def closed(context: JobContext) -> None: ...

    assert functions.get("test.open", NOBODY).kind is CallKind.MUTATION
    assert "test.open" in functions.declared()
    assert "test.closed" not in functions.declared()
    with pytest.raises(UnknownFunction):
        functions.get("test.closed", NOBODY)


def test_an_open_job_and_a_function_dont_share_a_name() -> None:
    job("test.taken", access="staff")(lambda context: None)
    with pytest.raises(DuplicateFunction):
        query("test.taken")(lambda context: None)


def test_a_misspelt_name_is_told_the_nearest_one() -> None:
    query("test.get_order")(lambda context: None)
    with pytest.raises(UnknownFunction, match=r"Did you mean 'test\.get_order'"):
        functions.get("test.get_oder", NOBODY)


def test_what_isnt_declared_is_looked_for_where_apps_say() -> None:
    query("test.found")(lambda context: "found")
    found = functions.get("test.found", NOBODY)
    functions.remove("test.found")
    asked: list[tuple[str, object]] = []

    def find(name: str, user: object) -> Any:
        asked.append((name, user))
        return found if name == "elsewhere" else None

    functions.add_source("test", find)
    try:
        assert functions.get("elsewhere", NOBODY) is found
        with pytest.raises(UnknownFunction):
            functions.get("nowhere", NOBODY)
    finally:
        functions.remove_source("test")
    assert asked == [("elsewhere", NOBODY), ("nowhere", NOBODY)]


def test_sources_list_what_they_offer_behind_what_is_declared() -> None:
    query("test.same")(lambda context: "declared")
    offers = [Offer(name="test.same"), Offer(name="z"), Offer(name="a", arguments=("file",), steps=("read",))]
    functions.add_source("silent", lambda name, user: None)
    functions.add_source("test", lambda name, user: None, lambda: offers)
    try:
        assert functions.offers() == [offers[2], offers[1]]
    finally:
        functions.remove_source("silent")
        functions.remove_source("test")


def test_what_is_declared_says_what_it_is() -> None:
    @query("test.look")
    def look(context: CallContext) -> None:
        """Look."""

    @job("test.start", access="anyone")
    def start(context: JobContext) -> None:
        """Start."""

    declared = functions.declared()
    assert [(declared[name].starts_job, declared[name].description) for name in ("test.look", "test.start")] == [
        (False, "Look."),
        (True, "Start."),
    ]


@pytest.mark.parametrize("name", ["", "batch", "a/b", "a b", "1st", "a..b", "ä?"])
def test_what_cant_be_part_of_an_address_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="can't be called"):
        query(name)(lambda context: None)


@pytest.mark.parametrize("access", ["", "everybody", ".", "signed-in"])
def test_an_access_that_says_nothing_is_refused(access: str) -> None:
    with pytest.raises(ValueError, match="it is 'anyone'"):
        query("test.refused", access=access)(lambda context: None)
    with pytest.raises(ValueError, match="it is 'anyone'"):
        job("test.refused", access=access)


@pytest.mark.parametrize(
    ("access", "may"),
    [
        ("anyone", {"nobody", "user", "staff", "clerk"}),
        ("signed_in", {"user", "staff", "clerk"}),
        ("staff", {"staff"}),
        ("shop.change_order", {"clerk"}),
        (lambda user: user.pk == 7, {"clerk"}),
    ],
)
def test_who_may_call(access: Any, may: set[str]) -> None:
    people = {
        "nobody": NOBODY,
        "gone": Somebody(is_active=False, is_staff=True, permissions={"shop.change_order"}),
        "user": Somebody(),
        "staff": Somebody(is_staff=True),
        "clerk": Somebody(pk=7, permissions={"shop.change_order"}),
    }
    expected = {*may, "gone"} if access == "anyone" else may
    assert {name for name, one in people.items() if may_call(access, one)} == expected
