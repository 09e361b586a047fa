"""The OpenAPI document: whole, true to what is accepted, and to what is answered."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shared.api.openapi import describe_api
from shared.callers.roles import ROLES
from shared.messages.parsing import parse_message


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return describe_api()


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value."""
    if isinstance(value, dict):
        yield value
        for member in value.values():
            yield from walk(member)
    elif isinstance(value, list):
        for item in value:
            yield from walk(item)


def resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        target: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        schema = target
    return schema


def test_it_is_json_of_openapi_3_1(document: dict[str, Any]) -> None:
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["openapi"].startswith("3.1.")
    assert {"title", "version", "license"} <= set(document["info"])
    assert document["servers"] == [{"url": "/api"}]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = [value["$ref"] for value in walk(document) if "$ref" in value]
    assert len(references) > 10
    for reference in references:
        assert reference.startswith("#/components/schemas/")
        assert resolve(document, {"$ref": reference})


def test_no_schema_is_left_over(document: dict[str, Any]) -> None:
    used = {value["$ref"].rpartition("/")[2] for value in walk(document) if "$ref" in value}
    assert set(document["components"]["schemas"]) == used


def test_who_may_call_what_is_told(document: dict[str, Any]) -> None:
    told = {
        (method.upper(), path.removeprefix("/")): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    guarded = {place: operation for place, operation in told.items() if operation["security"]}
    assert guarded.keys() <= ROLES.keys()
    for place, operation in guarded.items():
        assert operation["security"] == [{"functionKey": []}, {"entra": [ROLES[place]]}]
        assert {"401", "403"} <= operation["responses"].keys()
    for place in told.keys() - guarded.keys():  # these are links: nobody signs in
        assert "401" not in told[place]["responses"], place


def test_operations_are_whole(document: dict[str, Any]) -> None:
    ids = set()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert method in {"get", "post", "put", "delete", "patch"}
            ids.add(operation["operationId"])
            assert operation["summary"]
            assert operation["responses"]
            for status, response in operation["responses"].items():
                assert 200 <= int(status) < 600
                assert response["description"]
            named = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
            assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}
            assert all(
                parameter["required"]
                for parameter in operation.get("parameters", ())
                if parameter["in"] == "path"
            )
    assert len(ids) == sum(len(item) for item in document["paths"].values())


def test_security_is_a_key_or_a_token_but_where_said(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    assert document["security"] == [{"functionKey": []}, {"entra": []}]
    assert schemes["entra"]["scheme"] == "bearer"
    assert schemes["functionKey"]["name"] == "x-functions-key"
    anonymous = [
        path
        for path, item in document["paths"].items()
        for operation in item.values()
        if operation.get("security") == []
    ]
    assert sorted(anonymous) == [
        "/files/{token}", "/files/{token}", "/health", "/openapi.json",
        "/unsubscribe/{token}", "/unsubscribe/{token}",
    ]  # fmt: skip


def test_refusals_are_problem_documents(document: dict[str, Any]) -> None:
    for path, item in document["paths"].items():
        # Recipients are people: what they open is a page, whatever becomes of it.
        kind = "text/html" if path.endswith("/{token}") else "application/problem+json"
        for operation in item.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400 and "Health" not in json.dumps(response):
                    assert list(response["content"]) == [kind]


def test_the_message_s_schema_names_the_fields_of_json(document: dict[str, Any]) -> None:
    message = document["components"]["schemas"]["Message"]
    assert "from" in message["properties"]
    assert "sender" not in message["properties"]
    assert message["required"] == ["from"]
    assert message["additionalProperties"] is False
    content = document["components"]["schemas"]["Attachment"]["properties"]["content"]
    assert content["anyOf"][0]["contentEncoding"] == "base64"
    assert message["properties"]["subject"]["maxLength"] == 500
    assert message["properties"]["to"]["maxItems"] == 1000
    send_at = message["properties"]["send_at"]["anyOf"]
    assert {"type": "string", "format": "date-time"} in send_at


def test_examples_are_accepted_as_what_they_are_examples_of(document: dict[str, Any]) -> None:
    examples = 0
    for schema in document["components"]["schemas"].values():
        for name, field in schema.get("properties", {}).items():
            for example in field.get("examples", ()):
                examples += 1
                if (schema["title"], name) == ("FindingView", "where"):
                    continue
                if name in {"start", "end", "recurrence_id"}:
                    assert schema["title"] == "Event"
                    continue
                assert name == "email"
                assert schema["title"] in {"Address", "Attendee", "Recipient"}
                whole = {"from": {"email": example}, "to": [{"email": example}],
                         "subject": "x", "text": "x"}  # fmt: skip
                assert parse_message(json.dumps(whole).encode()).sender.email == example
    assert examples
    post = document["paths"]["/messages"]["post"]["requestBody"]["content"]["application/json"]
    for example in post["examples"].values():
        parse_message(json.dumps(example["value"]).encode())


def test_views_are_described_as_they_are_answered(document: dict[str, Any]) -> None:
    view = document["components"]["schemas"]["MessageView"]
    assert "from" in view["properties"]
    assert {"id", "status", "recipients", "timeline"} <= set(view["properties"])
    accepted = document["components"]["schemas"]["AcceptedView"]
    assert set(accepted["required"]) == {"id", "status", "status_url"}
