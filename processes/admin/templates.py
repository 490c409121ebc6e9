"""The admin of process templates: edit the draft, publish it."""

from functools import partial
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Field, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join

from processes.admin.forms import BindingForm, ProcessTemplateForm, describe
from processes.admin.tabs import TABS, Tab
from processes.admin.tabs.page import serve_tab
from processes.errors import DefinitionError, Problem
from processes.models import Binding, Extension, ProcessTemplate
from processes.services.errors import PublishRefusedError, StaleDraftError
from processes.services.templates import differs_from_published, publish, save_draft

#: The name of the button that also publishes.
PUBLISH = "_publish"


class _PartOfTemplate:
    """Follow the permissions of the template: its parts are saved with it, or not at all."""

    def _may_change(self, request: HttpRequest) -> bool:
        return request.user.has_perm("processes.change_processtemplate") or request.user.has_perm(
            "processes.add_processtemplate"
        )

    def formfield_for_dbfield(self, db_field: "Field[Any, Any]", request: HttpRequest, **kwargs: Any) -> Any:
        """Name each field for those who don't see the column that it stands in."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        if field is not None:
            widget = getattr(field.widget, "widget", field.widget)
            widget.attrs["aria-label"] = str(field.label)
        return field

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Show the part to whoever sees the template."""
        return self._may_change(request) or request.user.has_perm("processes.view_processtemplate")

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Let whoever may change the template add to it."""
        return self._may_change(request)

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Let whoever may change the template change its parts."""
        return self._may_change(request)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Let whoever may change the template delete its parts."""
        return self._may_change(request)


class BindingInline(_PartOfTemplate, admin.TabularInline):
    """Edit the bindings on the template's page."""

    model = Binding
    form = BindingForm
    extra = 1


class ExtensionInline(_PartOfTemplate, admin.TabularInline):
    """Edit what the template extends, in order."""

    model = Extension
    fk_name = "template"
    fields = ("base", "position")
    extra = 1
    verbose_name = "extended template"
    verbose_name_plural = "extends (each overrides those above it)"


@admin.register(ProcessTemplate)
class ProcessTemplateAdmin(admin.ModelAdmin):
    """Edit templates. “Save” keeps a draft; “Save and publish” puts it into force."""

    form = ProcessTemplateForm
    inlines = (ExtensionInline, BindingInline)
    change_form_template = "processes/admin/template_form.html"
    list_display = ("title", "slug", "access", "abstract", "published_at", "state")
    list_filter = ("access", "abstract")
    search_fields = ("title", "slug", "description")
    readonly_fields = ("published", "state")
    fieldsets = (
        (None, {"fields": ("title", "slug", "description", "expected_revision")}),
        ("Who may execute it", {"fields": ("access", "groups", "owner")}),
        ("Definition", {"fields": ("definition", "abstract", "published", "state")}),
    )

    class Media:
        css: ClassVar = {"all": ("processes/admin.css",)}

    @admin.display(description="published")
    def published(self, template: ProcessTemplate) -> str:
        """Show when the template was published, and as which plan."""
        if template.published_at is None:
            return "not yet"
        plan = template.published_plan_id
        return f"{template.published_at:%Y-%m-%d %H:%M} UTC" + (
            f", plan {plan[:12]}" if plan else " (abstract: no plan)"
        )

    @admin.display(description="draft")
    def state(self, template: ProcessTemplate) -> str:
        """Show whether the draft is what is in force."""
        if template.pk is None or template.published_source is None:
            return "never published"
        return "differs from what is published" if differs_from_published(template) else "published as it is"

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProcessTemplate]:
        """Fetch what the list shows of each template in a constant number of queries."""
        return super().get_queryset(request).prefetch_related("bindings", "extensions__base")

    def get_readonly_fields(self, request: HttpRequest, obj: ProcessTemplate | None = None) -> tuple[str, ...]:
        """Keep the slug of a published template: addresses and other templates name it."""
        fixed = ("slug",) if obj is not None and obj.published_source is not None else ()
        return (*self.readonly_fields, *fixed)

    def get_urls(self) -> list[URLPattern]:
        """Add the tabs, below the template's own address."""
        pages = [
            path(
                f"<path:object_id>/{tab.name}/",
                self.admin_site.admin_view(partial(self._serve_tab, tab)),
                name=tab.url_name,
            )
            for tab in TABS
        ]
        return [*pages, *super().get_urls()]

    def _serve_tab(self, tab: Tab, request: HttpRequest, object_id: str) -> HttpResponseBase:
        return serve_tab(tab, request, object_id, self)

    def has_delete_permission(self, request: HttpRequest, obj: ProcessTemplate | None = None) -> bool:
        """Keep templates that others build on; deleting one would break them."""
        if obj is not None and obj.extension_uses.exists():
            return False
        return super().has_delete_permission(request, obj)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Edit a template; what another editor did in the very same moment is told instead of overwritten."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except (StaleDraftError, DefinitionError) as error:
            self.message_user(request, f"Nothing was saved. {error.message}", messages.ERROR)
            return HttpResponseRedirect(request.path)

    def save_model(self, request: HttpRequest, obj: ProcessTemplate, form: ProcessTemplateForm, change: bool) -> None:
        """Save the draft, with the bindings and extensions that the form has read."""
        save_draft(
            template=obj,
            definition=form.cleaned_data["definition"],
            bindings=form.bindings,
            extends=form.bases,
            expected_revision=form.cleaned_data["expected_revision"] if change else None,
        )

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save the groups; bindings and extensions are saved already."""
        form.save_m2m()
        for formset in formsets:
            # For the history, which tells what was added and changed.
            formset.save(commit=False)

    def response_add(
        self, request: HttpRequest, obj: ProcessTemplate, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Publish, if that was asked for; then stay on the template's page."""
        if PUBLISH in request.POST:
            self._publish(request, obj)
            return HttpResponseRedirect(self._address(obj))
        return super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: ProcessTemplate) -> HttpResponse:
        """Publish, if that was asked for; then stay on the template's page."""
        if PUBLISH in request.POST:
            self._publish(request, obj)
            return HttpResponseRedirect(self._address(obj))
        return super().response_change(request, obj)

    def _publish(self, request: HttpRequest, template: ProcessTemplate) -> None:
        try:
            result = publish(template=template)
        except PublishRefusedError as error:
            listed = format_html_join("", "<li>{}</li>", ((_line_of(item),) for item in error.fields["broken"]))
            text = format_html("The draft is saved, but not published. {}<ul>{}</ul>", error.message, listed)
            self.message_user(request, text, messages.ERROR)
            return
        others = [slug for slug in result.changed if slug != template.slug]
        followed = f" These follow it: {', '.join(others)}." if others else ""
        self.message_user(request, f"“{template}” is saved and published.{followed}", messages.SUCCESS)

    def _address(self, template: ProcessTemplate) -> str:
        return reverse("admin:processes_processtemplate_change", args=[template.pk], current_app=self.admin_site.name)


def _line_of(broken: dict[str, Any]) -> str:
    problem = Problem(path=broken["path"], message=broken["message"], suggestion=broken["suggestion"])
    return f"{broken['template']} {describe(problem)}"
