"""The part of the OpenAPI document that is about one message, and the shape of a batch."""

from typing import Any

from shared.api.descriptions import ID, IDEMPOTENCY_KEY, content, refusals, response
from shared.api.examples import EXAMPLES
from shared.messages.batch import MAX_MESSAGES


def describe_messages() -> dict[str, Any]:
    """The paths of sending a message, looking at it and cancelling it."""
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
    }


def batch_schemas(message: dict[str, Any]) -> dict[str, Any]:
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
