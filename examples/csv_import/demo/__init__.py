"""Import the airports of the United States without a browser: `python -m examples.csv_import.demo`."""
