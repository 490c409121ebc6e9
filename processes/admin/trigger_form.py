"""The form of a trigger: what fits its kind, and what is wrong at its place."""

import json
from functools import cache
from typing import Any, ClassVar, Final
from zoneinfo import available_timezones

from django import forms
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from processes.admin.forms import JsonField
from processes.models import Trigger, TriggerKind
from processes.services.access import executable_by
from processes.services.trigger_rules import check_trigger

__all__ = ["UNITS", "TriggerForm", "seconds_of", "split_seconds"]

#: Units of a time span, by their seconds, the largest first.
UNITS: Final = ((86_400, _("days")), (3_600, _("hours")), (60, _("minutes")), (1, _("seconds")))
#: What the fields of the form are called in the problems that services tell of.
_PLACES: Final = {"every_seconds": "every"}


class JsonObjectField(JsonField):
    """Take a JSON object, and show it on several lines; empty is an empty object."""

    def __init__(self, **kwargs: Any) -> None:
        attrs = {"rows": 4, "class": "vLargeTextField json-text", "spellcheck": "false"}
        super().__init__(**{"widget": forms.Textarea(attrs=attrs), **kwargs})

    def prepare_value(self, value: Any) -> Any:
        """Return the text that is shown; a text that was refused stays as it was typed."""
        if value is None or isinstance(value, dict):
            return json.dumps(value, ensure_ascii=False, indent=2) if value else ""
        return super().prepare_value(value)

    def clean(self, value: Any) -> Any:
        """Return the object."""
        cleaned = super().clean(value)
        return {} if cleaned is None else cleaned


class TriggerForm(forms.ModelForm):
    """Edit a trigger as one user; who isn't an administrator lets it run in their own name."""

    #: Whoever edits; the admin makes a class for each request.
    editor: ClassVar[AbstractBaseUser | AnonymousUser] = AnonymousUser()

    data = JsonObjectField(  # type: ignore[assignment]
        label=_("Data"), required=False, help_text=_("What the run's data hold at first: a JSON object.")
    )
    parameters = JsonObjectField(
        label=_("Parameters"),
        required=False,
        help_text=_(
            "What the process reads as parameters of its request: a JSON object. A webhook's fields come there too, "
            "and these have the last word."
        ),
    )
    every = forms.IntegerField(label=_("Or every"), required=False, min_value=1)
    unit = forms.ChoiceField(label=_("Unit"), required=False, choices=UNITS, initial=60)
    time_zone = forms.ChoiceField(label=_("Time zone"), required=False)

    class Meta:
        model = Trigger
        fields = (
            "title", "template", "enabled", "user", "action", "data", "parameters", "kind", "cron", "time_zone",
            "catches_up", "style", "signature_header", "delivery_header", "recognised_by", "tolerance_seconds", "rate",
        )  # fmt: skip
        help_texts: ClassVar = {
            "action": _("Where the run enters. Empty: where the process begins."),
            "user": _("Only an administrator sets somebody else than themselves."),
            "cron": _(
                "Minute, hour, day of month, month, day of week: “0 9 * * 1-5” is nine o'clock on weekdays. What would "
                "fall into an hour that the clock leaves out comes right after it; what comes once a day comes once."
            ),
            "catches_up": _(
                "When nothing was running at a time that was due, it starts once as soon as possible. Otherwise that "
                "time is passed over."
            ),
            "style": _("How the sender proves who they are; each is HMAC-SHA256."),
            "signature_header": _("Only where the sender uses another one."),
            "delivery_header": _("Only where the sender uses another one."),
            "recognised_by": _("What comes again starts nothing, and gets the same run's id."),
            "tolerance_seconds": _("So many seconds old may a signature be that holds a time."),
            "rate": _("Runs per s, m, h or d, such as “600/m”. Empty: any number."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        site_zone = gettext("the site's: %(zone)s") % {"zone": timezone.get_default_timezone_name()}
        fields = self.fields
        if "template" not in fields:
            return  # Somebody only looks at it.
        fields["time_zone"].choices = [("", site_zone), *((name, name) for name in _zones())]  # type: ignore[attr-defined]
        templates = type(self.instance).template.field.related_model.objects.filter(
            Q(pk__in=executable_by(self.editor).values("pk")) | Q(pk=self.instance.template_id)
        )
        fields["template"].queryset = templates.order_by("title")  # type: ignore[attr-defined]
        if "user" in fields:
            fields["user"].required = True
            users = fields["user"].queryset  # type: ignore[attr-defined]
            fields["user"].queryset = users.filter(Q(is_active=True) | Q(pk=self.instance.user_id))  # type: ignore[attr-defined]
            if self.instance._state.adding:
                fields["user"].initial = self.editor.pk
        fields["cron"].widget.attrs.update(
            {"autocomplete": "off", "spellcheck": "false", "class": "vTextField json-text"}
        )
        if self.instance.every_seconds:
            fields["every"].initial, fields["unit"].initial = split_seconds(self.instance.every_seconds)

    def clean(self) -> dict[str, Any]:
        """Put together what several fields say."""
        cleaned = super().clean() or self.cleaned_data
        is_schedule = cleaned.get("kind") == TriggerKind.SCHEDULE
        self.instance.every_seconds = (
            seconds_of(cleaned.get("every"), int(cleaned.get("unit") or 60)) if is_schedule else None
        )
        if "user" not in self.fields and isinstance(self.editor, AbstractBaseUser):
            self.instance.user = self.editor
        return cleaned

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        for problem in check_trigger(self.instance, editor=self.editor):
            name = problem.path.removeprefix("/")
            name = _PLACES.get(name, name)
            self.add_error(name if name in self.fields else None, _sentence(problem.message))


def seconds_of(every: int | None, unit: int) -> int | None:
    """Return a time span in seconds, given by how many units of so many seconds; None where there is none."""
    return None if every is None else every * unit


def split_seconds(seconds: int) -> tuple[int, int]:
    """Return a time span in the largest unit in which it is a whole number, with that unit's seconds."""
    unit = next(size for size, _name in UNITS if seconds % size == 0)
    return seconds // unit, unit


@cache
def _zones() -> list[str]:
    return sorted(available_timezones())


def _sentence(message: str) -> str:
    text = message[:1].upper() + message[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."
