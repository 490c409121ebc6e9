"""Addresses of the API of processes, below /api/."""

from django.urls import path

from processes.api import instances, moving, runs, topics
from processes.api.callbacks import callback
from processes.api.forms import form, waiting_forms

app_name = "processes-api"

urlpatterns = [
    path("callbacks/", callback, name="callback-by-header"),
    path("callbacks/<str:token>/", callback, name="callback"),
    path("forms/", waiting_forms, name="forms"),
    path("forms/<str:reference>/", form, name="form"),
    path("inbox/", instances.inbox, name="inbox"),
    path("instances/", instances.instances, name="instances"),
    path("instances/<uuid:instance_id>/", instances.instance, name="instance"),
    path("instances/<uuid:instance_id>/history/", instances.history, name="instance-history"),
    path("instances/<uuid:instance_id>/execute/", instances.execute, name="instance-execute"),
    path("instances/<uuid:instance_id>/claim/", instances.claim, name="instance-claim"),
    path("instances/<uuid:instance_id>/release/", instances.release, name="instance-release"),
    path("instances/<uuid:instance_id>/hand-on/", instances.hand_on, name="instance-hand-on"),
    path("instances/<uuid:instance_id>/due/", instances.due, name="instance-due"),
    path("runs/<uuid:run_id>/", runs.run, name="run"),
    path("runs/<uuid:run_id>/checkpoints/", runs.checkpoints, name="checkpoints"),
    path("runs/<uuid:run_id>/export/", runs.export, name="export"),
    path("runs/<uuid:run_id>/test/", runs.as_test, name="test"),
    path("runs/<uuid:run_id>/data/", runs.data, name="data"),
    path("runs/<uuid:run_id>/messages/<int:number>/", runs.message, name="message"),
    path("runs/<uuid:run_id>/pause/", runs.pause, name="pause"),
    path("runs/<uuid:run_id>/unpause/", runs.unpause, name="unpause"),
    path("runs/<uuid:run_id>/cancel/", runs.cancel, name="cancel"),
    path("runs/<uuid:run_id>/move/", moving.move, name="move"),
    path("processes/<slug:slug>/moves/", moving.moves, name="moves"),
    path("runs/<uuid:run_id>/retry/", runs.retry, name="retry"),
    path("runs/<uuid:run_id>/rewind/", runs.rewind, name="rewind"),
    path("topics/<str:topic>/", topics.publish, name="publish"),
]
