"""The example app `leave_requests`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LeaveRequestsConfig(AppConfig):
    """Name the app; scripts and roles are found in `scripts`, process and status rules in folders of their own."""

    name = "examples.leave_requests"
    label = "leave_requests"
    verbose_name = _("Leave requests (example)")
    default_auto_field = "django.db.models.BigAutoField"
