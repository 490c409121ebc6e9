"""The parts of the demo that can be held without the stack."""

from io import StringIO

import pytest

from examples.csv_import.demo.bars import Bars, line_of
from examples.csv_import.demo.pages import Page
from examples.csv_import.demo.problems import DemoFailure
from tasks.domain.statuses import NodeStatus
from tasks.domain.tree import Tree, TreeNode

UPLOAD = """
<form action="/logout/" method="post"><input type="hidden" name="csrfmiddlewaretoken" value="other"></form>
<form method="post" action="/p/csv-import/" enctype="multipart/form-data">
  <input type="hidden" name="csrfmiddlewaretoken" value="abc"><input type="hidden" name="action" value="check">
  <input type="file" name="upload" required><button>Upload</button>
</form>
"""


def test_the_form_with_the_file_is_found_among_others() -> None:
    form = Page(UPLOAD).form_with_file()

    assert form.action == "/p/csv-import/"
    assert form.hidden == {"csrfmiddlewaretoken": "abc", "action": "check"}
    assert form.files == ["upload"]


def test_a_page_without_the_form_fails_with_what_the_page_says() -> None:
    page = Page('<div role="alert"><p>The file is <b>empty</b>.</p></div><p>Else</p>')

    with pytest.raises(DemoFailure) as caught:
        page.form_with_data()

    assert str(caught.value).endswith("The page says: The file is empty .")


def test_figures_downloads_and_problems_are_read() -> None:
    page = Page(
        '<data class="rows-accepted" value="3364">3,364</data><a href="/f/1/" download>Rejected</a>'
        '<table><tr class="has-problems"><td>x</td></tr><tr><td>y</td></tr></table>'
    )

    assert page.figures == {"rows-accepted": "3364"}
    assert page.downloads == ["/f/1/"]
    assert page.rows_with_problems == 1


@pytest.mark.parametrize(
    ("node", "line"),
    [
        (
            TreeNode(id="1", type="action", title="read", current=1, total=2, message="5 rows"),
            "· read                               ████████████░░░░░░░░░░░░  50%  5 rows",
        ),
        (
            TreeNode(id="1", type="action", title="read", status=NodeStatus.COMPLETED),
            "✓ read                               ████████████████████████ 100%",
        ),
        (
            TreeNode(id="1", type="action", title="read", status=NodeStatus.FAILED, error="No."),
            "✗ read" + " " * 62 + "No.",
        ),
    ],
)
def test_a_node_is_one_line(node: TreeNode, line: str) -> None:
    assert line_of(node, 0).split() == line.split()


def test_without_a_terminal_only_changes_worth_a_line_are_told() -> None:
    stream = StringIO()
    tree, bars = Tree(), Bars(stream)
    tree.root = TreeNode(id="r", type="task", title="Import")
    child = TreeNode(id="c", type="action", title="read", total=100)
    tree.root.children.append(child)

    for current in range(100):
        child.current = current
        bars.show(tree)
    child.status = NodeStatus.COMPLETED
    bars.close(tree)

    assert [line.split()[1] for line in stream.getvalue().splitlines()].count("read") == 5  # 0, 25, 50, 75, done
