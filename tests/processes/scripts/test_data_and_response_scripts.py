"""The standard scripts for data and responses, run as actions of a process."""

from typing import Any

import pytest

from processes.domain.application import Application
from processes.domain.directives import Failed
from processes.domain.interpreter import Interpreter
from processes.errors import ProcessError
from processes.models import DataNode
from processes.registry import scripts
from processes.services.access import Caller
from processes.services.data_nodes import create_data_node
from processes.services.foreground import published_plan
from processes.services.host import DjangoHost
from tests.processes.services.published import publish_process

pytestmark = pytest.mark.django_db

CALLER = Caller(session_key="s" * 32)


def run(
    *actions: dict[str, Any], data: dict[str, Any] | None = None, durable: bool = False, **attributes: Any
) -> Application:
    """Run the actions, one after the other; raises the error that the run ends with."""
    template = publish_process("work", [{"name": f"a{number}", **item} for number, item in enumerate(actions)])
    plan = published_plan(template)
    app = Application(data=data, attributes=attributes)
    host = DjangoHost(caller=Caller(session_key=CALLER.session_key, slug="work"), plan=plan, durable=durable)
    outcome = Interpreter.start(plan, app=app, host=host).run()
    if isinstance(outcome, Failed):
        raise outcome.error
    return app


def script(name: str, **config: Any) -> dict[str, Any]:
    return {"script": name, **({"config": config} if config else {})}


def test_data_are_saved_loaded_and_deleted_by_the_current_node() -> None:
    app = run(script("save_data"), script("set_data", values={"a": 2}), script("load_data"), data={"a": 1})
    assert app.data == {"a": 1}
    assert app.get("dataNode") == DataNode.objects.get().reference


def test_saving_again_keeps_the_reference() -> None:
    app = run(script("save_data"), script("set_data", values={"a": 2}), script("save_data"))
    assert DataNode.objects.get().data == {"a": 2}
    assert app.get("dataNode") == DataNode.objects.get().reference


def test_deleting_the_node_removes_the_attribute_and_twice_is_fine() -> None:
    app = run(script("save_data"), script("delete_data_node"), script("delete_data_node"))
    assert app.get("dataNode") is None
    assert not DataNode.objects.exclude(owner=None, session_key="").exists()


@pytest.mark.parametrize("which", ["none", "foreign", "forged"])
def test_loading_what_is_not_there_or_not_the_callers_is_not_found(which: str) -> None:
    foreign = create_data_node(caller=Caller(session_key="t" * 32), data={}).reference
    config = {"none": {}, "foreign": {"reference": foreign}, "forged": {"reference": "x" * 22}}[which]
    with pytest.raises(ProcessError) as caught:
        run(script("load_data", **config))
    assert caught.value.code == "data_node_not_found"


def test_there_is_no_context_node_where_nothing_is_executed() -> None:
    with pytest.raises(ProcessError) as caught:
        run(script("save_data", node="context"))
    assert caught.value.code == "no_context_node"


def test_values_are_merged_at_the_top_level_of_the_data() -> None:
    app = run(
        script("set_data", values={"a.b": 1, "c": [2], "old": {"y": 2}, "none": None}),
        data={"old": {"x": 1}, "kept": True},
    )
    assert app.data == {"old": {"y": 2}, "kept": True, "a.b": 1, "c": [2], "none": None}


def test_a_response_kept_in_the_data_comes_back_later() -> None:
    page = script("show_page", title="Result", content="<b>done</b>")
    app = run(page, script("copy_response_to_data"), script("show_page", text="else"), script("copy_data_to_response"))
    assert (app.response.title, app.response.content) == ("Result", "<b>done</b>")


def test_pages_bring_meta_elements_into_the_head_and_nothing_else() -> None:
    first = script("show_page", text="a", head='<meta name="robots" content="noindex"><script>1</script>')
    second = script("show_page", text="b", append=True, head='<meta name="author" content="Ada"><link href="/x.css">')
    app = run(first, second)
    assert app.response.head == '<meta name="robots" content="noindex">\n<meta name="author" content="Ada">'


def test_several_actions_can_build_up_a_response_in_the_data() -> None:
    build = script("set_data", values={"response": {"title": "Built", "head": "<meta>", "content": "<p>a</p>"}})
    app = run(build, script("copy_data_to_response"))
    assert app.response.to_json() == {"title": "Built", "head": "<meta>", "content": "<p>a</p>"}


@pytest.mark.parametrize(
    ("part", "brought_in", "kept"),
    [
        ("content", '<form action="/x"><b class="big">hi</b></form>', '<b class="big">hi</b>'),
        ("content", "<script>alert(1)</script><p onclick=alert(1)>a</p>", "<p>a</p>"),
        ("content", '<a href="javascript:alert(1)">a</a>', '<a rel="noopener noreferrer">a</a>'),
        ("content", '<table><tbody><tr><td colspan="2">1</td></tr></tbody></table>', None),
        (
            "head",
            '<meta http-equiv="refresh" content="0; url=//evil.example"><script>1</script>',
            '<meta content="0; url=//evil.example">',
        ),
        ("head", '<meta name="robots" content="noindex">', None),
    ],
)
def test_html_in_the_data_is_kept_as_far_as_it_is_harmless(part: str, brought_in: str, kept: str | None) -> None:
    app = run(script("copy_data_to_response"), data={"response": {part: brought_in}})
    assert getattr(app.response, part) == (brought_in if kept is None else kept)


def test_a_response_that_is_no_markup_is_copied_as_it_is() -> None:
    response = {"content": "a<b,c>d\n", "content_type": "text/csv"}
    assert run(script("copy_data_to_response"), data={"response": response}).response.content == "a<b,c>d\n"


def test_there_must_be_a_response_to_copy() -> None:
    with pytest.raises(ProcessError) as caught:
        run(script("copy_data_to_response"), data={"response": "<script>"})
    assert caught.value.code == "no_response"


def test_a_page_can_be_added_to() -> None:
    app = run(script("show_page", title="T", text="one & two"), script("show_page", content="<hr>", append=True))
    assert app.response.to_json() == {"title": "T", "content": "<p>one &amp; two</p>\n<hr>"}


def test_html_that_comes_out_of_the_data_as_a_whole_config_is_escaped() -> None:
    whole = {"script": "show_page", "config": "%{data:page}"}
    assert run(whole, data={"page": {"content": "<script>"}}).response.content == "&lt;script&gt;"


def test_a_redirect_to_an_action_can_carry_the_data() -> None:
    app = run(script("redirect", action="next", data=True), data={"a": 1})
    node = DataNode.objects.get()
    assert app.response.redirect == f"/p/work/?action=next&data={node.reference}"
    assert node.data == {"a": 1}


def test_a_form_cannot_be_shown_from_code() -> None:
    def show(app: Application) -> None:
        app.call("show_form", config={"action": "x"})

    with scripts.override("shows", show), pytest.raises(ProcessError) as caught:
        run(script("shows"))
    assert caught.value.code == "form_without_action"


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("Save data", "save_data"),
        ("loadData", "load_data"),
        ("deleteDataNode", "delete_data_node"),
        ("copyResponseToData", "copy_response_to_data"),
        ("copyDataToResponse", "copy_data_to_response"),
    ],
)
def test_the_documents_names_are_aliases(alias: str, name: str) -> None:
    assert scripts.get(alias) is scripts.get(name)
