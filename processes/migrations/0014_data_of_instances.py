"""The Data of instances belongs to them, and not to their owners, with whom it would go."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

#: Rows that one statement changes: a large table isn't locked for long.
BATCH = 1_000


def let_go(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Take the owner off the Data of instances."""
    nodes = apps.get_model("processes", "DataNode").objects.using(editor.connection.alias)
    owned = nodes.filter(kind="context", owner__isnull=False).order_by("pk").values_list("pk", flat=True)
    while keys := list(owned[:BATCH]):
        nodes.filter(pk__in=keys).update(owner=None)


class Migration(migrations.Migration):
    """Mend rows that earlier releases have written."""

    # Each batch by itself: where it is broken off, it goes on with what is left.
    atomic = False

    dependencies = (("processes", "0013_instances"),)

    operations = (migrations.RunPython(let_go, migrations.RunPython.noop, elidable=True),)
