"""Route templates: what they match, what they refuse, which function gets a request."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.functions.bindings import BindingError, FunctionDefinition, HttpTrigger
from local.functions.routes import Routes, compile_route


def http(name: str, route: str, methods: frozenset[str] | None = None) -> FunctionDefinition:
    return FunctionDefinition(name, name, HttpTrigger("req", route, methods, "anonymous"))


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("messages", "api/messages", {}),
        ("messages", "api/MESSAGES", {}),
        ("messages", "api/messages/7", None),
        ("messages/{id}", "api/messages/7", {"id": "7"}),
        ("messages/{id}", "api/messages", None),
        ("messages/{id?}", "api/messages", {}),
        ("messages/{id=1}", "api/messages", {"id": "1"}),
        ("messages/{id:int=1}", "api/messages/2", {"id": "2"}),
        ("{a}/{b}", "api/x%20y/%2F", {"a": "x y", "b": "/"}),
        ("{*rest}", "api/a/b/c", {"rest": "a/b/c"}),
        ("files/{**rest}", "api/files", {}),
        ("{name}.{kind}", "api/report.final.pdf", {"name": "report.final", "kind": "pdf"}),
        ("v{major:int}-{minor}", "api/v1-2", {"major": "1", "minor": "2"}),
        ("{id:int}", "api/2147483648", None),
        ("{id:long}", "api/2147483648", {"id": "2147483648"}),
        ("{id:int:min(1):max(9)}", "api/10", None),
        ("{id:range(1,9)}", "api/9", {"id": "9"}),
        ("{id:length(2,3)}", "api/abcd", None),
        ("{id:length(4)}", "api/abcd", {"id": "abcd"}),
        ("{id:minlength(5)}", "api/abcd", None),
        ("{id:maxlength(4)?}", "api/abcd", {"id": "abcd"}),
        ("{flag:bool}", "api/TRUE", {"flag": "TRUE"}),
        ("{flag:bool}", "api/1", None),
        ("{name:alpha}", "api/ab1", None),
        (
            "{id:guid}",
            "api/11111111-1111-1111-1111-111111111111",
            {"id": "1" * 8 + "-1111" * 3 + "-" + "1" * 12},
        ),
        ("{id:guid}", "api/seven", None),
        ("{day:datetime}", "api/2026-11-23", {"day": "2026-11-23"}),
        ("{day:datetime}", "api/today", None),
        ("{n:decimal}", "api/1.5", {"n": "1.5"}),
        (r"{code:regex(^\d{{3}}$)}/x", "api/123/x", {"code": "123"}),
        (r"{code:regex(^\d{{3}}$)}/x", "api/12/x", None),
        ("{code:regex(^(a|b:c)$)}", "api/b:c", {"code": "b:c"}),
    ],
)
def test_templates(template: str, path: str, expected: dict[str, str] | None) -> None:
    assert compile_route(http("one", template), "api").match(path) == expected


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{id:integer}", "unknown constraint 'integer'"),
        ("{id:range(a,b)}", "unusable constraint"),
        ("{id:regex([)}", "unusable constraint"),
        ("{id}/{id}", "'id' twice"),
        ("{id", "unmatched braces"),
        ("a}b", "unmatched braces"),
        ("{}", "is no parameter"),
        ("{a b}", "is no parameter"),
    ],
)
def test_wrong_templates_are_refused(template: str, reason: str) -> None:
    with pytest.raises(BindingError, match=reason):
        compile_route(http("one", template), "api")


@given(st.text(min_size=1).filter(lambda text: text not in (".", "..")))
def test_any_value_of_a_parameter_arrives_decoded(value: str) -> None:
    try:
        raw = quote(value, safe="")
    except UnicodeEncodeError:
        return  # lone surrogates cannot be sent
    assert compile_route(http("one", "x/{value}"), "").match(f"x/{raw}") == {"value": value}


def test_functions_are_tried_by_name_and_by_method() -> None:
    routes = Routes(
        [
            http("b_literal", "items/new", frozenset({"GET"})),
            http("a_wide", "items/{id}", frozenset({"GET"})),
            http("c_post", "items/{id}", frozenset({"POST"})),
        ],
        "",
    )

    def found(method: str, path: str) -> str | None:
        match = routes.find(method, path)
        return match[0].function.name if match else None

    assert found("GET", "/items/new") == "a_wide"
    assert found("POST", "/items/new/") == "c_post"
    assert found("PUT", "/items/new") is None
    [(hidden, by)] = routes.shadowed()
    assert (hidden.function.name, by.function.name) == ("b_literal", "a_wide")


@pytest.mark.parametrize("route", ["admin", "Admin/templates", "/administration", "runtime/x"])
def test_routes_that_azure_keeps_to_itself_are_refused(route: str) -> None:
    with pytest.raises(BindingError, match=r"'one'.*which Azure refuses"):
        Routes([http("one", route)], "api")


def test_two_functions_of_one_route_are_refused() -> None:
    with pytest.raises(BindingError, match="'one' and 'two' have the same route 'api/items'"):
        Routes([http("two", "items"), http("one", "Items")], "api")
