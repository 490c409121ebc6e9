"""A team's own models in the admin: where an object stands, what is offered, and what its context binds.

Both are mixins that a team's `admin.py` uses; nothing here registers itself.
"""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.contenttypes.admin import GenericTabularInline
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processes.admin.told_errors import ErrorTellingAdmin
from processes.driven import ProcessDriven
from processes.errors import ProcessError
from processes.models import DynamicBinding
from processes.services.offers import grouped

__all__ = ["DynamicBindingInline", "ProcessDrivenAdmin", "ProcessStatusFilter"]

_READ_ALONG = ("process", "status_rules", "instance__status_rules", "instance__owner", "instance__assignee")


class _BindingForm(forms.ModelForm):
    def clean(self) -> dict[str, Any]:
        """Ask for one of the two: a binding of nothing would look like one of something."""
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors and not (cleaned.get("process") or cleaned.get("status_rules")):
            raise forms.ValidationError(_("Choose a process, status rules, or both."))
        return cleaned


class DynamicBindingInline(GenericTabularInline):
    """Edit what an object binds for whatever has it in its context: `inlines = [DynamicBindingInline]`."""

    model = DynamicBinding
    form = _BindingForm
    ct_field, ct_fk_field = "content_type", "object_id"
    fields = ("reference", "process", "status_rules")
    extra = 0


class ProcessStatusFilter(admin.SimpleListFilter):
    """Narrow a list by status."""

    title = gettext_lazy("status")
    parameter_name = "process_status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the statuses that there are."""
        rows = model_admin.model._base_manager.filter(instance__isnull=False).exclude(instance__status="")
        found = rows.order_by("instance__status").values_list("instance__status", flat=True).distinct()
        return [(status, status.capitalize()) for status in found]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Leave the objects that have it."""
        return queryset.filter(instance__status=self.value()) if self.value() else queryset


class ProcessDrivenAdmin(ErrorTellingAdmin):
    """Show above an object's form its status, options, assignee, running work and history.

    Options are those that the status rules offer whoever looks; an option whose process has a page to show leads there.
    Columns for `list_display`: `process_status`, `process_assignee`.
    """

    change_form_template = "processes/admin/driven/change_form.html"

    class Media:
        css = {"all": ("processes/driven.css",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read along what is shown of each object."""
        rows = super().get_queryset(request)
        # Django doesn't look at `list_select_related` where a queryset has relations of its own.
        own = self.list_select_related
        return rows.select_related(*_READ_ALONG, *(own if isinstance(own, list | tuple) else ()))

    @admin.display(description=gettext_lazy("status"), ordering="instance__status")
    def process_status(self, thing: ProcessDriven) -> str:
        """Show where an object stands."""
        return thing.status.capitalize()

    @admin.display(description=gettext_lazy("assigned to"), ordering="instance__assignee")
    def process_assignee(self, thing: ProcessDriven) -> str:
        """Show who has an object."""
        assignee = None if thing.instance is None else thing.instance.assignee
        return "" if assignee is None else assignee.get_username()

    def get_urls(self) -> list[URLPattern]:
        """Add the address to which the options are sent."""
        view = self.admin_site.admin_view(self._execute_view)
        return [path("<path:object_id>/process/", view, name=self._address_name), *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any
    ) -> HttpResponse:
        """Add what the panel shows."""
        thing = options.get("obj")
        if isinstance(thing, ProcessDriven):
            context["process_panel"] = self._panel(request, thing)
        return super().render_change_form(request, context, *args, **options)

    @property
    def _address_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_process"

    def _address(self, name: str, thing: ProcessDriven) -> str:
        return reverse(f"{self.admin_site.name}:{name}", args=[thing.pk])

    def _panel(self, request: HttpRequest, thing: ProcessDriven) -> dict[str, Any]:
        return {
            "thing": thing,
            "assignee": None if thing.instance is None else thing.instance.assignee,
            "groups": [(group.value, options) for group, options in grouped(thing.options_for(request.user))],
            "address": self._address(self._address_name, thing),
            "running": thing.running(),
        }

    def _execute_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Execute what was chosen, and lead back; to the process's own page where that has something to show."""
        thing = self.get_object(request, object_id)
        if not isinstance(thing, ProcessDriven) or not self.has_view_permission(request, thing):
            raise Http404
        back = self._address(f"{self.opts.app_label}_{self.opts.model_name}_change", thing)
        if request.method != "POST":
            return HttpResponseRedirect(back)
        assert request.user.is_authenticated  # The admin asks that first.
        action = request.POST.get("action", "").replace("\0", "")
        options = {one.action: one for one in thing.options_for(request.user)}
        try:
            response = thing.execute(user=request.user, action=action).response
        except ProcessError as error:
            messages.error(request, error.message)
            return HttpResponseRedirect(back, status=303)
        if response.content or response.form or response.template or response.parts:
            return HttpResponseRedirect(thing.process_url, status=303)
        caption = options[action].caption if action in options else action
        messages.success(request, _("Done: %(caption)s") % {"caption": caption})
        return HttpResponseRedirect(back, status=303)
