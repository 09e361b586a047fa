"""Mails that come back to no sender: no bounces, though some have the looks. Made up for these tests.

Each was written down before it was read.
"""

from email.message import EmailMessage
from typing import NamedTuple

BOUNCE = """\
This is the mail system at host mx.fabrikam.test.

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients. It's attached below.

<ann@fabrikam.test>: host mail.fabrikam.test[192.0.2.4] said: 550 5.1.1
    <ann@fabrikam.test>: Recipient address rejected: User unknown (in reply to
    RCPT TO command)
"""


class Stranger(NamedTuple):
    name: str
    content: bytes


def _mail(
    name: str, subject: str, body: str, sender: str = "Ann Lee <ann@fabrikam.test>", **headers: str
) -> Stranger:
    message = EmailMessage()
    given = {"Return_Path": "<ann@fabrikam.test>", "From": sender, "To": "news@contoso.test", "Subject": subject, "Date": "Tue, 3 Mar 2026 09:31:00 +0100", "Message_ID": "<s-1@fabrikam.test>"} | headers  # fmt: skip
    for key, value in given.items():
        message[key.replace("_", "-")] = value
    message.set_content(body)
    return Stranger(name, message.as_bytes())


def _attached(name: str, subject: str, body: str, kind: str, data: str, **headers: str) -> Stranger:
    message = EmailMessage()
    given = {"Return_Path": "<ann@fabrikam.test>", "From": "Ann Lee <ann@fabrikam.test>", "To": "news@contoso.test", "Subject": subject, "Message_ID": "<s-1@fabrikam.test>"} | headers  # fmt: skip
    for key, value in given.items():
        message[key.replace("_", "-")] = value
    message.set_content(body)
    main, _, sub = kind.partition("/")
    message.add_attachment(data.encode(), maintype=main, subtype=sub, filename="a.bin")
    return Stranger(name, message.as_bytes())


QUOTED = "\n".join(f"> {line}" for line in BOUNCE.splitlines())
OFFICE = "Auto_Submitted"

STRANGERS = [
    _mail("an answer with a quoted bounce", "Re: Undelivered Mail Returned to Sender", f"What does this mean?\n\n{QUOTED}\n", In_Reply_To="<x@y.test>"),
    _mail("an answer below", "AW: Undelivered Mail Returned to Sender", f"{BOUNCE}\n\nKannst Du das bitte ansehen?\n", In_Reply_To="<x@y.test>"),
    _mail("a colleague pastes one", "Mail to Ann", f"Hi, I keep getting this when I write to Ann:\n\n{BOUNCE}\n\nAny idea?\n"),
    _mail("a ticket about one", "[Ticket 4711] Undelivered mail", f"A customer reports:\n\n{QUOTED}\n", sender="Help Desk <help@fabrikam.test>", Auto_Submitted="auto-generated"),
    _mail("a digest of a list about mail", "mailop Digest, Vol 200, Issue 3", f"Send mailop submissions to mailop@fabrikam.test\n\nToday's Topics:\n  1. 550 5.1.1 user unknown from Contoso\n\n{BOUNCE}", List_Id="<mailop.fabrikam.test>", Precedence="list", sender="mailop-request@fabrikam.test"),
    _mail("a list post", "[postfix-users] delivery failed with 550 5.1.1", f"Hello list,\n\n{BOUNCE}\n", List_Id="<postfix-users.test>", List_Post="<mailto:p@x.test>"),
    _mail("a newsletter on bounces", "Five reasons your mail was returned to sender", "Hard bounces: the mailbox does not exist. Soft bounces: mailbox full. Write to editor@fabrikam.test.", sender="Deliverability Weekly <news@fabrikam.test>", List_Unsubscribe="<https://x.test>"),
    _mail("a newsletter without the field", "Undeliverable? How to keep your list clean", "550 5.1.1 user unknown is a hard bounce; remove such an address. Questions: editor@fabrikam.test", sender="Deliverability Weekly <news@fabrikam.test>"),
    _mail("a parcel not delivered", "Delivery failed: your parcel", "We were unable to deliver your parcel to the recipient today. Contact service@parcel.test.", sender="Parcel Service <noreply@parcel.test>"),
    _mail("a parcel delivered", "Your parcel was delivered", "Your parcel has been delivered to a neighbour. Questions: service@parcel.test", sender="Parcel Service <noreply@parcel.test>"),
    _mail("a parcel in German", "Sendung nicht zugestellt", "Ihre Sendung konnte nicht zugestellt werden. Empfänger unbekannt. service@paket.test", sender="Paketdienst <noreply@paket.test>"),
    _mail("a parcel in French", "Échec de la livraison de votre colis", "Le destinataire était absent. Contact : service@colis.test", sender="Colis <noreply@colis.test>"),
    _mail("a parcel in Spanish", "No se pudo entregar su paquete", "No se pudo entregar: destinatario desconocido. ayuda@paquete.test", sender="Paquetes <noreply@paquete.test>"),
    _mail("monitoring", "[FAILED] smtp check on mx.fabrikam.test", "Check failed: 550 5.1.1 probe@fabrikam.test user unknown", sender="Monitoring <monitor@fabrikam.test>"),
    _mail("monitoring recovered", "RECOVERY: mail queue on mx.fabrikam.test", "Queue length 12, 3 messages deferred: ann@fabrikam.test", sender="nagios@fabrikam.test"),
    _mail("a failed build", "Build failed: mail-delivery #120", "Job mail-delivery failed. test_rejects_unknown_user: 550 5.1.1 user unknown. ann@fabrikam.test", sender="CI <noreply@ci.test>"),
    _mail("a cron job", "Cron <root@mx> /usr/local/bin/backup", "backup: cannot open /dev/sdb: failed\nroot@mx.fabrikam.test", sender="Cron Daemon <root@mx.fabrikam.test>", Auto_Submitted="auto-generated"),
    _mail("a log summary", "Logwatch for mx.fabrikam.test", "5xx: 550 5.1.1 user unknown: 12 times\n   ann@fabrikam.test: 3 times\n", sender="logwatch@mx.fabrikam.test"),
    _mail("a queue report for the postmaster", "Postfix log summaries", 'bounce reasons:\n  unknown user: "ann" (12)\n', sender="root <root@mx.fabrikam.test>"),
    _mail("away in English", "Automatic reply: Your order", "I am away. Messages are not read; ann@fabrikam.test will not be delivered. Contact bob@fabrikam.test.", Auto_Submitted="auto-replied"),
    _mail("away with an empty return path", "Out of office", "I am out of the office until 5 May, contact bob@fabrikam.test", Return_Path="<>"),
    _mail("away in German", "Abwesenheitsnotiz: Bestellung", "Ich bin nicht im Büro. Ihre Nachricht wird nicht weitergeleitet. bob@fabrikam.test", Return_Path="<>"),
    _mail("away in French", "Réponse automatique : Commande", "Je suis absente. Votre message n'est pas transféré. bob@fabrikam.test", Return_Path="<>"),
    _mail("away in Spanish", "Respuesta automática: Pedido", "No estoy en la oficina. bob@fabrikam.test", Return_Path="<>"),
    _mail("away in Japanese", "自動応答: 注文", "不在にしております。bob@fabrikam.test までご連絡ください。", Return_Path="<>"),
    _mail("away in Russian", "Автоматический ответ: Заказ", "Меня нет в офисе. bob@fabrikam.test", Return_Path="<>"),
    _mail("away in Polish", "Odpowiedź automatyczna: Zamówienie", "Jestem poza biurem. bob@fabrikam.test", Auto_Submitted="auto-replied"),
    _mail("away in Chinese", "自动回复: 订单", "我不在办公室。bob@fabrikam.test", Auto_Submitted="auto-replied"),
    _mail("left the company, by a person's mailbox", "Automatic reply: Order", "I no longer work at Fabrikam. This mailbox is not read. Please write to bob@fabrikam.test.", Auto_Submitted="auto-replied"),
    _mail("a ticket system's receipt", "[#123] We have received your message", "Thank you. Your message has been received and was not rejected. help@fabrikam.test", sender="Support <support@fabrikam.test>", Auto_Submitted="auto-generated", Return_Path="<>"),
    _mail("a payment that failed", "Payment failed", "Your card was rejected. Contact billing@fabrikam.test", sender="Billing <billing@fabrikam.test>"),
    _mail("a declined invitation", "Declined: Meeting", "Ann has declined the meeting. ann@fabrikam.test", Content_Class="urn:content-classes:calendarmessage"),
    _mail("a meeting forward notice", "Meeting Forward Notification: Planning", "Your meeting was forwarded to bob@fabrikam.test", sender="Microsoft Outlook <ann@fabrikam.test>", Auto_Submitted="auto-generated"),
    _mail("a person complains of spam", "SPAM", "Stop sending me this spam or I will have you blocked. ann@fabrikam.test", In_Reply_To="<order-1@contoso.test>"),
    _mail("a person's angry rejection", "Rejected: your offer", "We reject your offer. Do not write to ann@fabrikam.test again.", In_Reply_To="<order-1@contoso.test>"),
    _mail("a change of address by hand", "New address", "My address has changed to bob@fabrikam.test; the old one does not exist any more.", In_Reply_To="<order-1@contoso.test>"),
    _mail("a quarantine digest", "Quarantine summary", "3 messages were blocked:\n  ann@fabrikam.test  Undeliverable: hello\n", sender="Spam Quarantine <quarantine@fabrikam.test>"),
    _mail("a voice mail", "Failed call from +49 30 123", "Delivery of the call failed. Number unknown. pbx@fabrikam.test", sender="PBX <pbx@fabrikam.test>"),
    _mail("a password reset", "Account disabled", "Your account ann@fabrikam.test was disabled after too many failed logins.", sender="Security <security@fabrikam.test>"),
    _mail("phishing as a quota notice", "Your mailbox is full", "Dear news@contoso.test, your mailbox is over quota and messages could not be delivered. Click https://x.test", sender="Mail Administrator <admin@phish.test>"),
    _mail("phishing as held mail", "3 undelivered messages pending", "You have 3 undelivered mails: release them at https://x.test. news@contoso.test", sender="Mail Server <security@phish.test>"),
    _attached("a DMARC report", "Report domain: contoso.test Submitter: fabrikam.test Report-ID: <1>", "This is an aggregate report from fabrikam.test.", "application/gzip", "x", From="noreply-dmarc@fabrikam.test"),
    _attached("a TLS report", "Report Domain: contoso.test Submitter: fabrikam.test Report-ID: <2>", "This is an aggregate TLS report from fabrikam.test: 3 sessions failed.", "application/tlsrpt+gzip", "x", From="noreply-smtp-tls-reporting@fabrikam.test", TLS_Report_Domain="contoso.test"),
    _attached("a question with the bounce attached as text", "Question on a failed mail", "Please see the attached file.", "text/plain", BOUNCE),
    _mail("delivery receipt by a person's program", "Read: Your order", "Your message was read on Tuesday. ann@fabrikam.test"),
    _mail("not read", "Not read: Your order", "Your message was deleted without being read on Tuesday. ann@fabrikam.test"),
    _mail("a social network's notice", "Ann could not be added", "The user ann@fabrikam.test does not exist any more", sender="Social <notify@social.test>", List_Unsubscribe="<https://x.test>"),
    _mail("a delivered notice of a web shop", "Delivery status of your order", "Your order is delayed. It could not be delivered today. shop@fabrikam.test", sender="Shop <shop@fabrikam.test>"),
    _mail("a recall", "Recall: Your order", "Ann Lee would like to recall the message. ann@fabrikam.test"),
    _mail("a vacation program with a null path", "Re: Your order (away from my mail)", "I am not reading mail. Your mail regarding Your order will be read later. bob@fabrikam.test", Return_Path="<>", Precedence="bulk"),
    _mail("a fax that failed", "Fax transmission failed", "Your fax to +49 30 1 could not be sent: no answer. fax@fabrikam.test", sender="Fax Server <fax@fabrikam.test>"),
]  # fmt: skip
