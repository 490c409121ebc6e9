"""Addresses of the task API, below /api/."""

from django.urls import path

from tasks.api import lists, views

app_name = "tasks-api"

urlpatterns = [
    path("tasks/", lists.tasks, name="tasks"),
    path("events/", lists.events, name="events"),
    path("subscribe-job/", lists.subscribe_job, name="subscribe-job"),
    path("unsubscribe-job/", lists.unsubscribe_job, name="unsubscribe-job"),
    path("tasks/<uuid:task_id>/", views.task, name="task"),
    path("tasks/<uuid:task_id>/updates/", views.updates, name="updates"),
    path("tasks/<uuid:task_id>/cancel/", views.cancel, name="cancel"),
]
