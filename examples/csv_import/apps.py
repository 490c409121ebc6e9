"""The example app `csv_import`."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CsvImportConfig(AppConfig):
    """Name the app; its task scripts are found in `scripts`, its process in `process_templates`."""

    name = "examples.csv_import"
    label = "csv_import"
    verbose_name = _("CSV import (example)")
    default_auto_field = "django.db.models.BigAutoField"
