"""Addresses of the task API, below /api/."""

from django.urls import path, re_path

from tasks.api import description, jobs, lists, rpc, views

app_name = "tasks-api"

urlpatterns = [
    path("schema/", description.description, name="schema"),
    path("docs/", description.docs, name="docs"),
    # With or without a slash at the end: a POST can't be led to the other one.
    re_path(r"^rpc/batch/?$", rpc.batch, name="rpc-batch"),
    re_path(r"^rpc/(?P<name>[^/]+)/?$", rpc.call, name="rpc"),
    path("tasks/", lists.tasks, name="tasks"),
    path("events/", lists.events, name="events"),
    path("subscribe-job/", lists.subscribe_job, name="subscribe-job"),
    path("unsubscribe-job/", lists.unsubscribe_job, name="unsubscribe-job"),
    path("tasks/<uuid:task_id>/", views.TaskDetail.as_view(), name="task"),
    path("tasks/<uuid:task_id>/tree/", views.TaskTree.as_view(), name="tree"),
    path("tasks/<uuid:task_id>/output/", views.TaskOutput.as_view(), name="output"),
    path("tasks/<uuid:task_id>/updates/", views.updates, name="updates"),
    path("tasks/<uuid:task_id>/cancel/", views.TaskCancellation.as_view(), name="cancel"),
    path("jobs/", jobs.JobList.as_view(), name="jobs"),
    path("jobs/<uuid:job_id>/", jobs.JobDetail.as_view(), name="job"),
    path("jobs/<uuid:job_id>/cancel/", jobs.JobCancellation.as_view(), name="job-cancel"),
    path("jobs/<uuid:job_id>/replay/", jobs.JobReplay.as_view(), name="job-replay"),
]
