"""Functions as the library's decorators describe them: read, or refused with the fix."""

from collections.abc import Sequence

import azure.functions as func
import pytest

from local.functions.bindings import (
    BindingError,
    BlobOutput,
    FunctionDefinition,
    HttpTrigger,
    QueueOutput,
    QueueTrigger,
    TimerTrigger,
    read_functions,
)
from local.functions.outputs import OutputError, expand_path
from local.functions.protocol import RpcFunctionMetadata, TypedData


def index(app: func.FunctionApp) -> Sequence[RpcFunctionMetadata]:
    return [
        RpcFunctionMetadata(
            name=str(function.get_function_name()),
            function_id=str(function.get_function_name()),
            managed_dependency_enabled=False,
            directory="",
            script_file="function_app.py",
            entry_point=str(function.get_function_name()),
            is_proxy=False,
            language="python",
            bindings={},
            raw_bindings=function.get_raw_bindings(),
            retry_options=None,
            properties={},
        )
        for function in app.get_functions()
    ]


def read(app: func.FunctionApp, **settings: str) -> list[FunctionDefinition]:
    return read_functions(index(app), settings)


def test_triggers_and_outputs_are_read() -> None:
    app = func.FunctionApp(http_auth_level=func.AuthLevel.ADMIN)

    @app.route("items/{id}", methods=["get", "Post"])
    async def items(req: func.HttpRequest) -> None: ...

    @app.route(auth_level=func.AuthLevel.ANONYMOUS)
    async def bare(req: func.HttpRequest) -> None: ...

    @app.queue_trigger("msg", "%PREFIX%-jobs", "Inbox")
    @app.queue_output("out", "%PREFIX%-done", "Outbox")
    @app.blob_output("copy", "copies/{rand-guid}", "AzureWebJobsStorage")
    async def jobs(msg: func.QueueMessage, out: func.Out[str], copy: func.Out[str]) -> None: ...

    @app.timer_trigger("timer", "%WHEN%", run_on_startup=True, use_monitor=False)
    async def timed(timer: func.TimerRequest) -> None: ...

    settings = {"PREFIX": "mail", "WHEN": "0 0 * * * *", "AzureWebJobs.timed.Disabled": "1"}
    functions = {item.name: item for item in read(app, **settings)}
    assert functions["items"].trigger == HttpTrigger(
        "req", "items/{id}", frozenset({"GET", "POST"}), "admin"
    )
    assert functions["bare"].trigger == HttpTrigger("req", "bare", None, "anonymous")
    assert functions["jobs"].trigger == QueueTrigger("msg", "mail-jobs", "Inbox", binary=False)
    assert set(functions["jobs"].outputs) == {
        QueueOutput("out", "mail-done", "Outbox"),
        BlobOutput("copy", "copies/{rand-guid}", "AzureWebJobsStorage"),
    }
    assert functions["timed"].trigger == TimerTrigger(
        "timer", "0 0 * * * *", run_on_startup=True, use_monitor=False
    )
    assert [item.name for item in functions.values() if item.disabled] == ["timed"]


def test_a_missing_setting_is_named() -> None:
    app = func.FunctionApp()

    @app.queue_trigger("msg", "%NOT_SET%", "AzureWebJobsStorage")
    async def work(msg: func.QueueMessage) -> None: ...

    with pytest.raises(BindingError, match=r"'work' refers to %NOT_SET%, .* add it to the app"):
        read(app)


def test_an_unsupported_trigger_is_named() -> None:
    app = func.FunctionApp()

    @app.service_bus_queue_trigger("msg", "Connection", "jobs")
    async def work(msg: func.ServiceBusMessage) -> None: ...

    with pytest.raises(BindingError, match="'work' uses the input binding 'serviceBusTrigger'"):
        read(app)


def test_an_unsupported_input_is_named() -> None:
    app = func.FunctionApp()

    @app.queue_trigger("msg", "jobs", "AzureWebJobsStorage")
    @app.blob_input("given", "container/name", "AzureWebJobsStorage")
    async def work(msg: func.QueueMessage, given: func.InputStream) -> None: ...

    with pytest.raises(BindingError, match="input binding 'blob' \\(parameter 'given'\\)"):
        read(app)


@pytest.mark.parametrize("name", ["Jobs", "a_b", "ab", "a--b", "-ab", "ab-", "a" * 64])
def test_impossible_queue_names_are_refused(name: str) -> None:
    app = func.FunctionApp()

    @app.queue_trigger("msg", name, "AzureWebJobsStorage")
    async def work(msg: func.QueueMessage) -> None: ...

    with pytest.raises(BindingError, match="3 to 63"):
        read(app)


def test_blob_paths_take_values_of_the_trigger() -> None:
    metadata = {"Id": TypedData(string="seven")}
    assert expand_path("mail/{id}.txt", metadata) == "mail/seven.txt"
    assert len(expand_path("mail/{rand-guid}", metadata)) == len("mail/") + 36
    assert expand_path("mail/{DateTime}", metadata).startswith("mail/20")
    with pytest.raises(OutputError, match="needs 'name', which this trigger does not give"):
        expand_path("mail/{name}", metadata)
