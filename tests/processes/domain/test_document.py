"""What a document may look like, and what is wrong with others; where names in it lead is the commands' matter."""

import pytest

from processes.domain.document import EDIT, EXECUTE, parse_document
from processes.errors import DefinitionError
from processes.models import Access, EditAccess

ACTION = {"name": "a", "script": None}


@pytest.mark.parametrize(
    ("value", "definition_path"),
    [
        ([ACTION], ""),
        ({"actions": [ACTION]}, ""),
        ({"format": 1, "actions": [ACTION]}, ""),
        ({"definition": [ACTION]}, "/definition"),
        ({"definition": {"format": 1, "actions": [ACTION]}, "name": "x"}, "/definition"),
        ({"actions": [ACTION], "name": "x", "bindings": {}}, ""),
    ],
)
def test_a_definition_may_stand_alone_or_in_a_document(value, definition_path):
    document = parse_document(value, "/at")
    assert [action.name for action in document.definition.actions] == ["a"]
    assert document.definition_path == "/at" + definition_path
    assert document.bindings_path == "/at/bindings"


def test_what_a_document_says_is_known_and_what_it_leaves_out_is_not():
    keys = {
        "title": "T",
        "description": "",
        "execute": "groups",
        "groups": ["x"],
        "edit": "groups",
        "edit_groups": ["y"],
    }
    full = parse_document({"name": "n", "definition": [], "extends": ["b", []], "abstract": True, **keys})
    assert (full.name, full.extends, full.abstract) == ("n", ("b", []), True)
    assert (full.settings.title, full.settings.description, full.settings.groups) == ("T", "", ("x",))
    empty = parse_document({"definition": []})
    assert (empty.name, empty.extends, empty.abstract) == (None, (), False)
    assert {getattr(empty.settings, key) for key in keys} == {None}


@pytest.mark.parametrize(
    ("value", "path", "suggestion"),
    [
        ({"definition": [], "binding": {}}, "/binding", 'Did you mean "bindings"?'),
        ({"definition": [], "zzz": {}}, "/zzz", "Known keys: name, title"),
        ({"definition": [], "actions": []}, "/actions", "Known keys"),
        ({"definition": [], "execute": "everybody"}, "/execute", "One of public, signed_in, staff, groups"),
        ({"definition": [], "edit": ["editors"]}, "/edit", "One of editors, groups"),
        ({"definition": [], "abstract": "yes"}, "/abstract", None),
        ({"definition": [], "groups": [1]}, "/groups", None),
        ({"definition": [], "name": "x" * 201}, "/name", None),
        ({"definition": [], "title": None}, "/title", None),
        ({"definition": [], "extends": ["a", 1]}, "/extends/1", None),
        ({"definition": None}, "/definition", None),
        ({"name": "x"}, "", 'Add "definition"'),
        ({}, "", 'Add "definition"'),
        (5, "", None),
        ({"definition": [{"name": "a", "config": float("nan")}]}, "/definition/0/config", None),
    ],
)
def test_each_mistake_has_its_place_and_a_cure_where_there_is_one(value, path, suggestion):
    with pytest.raises(DefinitionError) as caught:
        parse_document(value, "/at")
    (problem,) = caught.value.problems
    assert problem.path == f"/at{path}"
    assert problem.suggestion is None if suggestion is None else problem.suggestion.startswith(suggestion)


def test_who_may_execute_and_edit_is_what_templates_know():
    assert list(EXECUTE) == Access.values
    assert list(EDIT) == EditAccess.values
