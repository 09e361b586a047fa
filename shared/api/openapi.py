"""`/api/openapi.json`: OpenAPI 3.1, made from the models that validate and answer."""

from typing import Any

from pydantic.json_schema import models_json_schema

from shared.api import delivery_test_paths, digest_paths, suppression_paths, template_paths
from shared.api.batches import BatchView
from shared.api.delivery_tests import DeliveryTestRequest
from shared.api.descriptions import refusals
from shared.api.doctor import DoctorView
from shared.api.examples import HEALTH_SCHEMA, PROBLEM_SCHEMA
from shared.api.held import HeldView
from shared.api.link_paths import describe_links
from shared.api.links import LinksView, LinkView
from shared.api.lint import Draft, LintView
from shared.api.message_paths import batch_schemas, describe_messages
from shared.api.operation_paths import (
    describe_held,
    describe_lint,
    describe_operations,
    describe_returned_mail,
)
from shared.api.operations import ReplayView
from shared.api.requests import (
    RefuseRequest,
    ReleaseRequest,
    ReplayRequest,
    ResolveRequest,
)
from shared.api.returned import ReturnedMailPage
from shared.api.unsubscribe_paths import describe_unsubscribing
from shared.api.views import AcceptedView, MessageView
from shared.api.watching_paths import describe_health, describe_quota
from shared.callers.roles import ROLES
from shared.messages.model import Message

VERSION = "0.1.0"


def describe_api() -> dict[str, Any]:
    """The OpenAPI document as a value."""
    schemas = {**_definitions(), "Problem": PROBLEM_SCHEMA, "Health": HEALTH_SCHEMA}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Mailroom",
            "version": VERSION,
            "summary": "Application mail through the organisation's own Office 365 mailboxes.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/api"}],
        "security": [{"functionKey": []}, {"entra": []}],
        "paths": _guarded(_paths()),
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "functionKey": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "x-functions-key",
                    "description": "Where MAILROOM_API_AUTH is `keys`.",
                },
                "entra": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "Where MAILROOM_API_AUTH is `entra`: a token of Entra ID for "
                    "api://<MAILROOM_API_CLIENT_ID>/.default, with the role Mail.Send or "
                    "Mail.Admin (docs/security.md).",
                },
            },
        },
    }


def _definitions() -> dict[str, Any]:
    """The schemas of what is sent and answered."""
    _, definitions = models_json_schema(
        [
            (Message, "validation"),
            (ResolveRequest, "validation"),
            (ReplayRequest, "validation"),
            (Draft, "validation"),
            (AcceptedView, "serialization"),
            (MessageView, "serialization"),
            (BatchView, "serialization"),
            (ReplayView, "serialization"),
            (LintView, "serialization"),
            (LinkView, "serialization"),
            (LinksView, "serialization"),
            (ReleaseRequest, "validation"),
            (RefuseRequest, "validation"),
            (HeldView, "serialization"),
            *((model, "validation") for model in suppression_paths.REQUESTS),
            *((model, "serialization") for model in suppression_paths.ANSWERS),
            *((model, "validation") for model in digest_paths.REQUESTS),
            *((model, "serialization") for model in digest_paths.ANSWERS),
            (DeliveryTestRequest, "validation"),
            *((model, "serialization") for model in delivery_test_paths.ANSWERS),
            *((model, "validation") for model in template_paths.REQUESTS),
            *((model, "serialization") for model in template_paths.ANSWERS),
            (DoctorView, "serialization"),
            (ReturnedMailPage, "serialization"),
        ],
        ref_template="#/components/schemas/{model}",
    )
    found: dict[str, Any] = definitions["$defs"]
    return {**found, **batch_schemas(found["Message"])}


def _guarded(paths: dict[str, Any]) -> dict[str, Any]:
    """With who may call each operation that does not say that anybody may."""
    for path, methods in paths.items():
        for method, operation in methods.items():
            if "security" in operation:
                continue
            role = ROLES[method.upper(), path.removeprefix("/")]
            operation["security"] = [{"functionKey": []}, {"entra": [role]}]
            operation["responses"] |= refusals("401", "403")
    return paths


def _paths() -> dict[str, Any]:
    return {
        **describe_messages(),
        **describe_operations(),
        **describe_quota(),
        "/lint": describe_lint(),
        **describe_links(),
        **describe_unsubscribing(),
        **describe_held(),
        **template_paths.describe_templates(),
        **suppression_paths.describe_suppressions(),
        **digest_paths.describe_digests(),
        **describe_returned_mail(),
        **delivery_test_paths.describe_delivery_tests(),
        **describe_health(),
    }
