"""Whatever is pressed in whichever of two windows: one winner for each revision, nothing lost, nothing done twice.

Random walks over a form of three steps, beside a model of a few lines: what a window shows, and what the data holds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processes.models import DataNode, Run
from processes.registry import scripts
from processes.services.stored_data import StoredData
from tests.processes.pages.browsing import read_form
from tests.processes.services.published import form, publish_process

pytestmark = pytest.mark.django_db

STEPS = ("one", "two", "three")
FIELDS = {"one": "a", "two": "b", "three": "c"}
BUTTONS = {"draft": "draft-1", "back": "back-2"}
DEEDS = ("submit", "submit", "submit", "refused", "draft", "back", "reload", "other window", "restart")


@pytest.fixture
def process() -> Iterator[None]:
    """Publish the three steps, which end in the background."""

    def buttons(earlier: str) -> dict[str, Any]:
        return {"buttons": [{"label": "Later", "does": "draft"}, {"label": "Back", "does": "back", "action": earlier}]}

    def name(of: str) -> dict[str, Any]:
        return {"name": FIELDS[of], "max_length": 5}

    with scripts.override("work_of_walk", lambda app: None):
        publish_process(
            "walk",
            [
                form("one", "two", name("one"), config=buttons("one")),
                form("two", "three", name("two"), config=buttons("one")),
                form("three", "away", name("three"), config=buttons("two")),
                {"name": "away", "script": "execute_in_background"},
                {"name": "work", "script": "work_of_walk", "next": False},
                {"name": "renderProgress", "script": "render_progress", "next": False},
            ],
        )
        yield


@dataclass
class Window:
    """What one window shows."""

    step: str = "one"
    revision: int = 0
    page: dict[str, str] = field(default_factory=dict)


@dataclass
class Model:
    """What the server should hold."""

    revision: int = 0
    exists: bool = False
    data: dict[str, str] = field(default_factory=dict)
    entered: dict[str, str] = field(default_factory=dict)
    step: str = "one"
    is_over: bool = False
    #: What the background run began with.
    taken: dict[str, str] | None = None

    def shown(self, step: str) -> str:
        return self.entered.get(step, self.data.get(FIELDS[step], ""))


class Walk:
    """Do the same in the browser and in the model, and compare."""

    def __init__(self, client: Client) -> None:
        self.client, self.model = client, Model()
        self.windows = [Window(), Window()]
        first = client.get("/p/walk/")
        self.reference = read_form(first)["data"]
        for window in self.windows:
            # The second is a duplicate of the first: a tab that was opened from it.
            self.look(window, first)

    def look(self, window: Window, response: Any) -> None:
        window.page = read_form(response)
        window.step, window.revision = window.page["form"], int(window.page["revision"])
        assert window.page[FIELDS[window.step]] == self.model.shown(window.step)
        assert window.revision == self.model.revision

    def open(self, window: Window, step: str) -> None:
        response = self.client.get("/p/walk/", {"form": step, "data": self.reference, "new": "1"})
        if not self.model.exists:
            assert response.status_code == 302
        elif self.model.is_over:
            assert response.status_code == 409
        else:
            self.look(window, response)

    def send(self, window: Window, deed: str, text: str) -> None:
        values = {**window.page, FIELDS[window.step]: text, "button": BUTTONS.get(deed, "submit")}
        response = self.client.post("/p/walk/", values)
        if window.revision != self.model.revision or self.model.is_over:
            assert response.status_code == 409, deed
            return
        self.model.exists = True
        step, place = window.step, STEPS.index(window.step)
        self.model.entered[step] = text
        if deed == "refused":
            assert response.status_code == 422
            self.look_at_refused(window, response, text)
            return
        self.model.revision += 1
        if deed == "submit":
            self.model.data[FIELDS[step]] = self.model.entered.pop(step)
            self.model.is_over = step == "three"
            self.model.taken = dict(self.model.data) if self.model.is_over else None
        assert response.status_code == 303
        if self.model.is_over:
            assert response.headers["Location"].startswith("/progress/")
            return
        leads_to = {"draft": step, "back": STEPS[max(place - 1, 0)], "submit": STEPS[min(place + 1, 2)]}[deed]
        self.model.step = leads_to
        self.look(window, self.client.get(response.headers["Location"]))
        assert window.step == leads_to

    def look_at_refused(self, window: Window, response: Any, text: str) -> None:
        window.page = read_form(response)
        assert window.page[FIELDS[window.step]] == text
        assert int(window.page["revision"]) == self.model.revision

    def compare(self) -> None:
        node = DataNode.objects.filter(reference=self.reference).first()
        assert (node is not None) == self.model.exists
        if node is not None:
            assert node.revision == self.model.revision
            assert node.entered == {step: {FIELDS[step]: text} for step, text in self.model.entered.items()}
            if self.model.is_over:
                # The run has it all; the node is as it was when the last form was shown.
                assert StoredData.load(node.continued_in)[1] == self.model.taken
            else:
                assert node.continued_in is None
                assert node.data == self.model.data


deeds = st.lists(st.tuples(st.sampled_from(DEEDS), st.integers(0, 1), st.sampled_from("xyz")), max_size=25)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deeds=deeds)
def test_every_walk_ends_as_its_model(process: None, deeds: list[tuple[str, int, str]]) -> None:
    runs = Run.objects.count()
    walk = Walk(Client())
    for deed, number, letter in deeds:
        window = walk.windows[number]
        if deed == "reload":
            walk.open(window, window.step)
        elif deed == "other window":
            walk.open(window, walk.windows[1 - number].step)
        elif deed == "restart":
            walk.open(window, "one")
        else:
            walk.send(window, deed, letter * (9 if deed == "refused" else 2))
        walk.compare()
    assert Run.objects.count() - runs == int(walk.model.is_over)
