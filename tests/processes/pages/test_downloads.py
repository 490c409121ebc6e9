"""A stored file goes to its owner only, and never as a page of this site."""

from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission, User
from django.test import Client

from processes.pages.downloads import file_response
from processes.services.access import Caller
from processes.services.files import file_url, find_file, store_file
from tests.processes.pages.browsing import main_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return User.objects.create_user("owner")


def stored_for(caller: Caller, **options):
    return store_file(
        **{"content": b"<script>", "name": "page.html", "content_type": "text/html", **options}, caller=caller
    )


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_owner_gets_the_file_with_headers_that_keep_it_harmless(owner: User) -> None:
    response = signed_in(owner).get(file_url(stored_for(Caller(user_id=owner.pk), name='a "b" é.html')))
    assert b"".join(response.streaming_content) == b"<script>"
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"].startswith("sandbox")
    response.close()


def test_everybody_else_sees_a_page_as_if_there_were_no_such_file(owner: User, client: Client) -> None:
    url = file_url(stored_for(Caller(user_id=owner.pk)))
    other = signed_in(User.objects.create_user("other"))
    staff = signed_in(User.objects.create_user("clerk", is_staff=True))
    for visitor in (client, other, staff):
        missing = visitor.get(f"/files/{uuid4()}/")
        refused = visitor.get(url)
        assert refused.status_code == missing.status_code == 404
        assert main_of(refused) == main_of(missing)


def test_staff_with_the_permission_get_every_file(owner: User) -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_storedfile"))
    response = signed_in(clerk).get(file_url(stored_for(Caller(user_id=owner.pk))))
    assert response.status_code == 200
    response.close()


def test_the_session_of_somebody_not_signed_in_owns_its_files(client: Client) -> None:
    session = client.session
    session.save()
    client.cookies["sessionid"] = session.session_key
    url = file_url(stored_for(Caller(session_key=session.session_key)))
    response = client.get(url)
    assert response.status_code == 200
    response.close()
    assert Client().get(url).status_code == 404


def test_under_asgi_the_file_is_read_in_chunks(owner: User) -> None:
    async def received() -> list[bytes]:
        return [chunk async for chunk in response]

    size = 300_000
    info = stored_for(Caller(user_id=owner.pk), content=b"x" * size, content_type="text/csv")
    response = file_response(find_file(info))
    chunks = async_to_sync(received)()
    response.close()
    assert sum(map(len, chunks)) == size
    assert max(map(len, chunks)) <= response.block_size
    assert response.headers["Content-Type"] == "text/csv"
