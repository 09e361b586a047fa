"""Tokens and keys of services, by the forms that their makers document.

Each has a piece that is looked for, a pattern that is tried where it stands, and a check where the
form has one. Patterns are bounded and possessive: trying one costs its length at most.
"""

import base64
import binascii
import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from shared.guard.hits import MOST, Hit, in_link, looks_random, occurrences
from shared.guard.passages import Passage

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_JWT = re.compile(r"eyJ[\w-]{8,4000}+(?:\.[\w-]{0,8000}+){2,4}+", re.ASCII)
_HEX_BITS = 2.5  # entropy of a character of a random hexadecimal value, with room for chance


@dataclass(frozen=True, slots=True)
class _Form:
    """back: how far before the piece the pattern begins."""

    kind: str
    piece: str
    pattern: re.Pattern[str]
    check: Callable[[str], bool]
    back: int = 0


def has_crc32(token: str) -> bool:
    """Whether the last six characters are the CRC-32 of the 30 before, in base 62 (GitHub, npm)."""
    body, given = token[-36:-6], token[-6:]
    number = 0
    for char in given:
        place = _BASE62.find(char)
        number = number * 62 + place
    return number == zlib.crc32(body.encode())


def _form(
    kind: str, piece: str, rest: str, check: Callable[[str], bool] = looks_random, back: int = 0
) -> _Form:
    body = rest if back else re.escape(piece) + rest
    whole = re.compile(rf"(?<![A-Za-z0-9]){body}(?![A-Za-z0-9])", re.ASCII)
    return _Form(kind, piece, whole, check, back)


def _hex(token: str) -> bool:
    return looks_random(token, bits=_HEX_BITS)


_FORMS: tuple[_Form, ...] = (
    *(
        _form("GitHub token", prefix, "[A-Za-z0-9]{36}", has_crc32)
        for prefix in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")
    ),
    _form("GitHub token", "ghs_", r"[A-Za-z0-9_.-]{60,1000}+"),
    _form("GitHub token", "github_pat_", "[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    _form("npm token", "npm_", "[A-Za-z0-9]{36}", has_crc32),
    *(
        _form("GitLab token", prefix, r"[\w-]{20,300}+(?:\.[0-9a-z]{2}\.[0-9a-z]{7,9})?")
        for prefix in ("glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "gloas-", "glsoat-", "glft-")
    ),
    *(
        _form("Slack token", prefix, r"(?:[0-9A-Za-z]{1,20}-){1,4}+[0-9A-Za-z]{20,80}+")
        for prefix in ("xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxe-", "xoxe.xoxp-", "xapp-")
    ),
    _form("Slack webhook", "hooks.slack.com/services/", r"T\w{8,12}+/B\w{8,12}+/[A-Za-z0-9]{24}"),
    _form("Discord webhook", "discord.com/api/webhooks/", r"[0-9]{17,20}/[\w-]{60,80}+"),
    _form("Teams webhook", ".webhook.office.com/webhookb2/", r"[0-9a-f@-]{60,80}+/[\w/-]{50,120}+"),
    *(
        _form("Stripe key", prefix, "[A-Za-z0-9]{24,120}+")
        for prefix in ("sk_live_", "rk_live_", "whsec_")
    ),
    _form("Google API key", "AIza", r"[\w-]{35}"),
    _form("Google client secret", "GOCSPX-", r"[\w-]{28}"),
    _form("Google access token", "ya29.", r"[\w-]{50,1000}+"),
    _form("PyPI token", "pypi-AgE", r"[\w-]{60,500}+"),
    _form("SendGrid key", "SG.", r"[\w-]{22}\.[\w-]{43}"),
    _form("Mailgun key", "key-", "[0-9a-f]{32}", _hex),
    _form("Mailchimp key", "-us", r"[0-9a-f]{32}-us[0-9]{1,2}", _hex, back=32),
    _form("Twilio key", "SK", "[0-9a-f]{32}", _hex),
    _form("AWS access key", "AKIA", "[A-Z2-7]{16}"),
    _form("AWS access key", "ASIA", "[A-Z2-7]{16}"),
    _form("Entra ID client secret", "Q~", r"[\w.~-]{3}[0-9]Q~[\w.~-]{31,34}", back=4),
    _form("Azure DevOps token", "AZDO", r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}", back=76),
    _form("Azure Functions key", "AzFu", r"[\w-]{44}AzFu[\w=-]{4,8}", back=44),
    _form("Azure Storage key", "+ASt", r"[A-Za-z0-9+/]{76}\+ASt[A-Za-z0-9+/=]{8}", back=76),
    _form("Azure Service Bus key", "+ASb", r"[A-Za-z0-9+/]{33}\+ASb[A-Za-z0-9+/=]{7}", back=33),
    _form("Azure Event Hubs key", "+AEh", r"[A-Za-z0-9+/]{33}\+AEh[A-Za-z0-9+/=]{7}", back=33),
    _form("Azure Cosmos DB key", "ACDb", r"[A-Za-z0-9+/]{76}ACDb[A-Za-z0-9+/=]{8}", back=76),
    _form("OpenAI key", "T3BlbkFJ", r"[\w-]{60}T3BlbkFJ[\w-]{20,80}+", back=60),
    _form("OpenAI key", "sk-proj-", r"[\w-]{40,200}+"),
    _form("OpenAI key", "sk-svcacct-", r"[\w-]{40,200}+"),
    _form("OpenAI key", "sk-", "[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}"),
    _form("Anthropic key", "sk-ant-", r"[\w-]{80,120}+"),
    _form("Hugging Face token", "hf_", "[A-Za-z]{34}"),
    *(
        _form("DigitalOcean token", prefix, "[0-9a-f]{64}", _hex)
        for prefix in ("dop_v1_", "doo_v1_", "dor_v1_")
    ),
    _form("Databricks token", "dapi", "[0-9a-f]{32}(?:-[0-9])?", _hex),
    _form("HashiCorp Vault token", "hvs.", r"[\w-]{24,200}+"),
    _form("Terraform token", ".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,70}", back=14),
    *(
        _form("Shopify token", prefix, "[0-9a-fA-F]{32}", _hex)
        for prefix in ("shpat_", "shpca_", "shppa_", "shpss_")
    ),
    _form("Square token", "sq0atp-", r"[\w-]{22}"),
    _form("Square secret", "sq0csp-", r"[\w-]{43}"),
    _form("Docker Hub token", "dckr_pat_", r"[\w-]{27}"),
    _form("Atlassian token", "ATATT3xFfGF0", r"[\w=-]{100,300}+"),
    _form("Grafana token", "glsa_", "[A-Za-z0-9]{32}_[0-9a-fA-F]{8}"),
    _form("Postman key", "PMAK-", "[0-9a-f]{24}-[0-9a-f]{34}", _hex),
    _form("Linear key", "lin_api_", "[A-Za-z0-9]{40}"),
    _form("New Relic key", "NRAK-", "[A-Z0-9]{27}"),
    _form("Telegram bot token", ":AA", r"[0-9]{9}:AA[\w-]{33}", back=9),
    _form("Telegram bot token", ":AA", r"[0-9]{10}:AA[\w-]{33}", back=10),
    _form("RubyGems key", "rubygems_", "[0-9a-f]{48}", _hex),
    _form("Sentry token", "sntrys_", r"[\w+/=-]{80,300}+"),
    _form("Brevo key", "xkeysib-", "[0-9a-f]{64}-[A-Za-z0-9]{16}", _hex),
)  # fmt: skip


def find_tokens(passage: Passage) -> Iterator[Hit]:
    """Vendors' tokens; nothing of them may be shown but whose they are."""
    found = 0
    for form in _FORMS:
        for at in occurrences(passage.text, form.piece):
            match = form.pattern.match(passage.text, at - form.back) if at >= form.back else None
            if match and form.check(match.group()):
                yield Hit("access-token", *match.span(), form.kind)
                found += 1
                if found == MOST:
                    return


def find_jwts(passage: Passage) -> Iterator[Hit]:
    """JSON Web Tokens (RFC 7519) whose header and claims can be read; also encrypted ones."""
    reached = 0
    for at in occurrences(passage.text, "eyJ"):
        tied = at and (passage.text[at - 1].isalnum() or passage.text[at - 1] in "_-.")
        if at < reached or tied:
            continue
        match = _JWT.match(passage.text, at)
        if match is None:
            continue
        reached = match.end()
        if is_jwt(match.group()):
            rule = "link-token" if in_link(passage, at) else "jwt"
            yield Hit(rule, *match.span(), "JSON Web Token")


def is_jwt(token: str) -> bool:
    """Whether the parts are those of RFC 7515 (three) or RFC 7516 (five), with a header."""
    parts = token.rstrip(".").split(".")
    if len(parts) not in (3, 5) or len(parts[-1]) < 16:  # noqa: PLR2004
        return False
    header = _json(parts[0])
    if "alg" not in header:
        return False
    return "enc" in header if len(parts) == 5 else bool(_json(parts[1]))  # noqa: PLR2004


def _json(part: str) -> dict[str, object]:
    try:
        value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
