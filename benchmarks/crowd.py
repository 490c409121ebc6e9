"""Many people who follow one task: their accounts, their clients, and the task that they follow."""

import json
import resource
import sys
import uuid
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import get_random_string

from benchmarks.followers_writer import UPDATES_PER_SECOND
from benchmarks.programs import Program, ProgramFailure, Programs
from benchmarks.push_writer import TITLE
from benchmarks.stack import HOST
from tasks.services.roots import Owner, create_root

#: What a process has open besides its connections.
_OTHER_FILES = 200
_JOIN_SECONDS, _PATIENCE_SECONDS = 60.0, 60.0
_numbers = count(1)


def allow_open_files(connections: int) -> None:
    """Let the programs that are started from here have so many connections each; raises ProgramFailure."""
    needed = connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ProgramFailure(
            f"{connections:,} followers need {needed:,} open files in a process, and no more than {hard:,} are allowed"
            f" here. Allow more (`ulimit -Hn {needed}` as root, or LimitNOFILE= of the service) and run it again."
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def sign_in(number: int) -> list[str]:
    """Return the cookies of so many people who are signed in, each with an account of their own."""
    mark = next(_numbers)
    users = User.objects.bulk_create(User(username=f"follower-{mark}-{one}", password="!") for one in range(number))
    until = timezone.now() + timedelta(days=1)
    sessions = [
        Session(session_key=get_random_string(32), session_data=_session_of(user), expire_date=until) for user in users
    ]
    Session.objects.bulk_create(sessions)
    return [f"{settings.SESSION_COOKIE_NAME}={session.session_key}" for session in sessions]


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A task, and those who follow it on one server."""

    programs: Programs
    clients: Program
    root_id: uuid.UUID
    folder: Path
    name: str

    def ask(self, do: str, **what: object) -> dict[str, Any]:
        """Tell the clients what to do and return their answer; raises ProgramFailure where they don't do it."""
        self.clients.tell(json.dumps({"do": do, **what}))
        answer: dict[str, Any] = json.loads(self.clients.hear(timeout_seconds=_PATIENCE_SECONDS))
        return answer

    def start_writer(self, updates: int) -> Program:
        """Start what reports `updates` updates of the task, ten a second."""
        command = [sys.executable, "-m", "benchmarks.child", "benchmarks.followers_writer", str(self.stamps)]
        return self.programs.start(f"writer-{self.name}", [*command, str(updates), str(self.root_id)])

    def finish(self, writer: Program, updates: int) -> dict[str, Any]:
        """Wait until everything was written and has reached everyone; return what the clients tell of it."""
        writer.wait_for_end(timeout_seconds=updates / UPDATES_PER_SECOND + _PATIENCE_SECONDS)
        # The first update is that the task has begun.
        self.ask("reach", seq=updates + 1)
        return self.ask("tell", stamps=str(self.stamps))

    @property
    def stamps(self) -> Path:
        """Return the file in which the writer notes its moments."""
        return self.folder / f"stamps-{self.name}"


def follow(programs: Programs, way: str, *, port: int, cookies: list[str]) -> Followed:
    """Let everyone follow a new task, each on a connection of their own; returns once they do."""
    folder = Path(settings.ENVIRONMENT.data_dir)
    root_id: uuid.UUID = create_root(title=TITLE, owner=Owner(session_key="bench"), shared=True).pk
    name = f"{way}-{next(_numbers)}"
    file = folder / f"cookies-{name}"
    file.write_text("\n".join(cookies))
    command = [sys.executable, "-m", "benchmarks.follower_clients", way, HOST, str(port), str(root_id), str(file)]
    clients = programs.start(f"clients-{name}", command, talks=True)
    followed = Followed(programs=programs, clients=clients, root_id=root_id, folder=folder, name=name)
    followed.ask("join")
    return followed


def _session_of(user: User) -> str:
    return SessionStore().encode(
        {
            SESSION_KEY: str(user.pk),
            BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
            HASH_SESSION_KEY: user.get_session_auth_hash(),
        }
    )
