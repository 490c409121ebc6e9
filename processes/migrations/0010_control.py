from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('processes', '0009_callbacks'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='run',
            options={
                'ordering': ('-created_at',),
                'permissions': (('control_run', 'Can control runs, and see and edit their data'),),
            },
        ),
        migrations.AddField(model_name='run', name='paused', field=models.JSONField(null=True)),
        migrations.AddField(model_name='inboxitem', name='result', field=models.JSONField(null=True)),
        migrations.CreateModel(
            name='RunAnswer',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('method', models.CharField(max_length=10)),
                ('url', models.TextField()),
                ('answer', models.JSONField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('run', models.ForeignKey(db_index=False, on_delete=models.CASCADE, related_name='answers', to='processes.run')),
            ],
            options={'indexes': [models.Index(fields=['run', 'id'], name='processes_run_answer')]},
        ),
    ]
