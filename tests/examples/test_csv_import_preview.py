"""What a person sees before deciding."""

import pytest
from django.template.loader import render_to_string

from examples.csv_import.config import CheckConfig
from examples.csv_import.preview import preview_of
from processes.domain.tables import TableError, open_table

CONFIG = CheckConfig.model_validate({"columns": [{"name": "a", "type": "integer"}], "preview_rows": 2, "check_rows": 4})


def test_it_shows_known_and_unknown_columns_and_problems_per_row() -> None:
    preview = preview_of(open_table([b"a,<b>\n1,2\nx,3\n4\n5,6\n7,8\n"]), config=CONFIG)

    assert preview["columns"] == [
        {"name": "a", "known": True, "rule": "whole number"},
        {"name": "<b>", "known": False, "rule": ""},
    ]
    assert preview["rows"] == [
        {"line": 2, "fields": ["1", "2"], "problems": []},
        {"line": 3, "fields": ["x", "3"], "problems": ["a: “x” isn't a whole number of at most 18 digits."]},
    ]
    assert [row["line"] for row in preview["more"]] == [4]
    assert (preview["checked"], preview["with_problems"]) == (4, 2)


def test_long_fields_are_cut() -> None:
    preview = preview_of(open_table([b"a,b\n1," + b"x" * 30_000 + b"\n"]), config=CONFIG)

    assert len(preview["rows"][0]["fields"][1]) == 60


def test_a_file_without_rows_is_refused() -> None:
    with pytest.raises(TableError) as caught:
        preview_of(open_table([b"a,b\n\n"]), config=CONFIG)

    assert caught.value.code == "no_rows"


def test_the_page_escapes_what_the_file_says_and_marks_rows_with_problems() -> None:
    preview = preview_of(open_table([b"a,<b>\n1,<script>\nx,3\n"]), config=CONFIG)

    html = render_to_string("csv_import/preview.html", {"data": {"preview": {**preview, "name": "f.csv", "size": 20}}})

    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert html.count('<tr class="has-problems">') == 1
    assert "1 has problems" in " ".join(html.split())


def test_the_page_without_a_file_says_so() -> None:
    assert "There is no file" in render_to_string("csv_import/preview.html", {"data": {}})
