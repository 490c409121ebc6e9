"""Telling lists costs the same few messages, however many roots change how often."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from channels.layers import BaseChannelLayer
from pytest_django import Settings

from tasks.services import publish as publisher
from tasks.services.publish import (
    LISTS_GROUP,
    LISTS_ROOTS,
    announce,
    close_publisher,
    flush_publisher,
    group_name,
    publish,
)

SENT: list[tuple[str, dict[str, Any]]] = []


class NotingLayer(BaseChannelLayer):  # type: ignore[misc]  # Channels has no types
    """Note what is sent."""

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        SENT.append((group, message))


@pytest.fixture
def sent(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    # Other tests may have left messages behind, for a layer that they had no need of: whatever their publisher has not
    # sent yet would come to this one.
    close_publisher()
    monkeypatch.setattr(publisher, "_publisher", publisher._Publisher())
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"{__name__}.NotingLayer"}}
    SENT.clear()
    yield SENT
    close_publisher()


def to_lists(sent: list[tuple[str, dict[str, Any]]]) -> list[list[str]]:
    return [message["roots"] for group, message in sent if group == LISTS_GROUP]


def test_lists_are_told_once_of_a_root_that_changes_often(sent: list[tuple[str, dict[str, Any]]]) -> None:
    root = uuid.uuid4()
    for seq in range(1, 501):
        publish(root, first=seq, last=seq, bodies=["{}"])
    assert flush_publisher()

    told = [message for group, message in sent if group == group_name(root)]
    assert [seq for message in told for seq in range(message["first"], message["last"] + 1)] == list(range(1, 501))
    assert [len(message["bodies"]) for message in told] == [message["last"] - message["first"] + 1 for message in told]
    # The time in which they are gathered may have passed once or twice.
    assert 1 <= len(to_lists(sent)) < 20
    assert {name for names in to_lists(sent) for name in names} == {root.hex}


def test_of_many_roots_none_is_left_out(sent: list[tuple[str, dict[str, Any]]]) -> None:
    roots = [uuid.uuid4() for _ in range(LISTS_ROOTS + 7)]
    for root in roots:
        publish(root, first=1, last=1, bodies=["{}"])
    assert flush_publisher()

    assert {name for names in to_lists(sent) for name in names} == {root.hex for root in roots}
    assert max(map(len, to_lists(sent))) <= LISTS_ROOTS


def test_the_last_change_is_told_without_another_one(sent: list[tuple[str, dict[str, Any]]]) -> None:
    root = uuid.uuid4()
    publish(root, first=1, last=1, bodies=["{}"])
    close_publisher()

    assert [group for group, _ in sent] == [group_name(root), LISTS_GROUP]


def test_other_announcements_are_no_changes(sent: list[tuple[str, dict[str, Any]]]) -> None:
    announce("tasks.users", {"type": "task.users", "users": None})
    assert flush_publisher()

    assert [group for group, _ in sent] == ["tasks.users"]


def test_updates_that_follow_each_other_become_one_message(sent: list[tuple[str, dict[str, Any]]]) -> None:
    one, other = uuid.uuid4(), uuid.uuid4()
    for seq in range(1, 101):
        publish(one, first=seq, last=seq, bodies=[f"{seq}"])
        publish(other, first=seq, last=seq, bodies=["{}"])
    assert flush_publisher()
    told = [message for group, message in sent if group == group_name(one)]
    assert len(told) < 50
    assert [body for message in told for body in message["bodies"]] == [str(seq) for seq in range(1, 101)]


def test_a_gap_or_a_message_without_bodies_stays_a_message_of_its_own(sent: list[tuple[str, dict[str, Any]]]) -> None:
    root, long = uuid.uuid4(), "x" * publisher.MAX_BODIES_CHARS
    for first, bodies in ((1, ["a"]), (3, ["c"]), (4, [long, "d"]), (6, ["e"])):
        publish(root, first=first, last=first + len(bodies) - 1, bodies=bodies)
    assert flush_publisher()
    told = [(message["first"], message["last"], message.get("bodies")) for _, message in sent if message.get("first")]
    assert told == [(1, 1, ["a"]), (3, 3, ["c"]), (4, 5, None), (6, 6, ["e"])]
