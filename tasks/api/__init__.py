"""The REST API of tasks."""
