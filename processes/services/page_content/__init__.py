"""What process pages show: content in a sandbox, tables, links, downloads; described as JSON, drawn by templates."""

from processes.domain.urls import checked_url
from processes.services.page_content.actions import PageActions
from processes.services.page_content.kept import restore_response
from processes.services.page_content.parser import VARIABLES
from processes.services.page_content.parts import action_link, downloads_in, post_button, url_link
from processes.services.page_content.sandbox import Content, compile_content
from processes.services.page_content.tables import describe_table
from processes.services.page_content.values import Source

__all__ = [
    "VARIABLES",
    "Content",
    "PageActions",
    "Source",
    "action_link",
    "checked_url",
    "compile_content",
    "describe_table",
    "downloads_in",
    "post_button",
    "restore_response",
    "url_link",
]
