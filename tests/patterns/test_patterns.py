"""The classic workflow patterns, each carried out from its definition as a durable run."""

from itertools import permutations, product
from threading import Thread

from django.db import connections

from processes.domain.application import Application
from processes.models import Run
from tasks.services.cancelling import cancel
from tests.patterns.conftest import Carried, states


def test_what_follows_begins_only_when_what_was_before_has_completed(carried: Carried) -> None:
    carried.begin()
    assert (carried.awaited, carried.done) == (["goods_arrive"], [])
    carried.happen("goods_arrive")
    assert (carried.done, carried.status) == (["unpack", "file_the_note"], "completed")


def test_all_branches_are_under_way_at_the_same_time(carried: Carried) -> None:
    carried.begin()
    assert carried.awaited == ["bill", "pack"]


def test_what_follows_begins_with_the_end_of_the_last_branch_whatever_their_order(carried: Carried) -> None:
    for order in permutations(["ask_stock", "ask_credit", "ask_courier"]):
        carried.begin()
        for name in order:
            assert carried.done == []
            carried.happen(name)
        assert (carried.done, carried.status) == (["decide"], "completed")


def test_exactly_one_way_is_taken_even_where_several_conditions_hold(carried: Carried) -> None:
    for total, way in [(2_000, "ask_the_boss"), (1_000, "pay"), (100, "take_from_the_till")]:
        carried.begin(total=total)
        assert (carried.done, carried.status) == ([way], "completed")


def test_what_follows_runs_once_by_whichever_way_the_process_comes(carried: Carried) -> None:
    for by, way in [("card", "charge_the_card"), ("bill", "write_a_bill")]:
        carried.begin(by=by)
        assert (carried.done, carried.status) == ([way, "deliver"], "completed")


CALLS = {"brakes": "call_the_mechanic", "glass": "call_the_glazier", "paint": "call_the_painter"}


def test_exactly_those_branches_are_taken_whose_conditions_hold(carried: Carried) -> None:
    for chosen in product([False, True], repeat=len(CALLS)):
        damage = [part for part, is_chosen in zip(CALLS, chosen, strict=True) if is_chosen]
        carried.begin(damage=damage)
        assert carried.awaited == sorted(CALLS[part] for part in damage)


def test_what_follows_waits_for_the_branches_that_were_taken_and_for_no_others(carried: Carried) -> None:
    for damage in ([], ["glass"], ["paint", "brakes"], ["brakes", "glass"], list(CALLS)):
        carried.begin(damage=damage)
        for part in damage:
            assert carried.done == []
            carried.happen(CALLS[part])
        assert (carried.done, carried.status) == (["hand_over"], "completed")


def test_what_follows_runs_as_soon_as_a_branch_comes_and_once_for_each(carried: Carried) -> None:
    carried.begin()
    carried.happen("ask_the_buyer")
    assert (carried.done, carried.awaited) == (["file"], ["ask_the_lawyer"])
    carried.happen("ask_the_lawyer")
    assert (carried.done, carried.status) == (["file", "file"], "completed")


def test_what_follows_runs_once_with_the_first_branch_and_latecomers_do_not_count_for_the_next_round(
    carried: Carried,
) -> None:
    carried.does["read"] = states("again", "enough")
    carried.begin()
    carried.happen("ask_south")
    assert carried.done == ["read"]
    assert carried.awaited == ["ask_north", "ask_north", "ask_south"], "the first round's north, and a second round"
    carried.happen("ask_north")
    assert (carried.done, carried.status) == (["read"], "waiting"), "that was the first round's"
    carried.happen("ask_north")
    assert (carried.done, carried.status) == (["read", "read"], "completed")
    carried.happen("ask_south")
    assert carried.done == ["read", "read"]


def test_a_cycle_is_entered_and_left_at_several_places(carried: Carried) -> None:
    ways = [
        # In by `write`, round by `mend` and by `write`, and out by `check`.
        {"write": [None, None], "check": ["mistakes", "nonsense", None], "print": [None]},
        # Past the cycle, then in by `mend`, and out by `write`.
        {"write": ["sure", "sure"], "check": ["nonsense"], "print": ["smudged", None]},
    ]
    walked = []
    for way in ways:
        carried.does = {name: states(*given) for name, given in way.items()}
        carried.begin()
        assert carried.status == "completed"
        walked.append(" ".join(carried.done))
    assert walked == ["write check mend check write check print", "write print mend check write print"]


def test_the_process_ends_with_the_last_of_its_branches_and_not_before(carried: Carried) -> None:
    for order in permutations(["book_a_room", "write", "call"]):
        carried.begin()
        for name in order:
            assert (carried.done, carried.status) == ([], "waiting")
            carried.happen(name)
        assert (carried.done, carried.status) == (["@end"], "completed")
    assert not Run.objects.filter(root__closed=False).exists()


def test_the_process_goes_on_and_ends_while_its_instances_are_under_way(carried: Carried) -> None:
    carried.begin(readers=["Ada", "Grace"])
    assert (carried.done, carried.status) == (["close"], "completed")
    assert carried.awaited == ["write_to: Ada", "write_to: Grace"]
    carried.happen("write_to: Grace")
    carried.happen("write_to: Ada")
    assert carried.done == ["close", "note_the_answer: Grace", "note_the_answer: Ada"]
    assert not Run.objects.filter(root__closed=False).exists()


def expect_one_for_each(carried: Carried, items: list[str]) -> None:
    """Expect an instance for each item, and that the last of them is waited for."""
    assert carried.awaited == sorted(f"read: {item}" for item in items)
    for item in reversed(items):
        assert carried.done == []
        carried.happen(f"read: {item}")
    assert (carried.done, carried.status) == (["decide"], "completed")


def test_as_many_instances_run_as_the_definition_says_and_all_are_waited_for(carried: Carried) -> None:
    carried.begin()
    expect_one_for_each(carried, ["first reader", "second reader", "third reader"])


def test_as_many_instances_run_as_the_data_say_and_all_are_waited_for(carried: Carried) -> None:
    for authors in ([], ["Ada"], ["Ada", "Grace", "Joan", "Mary"]):
        carried.begin(authors=authors)
        expect_one_for_each(carried, authors)


def test_instances_that_are_added_on_the_way_are_waited_for_too(carried: Carried) -> None:
    named = {"Ada": ["Grace", "Joan"], "Joan": ["Mary"]}

    def name_others(app: Application) -> None:
        app.data["named"] = named.get(app.data["item"], [])

    carried.does = {f"who_else: {witness}": name_others for witness in ("Ada", "Grace", "Joan", "Mary")}
    carried.begin(witnesses=["Ada"])
    assert carried.awaited == ["hear: Ada"]
    carried.happen("hear: Ada")
    assert carried.awaited == ["hear: Grace", "hear: Joan"]
    carried.happen("hear: Joan")
    carried.happen("hear: Grace")
    assert (carried.awaited, carried.status) == (["hear: Mary"], "waiting")
    assert "judge" not in carried.done
    carried.happen("hear: Mary")
    assert (carried.done[-1], carried.done.count("judge"), carried.status) == ("judge", 1, "completed")


def test_what_happens_first_decides_and_the_others_are_withdrawn(carried: Carried) -> None:
    carried.begin()
    assert carried.awaited == ["answer", "withdrawal"]
    assert carried.done == [], "nothing is decided before anything happens"
    carried.happen("withdrawal")
    assert (carried.done, carried.awaited, carried.status) == (["say_sorry"], [], "completed")
    assert carried.statuses("accepted", "withdrawn", "late") == ["cancelled", "completed", "cancelled"]
    carried.happen_too_late("answer")
    assert carried.done == ["say_sorry"]
    carried.begin()
    carried.pass_time("late")
    assert (carried.done, carried.awaited, carried.status) == (["remind"], [], "completed")
    carried.begin()
    carried.happen("answer", "withdrawal")
    assert carried.done in (["deliver"], ["say_sorry"]), "both have happened before anybody could look: one counts"
    assert carried.status == "completed"


def test_each_is_done_once_in_the_order_of_events_and_never_two_at_the_same_time(carried: Carried) -> None:
    does = {"x_ray_free": "x_ray_taken", "nurse_free": "blood_taken", "optician_free": "eyes_tested"}
    for order in permutations(does):
        carried.begin()
        for number, event in enumerate(order):
            others = order[number + 1 :]
            assert carried.awaited == sorted((event, *others)), "what is still to be done is on offer"
            carried.happen(event)
            assert carried.awaited == [does[event]]
            for other in others:
                carried.happen_too_late(other)
            assert carried.awaited == [does[event]], "nothing else begins while this is being done"
            carried.happen(does[event])
        assert (carried.done, carried.status) == (["report"], "completed")


def test_what_a_milestone_allows_is_done_there_and_neither_before_nor_after(carried: Carried) -> None:
    carried.begin()
    assert carried.awaited == ["customs", "packing"], "there is nothing yet that would take a request"
    carried.happen("packing")
    for _ in range(2):
        carried.happen("packed", report="progress")
    assert (carried.done, carried.awaited) == (["change_the_address"] * 2, ["customs", "packed"])
    carried.happen("packed")
    assert (carried.awaited, carried.status) == (["customs"], "waiting"), "the process isn't over, the milestone is"
    carried.happen_too_late("packed", report="progress")
    carried.happen("customs")
    assert (carried.done, carried.status) == (["change_the_address"] * 2 + ["send"], "completed")


def test_what_is_withdrawn_goes_no_further_and_the_process_goes_on(carried: Carried) -> None:
    carried.begin()
    assert (carried.done, carried.awaited) == (["draft"], ["review", "withdrawal"])
    carried.happen("withdrawal")
    assert (carried.done, carried.awaited, carried.status) == (["draft", "archive"], [], "completed")
    assert carried.statuses("drafted") == ["cancelled"]
    carried.happen_too_late("review")
    assert carried.done == ["draft", "archive"]

    def meanwhile(app: Application) -> None:
        """Withdraw it by another worker, while this one has the draft in hand."""

        def withdraw() -> None:
            carried.happen("withdrawal")
            connections.close_all()

        other = Thread(target=withdraw)
        other.start()
        other.join()
        assert carried.kit.hold(app).wait(10), "the worker hears of it"

    carried.does["make_fair_copy"] = meanwhile
    carried.begin()
    carried.happen("review")
    assert (carried.done, carried.status) == (["draft", "make_fair_copy", "archive"], "completed")
    assert carried.statuses("drafted") == ["cancelled"]


def test_a_case_that_is_cancelled_ends_with_all_that_belongs_to_it(carried: Carried) -> None:
    carried.begin()
    assert carried.awaited == ["box: books", "box: dishes", "find_a_flat"], "and the lamps haven't begun"
    cancel(root_id=carried.run_id, reason="We stay.")
    carried.kit.work()
    assert (carried.awaited, carried.status) == ([], "cancelled")
    assert set(Run.objects.values_list("status", "root__closed")) == {("cancelled", True)}
    for name in ("find_a_flat", "box: books", "box: dishes"):
        carried.happen_too_late(name)
    assert carried.done == []
