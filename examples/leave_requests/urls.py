"""The addresses of the pages, below /leave/."""

from django.urls import path

from examples.leave_requests import views

app_name = "leave_requests"

urlpatterns = [
    path("", views.requests, name="requests"),
    path("new/", views.new_request, name="new"),
    path("<int:pk>/", views.leave_request, name="request"),
]
