"""The peer: how mail is sent in many a function, with everything made anew for each message."""

import json
import os
import resource
import smtplib
import ssl
import sys
import time
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

import msal

from bench.main_job import TEXT


def send(number: int) -> None:
    """One message: token, connection, TLS, sign-in, mail, quit."""
    app = msal.ConfidentialClientApplication(
        os.environ["MAILROOM_CLIENT_ID"],
        authority=f"{os.environ['MAILROOM_AUTHORITY']}/{os.environ['MAILROOM_TENANT_ID']}",
        client_credential=os.environ["NAIVE_SECRET"],
        instance_discovery=False,
    )
    token = app.acquire_token_for_client(["https://outlook.office365.com/.default"])["access_token"]
    mail = EmailMessage()
    mail["From"] = "Contoso Billing <billing@contoso.test>"
    mail["To"] = f"Ana <reader-{number}@example.com>"
    mail["Subject"] = f"Your invoice {number}"
    mail["Date"] = formatdate()
    mail["Message-ID"] = make_msgid(domain="contoso.test")
    mail.set_content(TEXT)
    host, port = os.environ["MAILROOM_SMTP_HOST"], int(os.environ["MAILROOM_SMTP_PORT"])
    with smtplib.SMTP(host, port) as smtp:
        smtp.starttls(context=ssl.create_default_context())
        smtp.ehlo()
        answer = f"user=billing@contoso.test\x01auth=Bearer {token}\x01\x01"
        smtp.auth("XOAUTH2", lambda _=None: answer)
        smtp.send_message(mail)


def main() -> None:
    count = int(sys.argv[1])
    send(0)  # warm
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu, started = usage.ru_utime + usage.ru_stime, time.perf_counter()
    for number in range(count):
        send(number)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - started,
                "cpu": usage.ru_utime + usage.ru_stime - cpu,
            }
        )
    )


if __name__ == "__main__":
    main()
