"""The part of the OpenAPI document that is about digests."""

from typing import Any

from pydantic import BaseModel

from shared.api.descriptions import IDEMPOTENCY_KEY, content, refusals, response
from shared.api.digests import (
    MOST_DIGESTS,
    DigestPreviewView,
    DigestsView,
    DigestView,
    ItemsView,
    RemovedView,
)
from shared.digests.definition import Definition
from shared.digests.item import MAX_ITEMS, Item

REQUESTS: tuple[type[BaseModel], ...] = (Definition, Item)
ANSWERS: tuple[type[BaseModel], ...] = (
    DigestView, DigestsView, ItemsView, RemovedView, DigestPreviewView,
)  # fmt: skip

_UNKNOWN = "No such digest."
_DIGEST = {"name": "digest", "in": "path", "required": True, "schema": {"type": "string"}}
_KEY = {"name": "key", "in": "path", "required": True, "schema": {"type": "string"}}


def describe_digests() -> dict[str, Any]:
    """The paths."""
    return {
        "/digests": {"get": _list()},
        "/digests/{digest}": {"put": _put(), "get": _get(), "delete": _delete()},
        "/digests/{digest}/items": {"post": _post_items()},
        "/digests/{digest}/items/{key}": {"delete": _delete_items()},
        "/digests/{digest}/preview": {"post": _preview()},
    }


def _list() -> dict[str, Any]:
    limit = {"type": "integer", "minimum": 1, "maximum": MOST_DIGESTS, "default": 50}
    return {
        "operationId": "listDigests",
        "summary": "Digests, by name",
        "parameters": [
            _query("limit", "How many at most.", limit),
            _query("cursor", "That of the page before.", {"type": "string"}),
        ],
        "responses": {
            "200": response("A page of digests.", "DigestsView"),
            **refusals("400", "503", s400="The query cannot be read."),
        },
    }


def _put() -> dict[str, Any]:
    why = "It is not in the state that If-Match or If-None-Match names."
    return {
        "operationId": "putDigest",
        "summary": "Define a digest, or change it",
        "parameters": [_DIGEST, _header("If-Match"), _header("If-None-Match")],
        "requestBody": {"required": True, "content": content("Definition")},
        "responses": {
            "200": response("It is changed.", "DigestView"),
            "201": response("It is new.", "DigestView"),
            "412": response(why, "Problem", "application/problem+json"),
            **refusals("400", "413", "415", "422", "503"),
        },
    }


def _get() -> dict[str, Any]:
    return {
        "operationId": "getDigest",
        "summary": "A digest's definition",
        "parameters": [_DIGEST],
        "responses": {
            "200": response("The digest.", "DigestView"),
            **refusals("404", "503", s404=_UNKNOWN),
        },
    }


def _delete() -> dict[str, Any]:
    what = "What becomes of pending items: they go when they are due, or are dropped."
    return {
        "operationId": "deleteDigest",
        "summary": "Delete a digest",
        "parameters": [
            _DIGEST, _query("pending", what, {"type": "string", "enum": ["send", "drop"]}),
        ],
        "responses": {
            "204": {"description": "It is deleted."},
            **refusals(
                "400", "404", "409", "503", s404=_UNKNOWN, s400="The query cannot be read.",
                s409="Items are pending, and the request does not say what becomes of them.",
            ),
        },
    }  # fmt: skip


def _post_items() -> dict[str, Any]:
    items = {
        "type": "object", "additionalProperties": False, "required": ["items"],
        "properties": {
            "items": {
                "type": "array", "minItems": 1, "maxItems": MAX_ITEMS,
                "items": {"$ref": "#/components/schemas/Item"},
            }
        },
    }  # fmt: skip
    return {
        "operationId": "postDigestItems",
        "summary": "Add items; the queue `digest-items` takes the same, with the `digest`'s name",
        "parameters": [_DIGEST, IDEMPOTENCY_KEY],
        "requestBody": {"required": True, "content": {"application/json": {"schema": items}}},
        "responses": {
            "202": response("They will be sent when they are due.", "ItemsView"),
            **refusals("400", "404", "413", "415", "422", "503", s404=_UNKNOWN),
        },
    }


def _delete_items() -> dict[str, Any]:
    return {
        "operationId": "deleteDigestItems",
        "summary": "Take items away by their key: they are not mailed",
        "parameters": [_DIGEST, _KEY, _recipient("Only of this one.", required=False)],
        "responses": {
            "200": response("How many there were.", "RemovedView"),
            **refusals(
                "400", "404", "503", s400="The query cannot be read.",
                s404="No such digest, or no item of this key is pending.",
            ),
        },
    }  # fmt: skip


def _preview() -> dict[str, Any]:
    return {
        "operationId": "previewDigest",
        "summary": "What a recipient would get now; nothing is sent",
        "parameters": [_DIGEST, _recipient("Whose mail to show.", required=True)],
        "responses": {
            "200": response("The mail.", "DigestPreviewView"),
            **refusals(
                "400", "404", "422", "503", s400="The query cannot be read.",
                s404="No such digest, or nothing is pending for the recipient.",
                s422="The template cannot be filled with these items.",
            ),
        },
    }  # fmt: skip


def _recipient(description: str, *, required: bool) -> dict[str, Any]:
    schema = {"type": "string", "format": "email"}
    return _query("recipient", description, schema) | {"required": required}


def _query(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _header(name: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "schema": {"type": "string"}}
