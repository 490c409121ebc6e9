"""Task scripts about process instances: create one, and tell what is executed."""

from django.db import transaction
from django.utils.translation import gettext as _
from pydantic import BaseModel, ConfigDict, Field, model_validator

from processes.domain.application import Application
from processes.domain.bindings import REF
from processes.domain.json_values import JSON
from processes.domain.scripts import Example
from processes.domain.targets import ProcessTarget
from processes.errors import PermanentError
from processes.models import DataNode, InstanceType, ProcessTemplate
from processes.registry import task_script
from processes.services.data_nodes import DATA_NODE, is_context_node, load_data_node
from processes.services.errors import TemplateNotFoundError
from processes.services.host import acting_user, caller_of, host_of, is_foreground, slug_of
from processes.services.instances import create_instance as create
from processes.services.instances import describe_instance
from processes.services.lending import check_bound, unsafe_target

#: The states of `load_instance`.
FOUND, NONE = "found", "none"
_TITLE_CHARS = 200


class CreateInstanceConfig(BaseModel):
    """Configure `create_instance`."""

    model_config = ConfigDict(extra="forbid")

    process: str | dict[str, JSON] | None = Field(
        None,
        description='The process of the instance: "${reference}" or the slug of a published template; by default the '
        "one that is executed here.",
    )
    type: str | None = Field(
        None,
        description="The name of its type, which says what process, status rules and topics it has; in the place of "
        "`process`.",
    )
    title: str = Field("", description=f"What it is called; cut to {_TITLE_CHARS} characters.")
    status: str = Field("", max_length=60, description="The status that it begins with; by default its type's.")
    data: dict[str, JSON] | None = Field(
        None,
        description='The Data that it begins with, such as {"amount": "%{data:amount}"}; by default all of the data.',
    )
    takes_over: bool = Field(
        False,
        description="The current data node becomes the instance: it gives up its content, is no draft any more, and "
        "whoever sends one of its forms once more gets no second instance, but is led to this one.",
    )
    into: str = Field("instance", min_length=1, description="The key in data that tells which instance it is.")

    @model_validator(mode="after")
    def _one_source(self) -> "CreateInstanceConfig":
        if self.process is not None and self.type is not None:
            raise ValueError('give either "type" or "process": a type has a process')
        return self


class LoadInstanceConfig(BaseModel):
    """Configure `load_instance`."""

    model_config = ConfigDict(extra="forbid")

    into: str = Field("instance", min_length=1, description="The key in data.")


@task_script(
    "create_instance",
    config=CreateInstanceConfig,
    # Its rows commit with the checkpoint of a background run, and in one transaction elsewhere: never two, never half.
    effect="transactional",
    aliases=("createInstance", "Create instance"),
    example=Example(
        definition=[
            {
                "name": "ask",
                "script": "show_form",
                "next": False,
                "config": {
                    "title": "What do you need?",
                    "action": "order",
                    "fields": [{"name": "what"}, {"name": "pieces", "type": "integer", "min_value": 1}],
                },
            },
            {
                "name": "order",
                "script": "create_instance",
                "config": {
                    "title": "%{data:pieces} × %{data:what}",
                    "status": "ordered",
                    "data": {"what": "%{data:what}", "pieces": "%{data:pieces}"},
                    "takes_over": True,
                },
            },
            {"name": "lead_there", "script": "redirect", "config": {"url": "%{data:instance.url}"}},
        ],
    ),
    errors={
        "template_not_found": "there is no such process or type, or whoever acts may not execute it, or create "
        "anything of the type",
        "not_published": "nothing of the process is published that an instance could run",
        "not_allowed": "nobody is signed in who could own it",
        "authority": "it acts with the rights of somebody who may not make the caller an owner",
        "conflict": "`takes_over`, and the current data node has become an instance, or a background run, before",
        "data_node_not_found": "`takes_over`, and the current data node has expired or was deleted",
        "unsafe_target": "it acts with lent rights (`run_as_owner`), and the process isn't bound, or a `type` is given",
    },
)
def create_instance(app: Application) -> str:
    """Create a process instance that belongs to the caller, run its `@init`, and return its id.

    Leaves `{"id", "title", "status", "status_at", "url", "created_at"}` in the data. Files of the caller that its Data
    names belong to it from now on. All of that is one transaction: if `@init` fails, or the server dies, there is no
    instance.
    """
    config: CreateInstanceConfig = app.config
    type = _type(app, config.type)
    template = _template(app, config) if type is None else type.template
    caller = caller_of(app)
    if caller.user_id is None:
        raise PermanentError(_("Sign in first: an instance belongs to somebody."), code="not_allowed")
    data = {key: value for key, value in app.data.items() if key != config.into}
    with transaction.atomic():
        instance = create(
            template=template,
            type=type,
            # Whose run it is, it belongs to, whatever authority is in force; whose rights are in force is asked.
            owner=host_of(app).user({"user": caller.user_id}),
            actor=acting_user(app),
            title=config.title[:_TITLE_CHARS],
            status=config.status,
            data=data if config.data is None else config.data,
            caller=caller,
            node=_node(app) if config.takes_over else None,
        )
    if config.takes_over:
        app.remove(DATA_NODE)
    app.data[config.into] = describe_instance(instance)
    return str(instance.pk)


@task_script(
    "load_instance",
    config=LoadInstanceConfig,
    effect="pure",
    aliases=("loadInstance", "Load instance"),
    example=Example(
        definition=[
            {"name": "@default", "script": "load_instance", "next": {"found": "@display", "none": "begin"}},
            {"name": "begin", "script": "show_page", "config": {"text": "Nothing is here yet."}, "next": False},
            {"name": "@display", "script": "load_data"},
            {"name": "describe", "script": "load_instance"},
            {"name": "show", "script": "show_page", "config": {"title": "%{data:instance.title}"}},
        ],
        gives={"state": None, "data": {}},
    ),
    errors={"instance_not_found": "the executed instance was deleted meanwhile"},
)
def load_instance(app: Application) -> None:
    """Tell what is executed: the state is `found` where it is an instance, `none` where it is the process alone.

    Leaves `{"id", "title", "status", "status_at", "url", "created_at"}` of the instance in the data; nothing where
    there is none. `load_data` replaces the data, so load the instance after it.
    """
    config: LoadInstanceConfig = app.config
    instance_id = caller_of(app).instance_id
    if instance_id is None:
        app.data.pop(config.into, None)
        app.state = NONE
        return
    app.data[config.into] = describe_instance(instance_id)
    app.state = FOUND


def _type(app: Application, slug: str | None) -> InstanceType | None:
    """Return the type that an instance is wanted of; whether it may be created is asked where it is."""
    if slug is None:
        return None
    type = InstanceType.objects.select_related("template", "status_rules").filter(slug=slug).first()
    if type is None:
        raise TemplateNotFoundError("There is no such type, or you may not create anything of it.")
    if app.authority is not None:
        # With the rights of somebody else nothing is made of what a request or data have chosen; a type can't be bound.
        raise unsafe_target("What is made with other rights must be bound: bind the process, and name that.")
    return type


def _template(app: Application, config: CreateInstanceConfig) -> ProcessTemplate:
    """Return the template that an instance is wanted of; whether it may be executed is asked where it is created."""
    if config.process is None:
        # A process that runs from a file has none, and is nothing that others could execute.
        rows = ProcessTemplate.objects.filter(pk=caller_of(app).template_id or 0)
    else:
        if app.authority is not None:
            # With the rights of somebody else nothing is made of what a request or data have chosen.
            check_bound(app, config.process)
        rows = ProcessTemplate.objects.filter(slug=_slug(app, config.process))
    template = rows.first()
    if template is None:
        raise TemplateNotFoundError("There is no such process, or you may not start it.")
    return template


def _slug(app: Application, process: str | dict[str, JSON]) -> str:
    bound = None if app.process is None or not isinstance(process, str) else app.process.bindings.get(process)
    if isinstance(bound, ProcessTarget):
        return slug_of(bound)
    if isinstance(process, str):
        return process
    if process.get(REF) != "process" or "name" not in process:
        raise TemplateNotFoundError("Only a published process can have instances.")
    return slug_of(ProcessTarget.from_fields(process))


def _node(app: Application) -> DataNode | None:
    """Return the node that is to become the instance; none in the background, which has taken it over already."""
    caller, reference = caller_of(app), app.get(DATA_NODE)
    if not is_foreground(app) or not isinstance(reference, str):
        return None
    if is_context_node(reference, instance_id=caller.instance_id):
        return None
    return load_data_node(caller=caller, reference=reference)
