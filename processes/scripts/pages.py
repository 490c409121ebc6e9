"""The task script that shows a page: content, tables, links and downloads, put together in one action or in several."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Final, Literal, Self

from django.utils import translation
from django.utils.html import escape, linebreaks
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from processes.domain.application import Application
from processes.domain.entrances import Entrance, entrance_at_action
from processes.domain.entry import Nothing, find_entry
from processes.domain.json_values import JSON
from processes.domain.placeholders import Context
from processes.domain.plan import EXIT, PlanAction
from processes.domain.response import Response
from processes.domain.scripts import Example
from processes.errors import NotFoundError, PermanentError
from processes.models import DataNode
from processes.registry import task_script
from processes.scripts.data import keep_data
from processes.services.addresses import address_of
from processes.services.data_nodes import DATA_NODE, LOADED_REVISION, create_data_node
from processes.services.host import EXECUTED, caller_of, host_of, is_foreground
from processes.services.html import clean_head
from processes.services.page_content import (
    Source,
    action_link,
    checked_url,
    compile_content,
    describe_table,
    downloads_in,
    post_button,
    url_link,
)
from tasks.services.roots import kept_for

#: The canonical name of the script, and the action that any link may enter.
SHOW_PAGE: Final = "show_page"
_DISPLAY: Final = "@display"

Style = Literal["primary", "quiet", "danger"]


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ColumnConfig(_Config):
    """Describe one column of a table."""

    key: str | int = Field(
        description="What it shows: a key of the row's object or an index of its list; dots lead inside (`buyer.name`)."
    )
    label: str | None = Field(None, description="Its heading; made from the key where there is none.")
    align: Literal["left", "right", "center"] | None = Field(None, description="By default numbers stand on the right.")
    type: Literal["text", "number", "date", "datetime"] | None = Field(
        None,
        description="How values are written: `number` parts thousands, dates are written in the visitor's language and "
        "time zone.",
    )
    decimals: int | None = Field(None, ge=0, le=20, description="How many decimals a `number` has.")
    header: bool = Field(False, description="Its cells are the headings of their rows.")


class TableConfig(_Config):
    """Describe one table."""

    rows: JSON = Field(description='The rows, a list of objects or of lists: `"%{data:orders}"`.')
    columns: list[str | ColumnConfig] | None = Field(
        None, min_length=1, max_length=100, description="The columns, or just their keys; by default all there are."
    )
    caption: str | None = Field(None, description="The heading of the table.")
    empty: str | None = Field(None, description="What is shown instead where there are no rows.")
    limit: int | None = Field(None, ge=1, description="How many rows are shown; below them it says how many aren't.")

    @field_validator("rows")
    @classmethod
    def _are_rows(cls, rows: JSON) -> JSON:
        if rows is not None and not isinstance(rows, list):
            raise ValueError("Must be a list of objects or of lists")
        return rows


class LinkConfig(_Config):
    """Describe one link, or a button that posts."""

    label: str = Field(min_length=1, description="What is read.")
    action: str | None = Field(None, min_length=1, description="The action of this process that it enters.")
    url: str | None = Field(None, description="Instead of an action: a path of this site, or an http(s) address.")
    data: bool | None = Field(
        None,
        description="With an action: whether the data are saved and go along. By default they do where there are any, "
        "or where the action can't be entered without.",
    )
    parameters: dict[str, JSON] = Field(
        default_factory=dict, description="With an action: parameters of the request, texts or numbers."
    )
    method: Literal["get", "post"] = Field(
        "get", description="`post` makes it a button: for what changes something. Of two clicks one counts."
    )
    style: Style | None = Field(None, description="Draws a link as a button; of a button, how much it stands out.")

    @field_validator("url")
    @classmethod
    def _is_harmless(cls, url: str | None, info: ValidationInfo) -> str | None:
        # What data bring later is shown without a link where it is none.
        if info.context and url is not None and checked_url(url) is None:
            raise ValueError("Must be a path of this site, or an http:// or https:// address")
        return url

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.url is None) == (self.action is None):
            raise ValueError('give either "url" or "action"')
        if self.url is not None and (self.method == "post" or self.data or self.parameters):
            raise ValueError('"method": "post", "data" and "parameters" go with an action, not with a URL')
        if self.method == "post" and self.data is not None:
            raise ValueError("a button that posts carries the data wherever there are any")
        return self


class ShowPageConfig(_Config):
    """Configure `show_page`."""

    title: str | None = Field(None, description="The heading of the page.")
    text: str | None = Field(None, description="Plain text; empty lines part paragraphs.")
    content: str | None = Field(
        None,
        description="HTML with Django's template language, in a sandbox: `{{ data.x }}`, `{% for %}`, `{% table %}`. "
        "Whatever comes from data is escaped.",
    )
    head: str | None = Field(None, description="`<meta>` elements for the head of the page.")
    template: str | None = Field(None, description="A Django template shown below the content; it sees `data`.")
    tables: list[TableConfig] = Field(default_factory=list, description="Tables, below the content.")
    downloads: JSON = Field(
        None,
        description='File infos that are offered as downloads, or `{"file": …, "label": …}`: `["%{data:report}"]`.',
    )
    links: list[LinkConfig] = Field(default_factory=list, description="Links and buttons, below everything else.")
    data: bool = Field(False, description="Save the data, so that links in the template can carry their reference.")
    status: int = Field(200, ge=200, le=599, description="The HTTP status.")
    append: bool = Field(False, description="Add to what earlier actions put on the page, instead of replacing it.")
    into: str | None = Field(
        None,
        min_length=1,
        description="Put the page under this key of data instead, for `copy_data_to_response` to show it later.",
    )

    @field_validator("content")
    @classmethod
    def _can_be_read(cls, content: str | None, info: ValidationInfo) -> str | None:
        # As it was written only: once it is filled, what data brought into it mustn't be read as a template.
        if content is not None and info.context:
            compile_content(content)
        return content

    @model_validator(mode="after")
    def _can_be_kept(self) -> Self:
        if self.into is not None and any(link.method == "post" for link in self.links):
            raise ValueError('a button that posts can\'t be kept in the data: show it without "into"')
        return self


def _links_entered(config: Mapping[str, JSON]) -> Iterator[Entrance]:
    """Find the actions that links and buttons below the content enter; those inside it are checked when it is shown."""
    links = config.get("links")
    for place, link in enumerate(links if isinstance(links, list) else ()):
        if isinstance(link, Mapping):
            for entrance in entrance_at_action(link):
                yield replace(entrance, path=("links", place, *entrance.path))


@task_script(
    SHOW_PAGE,
    config=ShowPageConfig,
    effect="idempotent",
    aliases=("showPage",),
    entrances=_links_entered,
    example=Example(
        definition=[
            {
                "name": "show",
                "script": "show_page",
                "config": {
                    "title": "Sent",
                    "content": "<p>Thank you, {{ data.guest }}.{% if data.seats > 6 %} So many!{% endif %}</p>",
                },
            }
        ],
        data={"guest": "Ada & Grace", "seats": 8},
        gives={"response": {"title": "Sent", "content": "<p>Thank you, Ada &amp; Grace. So many!</p>"}},
    ),
    errors={
        "content": "the content can't be read (found when the process is saved) or shown; it names line and tag",
        "content_limit": "the content goes through too many pieces, takes too long, or becomes too long",
        "bad_table": "the rows of a table aren't objects or lists, or there are too many",
        "bad_link": "there is no such action, or a link can't enter it: one that isn't `safe` needs the data, or POST",
        "no_file": "a download isn't a file info",
        "data_node_not_found": "the data are to go along, and their node has expired or was deleted",
    },
)
def show_page(app: Application) -> None:
    """Answer with a page: text, content written in the definition, a template file, tables, downloads, links.

    With `append` it adds to the page that earlier actions began. What data bring is escaped, wherever it is put.
    """
    config: ShowPageConfig = app.config
    response = app.response if config.into is None else _kept(app, config.into)
    if not config.append:
        response.head = response.content = response.parts = response.step = response.template = None
    actions = _Actions(app, response, is_kept=config.into is not None)
    if config.title is not None:
        response.title = config.title
    if config.head is not None:
        response.head = "\n".join(part for part in (response.head, clean_head(config.head)) if part)
    if config.text is not None:
        response.add_html(linebreaks(config.text, autoescape=True))
    if config.content is not None:
        response.add_html(_content_of(app, actions))
    _add_parts(response, config, actions)
    if config.template is not None:
        response.template = config.template
    if config.data:
        actions.save()
    response.status_code = config.status
    response.redirect = response.form = response.file = response.json = response.content_type = None
    if config.into is not None:
        app.data[config.into] = response.to_json()


def _add_parts(response: Response, config: ShowPageConfig, actions: "_Actions") -> None:
    for table in config.tables:
        columns = [
            {"key": item} if isinstance(item, str) else item.model_dump(exclude_none=True)
            for item in table.columns or ()
        ]
        response.add_part(
            describe_table(table.rows, columns=columns, caption=table.caption, empty=table.empty, limit=table.limit)
        )
    given = config.downloads
    if files := downloads_in(given if isinstance(given, list) else [given]):
        response.add_part({"kind": "downloads", "files": files})
    if config.links:
        response.add_part({"kind": "links", "links": [_link(link, actions) for link in config.links]})


def _link(link: LinkConfig, actions: "_Actions") -> dict[str, JSON]:
    if link.action is None:
        return url_link(link.url, label=link.label, style=link.style)
    if link.method == "post":
        return post_button(link.action, label=link.label, style=link.style, parameters=link.parameters, actions=actions)
    return action_link(
        link.action, label=link.label, style=link.style, parameters=link.parameters, data=link.data, actions=actions
    )


def _kept(app: Application, key: str) -> Response:
    """Return what earlier actions have built up in the data; it is checked when it is shown."""
    kept = app.data.get(key)
    return Response.from_json(kept) if isinstance(kept, Mapping) else Response()


def _content_of(app: Application, actions: "_Actions") -> str:
    """Return the HTML of the configured content, in the language of whoever asked for it."""
    action, content = app.action, str(app.config.content)
    # Called from Python code, the config isn't the action's: whoever wrote that code wrote the HTML.
    if action is None or action.script != SHOW_PAGE or not isinstance(action.config, dict | str):
        return content
    if isinstance(action.config, str):
        # The whole config came from a placeholder, so nobody who writes definitions wrote this HTML.
        return str(escape(content))
    fillings = Context(parameters=app.request.parameters, data=app.data, attribute=app.describe, now=app.now)
    with _language_of(app):
        written = compile_content(str(action.config["content"]))
        return written.render(variables=_variables_of(app), fillings=fillings, actions=actions)


def _language_of(app: Application) -> AbstractContextManager[None]:
    # A worker speaks nobody's language by itself.
    language = app.request.language
    return nullcontext() if is_foreground(app) or not language else translation.override(language)


def _variables_of(app: Application) -> dict[str, Source]:
    return {
        "data": Source(lambda: app.data),
        "param": Source(lambda: app.request.parameters),
        "attr": Source(lambda: _Attributes(app)),
        "state": Source(lambda: app.state),
        "user": Source(lambda: app.describe("user")),
        "error": Source(lambda: None if app.error is None else app.describe("error")),
        "language": Source(lambda: app.request.language or translation.get_language()),
        "now": Source(app.now),
    }


class _Attributes(Mapping[str, object]):
    """Show attributes as placeholders see them."""

    def __init__(self, app: Application) -> None:
        self._app = app

    def __getitem__(self, name: str) -> object:
        return self._app.describe(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._app.attributes)

    def __len__(self) -> int:
        return len(self._app.attributes)


class _Actions:
    """Lead from a page to actions of its process, by the rules that links and forms are held to."""

    def __init__(self, app: Application, response: Response, *, is_kept: bool) -> None:
        self._app, self._response, self._is_kept = app, response, is_kept
        self._node: DataNode | None = None

    def address(self, action: str, *, parameters: Mapping[str, str], data: bool | None = None) -> str:
        """Return where a link leads; raises PermanentError for an action that it couldn't enter."""
        entered = self._entered(action)
        needs_data = entered is not None and not entered.safe and entered.name != _DISPLAY
        if needs_data and data is False:
            raise _bad_link(
                f'A link can\'t enter "{action}" without the data: mark that action "safe" if it changes nothing, let '
                'the link carry the data, or make it a button ("method": "post")'
            )
        query = {"action": action}
        if needs_data or (self._has_data() if data is None else data):
            query["data"] = self._saved().reference
        return address_of(caller_of(self._app), query={**query, **parameters})

    def sending(self, action: str, *, parameters: Mapping[str, str]) -> str:
        """Return where a button sends the page's form; raises PermanentError for an action that it couldn't enter."""
        if self._is_kept:
            raise _bad_link('A button that posts can\'t be kept in the data: show it without "into"')
        self._entered(action)
        if self._has_data():
            self.save()
        elif self._response.step is None:
            self._response.step = {"url": address_of(caller_of(self._app))}
        return address_of(caller_of(self._app), query=dict(parameters)) if parameters else ""

    def save(self) -> None:
        """Save the data, and let what the page sends refer to them."""
        node = self._saved()
        url = address_of(caller_of(self._app))
        self._response.step = {"url": url, "data": node.reference, "revision": node.revision}

    def _saved(self) -> DataNode:
        if self._node is None:
            self._node = keep_for_later(self._app)
        return self._node

    def _has_data(self) -> bool:
        if host_of(self._app).is_looking:
            return False
        return bool(self._app.data) or self._app.get(DATA_NODE) is not None

    def _entered(self, action: str) -> PlanAction | None:
        """Return the action that a request would enter; None where that is none, or isn't known."""
        if self._app.get(EXECUTED) is not None:
            # The page of another process than the one that this run began with.
            return None
        plan = host_of(self._app).main_plan
        try:
            place = find_entry(plan, action, outside=True)
        except NotFoundError as error:
            raise _bad_link(error.message) from error
        return None if isinstance(place, Nothing) or place == EXIT else plan.actions[place]


def keep_for_later(app: Application) -> DataNode:
    """Save the data for whoever follows a link, and return their node.

    In the background that is a node of its own, which lives as long as the task is listed: the one that the request
    bore has become the run's, and leads to its progress page. Raises PermanentError where somebody only looks.
    """
    if host_of(app).is_looking:
        raise _bad_link("What draws a progress page keeps no data: let links lead to safe actions, without data")
    if is_foreground(app):
        return keep_data(app)
    return create_data_node(caller=caller_of(app), data=app.data, kept=kept_for(), based_on=app.get(LOADED_REVISION))


def _bad_link(message: str) -> PermanentError:
    return PermanentError(message, code="bad_link")
