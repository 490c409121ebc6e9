"""Plain Django views that take a file and give it back, as its documentation shows them."""

from django.core.files.storage import default_storage
from django.http import FileResponse, HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from config.urls import urlpatterns as _ours

_NAME = "plain/file"


@csrf_exempt
def upload(request: HttpRequest) -> HttpResponse:
    """Store what was sent."""
    default_storage.delete(_NAME)
    default_storage.save(_NAME, request.FILES["file"])
    return HttpResponse("stored")


def download(request: HttpRequest) -> FileResponse:
    """Send it back."""
    return FileResponse(default_storage.open(_NAME), as_attachment=True)


urlpatterns = [path("plain/upload/", upload), path("plain/download/", download), *_ours]
