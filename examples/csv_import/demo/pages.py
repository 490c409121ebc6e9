"""Read what a person would see: forms, links and figures of an HTML page."""

from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser

from examples.csv_import.demo.problems import DemoFailure

Attributes = list[tuple[str, str | None]]


@dataclass(slots=True)
class Form:
    """Hold a form: where it goes, what it carries unseen, and which files it asks for."""

    action: str
    method: str
    hidden: dict[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)


class Page(HTMLParser):
    """Collect forms, download links, `<data class="…" value="…">` figures, the number of rows with problems, errors."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.downloads: list[str] = []
        self.figures: dict[str, str] = {}
        self.rows_with_problems = 0
        self.errors: list[str] = []
        self._form: Form | None = None
        self._in_error = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        """Note what the tag opens."""
        values = {name: value or "" for name, value in attrs}
        classes = values.get("class", "").split()
        if tag == "form":
            self._form = Form(action=values.get("action", ""), method=values.get("method", "get").lower())
            self.forms.append(self._form)
        elif tag == "input" and self._form is not None:
            if values.get("type") == "hidden":
                self._form.hidden[values.get("name", "")] = values.get("value", "")
            elif values.get("type") == "file":
                self._form.files.append(values.get("name", ""))
        elif tag == "a" and "download" in values:
            self.downloads.append(values.get("href", ""))
        elif tag == "data":
            self.figures.update(dict.fromkeys(classes, values.get("value", "")))
        elif tag == "tr" and "has-problems" in classes:
            self.rows_with_problems += 1
        if self._in_error:
            self._in_error += tag not in ("br", "img", "input")
        elif values.get("role") == "alert" or "errorlist" in classes:
            self._in_error = 1

    def handle_endtag(self, tag: str) -> None:
        """Note what the tag closes."""
        if tag == "form":
            self._form = None
        if self._in_error:
            self._in_error -= 1

    def handle_data(self, data: str) -> None:
        """Gather the words of error messages."""
        if self._in_error and data.strip():
            self.errors.append(" ".join(data.split()))

    def form_with_file(self) -> Form:
        """Give the form that asks for a file."""
        return self._form_where("that asks for a file", lambda form: bool(form.files))

    def form_with_data(self) -> Form:
        """Give the form that carries a data reference."""
        return self._form_where("that carries a data reference", lambda form: "data" in form.hidden)

    def _form_where(self, what: str, fits: Callable[[Form], bool]) -> Form:
        for form in self.forms:
            if form.method == "post" and fits(form):
                return form
        said = f" The page says: {' '.join(self.errors)}" if self.errors else ""
        raise DemoFailure(f"The page has no form {what}.{said}")
