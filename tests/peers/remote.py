"""A mail server of somebody else's, which refuses some recipients: Postfix relays to it."""

import asyncio

# Local part to the reply at RCPT (RFC 5321); everybody else is accepted.
REFUSALS = {
    "gone": "550 5.1.1 <gone@remote.test>: there is no such user here",
    "full": "452 4.2.2 <full@remote.test>: the mailbox is full",
    "blocked": "554 5.7.1 the message is refused by policy",
}


class RemoteServer:
    """One port on this machine's loopback, without TLS. `accepted`: the mails that it took."""

    def __init__(self) -> None:
        self.accepted: list[bytes] = []
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server.close_clients()
            await self._server.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(text: str) -> None:
            writer.write(text.encode() + b"\r\n")

        say("220 mx.remote.test ESMTP")
        while line := (await reader.readline()).decode("utf-8", "replace").strip():
            verb, _, rest = line.partition(" ")
            match verb.upper():
                case "RCPT":
                    who = rest.partition("<")[2].partition("@")[0]
                    say(REFUSALS.get(who, "250 2.1.5 OK"))
                case "DATA":
                    say("354 go on")
                    self.accepted.append(await reader.readuntil(b"\r\n.\r\n"))
                    say("250 2.0.0 OK")
                case "QUIT":
                    say("221 2.0.0 bye")
                    break
                case _:
                    say("250 2.0.0 OK")
        writer.close()
