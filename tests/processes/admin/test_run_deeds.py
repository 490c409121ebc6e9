"""What an operator does with one run in the admin: each deed has a page that says what it does, and a POST does it."""

import html
import json
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from processes.errors import PermanentError
from processes.models import AuditEntry
from processes.services.operators import pause_run
from tests.processes.admin.runs_desk import RUNS, buttons, page_of, told, waiting
from tests.processes.services.conftest import api, kit, operator, with_control
from tests.processes.services.test_controlling import Breaks, failed, unknown_outcome
from tests.processes.services.test_moving_runs import Process, process

__all__ = ["api", "kit", "operator", "process"]

DEEDS = ("pause", "unpause", "cancel", "retry", "rewind", "edit", "move", "undo", "export", "test")


def audited(run_id: uuid.UUID, action: str) -> list[str]:
    return list(AuditEntry.objects.filter(subject_id=run_id.hex, action=action).values_list("actor_name", flat=True))


# -- buttons ----------------------------------------------------------------------------------------------------------


def test_a_run_that_waits_offers_what_is_possible_with_it(kit: Any, api: Client) -> None:
    assert buttons(api, waiting(kit)) == ["pause", "edit", "export", "cancel"]


def test_a_run_that_has_failed_offers_to_take_it_up(kit: Any, api: Client) -> None:
    assert buttons(api, failed(kit, Breaks())) == ["retry", "rewind", "export", "test"]


def test_a_run_is_offered_the_plan_that_came_into_force_and_then_the_way_back(
    kit: Any, process: Process, api: Client
) -> None:
    run_id = process.start()
    process.publish_new()
    assert "move" in buttons(api, run_id)
    api.post(page_of(run_id, "move"))
    kit.work()
    assert [name for name in buttons(api, run_id) if name in ("move", "undo")] == ["undo"]


@pytest.mark.parametrize("deed", DEEDS)
def test_who_may_only_look_sees_no_buttons_and_for_them_there_is_no_such_run(
    kit: Any, client: Client, deed: str
) -> None:
    run_id = waiting(kit)
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_run"))
    client.force_login(reader)
    assert buttons(client, run_id) == []
    nothing = client.get(page_of(uuid.uuid4(), deed))
    for answer in (client.get(page_of(run_id, deed)), client.post(page_of(run_id, deed))):
        assert (answer.status_code, nothing.status_code) == (404, 404)
    assert kit.run(run_id).status == "waiting"
    assert not AuditEntry.objects.filter(actor_name="reader").exists()


@pytest.mark.parametrize("deed", DEEDS)
def test_who_is_no_staff_is_sent_to_sign_in(kit: Any, client: Client, deed: str) -> None:
    run_id = waiting(kit)
    client.force_login(with_control(User.objects.create_user("carl")))
    assert client.get(page_of(run_id, deed)).url.startswith("/admin/login/")  # type: ignore[attr-defined]
    assert client.post(page_of(run_id, deed)).status_code == 302
    assert kit.run(run_id).status == "waiting"


@pytest.mark.parametrize("deed", DEEDS)
def test_a_deed_is_done_only_with_a_token_of_the_page(kit: Any, operator: User, deed: str) -> None:
    run_id = waiting(kit)
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    assert client.post(page_of(run_id, deed)).status_code == 403


# -- pause, go on, cancel ---------------------------------------------------------------------------------------------


def test_a_run_is_paused_and_goes_on(kit: Any, api: Client) -> None:
    run_id = waiting(kit)
    assert "holds no worker" in api.get(page_of(run_id, "pause")).content.decode()
    done = api.post(page_of(run_id, "pause"))
    assert (done.status_code, done.url) == (302, page_of(run_id))  # type: ignore[attr-defined]
    kit.work()
    assert kit.run(run_id).waiting_for["code"] == "paused"
    shown = api.get(page_of(run_id)).content.decode()
    assert "olga has paused it." in shown
    assert buttons(api, run_id)[0] == "unpause"
    api.post(page_of(run_id, "unpause"))
    kit.work()
    assert kit.run(run_id).waiting_for["code"] == "human"
    assert (audited(run_id, "run.paused"), audited(run_id, "run.resumed")) == (["olga"], ["olga"])


def test_pausing_twice_is_pausing_once(kit: Any, operator: User, api: Client) -> None:
    run_id = waiting(kit)
    pause_run(run_id=run_id, user=operator)
    assert "stand still already" in told(api.post(page_of(run_id, "pause")))
    assert audited(run_id, "run.paused") == ["olga"]


def test_a_run_is_cancelled(kit: Any, api: Client) -> None:
    run_id = waiting(kit)
    assert kit.run(run_id).status == "waiting"
    assert told(api.post(page_of(run_id, "cancel"))) == "It is cancelled."
    assert (kit.run(run_id).status, audited(run_id, "run.cancelled")) == ("cancelled", ["olga"])


@pytest.mark.parametrize(
    ("deed", "text"),
    [("pause", "has ended already"), ("unpause", "has ended already"), ("cancel", "has ended already")],
)
def test_what_is_too_late_is_refused_in_words_on_the_same_page(kit: Any, api: Client, deed: str, text: str) -> None:
    run_id = failed(kit, Breaks())
    refused = api.post(page_of(run_id, deed))
    assert refused.status_code == 409
    assert text in refused.content.decode()


def test_what_is_not_paused_does_not_go_on(kit: Any, api: Client) -> None:
    refused = api.post(page_of(waiting(kit), "unpause"))
    assert (refused.status_code, "isn&#x27;t paused" in refused.content.decode()) == (409, True)


# -- move, and back ---------------------------------------------------------------------------------------------------


def test_a_move_is_forecast_done_and_undone(kit: Any, process: Process, api: Client) -> None:
    run_id = process.start()
    before = kit.run(run_id).plan_id
    process.publish_new()
    shown = api.get(page_of(run_id, "move")).content.decode()
    for text in ("version 1", "version 2", "It fits, as it stands."):
        assert text in shown, text
    api.post(page_of(run_id, "move"))
    kit.work()
    assert kit.run(run_id).plan_id == process.template.published_plan_id
    assert "version 1" in api.get(page_of(run_id, "undo")).content.decode()
    api.post(page_of(run_id, "undo"))
    kit.work()
    assert kit.run(run_id).plan_id == before
    assert audited(run_id, "run.moved") == ["olga", "olga"]


def test_what_does_not_fit_is_told_in_words_and_not_offered(kit: Any, process: Process, api: Client) -> None:
    run_id = process.start()
    process.publish({"name": "other", "script": process.ask["script"]})
    shown = api.get(page_of(run_id, "move"))
    assert f"“ask” isn&#x27;t in “{process.template.slug}” any more" in shown.content.decode()
    assert b'id="run-form"' not in shown.content
    refused = api.post(page_of(run_id, "move"))
    assert (refused.status_code, kit.run(run_id).inbox.count()) == (409, 0)


@pytest.mark.parametrize(("deed", "text"), [("move", "has that plan already"), ("undo", "wasn&#x27;t moved")])
def test_where_there_is_nothing_to_move_that_is_said(process: Process, api: Client, deed: str, text: str) -> None:
    run_id = process.start()
    for answer in (api.get(page_of(run_id, deed)), api.post(page_of(run_id, deed))):
        assert text in answer.content.decode()


# -- files ------------------------------------------------------------------------------------------------------------


def test_a_run_is_exported_by_a_post_and_that_is_written_down(kit: Any, api: Client) -> None:
    run_id = waiting(kit)
    assert api.get(page_of(run_id, "export")).headers["Content-Type"].startswith("text/html")
    assert audited(run_id, "run.exported") == []
    file = api.post(page_of(run_id, "export"))
    assert file.headers["Content-Disposition"] == f'attachment; filename="run-{run_id}.json"'
    assert json.loads(file.getvalue())["run"]["id"] == str(run_id)
    assert audited(run_id, "run.exported") == ["olga"]


def test_a_run_is_saved_as_a_test_where_it_has_ended(kit: Any, api: Client) -> None:
    run_id = failed(kit, Breaks())
    file = api.post(page_of(run_id, "test"))
    assert f"def test_run_{run_id.hex}()" in file.content.decode()
    refused = api.post(page_of(waiting(kit), "test"))
    assert (refused.status_code, "becomes a test" in refused.content.decode()) == (409, True)


# -- taking up --------------------------------------------------------------------------------------------------------


def test_a_retry_says_what_runs_again_and_leads_to_the_run_that_goes_on(kit: Any, api: Client) -> None:
    breaks = Breaks()
    run_id = failed(kit, breaks)
    shown = api.get(page_of(run_id, "retry"))
    assert [(again.action, effect) for again, effect in shown.context["again"]] == [
        ("breaks", "idempotent: may be done again")
    ]
    breaks.mended = True
    done = api.post(page_of(run_id, "retry"))
    kit.work()
    new = kit.run(run_id).repetition
    assert (done.url, new.status, kit.notes) == (page_of(new.pk), "completed", ["read", "check", "last"])  # type: ignore[attr-defined]
    assert audited(new.pk, "run.started") == ["olga"]


def test_a_retry_says_what_it_failed_with_and_leads_to_earlier_places(kit: Any, api: Client) -> None:
    run_id = failed(kit, Breaks())
    shown = api.get(page_of(run_id, "retry")).content.decode()
    assert "The list is locked." in shown
    assert f'href="{page_of(run_id, "rewind")}"' in shown
    assert "It was undoing what it had done" not in shown


def test_a_retry_of_a_compensation_that_failed_says_that_it_goes_on_undoing(kit: Any, api: Client) -> None:
    breaks = Breaks(PermanentError("The hotel doesn't answer."))
    run_id = kit.start(
        {"name": "hotel", "script": kit.note("hotel"), "compensate": "no_hotel"},
        {"name": "flight", "script": kit.script(Breaks()), "next": False},
        {"name": "no_hotel", "script": kit.script(breaks), "next": False},
    )
    kit.work()
    shown = html.unescape(api.get(page_of(run_id, "retry")).content.decode())
    assert "The hotel doesn't answer." in shown
    assert "It was undoing what it had done, and goes on with that." in shown
    breaks.mended = True
    api.post(page_of(run_id, "retry"))
    kit.work()
    assert kit.run(run_id).repetition.status == "compensated"


def test_what_was_taken_up_leads_to_what_goes_on(kit: Any, api: Client) -> None:
    run_id = failed(kit, Breaks())
    api.post(page_of(run_id, "retry"))
    new = kit.run(run_id).repetition
    for deed in ("retry", "rewind"):
        refused = api.post(page_of(run_id, deed, "?ordinal=0"))
        assert refused.status_code == 409
        assert page_of(new.pk) in refused.content.decode()
    assert buttons(api, run_id) == ["export", "test"]
    assert f'href="{page_of(new.pk)}"' in api.get(page_of(run_id)).content.decode()
    assert f'href="{page_of(run_id)}"' in api.get(page_of(new.pk)).content.decode()


def test_nobody_knows_whether_it_was_done_so_the_page_asks(kit: Any, api: Client) -> None:
    run_id, breaks = unknown_outcome(kit)
    shown = api.get(page_of(run_id, "retry")).content.decode()
    for text in ("must not be done twice", "say so below", "Stands in the way.", "Its next names these: paid"):
        assert text in shown, text
    # What can't be is not to be chosen, and nothing is chosen for whoever hasn't found out.
    assert 'name="known" value=""' not in shown
    assert "checked" not in shown.partition('class="run-field run-known"')[2].partition("</fieldset>")[0]
    for known in ("", "not known at all"):
        refused = api.post(page_of(run_id, "retry"), {"known": known})
        assert "known" in refused.context["form"].errors
        assert (kit.run(run_id).root.closed, breaks.calls) == (True, 1)
    assert api.post(page_of(run_id, "retry"), {"known": "done", "state": "paid"}).status_code == 302
    kit.work()
    assert (kit.notes, breaks.calls) == (["read", "thank"], 1)


def test_somebody_has_found_out_that_it_did_nothing(kit: Any, api: Client) -> None:
    run_id, breaks = unknown_outcome(kit)
    breaks.mended = True
    api.post(page_of(run_id, "retry"), {"known": "not_done"})
    kit.work()
    assert breaks.calls == 2


def test_a_state_for_what_is_not_done_would_be_lost_so_it_is_refused(kit: Any, api: Client) -> None:
    run_id, _breaks = unknown_outcome(kit)
    answer = api.post(page_of(run_id, "retry"), {"known": "not_done", "state": "paid"})
    assert "state" in answer.context["form"].errors
    assert not hasattr(kit.run(run_id), "repetition")


def test_a_place_is_chosen_from_the_checkpoints_and_previewed(kit: Any, api: Client) -> None:
    breaks = Breaks()
    run_id = failed(kit, breaks)
    listed = api.get(page_of(run_id, "rewind")).content.decode()
    assert "?ordinal=1" in listed
    assert "?ordinal=3" not in listed, "there is no action to run"
    shown = api.get(page_of(run_id, "rewind", "?ordinal=1"))
    assert [again.action for again, _effect in shown.context["again"]] == ["check", "breaks"]
    breaks.mended = True
    api.post(page_of(run_id, "rewind", "?ordinal=1"))
    kit.work()
    assert kit.notes == ["read", "check", "check", "last"]


def test_what_is_alive_offers_no_places(kit: Any, api: Client) -> None:
    shown = api.get(page_of(waiting(kit), "rewind")).content.decode()
    assert "still at work" in shown
    assert "?ordinal=" not in shown


def test_a_once_action_behind_the_place_stands_in_the_way(kit: Any, api: Client) -> None:
    run_id = kit.start(
        {"name": "charge", "script": kit.script(lambda app: None, effect="once")},
        {"name": "breaks", "script": kit.script(Breaks())},
    )
    kit.work()
    shown = api.get(page_of(run_id, "rewind", "?ordinal=0"))
    assert "must not be done twice" in shown.content.decode()
    assert b'id="run-form"' not in shown.content
    assert api.post(page_of(run_id, "rewind", "?ordinal=0")).status_code == 409
    assert not hasattr(kit.run(run_id), "repetition")


@pytest.mark.parametrize(("query", "status"), [("?ordinal=99", 200), ("?ordinal=3", 200), ("?ordinal=x", 404)])
def test_where_it_never_was_is_no_place(kit: Any, api: Client, query: str, status: int) -> None:
    answer = api.get(page_of(failed(kit, Breaks()), "rewind", query))
    assert answer.status_code == status
    assert b'id="run-form"' not in answer.content


def test_a_run_is_taken_up_by_the_plan_that_mends_it(kit: Any, api: Client, operator: User) -> None:
    process = Process(kit)
    process.publish({"name": "breaks", "script": kit.script(Breaks())})
    run_id = process.start()
    assert "newest" not in api.get(page_of(run_id, "retry")).context["form"].fields
    process.publish({"name": "breaks", "script": kit.note("mended")})
    assert "newest" in api.get(page_of(run_id, "retry")).context["form"].fields
    api.post(page_of(run_id, "retry"), {"newest": "on"})
    kit.work()
    assert kit.notes == ["mended"]


def test_the_list_is_narrowed_by_why_a_run_does_not_go_on(kit: Any, api: Client, operator: User) -> None:
    other, paused = waiting(kit), waiting(kit)
    pause_run(run_id=paused, user=operator)
    kit.work()
    unknown, _breaks = unknown_outcome(kit)
    for why, expected in (("paused", paused), ("other", other), ("outcome_unknown", unknown)):
        rows = api.get(RUNS, {"why": why}).context["cl"].result_list
        assert [run.pk for run in rows] == [expected], why
