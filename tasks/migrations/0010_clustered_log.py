from django.db import migrations

from tasks.models.clustering import ClusterByPrimaryKey


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0009_cancel_reason'),
    ]

    operations = [
        ClusterByPrimaryKey('update'),
    ]
