"""Addresses of the task API, below /api/."""

from django.urls import path

from tasks.api import views

app_name = "tasks-api"

urlpatterns = [
    path("tasks/<uuid:task_id>/", views.task, name="task"),
    path("tasks/<uuid:task_id>/updates/", views.updates, name="updates"),
    path("tasks/<uuid:task_id>/cancel/", views.cancel, name="cancel"),
]
