"""The steps of a tree are in its log alone."""

from django.db import migrations


class Migration(migrations.Migration):
    """Drop the column that held them."""

    dependencies = (("tasks", "0012_steps_in_log"),)

    operations = (migrations.RemoveField("taskroot", "steps"),)
