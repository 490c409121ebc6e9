"""Django middleware: what a request reports belongs to its client; and programs come in by a token."""

from tasks.middleware.api_tokens import ApiTokenMiddleware
from tasks.middleware.requests import HEADER, RequestTaskMiddleware

__all__ = ["HEADER", "ApiTokenMiddleware", "RequestTaskMiddleware"]
