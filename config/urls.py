"""Root URLs: admin, sign-in, the REST API and the pages."""

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from tasks.api.errors import no_such_address

handler400 = "processes.pages.errors.bad_request"
handler403 = "processes.pages.errors.permission_denied"
handler404 = "processes.pages.errors.page_not_found"
handler500 = "processes.pages.errors.server_error"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/login/", LoginView.as_view(), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    # Browsers ask for it where a page names no icon, as the admin's don't.
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}processes/mark.svg", permanent=False)),
    path("i18n/", include("django.conf.urls.i18n")),
    path("api/", include("tasks.api.urls")),
    path("api/", include("processes.api.urls")),
    re_path(r"^api/", no_such_address),
    path("leave/", include("examples.leave_requests.urls")),
    path("", include("processes.pages.urls")),
]
