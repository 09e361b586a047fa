"""Reports without a report part, as makers of mail servers word them; made up for these tests."""

from typing import NamedTuple

from shared.returned import Reason

ANN, BOB = "ann@fabrikam.test", "bob@fabrikam.test"
DEAD: tuple[Reason, bool] = ("user-unknown", True)
FULL: tuple[Reason, bool] = ("mailbox-full", False)
COPY = """
Received: from app.contoso.test by mx
From: news@contoso.test
To: ann@fabrikam.test
Subject: Hi
Message-ID: <order-1@contoso.test>

Hi
"""


class Dialect(NamedTuple):
    """expected: the reason for each address, and whether it is hard."""

    name: str
    subject: str
    sender: str
    text: str
    expected: dict[str, tuple[Reason, bool]]


DIALECTS = [
    Dialect(
        "qmail",
        "failure notice",
        "MAILER-DAEMON@mx.fabrikam.test",
        """\
Hi. This is the qmail-send program at mx.fabrikam.test.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<ann@fabrikam.test>:
Sorry, no mailbox here by that name. (#5.1.1)

<bob@fabrikam.test>:
192.0.2.4 does not like recipient.
Remote host said: 552 5.2.2 mailbox full
Giving up on 192.0.2.4.

--- Below this line is a copy of the message.
"""
        + COPY,
        {ANN: DEAD, BOB: FULL},
    ),
    Dialect(
        "qmail-ldap",
        "failure notice",
        "MAILER-DAEMON@mx.fabrikam.test",
        """\
Hi. This is the qmail-send program at mx.fabrikam.test.

<ann@fabrikam.test>:
Sorry, message has wrong owner or mailbox is disabled. (#4.3.5)

--- Below this line is a copy of the message.
"""
        + COPY,
        {ANN: ("suspended", False)},
    ),
    Dialect(
        "Exim",
        "Mail delivery failed: returning message to sender",
        "Mail Delivery System <Mailer-Daemon@mx.fabrikam.test>",
        """\
This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  ann@fabrikam.test
    host mail.fabrikam.test [192.0.2.4]
    SMTP error from remote mail server after RCPT TO:<ann@fabrikam.test>:
    550 5.1.1 <ann@fabrikam.test>: no such user here
  bob@fabrikam.test
    mailbox is full: retry timeout exceeded

------ This is a copy of the message, including all the headers. ------
"""
        + COPY,
        {ANN: DEAD, BOB: FULL},
    ),
    Dialect(
        "Exim forwarded",
        "Mail delivery failed: returning message to sender",
        "Mail Delivery System <Mailer-Daemon@mx.fabrikam.test>",
        """\
A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  ann@fabrikam.test
    (ultimately generated from sales@fabrikam.test)
    Unrouteable address
"""
        + COPY,
        {ANN: ("host-unknown", True)},
    ),
    Dialect(
        "Sendmail 5",
        "Returned mail: User unknown",
        "Mail Delivery Subsystem <MAILER-DAEMON@mx.fabrikam.test>",
        """\
   ----- Transcript of session follows -----
While talking to mail.fabrikam.test:
>>> RCPT To:<ann@fabrikam.test>
<<< 550 ann@fabrikam.test... User unknown
550 ann@fabrikam.test... User unknown

   ----- Unsent message follows -----
"""
        + COPY,
        {ANN: DEAD},
    ),
    Dialect(
        "Sendmail 8 without a part",
        "Returned mail: see transcript for details",
        "Mail Delivery Subsystem <MAILER-DAEMON@mx.fabrikam.test>",
        """\
The original message was received at Tue, 3 Mar 2026 09:30:00 +0100
from app.contoso.test [192.0.2.7]

   ----- The following addresses had permanent fatal errors -----
<ann@fabrikam.test>
    (reason: 552 5.2.2 Mailbox is full)

   ----- Transcript of session follows -----
... while talking to mail.fabrikam.test.:
>>> DATA
<<< 552 5.2.2 Mailbox is full
554 5.0.0 Service unavailable

   ----- Original message follows -----
"""
        + COPY,
        {ANN: FULL},
    ),
    Dialect(
        "Courier",
        "NOTICE: mail delivery status.",
        '"Courier mail server at mx" <@>',
        """\
This is a delivery status notification from mx.fabrikam.test,
running the Courier mail server, version 0.68.

The original message was received on Tue, 03 Mar 2026 09:30:00 +0100
from app.contoso.test ([192.0.2.7])

---------------------------------------------------------------------------

                           UNDELIVERABLE MAIL

Your message to the following recipients cannot be delivered:

<ann@fabrikam.test>:
    mail.fabrikam.test [192.0.2.4]:
>>> RCPT TO:<ann@fabrikam.test>
<<< 550 5.1.1 User unknown.

---------------------------------------------------------------------------

If your message was also sent to additional recipients, their
delivery status is not included in this report.
""",
        {ANN: DEAD},
    ),
    Dialect(
        "Domino",
        "DELIVERY FAILURE: User ann not listed in Domino Directory",
        "postmaster@fabrikam.test",
        """\
Your message

  Subject: Your order

was not delivered to:

  ann@fabrikam.test

because:

  User ann (ann@fabrikam.test) not listed in Domino Directory
""",
        {ANN: DEAD},
    ),
    Dialect(
        "Notes",
        "DELIVERY FAILURE",
        "Postmaster@fabrikam.test",
        """\
------- Failure Reasons  --------

User not listed in public Name & Address Book
ann@fabrikam.test


------- Returned Message --------

Hello
""",
        {ANN: DEAD},
    ),
    Dialect(
        "Exchange 5.5",
        "Undeliverable: Your order",
        "System Administrator <postmaster@fabrikam.test>",
        """\
Your message

  To:      ann@fabrikam.test; bob@fabrikam.test
  Subject: Your order
  Sent:    Tue, 3 Mar 2026 09:30:00 +0100

did not reach the following recipient(s):

ann@fabrikam.test on Tue, 3 Mar 2026 09:31:00 +0100
    The recipient name is not recognized
\tThe MTS-ID of the original message is: c=US;a= ;p=Fabrikam
    MSEXCH:IMS:Fabrikam:HQ:MX 0 (000C05A6) Unknown Recipient

""",
        {ANN: DEAD},
    ),
    Dialect(
        "Exchange 2003",
        "Undeliverable: Your order",
        "System Administrator <postmaster@fabrikam.test>",
        """\
Your message did not reach some or all of the intended recipients.

      Subject:\tYour order
      Sent:\t3/3/2026 9:30 AM

The following recipient(s) could not be reached:

      ann@fabrikam.test on 3/3/2026 9:31 AM
            The message could not be delivered because the recipient's mailbox is full.
            <mx.fabrikam.test #5.2.2>
""",
        {ANN: FULL},
    ),
    Dialect(
        "Exchange 2007, text alone",
        "Undeliverable: Your order",
        "Microsoft Outlook <postmaster@fabrikam.test>",
        """\
Delivery has failed to these recipients or groups:

ann@fabrikam.test<mailto:ann@fabrikam.test>
The e-mail address you entered couldn't be found.

Diagnostic information for administrators:

Generating server: mx.fabrikam.test

ann@fabrikam.test
#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##

Original message headers:
"""
        + COPY,
        {ANN: DEAD},
    ),
    Dialect(
        "James",
        "Delivery failure",
        "postmaster@mx.fabrikam.test",
        """\
Hi. This is the James mail server at mx.fabrikam.test.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.  Below
I include the list of recipients and the reason why I was unable to deliver
your message.

Failed recipient(s):
ann@fabrikam.test

Error message:
550 Requested action not taken: no such user here
""",
        {ANN: DEAD},
    ),
    Dialect(
        "IMail",
        "Undeliverable Mail",
        "Postmaster <postmaster@fabrikam.test>",
        """\
User mailbox exceeds allowed size: ann@fabrikam.test


Original message follows.
"""
        + COPY,
        {ANN: FULL},
    ),
    Dialect(
        "MailEnable",
        "Message Delivery Failure",
        "Postmaster <postmaster@fabrikam.test>",
        """\
MailEnable: Message could not be delivered to some recipients.
The following recipient(s) could not be reached:

\tRecipient: [SMTP:ann@fabrikam.test]
        Reason: The message could not be delivered because the domain name (fabrikam.test)
\tdoes not appear to be registered.


Message headers follow:
"""
        + COPY,
        {ANN: ("host-unknown", True)},
    ),
    Dialect(
        "MDaemon",
        "Permanent Delivery Failure",
        "MDaemon@fabrikam.test",
        """\
The attached message had PERMANENT fatal delivery errors!

After one or more unsuccessful delivery attempts the attached message has
been removed from the mail queue.

THE FOLLOWING ERROR(S) OCCURRED:

Failed address: ann@fabrikam.test

--- Session Transcript ---
 Tue 2026-03-03 09:31:00: --> RCPT To:<ann@fabrikam.test>
 Tue 2026-03-03 09:31:01: <-- 550 Recipient unknown
--- End Transcript ---
: Message contains [1] file attachments
""",
        {ANN: DEAD},
    ),
    Dialect(
        "Kerio",
        "Delivery failed",
        "Mail Delivery Subsystem <mailer-daemon@fabrikam.test>",
        """\
Your message could not be delivered to the following recipients:

  ann@fabrikam.test
      (550 5.1.1 User unknown)
""",
        {ANN: DEAD},
    ),
    Dialect(
        "GroupWise",
        "Message status - undeliverable",
        "Mailer-Daemon@gw.fabrikam.test",
        """\
The message that you sent was undeliverable to the following:
\tann@fabrikam.test (550 no such recipient)

Possibly truncated original message follows:
"""
        + COPY,
        {ANN: DEAD},
    ),
    Dialect(
        "OpenSMTPD",
        "Delivery status notification: error",
        "Mailer Daemon <MAILER-DAEMON@mx.fabrikam.test>",
        """\
Hi!

This is the MAILER-DAEMON, please DO NOT REPLY to this email.

An error has occurred while attempting to deliver a message for
the following list of recipients:

ann@fabrikam.test: 550 5.1.1 <ann@fabrikam.test>: User unknown
bob@fabrikam.test: 552 5.2.2 Mailbox full

Below is a copy of the original message:
"""
        + COPY,
        {ANN: DEAD, BOB: FULL},
    ),
    Dialect(
        "SurgeMail",
        "Could not send message",
        "Mail Delivery System <postmaster@fabrikam.test>",
        """\
Your message cannot be delivered to the following recipients:

<ann@fabrikam.test> No such user here (550)

First 20 lines of your message:
"""
        + COPY,
        {ANN: DEAD},
    ),
    Dialect(
        "Gmail of old",
        "Delivery Status Notification (Failure)",
        "Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
        """\
Delivery to the following recipient failed permanently:

     ann@fabrikam.test

Technical details of permanent failure:
Google tried to deliver your message, but it was rejected by the server for the recipient
domain fabrikam.test by mx.fabrikam.test. [192.0.2.4].

The error that the other server returned was:
550 5.1.1 <ann@fabrikam.test>: Recipient address rejected: User unknown


----- Original message -----
"""
        + COPY,
        {ANN: DEAD},
    ),
    Dialect(
        "Yahoo",
        "Failure Notice",
        "MAILER-DAEMON@yahoo.com",
        """\
Sorry, we were unable to deliver your message to the following address.

<ann@fabrikam.test>:
Remote host said:
550 5.1.1 User Unknown
 [RCPT_TO]

--- Below this line is a copy of the message.
"""
        + COPY,
        {ANN: DEAD},
    ),
    Dialect(
        "GMX",
        "Mail delivery failed: returning message to sender",
        "GMX Mailer Daemon <mailer-daemon@gmx.de>",
        """\
This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of
its recipients. This is a permanent error. The following address(es)
failed:

ann@fabrikam.test:
SMTP error from remote server for RCPT TO command, host: mx.fabrikam.test (192.0.2.4)
reason: 550 Unknown user

--- The header of the original message is following. ---
"""
        + COPY,
        {ANN: DEAD},
    ),
    Dialect(
        "Zoho",
        "Undelivered Mail Returned to Sender",
        "mailer-daemon@mail.zoho.com",
        """\
This message was created automatically by mail delivery software.
 A message that you sent could not be delivered to one or more of its recipients. This is
 a permanent error.

ann@fabrikam.test Invalid Address, ERROR_CODE :550, ERROR_CODE :5.1.1
<ann@fabrikam.test>... User Unknown
"""
        + COPY,
        {ANN: DEAD},
    ),
    Dialect(
        "MailMarshal",
        "Undeliverable Mail: Your order",
        "postmaster@mx.fabrikam.test",
        """\
Your message:
  From:    news@contoso.test
  Subject: Your order

Could not be delivered because of

550 5.1.1 User unknown

The following recipients were affected:\x20
    ann@fabrikam.test


Additional Information
======================
""",
        {ANN: DEAD},
    ),
    Dialect(
        "MailFoundry",
        "Message delivery has failed",
        "MAILER-DAEMON@mf.fabrikam.test",
        """\
Unable to deliver message to: <ann@fabrikam.test>
Delivery failed for the following reason:
Server mx.fabrikam.test[192.0.2.4] failed with: 550 <ann@fabrikam.test> No such user here

This has been a permanent failure.  No further delivery attempts will be made.
""",
        {ANN: DEAD},
    ),
    Dialect(
        "Mimecast",
        "[Postmaster] Email Delivery Failure",
        "postmaster@fabrikam.test",
        """\
This is an automated alert notification. Please do not reply.

An email that you attempted to send to the following address could not be delivered:
-- ann@fabrikam.test

The problem appears to be :
-- Recipient server unavailable

Additional information follows :
-- 4.2.2 The mailbox is full
""",
        {ANN: FULL},
    ),
    Dialect(
        "MessageLabs",
        "Undeliverable: Your order",
        "Mail Delivery System <postmaster@messagelabs.test>",
        """\
This is a system-generated message to inform you that your email could not
be delivered to one or more recipients. Details of the email and the error are as follows:


<ann@fabrikam.test>: host mx.fabrikam.test [192.0.2.4]: 550 No such user (ann@fabrikam.test)
""",
        {ANN: DEAD},
    ),
    Dialect(
        "InterScan",
        "Mail could not be delivered",
        "postmaster@mx.fabrikam.test",
        """\
****** Message from InterScan Messaging Security Suite ******

Sent <<< RCPT TO:<ann@fabrikam.test>
Received >>> 550 5.1.1 <ann@fabrikam.test>... user not exist

Unable to deliver message to <ann@fabrikam.test>.

************************     End of message     **********************
""",
        {ANN: DEAD},
    ),
    Dialect(
        "KDDI",
        "Mail Delivery Failure",
        "postmaster@kddi.fabrikam.test",
        """\
Your mail sent on: Tue, 3 Mar 2026 09:30:00 +0900
 Could not be delivered to: <ann@fabrikam.test>
 As their mailbox is full.
""",
        {ANN: FULL},
    ),
    Dialect(
        "EZweb",
        "Mail System Error - Returned Mail",
        "Postmaster <postmaster@ezweb.fabrikam.test>",
        """\
The user(s) account is disabled.

<ann@fabrikam.test>

----- The transcript of session follows -----
>>> RCPT TO:<ann@fabrikam.test>
<<< 550 <ann@fabrikam.test>: User unknown
""",
        {ANN: DEAD},
    ),
    Dialect(
        "Activehunter",
        "FAILURE NOTICE :",
        "MAILER-DAEMON@mx.fabrikam.test",
        """\
  ----- The following addresses had permanent fatal errors -----

>>> ann@fabrikam.test <ann@fabrikam.test>

  ----- Transcript of session follows -----
550 sorry, no mailbox here by that name
""",
        {ANN: DEAD},
    ),
    Dialect(
        "Bigfoot",
        "Returned mail: Delivery failed",
        "Mail Delivery Subsystem <MAILER-DAEMON@bigfoot.fabrikam.test>",
        """\
   ----- The following addresses had permanent fatal errors -----
<ann@fabrikam.test>

   ----- Transcript of session follows -----
>>> RCPT TO:<ann@fabrikam.test>
<<< 553 Invalid recipient ann@fabrikam.test (Mode: normal)

   ----- Message header follows -----
"""
        + COPY,
        {ANN: DEAD},
    ),
    Dialect(
        "Verizon",
        "Undeliverable Message",
        "post_master@vtext.fabrikam.test",
        """\
Message could not be delivered to mobile.
 Error: No valid recipients for this MM

Subject: Your order
From: news@contoso.test
To: ann@fabrikam.test
""",
        {ANN: DEAD},
    ),
    Dialect(
        "SendGrid",
        "Delivery failure",
        "MAILER-DAEMON@sendgrid.fabrikam.test",
        """\
Hello, this is the mail server on mx.sendgrid.fabrikam.test.

I am sending you this message to inform you on the delivery status of a
message you previously sent.  Immediately below you will find a list of
the affected recipients;  also attached is a Delivery Status Notification
(DSN) report in standard format, as well as the headers of the original
message.

  <ann@fabrikam.test>  delivery failed; will not continue trying

  550 5.1.1 The email account that you tried to reach does not exist.
""",
        {ANN: DEAD},
    ),
    Dialect(
        "unknown server, in German",
        "Ihre Nachricht konnte nicht zugestellt werden",
        "Mailverwaltung <postmaster@fabrikam.test>",
        """\
Guten Tag,

Ihre Nachricht konnte an folgenden Empfänger nicht zugestellt werden:

    ann@fabrikam.test

Grund: Der Empfänger ist unbekannt: Empfänger unbekannt
""",
        {ANN: DEAD},
    ),
    Dialect(
        "unknown server, in French",
        "Échec de la remise",
        "postmaster@fabrikam.test",
        """\
Votre message n'a pas pu être remis au destinataire suivant : ann@fabrikam.test
Raison : Boîte aux lettres pleine
""",
        {ANN: FULL},
    ),
    Dialect(
        "unknown server, in Japanese",
        "配信エラーのお知らせ",
        "MAILER-DAEMON@fabrikam.test",
        """\
あなたが送信したメールは配信できませんでした。
宛先:ann@fabrikam.test
理由: 550 User unknown
""",
        {ANN: DEAD},
    ),
    Dialect(
        "Google Groups",
        "Delivery Status Notification (Failure)",
        "Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
        """\
Hello news@contoso.test,

We're writing to let you know that the group you tried to contact (ann) may not exist, or
you may not have permission to post messages to the group.

Sent to ann@fabrikam.test
""",
        {ANN: ("list", False)},
    ),
    Dialect(
        "FML",
        "You news@contoso.test are not member (team ML)",
        "team-admin@fabrikam.test",
        """\
You are not a member of this mailing list <ann@fabrikam.test>.

If you know the general guide of this list, please send mail with
the mail body

\tguide

to the address

\tteam-ctl@fabrikam.test
""",
        {ANN: ("list", False)},
    ),
    Dialect(
        "a transcript alone",
        "Undelivered",
        "postmaster@fabrikam.test",
        """\
Delivery failed.

-> MAIL FROM:<news@contoso.test>
<- 250 2.1.0 Sender OK
-> RCPT TO:<ann@fabrikam.test>
<- 550 5.1.1 unknown mailbox
""",
        {ANN: DEAD},
    ),
    Dialect(
        "a sentence",
        "Mail delivery problem",
        "Mail Administrator <postmaster@fabrikam.test>",
        """\
We were unable to deliver your message to ann@fabrikam.test because the mailbox does not exist.
""",
        {ANN: DEAD},
    ),
    Dialect(
        "the address in the returned headers alone",
        "Undeliverable mail",
        "postmaster@fabrikam.test",
        """\
Your mail could not be delivered: unknown user.

--- Original message follows ---
"""
        + COPY,
        {ANN: DEAD},
    ),
    Dialect(
        "mFilter",
        "failed: Your order",
        "Mailer Daemon <postmaster@mf.fabrikam.test>",
        """\
-------server message
550 5.1.1 unknown user <ann@fabrikam.test>
-------original message
"""
        + COPY,
        {ANN: DEAD},
    ),
    Dialect(
        "AOL",
        "Returned mail: User unknown",
        "Mail Delivery Subsystem <MAILER-DAEMON@aol.test>",
        """\
   ----- The following addresses had permanent fatal errors -----
<ann@fabrikam.test>

   -----Transcript of session follows -----
... while talking to air-yd01.mail.aol.test.:
>>> RCPT To:<ann@fabrikam.test>
<<< 550 MAILBOX NOT FOUND
550 <ann@fabrikam.test>... User unknown
""",
        {ANN: DEAD},
    ),
    Dialect(
        "Messaging Server",
        "Delivery Notification: Delivery has failed",
        "postmaster@fabrikam.test",
        """\
This report relates to a message you sent with the following header fields:

  Message-id: <order-1@contoso.test>
  From: News <news@contoso.test>
  To: ann@fabrikam.test
  Subject: Your order

Your message cannot be delivered to the following recipients:

  Recipient address: ann@fabrikam.test
  Reason: Remote SMTP server has rejected address
  Diagnostic code: smtp;550 5.1.1 <ann@fabrikam.test>... User Unknown
  Remote system: dns;mx.fabrikam.test (TCP|192.0.2.7|47323|192.0.2.4|25)
""",
        {ANN: DEAD},
    ),
    Dialect(
        "IronPort",
        "Delivery Status Notification (Failure)",
        "MAILER-DAEMON@ironport.fabrikam.test",
        """\
The following message to <ann@fabrikam.test> was undeliverable.
The reason for the problem:
5.1.0 - Unknown address error 550-'5.2.2 <ann@fabrikam.test>... Mailbox Full'
""",
        {ANN: FULL},
    ),
    Dialect(
        "Gmail of today",
        "Delivery Status Notification (Failure)",
        "Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
        """\

** Address not found **

Your message wasn't delivered to ann@fabrikam.test because the address couldn't be found,
or is unable to receive mail.

Learn more here: https://support.google.com/mail/?p=NoSuchUser
""",
        {ANN: DEAD},
    ),
    Dialect(
        "Postfix without a part, one of two unexplained",
        "Undelivered Mail Returned to Sender",
        "MAILER-DAEMON@mx.fabrikam.test (Mail Delivery System)",
        """\
This is the mail system at host mx.fabrikam.test.

<ann@fabrikam.test>: host mail.fabrikam.test[192.0.2.4] said: 552 5.2.2
    <ann@fabrikam.test>: mailbox full (in reply to RCPT TO command)

<bob@fabrikam.test> (expanded from <team@fabrikam.test>): unknown user: "bob"
""",
        {ANN: FULL, BOB: DEAD},
    ),
    Dialect(
        "a mailbox that nobody uses any more",
        "Undeliverable: order",
        "postmaster@fabrikam.test",
        "The email address ann@fabrikam.test is no longer in use. Please use bob@fabrikam.test.\n",
        {ANN: DEAD},
    ),
    Dialect(
        "a quoted local part",
        "Returned mail: see transcript for details",
        "Mail Delivery Subsystem <MAILER-DAEMON@mx.fabrikam.test>",
        """\
   ----- The following addresses had permanent fatal errors -----
<"ann..x."@fabrikam.test>
    (reason: 550 Invalid recipient: <"ann..x."@fabrikam.test>)
""",
        {'"ann..x."@fabrikam.test': DEAD},
    ),
]
