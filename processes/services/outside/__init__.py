"""Reach other systems: HTTP requests and mail, through stored connections."""

from processes.domain.outside import Answer, Mail, OutboundRequest, Outside
from processes.errors import ProcessError
from processes.services.outside.exchange import exchange
from processes.services.outside.mail import post

__all__ = ["LiveOutside", "live_outside"]


class LiveOutside:
    """Reach the real world. What goes wrong is raised here, where no frame knows a secret."""

    def request(self, request: OutboundRequest) -> Answer:
        """Send an HTTP request; raises OutboundError and its kin where no answer came."""
        answer = exchange(request)
        if isinstance(answer, ProcessError):
            raise answer
        return answer

    def send(self, mail: Mail) -> None:
        """Hand a mail over for delivery; raises MailError and MailRefusedError where it was refused."""
        error = post(mail)
        if error is not None:
            raise error


def live_outside() -> Outside:
    """Return the way to the real world."""
    return LiveOutside()
