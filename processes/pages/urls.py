"""The addresses of the pages."""

from django.urls import path

from processes.pages import home, instances, views
from processes.pages.hooks import hook
from processes.pages.process import instance_page, process_page
from processes.pages.progress import again_page, cancel_page, progress_page, watch_page
from processes.pages.run_forms import run_form_page, waiting_forms

app_name = "processes"

urlpatterns = [
    path("", home.home, name="home"),
    path("work/<slug:section>/", home.whole_list, name="work"),
    path("p/<slug:slug>/", process_page, name="process"),
    path("instances/<uuid:instance_id>/", instance_page, name="instance"),
    path("instances/<uuid:instance_id>/history/", instances.history, name="instance-history"),
    path("instances/<uuid:instance_id>/claim/", instances.claim, name="instance-claim"),
    path("instances/<uuid:instance_id>/release/", instances.release, name="instance-release"),
    path("instances/<uuid:instance_id>/hand-on/", instances.hand_on, name="instance-hand-on"),
    path("inbox/", instances.inbox, name="inbox"),
    path("new/<slug:slug>/", instances.new_instance, name="new-instance"),
    path("progress/<uuid:root_id>/", progress_page, name="progress"),
    path("progress/<uuid:root_id>/cancel/", cancel_page, name="cancel"),
    path("progress/<uuid:root_id>/again/", again_page, name="again"),
    path("progress/<uuid:root_id>/watch/", watch_page, name="watch"),
    path("forms/", waiting_forms, name="run-forms"),
    path("forms/<str:reference>/", run_form_page, name="run-form"),
    path("drafts/<str:reference>/discard/", views.discard, name="discard-draft"),
    path("hooks/<uuid:trigger_id>/", hook, name="hook"),
    path("files/<uuid:file_id>/", views.download, name="file"),
]
