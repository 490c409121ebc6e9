"""The standard task scripts; importing this package registers them. One family in each module."""

from processes.scripts import authority, data, flow, instances, outside, pages, progress, responses, tables

__all__ = ["authority", "data", "flow", "instances", "outside", "pages", "progress", "responses", "tables"]
