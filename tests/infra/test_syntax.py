"""Every file of `infra/` and the workflows can be read by a parser of its language.

No compiler of Bicep and no PowerShell: two parsers each look at what they know.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import tree_sitter_bicep
import tree_sitter_powershell
import yaml
from pycep import BicepParser
from tree_sitter import Language, Node, Parser

from tests.infra.bicep import FILES, INFRA, ROOT

SCRIPTS = tuple(sorted((INFRA / "exchange").glob("*.ps1")))
YAML = (
    ROOT / "azure.yaml",
    INFRA / ".checkov.yaml",
    *sorted((ROOT / ".github" / "workflows").glob("*.yml")),
)
JSON = (INFRA / "bicepconfig.json", INFRA / "workbook.json")
# pycep may hang on what it does not know.
pytestmark = pytest.mark.timeout(60)

# tree-sitter's grammar of 2024 knows no extensions by alias.
_EXTENSION = re.compile(r"^extension \w+$", re.MULTILINE)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def faults(text: str, language: object) -> list[str]:
    """What tree-sitter could not read, with its line."""

    def walk(node: Node) -> Iterator[str]:
        if node.type == "ERROR" or node.is_missing:
            yield f"line {node.start_point[0] + 1}: {(node.text or b'')[:60]!r}"
        for child in node.children:
            yield from walk(child)

    return list(walk(Parser(Language(language)).parse(text.encode()).root_node))


def bicep_faults(text: str) -> list[str]:
    return faults(_EXTENSION.sub("", text), tree_sitter_bicep.language())


def as_bicep(parameters: str) -> str:
    """A parameter file as a template: neither parser knows parameter files."""
    text = re.sub(r"^using .*$", "", parameters, flags=re.MULTILINE)
    return re.sub(r"^param ", "var ", text, flags=re.MULTILINE)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_template_can_be_parsed(path: Path) -> None:
    assert BicepParser().parse(file_path=path)
    assert bicep_faults(path.read_text(encoding="utf-8")) == []


def test_the_parameter_file_can_be_parsed() -> None:
    text = as_bicep((INFRA / "main.bicepparam").read_text(encoding="utf-8"))
    assert BicepParser().parse(text=text)["variables"]
    assert bicep_faults(text) == []


@pytest.mark.parametrize(
    "fault",
    ["param name strin g = 'x'", "resource x 'A/b@2025-01-01' = {\n  name: 'x'\n", "var y = [1 2"],
)
def test_a_fault_would_be_found(fault: str) -> None:
    assert bicep_faults(f"{FILES[0].read_text(encoding='utf-8')}\n{fault}\n")
    with pytest.raises(Exception, match="Unexpected"):
        BicepParser().parse(text=fault)


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_a_script_can_be_parsed(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert faults(text, tree_sitter_powershell.language()) == []
    assert faults(f"{text}\nif ($x {{", tree_sitter_powershell.language())


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_what_a_script_changes_can_be_tried_first(path: Path) -> None:
    """Each cmdlet that changes something stands behind ShouldProcess, and does not ask twice."""
    text = re.sub(r"(?s)<#.*?#>", "", path.read_text(encoding="utf-8"))
    text = re.sub(r'(?m)^\s*#.*$|"[^"\n]* [^"\n]*"', "", text)
    blocks = text.split("ShouldProcess(")
    changing = re.compile(r"(?<!['\w-])(?:New|Set|Add|Remove)-(?!StrictMode)[A-Z]\w+ -")
    assert not changing.search(blocks[0]), "before the first ShouldProcess"
    if changing.search(text):
        assert "[CmdletBinding(SupportsShouldProcess" in text
    for line in text.splitlines():
        if re.match(r"\s*(?:Remove-|.*Add-RecipientPermission -I)", line):
            assert "-Confirm:$false" in line, line


@pytest.mark.parametrize("path", YAML, ids=name_of)
def test_yaml_can_be_parsed(path: Path) -> None:
    assert yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", JSON, ids=name_of)
def test_json_can_be_parsed(path: Path) -> None:
    assert json.loads(path.read_text(encoding="utf-8"))
