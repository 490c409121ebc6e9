"""How the API describes itself in OpenAPI: its security, and the problems that each operation may answer with."""

from typing import Any, Final, Literal

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers

__all__ = ["PROBLEM_TYPE", "ApiSchema", "ProblemSerializer"]

PROBLEM_TYPE: Final = "application/problem+json"
#: What any request may meet: it can't be read, the token is bad, isn't good for this, or is used too much.
_ALWAYS: Final = (400, 401, 403, 406, 429)
_WITH_BODY: Final = (409, 413, 415)
_WITH_ADDRESS: Final = (404,)
_WRITING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class ProblemSerializer(serializers.Serializer):
    """Be an error (RFC 9457)."""

    title = serializers.CharField(help_text="What kind of problem it is: the phrase of its status.")
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What went wrong, for people.")
    code = serializers.CharField(help_text="What went wrong, for programs; it doesn't change.")
    message = serializers.CharField(help_text="The same as detail.")
    fields = serializers.DictField(
        required=False, help_text="More about it, by its code: problems with their paths, for example."
    )


class ApiSchema(AutoSchema):
    """Describe an operation; name further problems in the view's `problem_statuses`, by method."""

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        statuses = {*_ALWAYS, *getattr(self.view, "problem_statuses", {}).get(self.method, ())}
        if self.method in _WRITING:
            statuses |= set(_WITH_BODY)
        if "{" in self.path or "cursor" in {parameter["name"] for parameter in self._get_parameters()}:
            statuses |= set(_WITH_ADDRESS)
        for status in sorted(statuses - {int(code) for code in bodies if code.isdigit()}):
            bodies[str(status)] = self._get_response_for_code(ProblemSerializer, str(status), [PROBLEM_TYPE])
        return bodies


class _Security(OpenApiAuthenticationExtension):
    target_class = "tasks.api.base.RequestAuthentication"
    name = ["token", "session"]

    def get_security_requirement(self, auto_schema: AutoSchema) -> Any:
        """Say that either of them will do."""
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: AutoSchema) -> Any:
        """Return the two ways in."""
        return [
            {"type": "http", "scheme": "bearer", "description": "An API token (docs/api_tokens.md)."},
            {
                "type": "apiKey",
                "in": "cookie",
                "name": "sessionid",
                "description": "The session of a page of this site.",
            },
        ]
