"""Send the builder's form as a browser would: read what the page shows, change some of it, press a button."""

from html.parser import HTMLParser
from typing import Any

from django.test import Client

from processes.models import ProcessTemplate


def address(template: ProcessTemplate, more: str = "") -> str:
    return f"/admin/processes/processtemplate/{template.pk}/builder/{more}"


class _Fields(HTMLParser):
    """Collect the fields of the builder's form in the order of the page, and its buttons."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: list[tuple[str, str]] = []
        self.buttons: list[str] = []
        self._inside = False
        self._select: str | None = None
        self._area: tuple[str, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and "data-builder" in given:
            self._inside = True
        if not self._inside or "disabled" in given:
            return
        name = given.get("name", "")
        if tag == "input" and given.get("type") == "checkbox":
            if "checked" in given:
                self.fields.append((name, given.get("value", "on")))
        elif (tag == "input" and given.get("type") == "submit") or (tag == "button" and given.get("type") == "submit"):
            self.buttons.append(given["value"])
        elif tag == "input":
            self.fields.append((name, given.get("value", "")))
        elif tag == "select":
            self._select = name
            self.fields.append((name, ""))
        elif tag == "option" and self._select is not None and "selected" in given:
            self.fields[-1] = (self._select, given["value"])
        elif tag == "textarea":
            self._area = (name, [])

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "select":
            self._select = None
        elif tag == "textarea" and self._area is not None:
            name, parts = self._area
            # The first line end belongs to the page, and a browser sends the others in its own way.
            text = "".join(parts).removeprefix("\n").replace("\n", "\r\n")
            self.fields.append((name, text))
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._area[1].append(data)


class Form:
    """Hold the builder's page as it is shown; `press` sends it with a button, and shows what comes back."""

    def __init__(self, client: Client, template: ProcessTemplate, *opened: str) -> None:
        self._client, self._template = client, template
        response = client.get(address(template), {"open": list(opened)})
        assert response.status_code == 200
        self._show(response.content.decode())

    def _show(self, text: str) -> None:
        self.text = text
        parser = _Fields()
        parser.feed(text)
        self.fields, self.buttons = parser.fields, parser.buttons

    def number(self, name: str) -> str:
        """Return the number that the page has for a step."""
        return self._numbers("step", name)

    def action(self, reference: str) -> str:
        """Return the number that the page has for an action."""
        return self._numbers("action", reference)

    def _numbers(self, kind: str, name: str) -> str:
        at = self.text.index(f'data-builder-{kind} data-name="{name}" data-number="')
        return self.text[at:].split('"')[3]

    def value(self, name: str) -> str:
        """Return what a field holds."""
        (value,) = [value for field, value in self.fields if field == name]
        return value

    def fill(self, **values: str) -> None:
        """Fill fields in: `_` before the field's own name stands for `-`, as in `s0_comment`."""
        self.fill_in({name.replace("_", "-", 1): value for name, value in values.items()})

    def fill_in(self, values: dict[str, str]) -> None:
        """Fill fields in by their names; each must be there."""
        missing = values.keys() - {name for name, _ in self.fields}
        assert not missing, missing
        self.fields = [(name, values.get(name, value)) for name, value in self.fields]

    def press(self, deed: str) -> Any:
        """Send the form with a button that is there."""
        assert deed in self.buttons, (deed, self.buttons)
        return self.send(deed)

    def send(self, deed: str) -> Any:
        """Send the form."""
        data: dict[str, list[str]] = {"do": [deed]}
        for name, value in self.fields:
            data.setdefault(name, []).append(value)
        response = self._client.post(address(self._template), data)
        if response.status_code == 200:
            self._show(response.content.decode())
        return response

    def steps(self) -> list[list[str]]:
        """Return the names of the steps, action by action, as the page shows them."""
        return [
            [part.split('"')[1] for part in action.split("data-builder-step data-name=")[1:]]
            for action in self.text.split("<section ")[1:]
        ]
