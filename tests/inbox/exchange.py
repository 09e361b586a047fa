"""An IMAP server that says what Exchange Online says when it is not in the mood."""

import asyncio
import re
import ssl
from dataclasses import dataclass, field

from tests.inbox.world import mail

ALWAYS = {
    "CAPABILITY": [b"CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT IDLE"],
    "LIST": [b'LIST (\\HasNoChildren) "/" INBOX'],
    "LOGOUT": [b"BYE Microsoft Exchange Server IMAP4 server signing off."],
}


@dataclass
class Mood:
    """What the next command of this kind is answered with, in place of the truth.

    reply: after the tag; "" for none. untagged: a line before it. closes: the connection ends.
    """

    command: str
    reply: str = ""
    untagged: str = ""
    closes: bool = False


@dataclass
class ExchangeImap:
    """INBOX with mails of UID 1 to `mails`. `moods` come in turn; `commands` is what was asked."""

    mails: int = 0
    moods: list[Mood] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    port: int = 0

    async def start(self, context: ssl.SSLContext) -> None:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        self._server.close_clients()
        await self._server.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK The Microsoft Exchange IMAP4 service is ready.\r\n")
        while line := (await reader.readline()).decode().strip():
            tag, _, rest = line.partition(" ")
            command = rest.removeprefix("UID ").partition(" ")[0].upper()
            self.commands.append(rest)
            if command == "AUTHENTICATE":
                writer.write(b"+ \r\n")
                self.tokens.append((await reader.readline()).decode().strip())
            if self.moods and self.moods[0].command == command:
                mood = self.moods.pop(0)
                if mood.untagged:
                    writer.write(f"* {mood.untagged}\r\n".encode())
                if mood.reply:
                    writer.write(f"{tag} {mood.reply}\r\n".encode())
                if mood.closes:
                    break
                continue
            for untagged in self._truth(command, rest):
                writer.write(b"* " + untagged + b"\r\n")
            writer.write(f"{tag} OK {command} completed.\r\n".encode())
        writer.close()

    def _truth(self, command: str, rest: str) -> list[bytes]:
        match command:
            case "EXAMINE" | "SELECT":
                return [
                    f"{self.mails} EXISTS".encode(),
                    b"OK [UIDVALIDITY 14] UIDVALIDITY value",
                    f"OK [UIDNEXT {self.mails + 1}] The next unique identifier value".encode(),
                ]
            case "SEARCH":
                numbers = re.search(r"UID (\d+):(\d+)", rest)
                assert numbers is not None, rest
                low, high = int(numbers[1]), min(int(numbers[2]), self.mails)
                return [" ".join(["SEARCH", *map(str, range(low, high + 1))]).encode()]
            case "FETCH":
                return [self._fetched(uid, rest) for uid in _uids(rest)]
        return ALWAYS.get(command, [])

    def _fetched(self, uid: int, rest: str) -> bytes:
        content = mail(uid)
        if "RFC822.SIZE" in rest:
            return f"{uid} FETCH (UID {uid} RFC822.SIZE {len(content)})".encode()
        date = "27-Nov-2026 10:00:00 +0000"
        head = f'{uid} FETCH (UID {uid} INTERNALDATE "{date}" BODY[]<0> {{{len(content)}}}\r\n'
        return head.encode() + content + b")"


def _uids(rest: str) -> list[int]:
    found: list[int] = []
    for part in rest.split(" ")[2].split(","):
        low, _, high = part.partition(":")
        found.extend(range(int(low), int(high or low) + 1))
    return found
