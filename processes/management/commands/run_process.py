"""Run a process in the foreground, without a server: `manage.py run_process SLUG_OR_FILE`."""

import sys
from argparse import Action, ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError
from django.utils.crypto import salted_hmac

from processes.domain.bindings import Binding
from processes.domain.definition_text import parse_json_text
from processes.domain.json_values import JSON, json_problems
from processes.domain.report import RunReport
from processes.errors import DefinitionError, NotFoundError, Problem
from processes.management.printing import print_json
from processes.management.users import find_user
from processes.services.access import find_executable
from processes.services.bound_connections import connections_of
from processes.services.connections import check_may_bind
from processes.services.documents import Runnable, find_process
from processes.services.errors import BindingRefusedError
from processes.services.library import read_library
from processes.services.running import run_runnable

#: How the command ends. A run that waits has done all that it can do here.
EXIT_CODES = {"completed": 0, "waiting": 0, "failed": 1, "invalid": 2}


class Several(Action):
    """Gather values; remember which option came last, since it may have swallowed the process's name."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, option_string: str | None = None
    ) -> None:
        """Add values, whether they come one by one or together."""
        setattr(namespace, self.dest, [*(getattr(namespace, self.dest) or []), *values])
        namespace.last_of_several = self.dest


class Command(BaseCommand):
    """Print how a run ended as one JSON object; everything else goes to stderr."""

    help = (
        "Run a process in the foreground and print how it ended as JSON. Exit code 0: completed (or waiting), "
        "1: failed, 2: can't run."
    )
    # A run needs no server, and a plain file no database: what isn't used needn't be right.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("target", nargs="?", metavar="SLUG_OR_FILE", help="A published template, or a file.")
        parser.add_argument("--action", help="The action at which to enter.")
        parser.add_argument("--data", metavar="JSON", help="The data to begin with: an object.")
        several: dict[str, Any] = {"action": Several, "nargs": "+", "default": []}
        parser.add_argument("--param", metavar="k=v", help="Parameters of the request.", **several)
        parser.add_argument(
            "--binding",
            metavar="ref=SLUG_OR_FILE",
            help='Override bindings: by a process, a script\'s name, or a target as JSON ({"value": 3}).',
            **several,
        )
        parser.add_argument(
            "--extends", metavar="FILE", help="Apply further documents, below the process's own definition.", **several
        )
        parser.add_argument("--user", metavar="NAME", help="For whom it runs; without one, for nobody.")
        parser.add_argument("--json", action="store_true", help="Print on one line.")

    def handle(self, *args: object, **options: Any) -> None:
        """Run, print, and leave with the exit code."""
        # What a script prints is a hint at best: stdout is for the answer.
        with redirect_stdout(sys.stderr):
            report = _report(options)
        print_json(self.stdout, report.to_json(), one_line=options["json"])
        for path in report.unshown:
            self.stderr.write(f"{path}: not JSON, so null is shown")
        if report.error is not None and isinstance(report.error.__cause__, DatabaseError):
            self.stderr.write('The database has refused something. Where it is new, run "manage.py migrate" first.')
        code = EXIT_CODES[report.status]
        if code:
            sys.exit(code)


def _report(options: Mapping[str, Any]) -> RunReport:
    problems: list[Problem] = []
    target = _target(options, problems)
    data = _data(options["data"], problems)
    parameters = dict(_pairs(options["param"], "--param", "k=v", problems))
    problems.extend(_told(problem, "--param") for problem in json_problems(parameters))
    bindings = _pairs(options["binding"], "--binding", "ref=SLUG_OR_FILE", problems)
    user = _user(options["user"], problems)
    runnable: Runnable | None = None
    if target is not None:
        try:
            runnable = find_process(target, bindings=bindings, extends=options["extends"])
            if user is not None and runnable.template is not None:
                find_executable(slug=runnable.template.slug, user=user)
            if user is not None:
                _check_connections(runnable, user)
        except DefinitionError as error:
            problems.extend(error.problems)
        except (BindingRefusedError, NotFoundError) as error:
            problems.append(Problem(path="", message=error.message, suggestion=error.fields.get("suggestion")))
    if problems or runnable is None:
        return RunReport.invalid(*problems)
    return run_runnable(
        runnable,
        action=options["action"],
        data=data,
        parameters=parameters,
        user=user,
        session_key=_session(),
        how="command",
    )


def _check_connections(runnable: Runnable, user: AbstractBaseUser) -> None:
    """Raise BindingRefusedError where a file or an option binds a connection that the user may not bind."""
    bound = [target for plan in (runnable.plan, *runnable.plans) for target in plan.bindings.values()]
    names = {str(item.target) for item in bound if isinstance(item, Binding) and item.kind == "credential"}
    already: set[str] = set()
    if names and runnable.template is not None:
        library = read_library()
        already = connections_of(library, library.published[runnable.template.slug])
    check_may_bind(user, names, already=already)


def _session() -> str:
    """Give the session of runs without a user: what one of them has saved, the next one finds; nobody can guess it."""
    return salted_hmac("processes.run_process", "session", algorithm="sha256").hexdigest()[:32]


def _target(options: Mapping[str, Any], problems: list[Problem]) -> str | None:
    """Give the process's name; `--param a=1 file.json` has taken it for another parameter."""
    if options["target"] is not None:
        return str(options["target"])
    last = options.get("last_of_several")
    values: list[str] = options[last] if last else []
    if len(values) > 1 and (last == "extends" or "=" not in values[-1]):
        return values.pop()
    problems.append(
        Problem(path="", message="SLUG_OR_FILE is missing", suggestion="Name a file or a template's slug first")
    )
    return None


def _data(text: str | None, problems: list[Problem]) -> dict[str, JSON]:
    if text is None:
        return {}
    try:
        value = parse_json_text(text)
    except DefinitionError as error:
        problems.extend(_told(problem, "--data") for problem in error.problems)
        return {}
    if not isinstance(value, dict):
        message, suggestion = "--data: Must be a JSON object", "Write --data '{\"key\": …}'"
        problems.append(Problem(path="", message=message, suggestion=suggestion))
        return {}
    return value


def _pairs(texts: Sequence[str], option: str, form: str, problems: list[Problem]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for text in texts:
        key, equals, value = text.partition("=")
        if key and equals:
            pairs.append((key, value))
        else:
            problems.append(Problem(path="", message=f'{option}: "{text}" isn\'t of the form {form}'))
    return pairs


def _user(name: str | None, problems: list[Problem]) -> AbstractBaseUser | None:
    if name is None:
        return None
    try:
        return find_user(name)
    except NotFoundError as error:
        problems.append(Problem(path="", message=error.message, suggestion=error.fields.get("suggestion")))
        return None


def _told(problem: Problem, option: str) -> Problem:
    """Name the option, and the place in its value."""
    place = f" (at {problem.path})" if problem.path else ""
    return Problem(path="", message=f"{option}: {problem.message}{place}", suggestion=problem.suggestion)
