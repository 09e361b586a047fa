"""Pieces that the parts of the OpenAPI document have in common."""

from typing import Any

from shared.problems import CONTENT_TYPE

FAULTS = {
    "400": "The body is no JSON, or the idempotency key cannot be used.",
    "401": "No function key, or no token that counts (a wrong key: by the host, without a body).",
    "403": "The token has not the role that this needs, or may not send as this sender.",
    "404": "No such message.",
    "409": "The idempotency key stands for another message.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "422": "It is refused: each fault with its field and fix.",
    "503": "Storage does not answer; nothing was lost, repeat the request.",
}


IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key with the same body is accepted once.",
    "schema": {"type": "string", "maxLength": 200},
}
ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}


def refusals(*statuses: str, **texts: str) -> dict[str, Any]:
    """Problem answers; `texts` by `s` and a status, where a path has a meaning of its own."""
    return {
        status: response(texts.get(f"s{status}", FAULTS[status]), "Problem", CONTENT_TYPE)
        for status in statuses
    }


def content(schema: str, content_type: str = "application/json") -> dict[str, Any]:
    return {content_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def response(
    description: str, schema: str, content_type: str = "application/json"
) -> dict[str, Any]:
    return {"description": description, "content": content(schema, content_type)}
