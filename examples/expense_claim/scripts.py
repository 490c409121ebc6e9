"""The task script of the process expense-claim. All else that it needs is in the standard library."""

from django.utils import timezone
from pydantic import BaseModel, ConfigDict, Field

from examples.expense_claim.rules import Claim, Limits, Step, find_problems, find_step
from processes.domain.application import Application
from processes.errors import PermanentError
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
    try:
        claim = Claim.from_data(app.data)
    except (TypeError, ValueError) as error:
        raise PermanentError(f"This is no claim: {error}.", code="not_a_claim") from error
    problems = find_problems(claim, limits=config.limits, today=timezone.localdate(app.now()))
    app.data["problems"] = problems
    app.state = find_step(app.data, steps=config.steps, problems=problems, unsent=_unsent_forms(app)) or COMPLETE


def _unsent_forms(app: Application) -> set[str]:
    """Return the forms that were left with something typed in them; the one that was sent just now isn't among them."""
    reference = app.get(DATA_NODE)
    node = find_data_node(caller=caller_of(app), reference=reference) if isinstance(reference, str) else None
    return set() if node is None else set(node.entered) - {node.step}
