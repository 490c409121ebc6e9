"""The admin's pages of status rules: the form, and what the saved rules come to as a table and as a diagram."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from processes.admin.status_rules.form import StatusRulesForm
from processes.admin.status_rules.rules_field import GROUPS, Edited, RulesWidget, told
from processes.admin.told_errors import ErrorTellingAdmin
from processes.domain.authoring.status_rules_schema import status_rules_schema
from processes.domain.json_values import JSON
from processes.domain.status_rules import RESERVED_ROLES
from processes.errors import DefinitionError, Problem
from processes.models import StatusRules
from processes.services.authoring.checking import place_problems
from processes.services.authoring.status_pictures import picture_of
from processes.services.errors import StatusRulesInUseError
from processes.services.status_rules import (
    delete_status_rules,
    find_problems,
    parsed_rules,
    save_status_rules,
    uses_of,
)

__all__ = ["StatusRulesAdmin"]

#: Warnings in one message; the page tells the others.
_MOST_TOLD = 3


@admin.register(StatusRules)
class StatusRulesAdmin(ErrorTellingAdmin):
    """Edit status rules; they are in force as soon as they are saved."""

    form = StatusRulesForm
    change_form_template = "processes/admin/status_rules/change_form.html"
    list_display = ("title", "slug", "used_by", "enforced", "updated_at")
    list_filter = ("enforced",)
    search_fields = ("title", "slug", "description", "rules")
    fieldsets = (
        (None, {"fields": ("title", "slug", "description", "enforced", "expected_revision")}),
        (gettext_lazy("Rules"), {"fields": ("rules",), "classes": ("status-rules",)}),
    )

    class Media:
        css: ClassVar = {"all": ("processes/admin.css", "processes/diagram.css", "processes/status-rules.css")}

    def get_queryset(self, request: HttpRequest) -> QuerySet[StatusRules]:
        """Fetch what uses them with the list."""
        return super().get_queryset(request).prefetch_related("instance_types")

    @admin.display(description=gettext_lazy("used by"))
    def used_by(self, rules: StatusRules) -> str:
        """Show which instance types use them."""
        return ", ".join(kind.title for kind in rules.instance_types.all()) or "–"

    def get_prepopulated_fields(self, request: HttpRequest, obj: StatusRules | None = None) -> Any:
        """Propose a name for new rules."""
        return {"slug": ("title",)} if obj is None else {}

    # -- the form

    def get_urls(self) -> list[URLPattern]:
        """Add what the JSON editor asks while somebody types."""
        view = self.admin_site.admin_view(self._check)
        return [path("check/", view, name="processes_statusrules_check"), *super().get_urls()]

    def _check(self, request: HttpRequest) -> HttpResponse:
        return _answer_check(request, self)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Add the pictures of the saved rules, and what the JSON editor needs."""
        rules: StatusRules | None = kwargs.get("obj")
        form = context["adminform"].form
        if rules is not None:
            context |= _pictures(StatusRules.objects.get(pk=rules.pk))
        if "rules" in form.fields:
            widget: RulesWidget = form.fields["rules"].widget
            names = form.names(form.instance.rules)
            value = form["rules"].value()
            text = value.text if isinstance(value, Edited) else str(value or "")
            context |= {
                "schema": status_rules_schema(roles=names["role"], statuses=names["status"], actions=names["action"]),
                "shown_problems": _placed(text, widget.errors, widget.warnings),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: StatusRules, form: StatusRulesForm, change: bool) -> None:
        """Save them, and tell what is probably a mistake."""
        expected = form.cleaned_data["expected_revision"] if change else None
        warnings = save_status_rules(rules=obj, editor=request.user, expected_revision=expected)
        if warnings:
            listed = " ".join(told(warning, mode="rows") for warning in warnings[:_MOST_TOLD])
            text = _("These are in force, and probably a mistake: %(problems)s") % {"problems": listed}
            self.message_user(request, text, messages.WARNING)

    # -- deleting

    def delete_model(self, request: HttpRequest, obj: StatusRules) -> None:
        """Delete them; the audit log tells who did."""
        delete_status_rules(rules=obj, editor=request.user)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[StatusRules]) -> None:
        """Delete the chosen rules, all or none."""
        with transaction.atomic():
            for rules in queryset:
                self.delete_model(request, rules)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Delete rules; what began to use them in the very same moment is told."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except StatusRulesInUseError as error:
            self.message_user(request, error.message, messages.ERROR)
            return HttpResponseRedirect(reverse("admin:processes_statusrules_changelist"))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """List the rules, and carry out what was chosen for some of them."""
        try:
            return super().changelist_view(request, extra_context)
        except StatusRulesInUseError as error:
            self.message_user(request, error.message, messages.ERROR)
            return HttpResponseRedirect(request.path)


@never_cache
@require_POST
def _answer_check(request: HttpRequest, model_admin: StatusRulesAdmin) -> HttpResponse:
    """Answer `{"problems": […]}` for the JSON of the page's form as it stands; nothing is saved."""
    rules = None
    if (number := request.POST.get("template", "")).isascii() and number.isdigit() and len(number) <= 18:
        rules = StatusRules.objects.filter(pk=int(number)).first()
    may = model_admin.has_add_permission(request)
    if rules is not None:
        may = model_admin.has_change_permission(request, rules)
    if not may:
        raise PermissionDenied
    text = request.POST.get("rules", "").replace("\r\n", "\n")
    findings = find_problems(text, uses=[] if rules is None else uses_of(rules))
    return JsonResponse({"problems": _placed(text, findings.errors, findings.warnings)})


def _placed(text: str, errors: list[Problem], warnings: list[Problem]) -> list[dict[str, JSON]]:
    found = [*place_problems(text, errors), *place_problems(text, warnings, severity="warning")]
    return [problem.to_json() for problem in found]


def _pictures(rules: StatusRules) -> dict[str, Any]:
    """Return what the page shows of saved rules; nothing of rules that can't be read."""
    uses = uses_of(rules)
    try:
        parsed = parsed_rules(rules.rules)
    except DefinitionError:
        return {"uses": uses}
    picture = picture_of(parsed, uses=uses)
    return {
        "uses": uses,
        "table": picture.table if picture.table.rows else None,
        "flow": picture.diagram,
        "group_words": dict(GROUPS),
        "reserved": RESERVED_ROLES,
    }
