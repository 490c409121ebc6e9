"""What users would take instead, written the usual way."""
