from django.db import migrations

from tasks.models.clustering import ClusterByKey


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0012_names'),
    ]

    operations = [
        ClusterByKey('node', key=('root', 'id'), instead_of=('tasks_node_root',)),
    ]
