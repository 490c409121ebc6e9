"""Starting a process in the background, for whoever asks by its name."""

import uuid
from collections.abc import Mapping

from django.contrib.auth.models import AbstractBaseUser

from processes.api.bodies import bad_request
from processes.domain.json_values import JSON, copy_json, json_problems
from processes.domain.request import Request
from processes.models import ProcessTemplate
from processes.services.background import Beginning
from processes.services.starting import start_template
from tasks.registry import CallContext

__all__ = ["start_as_asked"]


def start_as_asked(
    template: ProcessTemplate,
    *,
    action: str | None,
    parameters: Mapping[str, JSON],
    context: CallContext,
    how: str,
) -> uuid.UUID:
    """Start a process whose caller may execute it, and return its run; of one idempotency key there is one.

    What is sent are the request's parameters, as those of a webhook are: nothing of them is in `data` before the
    process puts it there.
    """
    if unfit := json_problems(dict(parameters), limit=1):
        raise bad_request(f"{unfit[0].path}: {unfit[0].message}")
    given = copy_json(dict(parameters))
    user = context.user
    return start_template(
        template=template,
        user=user if isinstance(user, AbstractBaseUser) else None,
        action=action,
        data=None,
        request=Request(method="POST", parameters=given),
        beginning=Beginning(how=how),
        session_key=context.owner.session_key or None,
        input=given,
        idempotency_key=context.start_key,
    )
