"""What `/api/openapi.json` says of suppressions, topics, preferences and erasing."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import model_json_schema

from shared.api.descriptions import content, refusals, response
from shared.api.erasures import ErasureQuery, ErasureView
from shared.api.recipients import PreferencesRequest, PreferencesView
from shared.api.suppressions import (
    CURSOR,
    ExportQuery,
    ImportView,
    RemovalQuery,
    SuppressedAddressView,
    SuppressedPage,
    SuppressionRequest,
    SuppressionsQuery,
)
from shared.api.topics import TopicRequest, TopicsView, TopicView

REQUESTS: tuple[type[BaseModel], ...] = (SuppressionRequest, TopicRequest, PreferencesRequest)
ANSWERS: tuple[type[BaseModel], ...] = (
    SuppressedAddressView, SuppressedPage, ImportView, TopicView, TopicsView, PreferencesView,
    ErasureView,
)  # fmt: skip

_TEXT = {"type": "string"}
_FILE = {"text/csv": {"schema": _TEXT}}
_NO_QUERY = "A query parameter cannot be used."
_NO_CSV = "The body is not CSV in UTF-8 with a line of column names; nothing of it was stored."


def describe_suppressions() -> dict[str, Any]:
    """The paths."""
    return {
        **_suppression_paths(),
        "/topics": {"get": _operation("listTopics", "All topics", "TopicsView")},
        "/topics/{topic}": _topic(),
        "/preferences/{address}": _preferences(),
        "/addresses/{address}": {"delete": _erase()},
        "/erasures/{id}": {
            "get": _operation(
                "getErasure", "How far an erasure is", "ErasureView", path="id", faults=("404",)
            )
        },
    }


def _suppression_paths() -> dict[str, Any]:
    export = _operation(
        "exportSuppressions", "A page of suppressions as CSV, safe for spreadsheets",
        query=ExportQuery, faults=("422",), f422=_NO_QUERY,
    )  # fmt: skip
    export["responses"]["200"] = {
        "description": "One line a suppression; addresses that were erased are left out.",
        "headers": {
            CURSOR: {"description": "The next page's; missing after the last.", "schema": _TEXT}
        },
        "content": _FILE,
    }
    take = _operation(
        "importSuppressions", "Store lines of CSV, 5,000 at most; the same again change nothing",
        "ImportView", faults=("400", "413", "415"), f400=_NO_CSV, f415="The body is not CSV.",
    )  # fmt: skip
    take["requestBody"] = {"required": True, "content": _FILE}
    listing = _operation(
        "listSuppressions", "Suppressed addresses, in no particular order", "SuppressedPage",
        query=SuppressionsQuery, faults=("422",), f422=_NO_QUERY,
    )  # fmt: skip
    return {
        "/suppressions": {"get": listing},
        "/suppressions/export": {"get": export},
        "/suppressions/import": {"post": take},
        "/suppressions/{address}": _suppression(),
    }


def _suppression() -> dict[str, Any]:
    none = "Nothing is against sending to the address."
    put = _operation(
        "putSuppression", "Suppress an address, or one scope of it", "SuppressedAddressView",
        path="address", body="SuppressionRequest", faults=("400", "413", "415", "422"),
    )  # fmt: skip
    put["responses"]["201"] = response("It is suppressed from now on.", "SuppressedAddressView")
    return {
        "get": _operation(
            "getSuppression", "All that is against sending to an address", "SuppressedAddressView",
            path="address", faults=("404", "422"), f404=none, f422="It is no address.",
        ),
        "put": put,
        "delete": _operation(
            "deleteSuppression", "Send to an address again; who and why is kept",
            "SuppressedAddressView", path="address", query=RemovalQuery, faults=("404", "422"),
            f404=none, f422=_NO_QUERY,
        ),
    }  # fmt: skip


def _topic() -> dict[str, Any]:
    delete = _operation(
        "deleteTopic", "Forget a topic; what recipients chose stays", path="topic",
        faults=("404",), f404="No such topic.",
    )  # fmt: skip
    del delete["responses"]["200"]
    delete["responses"]["204"] = {"description": "It is forgotten."}
    return {
        "get": _operation(
            "getTopic", "A topic", "TopicView", path="topic", faults=("404",), f404="No such topic."
        ),
        "put": _operation(
            "putTopic", "Make or replace a topic; it counts everywhere in half a minute",
            "TopicView", path="topic", body="TopicRequest", faults=("400", "413", "415", "422"),
        ),
        "delete": delete,
    }  # fmt: skip


def _preferences() -> dict[str, Any]:
    return {
        "get": _operation(
            "getPreferences", "What a recipient wishes", "PreferencesView", path="address",
            faults=("422",), f422="It is no address.",
        ),
        "put": _operation(
            "putPreferences", "Change what a recipient wishes", "PreferencesView", path="address",
            body="PreferencesRequest", faults=("400", "413", "415", "422"),
        ),
    }  # fmt: skip


def _erase() -> dict[str, Any]:
    operation = _operation(
        "eraseAddress", "Erase what is known of an address; its suppressions hold", path="address",
        query=ErasureQuery, faults=("422",), f422=_NO_QUERY,
    )  # fmt: skip
    del operation["responses"]["200"]
    operation["responses"]["202"] = response("It is under way.", "ErasureView")
    return operation


def _operation(
    name: str,
    summary: str,
    schema: str = "Problem",
    *,
    path: str = "",
    query: type[BaseModel] | None = None,
    body: str = "",
    faults: tuple[str, ...] = (),
    **texts: str,
) -> dict[str, Any]:
    parameters = [{"name": path, "in": "path", "required": True, "schema": _TEXT}] if path else []
    if query is not None:
        parameters += _query(query)
    meanings = {f"s{name.removeprefix('f')}": text for name, text in texts.items()}
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": response("So it is.", schema),
            **refusals(*faults, "503", **meanings),
        },
    }
    if parameters:
        operation["parameters"] = parameters
    if body:
        operation["requestBody"] = {"required": True, "content": content(body)}
    return operation


def _query(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model_json_schema(model, by_alias=True)
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _resolved(value)}
        for name, value in schema["properties"].items()
    ]


def _resolved(value: dict[str, Any]) -> dict[str, Any]:
    return {key: part for key, part in value.items() if key != "title"}
