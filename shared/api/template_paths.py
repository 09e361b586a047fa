"""The part of the OpenAPI document that is about templates."""

from typing import Any

from pydantic import BaseModel

from shared.api.templates import (
    DifferenceView,
    PreviewRequest,
    PreviewView,
    TemplateFilesView,
    TemplateListView,
    TemplateRequest,
    TemplateView,
    VersionListView,
    VersionRequest,
)
from shared.problems import CONTENT_TYPE

REQUESTS: tuple[type[BaseModel], ...] = (TemplateRequest, VersionRequest, PreviewRequest)
ANSWERS: tuple[type[BaseModel], ...] = (
    TemplateView, TemplateFilesView, TemplateListView, VersionListView, DifferenceView, PreviewView,
)  # fmt: skip

_FAULTS = {
    "400": "The body is no JSON, or a query parameter cannot be used.",
    "404": "No such template, or no such version of it.",
    "409": "There is no such version to publish or to go back to.",
    "412": "The template is not in the state that If-Match or If-None-Match names.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "422": "It is refused: each fault with its place and fix.",
    "503": "Storage does not answer; repeat the request.",
}
_POSTED = ("400", "413", "415", "422")

_NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": "The ETag that the template must have.",
    "schema": {"type": "string"},
}
_LIMIT = {
    "name": "limit",
    "in": "query",
    "schema": {"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
}
_CURSOR = {
    "name": "cursor",
    "in": "query",
    "description": "That of the page before.",
    "schema": {"type": "string"},
}


def describe_templates() -> dict[str, Any]:
    """The paths."""
    return {
        "/templates": {
            "get": _operation(
                "listTemplates", "Templates, by name", "TemplateListView", "400", parameters=[
                    _LIMIT, _CURSOR,
                ],
            )
        },
        "/templates/{name}": {
            "get": _operation(
                "getTemplate", "A template and the files of a version", "TemplateFilesView", "404",
                parameters=[_NAME, _version("version", "Unless given, the newest in use.")],
            ),
            "put": _put(),
            "delete": {
                "operationId": "deleteTemplate",
                "summary": "Take a template out of use; its versions are kept",
                "parameters": [_NAME, _IF_MATCH],
                "responses": {"204": {"description": "Done."}, **_refusals("404", "412")},
            },
        },
        "/templates/{name}/publish": {
            "post": _operation(
                "publishTemplate", "Use the draft for new mail", "TemplateView", "404", "409",
                "412", *_POSTED, parameters=[_NAME, _IF_MATCH], body="VersionRequest",
            )
        },
        "/templates/{name}/rollback": {
            "post": _operation(
                "rollBackTemplate", "Use the previous version again", "TemplateView", "404", "409",
                "412", *_POSTED, parameters=[_NAME, _IF_MATCH], body="VersionRequest",
            )
        },
        "/templates/{name}/versions": {
            "get": _operation(
                "listTemplateVersions", "Versions, newest first", "VersionListView", "400", "404",
                parameters=[_NAME, _LIMIT, _CURSOR],
            )
        },
        "/templates/{name}/diff": {
            "get": _operation(
                "diffTemplate", "What differs between two versions", "DifferenceView", "404", "422",
                parameters=[
                    _NAME, _version("from", "Unless given, the published one."),
                    _version("to", "Unless given, the draft."),
                ],
            )
        },
        "/templates/{name}/preview": {
            "post": _operation(
                "previewTemplate", "A mail as a recipient would get it", "PreviewView", "404",
                *_POSTED, parameters=[_NAME], body="PreviewRequest",
            )
        },
    }  # fmt: skip


def _put() -> dict[str, Any]:
    fresh = {
        "name": "If-None-Match",
        "in": "header",
        "description": "`*`: the template must not exist yet.",
        "schema": {"type": "string"},
    }
    operation = _operation(
        "putTemplate", "Make files the draft of a template", "TemplateView", "412", *_POSTED,
        parameters=[_NAME, _IF_MATCH, fresh], body="TemplateRequest",
    )  # fmt: skip
    operation["requestBody"]["required"] = True
    operation["responses"]["201"] = _answer("The template, which is new.", "TemplateView")
    return operation


def _operation(
    name: str,
    summary: str,
    answer: str,
    *refusals: str,
    parameters: list[dict[str, Any]],
    body: str = "",
) -> dict[str, Any]:
    operation = {
        "operationId": name,
        "summary": summary,
        "parameters": parameters,
        "responses": {"200": _answer("As asked for.", answer), **_refusals(*refusals)},
    }
    if body:
        operation["requestBody"] = {"content": _content(body)}
    return operation


def _version(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "description": "A number, `stock`, `draft`, `published` or `previous`. " + description,
        "schema": {"type": "string"},
    }


def _refusals(*statuses: str) -> dict[str, Any]:
    return {
        status: _answer(_FAULTS[status], "Problem", CONTENT_TYPE)
        for status in sorted({*statuses, "503"})
    }


def _answer(description: str, schema: str, kind: str = "application/json") -> dict[str, Any]:
    return {"description": description, "content": _content(schema, kind)}


def _content(schema: str, kind: str = "application/json") -> dict[str, Any]:
    return {kind: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
