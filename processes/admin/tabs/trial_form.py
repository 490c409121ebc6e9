"""The form of the Try it tab."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from processes.admin.forms import describe
from processes.domain.definition_text import parse_json_text
from processes.domain.json_values import JSON
from processes.errors import DefinitionError

__all__ = ["TrialForm"]


class JsonObjectField(forms.CharField):
    """Take a JSON object, an empty one where nothing is entered; mistakes are told with line and column."""

    widget = forms.Textarea(
        attrs={"rows": 6, "class": "json-text", "spellcheck": "false", "autocapitalize": "off", "wrap": "off"}
    )

    def clean(self, value: Any) -> dict[str, JSON]:
        """Return the object; raises ValidationError."""
        text = super().clean(value).strip()
        if not text:
            return {}
        try:
            result = parse_json_text(text)
        except DefinitionError as error:
            raise forms.ValidationError([describe(problem) for problem in error.problems]) from error
        if not isinstance(result, dict):
            raise forms.ValidationError(gettext('Enter an object, such as {"name": "Ada"}.'))
        return result


class TrialForm(forms.Form):
    """Ask what is tried out, and with what."""

    of = forms.ChoiceField(
        label=gettext_lazy("What to run"),
        choices=[("draft", gettext_lazy("The draft")), ("published", gettext_lazy("What is published"))],
        initial="draft",
    )
    action = forms.CharField(
        label=gettext_lazy("Enter at the action"),
        required=False,
        max_length=201,
        help_text=gettext_lazy("Empty: where the process begins."),
        widget=forms.TextInput(attrs={"list": "trial-actions", "autocomplete": "off", "spellcheck": "false"}),
    )
    begin_with = JsonObjectField(
        label=gettext_lazy("Data"),
        required=False,
        help_text=gettext_lazy("A JSON object: what the process begins with."),
    )
    parameters = JsonObjectField(
        label=gettext_lazy("Parameters"),
        required=False,
        help_text=gettext_lazy("A JSON object: what the address or a form would bring along."),
    )
    keep = forms.BooleanField(
        label=gettext_lazy("Really send requests and mail, and keep what it writes"),
        required=False,
        help_text=gettext_lazy("Without this, everything that the run writes to the database is taken back."),
    )

    def __init__(self, *args: Any, actions: Sequence[str] = (), published: bool = False, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        self.actions = actions
        if not published:
            del self.fields["of"]
        for name, field in self.fields.items():
            if field.help_text:
                field.widget.attrs["aria-describedby"] = f"id_{name}_helptext"
