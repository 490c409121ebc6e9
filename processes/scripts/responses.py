"""Task scripts that answer the user with forms, redirects, files and JSON, and keep responses for later."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, model_validator

from processes.domain.application import Application
from processes.domain.directives import Park, RunAgain
from processes.domain.entering import FORM, LEADS
from processes.domain.entrances import entrance_at_action
from processes.domain.json_values import JSON, json_problems
from processes.domain.scripts import Example
from processes.errors import NotJsonError, PermanentError, ProcessError
from processes.registry import task_script
from processes.scripts.data import keep_data
from processes.scripts.pages import keep_for_later
from processes.services.access import is_allowed_redirect
from processes.services.addresses import address_of
from processes.services.data_nodes import DATA_NODE, LOADED_REVISION
from processes.services.entered import entered_in
from processes.services.files import find_file, is_file_info
from processes.services.form_audience import meant_by
from processes.services.form_choices import check_querysets_bound
from processes.services.form_lookup import form_name
from processes.services.forms import SHOW_FORM, FormConfig, form_entrances
from processes.services.host import caller_of, host_of, is_foreground
from processes.services.indicators import spoken
from processes.services.page_content import restore_response
from processes.services.promises import make_promise
from processes.services.run_forms import AUDIENCE, CONFIG, NAME

#: What belongs to the request that shows it.
_NOT_KEPT = frozenset({"form", "step"})


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


class SendFileConfig(BaseModel):
    """Configure `send_file`."""

    model_config = ConfigDict(extra="forbid")

    file: JSON = Field(description='The file info: `"%{data:report}"`.')


class SendJsonConfig(BaseModel):
    """Configure `send_json`."""

    model_config = ConfigDict(extra="forbid")

    value: JSON = Field(description='Any JSON; placeholders bring data in: `{"total": "%{data:total}"}`.')
    status: int = Field(200, ge=200, le=599, description="The HTTP status.")


class CopyConfig(BaseModel):
    """Configure `copy_response_to_data` and `copy_data_to_response`."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field("response", min_length=1, description="The key in data.")


@task_script(
    SHOW_FORM,
    config=FormConfig,
    aliases=("showForm",),
    entrances=form_entrances,
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
        "queryset_not_bound": "a field's choices came from data, and named a queryset that the process doesn't bind",
        "form_audience": "`answered_by` names a user or a group that isn't there, or its key in data names nobody",
        "durable_in_call": "the form would have to wait below a call from Python code",
    },
)
def show_form(app: Application) -> Park | RunAgain | None:
    """Answer with a form; posting it restarts the process at `action`, with the cleaned values in the data.

    What the process knows so far is kept in a data node (the current one, or a new one), to which the form refers. A
    page that is merely opened, and knows nothing yet, stores nothing: sending its form creates the node.

    A run in the background waits at the form. It goes on at `action` once somebody has answered whom `answered_by`
    allows; the clause `next` isn't looked at. Where that is somebody else than whoever runs the process, a run in the
    foreground moves to the background from here. `timeout_seconds` ends the waiting.
    """
    config: FormConfig = app.config
    name = form_name(app)
    check_querysets_bound(config.querysets, [app.process] if app.process is not None else [])
    if not is_foreground(app):
        return _wait_for_answer(app, config, name)
    if config.is_for_others:
        return RunAgain(reason="durable")
    kept = _kept(app, name)
    app.response.clear()
    app.response.title = config.title or None
    app.response.form = {"name": name, "config": config.model_dump(mode="json"), **kept}
    return None


def _wait_for_answer(app: Application, config: FormConfig, name: str) -> Park:
    action = "" if app.action is None else app.action.name
    audience = host_of(app).audience(meant_by(config.answered_by), data=app.data)
    return Park(
        reason=FORM,
        facts={"title": config.title or spoken(action), "action": action},
        private={
            LEADS: dict(config.leads),
            NAME: name,
            CONFIG: config.model_dump(mode="json"),
            AUDIENCE: audience.to_json(),
        },
    )


@task_script(
    "redirect",
    config=RedirectConfig,
    effect="idempotent",
    entrances=entrance_at_action,
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
            query["data"] = keep_for_later(app).reference
        target = address_of(caller, query=query)
    app.response.clear()
    app.response.redirect = target


@task_script(
    "send_file",
    config=SendFileConfig,
    effect="pure",
    aliases=("sendFile",),
    example=Example(
        definition=[{"name": "download", "script": "send_file", "config": {"file": "%{data:report}"}}],
    ),
    errors={
        "no_file": "the value isn't a file info",
        "file_not_found": "the file was deleted, or belongs to somebody else",
    },
)
def send_file(app: Application) -> None:
    """Answer with a file, as a download."""
    config: SendFileConfig = app.config
    if not is_file_info(config.file):
        raise PermanentError("Only a file info can be sent, such as an upload or a script leaves.", code="no_file")
    # Asked now, so that `@error` can deal with a file that isn't there any more.
    find_file(config.file, caller=caller_of(app))
    app.response.clear()
    app.response.file = dict(config.file)


@task_script(
    "send_json",
    config=SendJsonConfig,
    effect="pure",
    aliases=("sendJson",),
    example=Example(
        definition=[
            {
                "name": "answer",
                "script": "send_json",
                "config": {"value": {"order": "%{data:order}", "state": "late"}, "status": 202},
            }
        ],
        data={"order": 17},
        gives={"response": {"json": {"order": 17, "state": "late"}, "status_code": 202}},
    ),
    errors={"not_json": "the config came from code, and holds something that isn't JSON"},
)
def send_json(app: Application) -> None:
    """Answer with JSON, for programs that call the process's address."""
    config: SendJsonConfig = app.config
    if problems := json_problems(config.value, limit=1):
        raise NotJsonError(f"value{problems[0].path} can't be sent: {problems[0].message}")
    app.response.clear()
    app.response.status_code = config.status
    if config.value is None:
        # None means that there is no JSON; null is sent as the text that it is.
        app.response.content, app.response.content_type = "null", "application/json"
    else:
        app.response.json = config.value


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
    """Keep the response in the data, so that a later action can answer with it.

    A form stays with the request that shows it, and so do buttons that post: they aren't kept.
    """
    config: CopyConfig = app.config
    kept = app.response.to_json()
    app.data[config.key] = {name: value for name, value in kept.items() if name not in _NOT_KEPT}


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
    errors={"no_response": "the key holds no response, or one with a part that can't be shown; it names the part"},
)
def copy_data_to_response(app: Application) -> None:
    """Answer with a response that was kept in the data, or built up there as {title, head, content}.

    Data may hold what a request brought in, so of its HTML only harmless elements and attributes are kept, and a
    template only where an action of this process names it.
    """
    config: CopyConfig = app.config
    kept = app.data.get(config.key)
    if not isinstance(kept, Mapping):
        raise ProcessError(f'There is no response in "{config.key}" to show.', code="no_response")
    app.response = restore_response(kept, templates=_templates_of(app))


def _templates_of(app: Application) -> set[str]:
    """Return the templates that the configs of this process and of the one that was asked for name."""
    plans = [host_of(app).main_plan, *([app.process] if app.process is not None else [])]
    configs = [action.config for plan in plans for action in plan.actions if isinstance(action.config, dict)]
    return {str(config["template"]) for config in configs if isinstance(config.get("template"), str)}


def _kept(app: Application, name: str) -> dict[str, JSON]:
    """Return what a form refers to: a data node with what is known so far, or a promised one where nothing is."""
    opened = app.request.method in ("GET", "HEAD")
    if opened and not app.data and app.get(DATA_NODE) is None and app.get(LOADED_REVISION) is None:
        promise = make_promise(caller=caller_of(app))
        return {"data": promise.reference, "revision": 0, "promise": promise.token}
    node = keep_data(app, step=name)
    return {"data": node.reference, "revision": node.revision, "entered": dict(entered_in(node, name))}
