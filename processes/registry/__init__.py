"""Register task scripts, `@task_script("import_rows", config=ImportConfig)`, and querysets, `@queryset("teams")`."""

from processes.registry.querysets import QuerysetRegistry, queryset, querysets
from processes.registry.scripts import ScriptRegistry, scripts, task_script

__all__ = ["QuerysetRegistry", "ScriptRegistry", "queryset", "querysets", "scripts", "task_script"]
