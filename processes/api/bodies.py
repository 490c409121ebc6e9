"""What is sent to the API: JSON objects, read strictly, and described by serializers.

A misspelt wish mustn't look like one that was heard, so that a key that nobody knows is refused; and nothing is taken
that couldn't be stored, such as NUL.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from drf_spectacular.extensions import OpenApiSerializerExtension
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from processes.domain.data_edit import DataEdit
from processes.domain.json_values import MAX_DEPTH, json_problems
from processes.errors import ProcessError
from tasks.domain.json_text import UnreadableJson, read_json
from tasks.registry import problems

__all__ = ["Flag", "Moment", "Object", "Sent", "StrictJson", "Text", "bad_request", "check_known",
    "edit_from", "read_object", "sent"]  # fmt: skip


def bad_request(message: str, **fields: Any) -> ProcessError:
    """Return the error of a request that can't be understood."""
    return ProcessError(message, code="bad_request", fields=fields)


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that was sent, {} for an empty body; raises ProcessError `bad_request`."""
    if not body.strip():
        return {}
    try:
        value = read_json(body, make_object=_each_once, takes_constants=True)
    except UnreadableJson as error:
        raise bad_request(f"This is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise bad_request("Send a JSON object.")
    # What lies below a key may be as deep as it may be anywhere else.
    if found := json_problems(value, max_depth=MAX_DEPTH + 1, limit=1):
        place = {"path": found[0].path, "message": found[0].message}
        raise bad_request(f"{found[0].path}: {found[0].message}", problems=[place])
    return value


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; raises ProcessError `bad_request` for one that says something twice."""
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _value in pairs]
        twice = next(name for name in value if names.count(name) > 1)
        raise bad_request(f'The key "{twice[:100]}" comes twice.')
    return value


def check_known(value: Mapping[str, Any], known: set[str]) -> None:
    """Raise ProcessError `bad_request` for a key that isn't known."""
    if unknown := sorted(value.keys() - known):
        message = f'There is no "{unknown[0][:100]}" here; known are {", ".join(sorted(known))}.'
        raise bad_request(message, problems=[{"path": f"/{unknown[0][:100]}", "message": message}])


class StrictJson(BaseParser):
    """Read a body that is a JSON object."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> dict[str, Any]:
        """Return the object; raises ProcessError `bad_request`."""
        # Django's own limit of a body in memory is in force there, and not where a stream is read.
        return read_object(parser_context["request"]._request.body)


class Sent(serializers.Serializer):
    """Be an object that is sent: what it may hold, and nothing else."""

    #: What is told besides, where something is wrong: how it is right.
    cure: ClassVar[str] = ""

    def to_internal_value(self, data: Any) -> Any:
        """Refuse what nobody knows, also where this lies inside of another one."""
        if isinstance(data, Mapping) and (unknown := sorted(data.keys() - set(self.fields))):
            message = _("There is no such key here; known are %(names)s.") % {"names": ", ".join(sorted(self.fields))}
            raise serializers.ValidationError({unknown[0][:100]: [message]})
        return super().to_internal_value(data)


class _SentDescription(OpenApiSerializerExtension):
    """Say in the description, too, that there is nothing else."""

    target_class = Sent
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> Any:
        """Return the description of what is sent; what is read back may hold more."""
        schema = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return {**schema, "additionalProperties": False} if direction == "request" else schema


def sent(kind: type[Sent], request: Request, *, partial: bool = False) -> dict[str, Any]:
    """Return what was sent, as `kind` describes it; raises ProcessError `bad_request` with the place of each fault.

    With `partial`, nothing of it has to be there.
    """
    value = request.data
    asked = kind(data=value, partial=partial)
    check_known(value, set(asked.fields))
    try:
        asked.is_valid(raise_exception=True)
    except serializers.ValidationError as error:
        told = problems.of(error)
        assert told is not None
        raise bad_request(f"{told.message} {kind.cure}".rstrip(), **told.fields) from None
    return dict(asked.validated_data)


class Text(serializers.CharField):
    """Take a text as it is, and nothing that could be made one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"allow_blank": True, "trim_whitespace": False, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        """Return it."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    """Take true or false, and no words for them."""

    def to_internal_value(self, data: Any) -> bool:
        """Return it."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Moment(serializers.DateTimeField):
    """Take a moment in ISO 8601, with its zone."""

    def enforce_timezone(self, value: Any) -> Any:
        """Refuse one without a zone: nobody knows which moment that is."""
        if value.tzinfo is None:
            self.fail("invalid", format="YYYY-MM-DDThh:mm:ss+hh:mm")
        return value


class Object(serializers.DictField):
    """Take an object of any JSON."""

    default_error_messages: ClassVar = {"not_a_dict": _("This has to be an object.")}


def edit_from(value: Mapping[str, Any] | None) -> DataEdit | None:
    """Return an edit of data, None for none; raises ProcessError `bad_request`."""
    if value is None:
        return None
    try:
        return DataEdit.from_json(dict(value))
    except ValueError as error:
        raise bad_request(str(error)) from None
