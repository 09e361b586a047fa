"""What `/api/openapi.json` says of delivery tests."""

from typing import Any

from shared.api.delivery_tests import DeliveryTestsQuery, DeliveryTestsView, DeliveryTestView
from shared.api.descriptions import ID, IDEMPOTENCY_KEY, content, refusals, response

ANSWERS = (DeliveryTestView, DeliveryTestsView)


def describe_delivery_tests() -> dict[str, Any]:
    """The paths by which a probe is sent, followed and compared."""
    query = DeliveryTestsQuery.model_json_schema()["properties"]
    parameters = [
        {
            "name": name,
            "in": "query",
            "description": schema.get("description", schema["title"]),
            "schema": {k: v for k, v in schema.items() if k not in {"description", "title"}},
        }
        for name, schema in query.items()
    ]
    post = {
        "operationId": "postDeliveryTest",
        "summary": "Send a probe the ordinary way, to see whether and how it arrives",
        "parameters": [IDEMPOTENCY_KEY],
        "requestBody": {"required": False, "content": content("DeliveryTestRequest")},
        "responses": {
            "202": response("Its probe is accepted.", "DeliveryTestView"),
            **refusals("400", "409", "413", "415", "422", "503"),
        },
    }
    page = {
        "operationId": "listDeliveryTests",
        "summary": "The trend: delivery tests, newest first",
        "parameters": parameters,
        "responses": {
            "200": response("A page of them.", "DeliveryTestsView"),
            **refusals("422", "503"),
        },
    }
    one = {
        "operationId": "getDeliveryTest",
        "summary": "A delivery test; while it is open, its mailbox is looked into",
        "parameters": [ID],
        "responses": {
            "200": response("The test.", "DeliveryTestView"),
            **refusals("404", "503", s404="No such test."),
        },
    }
    return {"/delivery-tests": {"post": post, "get": page}, "/delivery-tests/{id}": {"get": one}}
