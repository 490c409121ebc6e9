"""Triggers in the admin: set up, looked ahead, fired by hand, and what each of them did."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import Field, OuterRef, QuerySet, Subquery
from django.forms.widgets import Script
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processes.admin.records import ReadOnlyAdmin
from processes.admin.told_errors import ErrorTellingAdmin
from processes.admin.trigger_form import TriggerForm, seconds_of
from processes.admin.trigger_secret import secret_page
from processes.admin.trigger_words import badge, cause_words, history_of, refusal_words, spoken_times, when_words
from processes.errors import ProcessError
from processes.models import Trigger, TriggerFiring, TriggerKind
from processes.services.errors import TriggerRefusedError
from processes.services.trigger_rules import may_change_trigger
from processes.services.triggers import delete_trigger, fire_now, next_times, preview_times, save_trigger

__all__ = ["TriggerAdmin", "TriggerFiringAdmin"]


@admin.register(Trigger)
class TriggerAdmin(ErrorTellingAdmin):
    """Edit triggers. Who isn't an administrator changes only what runs in their own name."""

    form = TriggerForm
    change_form_template = "processes/admin/trigger_form.html"
    list_display = ("title", "process", "when", "enabled", "next_time", "last")
    list_filter = ("kind", "enabled", "template")
    list_select_related = ("template", "user")
    search_fields = ("title", "template__title", "template__slug", f"=user__{get_user_model().USERNAME_FIELD}")
    #: One by one: each deletion is checked, and in the audit log.
    actions = None
    fieldsets = (
        (None, {"fields": ("title", "template", "enabled", "user")}),
        (gettext_lazy("What it starts with"), {"fields": ("action", "data", "parameters")}),
        (gettext_lazy("What starts it"), {"fields": ("kind",)}),
        (
            gettext_lazy("Schedule"),
            {"fields": ("cron", ("every", "unit"), "time_zone", "catches_up"), "classes": ("trigger-schedule",)},
        ),
        (
            gettext_lazy("Webhook"),
            {
                "fields": (
                    "style", "signature_header", "recognised_by", "delivery_header", "tolerance_seconds", "rate",
                ),
                "classes": ("trigger-webhook",),
            },
        ),
    )  # fmt: skip

    class Media:
        css: ClassVar = {"all": ("processes/admin.css", "processes/triggers.css")}
        js: ClassVar = (Script("processes/triggers.js", type="module"),)

    # -- the list

    def get_queryset(self, request: HttpRequest) -> QuerySet[Trigger]:
        """Fetch what each has done last with the list."""
        newest = TriggerFiring.objects.filter(trigger=OuterRef("pk")).order_by("-id")
        return (
            super()
            .get_queryset(request)
            .annotate(last_at=Subquery(newest.values("at")[:1]), last_outcome=Subquery(newest.values("outcome")[:1]))
        )

    @admin.display(description=gettext_lazy("process"), ordering="template__title")
    def process(self, trigger: Trigger) -> str:
        """Show what it starts."""
        return trigger.template.title

    @admin.display(description=gettext_lazy("when"), ordering="kind")
    def when(self, trigger: Trigger) -> str:
        """Show when it starts it."""
        return when_words(trigger)

    @admin.display(description=gettext_lazy("next time"), ordering="next_at", empty_value="–")
    def next_time(self, trigger: Trigger) -> str | None:
        """Show when it is due next, in the reader's zone as the time beside it."""
        return None if trigger.next_at is None else f"{timezone.localtime(trigger.next_at):%Y-%m-%d %H:%M}"

    @admin.display(description=gettext_lazy("last time"), ordering="last_at", empty_value="–")
    def last(self, trigger: Any) -> SafeString | None:
        """Show when it acted last, and how that went."""
        if trigger.last_at is None:
            return None
        at = timezone.localtime(trigger.last_at)
        return format_html("{} {}", f"{at:%Y-%m-%d %H:%M}", badge(TriggerFiring(outcome=trigger.last_outcome)))

    # -- who may

    def has_change_permission(self, request: HttpRequest, obj: Trigger | None = None) -> bool:
        """Let an editor change what runs in their own name, and an administrator everything."""
        return super().has_change_permission(request, obj) and (obj is None or may_change_trigger(request.user, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Trigger | None = None) -> bool:
        """Let nobody delete what they may not change."""
        return super().has_delete_permission(request, obj) and (obj is None or may_change_trigger(request.user, obj))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Let the history go with its trigger: nobody deletes it by hand."""
        to_delete, counts, needed, protected = super().get_deleted_objects(objs, request)
        return to_delete, counts, set(needed) - {str(TriggerFiring._meta.verbose_name)}, protected

    # -- the form

    def get_form(self, request: HttpRequest, obj: Trigger | None = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form for whoever edits."""
        names = [name for name in TriggerForm.Meta.fields if name != "user" or self._sets_user(request)]
        form = super().get_form(request, obj, change, **{**kwargs, "fields": names})
        return type("EditedTriggerForm", (form,), {"editor": request.user})

    def get_fieldsets(self, request: HttpRequest, obj: Trigger | None = None) -> Any:
        """Ask for the user where there is a choice, and show to those who only look what there is."""
        first, start, kind, schedule, webhook = self.fieldsets
        if obj is None and not self._sets_user(request):
            first = (None, {"fields": ("title", "template", "enabled")})
        if obj is not None and not self.has_change_permission(request, obj):
            schedule = (schedule[0], {"fields": ("when", "catches_up")})
            return [first, start, kind, schedule if obj.kind == TriggerKind.SCHEDULE else webhook]
        return [first, start, kind, schedule, webhook]

    def get_readonly_fields(self, request: HttpRequest, obj: Trigger | None = None) -> tuple[str, ...]:
        """Show whose name it runs in to those who can't choose it."""
        return ("when",) if self._sets_user(request) else ("user", "when")

    def formfield_for_dbfield(self, db_field: "Field[Any, Any]", request: HttpRequest, **kwargs: Any) -> Any:
        """Let process and user be chosen, and no more: no buttons that edit them instead."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            field.widget = getattr(field.widget, "widget", field.widget)
        return field

    @staticmethod
    def _sets_user(request: HttpRequest) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Add what is shown besides the fields: the next times, the address, the history."""
        trigger: Trigger | None = kwargs.get("obj")
        if trigger is not None:
            stored = Trigger.objects.select_related("template", "user").get(pk=trigger.pk)
            context |= {
                "stored": stored,
                "may_fire": self.has_change_permission(request, stored),
                "times": spoken_times(next_times(stored)),
                "hook_address": request.build_absolute_uri(reverse("processes:hook", args=(stored.pk,))),
                "refusal": refusal_words(stored.refusal) if stored.refused_at else "",
                "old_is_valid": stored.previous_until is not None and stored.previous_until > timezone.now(),
                "history": history_of(stored, request),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Trigger, form: TriggerForm, change: bool) -> None:
        """Save it; its schedule is in force at once."""
        save_trigger(trigger=obj, editor=request.user)

    def response_add(self, request: HttpRequest, obj: Trigger, post_url_continue: str | None = None) -> HttpResponse:
        """Lead to the secret of a new webhook: without one it takes nothing."""
        if obj.kind != TriggerKind.WEBHOOK:
            return super().response_add(request, obj, post_url_continue)
        self.message_user(request, _("Saved. It takes nothing before it has a secret."), messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:processes_trigger_secret", args=(obj.pk,)))

    def delete_model(self, request: HttpRequest, obj: Trigger) -> None:
        """Delete it; the audit log tells who did."""
        delete_trigger(trigger=obj, editor=request.user)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Delete a trigger that is still whose it was."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except TriggerRefusedError as error:
            self.message_user(request, error.message, messages.ERROR)
            return HttpResponseRedirect(reverse("admin:processes_trigger_changelist"))

    # -- pages of its own

    def get_urls(self) -> list[URLPattern]:
        """Add what can be done with a trigger, and the look ahead."""
        guard = self.admin_site.admin_view
        return [
            path("next-times/", guard(self.preview), name="processes_trigger_preview"),
            path("<uuid:trigger_id>/fire/", guard(self.fire), name="processes_trigger_fire"),
            path("<uuid:trigger_id>/secret/", guard(self.secret), name="processes_trigger_secret"),
            *super().get_urls(),
        ]

    def preview(self, request: HttpRequest) -> HttpResponse:
        """Tell when a schedule would be due that is being typed: {"times"} or {"problem"}."""
        if not (self.has_change_permission(request) or self.has_add_permission(request)):
            raise PermissionDenied
        given = request.GET
        try:
            every = int(given["every"]) if given.get("every") else None
            seconds = seconds_of(every, int(given.get("unit") or 60))
        except ValueError:
            return JsonResponse({"problem": _("Enter a whole number.")})
        trigger = Trigger(
            kind=TriggerKind.SCHEDULE,
            cron=given.get("cron", "").strip()[:200],
            every_seconds=seconds,
            time_zone=given.get("time_zone", "")[:64],
        )
        moments, problem = preview_times(trigger)
        return JsonResponse({"problem": problem} if problem else {"times": spoken_times(moments)})

    def fire(self, request: HttpRequest, trigger_id: Any) -> HttpResponse:
        """Start now what a trigger starts."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        trigger = self._stored(request, trigger_id)
        if not self.has_change_permission(request, trigger):
            raise PermissionDenied
        try:
            run_id = fire_now(trigger=trigger, editor=request.user)
        except ProcessError as error:
            self.message_user(request, _("Nothing was started. %(why)s") % {"why": error.message}, messages.ERROR)
        else:
            address = reverse("processes:progress", kwargs={"root_id": run_id})
            told = format_html('{} <a href="{}">{}</a>', _("Started."), address, _("See how it is going"))
            self.message_user(request, told, messages.SUCCESS)
        return HttpResponseRedirect(self._address(trigger))

    def secret(self, request: HttpRequest, trigger_id: Any) -> HttpResponse:
        """Set the secret of a webhook."""
        trigger = self._stored(request, trigger_id)
        return secret_page(
            request,
            trigger=trigger,
            back=self._address(trigger),
            site=self.admin_site,
            may_change=self.has_change_permission(request, trigger),
        )

    def _stored(self, request: HttpRequest, trigger_id: Any) -> Trigger:
        trigger = Trigger.objects.select_related("template", "user").filter(pk=trigger_id).first()
        if trigger is None or not self.has_view_permission(request, trigger):
            # What isn't there looks the same as what isn't theirs.
            raise PermissionDenied
        return trigger

    def _address(self, trigger: Trigger) -> str:
        return reverse("admin:processes_trigger_change", args=(trigger.pk,), current_app=self.admin_site.name)


@admin.register(TriggerFiring)
class TriggerFiringAdmin(ReadOnlyAdmin):
    """List what triggers did."""

    list_display = ("time", "title", "cause", "shown_outcome", "run_link")
    list_filter = ("outcome", "trigger")
    list_select_related = ("trigger", "run")
    search_fields = ("=delivery", "=run__root__id")
    date_hierarchy = "at"
    show_full_result_count = False
    fields = ("at", "trigger", "cause", "outcome", "reason", "run_link")
    readonly_fields = fields

    class Media:
        css: ClassVar = {"all": ("processes/triggers.css",)}

    @admin.display(description=gettext_lazy("at"), ordering="at")
    def time(self, firing: TriggerFiring) -> SafeString:
        """Show the second."""
        return format_html('<span class="nowrap">{}</span>', f"{timezone.localtime(firing.at):%Y-%m-%d %H:%M:%S}")

    @admin.display(description=gettext_lazy("trigger"), ordering="trigger__title")
    def title(self, firing: TriggerFiring) -> str:
        """Show which trigger it was."""
        return firing.trigger.title

    @admin.display(description=gettext_lazy("why"))
    def cause(self, firing: TriggerFiring) -> str:
        """Show why it acted."""
        return cause_words(firing, firing.trigger)

    @admin.display(description=gettext_lazy("outcome"), ordering="outcome")
    def shown_outcome(self, firing: TriggerFiring) -> SafeString:
        """Show how that went, and why nothing was started."""
        return format_html('{} <span class="trigger-reason">{}</span>', badge(firing), firing.reason)

    @admin.display(description=gettext_lazy("run"), empty_value="–")
    def run_link(self, firing: TriggerFiring) -> SafeString | str | None:
        """Lead to the run, while it is there."""
        if firing.run_id is None:
            return None
        if firing.run is None:
            return format_html('<span title="{}">{}…</span>', firing.run_id, str(firing.run_id)[:8])
        address = reverse("admin:processes_run_change", args=(firing.run_id,))
        short = f"{str(firing.run_id)[:8]}…"
        return format_html('<a href="{}" title="{}">{}</a> {}', address, firing.run_id, short, firing.run.status)
