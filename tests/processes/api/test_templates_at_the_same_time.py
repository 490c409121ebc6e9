"""Two programs that edit a template at the same moment: one of them is told."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from processes.models import ProcessTemplate, TemplateVersion
from tests.processes.api.api_kit import person, send, signed_in
from tests.processes.api.test_templates_over_http import ALL
from tests.processes.services.published import action, save_process
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)


def editing(user: User, tag: str, how: str, path: str, body: object) -> Callable[[], int]:
    client = signed_in(user)

    def edit() -> int:
        return int(send(client, f"templates/work/{path}", body, method=how, If_Match=tag).status_code)

    return edit


@pytest.mark.parametrize("deed", [("patch", "", {"title": "Mine"}), ("post", "publish/", None)])
def test_one_of_two_who_have_seen_the_same_is_told(deed: tuple[str, str, object]) -> None:
    ada, bob = person("ada", *ALL), person("bob", *ALL)
    save_process("work", [action("a")])
    tag = signed_in(ada).get("/api/templates/work/").headers["ETag"]

    ends = together(editing(ada, tag, *deed), editing(bob, tag, "patch", "", {"title": "Theirs"}))

    assert sorted(ends) == [200, 412]
    template = ProcessTemplate.objects.get()
    if deed[0] == "patch":
        assert (template.revision, template.title) == (2, "Mine" if ends[0] == 200 else "Theirs")
    else:
        assert TemplateVersion.objects.exists() == (ends[0] == 200)
