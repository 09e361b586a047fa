"""What `/api/openapi.json` says of secure links."""

from typing import Any

from shared.api.links import MOST_LINKS
from shared.problems import CONTENT_TYPE

_TOKEN = {
    "name": "token", "in": "path", "required": True, "schema": {"type": "string"},
    "description": "From the mail; it opens the page, and tells nothing else.",
}  # fmt: skip
_LINK_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
_PAGE = {"text/html": {"schema": {"type": "string"}}}
_FORM = {
    "application/x-www-form-urlencoded": {
        "schema": {"type": "object", "properties": {"code": {"type": "string"}}}
    }
}


def describe_links() -> dict[str, Any]:
    """The paths of recipients and of operators."""
    return {"/files/{token}": _file(), "/links": {"get": _list()}, "/links/{id}": _one()}


def _file() -> dict[str, Any]:
    why = {
        "403": _page("A code that is not right, or too many of them."),
        "404": _page("No such link."),
        "410": _page("It has expired, is used up, or was revoked."),
        "503": _page("Not available for now."),
    }
    octets = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    return {
        "get": {
            "operationId": "showFile",
            "summary": "The page of a secure link, for recipients; it uses nothing up",
            "security": [],
            "parameters": [_TOKEN],
            "responses": {"200": _page("The page, with a button that posts."), **why},
        },
        "post": {
            "operationId": "fetchFile",
            "summary": "The file, as the page's button fetches it",
            "security": [],
            "parameters": [_TOKEN],
            "requestBody": {"required": False, "content": _FORM},
            "responses": {
                "200": {"description": "The file, as a download.", "content": octets}, **why,
            },
        },
    }  # fmt: skip


def _list() -> dict[str, Any]:
    return {
        "operationId": "listLinks",
        "summary": "Secure links, newest first",
        "parameters": [
            _query("message", "Only those of this message.", {"type": "string"}),
            _query(
                "limit", "How many at most.",
                {"type": "integer", "minimum": 1, "maximum": MOST_LINKS, "default": 50},
            ),
            _query("cursor", "That of the page before.", {"type": "string"}),
        ],
        "responses": {
            "200": _answer("A page of links.", "LinksView"),
            "400": _problem("The query cannot be read."),
            "503": _problem("Storage does not answer."),
        },
    }  # fmt: skip


def _one() -> dict[str, Any]:
    return {
        "delete": {
            "operationId": "revokeLink",
            "summary": "Revoke a secure link, for good",
            "parameters": [_LINK_ID],
            "responses": {
                "200": _answer("The link; its status is revoked.", "LinkView"),
                "404": _problem("No such link."),
                "503": _problem("Storage does not answer."),
            },
        }
    }


def _page(description: str) -> dict[str, Any]:
    return {"description": description, "content": _PAGE}


def _query(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _answer(description: str, schema: str) -> dict[str, Any]:
    return _described(description, schema, "application/json")


def _problem(description: str) -> dict[str, Any]:
    return _described(description, "Problem", CONTENT_TYPE)


def _described(description: str, schema: str, content_type: str) -> dict[str, Any]:
    content = {content_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}
