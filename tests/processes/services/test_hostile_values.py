"""Values in data that are at the edge of what there is: pages show them, or leave them out, and never fail."""

import pytest
from django.template import engines
from django.test import override_settings

from processes.services.files import safe_name, size_text
from processes.services.page_content.filters import FILTERS
from processes.services.page_content.tables import _moment


@pytest.mark.parametrize("size", [-1, 2**63, 10**400, True, 1.5, "12", None])
def test_what_is_no_size_of_a_file_is_not_shown_as_one(size: object) -> None:
    assert size_text(size) == ""
    template = engines["django"].from_string("{% load stepline %}[{{ size|file_size }}]")
    assert template.render({"size": size}) == "[]"


@override_settings(TIME_ZONE="Europe/Vienna")
@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_the_first_and_the_last_moment_that_there_are_break_no_table(text: str) -> None:
    assert _moment(text, "datetime") is None


@pytest.mark.parametrize("name", ["truncatechars", "slugify"])
def test_only_the_beginning_of_a_text_is_normalised(name: str) -> None:
    text = "a" + "\u0315\u0300" * 100_000
    arguments = (text, 20) if name == "truncatechars" else (text,)
    assert len(FILTERS.filters[name](*arguments)) <= 2_000


def test_a_name_keeps_its_suffix_however_long_it_is() -> None:
    assert safe_name("\u0315\u0300" * 100_000 + ".pdf").endswith(".pdf")
