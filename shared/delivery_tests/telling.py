"""A delivery test as people read it on a terminal."""

from collections.abc import Iterator

from shared.delivery_tests.fields import plain
from shared.delivery_tests.report import Arrival, DeliveryTest, Hop, Observation

_WIDTH = 14


def tell(test: DeliveryTest) -> str:
    """The whole report, its last line ended."""
    lines = [
        _line("test", test.id),
        _line("from, to", f"{test.sender} → {test.to}"),
        _line("status", test.status.replace("_", " ")),
    ]
    if test.queued_seconds is not None:
        reply = f" ({plain(test.server_reply, 120)})" if test.server_reply else ""
        lines.append(_line("handed over", f"after {test.queued_seconds:.1f} s{reply}"))
    if test.arrival:
        lines += tell_arrival(test.arrival)
    lines += tell_observations(test.observations)
    if test.detail:
        lines += ["", plain(test.detail, 500), *([f"  → {test.fix}"] if test.fix else [])]
    return "\n".join(lines) + "\n"


def tell_arrival(arrival: Arrival) -> Iterator[str]:
    """The lines about an arrived mail."""
    if arrival.folder != "unknown":
        yield _line("folder", arrival.folder)
    if arrival.seconds is not None:
        yield _line("arrived", f"{arrival.seconds:.0f} s after it was handed over")
    results = (("SPF", arrival.spf), ("DKIM", arrival.dkim), ("DMARC", arrival.dmarc))
    if arrival.internal:
        yield _line("way", "within one tenant")
    yield _line("results", ", ".join(f"{name} {result or 'not told'}" for name, result in results))
    if arrival.compauth:
        yield _line("compauth", arrival.compauth)
    for signature in arrival.signatures:
        aligned = "aligned" if signature.aligned else "not aligned"
        yield _line(
            "signature", f"{signature.domain} ({signature.selector}), {aligned}, covers "
            f"{', '.join(signature.covers)}",
        )  # fmt: skip
    if arrival.unsubscribe_covered is not None:
        yield _line("unsubscribe", "covered" if arrival.unsubscribe_covered else "not covered")
    for number, hop in enumerate(arrival.hops, 1):
        yield _line(f"hop {number}", _hop(hop))
    if arrival.changed:
        changes = ", ".join(f"{one.name} {one.change}" for one in arrival.changed)
        yield _line("changed", changes)
    if arrival.spam and arrival.spam.score is not None:
        threshold = arrival.spam.threshold or 0
        yield _line("SpamAssassin", f"{arrival.spam.score:g} of {threshold:g}")


def tell_observations(observations: tuple[Observation, ...]) -> Iterator[str]:
    """What to mend, each with how."""
    for one in observations:
        yield f"\n{one.what}"
        yield f"  → {one.fix}"


def _hop(hop: Hop) -> str:
    security = {"tls": f"TLS {hop.tls}".strip(), "weak": f"only TLS {hop.tls}"}.get(
        hop.security,
        {"plain": "no TLS", "internal": "handed on within"}.get(hop.security, "TLS not told"),
    )
    taken = f", {hop.seconds:+.0f} s" if hop.seconds is not None else ""
    return f"{hop.sender or '–'} → {hop.by}: {security}{taken}"


def _line(name: str, value: str) -> str:
    return f"{name:<{_WIDTH}}{value}"
