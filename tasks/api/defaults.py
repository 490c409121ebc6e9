"""What a site's settings say of the API's description: import both names there, and change what you like."""

from typing import Any, Final

__all__ = ["REST_FRAMEWORK", "SPECTACULAR_SETTINGS"]

REST_FRAMEWORK: Final[dict[str, Any]] = {"DEFAULT_SCHEMA_CLASS": "tasks.api.schema.ApiSchema"}

SPECTACULAR_SETTINGS: Final[dict[str, Any]] = {
    "TITLE": "Stepline",
    "DESCRIPTION": "Processes, their runs and instances, jobs and tasks.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api/",
    # Everything the page needs comes from this site.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # What is described depends on who asks.
    "SERVE_PUBLIC": False,
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "tasks.api.described.add_what_streams",
        "tasks.api.described.add_functions",
    ],
}
