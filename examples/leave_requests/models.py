"""Leave requests, and what surrounds them: a kind of leave, and the department of whoever asks."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.contenttypes.fields import GenericRelation
from django.core.exceptions import ValidationError
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from processes.domain.json_values import JSON
from processes.driven import ProcessDriven
from processes.models import DynamicBinding


class Department(models.Model):
    """Hold a department. It may bind a process of its own for its leave requests, in the admin."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    manager = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("manager"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    bindings = GenericRelation(DynamicBinding)

    class Meta:
        verbose_name = _("department")
        verbose_name_plural = _("departments")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class LeaveKind(models.Model):
    """Hold a kind of leave: holiday, parental leave … It may bind a process, too, and comes before the department."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    bindings = GenericRelation(DynamicBinding)

    class Meta:
        verbose_name = _("kind of leave")
        verbose_name_plural = _("kinds of leave")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class LeaveRequest(ProcessDriven):
    """Hold a leave request. Where it stands, and what may be done with it, is its process's business."""

    process_reference: ClassVar[str] = "leave-request"
    default_process: ClassVar[str] = "leave-request"
    default_status_rules: ClassVar[str] = "leave-request"
    first_status: ClassVar[str] = "draft"

    employee = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("employee"), on_delete=models.PROTECT, related_name="+"
    )
    department = models.ForeignKey(
        Department, verbose_name=_("department"), on_delete=models.PROTECT, related_name="requests"
    )
    kind = models.ForeignKey(
        LeaveKind, verbose_name=_("kind of leave"), on_delete=models.PROTECT, related_name="requests"
    )
    first_day = models.DateField(_("first day"))
    last_day = models.DateField(_("last day"))
    note = models.CharField(_("note"), max_length=500, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("leave request")
        verbose_name_plural = _("leave requests")
        ordering = ("-created_at", "-pk")

    def __str__(self) -> str:
        return f"{self.kind}, {self.first_day:%Y-%m-%d} – {self.last_day:%Y-%m-%d}"

    def clean(self) -> None:
        """Refuse a leave that ends before it begins."""
        days = (self.first_day, self.last_day)
        if None not in days and days[1] < days[0]:
            raise ValidationError({"last_day": _("The last day comes before the first.")})

    def get_absolute_url(self) -> str:
        """Return the path of the request's page."""
        return reverse("leave_requests:request", kwargs={"pk": self.pk})

    def process_context(self) -> Sequence[models.Model | None]:
        """Look at the kind of leave, then at the department."""
        return [self.kind, self.department]

    def get_process_owner(self) -> AbstractBaseUser:
        """Let it belong to whoever asks."""
        return self.employee

    def get_process_data(self) -> dict[str, JSON]:
        """Tell the process how long it is."""
        return {"days": len(self.days())}

    def days(self) -> list[date]:
        """Return the days from the first to the last, without Saturdays and Sundays."""
        span = (self.last_day - self.first_day).days
        every = (self.first_day + timedelta(days=number) for number in range(span + 1))
        return [day for day in every if day.weekday() < 5]


class LeaveDay(models.Model):
    """Hold a day of leave that is in the calendar."""

    request = models.ForeignKey(LeaveRequest, on_delete=models.CASCADE, related_name="booked")
    day = models.DateField()

    class Meta:
        verbose_name = _("day of leave")
        verbose_name_plural = _("days of leave")
        ordering = ("day",)
        constraints = (models.UniqueConstraint(fields=["request", "day"], name="leave_requests_day_once"),)

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d}"
