"""What generated clients are told of published processes."""

from collections.abc import Iterator

from processes.domain.placeholders import parameters_of
from processes.domain.plan import Plan
from processes.models import ProcessTemplate
from processes.services.derivation import load_plan
from tasks.registry import Offer

__all__ = ["offered_processes"]


def offered_processes() -> Iterator[Offer]:
    """Give each published process, whoever may start it, with the parameters that its configs fill in."""
    published = ProcessTemplate.objects.filter(abstract=False, published_plan__isnull=False).order_by("slug")
    for slug, title, description, plan_hash in published.values_list(
        "slug", "title", "description", "published_plan_id"
    ):
        plan = load_plan(plan_hash)
        yield Offer(
            name=slug,
            description="\n\n".join(filter(None, [title, description.strip()])),
            arguments=tuple(_parameters(plan)),
            steps=tuple(action.name for action in plan.actions if not action.is_lifecycle),
        )


def _parameters(plan: Plan) -> list[str]:
    return sorted({name for action in plan.actions for name in parameters_of(action.fillers)})
