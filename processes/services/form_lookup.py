"""Find the form that a request posts: in the plan, never in what the client says about it.

The hidden field `form` names the action that showed it. One that a sub process showed is named `<plan hash>/<action>`,
and found where the process may really call that plan.
"""

from collections.abc import Mapping
from contextlib import suppress

from django.utils import timezone
from django.utils.translation import gettext as _
from pydantic import ValidationError

from processes.domain.application import Application
from processes.domain.json_values import JSON
from processes.domain.placeholders import Context, fill
from processes.domain.plan import Plan, PlanAction
from processes.errors import PermanentError, PlaceholderError
from processes.services.derivation import load_plan
from processes.services.errors import FormGoneError
from processes.services.form_choices import check_querysets_bound
from processes.services.forms import SHOW_FORM, FormConfig
from processes.services.host import host_of

__all__ = ["called_plans", "find_form", "form_gone", "form_name"]

_HASH_CHARS = 64


def form_name(app: Application) -> str:
    """Return the name under which the form of the running action is found again."""
    if app.action is None or app.process is None or app.action.script != SHOW_FORM:
        raise PermanentError(
            "show_form must run as an action of its own: a form that is called from code can't be found again.",
            code="form_without_action",
        )
    if app.process.hash == host_of(app).main_plan.hash:
        return app.action.name
    return f"{app.process.hash}/{app.action.name}"


def find_form(plan: Plan, name: str, *, parameters: Mapping[str, JSON], data: Mapping[str, JSON]) -> FormConfig:
    """Return the form `name` of a plan, its placeholders filled; raises FormGoneError where it shows none."""
    action = _find_action(plan, name)
    if action is None or action.script != SHOW_FORM:
        raise form_gone()
    context = Context(parameters=parameters, data=data, attribute=dict[str, object]().__getitem__, now=timezone.now)
    config = action.config
    for filler in action.fillers:
        # An attribute that the title needed isn't there any more; the form works without it.
        with suppress(PlaceholderError):
            config = fill(config, (filler,), context)
    try:
        form = FormConfig.model_validate(config)
    except ValidationError as error:
        raise form_gone() from error
    if form.querysets:
        check_querysets_bound(form.querysets, [plan, *called_plans(plan)])
    return form


def earlier_form(plan: Plan, name: str, *, action: str) -> str:
    """Return the name of the form that `action` shows, to which a Back button of the form `name` leads.

    In a form that a sub process showed, its own actions are meant first. Raises PermanentError (`bad_back`) where it
    shows no form.
    """
    plan_hash, slash, _inner = name.rpartition("/")
    for target in ([f"{plan_hash}/{action}"] if slash else []) + [action]:
        found = _find_action(plan, target)
        if found is not None and found.script == SHOW_FORM:
            return target
    raise PermanentError(
        f'A Back button of the form "{name}" leads to "{action}", which shows no form: give an action whose script is '
        f"{SHOW_FORM}.",
        code="bad_back",
        action=name,
    )


def _find_action(plan: Plan, name: str) -> PlanAction | None:
    action = plan.by_name.get(name)
    if action is not None:
        return action
    plan_hash, slash, inner = name.partition("/")
    if not slash or len(plan_hash) != _HASH_CHARS:
        return None
    for called in called_plans(plan):
        if called.hash == plan_hash:
            return called.by_name.get(inner)
    return None


def called_plans(plan: Plan) -> list[Plan]:
    """Return the plans that `plan` may call, directly or not, as far as it records them."""
    found: dict[str, Plan] = {}
    todo = [plan]
    while todo:
        for target in todo.pop().processes:
            if target.plan_hash is not None and target.plan_hash not in found:
                found[target.plan_hash] = load_plan(target.plan_hash)
                todo.append(found[target.plan_hash])
    return list(found.values())


def form_gone() -> FormGoneError:
    """Return the error for a form that can't be shown as it was described."""
    return FormGoneError(_("The form that you sent isn't part of this process any more, as it is published now."))
