"""The app's identity has these roles, there and nowhere else, each for a reason that is told."""

import re

import pytest

from tests.infra.bicep import INFRA, Resource, template, templates

# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
NAMES = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a": "Storage Queue Data Message Sender",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
}
ROLES = template("modules/roles")
ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
GUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


def assignments() -> dict[str, Resource]:
    return {name: r for name, r in ROLES.resources.items() if r.type == ASSIGNMENT}


def role_of(assignment: Resource) -> str:
    """The name of the variable that holds the role's id."""
    role = assignment.config["properties"]["roleDefinitionId"]
    found = re.findall(r"storage\w+|keyVault\w+|monitoring\w+", str(role))
    assert len(found) == 1
    return str(found[0])


def test_a_role_id_is_called_by_its_name() -> None:
    for name, value in ROLES.variables.items():
        official = NAMES[value].replace(" ", "")
        assert official[0].lower() + official[1:] == name


def test_no_role_id_stands_elsewhere() -> None:
    for it in templates():
        if it.path.name != "roles.bicep":
            assert not set(GUID.findall(it.text)) & set(NAMES), it.path.name
    assert set(GUID.findall((INFRA / "modules" / "roles.bicep").read_text("utf-8"))) == set(NAMES)


def test_who_may_do_what_where() -> None:
    assert {(role_of(a), a.config["scope"], a.config["properties"]["principalId"])
            for a in assignments().values()} == {
        ("storageBlobDataOwner", "account", "principalId"),
        ("storageQueueDataContributor", "account", "principalId"),
        ("storageTableDataContributor", "account", "principalId"),
        ("keyVaultSecretsUser", "vault", "principalId"),
        ("keyVaultSecretsOfficer", "vault", "principalId"),
        ("monitoringMetricsPublisher", "component", "principalId"),
        ("storageQueueDataMessageSender", "outboundMail", "sender"),
    }  # fmt: skip


def test_only_the_delegated_credential_writes_secrets() -> None:
    assert "secretsOfficerRole" in ROLES.text
    declared = ROLES.text.split("resource secretsOfficerRole")[1].splitlines()[0]
    assert declared.endswith("= if (writesSecrets) {")
    assert "writesSecrets: credential == 'delegated'" in template("main").text


@pytest.mark.parametrize("name", assignments())
def test_an_assignment_says_why(name: str) -> None:
    config = assignments()[name].config
    assert len(config["properties"]["description"].split()) >= 8
    # The same role for the same identity in the same place has the same name at each deployment.
    assert set(re.findall(r"\w+", str(config["name"]))) >= {"guid", role_of(assignments()[name])}
    assert config["properties"]["principalType"] == "ServicePrincipal"


def test_no_permission_is_granted_in_entra_id() -> None:
    sender = template("identity/sender")
    assert "requiredResourceAccess" not in sender.text
    assert "passwordCredentials" not in sender.text
    assert not any("appRoleAssignedTo" in r.type for r in sender.resources.values())
