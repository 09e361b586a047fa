"""The part of the OpenAPI document that is about Mailroom itself: quotas, changes, health."""

from typing import Any

from shared.api.descriptions import refusals, response


def describe_quota() -> dict[str, Any]:
    """The path of quotas, and of what the daily look has found."""
    return {
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
    }


def describe_health() -> dict[str, Any]:
    """The paths that tell whether all is well, and of this document."""
    return {
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
