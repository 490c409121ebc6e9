"""The words of the scripts come from the page, with the plurals and the numbers of its language."""

import pytest
from playwright.sync_api import Page

from tests.static.conftest import BROWSER

pytestmark = BROWSER

SAY = """async ([html, language, call]) => {
  const { Words } = await import("/static/tasks/words.js");
  const template = document.createElement("template");
  template.innerHTML = html;
  const words = new Words(template, language);
  return words[call[0]](...call.slice(1));
}"""
ENGLISH = '<i data-word="n" data-for="1">{number} line</i><i data-word="n" data-for="2">{number} lines</i>'
POLISH = "".join(
    f'<i data-word="n" data-for="{example}">{{number}} {word}</i>'
    for example, word in ((0, "linii"), (1, "linia"), (2, "linie"), (5, "linii"))
)


@pytest.mark.parametrize(
    ("html", "language", "number", "said"),
    [
        (ENGLISH, "en", 1, "1 line"),
        (ENGLISH, "en", 0, "0 lines"),
        (ENGLISH, "en", 1234, "1,234 lines"),
        (ENGLISH, "de", 1234, "1.234 lines"),
        (POLISH, "pl", 1, "1 linia"),
        (POLISH, "pl", 3, "3 linie"),
        (POLISH, "pl", 12, "12 linii"),
        (POLISH, "pl", 22, "22 linie"),
    ],
)
def test_a_number_takes_the_plural_of_its_language(
    functions: Page, html: str, language: str, number: int, said: str
) -> None:
    assert functions.evaluate(SAY, [html, language, ["count", "n", number]]) == said


def test_names_are_filled_in_as_text_and_unknown_ones_stay(functions: Page) -> None:
    html = '<i data-word="a">{title}: {share} of {other}</i>'
    said = functions.evaluate(SAY, [html, "en", ["say", "a", {"title": "{share} <b>", "share": "$&"}]])
    assert said == "{share} <b>: $& of {other}"


def test_a_missing_word_is_told_to_the_developer_and_breaks_nothing(functions: Page) -> None:
    with functions.expect_console_message() as told:
        said = functions.evaluate(SAY, [ENGLISH, "en", ["say", "nothing"]])
    assert said == ""
    assert 'no word "nothing"' in told.value.text
