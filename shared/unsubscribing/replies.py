"""Answers of people who want no more mail: `STOP`, and the like, in several languages."""

import re
import unicodedata

_WORDS = frozenset(
    """
    stop | unsubscribe | unsubscribe me | please unsubscribe | please unsubscribe me | stop it |
    please stop | remove | remove me | please remove me | opt out | optout | cancel | end | quit |
    stop sending | stop sending me emails | no more emails | take me off your list |
    unsubscribe please | remove me from your list | remove me from this list |
    stopp | stop bitte | bitte stop | abmelden | bitte abmelden | abbestellen | bitte abbestellen |
    austragen | bitte austragen | keine mails mehr | keine emails mehr | newsletter abbestellen |
    newsletter abmelden | ich möchte keine mails mehr | abmeldung |
    désabonner | désabonnement | désinscription | désinscrire | me désabonner | me désinscrire |
    se désabonner | arrêt | arrêter | arrêtez | désabonnez moi | désinscrivez moi |
    merci de me désabonner | stop svp |
    baja | darme de baja | dar de baja | darse de baja | alto | parar | cancelar |
    cancelar suscripción | cancelar la suscripción | eliminar | no más correos |
    quiero darme de baja | deseo darme de baja |
    disiscrivimi | cancellami | annulla iscrizione | cancella iscrizione | basta |
    afmelden | uitschrijven | stoppen | cancelar inscrição | cancelar assinatura | remover |
    descadastrar | wypisz | rezygnuję | avregistrera | sluta | afmeld | avmeld
    """.replace("\n", " ").split("|")
)  # fmt: skip
_PLAIN = frozenset(" ".join(words.split()) for words in _WORDS)
_LONGEST_LINE = 80
_REPLY = re.compile(r"^(?:\s*(?:re|aw|sv|rép|ref|rv|antw|odp|ynt)\s*(?:\[\d+\])?:)+", re.IGNORECASE)


def asks_to_stop(subject: str, text: str) -> bool:
    """Whether an answer asks for no more mail: its first line, or its subject, says that alone.

    Words in passing are no request: "do not stop" is none, nor is a long letter about stopping.
    """
    lines = (line for line in text.splitlines() if line.strip())
    first = next(lines, "")
    if first.lstrip().startswith(">"):
        first = ""
    return _says_so(first) or _says_so(_REPLY.sub("", subject))


def _says_so(line: str) -> bool:
    if len(line) > _LONGEST_LINE:
        return False
    folded = unicodedata.normalize("NFC", line).casefold()
    return " ".join(re.findall(r"\w+", folded)) in _PLAIN
