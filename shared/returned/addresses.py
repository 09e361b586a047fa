"""Mail addresses in the text of returned mail."""

import re

_LONGEST = 1000  # characters of a value that are looked at
_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}"
_QUOTED = r'"[^"\n@<>]{1,64}"'
# For use within other expressions. PLAIN wants a dot in the domain, BRACKETED need not.
PLAIN = (
    rf"(?<![\w.+=&/?@-])(?:{_LOCAL}|{_QUOTED})@"
    r"(?:[A-Za-z0-9_-]{1,63}\.){1,10}[A-Za-z0-9-]{2,63}(?![\w@-])"
)
BRACKETED = r"<(?:mailto:)?[^<>\s@]{0,80}(?:\"[^\"<>\n]{1,64}\")?[^<>\s@]{0,80}@[^<>\s@]{1,253}>"
ADDRESS = re.compile(rf"{BRACKETED}|{PLAIN}")
_PLAIN = re.compile(PLAIN)

# What nearly every value looks like.
_SIMPLE = re.compile(
    r"(?:rfc822;)?\s{0,4}<?([A-Za-z0-9][A-Za-z0-9._+=-]{0,63}+@[A-Za-z0-9-]{1,63}"
    r"(?:\.[A-Za-z0-9-]{1,63}){1,8})>?",
    re.IGNORECASE,
)
_TYPE = re.compile(r"\s*+(?:rfc[/ ]?822|utf-8|smtp|local|x-\w+|unknown|dns)\s*+;", re.IGNORECASE)
_PREFIX = re.compile(r"(?:smtp|mailto|rfc822|to|addr):", re.IGNORECASE)
_SOURCE_ROUTE = re.compile(r"@[^:\s@]+(?:,@[^:\s@]+)*:(?=[^\s@]+@)")
_QUOTED_ADDRESS = re.compile(r'"[^"\n]{1,64}"@[^\s@]+')
_XTEXT = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")  # RFC 6533 section 3
_NO_PEOPLE = re.compile(
    r"(?:mailer[-_.]?daemon|mail[-_.]?daemon|post_?master|mailadmin|mail-?delivery|no-?reply"
    r"|do-?not-?reply|double-bounce|bounces?|mdaemon|mailsystem)(?:[+=-][^@]*)?@",
    re.IGNORECASE,
)


def clean(value: str) -> str:
    """An address without type, brackets, quotes and route; "" where there is no address."""
    if match := _SIMPLE.fullmatch(value):
        return match[1]
    value = value[:_LONGEST].strip()
    if match := _TYPE.match(value):
        value = value[match.end() :].strip()
    if value.startswith("(") and ")" in value:
        value = value.partition(")")[2].strip()
    if "<" in value and (inner := re.search(r"<([^<>]*@[^<>]*)>", value)):
        value = inner[1].strip()
    value = value.strip("<>,;:()[] \t").rstrip(".") if "[" not in value else value.strip("<>,; ")
    value = _PREFIX.sub("", value, count=1)
    value = _SOURCE_ROUTE.sub("", value)
    if match := _QUOTED_ADDRESS.match(value):
        return match[0]
    value = value.strip("\"' \t")
    if "\\x{" in value:
        value = _XTEXT.sub(lambda m: chr(min(int(m[1], 16), 0x10FFFF)), value)
    local, at, domain = value.rpartition("@")
    if not at or not local or not domain or " " in domain or "@" in local.replace('"', ""):
        found = _PLAIN.search(value)
        return found[0] if found else ""
    local = local.split()[-1] if " " in local and '"' not in local else local
    domain = domain.split()[0].strip("'\"<>,;:")
    if not domain.startswith("["):
        domain = domain.rstrip(".")
    return f"{local}@{domain}" if domain else ""


def addresses(text: str, limit: int = 50) -> list[str]:
    """The addresses in a text, in order, each once."""
    found: dict[str, str] = {}
    for match in ADDRESS.finditer(text):
        if address := clean(match[0]):
            found.setdefault(address.lower(), address)
            if len(found) >= limit:
                break
    return list(found.values())


def is_machine(address: str) -> bool:
    """Whether it is the address of a mail system rather than of a recipient."""
    return _NO_PEOPLE.match(address) is not None
