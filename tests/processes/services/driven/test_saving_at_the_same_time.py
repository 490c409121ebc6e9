"""Several save, delete and derive an object at the very same moment: it has one instance, or none with it."""

import pytest

from examples.leave_requests.models import LeaveRequest
from processes.models import ProcessInstance
from processes.services.driven import rederive
from processes.services.errors import InstanceNotFoundError
from tests.processes.services.driven.leave_kit import leave, load
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def request_() -> LeaveRequest:
    load()
    return leave()


def copies(request: LeaveRequest, count: int) -> list[LeaveRequest]:
    return [LeaveRequest.objects.get(pk=request.pk) for _ in range(count)]


def test_of_several_first_saves_one_makes_the_instance(request_: LeaveRequest) -> None:
    LeaveRequest.objects.update(instance=None)
    ProcessInstance.objects.all().delete()
    ends = together(*[copy.save for copy in copies(request_, 4)], lambda: list(rederive(LeaveRequest)))
    assert not [end for end in ends if isinstance(end, Exception)], ends
    assert LeaveRequest.objects.get().instance == ProcessInstance.objects.get()


def test_what_is_saved_while_it_is_deleted_is_there_with_an_instance_or_not_at_all(request_: LeaveRequest) -> None:
    saved, deleted, moved = copies(request_, 3)
    saved.note = "Please"
    ends = together(saved.save, deleted.delete, lambda: moved.set_status("refused"))
    told = [end for end in ends if isinstance(end, Exception)]
    assert all(isinstance(error, InstanceNotFoundError) for error in told), ends
    left = LeaveRequest.objects.first()
    assert list(ProcessInstance.objects.all()) == ([] if left is None else [left.instance])
