"""The form of status rules: checked as a whole, and what is wrong told at its place."""

from contextlib import suppress
from typing import Any

from django import forms
from django.forms.utils import ErrorDict
from django.utils.translation import gettext_lazy as _

from processes.admin.status_rules.rules_field import Edited, RulesField, RulesWidget, is_changing_over, told
from processes.domain.status_rules import NO_STATUS, RESERVED_ROLES
from processes.errors import DefinitionError
from processes.models import StatusRules
from processes.services.status_rules import find_problems, known_roles, parsed_rules, reachable_by, uses_of

__all__ = ["StatusRulesForm"]


class StatusRulesForm(forms.ModelForm):
    """Edit status rules; changing over between rows and JSON saves nothing, and checks no more than can be read."""

    expected_revision = forms.IntegerField(widget=forms.HiddenInput, required=False)
    rules = RulesField(
        label=_("Rules"),
        required=False,
        help_text=_(
            "In the order in which options are shown. Rules decide what is offered; who may do it, the action checks."
        ),
    )

    class Meta:
        model = StatusRules
        fields = ("title", "slug", "description", "enforced", "rules")
        widgets = {"description": forms.Textarea(attrs={"rows": 2})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["expected_revision"].initial = self.instance.revision
        self.uses = uses_of(self.instance)
        if "rules" not in self.fields:
            return  # Somebody only looks at it.
        stored = self.instance.rules
        self._widget.offers = self.names(stored)
        if not self.is_bound:
            findings = find_problems(stored, uses=self.uses)
            self._widget.errors, self._widget.warnings = findings.errors, findings.warnings

    @property
    def _widget(self) -> RulesWidget:
        widget = self.fields["rules"].widget
        assert isinstance(widget, RulesWidget)
        return widget

    @property
    def is_changing_over(self) -> bool:
        """Tell whether it was sent to change over between rows and JSON."""
        return self.is_bound and is_changing_over(self.data)

    def names(self, text: str) -> dict[str, list[str]]:
        """Return the names that may be offered while rules are written: roles, statuses, actions."""
        statuses = {*(reachable_by(self.uses) or ()), *(use.first_status for use in self.uses)}
        with suppress(DefinitionError):
            statuses |= parsed_rules(text).statuses
        return {
            "role": [*RESERVED_ROLES, *sorted(known_roles())],
            "status": sorted(statuses - {NO_STATUS}),
            "action": sorted({name for use in self.uses if use.plan is not None for name in use.plan.ordinary}),
        }

    def is_valid(self) -> bool:
        """Save nothing while somebody changes over."""
        return super().is_valid() and not self.is_changing_over

    def full_clean(self) -> None:
        """Check everything; of a form that only changes over, what keeps it from that."""
        if not self.is_changing_over:
            super().full_clean()
            return
        self._errors = ErrorDict()
        self.cleaned_data: dict[str, Any] = {}
        edited = self["rules"].data
        assert isinstance(edited, Edited)
        if edited.problems:
            self._widget.errors = list(edited.problems)
            self.add_error("rules", [told(problem, mode=edited.mode) for problem in edited.problems])
        else:
            findings = find_problems(edited.text, uses=self.uses)
            self._widget.errors, self._widget.warnings = findings.errors, findings.warnings

    def clean_rules(self) -> str:
        """Check the rules; what is wrong is told beside its row, or with its place in the JSON."""
        text: str = self.cleaned_data["rules"]
        findings = find_problems(text, uses=self.uses)
        self._widget.errors, self._widget.warnings = findings.errors, findings.warnings
        if findings.errors:
            mode = self["rules"].data.mode
            raise forms.ValidationError([told(problem, mode=mode) for problem in findings.errors], code="rules")
        return text

    def clean(self) -> dict[str, Any]:
        """Check that nobody else has saved meanwhile."""
        cleaned = super().clean() or self.cleaned_data
        edited = self["rules"].data
        if isinstance(edited, Edited) and edited.problems:
            self._widget.errors = list(edited.problems)
        if not self.instance._state.adding:
            stored = StatusRules.objects.filter(pk=self.instance.pk).values_list("revision", flat=True).first()
            if cleaned.get("expected_revision") != stored:
                message = _(
                    "Somebody else saved these rules after you opened them. Nothing is saved: copy what you changed, "
                    "reload the page, and enter it again."
                )
                self.add_error(None, forms.ValidationError(message, code="stale"))
        return cleaned
