"""What an action has put into the data is, for the next one, what is stored: also where the same worker goes on."""

from typing import Any

from processes.domain.application import Application

DEFAULTS = {"currency": "EUR"}


def seen_by(kit: Any, *scripts: Any) -> dict[str, Any]:
    actions = [{"name": f"a{number}", "script": kit.script(script)} for number, script in enumerate(scripts)]
    run_id = kit.start(*actions)
    assert kit.work() == 1
    assert kit.run(run_id).status == "completed"
    return kit.data(run_id)  # type: ignore[no-any-return]


def test_a_constant_that_a_script_has_put_there_is_not_changed_by_the_next_one(kit: Any) -> None:
    def put(app: Application) -> None:
        app.data["settings"] = DEFAULTS

    def change(app: Application) -> None:
        app.data["settings"]["currency"] = "USD"

    assert seen_by(kit, put, change) == {"settings": {"currency": "USD"}}
    assert DEFAULTS == {"currency": "EUR"}


def test_what_two_keys_share_they_share_no_more(kit: Any) -> None:
    def share(app: Application) -> None:
        app.data["one"] = app.data["two"] = ["x"]

    def append(app: Application) -> None:
        app.data["one"].append("y")

    assert seen_by(kit, share, append) == {"one": ["x", "y"], "two": ["x"]}


def test_so_it_is_where_a_script_has_put_a_dict_in_the_place_of_all_data(kit: Any) -> None:
    def replace(app: Application) -> None:
        app.data = {"settings": DEFAULTS}

    def change(app: Application) -> None:
        app.data["settings"]["currency"] = "USD"

    assert seen_by(kit, replace, change) == {"settings": {"currency": "USD"}}
    assert DEFAULTS == {"currency": "EUR"}


def test_so_it_is_for_the_items_of_a_loop(kit: Any) -> None:
    def put(app: Application) -> None:
        app.data["settings"] = DEFAULTS

    def change(app: Application) -> object:
        app.data["settings"]["currency"] += "!"
        return app.data["settings"]

    config = {"items": [1, 2], "action": "put", "batch": 2, "into": "seen"}
    run_id = kit.start(
        {"name": "each", "script": "for_each", "config": config, "next": False},
        {"name": "put", "script": kit.script(put), "next": "change"},
        {"name": "change", "script": kit.script(change), "next": False},
    )
    kit.work()
    assert kit.data(run_id)["seen"]["results"] == [{"currency": "EUR!"}] * 2


def test_so_it_is_for_attributes(kit: Any) -> None:
    def put(app: Application) -> None:
        app.set("settings", DEFAULTS)

    def change(app: Application) -> None:
        app.get("settings")["currency"] = "USD"
        app.data["currency"] = app.get("settings")["currency"]

    assert seen_by(kit, put, change) == {"currency": "USD"}
    assert DEFAULTS == {"currency": "EUR"}


def test_a_tuple_is_a_list_from_then_on(kit: Any) -> None:
    kinds = []

    def put(app: Application) -> None:
        app.data["pair"] = (1, 2)

    def look(app: Application) -> None:
        kinds.append(type(app.data["pair"]))

    seen_by(kit, put, look)
    assert kinds == [list]
