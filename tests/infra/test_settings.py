"""Settings fit: the code's, the app's in Bicep, the example's and the documents'."""

import json
import re
import tomllib

from shared.settings import describe_settings, load_settings
from tests.infra.bicep import INFRA, ROOT, keys_of, template

KNOWN = {s.name for s in describe_settings()}
CONNECTION = "AzureWebJobsStorage"
# The Functions host's own: Mailroom does not read them.
HOSTS = {
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
}
# Flex Consumption refuses them, or they would hide the identity-based connection.
FORBIDDEN = {
    "AzureWebJobsStorage",
    "FUNCTIONS_WORKER_RUNTIME",
    "FUNCTIONS_EXTENSION_VERSION",
    "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
    "WEBSITE_CONTENTSHARE",
    "WEBSITE_RUN_FROM_PACKAGE",
    "WEBSITE_TIME_ZONE",
    "SCM_DO_BUILD_DURING_DEPLOYMENT",
    "ENABLE_ORYX_BUILD",
}


def app_settings() -> set[str]:
    """The names of the settings that Bicep gives the app."""
    text = template("modules/functionapp").text
    block = text.split("properties: union(")[1].split("mailroomSettings")[0]
    return set(re.findall(r"^      (\w+):", block, re.MULTILINE))


def test_bicep_sets_what_exists() -> None:
    assert app_settings() - HOSTS <= KNOWN
    assert app_settings() & FORBIDDEN == set()
    assert app_settings() >= HOSTS


def test_bicep_sets_what_is_demanded() -> None:
    demanded = {s.name for s in describe_settings() if s.default is None}
    assert demanded <= app_settings()
    uris = {f"{CONNECTION}__{service}ServiceUri" for service in ("blob", "queue", "table")}
    assert uris <= app_settings()


def test_the_app_would_start_with_what_bicep_sets() -> None:
    values = {
        "MAILROOM_SENDERS": '["billing@contoso.com"]',
        "MAILROOM_CREDENTIAL": "federated",
        "MAILROOM_IDENTITY": "managed",
        "MAILROOM_API_AUTH": "entra",
        "MAILROOM_API_CLIENT_ID": "0000000a-0000-0000-0000-00000000000b",
        "MAILROOM_API_TENANT_ID": "0000000a-0000-0000-0000-00000000000c",
    }
    environment = {
        name: values.get(name, "https://contoso.test" if name.endswith(("Uri", "URL")) else "x")
        for name in app_settings()
    }
    assert load_settings(environment).identity == "managed"


def test_all_others_pass_through_by_name() -> None:
    """`mailroomSettings` is an object of names as they are: each must be a setting's."""
    text = (INFRA / "main.bicepparam").read_text(encoding="utf-8")
    block = text.split("param mailroomSettings = {")[1].split("}")[0]
    named = set(re.findall(r"^  (\w+):", block, re.MULTILINE))
    read = set(re.findall(r"mailroomSettings\.\?(\w+)", template("main").text))
    assert named
    assert read
    assert (named | read) <= KNOWN - app_settings()


def test_defaults_in_bicep_are_the_codes() -> None:
    defaults = {s.name: s.default for s in describe_settings()}
    found = re.findall(r"mailroomSettings\.\?(\w+) \?\? '([^']*)'", template("main").text)
    assert len(found) == 4
    assert {name: value for name, value in found if defaults[name] != value} == {}
    credential = template("main").parameters["credential"]
    assert credential["default"] == defaults["MAILROOM_CREDENTIAL"]


def test_the_example_has_the_codes_settings() -> None:
    example = json.loads((ROOT / "local.settings.example.json").read_text(encoding="utf-8"))
    assert set(example["Values"]) - {"FUNCTIONS_WORKER_RUNTIME"} == KNOWN


def test_documents_speak_of_settings_that_exist() -> None:
    """In documents, comments and alerts: no name of a setting is misspelt or out of date."""
    variables = set(re.findall(r"MAILROOM_\w+", (INFRA / "main.bicepparam").read_text("utf-8")))
    outputs = set(template("main").outputs)
    client = {"MAILROOM_URL", "MAILROOM_KEY"}
    files = [*(ROOT / "docs").glob("*.md"), *INFRA.rglob("*.*"), *(ROOT / ".github").rglob("*.yml")]
    for path in files:
        names = set(re.findall(r"\bMAILROOM_[A-Z_]+[A-Z]\b", path.read_text(encoding="utf-8")))
        assert names - KNOWN - variables - outputs - client == set(), path.name


def test_the_documents_list_every_setting() -> None:
    listed = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert {name for name in KNOWN if f"| `{name}` |" not in listed} == set()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\bMAILROOM_[A-Z_]+[A-Z]\b", readme)) <= KNOWN


def test_the_runtime_is_the_codes() -> None:
    text = template("modules/functionapp").text
    assert "name: 'python'" in text
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (version,) = re.findall(r"version: '([\d.]+)'", text)
    assert project["requires-python"].startswith(f">={version},<")


def test_host_json_fits_flex_consumption() -> None:
    host = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))
    assert host["version"] == "2.0"
    assert host["extensionBundle"]["version"].startswith("[4.")
    # Alerts count requests: they must not be sampled away.
    excluded = host["logging"]["applicationInsights"]["samplingSettings"]["excludedTypes"]
    assert {"Request", "Exception"} <= set(excluded.split(";"))
    assert host["logging"]["logLevel"]["default"] in {"Information", "Debug", "Trace"}
    hours, minutes, seconds = (int(part) for part in host["functionTimeout"].split(":"))
    assert hours * 3600 + minutes * 60 + seconds > 600  # a server may take 10 minutes to reply
    assert "concurrency" not in host  # dynamic concurrency and batchSize exclude each other
    assert "sites" not in set(keys_of(host))
