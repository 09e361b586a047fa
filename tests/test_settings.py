"""The settings: each with its default, all faults in one go, and no secret on show."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import SettingsError
from shared.guard.policy import GuardPolicy
from shared.setting_values import Identity
from shared.settings import Settings, describe_settings, load_settings

NEEDED = {
    "MAILROOM_SENDERS": '["billing@contoso.com"]',
    "MAILROOM_TENANT_ID": "tenant",
    "MAILROOM_CLIENT_ID": "client",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}
GUID = "0000000a-0000-0000-0000-00000000000b"
VAULT = {"MAILROOM_KEY_VAULT_URL": "https://vault.test"}


def load(**changes: str) -> Settings:
    return load_settings(NEEDED | changes)


def faults(environment: dict[str, str]) -> SettingsError:
    with pytest.raises(SettingsError) as raised:
        load_settings(environment)
    assert raised.value.fix
    for name in raised.value.names:
        assert name in raised.value.detail
    return raised.value


def fault_of(**changes: str) -> str:
    """The one setting that is at fault with these changes."""
    error = faults(NEEDED | changes)
    (name,) = error.names
    return name


def test_defaults() -> None:
    loaded = load()
    assert loaded == Settings(
        senders={"billing@contoso.com": Identity(("billing@contoso.com",))},
        tenant_id="tenant",
        client_id="client",
        credential="federated",
        credential_name="mailroom-credential",
        key_vault_url="",
        authority="https://login.microsoftonline.com",
        identity="managed",
        identity_client_id="",
        smtp_preset="office365",
        smtp_host="",
        smtp_port=0,
        smtp_username="",
        token_scope="",
        sessions_per_mailbox=3,
        smtp_timeout=60,
        size_limit=35 * 1024 * 1024,
        recipient_limit=500,
        lint=(),
        spamd="",
        delivery_test_mailboxes=(),
        delivery_test_daily=False,
        api_auth="keys",
        api_client_id="",
        api_tenant_id="",
        callers=None,
        guard=GuardPolicy(),
        held_days=14,
        encrypt_header=(),
        encrypt_subject_tag="",
        messages_per_minute=30,
        recipients_per_day=10_000,
        accepted_domains=(),
        licences=1,
        tenant_trial=False,
        people_share=20,
        deadline=86400,
        bulk_deadline=3 * 86400,
        lease=120,
        reconcile_after=120,
        unknown="hold",
        content_days=30,
        timeline_days=365,
        returned_mail="off",
        returned_mailboxes=(),
        returned_folders=("INBOX", "Junk Email"),
        returned_disposal="leave",
        returned_folder="",
        returned_size_limit=1024 * 1024,
        returned_per_run=1000,
        returned_lookback=30,
        sent_items=3600,
        imap_host="outlook.office365.com",
        imap_port=993,
        graph_url="https://graph.microsoft.com",
        returned_scope="",
        attachment_hosts=(),
        public_url="",
        signing_key_name="mailroom-signing-key",
        link_days=14,
        link_max_days=90,
        link_downloads=10,
        brand_name="",
        brand_colour="#0b5cad",
        brand_logo_url="",
        brand_address="",
        brand_website="",
        language="en",
        time_zone="UTC",
        template_seconds=5,
        template_memory=256 * 1024 * 1024,
        template_output=1024 * 1024,
        storage_connection="UseDevelopmentStorage=true",
        blob_url="",
        queue_url="",
        table_url="",
    )


# Each setting with a value of its own, and what it is read as.
GIVEN: list[tuple[str, str, str, Any]] = [
    (
        "MAILROOM_SENDERS",
        "senders",
        '{"A@x.test": "b@x.test"}',
        {"a@x.test": Identity(("b@x.test",))},
    ),
    ("MAILROOM_TENANT_ID", "tenant_id", " t ", "t"),
    ("MAILROOM_CLIENT_ID", "client_id", "c", "c"),
    ("MAILROOM_CREDENTIAL", "credential", "SECRET", "secret"),
    ("MAILROOM_CREDENTIAL", "credential", "certificate", "certificate"),
    ("MAILROOM_CREDENTIAL", "credential", "delegated", "delegated"),
    ("MAILROOM_CREDENTIAL_NAME", "credential_name", "n", "n"),
    ("MAILROOM_KEY_VAULT_URL", "key_vault_url", "https://v.test/", "https://v.test"),
    ("MAILROOM_AUTHORITY", "authority", "https://login.test", "https://login.test"),
    ("MAILROOM_IDENTITY_CLIENT_ID", "identity_client_id", "i", "i"),
    ("MAILROOM_SMTP_PRESET", "smtp_preset", "hve", "hve"),
    ("MAILROOM_SMTP_HOST", "smtp_host", "h.test", "h.test"),
    ("MAILROOM_SMTP_PORT", "smtp_port", "2587", 2587),
    ("MAILROOM_SMTP_USERNAME", "smtp_username", "u", "u"),
    ("MAILROOM_TOKEN_SCOPE", "token_scope", "api://x/.default", "api://x/.default"),
    ("MAILROOM_SESSIONS_PER_MAILBOX", "sessions_per_mailbox", "1", 1),
    ("MAILROOM_SMTP_TIMEOUT", "smtp_timeout", "5", 5),
    ("MAILROOM_SIZE_LIMIT", "size_limit", "65536", 65536),
    ("MAILROOM_RECIPIENT_LIMIT", "recipient_limit", "1000", 1000),
    ("MAILROOM_GUARD", "guard", "OFF", GuardPolicy(enabled=False)),
    ("MAILROOM_HELD_DAYS", "held_days", "365", 365),
    ("MAILROOM_ENCRYPT_HEADER", "encrypt_header", "X-Encrypt:  yes", ("X-Encrypt", "yes")),
    ("MAILROOM_ENCRYPT_SUBJECT_TAG", "encrypt_subject_tag", "[secure]", "[secure]"),
    ("MAILROOM_MESSAGES_PER_MINUTE", "messages_per_minute", "6000", 6000),
    ("MAILROOM_RECIPIENTS_PER_DAY", "recipients_per_day", "1", 1),
    ("MAILROOM_ACCEPTED_DOMAINS", "accepted_domains", '["A.test"]', ("a.test",)),
    ("MAILROOM_LICENCES", "licences", "0", 0),
    ("MAILROOM_TENANT_TRIAL", "tenant_trial", "true", True),
    ("MAILROOM_PEOPLE_SHARE", "people_share", "99", 99),
    ("MAILROOM_DEADLINE", "deadline", "60", 60),
    ("MAILROOM_BULK_DEADLINE", "bulk_deadline", "60", 60),
    ("MAILROOM_LEASE", "lease", "2", 2),
    ("MAILROOM_RECONCILE_AFTER", "reconcile_after", "1", 1),
    ("MAILROOM_UNKNOWN", "unknown", "resend", "resend"),
    ("MAILROOM_CONTENT_DAYS", "content_days", "1", 1),
    ("MAILROOM_TIMELINE_DAYS", "timeline_days", "3650", 3650),
    ("MAILROOM_RETURNED_MAIL", "returned_mail", "IMAP", "imap"),
    ("MAILROOM_RETURNED_MAIL", "returned_mail", "graph", "graph"),
    ("MAILROOM_RETURNED_MAILBOXES", "returned_mailboxes", '["A@x.test"]', ("A@x.test",)),
    ("MAILROOM_RETURNED_FOLDERS", "returned_folders", '["In", "In "]', ("In",)),
    ("MAILROOM_RETURNED_DISPOSAL", "returned_disposal", "read", "read"),
    ("MAILROOM_RETURNED_FOLDER", "returned_folder", " Rückläufer ", "Rückläufer"),
    ("MAILROOM_RETURNED_SIZE_LIMIT", "returned_size_limit", "16384", 16384),
    ("MAILROOM_RETURNED_PER_RUN", "returned_per_run", "1", 1),
    ("MAILROOM_RETURNED_LOOKBACK", "returned_lookback", "365", 365),
    ("MAILROOM_SENT_ITEMS", "sent_items", "0", 0),
    ("MAILROOM_IMAP_HOST", "imap_host", "imap.test", "imap.test"),
    ("MAILROOM_IMAP_PORT", "imap_port", "1993", 1993),
    ("MAILROOM_GRAPH_URL", "graph_url", "https://graph.test/", "https://graph.test"),
    ("MAILROOM_RETURNED_SCOPE", "returned_scope", "api://x/.default", "api://x/.default"),
    ("MAILROOM_RETURNED_DAYS", "returned_days", "1", 1),
    ("MAILROOM_SIGNING_KEY_NAME", "signing_key_name", "k", "k"),
    ("MAILROOM_TRUSTED_MATCH", "trusted_match", "guess", "guess"),
    ("MAILROOM_BOUNCE_RULES", "bounce_rules", '{"expired": "count"}', (("expired", "count"),)),
    ("MAILROOM_BOUNCE_LEASES", "bounce_leases", "[1, 2]", (1, 2)),
    ("MAILROOM_BOUNCE_FORGIVEN_DAYS", "bounce_forgiven_days", "365", 365),
    ("MAILROOM_COMPLAINT_EXEMPT_TOPICS", "complaint_exempt_topics", '["a"]', ("a",)),
    ("MAILROOM_LINT", "lint", '{"*": "off"}', (("*", "off"),)),
    ("MAILROOM_SPAMD", "spamd", "[::1]:783", "[::1]:783"),
    ("MAILROOM_DELIVERY_TEST_MAILBOXES", "delivery_test_mailboxes", '["p@x.test"]', ("p@x.test",)),
    ("MAILROOM_DELIVERY_TEST_DAILY", "delivery_test_daily", "true", True),
    (
        "MAILROOM_NAME_SERVERS",
        "name_servers",
        '["::1", "127.0.0.1:5353"]',
        (("::1", 53), ("127.0.0.1", 5353)),
    ),
    ("MAILROOM_API_AUTH", "api_auth", "Entra", "entra"),
    ("MAILROOM_CALLERS", "callers", f'{{"{GUID}": ["A@x.test"]}}', {GUID: ("a@x.test",)}),
    ("MAILROOM_CALLERS", "callers", "{}", {}),
    ("MAILROOM_API_CLIENT_ID", "api_client_id", GUID.upper(), GUID),
    ("MAILROOM_API_TENANT_ID", "api_tenant_id", GUID, GUID),
    ("MAILROOM_BRAND_NAME", "brand_name", "Contoso", "Contoso"),
    ("MAILROOM_BRAND_COLOUR", "brand_colour", "#0B5CAD", "#0b5cad"),
    ("MAILROOM_BRAND_LOGO_URL", "brand_logo_url", "https://c.test/l.png", "https://c.test/l.png"),
    ("MAILROOM_BRAND_ADDRESS", "brand_address", "1 Way, Town", "1 Way, Town"),
    ("MAILROOM_BRAND_WEBSITE", "brand_website", "https://c.test/", "https://c.test"),
    ("MAILROOM_LANGUAGE", "language", "de-AT", "de-AT"),
    ("MAILROOM_TIME_ZONE", "time_zone", "Europe/Vienna", "Europe/Vienna"),
    ("MAILROOM_TEMPLATE_SECONDS", "template_seconds", "1", 1),
    ("MAILROOM_TEMPLATE_MEMORY", "template_memory", "268435456", 268435456),
    ("MAILROOM_TEMPLATE_OUTPUT", "template_output", "16384", 16384),
    ("MAILROOM_ATTACHMENT_HOSTS", "attachment_hosts", '["*.X.test"]', ("*.x.test",)),
    ("MAILROOM_PUBLIC_URL", "public_url", "https://mail.test/", "https://mail.test"),
    ("MAILROOM_SIGNING_KEY_NAME", "signing_key_name", "k", "k"),
    ("MAILROOM_LINK_DAYS", "link_days", "1", 1),
    ("MAILROOM_LINK_MAX_DAYS", "link_max_days", "14", 14),
    ("MAILROOM_LINK_DOWNLOADS", "link_downloads", "1", 1),
    ("MAILROOM_PLUS_ADDRESSES", "plus_addresses", "false", False),
    ("MAILROOM_UNSUBSCRIBE_REPLIES", "unsubscribe_replies", "apply", "apply"),
    ("MAILROOM_BRAND_NAME", "brand_name", "Contoso", "Contoso"),
    ("MAILROOM_BRAND_COLOUR", "brand_colour", "#0B5CAD", "#0b5cad"),
    ("MAILROOM_BRAND_LOGO_URL", "brand_logo_url", "https://x.test/l.png", "https://x.test/l.png"),
    ("MAILROOM_BRAND_ADDRESS", "brand_address", "1 Main St", "1 Main St"),
    ("MAILROOM_BRAND_WEBSITE", "brand_website", "https://x.test", "https://x.test"),
    ("MAILROOM_LINT", "lint", '{"*": "off"}', (("*", "off"),)),
    ("MAILROOM_SPAMD", "spamd", "[::1]:783", "[::1]:783"),
    ("AzureWebJobsStorage", "storage_connection", "x", "x"),
    ("AzureWebJobsStorage__blobServiceUri", "blob_url", "http://b.test/", "http://b.test"),
    ("AzureWebJobsStorage__queueServiceUri", "queue_url", "https://q.test", "https://q.test"),
    ("AzureWebJobsStorage__tableServiceUri", "table_url", "https://t.test/x", "https://t.test/x"),
]


# What a setting cannot be without.
COMPANIONS = {
    "MAILROOM_API_AUTH": {"MAILROOM_API_CLIENT_ID": GUID, "MAILROOM_API_TENANT_ID": GUID},
    "MAILROOM_CALLERS": {
        "MAILROOM_API_AUTH": "entra", "MAILROOM_API_CLIENT_ID": GUID,
        "MAILROOM_TENANT_ID": GUID,
    },
}  # fmt: skip


@pytest.mark.parametrize(("name", "attribute", "text", "value"), GIVEN)
def test_a_setting_is_read(name: str, attribute: str, text: str, value: Any) -> None:
    assert getattr(load(**VAULT | COMPANIONS.get(name, {}) | {name: text}), attribute) == value


def test_developer_credentials_go_with_a_secret() -> None:
    loaded = load(**VAULT, MAILROOM_IDENTITY="developer", MAILROOM_CREDENTIAL="secret")
    assert loaded.identity == "developer"


def test_every_setting_is_described_and_tested_here() -> None:
    described = describe_settings()
    assert {info.name for info in described} == {n for n, *_ in GIVEN} | {"MAILROOM_IDENTITY"}
    assert len({info.name for info in described}) == len(described)
    for info in described:
        assert info.doc.endswith(".")
        assert (info.default is None) == (info.name in NEEDED and info.name.startswith("MAILROOM"))


def test_an_empty_setting_is_unset() -> None:
    loaded = load(MAILROOM_SMTP_PORT="", MAILROOM_CREDENTIAL="  ", MAILROOM_KEY_VAULT_URL="")
    assert (loaded.smtp_port, loaded.credential) == (0, "federated")


def test_other_variables_are_nobody_s_business() -> None:
    assert load(MAILROOM_OF_NOBODY="x", PATH="/bin") == load()


def test_the_process_s_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (NEEDED | {"MAILROOM_LEASE": "77"}).items():
        monkeypatch.setenv(name, text)
    assert load_settings().lease == 77


# Faults


def test_all_that_is_missing_is_named_at_once() -> None:
    assert set(faults({}).names) == set(NEEDED)
    assert set(faults(dict.fromkeys(NEEDED, " ")).names) == set(NEEDED)


def test_missing_unusable_and_contradictory_settings_are_named_at_once() -> None:
    error = faults(
        {
            "MAILROOM_SENDERS": "billing@contoso.com",
            "MAILROOM_CLIENT_ID": "client",
            "MAILROOM_CREDENTIAL": "secret",
            "MAILROOM_SMTP_PRESET": "custom",
            "MAILROOM_SMTP_PORT": "no",
            "MAILROOM_LEASE": "1",
            "AzureWebJobsStorage__blobServiceUri": "https://b.test",
        }
    )
    assert set(error.names) == {
        "MAILROOM_SENDERS", "MAILROOM_TENANT_ID", "MAILROOM_SMTP_PORT", "MAILROOM_LEASE",
        "MAILROOM_KEY_VAULT_URL", "MAILROOM_SMTP_HOST", "AzureWebJobsStorage",
    }  # fmt: skip


def test_what_hangs_on_an_unusable_setting_is_not_guessed_at() -> None:
    assert fault_of(MAILROOM_CREDENTIAL="secrets", MAILROOM_IDENTITY="developer") == (
        "MAILROOM_CREDENTIAL"
    )
    environment = {k: v for k, v in NEEDED.items() if k != "AzureWebJobsStorage"}
    error = faults(environment | {
        "AzureWebJobsStorage__blobServiceUri": "https://b.test",
        "AzureWebJobsStorage__queueServiceUri": "https://q.test",
        "AzureWebJobsStorage__tableServiceUri": "ftp://t.test",
    })  # fmt: skip
    assert error.names == ("AzureWebJobsStorage__tableServiceUri",)


UNUSABLE: list[tuple[str, str]] = [
    ("MAILROOM_CREDENTIAL", "password"),
    ("MAILROOM_IDENTITY", "mine"),
    ("MAILROOM_SMTP_PRESET", "gmail"),
    ("MAILROOM_UNKNOWN", "forget"),
    ("MAILROOM_BRAND_COLOUR", "blue"),
    ("MAILROOM_LANGUAGE", "German!"),
    ("MAILROOM_TIME_ZONE", "Mars/Olympus"),
    ("MAILROOM_TENANT_TRIAL", "perhaps"),
    ("MAILROOM_TRUSTED_MATCH", "none"),
    *(
        ("MAILROOM_BOUNCE_RULES", text)
        for text in (
            "spam",
            "[]",
            '{"spam": "drop"}',
            '{"spa": "count"}',
            '{"spam": []}',
            "[" * 9999,
        )
    ),
    *(
        ("MAILROOM_BOUNCE_LEASES", text)
        for text in ("24", "[0]", "[24, 8761]", "[1.5]", "[true]", str([1] * 21), "{}")
    ),
    *(
        ("MAILROOM_COMPLAINT_EXEMPT_TOPICS", text)
        for text in ("security", "{}", "[5]", '["No topic"]', '[""]')
    ),
    ("MAILROOM_ACCEPTED_DOMAINS", "contoso.com"),
    ("MAILROOM_ACCEPTED_DOMAINS", '["a@contoso.com"]'),
    ("MAILROOM_ACCEPTED_DOMAINS", "[5]"),
    ("MAILROOM_KEY_VAULT_URL", "vault.test"),
    ("MAILROOM_KEY_VAULT_URL", "http://vault.test"),
    ("MAILROOM_KEY_VAULT_URL", "https://"),
    ("MAILROOM_KEY_VAULT_URL", "https://[vault"),
    ("MAILROOM_KEY_VAULT_URL", "https://vault.test:99999"),
    ("MAILROOM_AUTHORITY", "https:///tenant"),
    ("MAILROOM_AUTHORITY", "login.test"),
    ("MAILROOM_RETURNED_MAIL", "pop3"),
    ("MAILROOM_RETURNED_DISPOSAL", "delete"),
    ("MAILROOM_RETURNED_MAILBOXES", "billing@contoso.com"),
    ("MAILROOM_RETURNED_MAILBOXES", "[]"),
    ("MAILROOM_RETURNED_MAILBOXES", '["*@contoso.com"]'),
    ("MAILROOM_RETURNED_MAILBOXES", "[5]"),
    ("MAILROOM_RETURNED_FOLDERS", "INBOX"),
    ("MAILROOM_RETURNED_FOLDERS", '["a\\nb"]'),
    ("MAILROOM_GRAPH_URL", "http://graph.test"),
    ("MAILROOM_LINT", "off"),
    ("MAILROOM_LINT", '["link-http"]'),
    ("MAILROOM_LINT", '{"link-http": "refuse"}'),
    ("MAILROOM_LINT", '{"link-http": ["off"]}'),
    ("MAILROOM_LINT", "[" * 100_000),
    ("MAILROOM_DELIVERY_TEST_MAILBOXES", "probe@contoso.com"),
    ("MAILROOM_DELIVERY_TEST_DAILY", "daily"),
    ("MAILROOM_NAME_SERVERS", "8.8.8.8"),
    ("MAILROOM_NAME_SERVERS", '["dns.contoso.com"]'),
    ("MAILROOM_NAME_SERVERS", '["8.8.8.8:0"]'),
    ("MAILROOM_API_AUTH", "both"),
    ("MAILROOM_API_CLIENT_ID", "mailroom"),
    ("MAILROOM_API_TENANT_ID", "contoso.com"),
    ("MAILROOM_CALLERS", GUID),
    ("MAILROOM_CALLERS", '["a@x.test"]'),
    ("MAILROOM_CALLERS", '{"app": ["a@x.test"]}'),
    ("MAILROOM_CALLERS", f'{{"{GUID}": "a@x.test"}}'),
    ("MAILROOM_CALLERS", f'{{"{GUID}": ["*"]}}'),
    ("MAILROOM_CALLERS", "[" * 100_000),
    ("MAILROOM_SPAMD", "spamd.test"),
    ("MAILROOM_SPAMD", "spamd.test:0"),
    ("MAILROOM_SPAMD", "spamd.test:99999"),
    ("MAILROOM_SPAMD", "http://spamd.test:783"),
    ("MAILROOM_SPAMD", "user@spamd.test:783"),
    ("MAILROOM_SPAMD", "[::1"),
    ("MAILROOM_GUARD", "on"),
    ("MAILROOM_GUARD", '{"actions": {"cards": "hold"}}'),
    ("MAILROOM_ENCRYPT_HEADER", "X-Encrypt"),
    ("MAILROOM_ENCRYPT_HEADER", "Subject: secret"),
    ("MAILROOM_ENCRYPT_HEADER", "X-MS-Exchange-Organization-SCL: -1"),
    ("MAILROOM_ENCRYPT_HEADER", "X-Encrypt: yes\nBcc: b@x.test"),
    ("MAILROOM_ENCRYPT_SUBJECT_TAG", "[secure]" * 6),
    ("MAILROOM_ATTACHMENT_HOSTS", "files.contoso.com"),
    ("MAILROOM_ATTACHMENT_HOSTS", '["127.0.0.1"]'),
    ("MAILROOM_ATTACHMENT_HOSTS", '["*"]'),
    ("MAILROOM_ATTACHMENT_HOSTS", '["https://files.contoso.com"]'),
    ("MAILROOM_PUBLIC_URL", "http://mail.test"),
    ("MAILROOM_BRAND_COLOUR", "red;}"),
    ("AzureWebJobsStorage__blobServiceUri", "b.test"),
    ("AzureWebJobsStorage__queueServiceUri", "file:///q"),
    ("AzureWebJobsStorage__tableServiceUri", "http://[::1"),
    *(
        (name, text)
        for name, low, high in [
            ("MAILROOM_SMTP_PORT", -1, 65536),
            ("MAILROOM_SESSIONS_PER_MAILBOX", 0, 4),
            ("MAILROOM_SMTP_TIMEOUT", 0, 601),
            ("MAILROOM_SIZE_LIMIT", 65535, 150 * 1024 * 1024 + 1),
            ("MAILROOM_RECIPIENT_LIMIT", 0, 1001),
            ("MAILROOM_MESSAGES_PER_MINUTE", 0, 6001),
            ("MAILROOM_RECIPIENTS_PER_DAY", 0, 10_000_001),
            ("MAILROOM_LICENCES", -1, 10_000_001),
            ("MAILROOM_PEOPLE_SHARE", -1, 100),
            ("MAILROOM_DEADLINE", 59, 7 * 86400 + 1),
            ("MAILROOM_BULK_DEADLINE", 59, 7 * 86400 + 1),
            ("MAILROOM_CONTENT_DAYS", 0, 3651),
            ("MAILROOM_TIMELINE_DAYS", 0, 3651),
            ("MAILROOM_RETURNED_DAYS", 0, 3651),
            ("MAILROOM_BOUNCE_FORGIVEN_DAYS", 0, 366),
            ("MAILROOM_HELD_DAYS", 0, 366),
            ("MAILROOM_LEASE", 1, 3601),
            ("MAILROOM_RETURNED_SIZE_LIMIT", 16383, 32 * 1024 * 1024 + 1),
            ("MAILROOM_RETURNED_PER_RUN", 0, 100_001),
            ("MAILROOM_RETURNED_LOOKBACK", 0, 366),
            ("MAILROOM_SENT_ITEMS", -1, 86_401),
            ("MAILROOM_IMAP_PORT", 0, 65536),
            ("MAILROOM_RECONCILE_AFTER", 0, 86401),
        ]
        for text in (str(low), str(high), "many", "1.5", "0x10")
    ),
]


@pytest.mark.parametrize(("name", "text"), UNUSABLE)
def test_an_unusable_setting_is_named_with_what_is_expected(name: str, text: str) -> None:
    error = faults(NEEDED | {name: text})
    assert error.names == (name,)
    assert f"{name} must be " in error.detail


SENDERS = [
    "billing@contoso.com", "[]", "{}", "null", "5", '"a@x.com"', "[5]", '["a@x.com", 5]', '["a"]',
    '["a@x"]', '["a b@x.com"]', '["a@x.com "]', '["*@x.com"]', '{"a@x.com": []}',
    '{"a@x.com": 5}', '{"a@x.com": [5]}', '{"a@x.com": null}', '{"a": "a@x.com"}',
    '{"a@x.com": "*@x.com"}', '{"**@x.com": "a@x.com"}', '{"*@x": "a@x.com"}', '{"*": "a@x.com"}',
    '{"a@x.com": {}}', '{"a@x.com": {"lanes": ["low"]}}',
    '{"a@x.com": {"mailboxes": "a@x.com", "lanes": []}}',
    '{"a@x.com": {"mailboxes": "a@x.com", "lanes": "low"}}',
    '{"a@x.com": {"mailboxes": "a@x.com", "lanes": ["urgent"]}}',
    '{"a@x.com": {"mailboxes": "a@x.com", "lanes": [["low"]]}}',
    '{"a@x.com": {"mailboxes": "a@x.com", "lane": ["low"]}}',
    '{"a@x.com": "a@x.com", "A@X.com": "b@x.com"}', '[["a@x.com"]]', "[" * 100,
]  # fmt: skip


@pytest.mark.parametrize("text", SENDERS)
def test_senders_that_are_none_are_refused_with_an_example(text: str) -> None:
    error = faults(NEEDED | {"MAILROOM_SENDERS": text})
    assert error.names == ("MAILROOM_SENDERS",)
    assert "billing@contoso.com" in error.detail


CONTRADICTIONS: list[tuple[dict[str, str], str]] = [
    ({"MAILROOM_CREDENTIAL": "secret"}, "MAILROOM_KEY_VAULT_URL"),
    ({"MAILROOM_CREDENTIAL": "certificate"}, "MAILROOM_KEY_VAULT_URL"),
    ({"MAILROOM_CREDENTIAL": "delegated"}, "MAILROOM_KEY_VAULT_URL"),
    ({"MAILROOM_IDENTITY": "developer"}, "MAILROOM_IDENTITY"),
    ({"MAILROOM_SMTP_PRESET": "custom"}, "MAILROOM_SMTP_HOST"),
    ({"MAILROOM_SMTP_PRESET": "custom", "MAILROOM_SMTP_HOST": "h"}, "MAILROOM_SMTP_HOST"),
    ({"MAILROOM_SMTP_PRESET": "custom", "MAILROOM_TOKEN_SCOPE": "s"}, "MAILROOM_SMTP_HOST"),
    ({"MAILROOM_SMTP_PRESET": "acs"}, "MAILROOM_SMTP_USERNAME"),
    (
        {"MAILROOM_SMTP_PRESET": "acs", "MAILROOM_SMTP_USERNAME": "u"},
        "MAILROOM_SMTP_USERNAME",
    ),
    ({"MAILROOM_GUARD": '{"actions": {"password": "encrypt"}}'}, "MAILROOM_ENCRYPT_HEADER"),
    ({"MAILROOM_CONTENT_DAYS": "31", "MAILROOM_TIMELINE_DAYS": "30"}, "MAILROOM_TIMELINE_DAYS"),
    (
        {**VAULT, "MAILROOM_CREDENTIAL": "delegated", "MAILROOM_RETURNED_MAIL": "graph"},
        "MAILROOM_RETURNED_MAIL",
    ),
    (
        {"MAILROOM_RETURNED_MAIL": "imap", "MAILROOM_RETURNED_DISPOSAL": "move"},
        "MAILROOM_RETURNED_FOLDER",
    ),
    (
        {
            "MAILROOM_RETURNED_MAIL": "imap",
            "MAILROOM_RETURNED_DISPOSAL": "move",
            "MAILROOM_RETURNED_FOLDER": "inbox",
        },
        "MAILROOM_RETURNED_FOLDER",
    ),
    ({"MAILROOM_CALLERS": "{}"}, "MAILROOM_CALLERS"),
    ({"MAILROOM_API_AUTH": "entra", "MAILROOM_API_TENANT_ID": GUID}, "MAILROOM_API_CLIENT_ID"),
    ({"MAILROOM_API_AUTH": "entra", "MAILROOM_API_CLIENT_ID": GUID}, "MAILROOM_API_TENANT_ID"),
    ({"AzureWebJobsStorage": ""}, "AzureWebJobsStorage"),
    (
        {"AzureWebJobsStorage": "", "AzureWebJobsStorage__blobServiceUri": "https://b.test"},
        "AzureWebJobsStorage",
    ),
]


@pytest.mark.parametrize(("changes", "name"), CONTRADICTIONS)
def test_a_contradiction_is_named(changes: dict[str, str], name: str) -> None:
    assert fault_of(**changes) == name


def test_where_nothing_is_read_nothing_is_asked_for() -> None:
    loaded = load(**VAULT, MAILROOM_CREDENTIAL="delegated", MAILROOM_RETURNED_DISPOSAL="move")
    assert loaded.returned_mail == "off"


def test_the_mailboxes_that_are_read_are_the_senders_unless_named() -> None:
    senders = '{"*@x.test": ["b@x.test", "c@x.test"], "d@x.test": "b@x.test"}'
    assert load(MAILROOM_SENDERS=senders).read_mailboxes == ("b@x.test", "c@x.test")
    named = load(MAILROOM_SENDERS=senders, MAILROOM_RETURNED_MAILBOXES='["c@x.test"]')
    assert named.read_mailboxes == ("c@x.test",)


def test_addresses_of_storage_stand_in_for_a_connection_string() -> None:
    loaded = load(
        AzureWebJobsStorage="",
        AzureWebJobsStorage__blobServiceUri="https://b.test",
        AzureWebJobsStorage__queueServiceUri="https://q.test",
        AzureWebJobsStorage__tableServiceUri="https://t.test",
    )
    assert loaded.storage_connection == ""


# Senders


def test_a_sender_goes_by_its_own_mailboxes_or_by_its_domain_s() -> None:
    loaded = load(
        MAILROOM_SENDERS=json.dumps(
            {
                "billing@contoso.com": ["one@contoso.com", "Two@contoso.com"],
                "*@Contoso.com": "any@contoso.com",
            }
        )
    )
    assert loaded.mailboxes_for("Billing@CONTOSO.com") == ("one@contoso.com", "Two@contoso.com")
    assert loaded.mailboxes_for("x@contoso.com") == ("any@contoso.com",)
    for stranger in (
        "x@sub.contoso.com",
        "x@contoso.com.evil.test",
        "x",
        "",
        '"x@contoso.com"@e.x',
    ):
        assert loaded.mailboxes_for(stranger) == ()


def test_an_identity_without_lanes_has_them_all_and_the_usual_one_is_normal_if_it_may_be() -> None:
    loaded = load(
        MAILROOM_SENDERS=json.dumps(
            {
                "a@x.test": "a@x.test",
                "b@x.test": {"mailboxes": "b@x.test", "lanes": ["low", "normal"]},
                "c@x.test": {"mailboxes": ["c@x.test"], "lanes": ["low", "high"]},
            }
        )
    )
    lanes = {name: (one.lanes, one.usual_lane) for name, one in loaded.senders.items()}
    assert lanes == {
        "a@x.test": (("high", "normal", "low"), "normal"),
        "b@x.test": (("normal", "low"), "normal"),
        "c@x.test": (("high", "low"), "high"),
    }


def test_a_list_is_mailboxes_that_send_as_themselves() -> None:
    loaded = load(MAILROOM_SENDERS='["Billing@contoso.com", "alerts@contoso.com"]')
    assert loaded.mailboxes_for("billing@contoso.com") == ("Billing@contoso.com",)
    assert loaded.mailboxes_for("alerts@contoso.com") == ("alerts@contoso.com",)


# Secrets


def test_the_connection_string_is_not_on_show() -> None:
    secret = "AccountName=x;AccountKey=c2VjcmV0"
    assert "c2VjcmV0" not in repr(load(AzureWebJobsStorage=secret))
    broken = faults({"AzureWebJobsStorage": secret, "MAILROOM_LEASE": "1"})
    assert "c2VjcmV0" not in f"{broken} {broken!r} {vars(broken)}"


@settings(deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from([n for n, *_ in GIVEN]), st.text(max_size=20)))
def test_any_texts_are_settings_or_named_faults(environment: dict[str, str]) -> None:
    try:
        load_settings(environment)
    except SettingsError as error:
        named = error.names
    else:
        named = ("none",)
    assert named
