"""Alerts rest on what the app really logs and is called, and each has its runbook."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.infra.bicep import INFRA, ROOT, template

ALERTS = template("modules/alerts")
RULES: list[dict[str, Any]] = ALERTS.variables["rules"]
QUERIES = tuple(sorted((INFRA / "alerts").glob("*.kql")))
RUNBOOKS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
NAMES = [*(str(r["name"]) for r in RULES), "no-send", "backlog"]
# Written by the Functions host's queue listener.
OF_THE_HOST = {"Message has reached MaxDequeueCount"}
# https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-types: what a rule may be asked in.
PERIODS = {"PT5M", "PT10M", "PT15M", "PT30M", "PT45M", "PT1H", "PT2H", "PT6H", "P1D", "P2D"}


def logged() -> Iterator[str]:
    """The texts of all log lines of the app, up to their first value."""
    for path in (ROOT / "shared").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "logger"
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                yield str(node.args[0].value)


LINES = tuple(logged())
SOURCE = (ROOT / "function_app.py").read_text(encoding="utf-8")
FUNCTIONS = set(re.findall(r"^async def (\w+)", SOURCE, re.MULTILINE))


def texts(query: str) -> tuple[list[str], list[str], list[str]]:
    """What a query looks for in messages: equal to, beginning with, holding."""
    return (
        re.findall(r"message == '([^']+)'", query),
        re.findall(r"message startswith '([^']+)'", query),
        re.findall(r"message has '([^']+)'", query),
    )


def all_queries() -> dict[str, str]:
    found = {path.stem: path.read_text(encoding="utf-8") for path in QUERIES}
    workbook = json.loads((INFRA / "workbook.json").read_text(encoding="utf-8"))
    for item in workbook["items"]:
        if "query" in item["content"]:
            found[item["name"]] = item["content"]["query"]
    return found


each_query = pytest.mark.parametrize("query", all_queries().values(), ids=all_queries().keys())


@each_query
def test_a_query_looks_for_what_is_logged(query: str) -> None:
    equal, beginning, holding = texts(query)
    assert set(equal) <= set(LINES)
    for text in set(beginning) - OF_THE_HOST:
        assert any(line.startswith(text) for line in LINES), text
    for text in holding:
        assert any(text in line for line in LINES), text


@each_query
def test_a_query_parses_a_line_that_is_logged(query: str) -> None:
    """KQL `parse`: texts in quotes, and columns between them; `*` stands for anything."""
    looked_for = re.findall(r"message startswith '([^']+)'", query)
    for pattern in re.findall(r"parse message with (.+)", query):
        shape = ""
        for text, column in re.findall(r"'([^']+)'|(\S+)", pattern):
            shape += re.escape(text) if text else r".*" if column == "*" else r"(\S+)"
        lines = [line for line in LINES if line.startswith(tuple(looked_for))]
        assert lines
        for line in lines:
            example = line.replace("%d", "7").replace("%s", "word").replace("%%", "%")
            found = re.fullmatch(shape, example)
            assert found, (pattern, example)
            kinds = [c for _, c in re.findall(r"'([^']+)'|(\S+)", pattern) if c and c != "*"]
            for column, value in zip(kinds, found.groups(), strict=True):
                assert column.endswith(":long") == value.isdecimal(), column


@each_query
def test_a_query_names_functions_that_exist(query: str) -> None:
    for names in re.findall(r"name in \(([^)]*)\)", query):
        assert set(re.findall(r"'([^']+)'", names)) <= FUNCTIONS
    assert set(re.findall(r"name == '([^']+)'", query)) <= FUNCTIONS


def test_failures_are_looked_for_in_every_function_without_an_answer() -> None:
    source = (ROOT / "function_app.py").read_text(encoding="utf-8")
    silent = set(re.findall(r"@app\.(?:queue|timer)_trigger\([^\n]*\)\nasync def (\w+)", source))
    query = all_queries()["function-failures"]
    assert silent == set(re.findall(r"'(\w+)'", query.split("name in")[1]))


@each_query
def test_a_query_reads_no_field_that_does_not_arrive(query: str) -> None:
    assert "customDimensions" not in query
    code = re.sub(r"^//.*$", "", query, flags=re.MULTILINE)
    assert code.count("(") == code.count(")")
    assert code.count("'") % 2 == 0


def test_every_query_is_used_by_an_alert_of_its_name() -> None:
    loaded = re.findall(r"loadTextContent\('\.\./alerts/([\w-]+)\.kql'\)", ALERTS.text)
    assert sorted(loaded) == [path.stem for path in QUERIES]
    pairs = re.findall(
        r"name: '([\w-]+)'\s+severity: \d\s+query: load\w+\('\.\./alerts/([\w-]+)", ALERTS.text
    )
    assert pairs
    assert all(name == query for name, query in pairs)


@pytest.mark.parametrize("path", QUERIES, ids=lambda p: p.stem)
def test_a_query_of_an_alert_yields_the_value_that_is_compared(path: Path) -> None:
    assert re.search(r"\bValue = ", path.read_text(encoding="utf-8"))
    assert path.read_text(encoding="utf-8").startswith("// ")


def test_an_alert_is_asked_in_periods_that_exist() -> None:
    for rule in RULES:
        assert {rule["window"], rule["every"]} <= PERIODS
        assert rule["severity"] in range(4)


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_has_its_runbook(name: str) -> None:
    assert f"\n## {name}\n" in RUNBOOKS
    assert f"| [{name}](#{name}) |" in RUNBOOKS


def test_every_runbook_has_its_alert() -> None:
    headings = set(re.findall(r"^## ([a-z-]+)$", RUNBOOKS, re.MULTILINE))
    assert headings == set(NAMES)


def test_the_runbooks_table_says_what_the_rules_say() -> None:
    for rule in RULES:
        (row,) = re.findall(rf"^\| \[{rule['name']}\]\(.*$", RUNBOOKS, re.MULTILINE)
        severity, asked = (cell.strip() for cell in row.split("|")[2:4])
        assert int(severity) == rule["severity"]
        assert asked.startswith(
            {
                "PT5M": "each 5 minutes",
                "PT15M": "each 15 minutes",
                "PT1H": "hourly",
                "P1D": "daily",
            }[rule["every"]]
        )
