"""Reading JSON that others have written (RFC 8259), in one way wherever it comes from.

Python's reader takes more than JSON (NaN, other encodings than UTF-8), and fails in ways of its own at absurd texts.
"""

import json
import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, NoReturn

from tasks.domain.jsonvalue import JSON, dumps
from tasks.errors import BadRequest

__all__ = ["JsonFault", "UnreadableJson", "json_characters", "read_json", "read_sent"]

#: Makes an object of the pairs that its text names, in their order; a name may come twice.
MakeObject = Callable[[list[tuple[str, Any]]], Any]

#: Deeper texts aren't given to the JSON reader at all: it works by recursion, and at the end of the stack anything else
#: that Python does meanwhile (collecting garbage, say) fails too.
_READABLE_DEPTH: Final = 400

_TOKENS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]', re.DOTALL)
_BYTE_ORDER_MARK: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"


class JsonFault(StrEnum):
    """Say in which way a text is no JSON."""

    ENCODING = "encoding"
    DEPTH = "depth"
    SYNTAX = "syntax"
    #: NaN and infinities.
    CONSTANT = "constant"
    #: More digits than Python reads.
    NUMBER = "number"


class UnreadableJson(ValueError):
    """Say why a text can't be read as JSON, in words that go behind a colon.

    `detail` is what the reader says of the syntax, or the constant; `line` and `column` count from 1, and are 0 for
    what isn't at one place.
    """

    def __init__(self, fault: JsonFault, message: str, *, detail: str = "", line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.fault = fault
        self.detail = detail
        self.line = line
        self.column = column


def read_json(text: str | bytes, *, make_object: MakeObject | None = None, takes_constants: bool = False) -> JSON:
    """Return the value that a JSON text says; bytes are UTF-8, and a byte order mark before it is passed over.

    Of a name that an object has twice the last value is taken, unless `make_object` decides; what that raises comes
    through. With `takes_constants` NaN and infinities are read, for who looks through the value anyway, and can name
    their place. Raises UnreadableJson.
    """
    text = json_characters(text)
    if _nests_absurdly(text):
        raise _too_deep()
    try:
        value: JSON = json.loads(
            text, object_pairs_hook=make_object, parse_constant=float if takes_constants else _refuse
        )
    except json.JSONDecodeError as error:
        place = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise UnreadableJson(JsonFault.SYNTAX, place, detail=error.msg, line=error.lineno, column=error.colno) from None
    except UnreadableJson:
        raise
    except ValueError:
        raise UnreadableJson(JsonFault.NUMBER, "a number has too many digits") from None
    except RecursionError:
        # Little of the stack was left.
        raise _too_deep() from None
    return value


def json_characters(text: str | bytes) -> str:
    """Return the characters of a JSON text, without a byte order mark; raises UnreadableJson unless it is UTF-8."""
    if isinstance(text, bytes):
        try:
            text = text.decode()
        except UnicodeDecodeError as error:
            raise UnreadableJson(JsonFault.ENCODING, f"not UTF-8, byte {error.start + 1} can't be read") from None
    return text.removeprefix(_BYTE_ORDER_MARK)


def read_sent(text: str | bytes) -> JSON:
    """Return the JSON value that a client has sent and may be answered with; raises BadRequest."""
    try:
        value = read_json(text)
        # Half of a surrogate pair could be neither looked for, stored nor answered with: UTF-8 doesn't know it.
        dumps(value).encode()
    except UnreadableJson as error:
        raise BadRequest(f"This is not JSON: {error}.") from None
    except UnicodeEncodeError:
        raise BadRequest("This is not JSON: it holds half of a surrogate pair.") from None
    except ValueError:
        # As 1e999: what is written like a number, and becomes an infinity.
        raise BadRequest("This is not JSON: it holds a number that is too large.") from None
    except RecursionError:
        # Little of the stack was left.
        raise BadRequest(f"This is not JSON: {_too_deep()}.") from None
    return value


def _nests_absurdly(text: str) -> bool:
    """Tell whether a JSON text nests deeper than any reader should follow."""
    if text.count("[") + text.count("{") <= _READABLE_DEPTH:
        return False
    depth = 0
    for token in _TOKENS.finditer(text):
        mark = token[0]
        if mark in ("[", "{"):
            depth += 1
            if depth > _READABLE_DEPTH:
                return True
        elif mark in ("]", "}"):
            depth -= 1
    return False


def _too_deep() -> UnreadableJson:
    return UnreadableJson(JsonFault.DEPTH, "nested too deeply to be read")


def _refuse(constant: str) -> NoReturn:
    raise UnreadableJson(JsonFault.CONSTANT, f"{constant} isn't a JSON number", detail=constant)
