"""What links say to recipients, in each of the languages of Mailroom's pages."""

from collections.abc import Mapping
from datetime import datetime

from shared.pages.language import LANGUAGES

Texts = Mapping[str, str]

_TEXTS: Mapping[str, Texts] = {
    "en": {
        "title": "Download a file", "file": "File", "size": "Size", "until": "Available until",
        "left": "Downloads left", "code": "Code",
        "code_hint": "It was sent to you in a separate message.", "download": "Download",
        "wrong_code": "This code is not right. Tries left: {left}.",
        "block": "Download", "block_until": "available until {until}",
        "block_code": "The code for it comes in a separate message.",
        "code_subject": "Your code for {file}", "code_intro": "You need a code to download:",
        "code_outro": "The link is in a separate message. Do not pass the code on.",
        "not_found_title": "This link does not work",
        "not_found": "Please check that the whole address was opened, or ask the sender.",
        "expired_title": "This link has expired",
        "expired": "The file is no longer available. Please ask the sender for a new link.",
        "used_up_title": "This link has been used up",
        "used_up": "The file was downloaded as often as allowed. Please ask the sender for a new "
        "link.",
        "revoked_title": "This link was withdrawn",
        "revoked": "The file is no longer available. Please ask the sender.",
        "locked_title": "This link is locked",
        "locked": "A wrong code was entered too often. Please ask the sender for a new link.",
        "unavailable_title": "Not available at the moment",
        "unavailable": "Please try again in a few minutes.",
    },
    "de": {
        "title": "Datei herunterladen", "file": "Datei", "size": "Größe",
        "until": "Verfügbar bis", "left": "Verbleibende Downloads", "code": "Code",
        "code_hint": "Sie haben ihn in einer getrennten Nachricht erhalten.",
        "download": "Herunterladen",
        "wrong_code": "Dieser Code stimmt nicht. Verbleibende Versuche: {left}.",
        "block": "Download", "block_until": "verfügbar bis {until}",
        "block_code": "Den Code dazu erhalten Sie in einer getrennten Nachricht.",
        "code_subject": "Ihr Code für {file}",
        "code_intro": "Zum Herunterladen brauchen Sie einen Code:",
        "code_outro": "Den Link finden Sie in einer getrennten Nachricht. Geben Sie den Code nicht "
        "weiter.",
        "not_found_title": "Dieser Link funktioniert nicht",
        "not_found": "Bitte prüfen Sie, ob die ganze Adresse geöffnet wurde, oder fragen Sie den "
        "Absender.",
        "expired_title": "Dieser Link ist abgelaufen",
        "expired": "Die Datei ist nicht mehr verfügbar. Bitte fragen Sie den Absender nach einem "
        "neuen Link.",
        "used_up_title": "Dieser Link ist aufgebraucht",
        "used_up": "Die Datei wurde so oft heruntergeladen wie erlaubt. Bitte fragen Sie den "
        "Absender nach einem neuen Link.",
        "revoked_title": "Dieser Link wurde zurückgezogen",
        "revoked": "Die Datei ist nicht mehr verfügbar. Bitte fragen Sie den Absender.",
        "locked_title": "Dieser Link ist gesperrt",
        "locked": "Der Code wurde zu oft falsch eingegeben. Bitte fragen Sie den Absender nach "
        "einem neuen Link.",
        "unavailable_title": "Zurzeit nicht verfügbar",
        "unavailable": "Bitte versuchen Sie es in einigen Minuten noch einmal.",
    },
    "fr": {
        "title": "Télécharger un fichier", "file": "Fichier", "size": "Taille",
        "until": "Disponible jusqu’au", "left": "Téléchargements restants", "code": "Code",
        "code_hint": "Il vous a été envoyé dans un message séparé.", "download": "Télécharger",
        "wrong_code": "Ce code n’est pas correct. Essais restants : {left}.",
        "block": "Télécharger", "block_until": "disponible jusqu’au {until}",
        "block_code": "Vous recevez le code dans un message séparé.",
        "code_subject": "Votre code pour {file}",
        "code_intro": "Pour le téléchargement, il vous faut un code :",
        "code_outro": "Le lien se trouve dans un message séparé. Ne transmettez pas ce code.",
        "not_found_title": "Ce lien ne fonctionne pas",
        "not_found": "Vérifiez que l’adresse entière a été ouverte, ou demandez à l’expéditeur.",
        "expired_title": "Ce lien a expiré",
        "expired": "Le fichier n’est plus disponible. Demandez un nouveau lien à l’expéditeur.",
        "used_up_title": "Ce lien a déjà été utilisé",
        "used_up": "Le fichier a été téléchargé autant de fois que permis. Demandez un nouveau "
        "lien à l’expéditeur.",
        "revoked_title": "Ce lien a été retiré",
        "revoked": "Le fichier n’est plus disponible. Demandez à l’expéditeur.",
        "locked_title": "Ce lien est bloqué",
        "locked": "Un code incorrect a été saisi trop souvent. Demandez un nouveau lien à "
        "l’expéditeur.",
        "unavailable_title": "Indisponible pour le moment",
        "unavailable": "Veuillez réessayer dans quelques minutes.",
    },
    "es": {
        "title": "Descargar un archivo", "file": "Archivo", "size": "Tamaño",
        "until": "Disponible hasta el", "left": "Descargas restantes", "code": "Código",
        "code_hint": "Se le ha enviado en un mensaje aparte.", "download": "Descargar",
        "wrong_code": "Este código no es correcto. Intentos restantes: {left}.",
        "block": "Descargar", "block_until": "disponible hasta el {until}",
        "block_code": "Recibirá el código en un mensaje aparte.",
        "code_subject": "Su código para {file}",
        "code_intro": "Para la descarga necesita un código:",
        "code_outro": "El enlace está en un mensaje aparte. No comparta el código.",
        "not_found_title": "Este enlace no funciona",
        "not_found": "Compruebe que se haya abierto la dirección completa o pregunte al remitente.",
        "expired_title": "Este enlace ha caducado",
        "expired": "El archivo ya no está disponible. Pida un nuevo enlace al remitente.",
        "used_up_title": "Este enlace se ha agotado",
        "used_up": "El archivo se ha descargado tantas veces como se permite. Pida un nuevo enlace "
        "al remitente.",
        "revoked_title": "Este enlace se ha retirado",
        "revoked": "El archivo ya no está disponible. Pregunte al remitente.",
        "locked_title": "Este enlace está bloqueado",
        "locked": "Se ha introducido un código incorrecto demasiadas veces. Pida un nuevo enlace "
        "al remitente.",
        "unavailable_title": "No disponible por el momento",
        "unavailable": "Vuelva a intentarlo dentro de unos minutos.",
    },
}  # fmt: skip

_UNITS = ("kB", "MB", "GB")


def texts_in(language: str) -> Texts:
    """The texts in a language (a tag such as `de-AT` will do), else in the first of LANGUAGES."""
    return _TEXTS.get(language.partition("-")[0].lower(), _TEXTS[LANGUAGES[0]])


def language_of(tag: str) -> str:
    """The language of LANGUAGES that texts for this tag are in."""
    language = tag.partition("-")[0].lower()
    return language if language in _TEXTS else LANGUAGES[0]


def written_date(moment: datetime, language: str) -> str:
    """A day in words, in UTC: `16 December 2026`."""
    from babel.dates import format_date  # noqa: PLC0415

    locale = "en_GB" if language == "en" else language
    return str(format_date(moment, "long", locale=locale))


def written_size(octets: int, language: str) -> str:
    """A size in words: `1.2 MB`."""
    from babel.numbers import format_decimal  # noqa: PLC0415

    size, unit = float(octets), "B"
    for larger in _UNITS:
        if size < 1000:  # noqa: PLR2004
            break
        size, unit = size / 1000, larger
    shown = format_decimal(size, "#,##0.#" if unit != "B" else "0", locale=language)
    return f"{shown}\N{NO-BREAK SPACE}{unit}"
