"""The addresses of the pages."""

from django.urls import path

from processes.pages import views
from processes.pages.process import instance_page, process_page
from processes.pages.progress import cancel_page, progress_page

app_name = "processes"

urlpatterns = [
    path("", views.home, name="home"),
    path("p/<slug:slug>/", process_page, name="process"),
    path("instances/<uuid:instance_id>/", instance_page, name="instance"),
    path("progress/<uuid:root_id>/", progress_page, name="progress"),
    path("progress/<uuid:root_id>/cancel/", cancel_page, name="cancel"),
    path("files/<uuid:file_id>/", views.download, name="file"),
]
