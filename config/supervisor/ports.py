"""Is the port free, and which one is?"""

import errno
import ipaddress
import socket

from config.problems import EnvironmentProblem


def claim_port(host: str, port: int) -> int:
    """Return the port to listen on: the given one if it is free, or any free one for 0.

    Raises EnvironmentProblem when it is taken, forbidden, or the host isn't one of this machine.
    """
    if not 0 <= port <= 65_535:
        raise EnvironmentProblem(f"can't listen on {host}:{port}: a port is a number up to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise EnvironmentProblem(f"can't listen on {host}:{port}: {_reason(error)}") from error
    with socket.socket(family, kind, protocol) as probe:
        # Connections of an earlier run that are still closing don't count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise EnvironmentProblem(
                    f"port {port} on {host} is taken: stop what listens there, or choose another,"
                    f" for example PORT={port + 1 if port < 65535 else 8000}"
                ) from error
            raise EnvironmentProblem(f"can't listen on {host}:{port}: {_reason(error)}") from error
        claimed: int = probe.getsockname()[1]
        return claimed


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches the host."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
