"""Where the steps of a tree are to be found; those of older releases stay where they are."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Make room."""

    dependencies = (("tasks", "0010_clustered_log"),)

    operations = (
        migrations.AddField("taskroot", "steps_seq", models.BigIntegerField(blank=True, null=True)),
        migrations.AddField("taskroot", "step_count", models.PositiveIntegerField(db_default=0, default=0)),
    )
