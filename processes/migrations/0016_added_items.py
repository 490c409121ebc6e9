from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('processes', '0015_clustered_checkpoints'),
    ]

    operations = [
        migrations.AddField(model_name='fanoutitem', name='added_by', field=models.IntegerField(null=True)),
    ]
