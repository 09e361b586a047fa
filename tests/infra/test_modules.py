"""Parameters fit their uses, outputs their references; what a compiler would look at first."""

import re
from collections import defaultdict

import pytest

from tests.infra.bicep import INFRA, ROOT, Template, read, template, templates

TEMPLATES = {str(t.path.relative_to(INFRA)): t for t in templates()}
MAIN = template("main")
# Outputs that the module's own readers take: the scripts of the Exchange side, people.
FOR_PEOPLE = {"identity/api.bicep"}
GLOBAL = {"resourceGroup", "subscription", "tenant", "environment"}

each_template = pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES.keys())


@each_template
def test_every_parameter_and_variable_is_used(template: Template) -> None:
    names = [*template.parameters, *template.variables]
    assert [name for name in names if template.uses(name) < 2] == []


@each_template
def test_every_existing_resource_is_used(template: Template) -> None:
    existing = [name for name, it in template.resources.items() if it.existing]
    assert [name for name in existing if template.uses(name) < 2] == []


@each_template
def test_every_module_gets_its_parameters(template: Template) -> None:
    for name, call in template.modules.items():
        assert call.path.is_file(), name
        wanted = read(call.path).parameters
        assert set(call.params) <= set(wanted), name
        demanded = {p for p, it in wanted.items() if it["default"] is None}
        assert demanded <= set(call.params), name


@each_template
def test_every_output_that_is_read_exists(template: Template) -> None:
    for name, output in template.used_outputs:
        assert output in read(template.modules[name].path).outputs, (name, output)


def test_every_output_of_a_module_is_read() -> None:
    for name, call in MAIN.modules.items():
        unread = {o for o in read(call.path).outputs if (name, o) not in MAIN.used_outputs}
        assert unread == set(), name


def test_every_template_is_deployed_by_somebody() -> None:
    called = {str(c.path.resolve().relative_to(INFRA)) for c in MAIN.modules.values()}
    assert called | FOR_PEOPLE | {"main.bicep"} == set(TEMPLATES)


@each_template
def test_a_secure_parameter_has_no_default_but_a_random_one(template: Template) -> None:
    for name, it in template.parameters.items():
        secure = any(d["type"] == "secure" for d in it["decorators"])
        if secure and it["default"] is not None:
            assert it["default"] == {"function": {"type": "new_guid"}}, name
        if re.search(r"(?i)password|secret|seed|salt|\bkey$", name) and it["type"] == "string":
            assert secure or name.endswith("Name"), name


@each_template
def test_no_output_is_secret(template: Template) -> None:
    text = "\n".join(re.findall(r"^output .*$", template.text, re.MULTILINE))
    assert not re.search(r"list\w*\(|getSecret|Seed|Salt", text)


def test_a_type_has_one_version() -> None:
    versions: dict[str, set[str]] = defaultdict(set)
    for it in TEMPLATES.values():
        for resource in it.resources.values():
            versions[resource.type.split("/")[0] + resource.type].add(resource.api_version)
    assert {name: v for name, v in versions.items() if len(v) > 1} == {}


def test_the_parameter_file_sets_what_is_demanded_and_nothing_else() -> None:
    text = (INFRA / "main.bicepparam").read_text(encoding="utf-8")
    given = set(re.findall(r"^param (\w+) =", text, re.MULTILINE))
    assert given <= set(MAIN.parameters)
    demanded = {name for name, it in MAIN.parameters.items() if it["default"] is None}
    assert demanded <= given


def test_variables_of_the_environment_are_documented_and_set_by_the_workflow() -> None:
    text = (INFRA / "main.bicepparam").read_text(encoding="utf-8")
    names = set(re.findall(r"readEnvironmentVariable\('(\w+)'", text))
    guide = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    workflow = (ROOT / ".github" / "workflows" / "deploy.yml").read_text(encoding="utf-8")
    assert {n for n in names if f"`{n}`" not in guide} == set()
    assert {n for n in names if f"      {n}: ${{{{ vars.{n}" not in workflow} == set()


def test_parameters_and_outputs_are_documented() -> None:
    guide = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    assert {n for n in (*MAIN.parameters, *MAIN.outputs) if f"`{n}`" not in guide} == set()
    table = guide.split("## Parameters")[1].split("## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == set(MAIN.parameters)
