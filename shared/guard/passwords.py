"""Passwords sent in clear: a word for password, what ties it to a value, and a likely value.

One-time codes are no passwords; nor is prose about passwords, a placeholder, or a hint where the
password is to be found.
"""

import re
from collections.abc import Iterator

from shared.guard.hits import MOST, Hit, after, before, occurrences
from shared.guard.passages import Passage

# Words in lower case; the second ones only where no letter stands before them.
_WORDS = (
    "password", "passwort", "kennwort", "passphrase", "passwd", "mot de passe", "contraseña",
    "contrasena", "palavra-passe", "palavra passe", "hasło", "wachtwoord", "lösenord", "losenord",
    "adgangskode", "kodeord", "passord", "salasana", "jelszó", "jelszava", "пароль", "密码", "密碼",
    "パスワード", "비밀번호", "şifre", "lozinka", "лозинка", "κωδικός πρόσβασης", "mật khẩu",
    "kata sandi", "סיסמה", "كلمة المرور", "geslo", "lykilorð", "slaptažod", "parool",
)  # fmt: skip
_SHORT_WORDS = ("pwd", "pw", "mdp", "senha", "parola", "parolă", "heslo", "haslo", "clave", "pass")

_WHOLE_WORDS = frozenset(["pwd", "pw", "mdp", "pass"])
_LOGIN = re.compile("user|login|name|benutzer")  # a pass may be one for skiing or boarding

_TIE = re.compile(
    r"""(?!less)[a-zñçşıăа-я]{0,5}+["'\])]{0,2}(?:\ ?\([^()\n]{0,40}\))?
    (?P<filler>(?:\ (?!(?:is|ist|est|es|è|é|e|jest|är|er|on|je|lautet)\ )
      [^\W\d_][\w'/@-]{0,20}(?:\.[\w'/@-]{1,20}){0,3}){0,6}?)
    \ {0,3}
    (?P<tie>:=|=>|->|[:=]|\t|は|
      \ (?:is|ist|lautet|est|es|è|é|jest|to|är|er|on|je|este|là|adalah)
      (?:\ (?:now|jetzt|nun|désormais|ahora|ora|nu|agora|teraz))?\ ?:?(?=\s))
    [\ \t]{0,4}(?:\n\s{0,4})?
    (?P<open>["'`<]{0,2})(?P<value>[^\s"'`<>]{4,128})""",
    re.VERBOSE,
)
# Word and value without a colon or verb between; what is said of the value then has to be more.
_BESIDE = re.compile(
    r"""(?P<filler>)(?P<tie>\ |\ ?\n{1,2}\ {0,4})(?P<open>["'`]?)(?P<value>[^\s"'`<>]{4,128})"""
)
_ONE_TIME = re.compile(
    r"one.?time|single.?use|\botp\b|einmal|usage unique|solo uso|un uso|único uso|uso único|"
    r"monouso|jednoraz|engangs|eenmalig|engång|kertak|verifi[ck]|confirmation|"
    r"sign-?in code|login code|passcode|\btan\b|\bpin\b|одноразов|ワンタイム|一次性|"
    r"tek kullan|egyszer"
)
_ABOUT = re.compile(  # a password's policy, its reset, its age …
    r"code|reset|link|hint|policy|expir|length|manager|rule|strength|last|change|date|attempt|\bcount|"
    r"hash|forg|vergess|oubli|olvid|protect|generat|require|minimum|hinweis|richtlin|ablauf|länge|"
    r"history|field|reminder|type|vault"
)
_MEETING = re.compile(
    r"zoom|webex|meeting|conference|konferenz|webinar|besprechung|réunion|reunión"
)
_PLACEHOLDER = re.compile(
    r"""[*•●.xX?_#~-]+$|\$[({][^})]*[)}]?$|(?-i:\$[A-Z][A-Z_]+$)|%\w+%$|\{+[^{}]*\}*$|\[[^\[\]]*\]?$|\([^()]*\)?$|
    https?:|www\.|your|\S+@\S+\.[a-z]{2,}$|\d+[-+]?(?:char|zeich|caract|caratt|tecken|znak)|
    \d{1,4}[-./:]\d{1,2}([-./:]\d{1,4})?(t\d\S*)?$|(?:change|placeholder|example|redacted|hidden)""",
    re.VERBOSE | re.IGNORECASE,
)
_WORD_ONLY = re.compile(r"[^\W\d_]+(?:['’/.&-][^\W\d_]+)*")
_STOP = frozenset([
    "required", "unchanged", "hidden", "none", "null", "empty", "true", "false", "forgotten",
    "expired", "invalid", "incorrect", "wrong", "missing", "optional", "confidential", "secret",
    "private", "encrypted", "disabled", "enabled", "correct", "valid", "strong", "weak",
    "unknown", "undefined", "reset", "changed", "protected", "string", "text", "password",
    "passwort", "kennwort", "redacted", "removed", "deleted", "erforderlich", "unverändert",
    "abgelaufen", "falsch", "geheim", "versteckt", "vergessen", "gleich", "geändert", "notwendig",
    "requis", "obligatoire", "inchangé", "oublié", "expiré", "requerida", "obligatorio",
    "caducada", "richiesta", "obbligatoria", "scaduta", "wymagane", "vereist", "verplicht",
    "krävs", "påkrævet", "påkrevd", "leer", "ungültig", "settings", "security", "account",
    "profile", "support", "below", "above", "attached", "separately", "mandatory",
])  # fmt: skip
_TRAIL = ".,;:)]}!?"
_PLAIN_ALONE = 6  # letters that a bare word needs, alone on its line, to be a likely password


def find_passwords(passage: Passage) -> Iterator[Hit]:
    """The values that are told as passwords; nothing of them may be shown."""
    found = 0
    seen = -1
    for at, word in _labels(passage):
        for pattern in (_TIE, _BESIDE):
            tied = pattern.match(passage.lower, at + len(word))
            if tied is None or tied.start("value") == seen:
                continue
            value = passage.text[slice(*tied.span("value"))]
            if passage.links or "?" in before(passage, at, 30):
                value = re.split(r"(?<=.)[&;]", value, maxsplit=1)[0]
            if _is_told(passage, at, tied, value):
                seen = tied.start("value")
                yield Hit("password", seen, seen + len(value), "password")
                found += 1
                break
        if found == MOST:
            return


def _labels(passage: Passage) -> Iterator[tuple[int, str]]:
    lower = passage.lower
    for word in _WORDS:
        for at in occurrences(lower, word):
            yield at, word
    for word in _SHORT_WORDS:
        for at in occurrences(lower, word):
            tied = at > 0 and lower[at - 1].isalnum()
            behind = lower[at + len(word) : at + len(word) + 1]
            if tied or (word in _WHOLE_WORDS and behind.isalnum()):
                continue
            if word != "pass" or _LOGIN.search(before(passage, at, 60)):
                yield at, word


def _is_told(passage: Passage, at: int, tied: re.Match[str], value: str) -> bool:
    filler, tie = tied["filler"], tied["tie"].strip()
    if _ABOUT.search(filler) or not _is_likely(passage, tied, value, sure=tie in {":", "=", "=>"}):
        return False
    if not tie and not (_is_mixed(value) and _stands_so(passage, at, tied)):
        return False
    around = before(passage, at, 30) + passage.lower[at : tied.start("value")]
    if _ONE_TIME.search(around):
        return False
    if value.strip(_TRAIL).isdigit() and _ONE_TIME.search(after(passage, tied.end(), 60)):
        return False
    return not _MEETING.search(before(passage, at, 300))


def _is_mixed(value: str) -> bool:
    core = value.rstrip(_TRAIL)
    letters, digits = any(map(str.isalpha, core)), any(map(str.isdigit, core))
    return letters and digits and len(core) >= _PLAIN_ALONE


def _stands_so(passage: Passage, at: int, tied: re.Match[str]) -> bool:
    """Whether word and value say enough without a colon: one behind the other, or each alone on
    its line or in its cell."""
    if tied["filler"]:
        return False
    if "\n" not in tied["tie"] and "\t" not in tied["tie"]:
        return True
    line = before(passage, at, 40).rpartition("\n")[2].rpartition("\t")[2]
    alone = passage.text[tied.end() : tied.end() + 1] in {"", "\n", "\f", "\t"}
    return alone and len(line.strip()) < 15  # noqa: PLR2004 (such as “Your new”)


def _is_likely(passage: Passage, tied: re.Match[str], value: str, *, sure: bool) -> bool:
    """Whether the value looks like a password; sure: whether a colon says that it is one."""
    core = value.rstrip(_TRAIL)
    if len(core) < 4 or _PLACEHOLDER.match(value) or core.lower() in _STOP:  # noqa: PLR2004
        return False
    letters, digits = any(map(str.isalpha, core)), any(map(str.isdigit, core))
    if digits:
        return letters or (sure and len(core) >= 4) or len(core) >= 6  # noqa: PLR2004
    if not _WORD_ONLY.fullmatch(core):
        return letters and bool(re.search(r"[!#$%&*+=?@^~_]", core)) and not core.startswith("_")
    if tied["open"] in {'"', "'", "`"}:
        return len(core) >= _PLAIN_ALONE
    inner = core[1:]
    mixed = inner.lower() != inner and inner.upper() != inner
    alone = passage.text[tied.end() : tied.end() + 1] in {"", "\n", "\f", "\t"}
    return sure and len(core) >= _PLAIN_ALONE and (mixed or (alone and core.isascii()))
