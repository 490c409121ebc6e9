"""What both sides of the benchmark of a page show."""

TITLE, TEMPLATE = "Amounts", "benchmarks/rows.html"
ROWS = 20


def amounts() -> list[dict[str, object]]:
    """Return the rows of the page."""
    return [{"name": f"Item number {number}", "amount": number * 3} for number in range(ROWS)]
