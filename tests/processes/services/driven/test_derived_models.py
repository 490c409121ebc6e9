"""Models that derive from a driven one, with a table of their own or without: each object is what it is."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection, models

from examples.leave_requests.models import Department, LeaveKind, LeaveRequest
from processes.driven import _withdraw
from processes.models import ProcessInstance
from processes.services.driven import object_of_instance, rederive
from tests.processes.services.driven.leave_kit import load, other_process


@pytest.fixture
def derived(transactional_db: None) -> Iterator[tuple[Any, Any]]:
    """Give a model with a table of its own, and one without; both are gone afterwards."""

    class Sabbatical(LeaveRequest):
        process_reference = "sabbatical"
        default_process = "leave-by-hand"
        months = models.IntegerField(default=6)

        class Meta:
            app_label = "leave_requests"

    class QuickRequest(LeaveRequest):
        class Meta:
            app_label = "leave_requests"
            proxy = True

    with connection.schema_editor() as editor:
        editor.create_model(Sabbatical)
    load()
    other_process()
    yield Sabbatical, QuickRequest
    with connection.schema_editor() as editor:
        editor.delete_model(Sabbatical)
    for model in (Sabbatical, QuickRequest):
        del apps.all_models["leave_requests"][model._meta.model_name]
    del LeaveRequest.sabbatical
    apps.clear_cache()


def saved(model: Any) -> Any:
    made = model(
        employee=User.objects.get_or_create(username=f"mara of {model.__name__}")[0],
        kind=LeaveKind.objects.get_or_create(name="Holiday")[0],
        department=Department.objects.get_or_create(name="Sales")[0],
        first_day=date(2026, 6, 1),
        last_day=date(2026, 6, 5),
    )
    made.save()
    return made


def test_what_derives_from_a_model_is_derived_and_found_as_what_it_is(derived: tuple[Any, Any]) -> None:
    model, _proxy = derived
    sabbatical, request = saved(model), saved(LeaveRequest)
    assert [one.process.slug for one in (sabbatical, request)] == ["leave-by-hand", "leave-request"]
    assert list(rederive(LeaveRequest)) == []
    assert object_of_instance(sabbatical.instance_id) == sabbatical
    assert type(object_of_instance(sabbatical.instance_id)) is model
    assert type(object_of_instance(request.instance_id)) is LeaveRequest
    assert list(model.objects.for_user(sabbatical.employee)) == [sabbatical]


def test_its_instance_goes_with_the_row_that_holds_it(derived: tuple[Any, Any]) -> None:
    model, proxy = derived
    saved(model).delete()
    saved(model)
    LeaveRequest.objects.all().delete()
    saved(proxy)
    proxy.objects.all().delete()
    assert not ProcessInstance.objects.exists()
    saved(model).delete(keep_parents=True)
    assert LeaveRequest.objects.get().instance == ProcessInstance.objects.get()


@pytest.mark.django_db
def test_what_is_deleted_where_a_driven_model_was_in_memory_is_no_concern_of_ours() -> None:
    # Django knows senders by where they are: a class that was made later may be in the place of one that is gone.
    models.signals.post_delete.connect(_withdraw, sender=Department)
    try:
        Department.objects.create(name="Sales").delete()
    finally:
        models.signals.post_delete.disconnect(_withdraw, sender=Department)
