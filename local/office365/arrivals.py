"""What becomes of accepted mail at another provider: how it arrives in the mailboxes there.

probe@fabrikam.test      authenticated, by TLS; signed as Exchange Online signs
gateway@fabrikam.test    the same, through a gateway that signs List-Unsubscribe too
junk@fabrikam.test       to the junk folder
unsigned@fabrikam.test   not signed, SPF and DMARC fail; handed on without TLS; a field is lost
lost@fabrikam.test       never

learn.microsoft.com/defender-office-365/message-headers-eop-mdo, RFC 8601, RFC 6376
"""

import re
from datetime import datetime, timedelta
from email.utils import format_datetime

from local.mailboxes import TenantMailboxes

from .mail import KeptMessage

DOMAIN = "fabrikam.test"
ARRIVAL_MAILBOXES = tuple(
    f"{name}@{DOMAIN}" for name in ("probe", "gateway", "junk", "unsigned", "lost")
)

_SIGNED = "From:Date:Subject:Message-ID:Content-Type:MIME-Version:X-MS-Exchange-SenderADCheck"
_EDGE = "mail-westeurope0.outbound.protection.outlook.com"
_TLS = "(version=TLS1_3, cipher=TLS_AES_256_GCM_SHA384)"
_FROM = re.compile(rb"^From:[^\r\n]*@([A-Za-z0-9.-]+)", re.MULTILINE | re.IGNORECASE)
_LOST_FIELD = re.compile(rb"^List-Id:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*", re.MULTILINE)


def bring(message: KeptMessage, mailboxes: TenantMailboxes, now: datetime) -> None:
    """Delivers a message to those of its recipients that are mailboxes of the other provider."""
    for address in message.addresses:
        name, _, domain = address.lower().partition("@")
        if domain != DOMAIN or name == "lost" or mailboxes.get(address) is None:
            continue
        content = message.content
        if name == "unsigned":
            content = _LOST_FIELD.sub(b"", content)
        folder = "junkemail" if name == "junk" else "inbox"
        mailboxes.deliver(address, _trace(message, name, now) + content, folder=folder)


def _trace(message: KeptMessage, name: str, now: datetime) -> bytes:
    """What the servers on the way put on top."""
    found = _FROM.search(message.head)
    domain = found[1].decode() if found else "unknown.test"
    stamps = [format_datetime(now + timedelta(seconds=second)) for second in (0, 1, 2)]
    plain = name == "unsigned"
    version = message.tls_version.replace("v", "").replace(".", "_")
    by_tls = "with SMTP" if plain else f"with ESMTPS {_TLS}"
    lines = [
        f"Received: from mx1.{DOMAIN} (10.0.0.5) by store2.{DOMAIN} (10.0.0.9)",
        f" with Microsoft SMTP Server {_TLS} id 15.20.1; {stamps[2]}",
        *_results(domain, failed=plain),
        *_signatures(domain, name),
        f"Received: from {_EDGE} (40.107.1.2) by mx1.{DOMAIN} (10.0.0.5)",
        f" {by_tls} id 7; {stamps[1]}",
        f"Received: from [203.0.113.7] (203.0.113.7) by {_EDGE} (40.107.1.2)",
        f" with Microsoft SMTP Server (version={version}, cipher={message.cipher})",
        f" id 15.20.2; {stamps[0]}",
    ]
    if name == "junk":
        lines.append("X-Forefront-Antispam-Report: CIP:40.107.1.2;CTRY:;SCL:5;SFV:SPM;CAT:SPM;")
    lines.insert(0, f"Return-Path: {message.sender}")
    return "".join(f"{line}\r\n" for line in lines).encode()


def _results(domain: str, *, failed: bool) -> list[str]:
    if failed:
        return [
            "Authentication-Results: spf=softfail (sender IP is 40.107.1.2)",
            f" smtp.mailfrom={domain}; dkim=none (message not signed)",
            f" header.d=none;dmarc=fail action=none header.from={domain};compauth=fail reason=001",
        ]
    return [
        "Authentication-Results: spf=pass (sender IP is 40.107.1.2)",
        f" smtp.mailfrom={domain}; dkim=pass (signature was verified)",
        f" header.d={domain};dmarc=pass action=none header.from={domain};compauth=pass reason=100",
    ]


def _signatures(domain: str, name: str) -> list[str]:
    if name == "unsigned":
        return []
    lines = _signature(domain, "selector1", _SIGNED)
    if name == "gateway":
        covered = "From:To:Subject:List-Unsubscribe:List-Unsubscribe-Post"
        lines = [*_signature(domain, "gateway", covered), *lines]
    return lines


def _signature(domain: str, selector: str, covered: str) -> list[str]:
    return [
        f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s={selector};",
        f" h={covered};",
        " bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=aGVsZCBieSBub2JvZHk=",
    ]
