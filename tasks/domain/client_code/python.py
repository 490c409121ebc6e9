"""A client in Python, which stands on `tasks.client`: calls and tasks with typed arguments and results."""

import json
import keyword
import re
from collections.abc import Collection

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
from tasks.domain.client_code.naming import snake, unreserved
from tasks.domain.client_code.schemas import Schemas

__all__ = ["write_python"]

#: Names that the module itself needs.
_IMPORTED = frozenset({"Any", "Call", "Callable", "Client", "Literal", "Mapping", "NotRequired", "Task", "TypeAlias"})
_RESERVED_TYPES = _IMPORTED | {"None", "TypedDict", "Update", "False", "True"}
_BUILTINS = frozenset({"annotations", "bool", "dict", "float", "int", "list", "str"})
_RESERVED = frozenset(keyword.kwlist) | frozenset(keyword.softkwlist) | _BUILTINS
_LINE_CHARS = 100
_SIMPLE = {
    Simple.STRING: "str",
    Simple.NUMBER: "float",
    Simple.INTEGER: "int",
    Simple.BOOLEAN: "bool",
    Simple.NULL: "None",
    Simple.ANY: "Any",
    Simple.NEVER: "None",
}


def write_python(surface: Surface) -> str:
    """Return the program text of a module; raises ClashingNames."""
    schemas = Schemas(reserved=_RESERVED_TYPES)
    functions = typed_functions(surface, schemas, name=_name)
    code = [_declaration(declared) for declared in schemas.declared] + [_function(function) for function in functions]
    head = [
        '"""The functions, jobs and processes of a site, with their types.\n\n'
        'Written by `manage.py generate_client --language python`; changes here are lost.\n"""',
        "from __future__ import annotations",
        _imports("\n".join(code)),
    ]
    return "\n\n".join(filter(None, head)) + "\n" + "".join(f"\n\n{part}\n" for part in code)


def _name(offered: Offered) -> str:
    if offered.verb in STARTED:
        return f"track_{snake(offered.name).removeprefix('_')}"
    return unreserved(snake(offered.name), _RESERVED)


def _imports(code: str) -> str:
    used = set(re.findall(r"[A-Za-z_]+", code))
    found = [
        _import("collections.abc", {"Callable", "Mapping"} & used),
        _import("typing", {"Any", "Literal", "NotRequired", "TypeAlias", "TypedDict"} & used),
    ]
    ours = _import("tasks.client", {"Call", "Client", "Task", "Update"} & used)
    return "\n\n".join(filter(None, ["\n".join(filter(None, found)), ours]))


def _import(module: str, names: Collection[str]) -> str:
    return f"from {module} import {', '.join(sorted(names))}" if names else ""


def _function(function: TypedFunction) -> str:
    offered = function.offered
    parameters = [] if function.input is None else [_parameter(function.input)]
    parameters += ["*", "client: Client | None = None"]
    given = "" if function.input is None else ", args"
    if offered.verb is Verb.CALL:
        parameters.append("key: str | None = None")
        kind, made = "Call", f"call({_quoted(offered.name)}{given or ', {}'}, key=key)"
    else:
        parameters.append("on_update: Callable[[Update], object] | None = None")
        kind, made = "Task", f"start({_quoted(offered.name)}{given or ', {}'}, on_update=on_update)"
    lines = [f"def {function.name}(", *(f"    {parameter}," for parameter in parameters)]
    lines.append(f") -> {kind}[{_text(function.output)}]:")
    lines += _docstring(offered.description)
    lines.append(f"    return (client or Client()).{made}")
    return "\n".join(lines)


def _parameter(declared: Declared) -> str:
    kind = declared.name if not declared.is_open else f"{declared.name} | Mapping[str, Any]"
    return f"args: {kind}" if declared.has_required else f"args: {kind} | None = None"


def _declaration(declared: Declared) -> str:
    if declared.type is not None:
        told = f"#: {' '.join(declared.description.split())}\n" if declared.description else ""
        return f"{told}{declared.name}: TypeAlias = {_alias(declared.type)}"
    if all(part.name.isidentifier() and not _is_taken(part.name) for part in declared.fields):
        lines = [f"class {declared.name}(TypedDict):", *_docstring(declared.description)]
        for part in declared.fields:
            lines += _remark(part.description)
            lines.append(f"    {part.name}: {_field_type(part)}")
        return "\n".join(lines if len(lines) > 1 else [*lines, "    pass"])
    lines = [f"{declared.name} = TypedDict(", f"    {_quoted(declared.name)},", "    {"]
    for part in declared.fields:
        lines += [f"    {line}" for line in _remark(part.description)]
        lines.append(f"        {_quoted(part.name)}: {_in_text(_field_type(part))},")
    return "\n".join([*lines, "    },", ")"])


def _is_taken(name: str) -> bool:
    # A class would rename what begins with two underscores.
    return keyword.iskeyword(name) or name.startswith("__")


def _field_type(part: Field) -> str:
    return _text(part.type) if part.is_required else f"NotRequired[{_text(part.type)}]"


def _text(type_: Type) -> str:
    match type_:
        case Simple():
            return _SIMPLE[type_]
        case Named(name):
            return name
        case LiteralOf(values):
            return _literal(values)
        case ArrayOf(item):
            return f"list[{_text(item)}]"
        case TupleOf(items):
            # JSON knows lists only, which have one type for all.
            return f"list[{' | '.join(dict.fromkeys(map(_text, items))) or 'Any'}]"
        case MapOf(value):
            return f"dict[str, {_text(value)}]"
        case UnionOf(options):
            return " | ".join(map(_text, options))


def _literal(values: tuple[str | int | float | bool | None, ...]) -> str:
    # A float is no literal type.
    kinds = ["float"] if any(isinstance(value, float) for value in values) else []
    exact = [_value(value) for value in values if not isinstance(value, float)]
    return " | ".join([*([f"Literal[{', '.join(exact)}]"] if exact else []), *kinds]) or "None"


def _alias(type_: Type) -> str:
    text = _text(type_)
    if isinstance(type_, LiteralOf) and len(text) > _LINE_CHARS and text.startswith("Literal["):
        return "Literal[\n" + "".join(f"    {_value(value)},\n" for value in type_.values) + "]"
    # What is declared further below, or itself, isn't there yet when the line is run.
    return _in_text(text)


def _value(value: str | int | bool | float | None) -> str:
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _in_text(code: str) -> str:
    return f"'{code}'" if '"' in code and "'" not in code and "\\" not in code else _quoted(code)


def _docstring(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"').strip().splitlines()]
    if not lines:
        return []
    if len(lines) == 1:
        end = " " if lines[0].endswith('"') else ""
        return [f'    """{lines[0]}{end}"""']
    return [f'    """{lines[0]}', *(f"    {line}".rstrip() for line in lines[1:]), '    """']


def _remark(text: str) -> list[str]:
    return [f"    #: {' '.join(text.split())}"] if text else []
