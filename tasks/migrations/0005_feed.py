"""Lists of everyone's tasks, and new tasks, are found by their age."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tasks", "0004_jobs_at_depth")]

    operations = [
        migrations.AddIndex(
            model_name="taskroot",
            index=models.Index(
                condition=models.Q(("request_scoped", False)), fields=["-created_at"], name="tasks_root_created"
            ),
        ),
    ]
