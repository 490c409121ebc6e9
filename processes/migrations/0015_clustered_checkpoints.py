from django.db import migrations

from tasks.models.clustering import ClusterByPrimaryKey


class Migration(migrations.Migration):

    dependencies = [
        ('processes', '0014_data_of_instances'),
        ('tasks', '0010_clustered_log'),
    ]

    operations = [
        ClusterByPrimaryKey('checkpoint'),
    ]
