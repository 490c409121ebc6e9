"""Plain Django views that take a file and give it back, as its documentation shows them."""

from django.core.files.storage import default_storage
from django.http import FileResponse, HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from config.urls import urlpatterns as _ours

#: What was stored: as the other side does, each upload is kept, so that the disk has the same to write.
_stored: list[str] = []


@csrf_exempt
def upload(request: HttpRequest) -> HttpResponse:
    """Store what was sent."""
    _stored.append(default_storage.save("plain/file", request.FILES["file"]))
    return HttpResponse("stored")


def download(request: HttpRequest) -> FileResponse:
    """Send it back."""
    return FileResponse(default_storage.open(_stored[-1]), as_attachment=True)


urlpatterns = [path("plain/upload/", upload), path("plain/download/", download), *_ours]
