"""Whether this machine's clock is right: assertions, signatures and leases go by it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit, urlunsplit

from shared.doctor.finding import Finding, Patient, Severity

_WARNING, _ERROR = timedelta(minutes=1), timedelta(minutes=5)
_PATIENCE = 8.0  # seconds


async def check_clock(patient: Patient) -> Sequence[Finding]:
    """Compares the clock with the Date header (RFC 9110 section 6.6.1) of Entra and Storage."""
    settings = patient.settings
    storage = urlsplit(patient.storage.queues.url)
    urls = {
        "Entra ID": f"{settings.authority}/{settings.tenant_id}/v2.0/"
        ".well-known/openid-configuration",
        # Without its query, which may be a signature.
        "Storage": urlunsplit((storage.scheme, storage.netloc, storage.path, "comp=list", "")),
    }
    offsets = await asyncio.gather(*(_offset(patient, url) for url in urls.values()))
    known = {name: off for name, off in zip(urls, offsets, strict=True) if off is not None}
    if not known:
        return [
            Finding(
                check="clock.offset", severity=Severity.NOTE,
                detail="Neither Entra ID nor Storage told the time.",
                cause="They do not answer.",
                fix="See the findings about them.",
            )
        ]  # fmt: skip
    return [_judge(name, offset) for name, offset in known.items()]


async def _offset(patient: Patient, url: str) -> timedelta | None:
    """How far the clock is ahead of the server's; None if the server does not tell."""
    import aiohttp  # noqa: PLC0415 (a third of a second)

    timeout = aiohttp.ClientTimeout(total=_PATIENCE)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            before = patient.clock()
            async with session.get(url, allow_redirects=False) as answer:
                # Any answer has a date, a refusal too.
                date: datetime = parsedate_to_datetime(answer.headers["Date"])
            after = patient.clock()
    except (aiohttp.ClientError, TimeoutError, KeyError, ValueError):
        return None
    return before + (after - before) / 2 - date if date.tzinfo else None


def _judge(name: str, offset: timedelta) -> Finding:
    seconds = offset.total_seconds()
    way = "ahead of" if seconds > 0 else "behind"
    if abs(offset) <= _WARNING:
        return Finding(
            check="clock.offset", severity=Severity.OK, subject=name,
            detail=f"The clock agrees with {name} to within a minute.",
        )  # fmt: skip
    return Finding(
        check="clock.offset",
        severity=Severity.ERROR if abs(offset) > _ERROR else Severity.WARNING,
        subject=name,
        detail=f"The clock is {abs(seconds):.0f} seconds {way} that of {name}.",
        cause="This machine does not synchronise its clock (a laptop that slept, a virtual machine "
        "that was paused).",
        fix="Synchronise it: `timedatectl set-ntp true`, `w32tm /resync`, or restart the machine. "
        "Entra ID refuses assertions that are 5 minutes off.",
    )  # fmt: skip
