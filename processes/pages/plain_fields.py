"""Fields that Django has not, or that treat what they get more carefully than Django's do."""

from collections.abc import Callable
from datetime import date, datetime, time
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import TypeAdapter, ValidationError

from processes.domain.json_values import JSON, json_problems
from processes.services.form_fields import matcher_of
from tasks.domain.json_text import JsonFault, UnreadableJson, read_json

__all__ = ["ColorField", "JsonField", "LocalDateTimeInput", "PatternValidator", "WithinValidator", "YesNoField"]

_MAX_JSON_CHARS = 200_000


class PatternValidator:
    """Refuse texts that don't match a pattern as a whole."""

    def __init__(self, pattern: str, message: str | None, *, longest: int) -> None:
        self._matcher: TypeAdapter[str] = matcher_of(pattern)
        self._message, self._longest = message, longest

    def __call__(self, text: str) -> None:
        """Raise a form's ValidationError."""
        if len(text) > self._longest:
            return  # Refused for its length; Django asks all validators, whatever the first one says.
        try:
            self._matcher.validate_python(text)
        except ValidationError:
            message = self._message or _("This is not written in the form that is expected here.")
            raise forms.ValidationError(message, code="pattern") from None


class WithinValidator:
    """Refuse days and times outside of limits, which are looked up when they are needed: "today" moves."""

    def __init__(
        self,
        *,
        earliest: Callable[[], Any] | None,
        latest: Callable[[], Any] | None,
        shown: Callable[[Any], str],
    ) -> None:
        self._earliest, self._latest, self._shown = earliest, latest, shown

    def __call__(self, moment: date | time | datetime) -> None:
        """Raise a form's ValidationError."""
        if self._earliest is not None and moment < (earliest := self._earliest()):
            raise forms.ValidationError(
                _("This must be %(limit)s or later.") % {"limit": self._shown(earliest)}, code="too_early"
            )
        if self._latest is not None and moment > (latest := self._latest()):
            raise forms.ValidationError(
                _("This must be %(limit)s or earlier.") % {"limit": self._shown(latest)}, code="too_late"
            )


class JsonField(forms.CharField):
    """Take any JSON that can be stored."""

    default_error_messages = {"invalid": gettext_lazy("This is no JSON: %(reason)s.")}

    def __init__(self, **options: Any) -> None:
        options["max_length"] = min(options.get("max_length") or _MAX_JSON_CHARS, _MAX_JSON_CHARS)
        super().__init__(**options)

    def clean(self, value: Any) -> JSON:
        """Return the value that the text says; None where there is none."""
        text = super().clean(value)
        if not text:
            return None
        try:
            found = read_json(text)
        except UnreadableJson as error:
            raise self._invalid(_reason(error)) from None
        problems = json_problems(found)
        if problems:
            raise self._invalid(problems[0].message)
        return found

    def _invalid(self, reason: str) -> forms.ValidationError:
        return forms.ValidationError(self.error_messages["invalid"], code="invalid", params={"reason": reason})


def _reason(error: UnreadableJson) -> str:
    """Return what is wrong with a text, for whoever has typed it."""
    if error.fault is JsonFault.DEPTH:
        return _("it nests too deeply")
    if error.fault is JsonFault.CONSTANT:
        return _("%(constant)s is no number") % {"constant": error.detail}
    if error.fault is JsonFault.NUMBER:
        return _("it holds a number that can't be kept")
    return _("line %(line)s, column %(column)s") % {"line": error.line, "column": error.column}


class YesNoField(forms.TypedChoiceField):
    """Take yes, no, or no answer, as True, False and None."""

    def __init__(self, **options: Any) -> None:
        answers = [("true", _("Yes")), ("false", _("No"))]
        if isinstance(options["widget"], forms.Select) and not isinstance(options["widget"], forms.RadioSelect):
            answers.insert(0, ("", _("Choose…") if options.get("required", True) else _("No answer")))
        elif not options.get("required", True):
            answers.append(("", _("No answer")))
        super().__init__(choices=answers, coerce="true".__eq__, empty_value=None, **options)


class ColorField(forms.RegexField):
    """Take a colour, as in #0e6a5a."""

    default_error_messages = {"invalid": gettext_lazy("Enter a colour, as in #0e6a5a.")}

    def __init__(self, **options: Any) -> None:
        super().__init__(r"^#[0-9A-Fa-f]{6}\Z", **options)


class LocalDateTimeInput(forms.DateTimeInput):
    """Take a day and a time, as the browser's own control gives them."""

    input_type = "datetime-local"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs, format="%Y-%m-%dT%H:%M")
