"""Write the reference page of task scripts, in Markdown, from what they declare."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from processes.domain.authoring.effects import EFFECT_WORDS
from processes.domain.authoring.json_layout import lay_out
from processes.domain.authoring.schema_words import ConfigKey, ConfigTable, config_tables
from processes.domain.json_values import JSON
from processes.domain.scripts import Example, ScriptSpec

__all__ = ["reference_page"]

_RAISES: Final = re.compile(r"\s*\bRaises [^.]*\.(?=\s|$)")
_BREAK: Final = re.compile(r"\n\s*\n")


def reference_page(specs: Iterable[ScriptSpec], *, title: str, introduction: Sequence[str] = ()) -> str:
    """Give the page for these scripts, by the modules that hold them, ending with a line end."""
    ordered = sorted(specs, key=lambda spec: (spec.module, spec.name))
    families = [(module, list(members)) for module, members in groupby(ordered, key=lambda spec: spec.module)]
    blocks = [f"# {title}", *introduction]
    rows = []
    for module, members in families:
        links = " ".join(f"[`{spec.name}`](#{_anchor(spec.name)})" for spec in members)
        rows.append(f"| {_family(module)} | {links} |")
    if rows:
        blocks.append("\n".join(["| family | scripts |", "| --- | --- |", *rows]))
    for module, members in families:
        blocks.append(f"## {_family(module)}")
        for spec in members:
            blocks.extend(_script(spec))
    return "\n\n".join(blocks) + "\n"


def _script(spec: ScriptSpec) -> Iterator[str]:
    yield f"### `{spec.name}`"
    yield from filter(None, map(_joined, _BREAK.split(spec.documentation)))
    yield "\n".join(_facts(spec))
    if spec.config is None:
        yield "It takes no config."
    elif tables := config_tables(spec.config):
        for table in tables:
            yield from _table(table)
    else:
        yield f"Its config is `{spec.config.__name__}`, which no table can show."
    if spec.example is not None:
        yield from _example(spec.example)
    if spec.errors:
        rows = [f"| `{code}` | {_cell(_clause(when))} |" for code, when in spec.errors.items()]
        yield "\n".join(["| error | when |", "| --- | --- |", *rows])
    else:
        yield "It has no errors of its own."


def _facts(spec: ScriptSpec) -> Iterator[str]:
    if spec.aliases:
        yield f"- Also called {', '.join(f'`{alias}`' for alias in spec.aliases)}."
    yield f"- Effect: *{spec.effect}*, {EFFECT_WORDS[spec.effect]}."
    if spec.durable:
        yield "- Needs a durable run: a process that reaches it in a web request goes on in the background."
    for action, script in spec.requires.items():
        offered = lay_out({"name": action, "script": script})
        yield f"- A process with it must declare the action `{action}`: `{offered}`."


def _table(table: ConfigTable) -> Iterator[str]:
    if table.about:
        yield f"{table.about}:"
    if table.keys:
        rows = [_row(key) for key in table.keys]
        yield "\n".join(["| config | type | default | |", "| --- | --- | --- | --- |", *rows])
    else:
        yield "No keys."


def _row(key: ConfigKey) -> str:
    default = "required" if key.required else "" if key.default is None else f"`{key.default}`"
    return f"| `{key.name}` | {_cell(key.type)} | {_cell(default)} | {_cell(key.description)} |"


def _example(example: Example) -> Iterator[str]:
    # With bindings it is a document, as a file holds it.
    shown = {"definition": example.definition, "bindings": dict(example.bindings)}
    yield f"```json\n{lay_out(shown if example.bindings else example.definition)}\n```"
    given = [
        f"with the {name} `{lay_out(dict(value), width=10_000)}`"
        for name, value in (
            ("data", example.data),
            ("parameters", example.parameters),
        )
        if value
    ]
    gives = [] if example.gives is None else [f"gives {', '.join(_given(example.gives.items()))}"]
    if given or gives:
        sentence = f"{' and '.join(given)} {' '.join(gives)}".strip()
        yield f"{sentence[0].upper()}{sentence[1:]}."


def _given(gives: Iterable[tuple[str, JSON]]) -> Iterator[str]:
    for name, value in gives:
        if value is None:
            yield f"no {name}"
        else:
            yield f"the {name} `{value if name == 'error' else lay_out(value, width=10_000)}`"


def _family(module: str) -> str:
    return module.rpartition(".")[2].replace("_", " ").capitalize()


def _anchor(name: str) -> str:
    return re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-")


def _clause(text: str) -> str:
    """Give a sentence as a part of one: without its point and its capital, unless that is one of a name."""
    text = text.strip().removesuffix(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text


def _joined(text: str) -> str:
    """Give a paragraph of a docstring as one line; one that is laid out (a list, code) stays as it is.

    What it raises is left out: that is for those who call the function, and the errors have a table.
    """
    lines = [line.strip() for line in _RAISES.sub("", text).strip().splitlines()]
    if any(line.startswith(("-", "*", "|", "`" * 3)) for line in lines):
        return "\n".join(lines)
    return " ".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
