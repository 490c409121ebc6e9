"""Register task scripts, `@task_script("import_rows", config=ImportConfig)`, and querysets, `@queryset("teams")`."""

from processes.registry.querysets import QuerysetRegistry, queryset, querysets
from processes.registry.roles import RoleRegistry, RoleSpec, role, roles
from processes.registry.scripts import ScriptRegistry, scripts, task_script

__all__ = [
    "QuerysetRegistry",
    "RoleRegistry",
    "RoleSpec",
    "ScriptRegistry",
    "queryset",
    "querysets",
    "role",
    "roles",
    "scripts",
    "task_script",
]
