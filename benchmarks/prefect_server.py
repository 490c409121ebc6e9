"""Prefect's server, which keeps the states of its tasks in an SQLite file of its own."""

import http.client
from pathlib import Path

from django.conf import settings

from benchmarks.asking import AskedPeer, start_peer
from benchmarks.programs import Programs
from benchmarks.stack import HOST, wait_until
from config.supervisor.ports import claim_port


def start_prefect(programs: Programs, python: str) -> AskedPeer:
    """Start it and what runs flows against it, both in the peers' environment."""
    port = claim_port(HOST, 0)
    variables = {
        "PREFECT_API_URL": f"http://{HOST}:{port}/api",
        "PREFECT_HOME": str(Path(settings.ENVIRONMENT.data_dir) / "prefect"),
        "PREFECT_LOGGING_LEVEL": "WARNING",
        # It tells nobody that it was started.
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    command = [python, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port), "--no-ui"]
    server = programs.start("prefect", command, variables=variables)

    def answers() -> bool:
        if server.process.poll() is not None:
            raise server.failure("doesn't start")
        connection = http.client.HTTPConnection(HOST, port, timeout=2)
        try:
            connection.request("GET", "/api/health")
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            connection.close()

    wait_until(answers, what="Prefect's server")
    return start_peer(programs, python, "prefect_tasks", variables=variables)
