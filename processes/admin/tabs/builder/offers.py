"""Show what status rules offer of a step."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from processes.services.authoring.offers import Offer

__all__ = ["OfferView"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferView:
    """Show one rule that offers an action; `step` is its name where that isn't the action's reference."""

    offer: Offer
    step: str

    @property
    def statuses(self) -> str:
        """Return the statuses at which it is offered."""
        included, excluded = self.offer.statuses.included, self.offer.statuses.excluded
        if included is not None:
            return ", ".join(_status(status) for status in sorted(included - excluded))
        if not excluded:
            return _("every status")
        names = ", ".join(_status(status) for status in sorted(excluded))
        return _("every status but %(statuses)s") % {"statuses": names}

    @property
    def roles(self) -> str:
        """Return to whom it is offered."""
        return _("everyone") if self.offer.roles is None else ", ".join(self.offer.roles)


def _status(status: str) -> str:
    return status or _("no status")
