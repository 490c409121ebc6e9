"""The task scripts about what a claim says, and who is asked. All else is in the standard library."""

from decimal import Decimal

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.utils import timezone
from pydantic import BaseModel, ConfigDict, Field

from examples.expense_claim.rules import Claim, Limits, Step, find_problems, find_step, needs_approval
from processes.domain.application import Application
from processes.errors import PermanentError
from processes.models import InstanceCandidate, ProcessInstance
from processes.registry import task_script
from processes.services.data_nodes import DATA_NODE, find_data_node
from processes.services.host import caller_of

#: The state of a claim in which nothing is missing or wrong.
COMPLETE = "complete"


class CheckConfig(BaseModel):
    """Configure `expense_claim_check`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: tuple[Step, ...] = Field(min_length=1, description="The steps, in their order.")
    limits: Limits = Field(description="What the claim is held to.")


@task_script(
    "expense_claim_check",
    config=CheckConfig,
    errors={"not_a_claim": "the data hold something else than a claim: a date or an amount can't be read"},
)
def expense_claim_check(app: Application) -> None:
    """Check everything that is entered so far, by the rules that go across fields.

    The state is the name of the first step where something is missing or wrong, or was typed and not sent yet (it was
    left by Back), else "complete". `data.problems` holds the messages, by field: a form shows them with `"errors_from":
    "problems"`. Days are those of the claimant's zone.
    """
    config: CheckConfig = app.config
    claim = claim_in(app)
    problems = find_problems(claim, limits=config.limits, today=timezone.localdate(app.now()))
    app.data["problems"] = problems
    app.state = find_step(app.data, steps=config.steps, problems=problems, unsent=_unsent_forms(app)) or COMPLETE


class RouteConfig(BaseModel):
    """Configure `expense_claim_route`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    approval_above: dict[str, Decimal] = Field(
        description="The amount, by currency, above which somebody has to approve; in other currencies always."
    )


@task_script(
    "expense_claim_route",
    config=RouteConfig,
    effect="pure",
    errors={"not_a_claim": "the data hold something else than a claim: an amount can't be read"},
)
def expense_claim_route(app: Application) -> None:
    """Set the state `ask` for a claim that somebody has to approve, else `small`."""
    config: RouteConfig = app.config
    app.state = "ask" if needs_approval(claim_in(app), above=config.approval_above) else "small"


class KeepConfig(BaseModel):
    """Configure `expense_claim_keep`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[str, ...] = Field(min_length=1, description="The keys of data that a claim keeps.")


@task_script("expense_claim_keep", config=KeepConfig, effect="pure")
def expense_claim_keep(app: Application) -> None:
    """Take from the data what a claim doesn't keep: messages for forms, and what was loaded to be shown."""
    config: KeepConfig = app.config
    for key in [key for key in app.data if key not in config.keys]:
        del app.data[key]


@task_script("expense_claim_asked", effect="pure")
def expense_claim_asked(app: Application) -> None:
    """Leave in `data.asked` the mail addresses of those who are asked to approve; the state is `somebody` or `nobody`.

    That is who has claimed it, else the candidates and the members of the groups among them; never its owner.
    """
    instance = _instance(app)
    addresses: list[str] = []
    if instance is not None:
        users = get_user_model()._default_manager.filter(is_active=True)
        if instance.owner_id is not None:
            users = users.exclude(pk=instance.owner_id)
        asked = InstanceCandidate.objects.filter(instance=instance)
        wanted = (
            Q(pk=instance.assignee_id)
            if instance.assignee_id is not None
            else Q(pk__in=asked.values("user")) | Q(groups__in=asked.values("group"))
        )
        field = get_user_model().get_email_field_name()
        found = users.filter(wanted).exclude(**{field: ""}).order_by("pk").values_list(field, flat=True)
        addresses = list(dict.fromkeys(str(address) for address in found))
    app.data["asked"] = addresses
    app.state = "somebody" if addresses else "nobody"


def _instance(app: Application) -> ProcessInstance | None:
    key = caller_of(app).instance_id
    return None if key is None else ProcessInstance.objects.filter(pk=key).first()


def claim_in(app: Application) -> Claim:
    """Return the claim that the data hold; raises PermanentError with the code `not_a_claim` for anything else."""
    try:
        return Claim.from_data(app.data)
    except (TypeError, ValueError) as error:
        raise PermanentError(f"This is no claim: {error}.", code="not_a_claim") from error


def _unsent_forms(app: Application) -> set[str]:
    """Return the forms that were left with something typed in them; the one that was sent just now isn't among them."""
    reference = app.get(DATA_NODE)
    node = find_data_node(caller=caller_of(app), reference=reference) if isinstance(reference, str) else None
    return set() if node is None else set(node.entered) - {node.step}
