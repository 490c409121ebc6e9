"""Pages speak the reader's language: that of their browser, or the one that they have chosen at the foot of a page."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from tests.processes.pages.browsing import main_of
from tests.processes.services.published import form, page, publish_process

pytestmark = pytest.mark.django_db

GERMAN = "de-DE,de;q=0.9,en;q=0.8"
#: What readers send, and the language that they get.
READERS = [
    pytest.param(GERMAN, "de", id="German"),
    pytest.param("de", "de", id="only German"),
    pytest.param("fr, de-AT;q=0.7", "de", id="French, then Austrian"),
    pytest.param("en-GB,en;q=0.9,de;q=0.8", "en", id="English, then German"),
    pytest.param("fr", "en", id="French"),
    pytest.param("", "en", id="none"),
]
ROW = {"amount": 1234567.5, "day": "2026-03-09", "at": "2026-03-09T14:05:00+00:00", "paid": True}
COLUMNS = [
    {"key": "amount", "type": "number", "decimals": 2},
    {"key": "day", "type": "date"},
    {"key": "at", "type": "datetime"},
    "paid",
]
SHOWN = {
    "de": ["1.234.567,50", "9. März 2026", "9. März 2026 14:05", "Ja"],
    "en": ["1,234,567.50", "March 9, 2026", "March 9, 2026, 2:05 p.m.", "Yes"],
}


def read(client: Client, path: str, accepted: str = "") -> Any:
    return client.get(path, headers={"Accept-Language": accepted} if accepted else {})


def language_of(response: Any) -> str:
    text = response.content.decode()
    [language] = re.findall(r'<html lang="([^"]*)"', text)
    [current] = re.findall(r'value="(\w+)" lang="\w+" aria-current="true"', text)
    assert language == current == response.headers["Content-Language"]
    return str(language)


def choose(client: Client, language: str, *, on: str = "/") -> Any:
    return client.post("/i18n/setlang/", {"language": language, "next": on}, headers={"Accept-Language": GERMAN})


def publish_ledger() -> None:
    publish_process("ledger", [page("a", "", config={"tables": [{"rows": [ROW], "columns": COLUMNS}]})])


def cells_of(response: Any) -> list[str]:
    return [unescape(re.sub(r"<.*?>", "", cell)) for cell in re.findall(r"<td[^>]*>(.*?)</td>", main_of(response))]


@pytest.mark.parametrize(("accepted", "language"), READERS)
@pytest.mark.parametrize(
    ("path", "status", "texts"),
    [
        ("/", 200, {"de": "Prozesse", "en": "Processes"}),
        ("/accounts/login/", 200, {"de": "Anmelden", "en": "Sign in"}),
        ("/p/nothing/", 404, {"de": "Hier gibt es nichts", "en": "There is nothing here"}),
        ("/nowhere/", 404, {"de": "Hier gibt es nichts", "en": "There is nothing here"}),
    ],
)
def test_a_page_answers_in_the_language_of_the_browser(
    client: Client, accepted: str, language: str, path: str, status: int, texts: dict[str, str]
) -> None:
    response = read(client, path, accepted)
    assert response.status_code == status
    assert language_of(response) == language
    assert f"<h1>{texts[language]}</h1>" in main_of(response)
    # What lies between may keep it, and must not give it to somebody who reads another.
    assert "Accept-Language" in response.headers["Vary"]


@pytest.mark.parametrize(("accepted", "language"), READERS)
def test_numbers_dates_and_answers_are_written_as_the_language_does(
    client: Client, accepted: str, language: str
) -> None:
    publish_ledger()
    assert cells_of(read(client, "/p/ledger/", accepted)) == SHOWN[language]


def test_a_form_tells_in_german_what_is_wrong_and_how_it_is_sent(client: Client) -> None:
    fields = ({"name": "guest", "type": "text"}, {"name": "report", "type": "file", "max_bytes": 2_621_440})
    publish_process("book", [form("ask", "done", *fields), page("done", "Thank you.")])
    asked = main_of(read(client, "/p/book/", GERMAN))
    assert "Höchstens 2,5\xa0MB groß." in asked
    # The definition names no text for its button.
    assert ">Weiter</button>" in asked
    sent = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', asked))
    refused = client.post("/p/book/", sent, headers={"Accept-Language": GERMAN}, follow=True)
    assert language_of(refused) == "de"
    told = main_of(refused)
    assert "Bitte prüfen Sie Ihre Eingaben." in told
    assert "Dieses Feld ist zwingend erforderlich." in told  # Django's own
    assert "Wählen Sie eine Datei aus." in told


def test_the_language_chosen_on_a_page_wins_over_the_browsers(client: Client) -> None:
    publish_ledger()
    assert language_of(read(client, "/", GERMAN)) == "de"
    answer = choose(client, "en", on="/p/ledger/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/p/ledger/")
    chosen = read(client, "/p/ledger/", GERMAN)
    assert (language_of(chosen), cells_of(chosen)) == ("en", SHOWN["en"])
    assert language_of(read(client, "/p/nothing/", GERMAN)) == "en"
    choose(client, "de")
    assert language_of(read(client, "/", "en")) == "de"
    # Somebody else has chosen nothing.
    assert language_of(read(Client(), "/", "en")) == "en"


def test_a_language_that_isnt_offered_changes_nothing(client: Client) -> None:
    for nonsense in ("xx", "../de", "<b>", "", "de" * 500):
        choose(client, nonsense)
        assert language_of(read(client, "/", GERMAN)) == "de"
        client.cookies["django_language"] = nonsense
        assert language_of(read(client, "/", "en")) == "en"
        client.cookies.clear()


def test_every_language_is_offered_by_its_own_name(client: Client) -> None:
    for accepted in (GERMAN, "en"):
        foot = read(client, "/", accepted).content.decode().partition("<footer")[2]
        offered = re.findall(r'name="language" value="(\w+)" lang="(\w+)"[^>]*>(\w+)</button>', foot)
        assert offered == [("en", "en", "English"), ("de", "de", "Deutsch")]
