"""The admin of status rules: edited as rows or as JSON, shown as a table and as a diagram."""

from processes.admin.status_rules.page import StatusRulesAdmin

__all__ = ["StatusRulesAdmin"]
