"""The admin of process templates: edit the draft, publish it."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Field, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processes.admin.editor import editor_urls
from processes.admin.forms import BindingForm, BindingRows, ExtensionRows, ProcessTemplateForm
from processes.admin.impact import impact_message, refusal_message, warning_message
from processes.admin.rights import RightsForm, may_edit_stored
from processes.admin.tabs import TABS, Tab
from processes.admin.tabs.builder import builder_urls
from processes.admin.tabs.page import serve_tab
from processes.errors import DefinitionError, ProcessError
from processes.models import Access, Binding, Extension, ProcessTemplate
from processes.services.authoring.impact import impact_of_draft
from processes.services.authoring.publishing import publish
from processes.services.authoring.templates import delete_template, differs_from_published, save_draft, warnings_of
from processes.services.errors import (
    BindingRefusedError,
    PublishRefusedError,
    SlugTakenError,
    StaleDraftError,
    TemplateInUseError,
    TemplateNotFoundError,
)
from processes.services.library import read_library

#: The name of the button that also publishes.
PUBLISH = "_publish"


def _only_choose(field: Any) -> Any:
    """Leave out Django's buttons beside a choice, which would edit or delete what is chosen instead of the choice."""
    if field is not None:
        field.widget = getattr(field.widget, "widget", field.widget)
    return field


class _PartOfTemplate:
    """Follow the permissions of the template: its parts are saved with it, or not at all."""

    def _may_change(self, request: HttpRequest, template: object) -> bool:
        if isinstance(template, ProcessTemplate) and template.pk is not None:
            return may_edit_stored(request, template)
        return request.user.has_perm("processes.change_processtemplate") or request.user.has_perm(
            "processes.add_processtemplate"
        )

    def formfield_for_dbfield(self, db_field: "Field[Any, Any]", request: HttpRequest, **kwargs: Any) -> Any:
        """Name each field for those who don't see the column that it stands in."""
        field = _only_choose(super().formfield_for_dbfield(db_field, request, **kwargs))  # type: ignore[misc]
        if field is not None:
            field.widget.attrs["aria-label"] = str(field.label)
        return field

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Show the part to whoever sees the template."""
        return self._may_change(request, obj) or request.user.has_perm("processes.view_processtemplate")

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Let whoever may change the template add to it."""
        return self._may_change(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Let whoever may change the template change its parts."""
        return self._may_change(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Let whoever may change the template delete its parts."""
        return self._may_change(request, obj)


class BindingInline(_PartOfTemplate, admin.TabularInline):
    """Edit the bindings on the template's page."""

    model = Binding
    form = BindingForm
    formset = BindingRows
    extra = 1


class ExtensionInline(_PartOfTemplate, admin.TabularInline):
    """Edit what the template extends, in order."""

    model = Extension
    fk_name = "template"
    formset = ExtensionRows
    fields = ("base", "position")
    extra = 1
    verbose_name = gettext_lazy("extended template")
    verbose_name_plural = gettext_lazy("extends (each overrides those above it)")


@admin.register(ProcessTemplate)
class ProcessTemplateAdmin(admin.ModelAdmin):
    """Edit templates. “Save” keeps a draft; “Save and publish” puts it into force."""

    form = RightsForm
    inlines = (ExtensionInline, BindingInline)
    change_form_template = "processes/admin/template_form.html"
    list_display = ("title", "slug", "executed_by", "published_at", "state")
    list_filter = ("access", "abstract")
    search_fields = ("title", "slug", "description")
    readonly_fields = ("published", "state")
    fieldsets = (
        (None, {"fields": ("title", "slug", "description", "expected_revision")}),
        (gettext_lazy("Definition"), {"fields": ("definition", "abstract", "published", "state")}),
        (gettext_lazy("Who may execute it"), {"fields": ("access", "groups", "owner"), "classes": ("collapse",)}),
        (gettext_lazy("Who may edit it"), {"fields": ("edit_access", "edit_groups"), "classes": ("collapse",)}),
    )

    class Media:
        css: ClassVar = {"all": ("processes/admin.css",)}

    @admin.display(description=gettext_lazy("who may execute it"), ordering="access")
    def executed_by(self, template: ProcessTemplate) -> str:
        """Show who may execute it: nobody, where it is only extended."""
        if template.abstract:
            return _("nobody: abstract")
        # In a list nothing is "below".
        return _("members of its groups") if template.access == Access.GROUPS else str(template.get_access_display())

    @admin.display(description=gettext_lazy("published"))
    def published(self, template: ProcessTemplate) -> str:
        """Show when the template was published, and as which plan."""
        if template.published_at is None:
            return _("not yet")
        plan = template.published_plan_id
        return f"{template.published_at:%Y-%m-%d %H:%M} UTC" + (
            _(", plan %(plan)s") % {"plan": plan[:12]} if plan else _(" (abstract: no plan)")
        )

    @admin.display(description=gettext_lazy("draft"))
    def state(self, template: ProcessTemplate) -> str:
        """Show whether the draft is what is in force."""
        if template.pk is None or template.published_source is None:
            return _("never published")
        return _("differs from what is published") if differs_from_published(template) else _("published as it is")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProcessTemplate]:
        """Fetch what the list shows of each template in a constant number of queries."""
        return super().get_queryset(request).prefetch_related("bindings", "extensions__base")

    def get_readonly_fields(self, request: HttpRequest, obj: ProcessTemplate | None = None) -> tuple[str, ...]:
        """Keep the slug of a published template: addresses and other templates name it."""
        fixed = ("slug",) if obj is not None and obj.published_source is not None else ()
        return (*self.readonly_fields, *fixed)

    def get_prepopulated_fields(
        self, request: HttpRequest, obj: ProcessTemplate | None = None
    ) -> dict[str, Sequence[str]]:
        """Propose a slug for a new template."""
        return {"slug": ("title",)} if obj is None else {}

    def formfield_for_dbfield(self, db_field: "Field[Any, Any]", request: HttpRequest, **kwargs: Any) -> Any:
        """Let groups and the owner be chosen, and no more."""
        return _only_choose(super().formfield_for_dbfield(db_field, request, **kwargs))

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
        return [*editor_urls(self), *builder_urls(self), *pages, *super().get_urls()]

    def _serve_tab(self, tab: Tab, request: HttpRequest, object_id: str) -> HttpResponseBase:
        return serve_tab(tab, request, object_id, self)

    def has_change_permission(self, request: HttpRequest, obj: ProcessTemplate | None = None) -> bool:
        """Let an editor change what is kept for groups only if they belong to it."""
        return super().has_change_permission(request, obj) and (obj is None or may_edit_stored(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: ProcessTemplate | None = None) -> bool:
        """Let nobody delete what they may not edit."""
        return super().has_delete_permission(request, obj) and (obj is None or may_edit_stored(request, obj))

    def get_form(
        self, request: HttpRequest, obj: ProcessTemplate | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Return the form for whoever edits."""
        return type("TemplateForm", (super().get_form(request, obj, change, **kwargs),), {"user": request.user})

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """List, besides what Django knows, who calls the templates; what belongs to one is deleted with it."""
        to_delete, counts, needed, protected = super().get_deleted_objects(objs, request)
        library = read_library()
        listed = [
            _("“%(template)s”: “%(caller)s” calls it") % {"template": template, "caller": use.slug}
            for template in objs
            for use in library.uses(template.slug)
            if use.how == "calls"
        ]
        # Nobody deletes those by hand: they go with their template, or keep it from going.
        parts = {str(model._meta.verbose_name) for model in self.opts.app_config.get_models()}
        parts.discard(str(self.opts.verbose_name))
        return to_delete, counts, set(needed) - parts, [*protected, *listed]

    def delete_model(self, request: HttpRequest, obj: ProcessTemplate) -> None:
        """Delete a template; the audit log tells who did."""
        delete_template(template=obj, user=request.user)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ProcessTemplate]) -> None:
        """Delete the chosen templates, all or none."""
        with transaction.atomic():
            for template in queryset:
                self.delete_model(request, template)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Delete a template; what began to build on it in the very same moment is told."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except (TemplateInUseError, TemplateNotFoundError) as error:
            return self._refuse(request, error)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """List the templates, and carry out what was chosen for some of them."""
        try:
            return super().changelist_view(request, extra_context)
        except (TemplateInUseError, TemplateNotFoundError) as error:
            return self._refuse(request, error)

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
        except (
            BindingRefusedError, DefinitionError, SlugTakenError, StaleDraftError, TemplateNotFoundError,
        ) as error:  # fmt: skip
            return self._refuse(request, error, "Nothing was saved. ")

    def save_model(self, request: HttpRequest, obj: ProcessTemplate, form: ProcessTemplateForm, change: bool) -> None:
        """Save the draft, with the bindings and extensions that the form has read."""
        save_draft(
            template=obj,
            definition=form.cleaned_data["definition"],
            bindings=form.bindings,
            extends=form.bases,
            expected_revision=form.cleaned_data["expected_revision"] if change else None,
            groups=form.cleaned_data.get("groups"),
            edit_groups=form.cleaned_data.get("edit_groups"),
            user=request.user,
        )

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save nothing: groups, bindings and extensions are saved with the template."""
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
        response = super().response_add(request, obj, post_url_continue)
        self._tell_impact(request, obj)
        self._warn(request, obj)
        return response

    def response_change(self, request: HttpRequest, obj: ProcessTemplate) -> HttpResponse:
        """Publish, if that was asked for; then stay on the template's page."""
        if PUBLISH in request.POST:
            self._publish(request, obj)
            return HttpResponseRedirect(self._address(obj))
        response = super().response_change(request, obj)
        self._tell_impact(request, obj)
        self._warn(request, obj)
        return response

    def _tell_impact(self, request: HttpRequest, template: ProcessTemplate) -> None:
        """Say who builds on the draft that was just saved, and what publishing it would break."""
        impact = impact_of_draft(template)
        if (text := impact_message(impact)) is not None:
            self.message_user(request, text, messages.WARNING if impact.broken else messages.INFO)

    def _warn(self, request: HttpRequest, template: ProcessTemplate) -> None:
        """Say what was saved, or published, and is probably a mistake."""
        # What it extends may be another one meanwhile, over which it can't be derived: saving has told enough.
        with suppress(DefinitionError):
            if warnings := warnings_of(template):
                self.message_user(request, warning_message(warnings), messages.WARNING)

    def _publish(self, request: HttpRequest, template: ProcessTemplate) -> None:
        try:
            result = publish(template=template, user=request.user, expected_revision=template.revision)
        except PublishRefusedError as error:
            text = refusal_message(_not_published(error), error.fields["broken"])
            self.message_user(request, text, messages.ERROR)
            return
        except ProcessError as error:
            self.message_user(request, _not_published(error), messages.ERROR)
            return
        if result.version is None:
            told = _("“%(template)s” is saved; exactly this is in force already.") % {"template": template}
            self.message_user(request, told, messages.SUCCESS)
            return
        others = [slug for slug in result.changed if slug != template.slug]
        told = _("“%(template)s” is saved and published as version %(version)s.") % {
            "template": template,
            "version": result.version,
        }
        if others:
            following = _("These follow it: %(names)s.") % {"names": ", ".join(others)}
            told = f"{told} {following}"
        self.message_user(request, told, messages.SUCCESS)
        self._warn(request, template)

    def _refuse(self, request: HttpRequest, error: ProcessError, what: str = "") -> HttpResponse:
        self.message_user(request, f"{what}{error.message}", messages.ERROR)
        return HttpResponseRedirect(request.path)

    def _address(self, template: ProcessTemplate) -> str:
        return reverse("admin:processes_processtemplate_change", args=[template.pk], current_app=self.admin_site.name)


def _not_published(error: ProcessError) -> str:
    return _("The draft is saved, but not published. %(why)s") % {"why": error.message}
