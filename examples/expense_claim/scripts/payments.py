"""The task scripts that pay claims: they set money aside, and tell how far the outside worker is."""

import uuid
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field

from examples.expense_claim import budgets
from examples.expense_claim.scripts.claims import claim_in
from processes.domain.application import CALLBACK_DATA, Application
from processes.domain.json_values import JSON
from processes.errors import PermanentError
from processes.models import Callback, ProcessInstance
from processes.registry import task_script
from processes.services.callbacks import query_callback
from processes.services.files import is_file_info
from processes.services.host import caller_of
from processes.services.run_store import RUN_ID


class ReserveConfig(BaseModel):
    """Configure `expense_claim_reserve`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget: dict[str, Decimal] = Field(description="How much there is for all claims together, by currency.")


@task_script(
    "expense_claim_reserve",
    config=ReserveConfig,
    # The reservation commits with the checkpoint: it is made exactly once.
    effect="transactional",
    errors={
        "no_budget": "the money for claims in this currency is used up, or none is bound",
        "in_payment": "another run pays this claim already",
        "paid_already": "the claim was paid before",
        "not_a_claim": "no claim is executed, or the data hold something else than one",
    },
)
def expense_claim_reserve(app: Application) -> None:
    """Set the claim's amount aside, and leave in `data.payee` who is to get it: the name of the claim's owner."""
    config: ReserveConfig = app.config
    instance = _claim_of(app)
    claim = claim_in(app)
    if claim.amount is None or claim.currency is None:
        raise PermanentError("There is no amount to be paid.", code="not_a_claim")
    limit = config.budget.get(claim.currency, Decimal(0))
    budgets.reserve(
        instance.pk, run=uuid.UUID(app.get(RUN_ID)), amount=claim.amount, currency=claim.currency, limit=limit
    )
    app.data["payee"] = "" if instance.owner is None else instance.owner.get_username()


@task_script("expense_claim_release", effect="transactional", errors={"not_a_claim": "no claim is executed"})
def expense_claim_release(app: Application) -> None:
    """Give back what this run has set aside and not spent: what undoes `expense_claim_reserve`."""
    budgets.release(_claim_of(app).pk, run=uuid.UUID(app.get(RUN_ID)))


@task_script("expense_claim_settle", effect="transactional", errors={"not_a_claim": "no claim is executed"})
def expense_claim_settle(app: Application) -> None:
    """Spend what was set aside, and keep in `data.payment` what the worker has reported: `{"reference", "slip"}`.

    The money is gone by now. So a report that lacks something, or says it in another way, is no error: it is left out.
    """
    budgets.spend(_claim_of(app).pk, run=uuid.UUID(app.get(RUN_ID)))
    reported = app.get(CALLBACK_DATA)
    told: dict[str, JSON] = reported if isinstance(reported, dict) else {}
    slip = told.get("slip")
    app.data["payment"] = {
        "reference": str(told.get("reference") or ""),
        "slip": slip if is_file_info(slip) else None,
    }


@task_script("expense_claim_standing", effect="pure")
def expense_claim_standing(app: Application) -> None:
    """Leave in `data.standing` what the payment worker has reported last: `{"status", "percent", "message"}`.

    It is read from the response store of the claim's newest callback, so that no step has to follow each report; None
    where the claim was never handed to the worker, or that is too long ago.
    """
    newest = Callback.objects.filter(run__instance=caller_of(app).instance_id).order_by("-created_at").first()
    if newest is None or caller_of(app).instance_id is None:
        app.data["standing"] = None
        return
    standing = query_callback(newest.pk)
    told = standing.data if isinstance(standing.data, dict) else {}
    percent = told.get("percent")
    app.data["standing"] = {
        "status": standing.status.value,
        "percent": percent if isinstance(percent, int) and 0 <= percent <= 100 else None,
        "message": str(told.get("message") or ""),
    }


def _claim_of(app: Application) -> ProcessInstance:
    key = caller_of(app).instance_id
    rows = ProcessInstance.objects.select_related("owner")
    instance = None if key is None else rows.filter(pk=key).first()
    if instance is None:
        raise PermanentError("Only a claim that was handed in can be paid.", code="not_a_claim")
    return instance
