"""What `/api/openapi.json` says of the links to unsubscribe."""

from typing import Any

_TOKEN = {
    "name": "token", "in": "path", "required": True, "schema": {"type": "string"},
    "description": "From the mail. It works for ever, and does not show whom it names.",
}  # fmt: skip
_PAGE = {"text/html": {"schema": {"type": "string"}}}
_FIELDS = {
    "List-Unsubscribe": {"const": "One-Click"},
    "do": {"enum": ["leave", "save", "leave-all", "return", "pause", "resume", "undo"]},
}
_FORM = {"schema": {"type": "object", "properties": _FIELDS}}


def describe_unsubscribing() -> dict[str, Any]:
    """The path of recipients and their mail providers."""
    refused = {
        "404": _page("No link of this Mailroom's, whatever is wrong with it."),
        "503": _page("Not available for now; the request may be repeated."),
    }
    show = {
        "operationId": "showPreferences",
        "summary": "A recipient's preference page; it changes nothing, however often it is fetched",
        "security": [],
        "parameters": [_TOKEN],
        "responses": {"200": _page("The page, with buttons that post."), **refused},
    }
    change = {
        "operationId": "unsubscribe",
        "summary": "Unsubscribe by one click (RFC 8058), or by the page's buttons",
        "security": [],
        "parameters": [_TOKEN],
        "requestBody": {
            "required": True,
            "content": {"application/x-www-form-urlencoded": _FORM, "multipart/form-data": _FORM},
        },
        "responses": {
            "200": {
                "description": "Done, from now on: a line of text for one click, else a page.",
                "content": {**_PAGE, "text/plain": {"schema": {"type": "string"}}},
            },
            "400": _page("A form that is none of the page's; nothing was changed."),
            "429": _page("More than 30 changes by this link in an hour."),
            **refused,
        },
    }
    return {"/unsubscribe/{token}": {"get": show, "post": change}}


def _page(description: str) -> dict[str, Any]:
    return {"description": description, "content": _PAGE}
