"""Run processes in web requests of somebody who isn't signed in."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AnonymousUser

from processes.domain.request import Request
from processes.models import DataNode, ProcessTemplate
from processes.services.access import Caller
from processes.services.foreground import Answer, Visit, published_plan, run_foreground


def run_as_visitor(template: ProcessTemplate, *, session: str = "s", data: Mapping[str, Any] | None = None) -> Answer:
    """Run what a template has published; `data` are in a data node that the request goes on with."""
    node = DataNode.objects.create(session_key=session, template=template, data=dict(data)) if data else None
    visit = Visit(
        template=template,
        plan=published_plan(template),
        request=Request(method="POST"),
        caller=Caller(session_key=session, template_id=template.pk, slug=template.slug),
        user=AnonymousUser(),
        node=node,
    )
    return run_foreground(visit)
