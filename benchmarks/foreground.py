"""What a page costs that a process of 10 actions answers with, beside a plain view that renders the same template.

Both go through the same handler, with all middleware, in this process: a signed-in person, SQLite, no network. The
server and the browser would add the same to both, and make the ratio smaller.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.test import RequestFactory, override_settings

from benchmarks.figures import Figure, beside_peer
from benchmarks.measuring import seconds_of, take_turns
from benchmarks.rows import TEMPLATE, TITLE, amounts
from processes.models import Access, ProcessTemplate
from processes.services.authoring.templates import publish, save_draft

ACTIONS = 10
GOAL_RATIO = 1.3
_REQUESTS, _QUICK_REQUESTS = 200, 20
SLUG = "amounts"


def measure(*, runs: int, quick: bool) -> Iterator[Figure]:
    """Measure requests one after the other."""
    call_command("migrate", verbosity=0)
    _publish()
    cookie = _sign_in()
    requests = _QUICK_REQUESTS if quick else _REQUESTS
    with override_settings(ROOT_URLCONF="benchmarks.peers.plain_view"):
        get = _getter(cookie)
        assert _text(get(f"/p/{SLUG}/")) == _text(get("/plain/")), "the two pages differ"

        def sample(path: str) -> float:
            def work() -> None:
                for _ in range(requests):
                    get(path)

            return seconds_of(work) / requests * 1e3

        yield beside_peer(
            f"pages: a process of {ACTIONS} actions answers with a page",
            take_turns(partial(sample, f"/p/{SLUG}/"), partial(sample, "/plain/"), runs=runs),
            unit="ms",
            peer="a Django view that renders the same template",
            goal=GOAL_RATIO,
        )


def _publish() -> None:
    """Publish a process that puts data together in nine actions, and shows it with the tenth."""
    actions: list[dict[str, object]] = [
        {"name": "rows", "script": "set_data", "config": {"values": {"rows": amounts()}}}
    ]
    actions += [
        {"name": f"count-{number}", "script": "set_data", "config": {"values": {"total": len(amounts())}}}
        for number in range(ACTIONS - 2)
    ]
    actions.append({"name": "show", "script": "show_page", "config": {"title": TITLE, "template": TEMPLATE}})
    template = ProcessTemplate(slug=SLUG, title=TITLE, access=Access.SIGNED_IN)
    publish(template=save_draft(template=template, definition=json.dumps(actions), bindings={}, extends=[]))


def _sign_in() -> str:
    user = get_user_model().objects.create_user("bench")
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return f"sessionid={session.session_key}"


def _getter(cookie: str) -> Callable[[str], bytes]:
    handler, factory = WSGIHandler(), RequestFactory(headers={"Cookie": cookie, "Host": "localhost"})

    def get(path: str) -> bytes:
        response = handler.get_response(factory.get(path))
        assert response.status_code == 200, (path, response.status_code)
        content = bytes(response.content)
        response.close()
        return content

    return get


def _text(page: bytes) -> bytes:
    """Return what the page says: the rest of it bears its own address, and a token that differs each time."""
    return page.partition(b"<main")[2].partition(b"</main>")[0]
