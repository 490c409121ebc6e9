"""Register task scripts, `@task_script("import_rows", config=ImportConfig)`, querysets and roles.

Those are `@queryset("teams")`, and `@role("manager")`.
"""

from processes.registry.querysets import QuerysetRegistry, queryset, querysets
from processes.registry.roles import HeldRoles, RoleRegistry, role, roles
from processes.registry.scripts import ScriptRegistry, scripts, task_script

__all__ = [
    "HeldRoles",
    "QuerysetRegistry",
    "RoleRegistry",
    "ScriptRegistry",
    "queryset",
    "querysets",
    "role",
    "roles",
    "scripts",
    "task_script",
]
