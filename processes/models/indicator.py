"""Which process began a progress indicator."""

from django.db import models

from processes.models.instance import ProcessInstance
from processes.models.plan import Plan
from processes.models.template import ProcessTemplate
from tasks.models import TaskRoot


class Indicator(models.Model):
    """Say by which process an indicator is drawn for as long as it has no run, which says so itself.

    It isn't part of the tree, whose meta everybody is told who may see the tree.
    """

    root = models.OneToOneField(TaskRoot, primary_key=True, on_delete=models.CASCADE, related_name="indicator")
    template = models.ForeignKey(ProcessTemplate, on_delete=models.CASCADE, related_name="+")
    #: As with a run, the plan that it began with, whatever is published since.
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="+")
    #: The instance that was being executed, where one was.
    instance = models.ForeignKey(ProcessInstance, null=True, on_delete=models.CASCADE, related_name="+")

    def __str__(self) -> str:
        return str(self.root_id)
