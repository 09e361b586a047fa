"""A server of the SpamAssassin Network Protocol, as its document has it, with answers to order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


@dataclass
class SpamdServer:
    """Scores 1000 for GTUBE and 1.5 for all else; `answer` replaces what it says."""

    port: int = 0
    answer: bytes | None = None
    silent: bool = False
    questions: list[bytes] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            command, *fields = head.decode("ascii").split("\r\n")
            assert command == "SYMBOLS SPAMC/1.5"
            sizes = [int(f.partition(":")[2]) for f in fields if f.lower().startswith("content-l")]
            content = await reader.readexactly(sizes[0])
            self.questions.append(content)
            if self.silent:
                await reader.read()
                await asyncio.sleep(60)
            writer.write(self._answer(content) if self.answer is None else self.answer)
            await writer.drain()
        finally:
            writer.close()

    def _answer(self, content: bytes) -> bytes:
        score, tests = (1000.0, b"GTUBE,NO_RECEIVED") if GTUBE in content else (1.5, b"NO_RELAYS")
        spam = b"True" if score >= 5 else b"False"
        return b"SPAMD/1.1 0 EX_OK\r\nContent-length: %d\r\nSpam: %s ; %.1f / 5.0\r\n\r\n%s" % (
            len(tests),
            spam,
            score,
            tests,
        )


@asynccontextmanager
async def running_spamd() -> AsyncIterator[SpamdServer]:
    server = SpamdServer()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await server.serve(reader, writer)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listening.wait_closed()
