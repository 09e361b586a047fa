"""The app as Azure sees it: its triggers, its indexing, what its start costs, its host.json."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import function_app
from shared.callers.roles import ROLES

ROOT = Path(__file__).parents[1]

KEYED = ("http", "function")

# One trigger a line: name, kind, what it listens to, and for HTTP who may call it.
TRIGGERS = {
    ("post_message", "http", "POST messages", "function"),
    ("get_message", "http", "GET messages/{id}", "function"),
    ("cancel_message", "http", "DELETE messages/{id}", "function"),
    ("post_batch", "http", "POST messages/batch", "function"),
    ("resolve_message", "http", "POST messages/{id}/resolve", "function"),
    ("replay_messages", "http", "POST messages/replay", "function"),
    ("post_lint", "http", "POST lint", "function"),
    ("list_templates", "http", "GET templates", "function"),
    ("put_template", "http", "PUT templates/{name}", "function"),
    ("get_template", "http", "GET templates/{name}", "function"),
    ("delete_template", "http", "DELETE templates/{name}", "function"),
    ("publish_template", "http", "POST templates/{name}/publish", "function"),
    ("roll_back_template", "http", "POST templates/{name}/rollback", "function"),
    ("list_template_versions", "http", "GET templates/{name}/versions", "function"),
    ("diff_template", "http", "GET templates/{name}/diff", "function"),
    ("preview_template", "http", "POST templates/{name}/preview", "function"),
    ("list_held", "http", "GET held", "function"),
    ("release_message", "http", "POST held/{id}/release", "function"),
    ("refuse_message", "http", "POST held/{id}/refuse", "function"),
    ("serve_file", "http", "GET HEAD POST files/{token}", "anonymous"),
    ("unsubscribe", "http", "GET HEAD POST unsubscribe/{token}", "anonymous"),
    ("list_links", "http", "GET links", "function"),
    ("revoke_link", "http", "DELETE links/{id}", "function"),
    ("get_page", "http", "GET pages/{name}", "anonymous"),
    ("list_suppressions", "http", "GET suppressions", "function"),
    ("export_suppressions", "http", "GET suppressions/export", "function"),
    ("import_suppressions", "http", "POST suppressions/import", "function"),
    ("get_suppression", "http", "GET suppressions/{address}", "function"),
    ("put_suppression", "http", "PUT suppressions/{address}", "function"),
    ("delete_suppression", "http", "DELETE suppressions/{address}", "function"),
    ("list_topics", "http", "GET topics", "function"),
    ("get_topic", "http", "GET topics/{topic}", "function"),
    ("put_topic", "http", "PUT topics/{topic}", "function"),
    ("delete_topic", "http", "DELETE topics/{topic}", "function"),
    ("get_preferences", "http", "GET preferences/{address}", "function"),
    ("put_preferences", "http", "PUT preferences/{address}", "function"),
    ("erase_address", "http", "DELETE addresses/{address}", "function"),
    ("get_erasure", "http", "GET erasures/{id}", "function"),
    ("list_digests", "http", "GET digests", "function"),
    ("put_digest", "http", "PUT digests/{digest}", "function"),
    ("get_digest", "http", "GET digests/{digest}", "function"),
    ("delete_digest", "http", "DELETE digests/{digest}", "function"),
    ("post_digest_items", "http", "POST digests/{digest}/items", "function"),
    ("delete_digest_items", "http", "DELETE digests/{digest}/items/{key}", "function"),
    ("preview_digest", "http", "POST digests/{digest}/preview", "function"),
    ("get_quota", "http", "GET quota", "function"),
    ("list_service_changes", "http", "GET service-changes", "function"),
    ("get_doctor", "http", "GET doctor", "function"),
    ("get_health", "http", "GET health", "anonymous"),
    ("get_dependencies", "http", "GET health/dependencies", "function"),
    ("get_openapi", "http", "GET openapi.json", "anonymous"),
    ("deliver_outbound_mail", "queue", "outbound-mail of AzureWebJobsStorage", ""),
    ("deliver_high_priority_mail", "queue", "outbound-mail-high of AzureWebJobsStorage", ""),
    ("end_poisoned_mail", "queue", "outbound-mail-poison of AzureWebJobsStorage", ""),
    ("end_poisoned_high_mail", "queue", "outbound-mail-high-poison of AzureWebJobsStorage", ""),
    ("handle_bounce", "queue", "bounce-events of AzureWebJobsStorage", ""),
    ("handle_complaint", "queue", "complaint-events of AzureWebJobsStorage", ""),
    ("handle_unsubscribe", "queue", "unsubscribe-events of AzureWebJobsStorage", ""),
    ("handle_delivery", "queue", "delivery-events of AzureWebJobsStorage", ""),
    ("take_digest_items", "queue", "digest-items of AzureWebJobsStorage", ""),
    ("list_returned_mail", "http", "GET returned-mail", "function"),
    ("get_returned_mail", "http", "GET returned-mail/{id}", "function"),
    ("reconcile", "timer", "0 * * * * *", ""),
    ("read_returned_mail", "timer", "20 * * * * *", ""),
    ("erase_addresses", "timer", "40 */5 * * * *", ""),
    ("post_delivery_test", "http", "POST delivery-tests", "function"),
    ("list_delivery_tests", "http", "GET delivery-tests", "function"),
    ("get_delivery_test", "http", "GET delivery-tests/{id}", "function"),
    ("begin_daily_delivery_tests", "timer", "0 10 6 * * *", ""),
    ("send_due_digests", "timer", "5 * * * * *", ""),
    ("watch_service", "timer", "0 35 5 * * *", ""),
    ("delete_expired", "timer", "0 */20 2-4 * * *", ""),
}

# What takes long to import. Neither the start of the app nor a call that does not need it pays.
HEAVY = {
    "aiohttp",
    "aiosmtplib",
    "azure.core",
    "azure.data.tables",
    "azure.identity",
    "azure.keyvault",
    "azure.storage",
    "babel",
    "cryptography",
    "lxml",
    "email_validator",
    "imapclient",
    "css_inline",
    "inscriptis",
    "jinja2",
    "jsonschema",
    "mrml",
    "msal",
    "publicsuffixlist",
    "icalendar",
    "itsdangerous",
    "puremagic",
    "pydantic",
    "requests",
    "tinycss2",
}


def heavy_imports(statement: str) -> set[str]:
    """What of HEAVY a fresh interpreter has loaded after the statement."""
    script = f"{statement}\nimport sys, json\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return HEAVY & set(json.loads(done.stdout))


def described(function: Any) -> tuple[str, str, str, str]:
    trigger = function.get_trigger().get_dict_repr()
    match trigger["type"]:
        case "httpTrigger":
            methods = " ".join(method.value for method in trigger["methods"])
            listens = f"{methods} {trigger['route']}"
            access = trigger["authLevel"].value
        case "queueTrigger":
            listens, access = f"{trigger['queueName']} of {trigger['connection']}", ""
        case _:
            listens, access = trigger["schedule"], ""
    kind = trigger["type"].removesuffix("Trigger")
    return function.get_function_name(), kind, listens, access


def test_the_triggers_are_these() -> None:
    assert {described(function) for function in function_app.app.get_functions()} == TRIGGERS


def test_every_route_that_is_not_open_has_a_role() -> None:
    guarded = {listens for _, kind, listens, access in TRIGGERS if (kind, access) == KEYED}
    assert {f"{method} {template}" for method, template in ROLES} == guarded
    assert set(ROLES.values()) == {"Mail.Send", "Mail.Admin"}


def test_with_entra_no_route_takes_a_function_key() -> None:
    """The platform lets all requests through to the app, which asks for a token at the same
    routes; what is open stays open. In a process of its own: routes are declared at import."""
    script = """
import inspect, json, function_app
found = []
for function in function_app.app.get_functions():
    trigger = function.get_trigger().get_dict_repr()
    if trigger["type"] == "httpTrigger":
        handler = function.get_user_function()
        asks = hasattr(handler, "__wrapped__")
        found.append([function.get_function_name(), trigger["authLevel"].value, asks])
print(json.dumps(found))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True,
        timeout=60, env={**os.environ, "MAILROOM_API_AUTH": "entra"},
    )  # fmt: skip
    assert {tuple(found) for found in json.loads(done.stdout)} == {
        (name, "anonymous", access == "function")
        for name, kind, _, access in TRIGGERS
        if kind == "http"
    }


def test_microsofts_worker_indexes_the_app() -> None:
    """In a process of its own: the library keeps its state in globals."""
    script = """
import asyncio, json, os, sys
from pathlib import Path
from local.functions.bindings import read_functions
from local.functions.logs import CallRegister
from local.functions.worker import Worker

async def index():
    worker = Worker(Path(sys.argv[1]), CallRegister())
    functions = read_functions(await worker.start(), {})
    await worker.stop()
    return [[f.name, type(f.trigger).__name__, f.trigger.parameter] for f in functions]

print(json.dumps(asyncio.run(index())))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(ROOT)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    indexed = {(name, kind) for name, kind, _ in json.loads(done.stdout.splitlines()[-1])}
    assert indexed == {
        (name, f"{kind.title()}Trigger") for name, kind, _listens, _access in TRIGGERS
    }


def test_the_start_of_the_app_loads_nothing_heavy() -> None:
    assert heavy_imports("import function_app") == set()


def test_the_application_loads_no_sdk() -> None:
    """pydantic alone: the models of messages and answers are classes of it."""
    assert heavy_imports("import shared.application") == {"pydantic"}


def test_the_check_of_heavy_imports_sees_each_of_them() -> None:
    assert heavy_imports(f"import {', '.join(HEAVY)}") == HEAVY


@pytest.fixture(scope="module")
def host_json() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ROOT / "host.json").read_text())
    return content


def test_queue_messages_are_plain_and_failures_wait(host_json: dict[str, Any]) -> None:
    """Callers may send plain JSON or base64, so the host must not decode; and without a
    visibility timeout all tries of a failing message are used up within a second."""
    assert host_json["extensions"]["queues"] == {
        "messageEncoding": "none",
        "visibilityTimeout": "00:01:00",
        "maxDequeueCount": 5,
        "maxPollingInterval": "00:00:01",
        # So many wait at the gate at once that every slot of a saturated pool finds one.
        "batchSize": 32,
        "newBatchThreshold": 32,
    }


def test_routes_answer_under_api(host_json: dict[str, Any]) -> None:
    assert host_json["extensions"]["http"]["routePrefix"] == "api"


def test_a_delivery_may_take_longer_than_the_servers_last_reply(host_json: dict[str, Any]) -> None:
    """The reply to the end of data may take ten minutes (RFC 5321 section 4.5.3.2.6)."""
    hours, minutes, _ = map(int, host_json["functionTimeout"].split(":"))
    assert 60 * hours + minutes > 10


def test_the_sdks_accounts_of_their_requests_are_not_logged(host_json: dict[str, Any]) -> None:
    assert host_json["logging"]["logLevel"]["Azure.Core"] == "Warning"
