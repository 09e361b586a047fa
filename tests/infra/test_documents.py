"""What the documents calculate is right, and what they point at exists."""

import ast
import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.quota.limits import TRIAL_EXTERNAL, QuotaLimits, tenant_external_limit
from shared.settings import describe_settings
from tests.infra.bicep import ROOT, template

DOCS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
COSTS = (ROOT / "docs" / "costs.md").read_text(encoding="utf-8")
LIMITS = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
DEFAULTS = {s.name: s.default for s in describe_settings()}


def number(text: str) -> float:
    return float(text.replace(",", ""))


def calculated(formula: str) -> float:
    """A formula of a document: numbers, + × / and parentheses."""
    text = formula.replace(",", "").replace("×", "*")
    assert re.fullmatch(r"[\d.+*/() ]+", text), formula
    return float(eval(compile(ast.parse(text, mode="eval"), formula, "eval"), {}))


def rows(text: str, heading: str, width: int) -> Iterator[list[float]]:
    """The numbers of a table's rows."""
    for line in text.split(f"## {heading}")[1].split("\n## ", maxsplit=1)[0].splitlines():
        cells = [cell.strip().removesuffix(" hours").removesuffix(" hour")
                 for cell in line.strip("|").split("|")]  # fmt: skip
        if len(cells) == width and re.fullmatch(r"[\d,]+", cells[0]):
            yield [number(cell) for cell in cells]


@pytest.mark.parametrize("formula", re.findall(r"`([^`=]*[×/][^`=]* = [\d.,]+)`", COSTS))
def test_the_arithmetic_of_costs(formula: str) -> None:
    left, _, right = formula.rpartition(" = ")
    digits = len(right.partition(".")[2])
    assert round(calculated(left), digits) == pytest.approx(number(right), abs=1e-9)


def test_costs_take_the_measured_transactions_and_the_deployed_sizes() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (measured,) = set(re.findall(r"([\d.]+) from POST to the final status", readme))
    assert f"{measured} each from POST" in COSTS
    assert f"`{round(float(measured) * 1000):,} × " in COSTS
    parameters = template("main").parameters
    for name in ("instanceMemoryMB", "maximumInstanceCount", "httpConcurrency", "alwaysReadyHttp"):
        assert f"| `{name}` | {parameters[name]['default']} |" in COSTS
    memory = DEFAULTS["MAILROOM_TEMPLATE_MEMORY"]
    assert memory is not None
    assert f"{int(memory) // 2**20} MB each" in COSTS


def test_costs_add_up() -> None:
    month = COSTS.split("## For a month")[1].split("**together**")
    parts = [number(line.split("|")[3]) for line in month[0].splitlines()
             if re.search(r"\| [\d.]+ \|$", line)]  # fmt: skip
    assert number(month[1].split("|")[2].strip(" *")) == pytest.approx(sum(parts), abs=0.011)


def test_the_table_of_tenants_is_the_codes_formula() -> None:
    found = list(rows(LIMITS, "What a tenant may reach", 3))
    assert len(found) == 8
    for licences, limit, ours in found:
        assert tenant_external_limit(int(licences)) == limit
        share = int(DEFAULTS["MAILROOM_PEOPLE_SHARE"] or 0)
        assert limit - math.ceil(limit * share / 100) == ours
    assert f"{TRIAL_EXTERNAL:,}" in LIMITS


def test_the_calculator_of_mailboxes() -> None:
    limits = QuotaLimits()
    found = list(rows(LIMITS, "How many mailboxes?", 6))
    assert len(found) == 6
    for messages, hours, recipients, pace, day, mailboxes in found:
        assert pace == math.ceil(messages / (hours * 60 * limits.messages_per_minute))
        assert day == math.ceil(messages * recipients / limits.recipients_per_day)
        assert mailboxes == max(pace, day)


def anchors(text: str) -> set[str]:
    """Of the headings, as GitHub makes them."""
    headings = re.findall(r"^#{1,6} (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("path", DOCS, ids=lambda p: p.stem)
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith(("https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        there = path.parent / name if name else path
        assert there.is_file(), target
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("path", DOCS, ids=lambda p: p.stem)
def test_files_that_are_named_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:infra|tests|\.github|shared)/[\w./-]+)`", text):
        assert (ROOT / name).exists(), name
    for script in re.findall(r"\b(\w+-\w+\.ps1)\b", text):
        assert (ROOT / "infra" / "exchange" / script).is_file(), script


def test_the_network_and_the_credential_are_described_as_they_can_be_chosen() -> None:
    security = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    parameters = template("main").parameters
    (allowed,) = (d["argument"] for d in parameters["networkIsolation"]["decorators"]
                  if d["type"] == "allowed")  # fmt: skip
    assert all(f"| `{value}` |" in security for value in allowed)
