"""The Builder tab: a template's draft as rows instead of JSON, with its diagram beside it."""

from processes.admin.tabs.builder.page import TAB, builder_urls

__all__ = ["TAB", "builder_urls"]
