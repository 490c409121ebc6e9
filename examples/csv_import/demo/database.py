"""Count an import's rows in the database: `python -m examples.csv_import.demo.database <batch id>` prints JSON."""

import json
import sys
import uuid

import django
from django.apps import apps


def main(batch_id: uuid.UUID) -> None:
    """Print what the database holds of a batch, through the manager that pages use."""
    django.setup()
    # The models can be imported only now, after the setup, so that the registry is asked for them.
    rows = apps.get_model("csv_import", "ImportedRow").objects.filter(batch_id=batch_id).count()
    batch = apps.get_model("csv_import", "ImportBatch").objects.completed().filter(id=batch_id).first()
    found = {"rows": rows, "accepted": batch and batch.accepted, "rejected": batch and batch.rejected}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(uuid.UUID(sys.argv[1]))
