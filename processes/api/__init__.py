"""The REST API of processes."""
