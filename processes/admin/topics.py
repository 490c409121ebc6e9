"""Published messages in the admin, with what became of them, and who has subscribed to what: to search and to read."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processes.admin.history import HistoryAdmin, link_to, shown_json
from processes.models import Delivery, DeliveryOutcome, Message, Run, Subscription
from tasks.admin.words import badge, moment
from tasks.services.inspecting import ids_that_begin

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

__all__ = ["DeliveryAdmin", "MessageAdmin", "SubscriptionAdmin"]

#: Deliveries that the page of a message shows.
MOST_ROWS = 100

#: How outcomes look: as statuses do.
_LOOKS = {DeliveryOutcome.STARTED: "completed", DeliveryOutcome.IGNORED: "skipped", DeliveryOutcome.FAILED: "failed"}


class SpreadFilter(admin.SimpleListFilter):
    """Filter messages by whether everybody has got them."""

    title = gettext_lazy("deliveries")
    parameter_name = "spread"

    def lookups(self, request: HttpRequest, model_admin: Any) -> "list[tuple[str, _StrPromise]]":
        """Offer both, and those that couldn't be given to somebody."""
        return [
            ("done", gettext_lazy("all made")),
            ("open", gettext_lazy("not all made yet")),
            ("failed", gettext_lazy("some have failed")),
        ]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Message]") -> "QuerySet[Message]":
        """Narrow the list."""
        if self.value() == "failed":
            failed = Delivery.objects.filter(outcome=DeliveryOutcome.FAILED).values("message")
            return queryset.filter(pk__in=failed)
        return queryset.filter(spread_at__isnull=self.value() == "open") if self.value() else queryset


class OutcomeFilter(admin.SimpleListFilter):
    """Filter deliveries by what has become of them."""

    title = gettext_lazy("outcome")
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> "list[tuple[str, _StrPromise | str]]":
        """Offer all that there are."""
        return list(DeliveryOutcome.choices)

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Delivery]") -> "QuerySet[Delivery]":
        """Narrow the list."""
        return queryset.filter(outcome=self.value()) if self.value() else queryset


class ConditionFilter(admin.SimpleListFilter):
    """Filter subscriptions by whether they have a condition."""

    title = gettext_lazy("condition")
    parameter_name = "conditional"

    def lookups(self, request: HttpRequest, model_admin: Any) -> "list[tuple[str, _StrPromise]]":
        """Offer the two."""
        return [("no", gettext_lazy("every message")), ("yes", gettext_lazy("with a condition"))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Subscription]") -> "QuerySet[Subscription]":
        """Narrow the list."""
        if self.value() == "no":
            return queryset.filter(condition="")
        return queryset.exclude(condition="") if self.value() == "yes" else queryset


@admin.register(Message)
class MessageAdmin(HistoryAdmin):
    """List what was published, and show a message with those who got it and their runs."""

    page = "processes_message_change"
    heading = gettext_lazy("Published messages")
    change_form_template = "processes/admin/message.html"
    ordering = ("-id",)
    list_display = ("topic", "given_key", "publisher", "published", "spread", "given_to")
    list_filter = (SpreadFilter,)
    list_defer = ("payload",)
    search_fields = ("topic", "key", "published_by_name")
    search_help_text = gettext_lazy(
        "Searches topics, keys and publishers for each of the words; an id, or its first 8 digits or more."
    )
    fields = ("message_id", "topic", "given_key", "publisher", "published", "spread", "given_to", "content")

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add who got it, and what became of that."""
        row: Message = kwargs["obj"]
        deliveries = list(row.deliveries.select_related("instance").order_by("id")[: MOST_ROWS + 1])
        has_more = len(deliveries) > MOST_ROWS
        everything = reverse("admin:processes_delivery_changelist", current_app=self.admin_site.name)
        context |= {
            "title": _("Published message"),
            "subtitle": row.topic,
            "deliveries": _rows(request, deliveries[:MOST_ROWS]),
            "more_address": f"{everything}?q={row.pk}" if has_more else "",
        }
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=gettext_lazy("message"))
    def message_id(self, row: Message) -> str:
        """Show the id."""
        return str(row.pk)

    @admin.display(description=gettext_lazy("key"), ordering="key", empty_value="–")
    def given_key(self, row: Message) -> str | None:
        """Show the key, where its publisher has given one."""
        return None if row.key == str(row.pk) else row.key

    @admin.display(description=gettext_lazy("published by"), ordering="published_by_name")
    def publisher(self, row: Message) -> str:
        """Show who has published it."""
        return row.published_by_name or _("not signed in")

    @admin.display(description=gettext_lazy("published"), ordering="id")
    def published(self, row: Message) -> SafeString | str:
        """Show when it was."""
        return moment(row.created_at)

    @admin.display(description=gettext_lazy("deliveries made"))
    def spread(self, row: Message) -> SafeString | str:
        """Show when everybody had got it."""
        return moment(row.spread_at) or badge("running")

    @admin.display(description=gettext_lazy("deliveries"))
    def given_to(self, row: Message) -> int:
        """Show how many deliveries there are of it."""
        return row.deliveries_count

    @admin.display(description=gettext_lazy("payload"))
    def content(self, row: Message) -> SafeString | str:
        """Show the payload."""
        return shown_json(row.payload)


class _OfInstances(HistoryAdmin):
    """Find rows by the ids of what they refer to: their own numbers are nobody's."""

    #: Columns with ids.
    refers: tuple[str, ...] = ("instance_id",)

    def get_search_results(self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str) -> Any:
        """Find an id, or the beginning of one; search the texts where there is none like that."""
        ids = ids_that_begin(search_term)
        if ids is not None:
            named = Q()
            for column in self.refers:
                named |= Q(**{f"{column}__gte": ids[0], f"{column}__lte": ids[1]})
            found = queryset.filter(named)
            if found.order_by().exists():
                return found, False
        return admin.ModelAdmin.get_search_results(self, request, queryset, search_term)


@admin.register(Subscription)
class SubscriptionAdmin(_OfInstances):
    """List who has subscribed to which topics."""

    page = "processes_subscription_change"
    heading = gettext_lazy("Subscriptions")
    change_form_template = "processes/admin/_history.html"
    ordering = ("-id",)
    list_display = ("topic", "condition", "to_instance", "process", "owner", "since")
    list_filter = (ConditionFilter,)
    list_select_related = ("instance__template", "instance__owner")
    list_defer = ("instance__bindings", "instance__escalation")
    search_fields = (
        "topic", "condition", "instance__title", f"instance__owner__{get_user_model().USERNAME_FIELD}",
    )  # fmt: skip
    search_help_text = gettext_lazy(
        "Searches topics, conditions, titles and owners for each of the words; the id of an instance, or its first "
        "8 digits or more."
    )
    fields = ("topic", "condition", "to_instance", "process", "owner", "since")

    @admin.display(description=gettext_lazy("instance"))
    def to_instance(self, row: Subscription) -> SafeString:
        """Lead to the instance; who may not look at it is told so there."""
        return _instance_link(row)

    @admin.display(description=gettext_lazy("process"))
    def process(self, row: Subscription) -> str:
        """Show the process."""
        return row.instance.template.title or row.instance.template.slug

    @admin.display(description=gettext_lazy("owner"))
    def owner(self, row: Subscription) -> str:
        """Show in whose name it consumes messages."""
        return "" if row.instance.owner is None else row.instance.owner.get_username()

    @admin.display(description=gettext_lazy("since"), ordering="id")
    def since(self, row: Subscription) -> SafeString | str:
        """Show since when."""
        return moment(row.created_at)


@admin.register(Delivery)
class DeliveryAdmin(_OfInstances):
    """List to whom messages were given, and what became of that."""

    page = "processes_delivery_change"
    heading = gettext_lazy("Deliveries of messages")
    change_form_template = "processes/admin/_history.html"
    ordering = ("-id",)
    refers = ("message_id", "instance_id")
    list_display = ("topic", "to_instance", "shown", "made", "to_run")
    list_filter = (OutcomeFilter,)
    list_select_related = ("message", "instance")
    list_defer = ("message__payload", "instance__bindings", "instance__escalation")
    search_fields = ("message__topic", "instance__title", "reason")
    search_help_text = gettext_lazy(
        "Searches topics, titles and reasons for each of the words; the id of a message or an instance, or its first "
        "8 digits or more."
    )
    fields = ("topic", "to_message", "to_instance", "shown", "made", "to_run")

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Call it by what was given to whom."""
        row: Delivery = kwargs["obj"]
        context |= {"title": _("Delivery of a message"), "subtitle": f"{row.message.topic} → {row.instance}"}
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=gettext_lazy("topic"), ordering="message__topic")
    def topic(self, row: Delivery) -> str:
        """Show the topic."""
        return row.message.topic

    @admin.display(description=gettext_lazy("message"))
    def to_message(self, row: Delivery) -> SafeString:
        """Lead to the message."""
        address = reverse("admin:processes_message_change", args=(row.message_id,))
        return format_html('<a href="{}">{}</a>', address, row.message_id)

    @admin.display(description=gettext_lazy("instance"))
    def to_instance(self, row: Delivery) -> SafeString:
        """Lead to the instance; who may not look at it is told so there."""
        return _instance_link(row)

    @admin.display(description=gettext_lazy("outcome"), ordering="outcome")
    def shown(self, row: Delivery) -> SafeString:
        """Show what became of it, and why it couldn't be given."""
        return format_html("{} {}", _outcome(row), row.reason)

    @admin.display(description=gettext_lazy("at"), ordering="id")
    def made(self, row: Delivery) -> SafeString | str:
        """Show when."""
        return moment(row.at)

    @admin.display(description=gettext_lazy("run"))
    def to_run(self, row: Delivery) -> SafeString | str:
        """Lead to the run that consumes it; who may not look at it is told so there."""
        if row.run_id is None:
            return ""
        address = reverse("admin:processes_run_change", args=(row.run_id,))
        return format_html('<a href="{}" title="{}">{}…</a>', address, row.run_id, str(row.run_id)[:8])


def _rows(request: HttpRequest, deliveries: list[Delivery]) -> list[dict[str, object]]:
    runs = {row.run_id for row in deliveries if row.run_id is not None}
    statuses = dict(Run.objects.filter(pk__in=runs).values_list("pk", "status"))
    return [
        {
            "instance": link_to(request, model="processes.processinstance", pk=row.instance_id, text=str(row.instance)),
            "outcome": _outcome(row),
            "reason": row.reason,
            "at": moment(row.at),
            "run": _run_link(request, row, statuses),
        }
        for row in deliveries
    ]


def _run_link(request: HttpRequest, row: Delivery, statuses: dict[Any, str]) -> SafeString | str:
    if row.run_id is None:
        return ""
    short = f"{str(row.run_id)[:8]}…"
    if row.run_id not in statuses:
        # Runs are kept for a while only.
        return format_html('<span title="{}">{}</span>', row.run_id, short)
    link = link_to(request, model="processes.run", pk=row.run_id, text=short)
    return format_html("{} {}", link, badge(statuses[row.run_id]))


def _outcome(row: Delivery) -> SafeString:
    outcome = DeliveryOutcome(row.outcome)
    return format_html('<span class="task-status is-{}">{}</span>', _LOOKS[outcome], outcome.label)


def _instance_link(row: Subscription | Delivery) -> SafeString:
    address = reverse("admin:processes_processinstance_change", args=(row.instance_id,))
    return format_html('<a href="{}">{}</a>', address, row.instance)
