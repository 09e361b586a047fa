"""`/api/openapi.json`: OpenAPI 3.1, made from the models that validate and answer."""

from typing import Any

from pydantic.json_schema import models_json_schema

from shared.api import delivery_test_paths, digest_paths, suppression_paths, template_paths
from shared.api.batches import BatchView
from shared.api.delivery_tests import DeliveryTestRequest
from shared.api.descriptions import ID, IDEMPOTENCY_KEY, content, refusals, response
from shared.api.doctor import DoctorView
from shared.api.examples import EXAMPLES, HEALTH_SCHEMA, PROBLEM_SCHEMA
from shared.api.held import HeldView
from shared.api.link_paths import describe_links
from shared.api.links import LinksView, LinkView
from shared.api.lint import Draft, LintView
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
from shared.callers.roles import ROLES
from shared.messages.batch import MAX_MESSAGES
from shared.messages.model import Message

VERSION = "0.1.0"


def describe_api() -> dict[str, Any]:
    """The OpenAPI document as a value."""
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
    schemas = {
        **definitions["$defs"],
        **_batch_schemas(definitions["$defs"]["Message"]),
        "Problem": PROBLEM_SCHEMA,
        "Health": HEALTH_SCHEMA,
    }
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


def _batch_schemas(message: dict[str, Any]) -> dict[str, Any]:
    """A batch, and the fields of a message none of which is required by itself."""
    fields = {**message, "title": "MessageFields", "required": []}
    fields["properties"] = {n: v for n, v in message["properties"].items() if n != "id"}
    fields["description"] = "Fields of a message: its own, or those that a batch shares."
    some = {"$ref": "#/components/schemas/MessageFields"}
    batch = {
        "title": "Batch",
        "description": "Each message has the shared fields and its own; its own win.",
        "type": "object",
        "additionalProperties": False,
        "required": ["messages"],
        "properties": {
            "mode": {
                "enum": ["strict", "permissive"],
                "default": "strict",
                "description": "strict: one invalid message refuses all. permissive: the valid "
                "ones are taken, the others' faults listed.",
            },
            "shared": some,
            "messages": {"type": "array", "minItems": 1, "maxItems": MAX_MESSAGES, "items": some},
        },
    }
    return {"MessageFields": fields, "Batch": batch}


def _paths() -> dict[str, Any]:
    refused = refusals("400", "409", "413", "415", "422", "503")
    accepted = response(
        "Accepted: it will be sent, but to those recipients who are suppressed.", "AcceptedView"
    )
    accepted["headers"] = {
        "Location": {"description": "The status URL.", "schema": {"type": "string"}},
        "Idempotency-Replayed": {
            "description": "`true` where the message had been accepted before.",
            "schema": {"type": "string"},
        },
    }
    message = content("Message")
    message["application/json"]["examples"] = EXAMPLES
    return {
        "/messages": {
            "post": {
                "operationId": "postMessage",
                "summary": "Send a message",
                "parameters": [IDEMPOTENCY_KEY],
                "requestBody": {"required": True, "content": message},
                "responses": {"202": accepted, **refused},
            }
        },
        "/messages/{id}": {
            "get": {
                "operationId": "getMessage",
                "summary": "A message's status, its recipients' and its timeline",
                "parameters": [ID],
                "responses": {
                    "200": response("The message.", "MessageView"),
                    **refusals("404", "503"),
                },
            },
            "delete": {
                "operationId": "cancelMessage",
                "summary": "Cancel a message, until the moment it is being sent",
                "parameters": [ID],
                "responses": {
                    "200": response("The message; its status is cancelled.", "MessageView"),
                    **refusals(
                        "404", "409", "503", s409="It is being sent, or has ended otherwise."
                    ),
                },
            },
        },
        **describe_operations(),
        "/quota": {
            "get": {
                "operationId": "getQuota",
                "summary": "What mailboxes and tenant may still send, and what is set aside",
                "responses": {
                    "200": {
                        "description": "Headroom by mailbox, and the tenant's.",
                        "content": {"application/json": {"schema": {"type": "object"}}},
                    },
                    **refusals("503"),
                },
            }
        },
        "/service-changes": {
            "get": {
                "operationId": "listServiceChanges",
                "summary": "What has changed at the submission service",
                "description": "Found by the daily look: capabilities, certificates, reply texts, "
                "tokens. The last 100, newest first, each a CloudEvents 1.0 object of type "
                "mailroom.service.changed whose data has fact, old, new, meaning and alert.",
                "responses": {
                    "200": {
                        "description": "The changes.",
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "object",
                                    "required": ["changes"],
                                    "properties": {
                                        "changes": {
                                            "type": "array",
                                            "items": {"type": "object"},
                                        }
                                    },
                                }
                            }
                        },
                    },
                    **refusals("503"),
                },
            }
        },
        "/lint": describe_lint(),
        **describe_links(),
        **describe_unsubscribing(),
        **describe_held(),
        **template_paths.describe_templates(),
        **suppression_paths.describe_suppressions(),
        **digest_paths.describe_digests(),
        **describe_returned_mail(),
        **delivery_test_paths.describe_delivery_tests(),
        "/doctor": {
            "get": {
                "operationId": "getDoctor",
                "summary": "Examine what Mailroom needs: findings with their cause and fix",
                "responses": {"200": response("What was found, good and bad.", "DoctorView")},
            }
        },
        "/health": {
            "get": {
                "operationId": "getHealth",
                "summary": "Whether the app is alive",
                "security": [],
                "responses": {"200": response("It is.", "Health")},
            }
        },
        "/health/dependencies": {
            "get": {
                "operationId": "getDependencies",
                "summary": "Each dependency, with its latency",
                "responses": {
                    "200": response("All of them answer.", "Health"),
                    "503": response("One or more do not.", "Health"),
                },
            }
        },
        "/openapi.json": {
            "get": {
                "operationId": "getOpenApi",
                "summary": "This document",
                "security": [],
                "responses": {"200": {"description": "OpenAPI 3.1"}},
            }
        },
    }
