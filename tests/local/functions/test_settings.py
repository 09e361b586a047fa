"""host.json, local.settings.json, keys files and storage connections: read, or refused clearly."""

import json
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.functions.keys import Keys, KeysError, load_keys
from local.functions.settings import (
    SettingsError,
    load_local_settings,
    read_host_json,
    read_time_span,
)
from local.functions.storage import Connections, StorageConnectionError


def host_json(folder: Path, content: Any) -> Path:
    (folder / "host.json").write_text(json.dumps(content))
    return folder


def test_defaults_are_azures(tmp_path: Path) -> None:
    settings = read_host_json(host_json(tmp_path, {"version": "2.0"}), {})
    assert settings.queues.batch_size == 16
    assert settings.queues.max_dequeue_count == 5
    assert settings.queues.max_polling_interval == timedelta(minutes=1)
    assert settings.queues.visibility_timeout == timedelta(0)
    assert settings.queues.base64 is True
    assert settings.http.route_prefix == "api"
    assert settings.http.max_concurrent is None
    assert settings.function_timeout == timedelta(minutes=30)
    assert settings.unknown == ()


def test_what_is_said_is_read_and_the_environment_overrides(tmp_path: Path) -> None:
    content = {
        "version": "2.0",
        "functionTimeout": "-1",
        "logging": {"logLevel": {"Function.accept.User": "Debug"}},
        "extensions": {
            "http": {"routePrefix": "/v1/", "maxConcurrentRequests": 7},
            "queues": {"BatchSize": 32, "messageEncoding": "None", "newBatchSize": 4},
        },
    }
    environment = {
        "AzureFunctionsJobHost__extensions__queues__batchSize": "8",
        "AzureFunctionsJobHost__extensions__queues__visibilityTimeout": "00:05:00",
        "AzureFunctionsJobHost__logging__logLevel__Function.accept": "Error",
    }
    settings = read_host_json(host_json(tmp_path, content), environment)
    assert settings.queues.batch_size == 8
    assert settings.queues.base64 is False
    assert settings.queues.visibility_timeout == timedelta(minutes=5)
    assert settings.http.route_prefix == "v1"
    assert settings.http.max_concurrent == 7
    assert settings.function_timeout is None
    assert settings.log_levels == {"Function.accept.User": "Debug", "Function.accept": "Error"}
    assert settings.unknown == ("extensions.queues.newbatchsize",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, '"version" must be "2.0"'),
        ([], "an object was expected"),
        ({"version": "2.0", "extensions": []}, "'extensions' must be an object"),
        ({"extensions": {"queues": {"batchSize": 33}}}, "'batchSize' must be .* from 1 to 32"),
        ({"extensions": {"queues": {"batchSize": "x"}}}, "not 'x'"),
        ({"extensions": {"queues": {"batchSize": True}}}, "not True"),
        ({"extensions": {"queues": {"maxPollingInterval": "5"}}}, "write hh:mm:ss"),
        ({"extensions": {"queues": {"messageEncoding": "utf8"}}}, "'base64' or 'none'"),
        ({"functionTimeout": "forever"}, "'functionTimeout': 'forever' is not a time span"),
    ],
)
def test_wrong_host_json_is_refused(tmp_path: Path, content: Any, reason: str) -> None:
    if isinstance(content, dict) and content:
        content = {"version": "2.0"} | content
    with pytest.raises(SettingsError, match=reason):
        read_host_json(host_json(tmp_path, content), {})


def test_a_missing_host_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"host\.json does not exist"):
        read_host_json(tmp_path, {})


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=9999)))
def test_time_spans_are_dotnets(span: timedelta) -> None:
    hours, rest = divmod(span.seconds, 3600)
    clock = f"{hours:02}:{rest // 60:02}:{rest % 60:02}.{span.microseconds:06}"
    text = f"{span.days}.{clock}" if span.days else clock
    assert abs(read_time_span(text) - span) <= timedelta(microseconds=1)


@given(st.text(alphabet="0123456789:.- ", max_size=12))
def test_any_text_is_a_time_span_or_refused(text: str) -> None:
    try:
        assert read_time_span(text) >= timedelta(0)
    except ValueError as error:
        assert "time span" in str(error)  # noqa: PT017 - both outcomes are right


def test_local_settings_fill_what_is_not_set(tmp_path: Path) -> None:
    path = tmp_path / "local.settings.json"
    path.write_text('\ufeff{"Values": {"A": "file", "B": "file", "C": true, "D": 3}}')
    environment = {"A": "environment"}
    load_local_settings(path, environment)
    assert environment == {"A": "environment", "B": "file", "C": "true", "D": "3"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"IsEncrypted": true}', "func settings decrypt"),
        ('{"Values": {"A": {}}}', "value of 'A' must be a string"),
        ('{"Values": []}', "an object was expected"),
        ("{", "is not JSON"),
    ],
)
def test_wrong_local_settings_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "local.settings.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=reason):
        load_local_settings(path, {})


def test_new_keys_are_random_private_and_completed_later(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "keys.json"
    first = load_keys(path, ["one"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    second = load_keys(path, ["one", "two"])
    assert second.master == first.master
    assert second.functions["one"] == first.functions["one"]
    every = [
        second.master,
        second.host["default"],
        *(k["default"] for k in second.functions.values()),
    ]
    assert len(set(every)) == 4
    assert all(len(key) >= 50 for key in every)
    assert not any(key in repr(second) for key in every)


def test_given_keys_are_used(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text('{"masterKey": "mine", "functions": {"one": {"partner": "theirs"}}}')
    keys = load_keys(path, ["one"])
    assert keys.allow("admin", None, "mine")
    assert keys.allow("function", "one", "theirs")
    assert not keys.allow("function", "two", "theirs")


@pytest.mark.parametrize(
    "text", ["[]", '{"masterKey": ""}', '{"functionKeys": {"default": 7}}', '{"functions": []}']
)
def test_wrong_keys_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(KeysError, match="does not hold keys"):
        load_keys(path, [])
    path.write_text("{")
    with pytest.raises(KeysError, match="delete it"):
        load_keys(path, [])


@given(st.text(), st.sampled_from(["function", "admin"]))
def test_no_other_text_opens_a_function(given_key: str, level: str) -> None:
    keys = Keys("master-key", {"default": "host-key"}, {"one": {"default": "one-key"}})
    accepted = {"master-key"} | ({"host-key", "one-key"} if level == "function" else set())
    assert keys.allow(level, "one", given_key) == (given_key in accepted)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "'Storage' is not set: give the setting 'Storage'"),
        ({"Storage": ""}, "is not set"),
        (
            {"Storage__accountName": "acct", "Storage__credential": "secret"},
            "'Storage__credential' is 'secret'",
        ),
    ],
)
async def test_incomplete_connections_are_refused(settings: dict[str, str], reason: str) -> None:
    connections = Connections(settings)
    with pytest.raises(StorageConnectionError, match=reason):
        connections.queues("Storage")
    await connections.close()


async def test_connections_are_found_as_azure_finds_them() -> None:
    connections = Connections(
        {
            "AzureWebJobsInbox": "UseDevelopmentStorage=true",
            "Other__queueServiceUri": "https://other.queue.core.windows.net",
            "Other__credential": "managedidentity",
            "Other__clientId": "44444444-4444-4444-4444-444444444444",
        }
    )
    assert connections.queues("Inbox").account_name == "devstoreaccount1"
    assert connections.queues("Other").url.rstrip("/") == "https://other.queue.core.windows.net"
    assert connections.queues("Other") is connections.queues("Other")
    await connections.close()
