"""The part of the OpenAPI document that is about what people do with messages and returned mail."""

from typing import Any

from shared.api.descriptions import ID, IDEMPOTENCY_KEY, content, refusals, response
from shared.api.requests import HeldQuery
from shared.api.returned import ReturnedMailQuery


def describe_operations() -> dict[str, Any]:
    """The paths of what people do about many messages, or about one that is there."""
    posted = ("400", "413", "415", "422", "503")
    return {
        "/messages/batch": {
            "post": {
                "operationId": "postBatch",
                "summary": "Send up to 500 messages that may share content",
                "parameters": [IDEMPOTENCY_KEY],
                "requestBody": {"required": True, "content": content("Batch")},
                "responses": {
                    "202": response("What became of each message.", "BatchView"),
                    **refusals(
                        *posted, "409", s409="The idempotency key stands for another batch.",
                        s422="No message is accepted: each fault with its field and fix.",
                        s503="Storage does not answer; `fix` names the key that completes the "
                        "batch.",
                    ),
                },
            }
        },
        "/messages/{id}/resolve": {
            "post": {
                "operationId": "resolveMessage",
                "summary": "Decide about a message of which nobody knows whether it was sent",
                "parameters": [ID],
                "requestBody": {"required": True, "content": content("ResolveRequest")},
                "responses": {
                    "200": response("The message.", "MessageView"),
                    **refusals(
                        *posted, "404", "409", s409="It is not unknown, or cannot be sent again."
                    ),
                },
            }
        },
        "/messages/replay": {
            "post": {
                "operationId": "replayMessages",
                "summary": "Find messages that failed, and send them on their way again",
                "requestBody": {"required": True, "content": content("ReplayRequest")},
                "responses": {
                    "200": response("A page of messages.", "ReplayView"),
                    **refusals(*posted),
                },
            }
        },
    }  # fmt: skip


def describe_returned_mail() -> dict[str, Any]:
    """The paths of returned mail that was kept."""
    fields = ReturnedMailQuery.model_json_schema()["properties"]
    return {
        "/returned-mail": {
            "get": {
                "operationId": "listReturnedMail",
                "summary": "Returned mail that could not be read, or that fits no message",
                "parameters": [
                    {"name": name, "in": "query", "schema": schema}
                    for name, schema in fields.items()
                ],
                "responses": {
                    "200": response("A page, newest first.", "ReturnedMailPage"),
                    **refusals("422", "503", s422="A parameter cannot be used."),
                },
            }
        },
        "/returned-mail/{id}": {
            "get": {
                "operationId": "getReturnedMail",
                "summary": "A returned mail as it was received",
                "parameters": [ID],
                "responses": {
                    "200": {
                        "description": "Its octets.",
                        "content": {
                            "message/rfc822": {"schema": {"type": "string", "format": "binary"}}
                        },
                    },
                    **refusals("404", "503", s404="No such mail is kept."),
                },
            }
        },
    }


def describe_held() -> dict[str, Any]:
    """The paths of held messages."""
    query = HeldQuery.model_json_schema(by_alias=True)["properties"]
    parameters = [
        {
            "name": name,
            "in": "query",
            "description": schema.get("description", schema["title"]),
            "schema": {k: v for k, v in schema.items() if k not in {"description", "title"}},
        }
        for name, schema in query.items()
    ]
    decided = refusals(
        "400", "404", "409", "413", "415", "422", "503",
        s409="It is decided otherwise, was never held, or what was found cannot be masked.",
    )  # fmt: skip
    decisions: dict[str, Any] = {
        f"/held/{{id}}/{name}": {
            "post": {
                "operationId": f"{name}Message",
                "summary": summary,
                "parameters": [ID],
                "requestBody": {"required": True, "content": content(schema)},
                "responses": {"200": response("The message.", "MessageView"), **decided},
            }
        }
        for name, summary, schema in (
            ("release", "Let a held message go, as it is or redacted", "ReleaseRequest"),
            ("refuse", "End a held message: it is not sent", "RefuseRequest"),
        )
    }
    page = {
        "operationId": "listHeld",
        "summary": "Messages that wait for somebody to release or refuse them",
        "parameters": parameters,
        "responses": {"200": response("A page of them.", "HeldView"), **refusals("422", "503")},
    }
    return {"/held": {"get": page}, **decisions}


def describe_lint() -> dict[str, Any]:
    """The path that checks a mail without sending it."""
    either = {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("Draft", "Message")]}
    return {
        "post": {
            "operationId": "postLint",
            "summary": "What readers and spam filters may have against a mail; nothing is sent",
            "requestBody": {"required": True, "content": {"application/json": {"schema": either}}},
            "responses": {
                "200": response("The findings.", "LintView"),
                **refusals("400", "413", "415", "422", s422="It is neither message nor draft."),
            },
        }
    }
