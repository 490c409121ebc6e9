"""A client in TypeScript, which stands on the JavaScript client: its calls, and its stores of jobs and processes."""

import json
import re
from collections.abc import Iterator

from tasks.domain.client_code.functions import STARTED, TypedFunction, typed_functions
from tasks.domain.client_code.model import (
    ArrayOf,
    Declared,
    Field,
    LiteralOf,
    MapOf,
    Named,
    Offered,
    Simple,
    Surface,
    TupleOf,
    Type,
    UnionOf,
    Verb,
)
from tasks.domain.client_code.naming import camel, pascal, unreserved
from tasks.domain.client_code.schemas import Schemas

__all__ = ["write_typescript"]

_HELPERS = {Verb.CALL: "call", Verb.JOB: "createJobStore", Verb.PROCESS: "createWorkflowStore"}
_WORDS = """
    arguments await break case catch class const continue debugger default delete do else enum eval export extends
    false finally for function if implements import in instanceof interface let new null package private protected
    public return static super switch this throw true try typeof undefined var void while with yield
"""
_RESERVED = frozenset(_WORDS.split()) | frozenset(_HELPERS.values())
#: Types that are there already.
_KNOWN_TYPES = frozenset({"Array", "Date", "Error", "Function", "Map", "Object", "Promise", "Record", "Set", "String"})
_SIMPLE = {
    Simple.STRING: "string",
    Simple.NUMBER: "number",
    Simple.INTEGER: "number",
    Simple.BOOLEAN: "boolean",
    Simple.NULL: "null",
    Simple.ANY: "unknown",
    Simple.NEVER: "never",
}
_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_NO_ARGUMENTS = "Record<string, never>"
_LINE_CHARS = 100


def write_typescript(surface: Surface, *, import_from: str = "stepline") -> str:
    """Return the program text of a module; raises ClashingNames."""
    schemas = Schemas(reserved=_KNOWN_TYPES)
    functions = typed_functions(surface, schemas, name=_name)
    helpers = sorted({_HELPERS[function.offered.verb] for function in functions})
    parts = ["// Written by `manage.py generate_client --language typescript`; changes here are lost."]
    if helpers:
        parts.append(f"import {{ {', '.join(helpers)} }} from {json.dumps(import_from)};")
    parts += [_declaration(declared) for declared in schemas.declared]
    parts += [_function(function) for function in functions]
    # A file without them would be no module.
    return "\n\n".join([*parts, *([] if len(parts) > 1 else ["export {};"])]) + "\n"


def _name(offered: Offered) -> str:
    if offered.verb in STARTED:
        return f"track{pascal(offered.name)}"
    return unreserved(camel(offered.name), _RESERVED)


def _function(function: TypedFunction) -> str:
    offered = function.offered
    given = function.input.name if function.input is not None else _NO_ARGUMENTS
    types = [given, _text(function.output)]
    if offered.verb is Verb.JOB:
        types.append(_text(function.meta))
    elif offered.verb is Verb.PROCESS:
        types.append("string" if function.steps is None else _text(function.steps))
    name = json.dumps(offered.name, ensure_ascii=False)
    if function.input is None:
        parameter, argument = "", "{}"
    else:
        parameter = f"args: {given}" + ("" if function.input.has_required else " = {}")
        argument = "args"
    made = f"{_HELPERS[offered.verb]}<{', '.join(types)}>({name}, {argument});"
    head = f"export const {function.name} = ({parameter}) =>"
    line = f"{head} {made}" if len(head) + len(made) < _LINE_CHARS else f"{head}\n  {made}"
    return _documented(offered.description, line)


def _declaration(declared: Declared) -> str:
    if declared.type is not None:
        line = f"export type {declared.name} = {_text(declared.type)};"
        if len(line) > _LINE_CHARS and isinstance(declared.type, LiteralOf):
            values = "".join(f"\n  | {_text(LiteralOf((value,)))}" for value in declared.type.values)
            line = f"export type {declared.name} ={values};"
        return _documented(declared.description, line)
    lines = [line for part in declared.fields for line in _field(part)]
    if declared.is_open:
        lines.append("  [key: string]: unknown;")
    body = "{\n" + "\n".join(lines) + "\n}" if lines else _NO_ARGUMENTS
    return _documented(declared.description, f"export type {declared.name} = {body};")


def _field(part: Field) -> Iterator[str]:
    if part.description:
        yield f"  {_comment(part.description, indent='  ')}"
    mark = "" if part.is_required else "?"
    yield f"  {_key(part.name)}{mark}: {_text(part.type)};"


def _key(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _text(type_: Type) -> str:
    match type_:
        case Simple():
            return _SIMPLE[type_]
        case Named(name):
            return name
        case LiteralOf(values):
            return " | ".join(json.dumps(value, ensure_ascii=False) for value in values) or "never"
        case ArrayOf(item):
            text = _text(item)
            return f"({text})[]" if " " in text and not text.startswith("{") else f"{text}[]"
        case TupleOf(items):
            return f"[{', '.join(map(_text, items))}]"
        case MapOf(value):
            return f"{{ [key: string]: {_text(value)} }}"
        case UnionOf(options):
            return " | ".join(map(_text, options))


def _documented(text: str, code: str) -> str:
    return f"{_comment(text)}\n{code}" if text else code


def _comment(text: str, *, indent: str = "") -> str:
    # Whoever describes a function mustn't end the comment with it.
    lines = [line.rstrip() for line in text.replace("*/", "*\u200b/").strip().splitlines()]
    if len(lines) == 1:
        return f"/** {lines[0]} */"
    return "\n".join(["/**", *(f"{indent} * {line}".rstrip() for line in lines), f"{indent} */"])
