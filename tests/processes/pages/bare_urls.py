"""The addresses of a project that has Stepline's pages, and nothing that they could link to."""

from django.urls import include, path

urlpatterns = [path("", include("processes.pages.urls"))]
