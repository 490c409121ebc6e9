"""The nodes of a root lie together, under a key that begins with it: one index instead of three.

Django changes no table's key into one of several columns: another table takes the rows, and then the name.
"""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import tasks.models.root
from tasks.domain.statuses import NodeStatus
from tasks.models.clustering import ClusterByPrimaryKey


def copy(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Take the rows over."""
    _copy(apps, editor, source="Node", target="NodeOfRoot")


def copy_back(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Give them back."""
    _copy(apps, editor, source="NodeOfRoot", target="Node")


def _copy(apps: Apps, editor: BaseDatabaseSchemaEditor, *, source: str, target: str) -> None:
    old, new = apps.get_model("tasks", source), apps.get_model("tasks", target)
    quote = editor.quote_name
    columns = ", ".join(quote(field.column) for field in new._meta.local_concrete_fields if field.column)
    editor.execute(
        f"INSERT INTO {quote(new._meta.db_table)} ({columns})"  # noqa: S608 - names of tables and columns
        f" SELECT {columns} FROM {quote(old._meta.db_table)} ORDER BY root_id, id"
    )


class Migration(migrations.Migration):
    """Make the table anew."""

    dependencies = (("tasks", "0013_no_steps_in_root"),)

    operations = (
        migrations.CreateModel(
            "NodeOfRoot",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "root", "id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("id", models.UUIDField(default=tasks.models.root.new_id, editable=False)),
                ("parent_id", models.UUIDField(blank=True, null=True)),
                ("ordinal", models.IntegerField()),
                ("type", models.CharField(max_length=32)),
                ("title", models.CharField(max_length=200)),
                ("alias", models.CharField(blank=True, default="", max_length=200)),
                ("status", models.CharField(choices=[(s.value, s.value) for s in NodeStatus], max_length=16)),
                ("error", models.TextField(blank=True, default="")),
                ("current", models.FloatField(blank=True, null=True)),
                ("total", models.FloatField(blank=True, null=True)),
                ("message", models.TextField(blank=True, default="")),
                ("output", models.TextField(blank=True, default="")),
                ("meta", models.JSONField(blank=True, null=True)),
                ("attempt", models.IntegerField(default=1)),
                (
                    "root",
                    models.ForeignKey(
                        db_index=False, on_delete=models.CASCADE, related_name="nodes", to="tasks.taskroot"
                    ),
                ),
            ],
            options={"ordering": ("ordinal",)},
        ),
        migrations.RunPython(copy, copy_back),
        migrations.DeleteModel("Node"),
        migrations.RenameModel("NodeOfRoot", "Node"),
        ClusterByPrimaryKey("Node"),
    )
