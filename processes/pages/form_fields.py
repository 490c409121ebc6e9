"""Make Django's form fields of their descriptions."""

import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.validators import URLValidator
from django.template.defaultfilters import filesizeformat
from django.utils import formats, timezone
from django.utils.dateparse import parse_datetime, parse_duration
from django.utils.duration import duration_string
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from processes.domain.json_values import JSON
from processes.errors import PermanentError
from processes.pages.choice_fields import OneField, SearchedField, SeveralField, offer, offer_rows
from processes.pages.plain_fields import (
    ColorField,
    JsonField,
    LocalDateTimeInput,
    PatternValidator,
    WithinValidator,
    YesNoField,
)
from processes.pages.upload_field import UploadField
from processes.services.form_choices import QuerysetChoices
from processes.services.form_fields import MAX_FILES, FieldConfig
from processes.services.form_rows import OfferedRows
from processes.services.form_times import TemporalType, moment_of

__all__ = ["as_typed", "make_field", "starting_value"]

User = AbstractBaseUser | AnonymousUser | None

#: The longest text that is matched against a pattern: matching takes a time that grows with it.
_MAX_MATCHED = 1_000
_MAX_EMAIL, _MAX_URL, _MAX_DIGITS = 320, 2_000, 60
#: Days and times as the browser's own controls give and take them.
_DAY, _TIME, _MOMENT, _MOMENT_SECONDS = "%Y-%m-%d", "%H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"


class RangeInput(forms.NumberInput):
    """Take a number by moving a handle; the page's script shows which."""

    input_type = "range"
    template_name = "processes/_range.html"


def make_field(config: FieldConfig, *, user: User) -> forms.Field:
    """Return the field; `user` is the one who fills it in: registered querysets may offer each their own rows.

    Raises NotFoundError for a queryset that isn't registered, PermanentError for choices that can't be offered.
    """
    options: dict[str, Any] = {
        "label": config.shown_label,
        # What nobody can fill in can't be demanded.
        "required": config.is_required and not config.disabled,
        "help_text": " ".join(part for part in (config.help, _hint(config)) if part),
        "disabled": config.disabled,
    }
    field = _MAKERS[config.type](config, options, user)
    if config.widget == "hidden" or config.type == "hidden":
        field.widget = field.hidden_widget()
        field.widget.is_required = field.required
    else:
        attributes = {"placeholder": config.placeholder, "autocomplete": config.autocomplete, "rows": config.rows}
        field.widget.attrs |= {name: value for name, value in attributes.items() if value is not None}
    return field


def starting_value(config: FieldConfig) -> JSON:
    """Return the configured first value as data would hold it: "today" is a day."""
    if config.type in ("date", "datetime") and isinstance(config.initial, str):
        try:
            return moment_of(config.initial, config.type).isoformat()
        except ValueError:
            pass
    return config.initial


def as_typed(config: FieldConfig, value: JSON) -> JSON:
    """Return a value of data as people would type it; what doesn't fit the field is shown as it is."""
    if value is None or config.type == "password" or config.is_file:
        return None
    match config.type:
        case "boolean":
            return bool(value)
        case "yes_no" if isinstance(value, bool):
            return "true" if value else "false"
        case "choices":
            return [str(item) for item in value] if isinstance(value, list) else [str(value)]
        case "json":
            return json.dumps(value, ensure_ascii=False, indent=2)
        case "duration" if isinstance(value, str) and (length := _parsed(parse_duration, value)) is not None:
            return duration_string(length)
        case "datetime" if isinstance(value, str) and (moment := _parsed(parse_datetime, value)) is not None:
            # The first and the last day that there are have no neighbours in other time zones.
            with suppress(OverflowError):
                local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
                return local.strftime(_MOMENT_SECONDS if local.second else _MOMENT)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def _parsed(parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except (ValueError, OverflowError):
        return None


# -- texts -------------------------------------------------------------------------------------------------------------


def _text(config: FieldConfig, options: dict[str, Any], user: User) -> forms.Field:
    longest = config.max_length
    if config.pattern is not None:
        longest = min(longest or _MAX_MATCHED, _MAX_MATCHED)
        options["validators"] = [PatternValidator(config.pattern, config.pattern_message, longest=longest)]
    if config.type == "password":
        # What is typed is never shown again, and so never kept either.
        widget: forms.Widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
    elif config.type == "textarea" or config.widget == "textarea":
        widget = forms.Textarea(attrs={"rows": 6})
    else:
        widget = forms.TextInput()
    return forms.CharField(
        min_length=config.min_length,
        max_length=longest,
        strip=config.type != "password",
        widget=widget,
        **options,
    )


def _email(config: FieldConfig, options: dict[str, Any], user: User) -> forms.Field:
    return forms.EmailField(min_length=config.min_length, max_length=config.max_length or _MAX_EMAIL, **options)


def _url(config: FieldConfig, options: dict[str, Any], user: User) -> forms.Field:
    field = forms.URLField(
        min_length=config.min_length, max_length=config.max_length or _MAX_URL, assume_scheme="https", **options
    )
    field.validators = [item for item in field.validators if not isinstance(item, URLValidator)]
    field.validators.append(URLValidator(schemes=["http", "https"]))
    return field


def _slug(config: FieldConfig, options: dict[str, Any], user: User) -> forms.Field:
    return forms.SlugField(min_length=config.min_length, max_length=config.max_length, **options)


def _json(config: FieldConfig, options: dict[str, Any], user: User) -> forms.Field:
    widget = forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "class": "is-code"})
    return JsonField(max_length=config.max_length, widget=widget, **options)


def _hidden(config: FieldConfig, options: dict[str, Any], user: User) -> forms.Field:
    return forms.CharField(max_length=config.max_length, **options)


# -- numbers -----------------------------------------------------------------------------------------------------------


def _integer(config: FieldConfig, options: dict[str, Any], user: User) -> forms.Field:
    return forms.IntegerField(
        min_value=None if config.min_value is None else math.ceil(config.min_value),
        max_value=None if config.max_value is None else math.floor(config.max_value),
        step_size=None if config.step is None else int(config.step),
        widget=_number_widget(config),
        **options,
    )


def _number(config: FieldConfig, options: dict[str, Any], user: User) -> forms.Field:
    return forms.FloatField(
        min_value=config.min_value,
        max_value=config.max_value,
        step_size=config.step,
        widget=_number_widget(config),
        **options,
    )


def _decimal(config: FieldConfig, options: dict[str, Any], user: User) -> forms.Field:
    return forms.DecimalField(
        # By way of its text: 0.1 is meant, and not the binary fraction beside it.
        min_value=_exact(config.min_value),
        max_value=_exact(config.max_value),
        step_size=_exact(config.step),
        max_digits=config.max_digits or _MAX_DIGITS,
        decimal_places=config.decimal_places,
        widget=_number_widget(config),
        **options,
    )


def _exact(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(repr(value))


def _number_widget(config: FieldConfig) -> forms.Widget:
    return RangeInput() if config.widget == "range" else forms.NumberInput()


# -- days and times ----------------------------------------------------------------------------------------------------


def _date(config: FieldConfig, options: dict[str, Any], user: User) -> forms.Field:
    widget = forms.DateInput(attrs={"type": "date", **_limits(config, "date", _DAY)}, format=_DAY)
    shown = _within(config, "date", lambda day: formats.date_format(day, "DATE_FORMAT"))
    return forms.DateField(widget=widget, validators=shown, **options)


def _time(config: FieldConfig, options: dict[str, Any], user: User) -> forms.Field:
    widget = forms.TimeInput(attrs={"type": "time", **_limits(config, "time", _TIME)}, format=_TIME)
    shown = _within(config, "time", lambda clock: formats.time_format(clock, "TIME_FORMAT"))
    return forms.TimeField(widget=widget, validators=shown, **options)


def _datetime(config: FieldConfig, options: dict[str, Any], user: User) -> forms.Field:
    shown = _within(
        config, "datetime", lambda moment: formats.date_format(timezone.localtime(moment), "DATETIME_FORMAT")
    )
    widget = LocalDateTimeInput(attrs=_limits(config, "datetime", _MOMENT))
    return forms.DateTimeField(widget=widget, validators=shown, **options)


def _within(config: FieldConfig, kind: TemporalType, shown: Callable[[Any], str]) -> list[WithinValidator]:
    earliest, latest = config.earliest, config.latest
    if earliest is None and latest is None:
        return []
    return [
        WithinValidator(
            earliest=None if earliest is None else lambda: moment_of(earliest, kind),
            latest=None if latest is None else lambda: moment_of(latest, kind, end=True),
            shown=shown,
        )
    ]


def _limits(config: FieldConfig, kind: TemporalType, form: str) -> dict[str, str]:
    """Return the limits for the browser's control; one that isn't a time (a placeholder gave it) limits nothing."""
    result = {}
    for name, text in (("min", config.earliest), ("max", config.latest)):
        if text is not None:
            moment: Any = moment_of(text, kind, end=name == "max")
            result[name] = (timezone.localtime(moment) if kind == "datetime" else moment).strftime(form)
    return result


def _duration(config: FieldConfig, options: dict[str, Any], user: User) -> forms.Field:
    return forms.DurationField(**options)


# -- yes, no and choices -----------------------------------------------------------------------------------------------


def _boolean(config: FieldConfig, options: dict[str, Any], user: User) -> forms.Field:
    return forms.BooleanField(**options)


def _yes_no(config: FieldConfig, options: dict[str, Any], user: User) -> forms.Field:
    return YesNoField(widget=forms.Select() if config.widget == "select" else forms.RadioSelect(), **options)


def _choice(config: FieldConfig, options: dict[str, Any], user: User) -> forms.Field:
    several = config.type == "choices"
    choices = config.choices
    if isinstance(choices, QuerysetChoices):
        rows = OfferedRows(choices.name, user=user)
        offered = offer_rows(rows)
        if offered is None:
            return SearchedField(rows=rows, several=several, **options)
    elif isinstance(choices, tuple):
        offered = offer(choices)
    else:
        raise PermanentError(
            f'The choices of the field "{config.name}" are a placeholder that could not be filled.', code="no_choices"
        )
    if several:
        many = forms.SelectMultiple() if config.widget == "select" else forms.CheckboxSelectMultiple()
        return SeveralField(offered=offered, widget=many, **options)
    one = forms.RadioSelect() if config.widget == "radio" else forms.Select()
    return OneField(offered=offered, widget=one, **options)


# -- the rest ----------------------------------------------------------------------------------------------------------


def _uuid(config: FieldConfig, options: dict[str, Any], user: User) -> forms.Field:
    return forms.UUIDField(**options)


def _ip(config: FieldConfig, options: dict[str, Any], user: User) -> forms.Field:
    return forms.GenericIPAddressField(**options)


def _color(config: FieldConfig, options: dict[str, Any], user: User) -> forms.Field:
    return ColorField(widget=forms.TextInput(attrs={"type": "color"}), **options)


def _file(config: FieldConfig, options: dict[str, Any], user: User) -> forms.Field:
    return UploadField(
        accept=config.accept or (),
        max_bytes=config.max_bytes,
        multiple=bool(config.multiple),
        max_files=config.max_files or MAX_FILES,
        images=config.type == "image",
        **options,
    )


def _hint(config: FieldConfig) -> str:
    """Say what somebody must know before they fill the field in, and would otherwise only hear afterwards."""
    if config.type == "datetime":
        return _("In the time zone %(zone)s.") % {"zone": timezone.get_current_timezone_name()}
    if config.type == "duration":
        return _("Hours, minutes and seconds, as in 1:30:00; days before them, as in 2 01:30:00.")
    if not config.is_file:
        return ""
    parts = []
    if config.accept:
        parts.append(_("Of the type %(types)s.") % {"types": _(" or ").join(config.accept)})
    if config.multiple:
        most = config.max_files or MAX_FILES
        parts.append(ngettext("At most %(number)s file.", "At most %(number)s files.", most) % {"number": most})
    if config.max_bytes is not None:
        size = filesizeformat(config.max_bytes)
        text = _("Each no larger than %(size)s.") if config.multiple else _("No larger than %(size)s.")
        parts.append(text % {"size": size})
    return " ".join(parts)


_Maker = Callable[[FieldConfig, dict[str, Any], User], forms.Field]
_MAKERS: Mapping[str, _Maker] = {
    "text": _text, "textarea": _text, "password": _text, "email": _email, "url": _url, "slug": _slug, "json": _json,
    "hidden": _hidden, "integer": _integer, "number": _number, "decimal": _decimal, "date": _date, "time": _time,
    "datetime": _datetime, "duration": _duration, "boolean": _boolean, "yes_no": _yes_no, "choice": _choice,
    "choices": _choice, "uuid": _uuid, "ip": _ip, "color": _color, "file": _file, "image": _file,
}  # fmt: skip
