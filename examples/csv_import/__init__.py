"""Import a CSV file: upload, preview, work in the background, result."""
