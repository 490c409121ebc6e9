"""The project's addresses, and a page that holds what a test says.

It is the server's own, since Chromium lets no page that a test has made open a WebSocket to this machine.
"""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from config.urls import urlpatterns as project_urlpatterns


def page(request: HttpRequest) -> HttpResponse:
    """Return a page with the head, the body and the policy that the address names."""
    given = {name: request.GET.get(name, "") for name in ("head", "body", "policy")}
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>{given["head"]}'
        '<meta name="viewport" content="width=device-width"></head>'
        f"<body><main><h1>A page</h1>{given['body']}</main></body></html>"
    )
    return HttpResponse(html, headers={"Content-Security-Policy": given["policy"]})


urlpatterns = [path("a-page/", page), *project_urlpatterns]
