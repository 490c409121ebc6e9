"""Let people choose: from a list, or from rows that code opens to forms."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processes.domain.json_values import JSON
from processes.services.form_choices import ChoiceConfig, ChoiceGroupConfig, choices_in
from processes.services.form_rows import OfferedRows

__all__ = ["Offered", "OneField", "SearchedField", "SearchedWidget", "SeveralField", "offer", "offer_rows"]

#: So many rows of a long queryset are suggested while somebody types, and so many may be named at once.
_SUGGESTED, _MOST_LINES = 200, 100
_NONE = "—"

Option = tuple[str, Any]


class Offered:
    """Hold the options of a field, and the values that data gets for what was chosen."""

    def __init__(self, options: Sequence[Option], find: Callable[[Iterable[str]], Mapping[str, JSON]]) -> None:
        self.options, self.find = list(options), find

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to choose from."""
        return not self.options


def offer(listed: Sequence[ChoiceConfig | ChoiceGroupConfig]) -> Offered:
    """Offer choices that are written down."""
    values = {choice.key: choice.value for choice in choices_in(listed)}
    options: list[Option] = [
        (item.label, [(choice.key, choice.shown) for choice in item.choices])
        if isinstance(item, ChoiceGroupConfig)
        else (item.key, item.shown)
        for item in listed
    ]
    return Offered(options, lambda keys: {key: values[key] for key in keys if key in values})


def offer_rows(rows: OfferedRows) -> Offered | None:
    """Offer the rows of a queryset; None where there are too many for a list."""
    if rows.listed is None:
        return None
    return Offered(
        [(row.key, row.label) for row in rows.listed],
        lambda keys: {key: row.value for key, row in rows.find(keys).items()},
    )


class OneField(forms.ChoiceField):
    """Take one of the offered values."""

    default_error_messages = {
        "invalid_choice": gettext_lazy("Select a valid choice. %(value)s is not one of the available choices."),
    }

    def __init__(self, *, offered: Offered, **options: Any) -> None:
        self.offered = offered
        super().__init__(choices=self._with_none(options), **options)

    def _with_none(self, options: Mapping[str, Any]) -> list[Option]:
        # A list begins with nothing chosen, so that nobody submits its first entry without having looked at it.
        is_list = not isinstance(options.get("widget"), forms.RadioSelect)
        if is_list:
            return [("", _("Choose…") if options.get("required", True) else _NONE), *self.offered.options]
        return self.offered.options if options.get("required", True) else [("", _("None")), *self.offered.options]

    def clean(self, value: Any) -> JSON:
        """Return the value that data gets; None where nothing was chosen."""
        key = super().clean(value)
        return None if key == "" else self.offered.find([key])[key]

    def valid_value(self, value: Any) -> bool:
        """Tell whether the value is offered, to this user and now."""
        return bool(self.offered.find([str(value)]))


class SeveralField(forms.MultipleChoiceField):
    """Take several of the offered values."""

    def __init__(self, *, offered: Offered, **options: Any) -> None:
        self.offered = offered
        super().__init__(choices=offered.options, **options)

    def clean(self, value: Any) -> JSON:
        """Return the values that data gets, in the order in which they are offered."""
        keys = list(dict.fromkeys(super().clean(value)))
        found = self.offered.find(keys)
        order = {str(key): place for place, key in enumerate(_keys(self.offered.options))}
        return [found[key] for key in sorted(keys, key=lambda key: order.get(key, len(order)))]

    def validate(self, value: Any) -> None:
        """Refuse what isn't offered, to this user and now."""
        forms.Field.validate(self, value)
        found = self.offered.find([str(key) for key in value])
        for key in value:
            if str(key) not in found:
                raise forms.ValidationError(
                    self.error_messages["invalid_choice"], code="invalid_choice", params={"value": key}
                )


class SearchedWidget(forms.TextInput):
    """Take what something is called; the first names are suggested."""

    template_name = "processes/_searched.html"

    def __init__(self, rows: OfferedRows, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        self._rows = rows

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Add the suggestions."""
        context = super().get_context(name, value, attrs)
        context["widget"]["suggested"] = [row.label for row in self._rows.first(_SUGGESTED)]
        context["widget"]["attrs"]["list"] = f"{context['widget']['attrs'].get('id', name)}_list"
        return context


class SearchedField(forms.CharField):
    """Take one row of a queryset that is too long for a list, or several, one a line, by what they are called."""

    def __init__(self, *, rows: OfferedRows, several: bool, **options: Any) -> None:
        self.rows, self.several = rows, several
        widget = forms.Textarea(attrs={"rows": 4}) if several else SearchedWidget(rows)
        super().__init__(widget=widget, **options)

    def clean(self, value: Any) -> JSON:
        """Return the value, or the values, that data gets."""
        text = super().clean(value)
        if not self.several:
            return self._value(text) if text else None
        lines = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
        if len(lines) > _MOST_LINES:
            raise forms.ValidationError(_("At most %(limit)s can be named here.") % {"limit": _MOST_LINES})
        return [self._value(line) for line in lines]

    def as_typed(self, values: JSON) -> str:
        """Return what somebody would have typed to choose what data holds: names, where they are clear."""
        return "\n".join(self._typed(str(value)) for value in (values if isinstance(values, list) else [values]))

    def _value(self, text: str) -> JSON:
        found = self.rows.search(text)
        if not found:
            raise forms.ValidationError(_("There is nothing called “%(name)s” to choose.") % {"name": text})
        if len(found) > 1:
            raise forms.ValidationError(
                _("Several are called “%(name)s”: write its key instead, such as %(key)s.")
                % {"name": text, "key": found[0].key}
            )
        return found[0].value

    def _typed(self, key: str) -> str:
        row = self.rows.find([key]).get(key)
        if row is None:
            return key
        return row.label if self.rows.search(row.label) == [row] else key


def _keys(options: Iterable[Option]) -> Iterable[str]:
    for key, label in options:
        if isinstance(label, list):
            yield from (inner for inner, _label in label)
        else:
            yield key
