"""What kind of mail it is that came back."""

import re

from shared.returned.addresses import clean, is_machine
from shared.returned.delivery_status import has_status_fields
from shared.returned.mime import Mail
from shared.returned.nondelivery import says_not_delivered

_DAEMON_NAMES = (
    "mailer-daemon", "mail delivery", "maildelivery", "mail system", "postmaster", "post_master",
    "mail deliver", "delivery subsystem", "system administrator", "mail administrator",
    "microsoft outlook", "mail router", "mailsystem", "mdaemon", "daemon", "mail server",
    "mailadmin", "smtp server", "email admin", "mail admin", "interscan notification", "undeliver",
)  # fmt: skip
_SUBJECTS = (
    "undeliver", "delivery status", "delivery fail", "delivery has failed",
    "delivery notification", "failure notice", "failed delivery", "failed mail", "returned mail",
    "return mail", "returned to sender", "mail delivery", "mail could not",
    "could not be delivered", "not be delivered", "non-delivery", "nondelivery", "non delivery",
    "delivery error", "delivery problem", "delivery report", "delivery incomplete",
    "delivery delay", "delayed mail", "mail failure", "mail error", "message error",
    "user unknown", "could not send", "unable to deliver", "error sending", "error delivering",
    "not deliver", "cannot deliver", "can't deliver", "wasn't delivered", "permanent fail",
    "message rejected", "mail rejected", "rejected:", "delivery unsuccessful", "unzustellbar",
    "nicht zugestellt", "nicht zustellbar", "remise", "non remis", "échec",
    "impossible de remettre", "non distribu", "no se puede entregar", "no entregado",
    "error de entrega", "no se ha podido", "mancata consegna", "non recapitabile", "não entregue",
    "falha na entrega", "onbestelbaar", "niet bezorgd", "olevererbart", "kan ikke leveres",
    "kunde inte levereras", "nie można dostarczyć", "niedostarcz", "доставлено", "не доставлен",
    "недоставлен", "配信", "配信不能", "配送不能", "送信できませんでした", "不達", "エラーメール",
    "退信", "投递失败", "系统退信", "무전달", "배달되지", "address error", "are not member",
    "bounce", "error in message", "there was an error sending", "mail not delivered",
    "delivery to", "notification d'", "warning: could not", "mail undel", "message status",
    "mail status", "not delivered", "failure", "delivery", "rejected",
)  # fmt: skip
_TEXTS = (
    "could not be delivered", "couldn't be delivered", "cannot be delivered",
    "can not be delivered", "can't be delivered", "wasn't able to deliver",
    "was not able to deliver", "unable to deliver", "not able to deliver",
    "were unable to deliver", "failed to deliver", "delivery failed", "delivery has failed",
    "delivery failure", "delivery fail", "did not reach", "didn't reach", "undeliverable",
    "undelivered", "permanent error", "permanent fatal error", "fatal error", "permanent failure",
    "delivery problems", "had delivery", "delivery error", "returned to sender",
    "not be delivered", "wasn't delivered", "was not delivered", "was undeliverable",
    "not delivered", "delivery attempt", "transcript of session", "delivery to the following",
    "failed recipient", "rejected recipient", "rejected your message", "was rejected",
    "been rejected", "unknown user", "user unknown", "delivery status notification",
    "not a member", "error while trying to deliver", "error occurred while trying to deliver",
    "error(s)", "trouble delivering", "has been delayed", "unable to send", "could not send",
    "delivery aborted", "aborted", "mailbox is full", "mailbox full", "giving up",
    "does not exist", "delivery was", "message has not been", "has been failed", "not deliver",
    "unable to relay", "unzustellbar", "nicht zugestellt", "konnte nicht", "n'a pas pu",
    "n'ont pas pu", "no se ha podido", "no se pudo", "impossibile", "não pôde", "não foi possível",
    "не может быть доставлен", "не удалось", "届けられません", "送信できません", "配信できません",
    "配送できません", "无法投递", "無法投遞", "退回", "delivery of your message",
    "permission to post", "error message below", "invalid user", "no such user", "failure reason",
    "no valid recipient", "problem delivering", "problems delivering", "return to sender",
    "not recognized", "blocked", "your message was not", "no longer in use", "no longer valid",
    "these recipients or groups is complete",
)  # fmt: skip

_REPLY_LINE = re.compile(r"^[ \t]{0,8}(?:<<< ?)?[45]\d\d[ -]", re.MULTILINE)
_AUTO_SUBJECT = re.compile(
    r"^(?:re: ?)?\W{0,3}(?:auto(?:matic|matische|matique|matica|mated)?[- ]?"
    r"(?:reply|response|antwort|svar|repl)|autoreply|out[- ]of[- ](?:the[- ])?office|abwesen"
    r"|réponse automatique|absence|risposta automatica|respuesta automática|resposta automática"
    r"|automatisch antwoord|automatisk|automaattinen|automatyczna|autosvar|vacation|away from"
    r"|fuera de (?:la )?oficina|on (?:annual )?(?:leave|holiday|vacation)|自動応答|自動返信|不在"
    r"|自动回复|自動回覆|автоответ|автоматический|отсутств|otomatik|자동 응답|odpověď)",
    re.IGNORECASE,
)
_CHALLENGES = (
    "confirm your e-mail", "verify that your message", "verify that you",
    "to be delivered, please", "please confirm", "click the link", "click on the link",
    "reply to this message", "reply to this email", "held until", "challenge", "prove that you",
    "authenticate your", "whitelist", "approved senders", "are not a spam", "you are human",
    "add you to", "not in my", "release your message", "being held", "to release it",
    "was not recognized", "is not recognized",
)  # fmt: skip
_CHALLENGE_SUBJECT = (
    "please confirm", "confirm your message", "action required", "verify your message",
    "verification required", "challenge", "sender verification", "unconfirmed", "waiting for",
    "confirmation",
)  # fmt: skip
_UNSUBSCRIBE = re.compile(
    r"\W{0,3}(?:unsubscribe|remove me|opt[- ]?out|abmelden|désabonner|désinscri\w+|afmelden"
    r"|cancelar suscripción|darse de baja|cancella iscrizione|配信停止|退订|отписаться)\b",
    re.IGNORECASE,
)
_AUTO_REPLY_HEADERS = (
    "x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply", "x-autogenerated",
    "x-ms-exchange-inbox-rules-loop", "x-mail-autoreply", "x-autoreply-from", "x-auto-response",
)  # fmt: skip
_UNATTENDED = re.compile(r"(?:no|do-?not)[-_.]?reply", re.IGNORECASE)
# Who runs lists, by the names that list managers use (RFC 2142 section 6).
_LIST_MANAGER = re.compile(
    r"(?:owner-|[-.](?:admin|owner|request|bounces?)@|majordomo|listserv|mailman|sympa)",
    re.IGNORECASE,
)
_ENOUGH = 4  # of what speaks for a bounce
_CLAIMS = 3  # words of a challenge that need no subject to tell


def is_read_receipt(mail: Mail) -> bool:
    """A disposition notification (RFC 8098): the message was seen, or deleted."""
    if "disposition-notification" in mail.headers.raw("content-type").lower():
        return True
    return any(part.type.endswith("disposition-notification") for part in mail.parts)


def is_rejection(text: str) -> bool:
    """Whether a mailbox's filter refused the message, which some tell in a disposition
    notification (RFC 5429 section 2.1)."""
    return "was automatically rejected" in text.lower()


def is_declared_report(mail: Mail) -> bool:
    """Whether the mail says of itself that it is a delivery report."""
    if "delivery-status" in mail.headers.raw("content-type").lower():
        return True
    return "x-failed-recipients" in mail.headers or any(
        part.type in ("message/delivery-status", "message/global-delivery-status")
        for part in mail.parts
    )


def from_mail_system(mail: Mail) -> bool:
    """Whether a mail system wrote it, by the looks of its sender."""
    sender = mail.headers.raw("from")
    if not sender or sender.strip() in ("<>", '""', "''"):
        return True
    name = mail.headers.get("from").lower()
    address = clean(sender)
    return is_machine(address) or any(word in name for word in _DAEMON_NAMES)


def _is_unattended(mail: Mail) -> bool:
    """Whether nobody reads what is sent to the sender's address, which is true of shops as well."""
    name = mail.headers.get("from").lower()
    return _UNATTENDED.match(clean(mail.headers.raw("from"))) is not None and not any(
        word in name for word in _DAEMON_NAMES
    )


def looks_like_bounce(mail: Mail, text: str, *, returned: bool) -> bool:
    """Whether a mail without a report part is one all the same: from two sides at least, the
    envelope and the words. returned: it encloses a message."""
    if is_declared_report(mail) or is_rejection(text):
        return True
    headers = mail.headers
    start = " ".join(text[:6000].lower().split())
    subject = headers.get("subject").lower()
    words = any(phrase in start for phrase in _TEXTS) or has_status_fields(text)
    titled = any(phrase in subject for phrase in _SUBJECTS) or says_not_delivered(subject)
    system = from_mail_system(mail) and (returned or not _is_unattended(mail))
    words = words or (system and says_not_delivered(start))
    null = headers.raw("return-path").replace(" ", "") in ("<>", "<MAILER-DAEMON>")
    score = 2 * words + 2 * titled + 2 * system + null + returned
    answered = subject.startswith(("re:", "fw:", "fwd:", "aw:", "sv:"))
    if answered and system and _REPLY_LINE.search(text[:6000]):
        answered = False  # some answer to the message that they return
    if "list-unsubscribe" in headers or "list-id" in headers or answered:
        score -= 2
    if not system and not null and "in-reply-to" in headers:
        score -= 1
    answerable = "return-path" in headers and not _LIST_MANAGER.search(headers.raw("from"))
    if not system and not null and answerable:
        score -= 1  # somebody who wants answers
    told = words or returned or (null and system and titled)
    return score >= _ENOUGH and told and (system or null or titled)


def is_auto_reply(mail: Mail) -> bool:
    """An automatic response of a person's mailbox (RFC 3834), by headers first."""
    headers = mail.headers
    submitted = headers.raw("auto-submitted").lower()
    if submitted.startswith("auto-replied"):
        return True
    if submitted.startswith("auto-generated") and "in-reply-to" in headers:
        return True
    if any(headers.raw(mark).lower() not in ("no", "") for mark in _AUTO_REPLY_HEADERS):
        return True
    if headers.raw("precedence").lower() in ("auto_reply", "auto-reply", "autoreply"):
        return True
    if headers.raw("x-precedence").lower() == "auto_reply":
        return True
    return _AUTO_SUBJECT.match(headers.get("subject").strip()) is not None


def is_unsubscribe(mail: Mail) -> bool:
    """A request by mail (RFC 2369): the subject says so."""
    return _UNSUBSCRIBE.match(mail.headers.get("subject").strip()) is not None


def is_challenge(mail: Mail, text: str) -> bool:
    """The recipient's mail system wants the sender to prove something first."""
    if "list-unsubscribe" in mail.headers:
        return False
    if mail.headers.raw("x-delivery-agent").lower().startswith("tmda/"):
        return True
    small = " ".join(text[:4000].lower().split())
    subject = mail.headers.get("subject").lower()
    titled = any(phrase in subject for phrase in _CHALLENGE_SUBJECT)
    told = sum(phrase in small for phrase in _CHALLENGES)
    return (titled and told >= 1 and ("message" in small or "mail" in small)) or told >= _CLAIMS
