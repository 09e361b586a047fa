"""The storage account has what the code expects in it, and no keys."""

import re

import pytest

from shared.storage import names
from tests.infra.bicep import ROOT, Resource, template

STORAGE = template("modules/storage")
TYPE = "Microsoft.Storage/storageAccounts"


def resources(kind: str) -> list[Resource]:
    return [r for r in STORAGE.resources.values() if r.type == f"{TYPE}/{kind}"]


def test_queues_and_their_poison_queues() -> None:
    made = STORAGE.variables["queueNames"]
    assert {*made, *(name + names.POISON for name in made)} == set(names.QUEUES)
    assert {r.config["name"] for r in resources("queueServices/queues")} == {
        "queueName",
        f"${{queueName}}{names.POISON}",
    }


def test_every_queue_trigger_has_its_queue() -> None:
    source = (ROOT / "function_app.py").read_text(encoding="utf-8")
    triggers = set(re.findall(r'queue_name="([^"]+)"', source))
    assert triggers
    assert triggers <= set(names.QUEUES)


def test_containers() -> None:
    assert set(STORAGE.variables["containerNames"]) == set(names.CONTAINERS)
    made = [r.config for r in resources("blobServices/containers")]
    assert all(config["properties"]["publicAccess"] == "None" for config in made)


def test_the_package_container_is_none_of_mailrooms() -> None:
    package = STORAGE.variables["packageContainerName"]
    assert package not in names.CONTAINERS
    assert package not in str(STORAGE.resources["lifecycle"].config)


def test_tables() -> None:
    assert set(STORAGE.variables["tableNames"]) == set(names.TABLES)


def test_names_can_be_names_of_azures() -> None:
    assert all(re.fullmatch(r"[a-z0-9](?:-?[a-z0-9]){2,62}", n) for n in names.QUEUES)
    assert all(re.fullmatch(r"[a-z0-9](?:-?[a-z0-9]){2,62}", n) for n in names.CONTAINERS)
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9]{2,62}", n) for n in names.TABLES)
    main = template("main").text
    unique = "x" * 13  # uniqueString's length
    account = re.findall(r"'(stmail\$\{token\})'", main)[0].replace("${token}", unique)
    vault = re.findall(r"'(kv-mail-\$\{token\})'", main)[0].replace("${token}", unique)
    assert len(account) <= 24
    assert len(vault) <= 24


def test_no_key_opens_it() -> None:
    properties = STORAGE.resources["account"].config["properties"]
    assert properties["allowSharedKeyAccess"] is False
    assert properties["allowBlobPublicAccess"] is False
    assert properties["isLocalUserEnabled"] is False
    assert properties["supportsHttpsTrafficOnly"] is True
    assert properties["minimumTlsVersion"] == "TLS1_2"


@pytest.mark.parametrize("container", ["mail-content", "secure-files", "returned-mail"])
def test_a_lifecycle_rule_is_below_the_apps_own_clean_up(container: str) -> None:
    rules = STORAGE.resources["lifecycle"].config["properties"]["policy"]["rules"]
    (rule,) = (r for r in rules if r["definition"]["filters"]["prefixMatch"] == [f"{container}/"])
    assert set(rule["definition"]["actions"]) == {"baseBlob"}
    assert container in names.CONTAINERS


def test_nothing_deletes_templates() -> None:
    assert names.MAIL_TEMPLATES not in str(STORAGE.resources["lifecycle"].config)
