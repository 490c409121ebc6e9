"""Background runs in the admin: to find, to look into, and to control.

`listing` is the list with the run's page, `page` what that shows besides the fields, `deeds` the pages of what can be
done with one run (a module each in `deeds/`), `bulk` what can be done with many, `words` how it is all said.
"""

from processes.admin.runs.listing import RunAdmin

__all__ = ["RunAdmin"]
