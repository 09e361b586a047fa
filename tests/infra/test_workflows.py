"""Workflows have no secrets, no more rights than they need, and call what exists."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.bicep import ROOT

WORKFLOWS = tuple(sorted((ROOT / ".github" / "workflows").glob("*.yml")))
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.stem)


def read(path: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return parsed


def commands(path: Path) -> str:
    jobs = read(path)["jobs"].values()
    return "\n".join(str(step.get("run", "")) for job in jobs for step in job["steps"])


@each_workflow
def test_a_workflow_needs_no_secret(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "secrets." not in text
    assert "pull_request_target" not in text


@each_workflow
def test_a_workflow_has_few_rights(path: Path) -> None:
    workflow = read(path)
    deploys = path.stem == "deploy"
    expected = {"contents": "read"} | ({"id-token": "write"} if deploys else {})
    assert workflow["permissions"] == expected
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        assert "permissions" not in job
        checkouts = [s for s in job["steps"] if s.get("uses", "").startswith("actions/checkout@")]
        assert all(s["with"]["persist-credentials"] is False for s in checkouts)


@each_workflow
def test_a_command_has_no_expression_in_it(path: Path) -> None:
    """What others can write (titles, inputs) never becomes part of a script."""
    assert "${{" not in commands(path)


@each_workflow
def test_a_workflow_calls_targets_that_exist(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake ([a-z-]+)", commands(path)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for name in re.findall(r"\b((?:infra)/[\w./-]+)", commands(path)):
        assert (ROOT / name).exists(), name


def test_the_deployment_signs_in_without_a_secret() -> None:
    workflow = read(ROOT / ".github" / "workflows" / "deploy.yml")
    (job,) = workflow["jobs"].values()
    assert "--federated-credential-provider github" in commands(WORKFLOWS[1])
    assert job["environment"]


def test_azd_publishes_the_app_that_bicep_tags() -> None:
    azure = read(ROOT / "azure.yaml")
    (service,) = azure["services"]
    app = (ROOT / "infra" / "modules" / "functionapp.bicep").read_text(encoding="utf-8")
    assert f"'azd-service-name': '{service}'" in app
    assert azure["services"][service]["host"] == "function"
    assert (ROOT / azure["infra"]["path"] / f"{azure['infra']['module']}.bicep").is_file()
