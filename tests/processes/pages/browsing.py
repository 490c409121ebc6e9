"""Read pages as a browser does: the fields of a form with their values, the visible messages."""

import html
import re
from html.parser import HTMLParser
from typing import Any

from django.http import HttpResponse
from django.test import Client


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.action = ""
        self.encoding = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action, self.encoding = given.get("action", ""), given.get("enctype", "")
        elif tag == "input" and given.get("name") and _is_sent(given):
            self.values[given["name"]] = given.get("value", "")


def _is_sent(given: dict[str, str]) -> bool:
    kind = given.get("type")
    return kind not in ("file", "submit") and (kind not in ("checkbox", "radio") or "checked" in given)


def main_of(response: HttpResponse) -> str:
    """Return the main part of a page: the rest bears the page's address and the visitor's token."""
    return response.content.decode().partition("<main")[2].partition("</main>")[0]


def links_of(response: HttpResponse) -> dict[str, str]:
    """Return where the links in the main part of a page lead, by what they say."""
    found = re.findall(r'<a href="([^"]*)"[^>]*>([^<]*)</a>', main_of(response))
    return {label: html.unescape(url) for url, label in found}


def _form_of(response: HttpResponse) -> str:
    """Return the part of a page that the process fills: around it, instances have forms of their own."""
    main = main_of(response)
    return main.partition("<article")[2].partition("</article>")[0] or main


def read_form(response: HttpResponse) -> dict[str, str]:
    """Return the values that the page's form would send if nobody changed anything."""
    reader = _FormReader()
    reader.feed(_form_of(response))
    return reader.values


def send_form(client: Client, response: HttpResponse, **values: Any) -> Any:
    """Fill in the page's form, send it to where it says, and open the form that it leads to, if it does."""
    reader = _FormReader()
    reader.feed(_form_of(response))
    response = client.post(reader.action, {**reader.values, **values})
    leads_to_form = response.status_code == 303 and "form=" in response.headers["Location"]
    return client.get(response.headers["Location"]) if leads_to_form else response
