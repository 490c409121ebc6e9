"""Addresses of the API of processes, below /api/."""

from django.urls import path

from processes.api import forms, instance_work, instances, moving, run_list, runs, taking_up, topics
from processes.api.callbacks import callback, callback_by_header

app_name = "processes-api"

urlpatterns = [
    path("callbacks/", callback_by_header, name="callback-by-header"),
    path("callbacks/<str:token>/", callback, name="callback"),
    path("forms/", forms.FormList.as_view(), name="forms"),
    path("forms/<str:reference>/", forms.FormDetail.as_view(), name="form"),
    path("inbox/", instances.Inbox.as_view(), name="inbox"),
    path("instances/", instances.InstanceList.as_view(), name="instances"),
    path("instances/<uuid:instance_id>/", instances.InstanceDetail.as_view(), name="instance"),
    path("instances/<uuid:instance_id>/history/", instances.InstanceHistory.as_view(), name="instance-history"),
    path("instances/<uuid:instance_id>/execute/", instances.InstanceExecution.as_view(), name="instance-execute"),
    path("instances/<uuid:instance_id>/claim/", instance_work.InstanceClaim.as_view(), name="instance-claim"),
    path("instances/<uuid:instance_id>/release/", instance_work.InstanceRelease.as_view(), name="instance-release"),
    path("instances/<uuid:instance_id>/hand-on/", instance_work.InstanceHandOn.as_view(), name="instance-hand-on"),
    path("instances/<uuid:instance_id>/due/", instance_work.InstanceDue.as_view(), name="instance-due"),
    path("runs/", run_list.RunList.as_view(), name="runs"),
    path("runs/<uuid:run_id>/", runs.RunDetail.as_view(), name="run"),
    path("runs/<uuid:run_id>/checkpoints/", runs.RunCheckpoints.as_view(), name="checkpoints"),
    path("runs/<uuid:run_id>/export/", runs.RunExport.as_view(), name="export"),
    path("runs/<uuid:run_id>/test/", runs.RunTest.as_view(), name="test"),
    path("runs/<uuid:run_id>/data/", runs.RunData.as_view(), name="data"),
    path("runs/<uuid:run_id>/messages/<int:number>/", runs.RunMessage.as_view(), name="message"),
    path("runs/<uuid:run_id>/pause/", runs.RunPause.as_view(), name="pause"),
    path("runs/<uuid:run_id>/unpause/", runs.RunUnpause.as_view(), name="unpause"),
    path("runs/<uuid:run_id>/cancel/", runs.RunCancellation.as_view(), name="cancel"),
    path("runs/<uuid:run_id>/move/", moving.RunMove.as_view(), name="move"),
    path("runs/<uuid:run_id>/retry/", taking_up.RunRetry.as_view(), name="retry"),
    path("runs/<uuid:run_id>/rewind/", taking_up.RunRewind.as_view(), name="rewind"),
    path("processes/<slug:slug>/moves/", moving.ProcessMoves.as_view(), name="moves"),
    path("topics/<str:topic>/", topics.TopicMessages.as_view(), name="publish"),
]
