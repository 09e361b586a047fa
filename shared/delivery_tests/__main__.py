"""`python -m shared.delivery_tests send [ADDRESS]` or `read FILE.eml`: does mail arrive, and how?

send has the app send a probe, follows it and tells what became of it. read tells the same of a mail
that was saved from a mailbox which the app does not read. The exit status is 0 where all is well,
1 where the probe did not arrive, went to junk or is not authenticated, 2 where it cannot be told.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from shared.delivery_tests.fields import MOST_OCTETS
from shared.delivery_tests.observations import observe
from shared.delivery_tests.reading import read_arrival
from shared.delivery_tests.remote import RemoteTests
from shared.delivery_tests.report import Arrival, DeliveryTest
from shared.delivery_tests.telling import tell, tell_arrival, tell_observations
from shared.errors import MailroomError
from shared.settings import load_client_settings

_BETWEEN = 4.0  # seconds between two questions


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m shared.delivery_tests", description=(__doc__ or "").split("\n\n")[1]
    )
    commands = parser.add_subparsers(dest="command", required=True)
    send = commands.add_parser("send", help="send a probe and follow it")
    send.add_argument("to", nargs="?", default="", help="else the app's own probe mailbox")
    send.add_argument("--from", dest="sender", default="", help="else the app's first sender")
    send.add_argument("--url", default="", help="of the app; else MAILROOM_URL")
    send.add_argument("--key", default="", help="function key or token; else MAILROOM_KEY")
    send.add_argument("--json", action="store_true", help="write the report as JSON")
    read = commands.add_parser("read", help="tell of a saved mail")
    read.add_argument("file", type=Path, metavar="FILE.eml")
    read.add_argument("--json", action="store_true", help="write the report as JSON")
    return parser.parse_args(arguments)


def is_well(arrival: Arrival | None) -> bool:
    """Whether a mail arrived where people look, and authenticated (or from the same tenant)."""
    if arrival is None or arrival.folder == "junk":
        return False
    return arrival.internal or (arrival.spf, arrival.dkim, arrival.dmarc) == (
        "pass",
        "pass",
        "pass",
    )


async def send(chosen: argparse.Namespace, *, between: float = _BETWEEN) -> int:
    """Returns the exit status. between: seconds from one question to the next."""
    settings = load_client_settings(url=chosen.url, key=chosen.key)
    async with RemoteTests(settings.url, settings.key) as remote:
        test = await remote.begin(to=chosen.to, sender=chosen.sender)
        print(f"Test {test.id}: {test.sender} → {test.to}", file=sys.stderr, flush=True)
        status = ""
        while not test.ended:
            if test.status != status:
                status = test.status
                print(f"{status} …", file=sys.stderr, flush=True)
            await asyncio.sleep(between)
            test = await remote.get(test.id)
    print(test.model_dump_json(indent=2) if chosen.json else tell(test), end="")
    return _status(test)


def read(chosen: argparse.Namespace) -> int:
    """Returns the exit status."""
    with chosen.file.open("rb") as file:
        arrival = read_arrival(file.read(MOST_OCTETS))
    if not arrival.hops:
        raise MailroomError(
            f"{chosen.file} has no Received field: it has not come by mail.",
            fix="Save the mail with its whole header (Gmail: Show original, Download original).",
        )
    if chosen.json:
        print(arrival.model_dump_json(indent=2))
    else:
        print("\n".join([*tell_arrival(arrival), *tell_observations(observe(arrival))]))
    return 0 if is_well(arrival) else 1


def _status(test: DeliveryTest) -> int:
    if test.status == "handed_over":
        return 2
    return 0 if is_well(test.arrival) else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 to 2 as told above, 130 interrupted."""
    chosen = _arguments(arguments)
    try:
        return read(chosen) if chosen.command == "read" else asyncio.run(send(chosen))
    except (MailroomError, OSError) as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        print("Broken off; GET /api/delivery-tests has what becomes of it.", file=sys.stderr)
        return 130
    return 2


if __name__ == "__main__":
    sys.exit(main())
