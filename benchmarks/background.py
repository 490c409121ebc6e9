"""Processes that run in the background, from the publishing of a template to a run that waits for a worker."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from processes.domain.application import Application
from processes.domain.interpreter import Interpreter
from processes.domain.json_values import JSON
from processes.domain.plan import Plan
from processes.domain.run_status import RunStatus
from processes.models import ProcessTemplate, Run
from processes.services.access import Caller
from processes.services.authoring.templates import publish, save_draft
from processes.services.background import continue_in_background
from processes.services.derivation import load_plan
from processes.services.host import DjangoHost


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """Hold a published template with what a request would have loaded of it."""

    template: ProcessTemplate
    plan: Plan
    caller: Caller

    def begin(self, data: Mapping[str, JSON] | None = None) -> uuid.UUID:
        """Store a run before its first action, with its job, as a page does that goes to the background at once."""
        app = Application(data=dict(data or {}))
        interpreter = Interpreter.start(self.plan, app=app, host=DjangoHost(caller=self.caller, plan=self.plan))
        return continue_in_background(app=app, interpreter=interpreter, template=self.template, caller=self.caller)


def publish_process(slug: str, scripts: Sequence[str]) -> Process:
    """Publish a process whose actions run these scripts, one after the other."""
    return publish_definition(
        slug, [{"name": f"action-{number}", "script": script} for number, script in enumerate(scripts)]
    )


def publish_definition(slug: str, definition: Sequence[Mapping[str, JSON]]) -> Process:
    """Publish a process of these actions."""
    template = ProcessTemplate(slug=slug, title="bench")
    save_draft(template=template, definition=json.dumps(definition), bindings={})
    publish(template=template)
    template.refresh_from_db()
    assert template.published_plan_id is not None
    caller = Caller(user_id=None, session_key="bench", template_id=template.pk, slug=slug)
    return Process(template=template, plan=load_plan(template.published_plan_id), caller=caller)


def count_completed() -> int:
    """Return how many runs have ended well."""
    return Run.objects.filter(status=RunStatus.COMPLETED.value).count()
