"""What the editor's modules decide by themselves: what may be written at the cursor, and how JSON is laid out."""

import json
import random
from typing import Any

import pytest
from playwright.sync_api import Page

from processes.domain.authoring.definition_schema import definition_schema, target_schema
from tests.static.conftest import BROWSER

pytestmark = BROWSER

COMPLETE = """async ([marked, surroundings]) => {
  const { complete } = await import("/static/processes/editor/completion.js");
  const offset = marked.indexOf("|");
  const text = marked.slice(0, offset) + marked.slice(offset + 1);
  const found = complete(text, offset, surroundings);
  const put = (snippet) => {
    const plain = snippet.replace(/\\$\\{\\d:?([^}]*)\\}|\\$\\d/g, "$1").replace(/\\\\([\\\\$}])/g, "$1");
    const { start, comma } = found;
    const head = comma ? `${text.slice(0, comma)},${text.slice(comma, start)}` : text.slice(0, start);
    return head + plain + text.slice(found.end);
  };
  return found.items.map(({ caption, meta, snippet, doc }) => ({ caption, meta, doc, text: put(snippet) }));
}"""
FORMAT = """async ([texts, levels]) => {
  const { format, levelsOf } = await import("/static/processes/editor/json-tree.js");
  return texts.map((text) => {
    try {
      return format(text, levels ?? levelsOf(text));
    } catch (error) {
      return { refused: error.name };
    }
  });
}"""

PAGE_CONFIG = {
    "type": "object",
    "properties": {
        "title": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None, "description": "The <heading>."},
        "align": {"enum": ["left", "right"], "default": "left"},
        "wide": {"type": "boolean", "default": False},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}},
        "action": {"type": "string"},
    },
    "required": ["action"],
    "$defs": {
        "Part": {"type": "object", "properties": {"kind": {"enum": ["text", "image"]}, "size": {"type": "integer"}}}
    },
}


def script(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "aliases": [],
        "summary": "",
        "documentation": f"Do {name}.",
        "effect": "pure",
        "durable": False,
        "states": [],
        "requires": {},
        "errors": {},
        "config": None,
        **fields,
    }


VOCABULARY = {
    "definition": definition_schema(),
    "target": target_schema(),
    "lifecycle": {"all": ["@start", "@end"], "jumpable": ["@end"]},
    "scripts": [
        script("page", config=PAGE_CONFIG, aliases=["showPage"], requires={"draw": "page"}),
        script("look", states=["show", "none"]),
    ],
    "inherited": {
        "actions": [
            {
                "name": "greet",
                "script": "page",
                "comment": "Hi.",
                "config": None,
                "next": {"late": "greet"},
                "source": "base",
            }
        ],
        "bindings": [{"reference": "limit", "target": {"value": 3}, "source": "base"}],
    },
    "processes": [{"slug": "mail", "title": "Send mail"}],
}
BINDINGS = [
    {"reference": "worker", "target": {"script": "page"}},
    {"reference": "sub", "target": {"process": "mail"}},
    {"reference": "broken"},
]


def items(functions: Page, marked: str, *, kind: str = "definition", explicit: bool = True) -> list[dict[str, str]]:
    surroundings = {"kind": kind, "vocabulary": VOCABULARY, "bindings": BINDINGS, "explicit": explicit}
    found: list[dict[str, str]] = functions.evaluate(COMPLETE, [marked, surroundings])
    return found


def captions(functions: Page, marked: str, **options: Any) -> list[str]:
    return [item["caption"] for item in items(functions, marked, **options)]


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        # keys of an action: those that are missing
        ('[{"name": "a", "|"}]', ["script", "caption", "comment", "next"]),
        ('[{"name": "a", |}]', ["script", "caption", "comment", "next"]),
        ('[{"name": "a", conf|}]', ["script", "caption", "comment", "next"]),
        ('[{"name": "a", "script": "page" |', ["caption", "comment", "next", "config"]),
        ('{"actions": [{"|', ["name", "script", "caption", "comment"]),
        ("{|}", ["format", "actions"]),
        ('[{"name": "a", "retry": {"|"}}]', ["attempts", "backoff", "delay_seconds"]),
        # scripts, bindings of both kinds and registered ones
        ('[{"name": "a", "script": "|"}]', ["worker", "sub", "page", "look"]),
        ('[{"name": "a", "script": |}]', ["worker", "sub", "page", "look", "null"]),
        # the config of the action's script: by name, by alias, by binding, by the action's own name
        ('[{"name": "a", "script": "page", "config": {"|"}}]', ["title", "align", "wide", "parts", "action"]),
        ('[{"name": "a", "script": "showPage", "config": {|', ["title", "align", "wide", "parts", "action"]),
        ('[{"config": {"wide": true, "|"}, "script": "worker"}]', ["title", "align", "parts", "action"]),
        ('[{"name": "page", "config": {"|"}}]', ["title", "align"]),
        ('[{"name": "a", "script": "sub", "config": {"|"}}]', ["action"]),
        ('[{"name": "a", "script": "page", "config": {"parts": [{"size": 1}, {"|"}]}}]', ["kind", "size"]),
        ('[{"name": "a", "script": "page", "config": {"parts": [{"kind": "|"}]}}]', ["text", "image"]),
        ('[{"name": "a", "script": "page", "config": {"align": "|"}}]', ["left", "right"]),
        ('[{"name": "a", "script": "page", "config": {"wide": |}}]', ["true", "false"]),
        ('[{"name": "a", "script": "page", "config": {"action": "|"}}]', ["greet", "a"]),
        # where a process goes
        ('[{"name": "a", "next": |}, {"name": "b"}]', ["greet", "a", "b", "true", "false"]),
        ('[{"name": "a", "next": "|"}, {"name": "@start"}, {"name": "@end"}]', ["greet", "a", "@end"]),
        ('[{"name": "a", "next": {"ok": "|"}}]', ["greet", "a"]),
        ('[{"name": "a", "compensate": "|"}, {"name": "b"}]', ["greet", "a", "b"]),
        # states: set by this config, named by the script, used elsewhere, any other
        ('[{"name": "a", "config": {"cases": [{"state": "x"}], "else": "y"}, "next": {"|"}}]', ["x", "y", "late", "*"]),
        ('[{"name": "a", "script": "look", "next": {"show": true, "|"}}]', ["none", "late", "*"]),
        # names: overriding what is inherited, what a script needs, lifecycle actions
        ('[{"name": "|"}, {"name": "x", "script": "page"}]', ["draw", "greet", "@start", "@end"]),
        # references and placeholders
        ('[{"name": "a", "config": {"title": "$|"}}]', ["${limit}", "${worker}", "${sub}", "${broken}"]),
        ('[{"name": "a", "script": "page", "config": {"title": "Hi %{|"}}]', ["%{now}", "%{attr:user}"]),
        (
            '[{"name": "a", "config": {"title": "%{d|"}}, {"config": {"values": {"k": 1}, "fields": [{"name": "f"}]}}]',
            ["%{now}", "%{data:k}", "%{data:f}"],
        ),
        # whole things
        ("|", ["[…]", "{…}"]),
        ('[{"name": "a"},|]', ["action", "greet"]),
    ],
)  # fmt: skip
def test_what_may_be_written_at_the_cursor_is_offered(functions: Page, marked: str, expected: list[str]) -> None:
    found = captions(functions, marked)
    assert [caption for caption in found if caption in expected] == expected
    assert not {"name", "script"} & set(found) or '"name"' not in marked or "script" in expected


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        ("|", ["page", "look", "{…}"]),
        ('{"|"}', ["script", "process", "value", "data_node", "status_rules", "credential", "queryset"]),
        ('{"script": "|"}', ["page", "look"]),
        ('{"process": "|"}', ["mail"]),
        ('"|"', ["page", "look"]),
    ],
)
def test_a_binding_is_completed_too(functions: Page, marked: str, expected: list[str]) -> None:
    assert captions(functions, marked, kind="target") == expected


@pytest.mark.parametrize(
    ("marked", "caption", "text"),
    [
        ('[{"name": "a", "scr|"}]', "script", '[{"name": "a", "script": ""}]'),
        ('[{"name": "a", scr|}]', "script", '[{"name": "a", "script": ""}]'),
        ('[{"name": "a", "scr|": "x"}]', "script", '[{"name": "a", "script": "x"}]'),
        ('[{"name": "a" |}]', "safe", '[{"name": "a", "safe": true}]'),
        ('[{"name": "a"|}]', "safe", '[{"name": "a", "safe": true}]'),
        ('[{|"name": "a"}]', "safe", '[{"safe": true,"name": "a"}]'),
        ('[{"name": "a", "script": "pa|ge"}]', "look", '[{"name": "a", "script": "look"}]'),
        ('[{"name": "a", "next": tr|}]', "false", '[{"name": "a", "next": false}]'),
        ('[{"name": "a", "next": {|}}]', "*", '[{"name": "a", "next": {"*": }}]'),
        (
            '[{"name": "a", "config": {"t": "x %{da|ta} y"}}, {"config": {"key": "k"}}]',
            "%{data:k}",
            '[{"name": "a", "config": {"t": "x %{data:k} y"}}, {"config": {"key": "k"}}]',
        ),
        ('[{"name": "a", "config": {"t": "$|"}}]', "${limit}", '[{"name": "a", "config": {"t": "${limit}"}}]'),
        ('[{"name": "a", "retry": {|}}]', "attempts", '[{"name": "a", "retry": {"attempts": 3}}]'),
    ],
)
def test_what_is_chosen_takes_its_place_with_the_commas_that_it_needs(
    functions: Page, marked: str, caption: str, text: str
) -> None:
    (item,) = (item for item in items(functions, marked) if item["caption"] == caption)
    assert item["text"] == text


@pytest.mark.parametrize(
    "marked",
    [
        '[{"name": "a", "comment": "some text |"}]',
        '[{"name": "a", "script": "page", "config": {"title": "some text |"}}]',
        '[{"name": "a"}, |]',
        '[{"name": "a", |}]',
        '[{"name": "|"}]',
        "|",
    ],
)
def test_nothing_comes_up_unasked_where_people_write_freely_or_go_to_the_next_line(
    functions: Page, marked: str
) -> None:
    assert captions(functions, marked, explicit=False) == []


def test_what_is_offered_is_documented_and_never_taken_for_html(functions: Page) -> None:
    documents = {item["caption"]: item["doc"] for item in items(functions, '[{"script": "page", "config": {"|"}}]')}
    assert "The &#60;heading&#62;." in documents["title"]
    assert "required" in documents["action"]
    (document,) = (item["doc"] for item in items(functions, '[{"script": "pag|"}]') if item["caption"] == "page")
    assert "Do page." in document
    assert "action (required)" in document
    assert "Also called:</i> showPage" in document


def test_nothing_that_is_cut_off_anywhere_breaks_completion(functions: Page) -> None:
    text = '[{"name": "a", "script": "page", "next": {"x": true}, "config": {"parts": [{"kind": "text"}, null, 1.5]}}]'
    broken = [text[:end] + "|" + rest for end in range(len(text)) for rest in ("", text[end:], "]}", '"')]
    for marked in broken:
        items(functions, marked)


def test_absurdly_deep_text_breaks_neither_completion_nor_format(functions: Page) -> None:
    deep = "[" * 50_000
    assert isinstance(captions(functions, f'[{{"name": "a", "config": {deep}|'), list)
    assert functions.evaluate(FORMAT, [[deep + "]" * 50_000], 1])[0]["refused"] in ("RangeError", "SyntaxError")


@pytest.mark.parametrize(
    ("text", "laid_out"),
    [
        ("[]", "[]"),
        ("{}", "{}"),
        (
            '[{"name":"a","next":{"ok":true},"config":{"b":[1,2.50,1e400,"\\u00e9"]}}]',
            '[\n  {\n    "name": "a",\n    "next": {"ok": true},\n'
            '    "config": {"b": [1, 2.50, 1e400, "\\u00e9"]}\n  }\n]',
        ),
        (
            '{"format":1,"actions":[{"name":"a"}]}',
            '{\n  "format": 1,\n  "actions": [\n    {\n      "name": "a"\n    }\n  ]\n}',
        ),
        ('[{"b":1,"a":2,"1":3}]', '[\n  {\n    "b": 1,\n    "a": 2,\n    "1": 3\n  }\n]'),
        ("[{]", {"refused": "SyntaxError"}),
        ("", {"refused": "SyntaxError"}),
        ("[1,]", {"refused": "SyntaxError"}),
    ],
)
def test_format_lays_json_out_and_changes_nothing_else(functions: Page, text: str, laid_out: Any) -> None:
    assert functions.evaluate(FORMAT, [[text], None]) == [laid_out]


def test_formatted_text_means_the_same_and_stays_as_it_is(functions: Page) -> None:
    chance = random.Random(7)

    def value(depth: int) -> Any:
        kind = chance.randrange(7 if depth < 5 else 5)
        if kind == 5:
            return [value(depth + 1) for _ in range(chance.randrange(6))]
        if kind == 6:
            return {f"key {chance.randrange(50)}\n": value(depth + 1) for _ in range(chance.randrange(6))}
        return [None, True, chance.randrange(-9, 10**9), chance.random(), 'a "text", {with} [all] \\ of: it'][kind]

    values = [value(0) for _ in range(300)]
    once = functions.evaluate(FORMAT, [[json.dumps(one, indent=chance.choice([None, 7])) for one in values], None])
    assert [json.loads(text) for text in once] == values
    assert functions.evaluate(FORMAT, [once, None]) == once
    assert max(len(line) for text in once for line in text.split("\n")) < 160
