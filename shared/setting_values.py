"""What a setting is, and how its text becomes a value; what cannot is an UnreadableError.

Every reader takes the raw text, which is not blank.
"""

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import urlsplit

type LaneName = Literal["high", "normal", "low"]

LANE_NAMES: tuple[LaneName, ...] = ("high", "normal", "low")

_ADDRESS = re.compile(r"[^@\s*]+@[^@\s*]+\.[^@\s*]+")

_TOPIC = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_EFFECTS = ("suppress", "lease", "count")
# The reasons of shared/returned/report.py, which stands above the settings.
BOUNCE_REASONS = frozenset(
    {
        "user-unknown", "host-unknown", "moved", "no-mail", "mailbox-full", "suspended",
        "filtered", "too-large", "content", "spam", "virus", "policy", "blocked",
        "authentication", "rejected", "rate-limited", "expired", "network", "mail-loop", "system",
        "list", "other",
    }
)  # fmt: skip


def setting[T](
    name: str,
    read: Callable[[str], T],
    doc: str,
    *,
    default: object = MISSING,
    secret: bool = False,
) -> Any:
    """A field of the settings; without a default it must be given."""
    metadata = {"name": name, "read": read, "doc": doc}
    if default is MISSING:
        return dataclasses.field(metadata=metadata, repr=not secret)
    return dataclasses.field(default=default, metadata=metadata, repr=not secret)


def is_demanded(field: "dataclasses.Field[Any]") -> bool:
    """Whether a setting has no default."""
    return field.default is MISSING


@dataclass(frozen=True, slots=True)
class SettingInfo:
    """One setting as documentation wants it; `default` is None where it must be given."""

    name: str
    doc: str
    default: str | None


def written(field: "dataclasses.Field[Any]") -> str | None:
    """A setting's default as an operator would write it, "" for none, None if it must be given."""
    if is_demanded(field):
        return None
    match field.default:
        case bool():
            return str(field.default).lower()
        case tuple():
            return json.dumps(field.default) if field.default else ""
        case str() | int():
            return str(field.default)
    return ""  # what stands for an unset setting is described in its own document


class UnreadableError(ValueError):
    """A setting's text cannot be read; the message says what is expected."""


def text(raw: str) -> str:
    return raw.strip()


def _url(*schemes: str) -> Callable[[str], str]:
    expected = " or ".join(f"{scheme}://" for scheme in schemes)

    def read(raw: str) -> str:
        raw = raw.strip().rstrip("/")
        try:
            parts = urlsplit(raw)
            usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        except ValueError:  # brackets or a port that are none
            usable = False
        if not usable:
            raise UnreadableError(f"an {expected} address")
        return raw

    return read


https_url = _url("https")
web_url = _url("http", "https")


def whole(low: int, high: int) -> Callable[[str], int]:
    def read(raw: str) -> int:
        try:
            number = int(raw.strip())
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise UnreadableError(f"a whole number from {low} to {high}")
        return number

    return read


def one_of(*choices: str) -> Callable[[str], str]:
    def read(raw: str) -> str:
        value = raw.strip().lower()
        if value not in choices:
            raise UnreadableError("one of " + ", ".join(choices))
        return value

    return read


def flag(raw: str) -> bool:
    value = raw.strip().lower()
    if value not in {"true", "false"}:
        raise UnreadableError("true or false")
    return value == "true"


@dataclass(frozen=True, slots=True)
class Identity:
    """A From address, or all of a domain: the mailboxes that send as it, and its lanes."""

    mailboxes: tuple[str, ...]
    lanes: tuple[LaneName, ...] = LANE_NAMES

    @property
    def usual_lane(self) -> LaneName:
        """The lane of a message that names none."""
        return "normal" if "normal" in self.lanes else self.lanes[0]


_SENDERS = (
    'a JSON list of addresses, or an object of From address (or "*@domain") to mailbox(es), '
    'such as {"billing@contoso.com": ["billing@contoso.com"]}, or to {"mailboxes": [...], '
    '"lanes": [...]} with lanes of high, normal and low'
)


def senders(raw: str) -> Mapping[str, Identity]:
    """`["a@x"]`, or `{"a@x": "mailbox@x", "*@x": ["m1@x", "m2@x"], "b@x": {"mailboxes": ["m@x"],
    "lanes": ["normal", "low"]}}`: From address to mailboxes and lanes."""
    value = _json(raw, _SENDERS)
    if isinstance(value, list) and all(isinstance(address, str) for address in value):
        value = {address: address for address in value}
    if not isinstance(value, dict) or not value:
        raise UnreadableError(_SENDERS)
    found: dict[str, Identity] = {}
    for name, given in value.items():
        who, identity = name.lower(), _identity(given)
        boxes = identity.mailboxes
        # A star stands for a whole domain of From addresses; one signs in as a mailbox.
        addresses = ("x" + who.removeprefix("*"), *boxes) if who.startswith("*@") else (who, *boxes)
        if who in found or not all(_ADDRESS.fullmatch(address) for address in addresses):
            raise UnreadableError(_SENDERS)
        found[who] = identity
    return found


def _identity(value: Any) -> Identity:
    lanes: object = list(LANE_NAMES)
    if isinstance(value, dict):
        if not {"mailboxes"} <= value.keys() <= {"mailboxes", "lanes"}:
            raise UnreadableError(_SENDERS)
        lanes = value.get("lanes", lanes)
        value = value["mailboxes"]
    boxes = [value] if isinstance(value, str) else value
    if not (isinstance(boxes, list) and boxes and all(isinstance(b, str) for b in boxes)):
        raise UnreadableError(_SENDERS)
    if not (isinstance(lanes, list) and lanes and all(lane in LANE_NAMES for lane in lanes)):
        raise UnreadableError(_SENDERS)
    return Identity(tuple(boxes), tuple(lane for lane in LANE_NAMES if lane in lanes))


def domains(raw: str) -> tuple[str, ...]:
    expected = 'a JSON list of domains, such as ["contoso.com", "contoso.onmicrosoft.com"]'
    try:
        value = json.loads(raw)
    except ValueError:
        raise UnreadableError(expected) from None
    if not isinstance(value, list) or not all(
        isinstance(d, str) and re.fullmatch(r"[^@\s.]+(\.[^@\s.]+)+", d.strip()) for d in value
    ):
        raise UnreadableError(expected)
    return tuple(d.strip().lower() for d in value)


def mailboxes(raw: str) -> tuple[str, ...]:
    return _texts(raw, _ADDRESS, 'a JSON list of mailboxes, such as ["billing@contoso.com"]')


def name_servers(raw: str) -> tuple[tuple[str, int], ...]:
    expected = 'a JSON list of IP addresses, with a port or not, such as ["8.8.8.8"]'
    return tuple(_name_server(one, expected) for one in _texts(raw, re.compile(r"\S+"), expected))


def _name_server(written: str, expected: str) -> tuple[str, int]:
    host, _, port = written.rpartition(":") if written.count(":") == 1 else (written, "", "53")
    try:
        ip_address(host)
    except ValueError:
        raise UnreadableError(expected) from None
    if not port.isdecimal() or not 0 < int(port) <= 65535:  # noqa: PLR2004
        raise UnreadableError(expected)
    return host, int(port)


def folders(raw: str) -> tuple[str, ...]:
    expected = 'a JSON list of mail folders, such as ["INBOX", "Junk Email"]'
    return _texts(raw, re.compile(r"[^\x00-\x1f\x7f]{1,250}"), expected)


def _texts(raw: str, pattern: re.Pattern[str], expected: str) -> tuple[str, ...]:
    try:
        value = json.loads(raw)
    except ValueError:
        raise UnreadableError(expected) from None
    if not isinstance(value, list) or not value:
        raise UnreadableError(expected)
    if not all(isinstance(one, str) and pattern.fullmatch(one.strip()) for one in value):
        raise UnreadableError(expected)
    return tuple(dict.fromkeys(one.strip() for one in value))


def hours(raw: str) -> tuple[int, ...]:
    expected = "a JSON list of up to 20 whole numbers from 1 to 8760, such as [24, 48]"
    value = _json(raw, expected)
    if not (isinstance(value, list) and len(value) <= 20 and all(map(_is_hours, value))):  # noqa: PLR2004
        raise UnreadableError(expected)
    return tuple(value)


def _is_hours(value: object) -> bool:
    return type(value) is int and 1 <= value <= 8760  # noqa: PLR2004 (a year)


def topics(raw: str) -> tuple[str, ...]:
    expected = 'a JSON list of topics, such as ["security-notices"]'
    value = _json(raw, expected)
    if not isinstance(value, list) or not all(
        isinstance(topic, str) and _TOPIC.fullmatch(topic) for topic in value
    ):
        raise UnreadableError(expected)
    return tuple(value)


def bounce_rules(raw: str) -> tuple[tuple[str, str], ...]:
    """`{"expired": "count"}`: reasons and their effects, as pairs."""
    expected = (
        'a JSON object of reason to suppress, lease or count, such as {"expired": "count"}; '
        f"reasons are {', '.join(sorted(BOUNCE_REASONS))}"
    )
    value = _json(raw, expected)
    if not isinstance(value, dict) or not all(
        reason in BOUNCE_REASONS and effect in _EFFECTS for reason, effect in value.items()
    ):
        raise UnreadableError(expected)
    return tuple(value.items())


def _json(raw: str, expected: str) -> object:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise UnreadableError(expected) from None


def actions(raw: str) -> tuple[tuple[str, str], ...]:
    """`{"rule": "off", "*": "warn"}` as pairs; which rules there are is checked later."""
    expected = (
        'a JSON object of rule to "off", "warn" or "block", such as {"link-http": "block"}; '
        '"*" stands for all other rules'
    )
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise UnreadableError(expected) from None
    if not isinstance(value, dict) or not all(
        action in ("off", "warn", "block") for action in value.values()
    ):
        raise UnreadableError(expected)
    return tuple(value.items())


def host_port(raw: str) -> str:
    """`host:port`, an IPv6 address in brackets."""
    try:
        parts = urlsplit(f"//{raw.strip()}")
        usable = bool(parts.hostname) and bool(parts.port) and parts.netloc == raw.strip()
    except ValueError:
        usable = False
    if not usable or "@" in raw:
        raise UnreadableError("a host and a port, such as spamd.contoso.com:783")
    return raw.strip()


LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,4}")


def colour(raw: str) -> str:
    value = raw.strip().lower()
    if not re.fullmatch(r"#[0-9a-f]{6}", value):
        raise UnreadableError("a colour such as #0b5cad")
    return value


def language_tag(raw: str) -> str:
    value = raw.strip()
    if not LANGUAGE_TAG.fullmatch(value):
        raise UnreadableError("a language tag (BCP 47) such as en or de-AT")
    return value


def time_zone_name(raw: str) -> str:
    value = raw.strip()
    if not is_time_zone(value):
        raise UnreadableError("an IANA time zone such as Europe/Vienna")
    return value


def is_time_zone(name: str) -> bool:
    """Whether the time zone database has it."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415 (10 ms that the app's start can do without)

    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return False
    return True


_LONGEST_VALUE = 200


_LONGEST_TAG = 40


def header_line(raw: str) -> tuple[str, str]:
    """`X-Name: value`: a header field that no program but the tenant's own rules knows."""
    name, colon, value = raw.partition(":")
    name, value = name.strip(), value.strip()
    usable = re.fullmatch(r"X-[A-Za-z0-9-]{1,60}", name, re.IGNORECASE) and value.isascii()
    taken = name.lower().startswith(("x-ms-", "x-microsoft-", "x-mailroom-", "x-forefront-"))
    if not (colon and usable and value.isprintable() and 0 < len(value) <= _LONGEST_VALUE) or taken:
        raise UnreadableError(
            "a header field such as X-Encrypt: yes (its name begins with X-, and not with X-MS-, "
            "X-Microsoft-, X-Mailroom- or X-Forefront-)"
        )
    return name, value


def subject_tag(raw: str) -> str:
    tag = raw.strip()
    if not tag.isprintable() or len(tag) > _LONGEST_TAG:
        raise UnreadableError(f"a few words of up to {_LONGEST_TAG} characters, such as [secure]")
    return tag


_HOST = re.compile(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z][a-z0-9-]*")


def hosts(raw: str) -> tuple[str, ...]:
    """`["files.contoso.com", "*.blob.core.windows.net"]`; a star stands for all names below."""
    expected = 'a JSON list of host names, such as ["files.contoso.com", "*.contoso.com"]'
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise UnreadableError(expected) from None
    if not isinstance(value, list) or not all(
        isinstance(h, str) and _HOST.fullmatch(h.lower()) for h in value
    ):
        raise UnreadableError(expected)
    return tuple(h.lower() for h in value)
