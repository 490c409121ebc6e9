"""Task scripts that answer the user: pages, forms, redirects, and responses kept for later."""

from collections.abc import Iterator, Mapping

from django.utils.html import escape, linebreaks
from pydantic import BaseModel, ConfigDict, Field, model_validator

from processes.domain.application import Application
from processes.domain.json_values import JSON
from processes.domain.placeholders import Context, fill
from processes.domain.response import Response
from processes.domain.scripts import Example
from processes.errors import PermanentError, ProcessError
from processes.registry import task_script
from processes.scripts.data import keep_data
from processes.services.access import is_allowed_redirect
from processes.services.addresses import address_of
from processes.services.form_lookup import form_name
from processes.services.forms import FormConfig
from processes.services.host import caller_of, is_foreground
from processes.services.html import clean_content, clean_head, is_markup


class ShowPageConfig(BaseModel):
    """Configure `show_page`."""

    model_config = ConfigDict(extra="forbid")

    title: str | None = Field(None, description="The heading of the page.")
    text: str | None = Field(None, description="Plain text; empty lines part paragraphs.")
    content: str | None = Field(None, description="HTML. What placeholders bring into it is escaped.")
    template: str | None = Field(None, description="A Django template shown below the content; it sees `data`.")
    status: int = Field(200, ge=200, le=599, description="The HTTP status.")
    append: bool = Field(False, description="Add to what earlier actions put on the page, instead of replacing it.")


class RedirectConfig(BaseModel):
    """Configure `redirect`."""

    model_config = ConfigDict(extra="forbid")

    url: str | None = Field(None, description="A path on this site, or a URL on an allowed host.")
    action: str | None = Field(None, description="Instead of a URL: an action of this process.")
    data: bool = Field(False, description="With an action: save the data, and pass its reference on.")

    @model_validator(mode="after")
    def _one_target(self) -> "RedirectConfig":
        if (self.url is None) == (self.action is None):
            raise ValueError('give either "url" or "action"')
        return self


class CopyConfig(BaseModel):
    """Configure `copy_response_to_data` and `copy_data_to_response`."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field("response", min_length=1, description="The key in data.")


@task_script(
    "show_page",
    config=ShowPageConfig,
    effect="pure",
    aliases=("showPage",),
    example=Example(
        definition=[
            {"name": "show", "script": "show_page", "config": {"title": "Sent", "text": "Thank you, %{data:guest}."}}
        ],
        data={"guest": "Ada"},
        gives={"response": {"title": "Sent", "content": "<p>Thank you, Ada.</p>"}},
    ),
)
def show_page(app: Application) -> None:
    """Answer with a page: text, HTML written in the definition, or a template file."""
    config: ShowPageConfig = app.config
    response = app.response
    parts = [response.content] if config.append and response.content else []
    if config.text is not None:
        parts.append(linebreaks(config.text, autoescape=True))
    if config.content is not None:
        parts.append(_content_of(app))
    response.content = "\n".join(parts) or None
    if config.title is not None:
        response.title = config.title
    if config.template is not None or not config.append:
        response.template = config.template
    response.status_code = config.status
    response.redirect = response.form = None


@task_script(
    "show_form",
    config=FormConfig,
    aliases=("showForm",),
    example=Example(
        definition=[
            {
                "name": "ask",
                "script": "show_form",
                "safe": True,
                "next": False,
                "config": {
                    "title": "Book a table",
                    "action": "confirm",
                    "submit": "Book",
                    "fields": [
                        {"name": "guest", "label": "Your name"},
                        {"name": "seats", "type": "integer", "min_value": 1, "max_value": 8},
                        {"name": "room", "type": "choice", "choices": ["Garden", "Hall"], "required": False},
                    ],
                },
            },
            {
                "name": "confirm",
                "script": "show_page",
                "config": {"title": "Booked", "text": "%{data:guest}, we expect %{data:seats} of you."},
            },
        ],
    ),
    errors={
        "data_node_not_found": "the current data node has expired, was deleted, or belongs to somebody else",
        "form_in_background": "the run is in the background, where nobody could see the form",
    },
)
def show_form(app: Application) -> None:
    """Answer with a form; posting it restarts the process at `action`, with the cleaned values in the data.

    What the process knows so far is kept in a data node (the current one, or a new one), to which the form refers.
    """
    if not is_foreground(app):
        raise PermanentError(
            "A background run can't show a form: nobody is there to see it. End the progress page with "
            "end_progress_with_execute at an action that shows the form.",
            code="form_in_background",
        )
    config: FormConfig = app.config
    name = form_name(app)
    node = keep_data(app, step=name)
    app.response.clear()
    app.response.title = config.title or None
    app.response.form = {
        "name": name,
        "config": config.model_dump(mode="json"),
        "data": node.reference,
        "revision": node.revision,
    }


@task_script(
    "redirect",
    config=RedirectConfig,
    effect="idempotent",
    example=Example(
        definition=[{"name": "leave", "script": "redirect", "config": {"url": "/orders/%{data:order}/"}}],
        data={"order": 17},
        gives={"response": {"redirect": "/orders/17/"}},
    ),
    errors={
        "bad_redirect": "the URL is neither a path of this site nor on an allowed host (`STEPLINE_REDIRECT_HOSTS`)",
        "data_node_not_found": '`"data": true`, and the current data node has expired or was deleted',
    },
)
def redirect(app: Application) -> None:
    """Answer with a redirect: to a path of this site, an allowed host, or an action of this process."""
    config: RedirectConfig = app.config
    caller = caller_of(app)
    if config.url is not None:
        if not is_allowed_redirect(config.url):
            raise PermanentError("A redirect leads to a path of this site, or to an allowed host.", code="bad_redirect")
        target = config.url
    else:
        query = {"action": config.action or ""}
        if config.data:
            query["data"] = keep_data(app).reference
        target = address_of(caller, query=query)
    app.response.clear()
    app.response.redirect = target


@task_script(
    "copy_response_to_data",
    config=CopyConfig,
    effect="pure",
    aliases=("copyResponseToData", "Copy response to data"),
    example=Example(
        definition=[
            {"name": "page", "script": "show_page", "config": {"title": "Receipt", "text": "Paid."}},
            {"name": "keep", "script": "copy_response_to_data", "config": {"key": "receipt"}},
        ],
        gives={"data": {"receipt": {"title": "Receipt", "content": "<p>Paid.</p>"}}},
    ),
)
def copy_response_to_data(app: Application) -> None:
    """Keep the response in the data, so that a later action can answer with it."""
    config: CopyConfig = app.config
    app.data[config.key] = app.response.to_json()


@task_script(
    "copy_data_to_response",
    config=CopyConfig,
    effect="pure",
    aliases=("copyDataToResponse", "Copy data to response"),
    example=Example(
        definition=[{"name": "show", "script": "copy_data_to_response", "config": {"key": "receipt"}}],
        data={"receipt": {"title": "Receipt", "content": "<p>Paid.</p><script>alert(1)</script>"}},
        gives={"response": {"title": "Receipt", "content": "<p>Paid.</p>"}},
    ),
    errors={"no_response": "the key holds no response"},
)
def copy_data_to_response(app: Application) -> None:
    """Answer with a response that was kept in the data, or built up there as {title, head, content}.

    Data may hold what a request brought in, so of its HTML only harmless elements and attributes are kept.
    """
    config: CopyConfig = app.config
    kept = app.data.get(config.key)
    if not isinstance(kept, Mapping):
        raise ProcessError(f'There is no response in "{config.key}" to show.', code="no_response")
    restored = Response.from_json(kept)
    if restored.content is not None and is_markup(restored.content_type):
        restored.content = clean_content(str(restored.content))
    if restored.head is not None:
        restored.head = clean_head(str(restored.head))
    for name in restored.to_json():
        setattr(app.response, name, getattr(restored, name))


def _content_of(app: Application) -> str:
    """Return the configured HTML, with everything escaped that placeholders bring into it."""
    config: ShowPageConfig = app.config
    action = app.action
    content = config.content or ""
    # Called from Python code, the config isn't the action's: whoever wrote that code wrote the HTML.
    if action is None or action.script != "show_page" or not isinstance(action.config, (dict, str)):
        return content
    if isinstance(action.config, str):
        # The whole config came from a placeholder, so nobody who writes definitions wrote this HTML.
        return str(escape(content))
    fillers = tuple(filler for filler in action.fillers if filler.path == ("content",))
    if not fillers:
        return content
    context = Context(
        parameters=_Escaped(app.request.parameters),
        data=_Escaped(app.data),
        attribute=lambda name: _escape(app.describe(name)),
        now=app.now,
    )
    return str(fill({"content": action.config["content"]}, fillers, context)["content"])


class _Escaped(Mapping[str, JSON]):
    """Show values with all their texts escaped, so that they can be put into HTML."""

    def __init__(self, values: Mapping[str, JSON]) -> None:
        self._values = values

    def __getitem__(self, key: str) -> JSON:
        return _escape(self._values[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _escape(value: JSON) -> JSON:
    if isinstance(value, str):
        return str(escape(value))
    if isinstance(value, Mapping):
        return {str(escape(key)): _escape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escape(item) for item in value]
    return value
