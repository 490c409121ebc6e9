"""The API's description and the page to read and try it: for who has signed in, all of it from this site."""

from django.contrib.auth.decorators import login_required
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from tasks.api.base import ApiView, RequestAuthentication, signed_in

__all__ = ["description", "docs"]


class ApiDescription(SpectacularAPIView):
    """Return the description in OpenAPI 3.1: YAML, or JSON with `?format=json`."""

    authentication_classes = (RequestAuthentication,)
    schema = None
    get_exception_handler = ApiView.get_exception_handler

    def initial(self, request, *args, **kwargs):  # type: ignore[no-untyped-def]
        """Keep it from who hasn't signed in: it tells what there is to call."""
        super().initial(request, *args, **kwargs)
        signed_in(request)


class ApiDocs(SpectacularSwaggerSplitView):
    """Show it; the script comes by itself, so that the page keeps to the site's policy."""

    authentication_classes = (RequestAuthentication,)
    schema = None
    url_name = "tasks-api:schema"
    template_name = "tasks/api_docs.html"


description = ApiDescription.as_view()
docs = login_required(ApiDocs.as_view())
