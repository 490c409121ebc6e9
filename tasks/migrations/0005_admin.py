
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0004_jobs_trees_and_lists'),
    ]

    operations = [
        migrations.CreateModel(
            name='DeadLetter',
            fields=[
            ],
            options={
                'verbose_name': 'dead letter',
                'verbose_name_plural': 'dead letters',
                'ordering': ('-finished_at',),
                'proxy': True,
                'default_permissions': (),
                'indexes': [],
                'constraints': [],
            },
            bases=('tasks.job',),
        ),
    ]
