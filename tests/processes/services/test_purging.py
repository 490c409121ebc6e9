"""What has expired is deleted, and nothing else."""

from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from processes.models import DataNode, StoredFile
from processes.services.access import Caller
from processes.services.files import store_file
from processes.services.purging import Purged, purge_expired

pytestmark = pytest.mark.django_db(transaction=True)


def test_expired_data_nodes_go_and_others_stay() -> None:
    now = timezone.now()
    old = DataNode.objects.create(expires_at=now - timedelta(seconds=1))
    young = DataNode.objects.create(expires_at=now + timedelta(hours=1))
    kept = DataNode.objects.create(expires_at=None)
    assert purge_expired() == Purged(data_nodes=1, files=0, grants=0)
    assert not DataNode.objects.filter(pk=old.pk).exists()
    assert set(DataNode.objects.values_list("pk", flat=True)) == {young.pk, kept.pk}


def test_an_expired_file_goes_with_its_content() -> None:
    info = store_file(content=b"a,b\n", name="a.csv", caller=Caller(session_key="s"))
    stored = StoredFile.objects.get(pk=info["id"])
    path = stored.file.name
    assert default_storage.exists(path)
    StoredFile.objects.filter(pk=stored.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert purge_expired() == Purged(data_nodes=0, files=1, grants=0)
    assert not default_storage.exists(path)
    assert not StoredFile.objects.exists()
