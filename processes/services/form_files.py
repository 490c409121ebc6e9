"""Files that a form shows to those who may answer it, though they belong to somebody else's run."""

import uuid

from django.db.models import Q

from processes.models import FileHolder, StoredFile
from processes.services.file_ownership import file_ids
from processes.services.form_answers import typed_by
from processes.services.form_fields import FILE_TYPES
from processes.services.run_forms import Visitor, forms_for
from processes.services.stored_data import StoredData

__all__ = ["find_shown_file"]

#: In so many of the forms that wait for somebody it is looked for a file.
_MOST_FORMS = 20


def find_shown_file(file_id: uuid.UUID, *, visitor: Visitor) -> StoredFile | None:
    """Return a file that a field of a form shows which waits for this visitor, None for any other.

    So whoever is to approve something can read what is enclosed, for as long as they are asked.
    """
    if visitor.is_nobody:
        return None
    stored = StoredFile.objects.filter(pk=file_id, is_complete=True).first()
    if stored is None:
        return None
    runs = set(FileHolder.objects.filter(file=stored, run__isnull=False).values_list("run_id", flat=True))
    if stored.run_id is not None:
        runs.add(stored.run_id)
    # A child run may show what it has got from the run that has started it.
    forms = forms_for(visitor).filter(Q(run__in=runs) | Q(run__lent_to__in=runs))
    for form in forms[:_MOST_FORMS]:
        fields = [str(field.get("name")) for field in form.config.get("fields", ()) if field.get("type") in FILE_TYPES]
        data = StoredData.load(form.run_id)[1]
        shown = [data.get(name) for name in fields]
        if stored.pk in file_ids([*shown, dict(typed_by(form, visitor))]):
            return stored
    return None
