"""Rules for bulk mail: how readers leave it, and who stands behind it."""

import re

from shared.lint.links import Link, find_links
from shared.lint.mail import Mail
from shared.lint.report import Report

# English, German, French, Spanish, Italian, Dutch, Portuguese, Polish, Swedish.
_LEAVE = re.compile(
    r"unsubscri|opt[\s-]?out|manage (?:your )?(?:e-?mail )?preferences|stop (?:receiving|these)|"
    r"abbestell|abmeld|austragen|d[ée]sabonn|d[ée]s[- ]?inscri|se d[ée]sinscrire|"
    r"darse de baja|date de baja|darme de baja|cancelar (?:la )?suscripci|anular (?:la )?suscripci|"
    r"disiscri|cancella (?:l')?iscrizione|afmelden|uitschrijven|cancelar (?:a )?(?:inscri|subscri)|"
    r"wypisz|avregistrera|avsluta prenumeration", re.IGNORECASE,
)  # fmt: skip
_FOOT = 32 * 1024  # characters at the end, where addresses stand
_STREET = (
    r"(?i:street|st\.|road|rd\.|avenue|ave\.?|lane|drive|blvd|boulevard|square|suite|floor|way|"
    r"p\.? ?o\.? box|rue|place|quai|chemin|calle|c/|plaza|paseo|avenida|via|viale|piazza|laan|"
    r"straat|weg|platz|allee|gasse|ring|\w{0,30}stra(?:ß|ss)e|\w{0,30}str\.|\w{2,30}weg|"
    r"\w{2,30}platz|\w{2,30}straat|postfach|apartado)"
)
_ADDRESS = re.compile(
    # A street with a number before or after it, within a few words.
    rf"(?:\b\d{{1,5}}[a-z]?,? (?:\w{{1,20}}\.? ){{0,3}}{_STREET}(?!\w))|"
    rf"(?:(?<!\w){_STREET},? (?:[\w'’.-]{{1,20}} ){{0,4}}(?:nr\.? |no\.? )?\d{{1,5}})|"
    # Postal codes with a town or a state: US, GB, CA, NL, and four or five digits elsewhere.
    r"\b[A-Z]{2},? \d{5}(?:-\d{4})?\b|\b[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}\b|"
    r"\b[A-Z]\d[A-Z] \d[A-Z]\d\b|\b\d{4} ?[A-Z]{2} [A-Z]\w|"
    r"\b(?:[A-Z]{1,2}-)?(?!19\d\d|20\d\d)\d{4,5} [A-ZÄÖÜÉÈÅØ]\w{2}", re.UNICODE,
)  # fmt: skip


def check_bulk(mail: Mail, report: Report) -> None:
    """Notes what a bulk mail must have and has not."""
    if not mail.bulk:
        return
    place = "/html" if mail.document else "/text"
    body = mail.document.text if mail.document else mail.text
    links = [link for link in find_links(mail) if link.element or mail.document is None]
    if not any(map(_leaves, links)) and not _leaves_by_word(mail):
        report.add("unsubscribe-missing", place, "No link says that it unsubscribes.")
    flat = re.sub(r"[\s|·•,]+", " ", body[-_FOOT:])
    if not (_ADDRESS.search(flat) or re.search(rf"(?i:{_STREET}) ?\d", flat)):
        report.add("postal-address-missing", place, "No postal address was found in it.")


def _leaves(link: Link) -> bool:
    shown = link.element.text if link.element else ""
    return bool(_LEAVE.search(shown[:500]) or _LEAVE.search(link.url))


def _leaves_by_word(mail: Mail) -> bool:
    """In plain text alone the words stand beside the address."""
    return mail.document is None and "://" in mail.text and bool(_LEAVE.search(mail.text))
