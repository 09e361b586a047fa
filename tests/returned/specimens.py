"""Whole mails as mail servers write them, from their makers' documents; made up for these tests.

Each was written down, with what it means, before it was read.
"""

from base64 import b64encode
from quopri import encodestring
from typing import NamedTuple

from tests.returned.mails import ORIGINAL, mail, report

ANN, BOB, CAT = "ann@fabrikam.test", "bob@fabrikam.test", "cat@tailspin.test"
COPY = ORIGINAL.format(to=ANN)


class Specimen(NamedTuple):
    """expected: for each address whether it is hard, and its status ("" for none)."""

    name: str
    content: bytes
    expected: dict[str, tuple[bool, str]]


def _fields(address: str, status: str, diagnostic: str = "", action: str = "failed") -> str:
    told = f"Final-Recipient: rfc822; {address}\nAction: {action}\nStatus: {status}"
    return f"{told}\nDiagnostic-Code: {diagnostic}" if diagnostic else told


def _two(*fields: str) -> str:
    return "\n\n".join(fields)


def _coded(text: str, charset: str, *, base64: bool = True, **headers: str) -> bytes:
    data = text.encode(charset)
    coded = b64encode(data) + b"\n" if base64 else encodestring(data)
    wanted = {
        "Content-Type": f"text/plain; charset={charset}",
        "Content-Transfer-Encoding": "base64" if base64 else "quoted-printable",
    }
    return (
        mail("", **{name.replace("-", "_"): value for name, value in wanted.items()} | headers)
        + coded
    )


POSTFIX = "This is the mail system at host mx.contoso.test.\n\nI'm sorry to have to inform you that your message could not\nbe delivered to one or more recipients. It's attached below.\n\nFor further assistance, please send mail to postmaster.\n\nIf you do so, please include this problem report. You can\ndelete your own text from the attached returned message.\n\n                   The mail system\n\n"  # fmt: skip
EXIM = "This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n"  # fmt: skip
QMAIL = "Hi. This is the qmail-send program at mx.contoso.test.\nI'm afraid I wasn't able to deliver your message to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n"  # fmt: skip
UNDELIVERED = "Undelivered Mail Returned to Sender"
EXIM_TITLE = "Mail delivery failed: returning message to sender"
SEE = "Returned mail: see transcript for details"
EXIM_COPY = "\n------ This is a copy of the message, including all the headers. ------\n\n" + COPY
QMAIL_COPY = "\n--- Below this line is a copy of the message.\n\n" + COPY

SPECIMENS = [
    Specimen("Postfix, three fates", report(
        _two(
            _fields(ANN, "5.1.1", "smtp; 550 5.1.1 <ann@fabrikam.test>: Recipient address\n    rejected: User unknown in virtual mailbox table"),
            _fields(BOB, "4.2.2", "smtp; 452 4.2.2 <bob@fabrikam.test> Mailbox is over quota"),
            _fields(CAT, "5.4.4", "X-Postfix; Host or domain name not found. Name service\n    error for name=tailspin.test type=AAAA: Host not found"),
        ), said=POSTFIX), {ANN: (True, "5.1.1"), BOB: (False, "4.2.2"), CAT: (True, "5.4.4")}),
    Specimen("Postfix, alias expanded", report(
        f'Final-Recipient: rfc822; {BOB}\nOriginal-Recipient: rfc822;{ANN}\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: X-Postfix; unknown user: "bob"',
        said=POSTFIX + f'<{BOB}> (expanded from <{ANN}>): unknown user: "bob"\n'), {BOB: (True, "5.1.1")}),
    Specimen("Postfix, mail for a host that loops back", report(
        _fields(ANN, "5.4.6", "X-Postfix; mail for fabrikam.test loops back to myself"), said=POSTFIX), {ANN: (False, "5.4.6")}),
    Specimen("Postfix, sender's domain refused", report(
        _fields(ANN, "5.1.8", "smtp; 550 5.1.8 <news@contoso.test>: Sender address rejected: Domain not found"), said=POSTFIX), {ANN: (False, "5.1.8")}),
    Specimen("Postfix, null MX", report(
        _fields(ANN, "5.1.0", "X-Postfix; Domain fabrikam.test does not accept mail (nullMX)"), said=POSTFIX), {ANN: (True, "5.1.0")}),
    Specimen("Postfix, queue expired behind a refused connection", report(
        _fields(ANN, "4.4.1", "X-Postfix; connect to mx.fabrikam.test[192.0.2.4]:25: Connection refused"), said=POSTFIX), {ANN: (False, "4.4.1")}),
    Specimen("Postfix, pipe to Dovecot", report(
        _fields(ANN, "5.2.2", "x-unix; lda(ann): msgid=<a@b>: save failed to INBOX: Quota exceeded"), said=POSTFIX), {ANN: (False, "5.2.2")}),
    Specimen("Postfix, text alone, code in the text", mail(
        POSTFIX + "<ann@fabrikam.test>: host mx.fabrikam.test[192.0.2.4] said: 550 5.7.1\n    Recipient unknown (in reply to RCPT TO command)\n", subject=UNDELIVERED), {ANN: (True, "5.7.1")}),
    Specimen("Postfix in German", report(
        _fields(ANN, "5.0.0", "smtp; 550 Empfaenger unbekannt"), said="Dies ist das Mailsystem des Rechners mx.contoso.test.\n\nIhre Nachricht konnte nicht zugestellt werden."), {ANN: (True, "5.0.0")}),
    Specimen("Sendmail, remote says more than the field", report(
        _fields(ANN, "5.1.1", "SMTP; 552 5.2.2 <ann@fabrikam.test>... Mailbox is full") + "\nLast-Attempt-Date: Tue, 3 Mar 2026 09:31:00 +0100",
        said="   ----- The following addresses had permanent fatal errors -----\n<ann@fabrikam.test>\n    (reason: 552 5.2.2 <ann@fabrikam.test>... Mailbox is full)\n\n   ----- Transcript of session follows -----\n... while talking to mx.fabrikam.test.:\n>>> DATA\n<<< 552 5.2.2 <ann@fabrikam.test>... Mailbox is full\n550 5.1.1 <ann@fabrikam.test>... User unknown\n", subject=SEE), {ANN: (False, "5.2.2")}),
    Specimen("Sendmail, no code from the remote", report(
        _fields(ANN, "5.1.1", "SMTP; 550 no such mailbox"), said="   ----- The following addresses had permanent fatal errors -----\n<ann@fabrikam.test>\n    (reason: 550 no such mailbox)\n", subject=SEE), {ANN: (True, "5.1.1")}),
    Specimen("Sendmail, deferred for days", report(
        f"Final-Recipient: RFC822; {ANN}\nAction: failed\nStatus: 4.4.7\nLast-Attempt-Date: Tue, 3 Mar 2026 09:31:00 +0100",
        said="   ----- The following addresses had permanent fatal errors -----\n<ann@fabrikam.test>\n\n   ----- Transcript of session follows -----\n<ann@fabrikam.test>... Deferred: Connection timed out with mx.fabrikam.test.\nMessage could not be delivered for 5 days\nMessage will be deleted from queue\n", subject="Returned mail: Cannot send message for 5 days"), {ANN: (False, "4.4.7")}),
    Specimen("Sendmail, a warning", report(
        f"Final-Recipient: RFC822; {ANN}\nAction: delayed\nStatus: 4.4.1\nWill-Retry-Until: Sun, 8 Mar 2026 09:31:00 +0100",
        said="    **********************************************\n    **      THIS IS A WARNING MESSAGE ONLY      **\n    **  YOU DO NOT NEED TO RESEND YOUR MESSAGE  **\n    **********************************************\n", subject="Warning: could not send message for past 4 hours"), {ANN: (False, "4.4.1")}),
    Specimen("Sendmail, host unknown", report(
        _fields(CAT, "5.1.2") + "\nRemote-MTA: DNS; tailspin.test", said="   ----- The following addresses had permanent fatal errors -----\n<cat@tailspin.test>\n\n   ----- Transcript of session follows -----\n550 5.1.2 <cat@tailspin.test>... Host unknown (Name server: tailspin.test: host not found)\n", subject="Returned mail: Host unknown (Name server: tailspin.test: host not found)"), {CAT: (True, "5.1.2")}),
    Specimen("Sendmail, local user expanded", report(
        f"Final-Recipient: RFC822; ann@mx.contoso.test\nX-Actual-Recipient: RFC822; {BOB}\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: SMTP; 550 5.1.1 <{BOB}>... User unknown", subject=SEE), {"ann@mx.contoso.test": (True, "5.1.1")}),
    Specimen("Sendmail, program mailer", report(
        f"Final-Recipient: RFC822; {ANN}\nX-Actual-Recipient: X-Unix; |/usr/local/bin/filter\nAction: failed\nStatus: 5.3.0\nDiagnostic-Code: X-Unix; 127", subject=SEE, said="   ----- The following addresses had permanent fatal errors -----\n|/usr/local/bin/filter\n    (reason: 127)\n    (expanded from: <ann@fabrikam.test>)\n"), {ANN: (False, "5.3.0")}),
    Specimen("Sendmail, relaying denied", report(
        _fields(ANN, "5.7.1", "SMTP; 550 5.7.1 <ann@fabrikam.test>... Relaying denied. IP name lookup failed [192.0.2.7]"), subject=SEE), {ANN: (False, "5.7.1")}),
    Specimen("Exim with a report part", report(
        f"Action: failed\nFinal-Recipient: rfc822;{ANN}\nStatus: 5.0.0\nRemote-MTA: dns; mx.fabrikam.test\nDiagnostic-Code: smtp; 550 No such person at this address",
        said=EXIM + "  ann@fabrikam.test\n    host mx.fabrikam.test [192.0.2.4]\n    SMTP error from remote mail server after RCPT TO:<ann@fabrikam.test>:\n    550 No such person at this address\n", subject=EXIM_TITLE, X_Failed_Recipients=ANN), {ANN: (True, "5.0.0")}),
    Specimen("Exim, several and one too large", mail(
        EXIM + "  ann@fabrikam.test\n    SMTP error from remote mail server after MAIL FROM:<news@contoso.test> SIZE=31457280:\n    host mx.fabrikam.test [192.0.2.4]: 552 5.3.4 Message size exceeds fixed limit\n  cat@tailspin.test\n    all relevant MX records point to non-existent hosts\n  bob@fabrikam.test\n    SMTP error from remote mail server after RCPT TO:<bob@fabrikam.test>:\n    host mx.fabrikam.test [192.0.2.4]: 550-Callout verification failed:\n    550 550 5.1.1 bob: Recipient unknown\n" + EXIM_COPY, subject=EXIM_TITLE, X_Failed_Recipients=f"{ANN}, {CAT}, {BOB}"),
        {ANN: (False, "5.3.4"), CAT: (True, ""), BOB: (True, "5.1.1")}),
    Specimen("Exim, retry timeout", mail(
        EXIM + "  ann@fabrikam.test\n    host mx.fabrikam.test [192.0.2.4]\n    SMTP error from remote mail server after initial connection:\n    421 4.3.2 Service not available, closing transmission channel:\n    retry timeout exceeded\n" + EXIM_COPY, subject=EXIM_TITLE), {ANN: (False, "4.3.2")}),
    Specimen("Exim, local delivery to a full box", mail(
        EXIM + "  /var/spool/mail/ann\n    (generated from ann@fabrikam.test)\n    mailbox is full (MTA-imposed quota exceeded while writing to file /var/spool/mail/ann)\n" + EXIM_COPY, subject=EXIM_TITLE, X_Failed_Recipients=ANN), {ANN: (False, "")}),
    Specimen("Exim, forwarded address", mail(
        EXIM + "  bob@fabrikam.test\n    (ultimately generated from ann@fabrikam.test)\n    host mx.fabrikam.test [192.0.2.4]\n    SMTP error from remote mail server after end of data:\n    554 5.7.1 Message rejected because of unacceptable content\n" + EXIM_COPY, subject=EXIM_TITLE), {BOB: (False, "5.7.1")}),
    Specimen("Exim, frozen", mail(
        "This message was created automatically by mail delivery software (Exim).\n\nA message that you sent has not yet been delivered to one or more of its\nrecipients after more than 24 hours on the queue on mx.contoso.test.\n\nThe message identifier is:     1abCDe-0001xy-Zz\nThe date of the message is:    Tue, 3 Mar 2026 09:30:00 +0100\n\nThe address to which the message has not yet been delivered is:\n\n  ann@fabrikam.test\n    Delay reason: Connection timed out\n\nNo action is required on your part.", subject="Warning: message 1abCDe-0001xy-Zz delayed 24 hours"), {ANN: (False, "")}),
    Specimen("qmail, two and one host", mail(
        QMAIL + "<cat@tailspin.test>:\nSorry, I couldn't find any host named tailspin.test. (#5.1.2)\n\n<ann@fabrikam.test>:\n192.0.2.4 failed after I sent the message.\nRemote host said: 550 5.7.1 Message contains spam or virus\n" + QMAIL_COPY), {CAT: (True, "5.1.2"), ANN: (False, "5.7.1")}),
    Specimen("qmail, old mail", mail(
        QMAIL + "<ann@fabrikam.test>:\nCNAME lookup failed temporarily. (#4.4.3)\nI'm not going to try again; this message has been in the queue too long.\n" + QMAIL_COPY), {ANN: (False, "4.4.3")}),
    Specimen("qmail, an alias", mail(
        QMAIL + "<fabrikam.test-ann@fabrikam.test>:\nThis address no longer accepts mail.\n" + QMAIL_COPY), {"fabrikam.test-ann@fabrikam.test": (True, "")}),
    Specimen("qmail, relay refused", mail(
        QMAIL + "<ann@fabrikam.test>:\n192.0.2.4 does not like recipient.\nRemote host said: 553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)\nGiving up on 192.0.2.4.\n" + QMAIL_COPY), {ANN: (False, "5.7.1")}),
    Specimen("qmail, vpopmail quota", mail(
        QMAIL + "<ann@fabrikam.test>:\nuser is over quota\n" + QMAIL_COPY), {ANN: (False, "")}),
    Specimen("Exchange Online", report(
        f"Final-Recipient: rfc822;{ANN}\nAction: failed\nStatus: 5.1.10\nDiagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient ann@fabrikam.test not found by SMTP address lookup\nX-Display-Name: Ann", subject="Undeliverable: Your order", sender="Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@contoso.test>"), {ANN: (True, "5.1.10")}),
    Specimen("Exchange Online, remote server", report(
        f"Final-Recipient: rfc822;{ANN}\nAction: failed\nStatus: 5.0.350\nDiagnostic-Code: smtp;550 5.0.350 Remote server returned an error -> 550 5.1.1 <ann@fabrikam.test>: Recipient address rejected: User unknown\nRemote-MTA: dns;mx.fabrikam.test", subject="Undeliverable: Your order"), {ANN: (True, "5.1.1")}),
    Specimen("Exchange Online, group restricted", report(
        f"Final-Recipient: rfc822;{ANN}\nAction: failed\nStatus: 5.7.133\nDiagnostic-Code: smtp;550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; Delivery restriction check failed because the sender was not authenticated when sending to this group", subject="Unzustellbar: Ihre Bestellung"), {ANN: (False, "5.7.133")}),
    Specimen("Exchange Online, expired", report(
        f'Final-Recipient: rfc822;{ANN}\nAction: failed\nStatus: 5.4.300\nDiagnostic-Code: smtp;550 5.4.300 Message expired -> 451 4.4.0 Primary target IP address responded with: "421 4.2.1 Unable to connect."', subject="Undeliverable: Your order"), {ANN: (False, "4.4.0")}),
    Specimen("Exchange Online, domain", report(
        f"Final-Recipient: rfc822;{CAT}\nAction: failed\nStatus: 5.4.310\nDiagnostic-Code: smtp;550 5.4.310 DNS domain tailspin.test does not exist [Message=InfoDomainNonexistent] [LastAttemptedServerName=tailspin.test]", subject="Undeliverable: Your order"), {CAT: (True, "5.4.310")}),
    Specimen("Exchange Online, hop count", report(
        f"Final-Recipient: rfc822;{ANN}\nAction: failed\nStatus: 5.4.14\nDiagnostic-Code: smtp;554 5.4.14 Hop count exceeded - possible mail loop ATTR1", subject="Undeliverable: Your order"), {ANN: (False, "5.4.14")}),
    Specimen("Exchange Online, French", report(
        f"Final-Recipient: rfc822;{ANN}\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp;550 5.1.1 RESOLVER.ADR.RecipNotFound; not found", said="Échec de la remise pour ces destinataires ou groupes :\n\nann@fabrikam.test<mailto:ann@fabrikam.test>\nL'adresse e-mail que vous avez entrée est introuvable.", subject="=?utf-8?q?Non_remis_=3A_commande?="), {ANN: (True, "5.1.1")}),
    Specimen("Exchange 2010 in German, text alone", mail(
        "Fehler bei der Nachrichtenzustellung an folgende Empfänger oder Verteilerlisten:\n\nann@fabrikam.test<mailto:ann@fabrikam.test>\nDie eingegebene E-Mail-Adresse konnte nicht gefunden werden. Überprüfen Sie die E-Mail-Adresse, und versuchen Sie es erneut.\n\nDiagnoseinformationen für Administratoren:\n\nGenerierender Server: mx.fabrikam.test\n\nann@fabrikam.test\n#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##rfc822;ann@fabrikam.test\n", subject="Unzustellbar: Bestellung", sender="Microsoft Exchange <postmaster@fabrikam.test>", Content_Type="text/plain; charset=utf-8"), {ANN: (True, "5.1.1")}),
    Specimen("Exchange 2003, no such domain", mail(
        "Your message did not reach some or all of the intended recipients.\n\n      Subject:\tYour order\n      Sent:\t3/3/2026 9:30 AM\n\nThe following recipient(s) could not be reached:\n\n      cat@tailspin.test on 3/3/2026 9:31 AM\n            The e-mail system was unable to deliver the message, but did not report a specific reason.  Check the address and try again.  If it still fails, contact your system administrator.\n            < mx.contoso.test #5.1.2>\n", subject="Undeliverable: Your order", sender="System Administrator <postmaster@contoso.test>"), {CAT: (True, "5.1.2")}),
    Specimen("Exchange 2003 in Spanish", mail(
        "Su mensaje no ha llegado a algunos o a ninguno de los destinatarios.\n\n      Asunto:\tPedido\n      Enviado el:\t03/03/2026 9:30\n\nNo se puede localizar a los destinatarios siguientes:\n\n      ann@fabrikam.test el 03/03/2026 9:31\n            La cuenta de correo electrónico no existe en la organización a la que se envió este mensaje.\n            <mx.fabrikam.test #5.1.1>\n", subject="No se puede entregar: Pedido", sender="Administrador del sistema <postmaster@fabrikam.test>", Content_Type="text/plain; charset=utf-8"), {ANN: (True, "5.1.1")}),
    Specimen("Gmail, quota", report(
        _fields(ANN, "4.2.2", "smtp; 452-4.2.2 The recipient's inbox is out of storage space. Please direct the\n 452-4.2.2 recipient to\n 452 4.2.2 https://support.google.com/mail/?p=OverQuotaTemp a1si123 - gsmtp"), said="** Message not delivered **\n\nThe recipient's inbox is full.", subject="Delivery Status Notification (Failure)", X_Failed_Recipients=ANN), {ANN: (False, "4.2.2")}),
    Specimen("Gmail in German", _coded(
        "** Adresse nicht gefunden **\n\nIhre Nachricht wurde nicht an ann@fabrikam.test zugestellt, weil die Adresse nicht gefunden wurde oder keine E-Mails empfangen kann.\n\nAntwort:\n550 5.1.1 The email account that you tried to reach does not exist.\n", "utf-8", subject="Delivery Status Notification (Failure)", X_Failed_Recipients=ANN, sender="Mail Delivery Subsystem <mailer-daemon@googlemail.com>"), {ANN: (True, "5.1.1")}),
    Specimen("Gmail, domain", report(
        _fields(CAT, "4.0.0", "smtp; DNS Error: DNS type 'mx' lookup of tailspin.test responded with code NXDOMAIN\n Domain name not found: tailspin.test"), said="** Address not found **\n\nYour message wasn't delivered to cat@tailspin.test because the domain tailspin.test couldn't be found. Check for typos or unnecessary spaces and try again.", subject="Delivery Status Notification (Failure)"), {CAT: (True, "4.0.0")}),
    Specimen("a group of Google's in French", _coded(
        "Bonjour,\n\nNous vous informons que le groupe que vous avez tenté de contacter (team) n'existe peut-être pas, ou que vous n'êtes pas autorisé à y publier des messages.\n\n * Le propriétaire a peut-être supprimé ce groupe, et il n'existe pas.\n\nhttps://support.google.com/a/fabrikam.test/bin/topic.py?topic=25838\n", "utf-8", subject="Delivery Status Notification (Failure)", sender="Mail Delivery Subsystem <mailer-daemon@googlemail.com>", X_Failed_Recipients="team@fabrikam.test"), {"team@fabrikam.test": (False, "")}),
    Specimen("Yahoo, several", mail(
        "Sorry, we were unable to deliver your message to the following addresses.\n\n<ann@fabrikam.test>:\nRemote host said: 550 5.1.1 unknown or illegal alias: ann@fabrikam.test [RCPT_TO]\n\n<cat@tailspin.test>:\nNo MX or A records for tailspin.test\n\n<bob@fabrikam.test>:\nRemote host said: 552 5.2.2 over quota [RCPT_TO]\n" + QMAIL_COPY, subject="Failure Notice", sender="MAILER-DAEMON@yahoo.com"), {ANN: (True, "5.1.1"), CAT: (True, ""), BOB: (False, "5.2.2")}),
    Specimen("Amazon SES", report(
        f"Final-Recipient: rfc822;{ANN}\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550-5.1.1 No such user a1.2 - gsmtp", said="An error occurred while trying to deliver the mail to the following recipients:\nann@fabrikam.test", sender="MAILER-DAEMON@amazonses.com", subject="Delivery Status Notification (Failure)"), {ANN: (True, "5.1.1")}),
    Specimen("Amazon SES, expired behind a connection", report(
        f"Final-Recipient: rfc822;{ANN}\nAction: failed\nStatus: 4.4.7\nDiagnostic-Code: smtp; 554 4.4.7 Message expired: unable to deliver in 840 minutes.<421 4.4.0 Unable to lookup DNS for fabrikam.test>", sender="MAILER-DAEMON@amazonses.com", subject="Delivery Status Notification (Failure)"), {ANN: (False, "4.4.0")}),
    Specimen("Domino with a report part", report(
        f"Final-Recipient: rfc822;{ANN}\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: X-Notes; User ann (ann@fabrikam.test) not listed in Domino Directory", said="Your message\n\n  Subject: Your order\n\nwas not delivered to:\n\n  ann@fabrikam.test\n\nbecause:\n\n  User ann (ann@fabrikam.test) not listed in Domino Directory\n", subject="DELIVERY FAILURE: User ann (ann@fabrikam.test) not listed in Domino Directory"), {ANN: (True, "5.1.1")}),
    Specimen("Domino, router error", report(
        f"Final-Recipient: rfc822;{ANN}\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: X-Notes; Error transferring to FABRIKAM.TEST; Maximum hop count exceeded.  Message probably in a routing loop.", subject="DELIVERY FAILURE: Error transferring"), {ANN: (False, "5.0.0")}),
    Specimen("GroupWise", mail(
        "The message that you sent was undeliverable to the following:\n\tann (user not found)\n\tann@fabrikam.test (mailbox is full)\n", subject="Message status - undeliverable", sender="postmaster@gw.fabrikam.test"), {ANN: (False, "")}),
    Specimen("Courier with a report part", report(
        f"Final-Recipient: rfc822; {ANN}\nAction: failed\nStatus: 5.0.0\nRemote-MTA: dns; mx.fabrikam.test [192.0.2.4]\nDiagnostic-Code: smtp; 550 Unknown recipient", said="                           UNDELIVERABLE MAIL\n\nYour message to the following recipients cannot be delivered:\n\n<ann@fabrikam.test>:\n    mx.fabrikam.test [192.0.2.4]:\n>>> RCPT TO:<ann@fabrikam.test>\n<<< 550 Unknown recipient\n", subject="NOTICE: mail delivery status."), {ANN: (True, "5.0.0")}),
    Specimen("OpenSMTPD, network", mail(
        "Hi!\n\nThis is the MAILER-DAEMON, please DO NOT REPLY to this email.\n\nAn error has occurred while attempting to deliver a message for\nthe following list of recipients:\n\nann@fabrikam.test: Network error on destination MXs\n\nBelow is a copy of the original message:\n\n" + COPY, subject="Delivery status notification: error", sender="Mailer Daemon <MAILER-DAEMON@mx.contoso.test>"), {ANN: (False, "")}),
    Specimen("DragonFly", mail(
        "This is the DragonFly Mail Agent v0.13 at mx.contoso.test.\n\nThere was an error delivering your mail to <ann@fabrikam.test>.\n\nmx.fabrikam.test [192.0.2.4] did not like our RCPT TO:\n550 5.1.1 no account of that name\n\nMessage headers follow.\n\n" + COPY, subject="Mail delivery failed", sender="MAILER-DAEMON <>"), {ANN: (True, "5.1.1")}),
    Specimen("PowerMTA", report(
        f"Original-Recipient: rfc822;{ANN}\nFinal-Recipient: rfc822;{ANN}\nAction: failed\nStatus: 5.1.2 (bad destination system: no such domain)\nX-PowerMTA-BounceCategory: bad-domain", said="Hello, this is the mail server on mx.contoso.test.\n\nI am sending you this message to inform you on the delivery status of a\nmessage you previously sent.  Immediately below you will find a list of\nthe affected recipients;  also attached is a Delivery Status Notification\n(DSN) report in standard format, as well as the headers of the original\nmessage.\n\n  <ann@fabrikam.test>  delivery failed; will not continue trying\n", subject="Delivery report"), {ANN: (True, "5.1.2")}),
    Specimen("Messaging Server", report(
        f"Original-recipient: rfc822;{ANN}\nFinal-recipient: rfc822;{ANN}\nAction: failed\nStatus: 5.1.1 (Remote SMTP server has rejected address)\nRemote-MTA: dns;mx.fabrikam.test (TCP|192.0.2.7|47323|192.0.2.4|25)\nDiagnostic-code: smtp;550 5.1.1 unknown user account", subject="Delivery Notification: Delivery has failed"), {ANN: (True, "5.1.1")}),
    Specimen("Messaging Server, text alone", mail(
        "This report relates to a message you sent with the following header fields:\n\n  Message-id: <order-1@contoso.test>\n  To: ann@fabrikam.test\n  Subject: Your order\n\nYour message cannot be delivered to the following recipients:\n\n  Recipient address: ann@fabrikam.test\n  Reason: Illegal host/domain name found\n", subject="Delivery Notification: Delivery has failed", sender="postmaster@contoso.test"), {ANN: (True, "")}),
    Specimen("MDaemon, several attempts", mail(
        "The attached message had PERMANENT fatal delivery errors!\n\nAfter one or more unsuccessful delivery attempts the attached message has\nbeen removed from the mail queue on this server.\n\nYOUR MESSAGE WAS NOT DELIVERED TO ONE OR MORE RECIPIENTS!\n\nFailed address: ann@fabrikam.test\n\n--- Session Transcript ---\n Tue 2026-03-03 09:31:00: <-- 220 mx.fabrikam.test ESMTP\n Tue 2026-03-03 09:31:00: --> MAIL From:<news@contoso.test>\n Tue 2026-03-03 09:31:00: <-- 250 2.1.0 Sender ok\n Tue 2026-03-03 09:31:00: --> RCPT To:<ann@fabrikam.test>\n Tue 2026-03-03 09:31:01: <-- 550 5.1.1 <ann@fabrikam.test>, Recipient unknown\n--- End Transcript ---\n", subject="Permanent Delivery Failure", sender="MDaemon@contoso.test"), {ANN: (True, "5.1.1")}),
    Specimen("Barracuda, spam", report(
        _fields(ANN, "5.7.1", "smtp; 550 5.7.1 Message content rejected, UBE, id=12345-67"), said="Your message to: ann@fabrikam.test\nwas blocked by our Spam Firewall. The email you sent with the following subject has NOT BEEN DELIVERED:\n\nSubject: Your order\n", subject="**Message you sent blocked by our bulk email filter**"), {ANN: (False, "5.7.1")}),
    Specimen("amavis, banned", report(
        f"Original-Recipient: rfc822;{ANN}\nFinal-Recipient: rfc822;{ANN}\nAction: failed\nStatus: 5.7.0\nDiagnostic-Code: smtp; 554 5.7.0 Bounce, id=01234-05 - BANNED: .exe,setup.exe", said="BANNED CONTENTS ALERT\n\nOur content checker found\n    banned name: .exe,setup.exe\n", subject="BANNED contents in mail from you"), {ANN: (False, "5.7.0")}),
    Specimen("Japanese provider", _coded(
        "お客様が送信されたメールは、下記の理由により送信できませんでした。\n\n送信先: ann@fabrikam.test\n理由: 宛先のメールアドレスが存在しません。\n", "iso-2022-jp", subject="Mail System Error - Returned Mail", sender="postmaster@fabrikam.test", base64=False), {ANN: (True, "")}),
    Specimen("Japanese, full box", _coded(
        "次のあて先へのメッセージはエラーのため送信できませんでした。\n\n<ann@fabrikam.test>:\n受信者のメールボックスがいっぱいです。\n", "utf-8", subject="=?utf-8?b?6YWN5L+h44Ko44Op44O8?=", sender="Mail Delivery System <MAILER-DAEMON@fabrikam.test>"), {ANN: (False, "")}),
    Specimen("Russian", _coded(
        "Это письмо создано автоматически сервером.\n\nК сожалению, Ваше письмо не может быть доставлено одному или нескольким получателям:\n\nann@fabrikam.test\n    Пользователь не найден\n", "koi8-r", subject="Mail delivery failed", sender="mailer-daemon@fabrikam.test"), {ANN: (True, "")}),
    Specimen("Chinese", _coded(
        "很抱歉，您的邮件无法投递。\n\n收件人：ann@fabrikam.test\n退信原因：收件人邮箱不存在\n", "gb18030", subject="=?gb2312?b?z7XNs83L0MU=?=", sender="postmaster@fabrikam.test"), {ANN: (True, "")}),
    Specimen("French, quoted-printable", _coded(
        "Votre message n'a pas pu être remis au destinataire suivant :\n\nann@fabrikam.test\n\nMotif : la boîte aux lettres du destinataire est pleine.\n", "iso-8859-1", base64=False, subject="=?iso-8859-1?q?=C9chec_de_la_remise?=", sender="postmaster@fabrikam.test"), {ANN: (False, "")}),
    Specimen("Italian", _coded(
        "Il messaggio non è stato consegnato al seguente destinatario:\n\n<ann@fabrikam.test>: utente sconosciuto\n", "utf-8", subject="Mancata consegna", sender="mailer-daemon@fabrikam.test"), {ANN: (True, "")}),
    Specimen("Portuguese", _coded(
        "Não foi possível entregar a sua mensagem para ann@fabrikam.test.\n\nMotivo: usuário inexistente.\n", "iso-8859-1", subject="Falha na entrega", sender="mailer-daemon@fabrikam.test"), {ANN: (True, "")}),
    Specimen("Korean", _coded(
        "메일이 배달되지 못했습니다.\n\n받는 사람: ann@fabrikam.test\n사유: 존재하지 않는 사용자입니다\n", "euc-kr", subject="Returned mail", sender="postmaster@fabrikam.test"), {ANN: (True, "")}),
    Specimen("only an original recipient", report(
        f"Original-Recipient: rfc822;{ANN}\nAction: failed\nStatus: 5.2.1\nDiagnostic-Code: smtp;550 5.2.1 mailbox disabled"), {ANN: (False, "5.2.1")}),
    Specimen("odd spelling of the action", report(
        f"Final-Recipient: RFC-822; <{ANN}>\nAction: Failure\nStatus: 5.1.1 (user unknown)"), {ANN: (True, "5.1.1")}),
    Specimen("failed and relayed", report(_two(
        _fields(ANN, "2.0.0", "smtp; 250 ok", "relayed"), _fields(BOB, "5.1.1", "smtp; 550 5.1.1 no such user"))), {BOB: (True, "5.1.1")}),
    Specimen("failed and delayed", report(_two(
        _fields(ANN, "4.4.1", "smtp; connection timed out", "delayed"), _fields(BOB, "5.1.1", "smtp; 550 5.1.1 no such user"))), {ANN: (False, "4.4.1"), BOB: (True, "5.1.1")}),
    Specimen("the reason in the human part alone", report(
        _fields(ANN, "5.0.0"), said="Your message could not be delivered to:\n\n  ann@fabrikam.test\n    The mail server of the recipient says that there is no such account.\n"), {ANN: (True, "5.0.0")}),
    Specimen("a code without dots in the field", report(
        _fields(ANN, "550", "smtp; 550 user unknown")), {ANN: (True, "")}),
    Specimen("a status in parentheses in the text", report(
        _fields(ANN, "5.0.0", "smtp; 550 no mailbox here by that name (#5.1.1)")), {ANN: (True, "5.1.1")}),
    Specimen("mail for a policy refused with an address's code", report(
        _fields(ANN, "5.1.1", "smtp; 550 5.7.1 Message rejected due to local policy")), {ANN: (False, "5.7.1")}),
    Specimen("Sympa", mail(
        "Your message for list team (attached below) was rejected.\nYou are not allowed to send messages to this list. It is restricted to subscribers.\n", subject="Message rejected", sender="SYMPA <sympa@fabrikam.test>", To="news@contoso.test", X_Failed_Recipients="team@fabrikam.test"), {"team@fabrikam.test": (False, "")}),
    Specimen("Kerio, several", report(_two(
        f"Final-Recipient: rfc822; {ANN}\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 User unknown",
        f"Final-Recipient: rfc822; {CAT}\nAction: failed\nStatus: 5.1.2\nDiagnostic-Code: system; Domain does not exist")), {ANN: (True, "5.1.1"), CAT: (True, "5.1.2")}),
    Specimen("IronPort with a report part", report(
        f"Final-Recipient: rfc822;{ANN}\nAction: failed\nStatus: 5.0.0 (permanent failure)\nRemote-MTA: dns; [192.0.2.4]\nDiagnostic-Code: smtp; 5.1.0 - Unknown address error 550-'5.1.1 <ann@fabrikam.test>: Recipient address rejected: User unknown' (delivery attempts: 0)", said="The following message to <ann@fabrikam.test> was undeliverable.\nThe reason for the problem:\n5.1.0 - Unknown address error 550-'5.1.1 <ann@fabrikam.test>: Recipient address rejected: User unknown'"), {ANN: (True, "5.1.1")}),
    Specimen("Symantec cloud", report(
        f"Final-Recipient: rfc822; {ANN}\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp;550 Requested action aborted [7.2] 23607, please visit www.symanteccloud.com/troubleshooting for more details about this error message."), {ANN: (False, "5.0.0")}),
    Specimen("Proofpoint", report(
        _fields(ANN, "5.7.0", "smtp; 554 5.7.0 Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.7")), {ANN: (False, "5.7.0")}),
    Specimen("MailScanner of 1&1", mail(
        EXIM + "ann@fabrikam.test:\nSMTP error from remote server for RCPT TO command, host: mx.fabrikam.test (192.0.2.4) reason: 550 5.1.1 This mailbox could not be found.\n\n--- The header of the original message is following. ---\n\n" + COPY, subject=EXIM_TITLE, sender="mailer-daemon@kundenserver.test"), {ANN: (True, "5.1.1")}),
    Specimen("a forwarded mailbox that is full", report(
        f"Original-Recipient: rfc822;{ANN}\nFinal-Recipient: rfc822;{BOB}\nAction: failed\nStatus: 5.2.2\nDiagnostic-Code: smtp; 552 5.2.2 user bob exceeded his quota"), {BOB: (False, "5.2.2")}),
    Specimen("a mobile carrier's gateway", mail(
        "Message from post_master@fabrikam.test\n\nError: Invalid user address\n\n  RCPT TO: ann@fabrikam.test\n\nMessage details:\n  Subject: Your order\n  Sent date: Tue Mar 03 09:30:00 GMT 2026\n  MAIL FROM: news@contoso.test\n", subject="Undeliverable Message", sender="post_master@fabrikam.test"), {ANN: (True, "")}),
    Specimen("a session in plain text", mail(
        "The following address had errors:\n\nann@fabrikam.test\n\n>>> MAIL FROM:<news@contoso.test>\n<<< 250 ok\n>>> RCPT TO:<ann@fabrikam.test>\n<<< 553 5.3.0 no such mailbox\n", subject="Returned mail"), {ANN: (True, "5.3.0")}),
    Specimen("Sendmail 5, local", mail(
        "   ----- Transcript of session follows -----\n550 ann... User unknown\n\n   ----- Unsent message follows -----\n" + COPY, subject="Returned mail: User unknown", sender="Mail Delivery Subsystem <MAILER-DAEMON@fabrikam.test>"), {ANN: (True, "")}),
    Specimen("Sendmail 5, host", mail(
        "   ----- Transcript of session follows -----\n550 <ann@fabrikam.test>... Host unknown (Authoritative answer from name server)\n\n   ----- Unsent message follows -----\n" + COPY, subject="Returned mail: Host unknown", sender="MAILER-DAEMON@contoso.test"), {ANN: (True, "")}),
    Specimen("Sendmail 5, several", mail(
        "   ----- Transcript of session follows -----\nWhile talking to mx.fabrikam.test:\n>>> RCPT To:<ann@fabrikam.test>\n<<< 550 <ann@fabrikam.test>... User unknown\n550 <ann@fabrikam.test>... User unknown\n>>> RCPT To:<bob@fabrikam.test>\n<<< 452 <bob@fabrikam.test>... Mailbox full\n452 <bob@fabrikam.test>... Mailbox full\n\n   ----- Unsent message follows -----\n" + COPY, subject="Returned mail: User unknown", sender="MAILER-DAEMON@contoso.test"), {ANN: (True, ""), BOB: (False, "")}),
    Specimen("James, remote", mail(
        "Hi. This is the James mail server at mx.contoso.test.\nI'm afraid I wasn't able to deliver your message to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out. Below\nI include the list of recipients and the reason why I was unable to deliver\nyour message.\n\nann@fabrikam.test\nbob@fabrikam.test\n\nError message below:\n550 - Requested action not taken: no such user here\n", subject="Delivery failure", sender="postmaster@contoso.test"), {ANN: (True, ""), BOB: (True, "")}),
    Specimen("Notes in Japanese", _coded(
        "------- Failure Reasons  --------\n\nユーザーが Domino ディレクトリに見つかりません\nann@fabrikam.test\n\n------- Returned Message --------\n\nHello\n", "iso-2022-jp", base64=False, subject="DELIVERY FAILURE", sender="Postmaster@fabrikam.test"), {ANN: (True, "")}),
    Specimen("AOL", mail(
        'The original message was received at Tue, 3 Mar 2026 09:30:00 -0500 (EST)\nfrom app.contoso.test [192.0.2.7]\n\n*** ATTENTION ***\n\nYour e-mail is being returned to you because there was a problem with its\ndelivery.  The address which was undeliverable is listed in the section\nlabeled: "----- The following addresses had permanent fatal errors -----".\n\n   ----- The following addresses had permanent fatal errors -----\n<ann@fabrikam.test>\n\n   ----- Transcript of session follows -----\n... while talking to mail.fabrikam.test.:\n>>> RCPT To:<ann@fabrikam.test>\n<<< 550 ann IS NOT ACCEPTING MAIL FROM THIS SENDER\n550 <ann@fabrikam.test>... User unknown\n', subject="Returned mail: User unknown", sender="Mail Delivery Subsystem <MAILER-DAEMON@aol.test>"), {ANN: (False, "")}),
    Specimen("a filter's notice", mail(
        "This message is to inform you that your e-mail to ann@fabrikam.test was blocked because it looks like spam.\n", subject="Mail blocked", sender="postmaster@fabrikam.test"), {ANN: (False, "")}),
    Specimen("a gateway that names the recipient last", mail(
        "Delivery failed.\n\nReason: 5.1.1 unknown mailbox\n\nMessage-ID: <order-1@contoso.test>\nRecipient: <ann@fabrikam.test>\n", subject="Delivery failure notification", sender="mailer-daemon@fabrikam.test"), {ANN: (True, "5.1.1")}),
    Specimen("a table in HTML", mail(
        "<html><body><h1>Delivery failure</h1><table><tr><td>Recipient</td><td>ann@fabrikam.test</td></tr><tr><td>Reason</td><td>The mailbox does not exist</td></tr></table></body></html>", subject="Undeliverable: Your order", Content_Type="text/html; charset=utf-8"), {ANN: (True, "")}),
    Specimen("an old gateway", mail(
        "Your mail message to the following address(es) could not be delivered. This\nis a permanent error. Please verify the addresses and try again.\n\nUnknown local user:\n\n        ann@fabrikam.test\n", subject="Delivery failure", sender="Postmaster@fabrikam.test"), {ANN: (True, "")}),
    Specimen("SendGrid", report(
        f"Final-Recipient: rfc822; {ANN}\nOriginal-Recipient: rfc822; {ANN}\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: 550 5.1.1 The email account does not exist", said="Hello, this is the mail server on contoso.test.\n\nI am sending you this message to inform you on the delivery status of a\nmessage you previously sent.\n\n  <ann@fabrikam.test>\n"), {ANN: (True, "5.1.1")}),
    Specimen("SendGrid, a code alone", report(
        f"Final-Recipient: rfc822; {ANN}\nAction: failed\nStatus: 4.0.0\nDiagnostic-Code: Unable to resolve MX host fabrikam.test"), {ANN: (True, "")}),
    Specimen("Facebook", report(
        f"Final-Recipient: rfc822; {ANN}\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 RCP-P2 http://postmaster.facebook.com/response_codes?ip=192.0.2.7#rcp Refused due to recipient preferences", subject="Sorry, your message could not be delivered"), {ANN: (False, "5.1.1")}),
    Specimen("Outlook, a stranger's reputation", report(
        _fields(ANN, "5.7.1", "smtp;550 5.7.1 Unfortunately, messages from [192.0.2.7] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3150).")), {ANN: (False, "5.7.1")}),
    Specimen("Outlook, a mailbox gone", report(
        _fields(ANN, "5.5.0", "smtp;550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302). [AM0EUR.prod.protection.outlook.com]"), subject="Delivery Status Notification (Failure)"), {ANN: (True, "5.5.0")}),
    Specimen("a multi-line reply", report(
        _fields(ANN, "5.0.0", "smtp;550-5.7.26 This mail has been blocked because the sender is unauthenticated.\n    550-5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM.\n    550 5.7.26 See https://support.google.com/mail/answer/81126")), {ANN: (False, "5.7.26")}),
    Specimen("two codes in the text", report(
        _fields(ANN, "5.3.0", "smtp; 554 5.3.0 delivery failed: remote said 550 5.1.1 no such user")), {ANN: (True, "")}),
    Specimen("a success code within", report(
        _fields(ANN, "5.0.0", "smtp; 250 2.1.5 recipient ok; then 552 5.2.2 mailbox full after DATA")), {ANN: (False, "5.2.2")}),
    Specimen("an address literal that is no status", report(
        _fields(ANN, "5.0.0", "smtp; 554 Connection from 5.1.1.20 refused by local policy")), {ANN: (False, "5.0.0")}),
    Specimen("the recipient in capitals, and in lower case in the text", report(
        _fields("Ann@Fabrikam.Test", "5.0.0"), said="<ann@fabrikam.test>: user unknown"), {"Ann@Fabrikam.Test": (True, "5.0.0")}),
    Specimen("an address with a plus and quotes", report(
        _fields("'ann+news@fabrikam.test'", "5.1.1")), {"ann+news@fabrikam.test": (True, "5.1.1")}),
    Specimen("a name before the address", report(
        "Final-Recipient: rfc822; Ann Lee <ann@fabrikam.test>\nAction: failed\nStatus: 5.1.1"), {ANN: (True, "5.1.1")}),
    Specimen("no type before the address", report(
        "Final-Recipient: ann@fabrikam.test\nAction: failed\nStatus: 5.2.2"), {ANN: (False, "5.2.2")}),
    Specimen("an X.400 gateway", report(
        f"Final-Recipient: X400; /S=ann/O=fabrikam/C=us/\nOriginal-Recipient: rfc822; {ANN}\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: X400; unrecognised-OR-name (1)"), {ANN: (True, "5.1.1")}),
    Specimen("a report within a mixed mail", report(
        _fields(ANN, "5.1.1")).replace(b"multipart/report; report-type=delivery-status;", b"multipart/mixed;"), {ANN: (True, "5.1.1")}),
    Specimen("base64 in the report part", mail(
        "--b1\nContent-Type: text/plain\n\nNot delivered\n\n--b1\nContent-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n" + b64encode(f"Reporting-MTA: dns; mx.fabrikam.test\n\n{_fields(ANN, '5.1.1')}\n".encode()).decode() + "\n--b1--\n", Content_Type='multipart/report; report-type=delivery-status; boundary="b1"'), {ANN: (True, "5.1.1")}),
    Specimen("Spanish fields' comments", report(
        _fields(ANN, "5.1.1 (usuario desconocido)", "smtp; 550 Usuario desconocido")), {ANN: (True, "5.1.1")}),
    Specimen("Polish", _coded(
        "Wiadomość nie została dostarczona do:\n\nann@fabrikam.test\n\nPowód: skrzynka odbiorcy jest pełna.\n", "iso-8859-2", subject="=?utf-8?q?Wiadomo=C5=9B=C4=87_nie_zosta=C5=82a_dostarczona?=", sender="postmaster@fabrikam.test"), {ANN: (False, "")}),
    Specimen("Dutch", _coded(
        "Uw bericht kon niet worden bezorgd bij:\n\n  ann@fabrikam.test\n\nHet e-mailadres bestaat niet.\n", "utf-8", subject="Onbestelbaar: bestelling", sender="postmaster@fabrikam.test"), {ANN: (True, "")}),
    Specimen("Turkish", _coded(
        "İletiniz şu alıcıya teslim edilemedi: ann@fabrikam.test\n\nKullanıcı bulunamadı\n", "utf-8", subject="Teslim edilemedi", sender="postmaster@fabrikam.test"), {ANN: (True, "")}),
    Specimen("Czech", _coded(
        "Zprávu se nepodařilo doručit.\n\nann@fabrikam.test: uživatel neexistuje\n", "utf-8", subject="Nedoručiteln\u00e1 zpr\u00e1va".encode("ascii", "ignore").decode(), sender="postmaster@fabrikam.test"), {ANN: (True, "")}),
    Specimen("Swedish", _coded(
        "Meddelandet kunde inte levereras till:\n\nann@fabrikam.test\n\nMottagaren finns inte.\n", "iso-8859-1", subject="Kunde inte levereras", sender="postmaster@fabrikam.test"), {ANN: (True, "")}),
    Specimen("a delay in German", report(
        _fields(ANN, "4.4.7", action="delayed"), said="Dies ist nur eine Warnung. Ihre Nachricht konnte noch nicht zugestellt werden.", subject="Zustellung verzögert".encode("ascii", "ignore").decode()), {ANN: (False, "4.4.7")}),
    Specimen("a challenge of policy in two lines", mail(
        "Your message to <ann@fabrikam.test> was not delivered.\n\nThe recipient's server answered:\n\n  554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org;\n  https://www.spamhaus.org/query/ip/192.0.2.7\n", subject="Delivery failure", sender="mailer-daemon@contoso.test"), {ANN: (False, "5.7.1")}),
    Specimen("Yandex in Russian and English", _coded(
        "Это письмо отправлено почтовым сервером yandex.ru.\n\nК сожалению, мы вынуждены сообщить Вам о том, что Ваше письмо не может\nбыть отправлено одному или нескольким адресатам. Технические подробности можно найти ниже.\n\n****************************************\n\nThis is the mail system at host yandex.ru.\n\n<ann@fabrikam.test>: host mx.fabrikam.test[192.0.2.4] said: 550 5.1.1 User Unknown (in reply to RCPT TO command)\n", "utf-8", subject="=?utf-8?b?0J3QtdC00L7RgdGC0LDQstC70LXQvdC90L7QtSDRgdC+0L7QsdGJ0LXQvdC40LU=?=", sender="mailer-daemon@yandex.ru"), {ANN: (True, "5.1.1")}),
    Specimen("Exchange 2003 in German, several", _coded(
        "Ihre Nachricht hat einige oder alle Empfänger nicht erreicht.\n\n      Betreff:\tBestellung\n      Gesendet am:\t03.03.2026 09:30\n\nFolgende Empfänger können nicht erreicht werden:\n\n      ann@fabrikam.test am 03.03.2026 09:31\n            Das E-Mail-Konto ist in der Organisation, an die diese Nachricht gesendet wurde, nicht vorhanden.\n            <mx.fabrikam.test #5.1.1>\n\n      bob@fabrikam.test am 03.03.2026 09:31\n            Das Postfach des Empfängers ist voll.\n            <mx.fabrikam.test #5.2.2>\n", "utf-8", subject="Unzustellbar: Bestellung", sender="Systemadministrator <postmaster@fabrikam.test>"), {ANN: (True, "5.1.1"), BOB: (False, "5.2.2")}),
    Specimen("Exchange 2003 in French, several", _coded(
        "Votre message n'a pas été remis à certains ou à tous les destinataires.\n\n      Objet :\tCommande\n      Date :\t03/03/2026 09:30\n\nImpossible de joindre le(s) destinataire(s) suivant(s) :\n\n      ann@fabrikam.test le 03/03/2026 09:31\n            Le compte de messagerie n'existe pas dans l'organisation.\n            <mx.fabrikam.test #5.1.1>\n\n      cat@tailspin.test le 03/03/2026 09:31\n            Le domaine est introuvable.\n            <mx.fabrikam.test #5.1.2>\n", "iso-8859-1", base64=False, subject="=?iso-8859-1?q?Non_remis=A0=3A?=", sender="Administrateur <postmaster@fabrikam.test>"), {ANN: (True, "5.1.1"), CAT: (True, "5.1.2")}),
    Specimen("Exim, Swedish wording of an own template", _coded(
        "Ett fel uppstod: meddelandet kunde inte levereras till följande adresser.\n\n  ann@fabrikam.test\n    okänd användare\n  bob@fabrikam.test\n    brevlådan är full\n", "utf-8", subject="Meddelandet kunde inte levereras", sender="Mail Delivery System <Mailer-Daemon@mx.fabrikam.test>"), {ANN: (True, ""), BOB: (False, "")}),
    Specimen("qmail in Japanese", _coded(
        "こちらは mx.fabrikam.test のメール配送プログラムです。\n申し訳ありませんが、メールを配送することができませんでした。\n\n<ann@fabrikam.test>:\nそのようなユーザーは存在しません。\n\n<bob@fabrikam.test>:\nメールボックスの容量を超えています。\n\n--- Below this line is a copy of the message.\n\n" + COPY, "utf-8", subject="failure notice"), {ANN: (True, ""), BOB: (False, "")}),
    Specimen("Postfix in Chinese", _coded(
        "这是邮件系统 mx.contoso.test。\n\n很抱歉，您的邮件未能送达以下收件人。\n\n<ann@fabrikam.test>: 用户不存在\n\n<bob@fabrikam.test>: 对方邮箱已满\n", "utf-8", subject="=?utf-8?b?6YCA5L+h?=", sender="MAILER-DAEMON@contoso.test"), {ANN: (True, ""), BOB: (False, "")}),
]  # fmt: skip
