"""The pages beside a template's form: one module each, all below the template's own address."""

from processes.admin.tabs import builder, documentation, runs, trial, versions
from processes.admin.tabs.page import Tab

__all__ = ["TABS", "Tab"]

#: In the order in which the admin shows them.
TABS: tuple[Tab, ...] = (builder.TAB, documentation.TAB, versions.TAB, runs.TAB, trial.TAB)
