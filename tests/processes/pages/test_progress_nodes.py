"""What the progress page shows of a node, in the words of the reader's language and of the team's own templates."""

import re

import pytest
from django.template import Context, Engine, engines
from django.template.loader import render_to_string
from django.utils import translation

from tasks.domain.statuses import NodeStatus
from tasks.domain.tree import TreeNode


def node(**fields: object) -> TreeNode:
    return TreeNode(id="n", type="action", title="Read <it>", **fields)  # type: ignore[arg-type]


def text_of(*, language: str = "en", **fields: object) -> str:
    with translation.override(language):
        html = render_to_string("processes/_node.html", {"node": node(**fields)})
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).strip()


@pytest.mark.parametrize(
    ("fields", "language", "text"),
    [
        ({}, "en", "Read &lt;it&gt; Running"),
        ({"status": NodeStatus.CREATED}, "en", "Read &lt;it&gt; Not started"),
        ({"current": 3, "total": 8}, "en", "Read &lt;it&gt; Running 3 of 8 37 %"),
        ({"current": 3000, "total": 8000}, "en", "Read &lt;it&gt; Running 3,000 of 8,000 37 %"),
        ({"current": 1.5, "total": 4.5}, "en", "Read &lt;it&gt; Running 1.5 of 4.5 33 %"),
        ({"current": 0, "total": 0}, "en", "Read &lt;it&gt; Running 0 of 0"),
        ({"current": 12}, "en", "Read &lt;it&gt; Running 12"),
        ({"current": -5, "total": 8}, "en", "Read &lt;it&gt; Running -5 of 8 0 %"),
        ({"current": 8, "total": 8, "status": NodeStatus.COMPLETED}, "en", "Read &lt;it&gt; Completed 8 of 8"),
        ({"message": "a < b", "error": "no"}, "en", "Read &lt;it&gt; Running a &lt; b no"),
    ],
)
def test_a_node_says_what_is_known_of_it(fields: dict[str, object], language: str, text: str) -> None:
    assert text_of(language=language, **fields) == text


@pytest.mark.parametrize(("count", "is_large"), [(0, False), (1, False), (8, False), (9, True)])
def test_only_a_large_branch_that_is_done_is_folded(count: int, is_large: bool) -> None:
    children = [node() for _ in range(count)]
    open_html = render_to_string("processes/_node.html", {"node": node(children=children)})
    done_html = render_to_string("processes/_node.html", {"node": node(children=children, status=NodeStatus.COMPLETED)})

    assert ("is-large" in open_html) is is_large
    assert open_html.count("<details") == done_html.count("<details") == (1 if count else 0)
    assert ("open><summary" in open_html) is (count > 0)
    assert ("open><summary" in done_html) is (0 < count <= 8)


def test_a_blueprint_has_every_part() -> None:
    html = render_to_string("processes/_node.html", {"node": None})
    line, body = ("title", "status", "count", "figure"), ("line", "bar", "message", "error", "log", "branch")
    for part in ("mark", "body", *line, *body):
        assert re.search(rf'class="[^"]*node-{part}', html), part


def test_a_team_says_a_status_in_its_own_words() -> None:
    engine = Engine(
        loaders=[
            ("django.template.loaders.locmem.Loader", {"processes/_status.html": "[{{ status }}]"}),
            ("django.template.loaders.filesystem.Loader", engines["django"].engine.dirs),  # type: ignore[attr-defined]
        ],
        libraries=engines["django"].engine.libraries,  # type: ignore[attr-defined]
    )
    html = engine.get_template("processes/_node.html").render(Context({"node": node()}))

    assert '<span class="node-status">[running]</span>' in html
