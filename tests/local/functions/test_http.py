"""HTTP triggers: routes, keys, bodies, errors and the admin endpoints, on a running host."""

import asyncio
import io
import json
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from local.azurite import Azurite
from tests.local.functions.conftest import Sample, sample_app

APP = """
@app.route("echo", methods=["POST", "PUT"])
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(req.get_body(), mimetype="application/octet-stream")

@app.route("shown/{id:int}/{*rest}", methods=["GET", "HEAD"])
async def shown(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps({
        "method": req.method, "url": req.url, "headers": dict(req.headers),
        "query": dict(req.params), "route": dict(req.route_params)}),
        mimetype="application/json", headers={"X-Seen": "yes"})

@app.route("guarded", auth_level=func.AuthLevel.FUNCTION)
async def guarded(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("in")

@app.route("other", auth_level=func.AuthLevel.FUNCTION)
async def other(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("in")

@app.route("masters", auth_level=func.AuthLevel.ADMIN)
async def masters(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("in")

@app.route("broken")
async def broken(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("a clear reason")

@app.route("text")
def text(req: func.HttpRequest) -> str:
    print("printed by a synchronous function")
    logging.getLogger("mine").warning("warned by a synchronous function")
    return "plain"

@app.route("odd")
async def odd(req: func.HttpRequest) -> func.HttpResponse:
    answer = func.HttpResponse(b"", status_code=int(req.params["status"]))
    answer.headers.add("Set-Cookie", "a=1; Path=/x; HttpOnly; SameSite=Lax; Max-Age=60")
    answer.headers.add("Set-Cookie", "b=2; Secure")
    return answer

@app.route("slow")
async def slow(req: func.HttpRequest) -> func.HttpResponse:
    await asyncio.sleep(0.5)
    return func.HttpResponse("done")

@app.queue_trigger("msg", "by-hand", "AzureWebJobsStorage")
async def by_hand(msg: func.QueueMessage) -> None:
    note(kind="by_hand", body=msg.get_body().decode(), tries=msg.dequeue_count)

@app.timer_trigger("timer", "0 0 0 1 1 *")
async def yearly(timer: func.TimerRequest) -> None:
    note(kind="yearly", past_due=timer.past_due)

@app.route("files/{name?}")
async def zfiles(req: func.HttpRequest) -> str:
    return req.route_params.get("name", "none")

@app.route("files/special")
async def zspecial(req: func.HttpRequest) -> str:
    return "never reached: zfiles comes before it"

@app.route("off")
async def switched_off(req: func.HttpRequest) -> str:
    return "on"
"""
HOST_JSON = {
    "extensions": {"http": {"customHeaders": {"X-Frame-Options": "DENY"}}, "queues": {"batch": 1}},
    "logging": {"logLevel": {"default": "Information", "Function.broken": "None"}},
}


@pytest.fixture(scope="module")
async def sample(
    storage: Azurite, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Sample]:
    async with sample_app(
        tmp_path_factory.mktemp("http"),
        APP,
        storage=storage,
        host_json=HOST_JSON,
        settings={"AzureWebJobs.switched_off.Disabled": "true"},
        arguments=["--max-body-mb", "1"],
        log_format="json",
    ) as sample:
        yield sample


def log_lines(sample: Sample) -> list[dict[str, str]]:
    return [json.loads(line) for line in sample.host.log().splitlines()]


async def test_binary_bodies_pass_both_ways_unchanged(sample: Sample) -> None:
    body = bytes(range(256)) * 1000
    async with sample.http.post(sample.url("echo"), data=body) as answer:
        assert answer.status == 200
        assert answer.content_type == "application/octet-stream"
        assert await answer.read() == body
    async with sample.http.put(sample.url("ECHO"), data=b"") as answer:
        assert (answer.status, await answer.read()) == (200, b"")


async def test_a_function_sees_url_query_route_and_joined_lower_case_headers(
    sample: Sample,
) -> None:
    headers = [("X-Many", "one"), ("X-Many", "two"), ("X-CASE", "Kept")]
    url = sample.url("shown/42/a%2Fb/%C3%A9?tag=x&tag=y&One=1")
    from yarl import URL

    async with sample.http.get(URL(url, encoded=True), headers=headers) as answer:
        seen = await answer.json()
        assert answer.headers["X-Seen"] == "yes"
        assert answer.headers["X-Frame-Options"] == "DENY"
    assert seen["method"] == "GET"
    assert seen["url"] == url
    assert seen["query"] == {"tag": "x,y", "One": "1"}
    assert seen["route"] == {"id": "42", "rest": "a/b/é"}
    assert seen["headers"]["x-many"] == "one,two"
    assert seen["headers"]["x-case"] == "Kept"


async def test_unknown_paths_and_methods_are_404_as_in_azure(sample: Sample) -> None:
    async def status(method: str, path: str) -> int:
        async with sample.http.request(method, f"{sample.host.url}/{path}") as answer:
            assert await answer.read() == b""
            return answer.status

    assert await status("GET", "api/nothing") == 404
    assert await status("GET", "echo") == 404  # without the prefix
    assert await status("GET", "api/echo") == 404  # only POST and PUT
    assert await status("HEAD", "api/echo") == 404
    assert await status("OPTIONS", "api/echo") == 404
    assert await status("GET", "api/shown/x7/rest") == 404  # not an integer
    assert await status("GET", "api/off") == 404  # disabled by a setting
    assert await status("HEAD", "api/shown/7") == 200  # HEAD is listed: the catch-all is empty


async def test_routes_are_tried_in_the_order_of_names_and_hidden_ones_warned_of(
    sample: Sample,
) -> None:
    for path, expected in (
        ("files", "none"),
        ("files/a.txt", "a.txt"),
        ("files/special", "special"),
    ):
        async with sample.http.get(sample.url(path)) as answer:
            assert await answer.text() == expected
    assert any("'zspecial' is never reached" in line["message"] for line in log_lines(sample))


async def test_auth_levels_take_their_own_keys_only(sample: Sample) -> None:
    host = sample.host

    async def status(path: str, key: str | None = None, code: str | None = None) -> int:
        headers = {} if key is None else {"x-functions-key": key}
        query = {} if code is None else {"code": code}
        async with sample.http.get(sample.url(path), headers=headers, params=query) as answer:
            return answer.status

    assert await status("guarded") == 401
    assert await status("guarded", key="wrong") == 401
    assert await status("guarded", key="") == 401
    assert await status("guarded", key=host.function_key) == 200
    assert await status("guarded", code=host.function_key) == 200
    assert await status("guarded", key=host.master_key) == 200
    assert await status("guarded", key=host.key_of("guarded")) == 200
    assert await status("other", key=host.key_of("guarded")) == 401
    # The header wins, right or wrong.
    assert await status("guarded", key="wrong", code=host.function_key) == 401
    assert await status("guarded", key=host.function_key, code="wrong") == 200
    assert await status("masters", key=host.function_key) == 401
    assert await status("masters", key=host.key_of("masters")) == 401
    assert await status("masters", key=host.master_key) == 200
    assert host.function_key not in host.log()
    assert host.master_key not in host.log()


async def test_the_keys_file_is_the_owners_alone(sample: Sample) -> None:
    path = sample.folder / ".local" / "functions-keys.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_body_over_the_limit_is_413(sample: Sample) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100_000

    async with sample.http.post(sample.url("echo"), data=io.BytesIO(b"x" * 1_048_576)) as answer:
        assert answer.status == 200
    for body in (io.BytesIO(b"x" * 1_048_577), chunks()):
        try:
            async with sample.http.post(sample.url("echo"), data=body) as answer:
                assert answer.status == 413
        except aiohttp.ClientOSError:
            pass  # refused while it was still being sent: the connection is closed


async def test_an_exception_is_500_and_its_traceback_is_logged(sample: Sample) -> None:
    async with sample.http.get(sample.url("broken")) as answer:
        assert (answer.status, await answer.read()) == (500, b"")
    async with sample.http.get(sample.url("odd?status=many")) as answer:
        assert answer.status == 500
    [line] = [line for line in log_lines(sample) if "invalid literal" in line["message"]]
    assert line["level"] == "error"
    assert line["function"] == "odd"
    assert "function_app.py" in line["exception"]
    # host.json turns this one's category off.
    assert not any("a clear reason" in line["message"] for line in log_lines(sample))


async def test_logs_and_prints_carry_function_and_invocation(sample: Sample) -> None:
    async with sample.http.get(sample.url("text")) as answer:
        assert await answer.text() == "plain"
        assert answer.content_type == "text/plain"
    lines = [line for line in log_lines(sample) if line.get("function") == "text"]
    [printed] = [line for line in lines if line["logger"] == "stdout"]
    [warned] = [line for line in lines if line["logger"] == "mine"]
    assert printed["message"] == "printed by a synchronous function"
    assert warned["level"] == "warn"
    assert warned["category"] == "Function.text.User"
    assert printed["invocation_id"] == warned["invocation_id"]


async def test_statuses_and_cookies(sample: Sample) -> None:
    async with sample.http.get(sample.url("odd?status=418")) as answer:
        assert answer.status == 418
        first, second = answer.headers.getall("Set-Cookie")
    assert first.startswith("a=1;")
    for part in ("Path=/x", "HttpOnly", "SameSite=Lax", "Max-Age=60"):
        assert part in first
    assert second.startswith("b=2;")
    assert "Secure" in second
    async with sample.http.get(sample.url("odd?status=99")) as answer:
        assert answer.status == 500


async def test_two_hundred_asynchronous_calls_overlap(sample: Sample) -> None:
    async def call() -> int:
        async with sample.http.get(sample.url("slow")) as answer:
            return answer.status

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        sample = Sample(sample.folder, sample.host, http)
        started = time.monotonic()
        statuses = await asyncio.gather(*(call() for _ in range(200)))
        took = time.monotonic() - started
    assert statuses == [200] * 200
    assert took < 20  # one after the other: 100 s


async def test_admin_endpoints_need_the_master_key(sample: Sample) -> None:
    base = sample.host.url
    master = {"x-functions-key": sample.host.master_key}
    async with sample.http.get(f"{base}/admin/host/ping") as answer:
        assert answer.status == 200
    for path in ("admin/host/status", "admin/functions", "admin/nothing"):
        for key in (None, sample.host.function_key):
            headers = {} if key is None else {"x-functions-key": key}
            async with sample.http.get(f"{base}/{path}", headers=headers) as answer:
                assert answer.status == 401
    async with sample.http.get(f"{base}/admin/host/status", headers=master) as answer:
        assert (await answer.json())["state"] == "Running"
    async with sample.http.get(f"{base}/admin/functions", headers=master) as answer:
        functions = {function["name"]: function for function in await answer.json()}
    assert functions["echo"]["url"] == f"{base}/api/echo"
    assert functions["echo"]["methods"] == ["POST", "PUT"]
    assert functions["by_hand"]["queue"] == "by-hand"
    assert functions["yearly"]["schedule"] == "0 0 0 1 1 *"
    assert functions["switched_off"]["disabled"] is True


async def test_admin_runs_queue_and_timer_functions_now(sample: Sample) -> None:
    async def run(name: str, body: str) -> int:
        async with sample.http.post(
            f"{sample.host.url}/admin/functions/{name}",
            data=body,
            headers={"x-functions-key": sample.host.master_key},
        ) as answer:
            return answer.status

    assert await run("by_hand", '{"input": "hello"}') == 202
    assert await run("yearly", "{}") == 202
    [hello] = await sample.noted("by_hand")
    assert (hello["body"], hello["tries"]) == ("hello", 1)
    [yearly] = await sample.noted("yearly")
    assert yearly["past_due"] is False
    assert await run("echo", "{}") == 400
    assert await run("nobody", "{}") == 404
    assert await run("yearly", "[") == 400


async def test_a_mistyped_setting_of_host_json_is_warned_of(sample: Sample) -> None:
    assert any(
        "'extensions.queues.batch' is no setting" in line["message"] for line in log_lines(sample)
    )


async def test_outstanding_requests_are_bounded(storage: Azurite, tmp_path: Path) -> None:
    source = """
    @app.route("slow")
    async def slow(req: func.HttpRequest) -> str:
        note(kind="begun")
        await asyncio.sleep(0.3)
        note(kind="ended")
        return "done"
    """
    http = {"routePrefix": "", "maxConcurrentRequests": 1, "maxOutstandingRequests": 2}
    async with sample_app(
        tmp_path, source, storage=storage, host_json={"extensions": {"http": http}}
    ) as sample:

        async def call() -> int:
            async with sample.http.get(f"{sample.host.url}/slow") as answer:
                return answer.status

        assert sorted(await asyncio.gather(*(call() for _ in range(4)))) == [200, 200, 429, 429]
        kinds = [line["kind"] for line in sample.notes()]
        assert kinds == ["begun", "ended", "begun", "ended"]
