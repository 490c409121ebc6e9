"""What can be decided about tasks without I/O: statuses, updates, trees, retries."""
