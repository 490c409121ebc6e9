"""Addresses of the task API, below /api/."""

from django.urls import path, re_path

from tasks.api import lists, rpc, views

app_name = "tasks-api"

urlpatterns = [
    # With or without a slash at the end: a POST can't be led to the other one.
    re_path(r"^rpc/batch/?$", rpc.batch, name="rpc-batch"),
    re_path(r"^rpc/(?P<name>[^/]+)/?$", rpc.call, name="rpc"),
    path("tasks/", lists.tasks, name="tasks"),
    path("events/", lists.events, name="events"),
    path("subscribe-job/", lists.subscribe_job, name="subscribe-job"),
    path("unsubscribe-job/", lists.unsubscribe_job, name="unsubscribe-job"),
    path("tasks/<uuid:task_id>/", views.task, name="task"),
    path("tasks/<uuid:task_id>/updates/", views.updates, name="updates"),
    path("tasks/<uuid:task_id>/cancel/", views.cancel, name="cancel"),
]
