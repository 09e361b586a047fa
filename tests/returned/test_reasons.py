"""Replies as the makers of mail servers and the big providers document them, and what they mean."""

import re
from typing import get_args

import pytest

from shared.events import RejectReason
from shared.returned import HARD, Reason, ReportedRecipient, reject_reason
from shared.returned.bounce import describe

REPLIES: list[tuple[Reason, str]] = [
    ("user-unknown", "550-5.1.1 The email account that you tried to reach does not exist. Please try 550-5.1.1 double-checking the recipient's email address for typos or 550-5.1.1 unnecessary spaces. Learn more at 550 5.1.1  https://support.google.com/mail/?p=NoSuchUser a1 - gsmtp"),
    ("suspended", "550-5.2.1 The email account that you tried to reach is disabled. Learn more at 550 5.2.1 https://support.google.com/mail/?p=DisabledUser a1 - gsmtp"),
    ("suspended", "550-5.2.1 The email account that you tried to reach is inactive. Learn more"),
    ("mailbox-full", "452-4.2.2 The recipient's inbox is out of storage space. Please direct the recipient to 4.2.2 https://support.google.com/mail/?p=OverQuotaTemp"),
    ("mailbox-full", "552-5.2.2 The email account that you tried to reach is over quota and inactive."),
    ("rate-limited", "450-4.2.1 The user you are trying to contact is receiving mail too quickly. Please resend your message at a later time."),
    ("rate-limited", "450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages from being delivered."),
    ("rate-limited", "550-5.4.5 Daily user sending limit exceeded. For more information on Gmail"),
    ("rate-limited", "550 5.4.5 Daily sending quota exceeded"),
    ("spam", "550-5.7.1 [192.0.2.1] Our system has detected that this message is likely unsolicited mail. To reduce the amount of spam sent to Gmail, this message has been blocked."),
    ("authentication", "550-5.7.26 Unauthenticated email from example.com is not accepted due to domain's 550-5.7.26 DMARC policy."),
    ("too-large", "552-5.3.4 Your message exceeded Google's message size limits."),
    ("blocked", "550-5.7.1 [192.0.2.1] The IP you're using to send mail is not authorized to send email directly to our servers."),
    ("policy", "550 5.7.1 The user or domain that you are sending to (or from) has a policy that prohibited the mail that you sent."),
    ("user-unknown", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient a@b.com not found by SMTP address lookup"),
    ("user-unknown", "550 5.1.1 RESOLVER.ADR.RecipNotFound; not found"),
    ("user-unknown", "550 5.4.1 Recipient address rejected: Access denied. AS(201806281) [AM0EUR02FT016.eop-EUR02.prod.protection.outlook.com]"),
    ("user-unknown", "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)."),
    ("blocked", "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140). You can also refer your provider to http://mail.live.com/mail/troubleshooting.aspx#errors."),
    ("blocked", "550 5.7.606 Access denied, banned sending IP [192.0.2.1]."),
    ("list", "550 5.7.1 RESOLVER.RST.NotAuthorized; not authorized"),
    ("list", "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; Delivery restriction check failed because the sender was not authenticated when sending to this group"),
    ("too-large", "550 5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient"),
    ("mailbox-full", "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded; Failed to process message due to a permanent exception"),
    ("expired", "550 4.4.7 QUEUE.Expired; message expired"),
    ("mail-loop", "554 5.4.14 Hop count exceeded - possible mail loop ATTR1"),
    ("host-unknown", "550 5.4.310 DNS domain example.invalid does not exist [Message=InfoDomainNonexistent]"),
    ("authentication", "550 5.7.509 Access denied, sending domain example.com does not pass DMARC verification and has a DMARC policy of reject."),
    ("authentication", "550 5.7.23 The message was rejected because of Sender Policy Framework violation"),
    ("rejected", "501 5.1.8 Access denied, bad outbound sender AS(42003)"),
    ("rejected", "550 5.1.8 Access denied, bad outbound sender"),
    ("policy", "554 5.7.1 <a@b.com>: Relay access denied"),
    ("policy", "550 5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by organization policy"),
    ("user-unknown", "554 delivery error: dd This user doesn't have a yahoo.com account (a@yahoo.com) [0] - mta1.mail.yahoo.com"),
    ("suspended", "554 delivery error: dd Sorry your message to a@yahoo.com cannot be delivered. This account has been disabled or discontinued [#102]."),
    ("suspended", "554 30 Sorry, your message to a@yahoo.com cannot be delivered. This mailbox is disabled (554.30)."),
    ("blocked", "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to user complaints - 4.16.55.1"),
    ("blocked", "553 5.7.2 [TSS09] All messages from 192.0.2.1 will be permanently deferred; Retrying will NOT succeed."),
    ("policy", "554 5.7.9 Message not accepted for policy reasons. See https://postmaster.yahooinc.com/error-codes"),
    ("user-unknown", "550 5.1.1 unknown or illegal alias: a@me.com"),
    ("mailbox-full", "552 5.2.2 <a@icloud.com> user is over quota"),
    ("user-unknown", "550 5.1.1 <a@b.com>: Recipient address rejected: User unknown in virtual mailbox table"),
    ("network", "Host or domain name not found. Name service error for name=b.com type=MX: Host not found, try again"),
    ("host-unknown", "Host or domain name not found. Name service error for name=b.com type=A: Host not found"),
    ("no-mail", "Domain b.com does not accept mail (nullMX)"),
    ("network", "connect to b.com[192.0.2.1]:25: Connection refused"),
    ("system", 'Command died with status 1: "/usr/bin/procmail"'),
    ("mailbox-full", "cannot update mailbox /var/mail/a for user a. unable to lock for exclusive access: Disk quota exceeded"),
    ("mail-loop", "mail for b.com loops back to myself"),
    ("rejected", "450 4.1.8 <a@b.com>: Sender address rejected: Domain not found"),
    ("blocked", "450 4.7.1 <b.com>: Helo command rejected: Host not found"),
    ("blocked", "450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]"),
    ("host-unknown", "Unrouteable address"),
    ("expired", "retry timeout exceeded"),
    ("expired", "all hosts for 'b.com' have been failing for a long time (and retry time not reached)"),
    ("user-unknown", "550 5.1.1 <a@b.com>... User unknown"),
    ("host-unknown", "550 5.1.2 <a@b.com>... Host unknown (Name server: b.com: host not found)"),
    ("moved", "551 5.1.6 <a@b.com>... User has moved; please try <c@d.com>"),
    ("moved", "551 User not local; please try <c@d.com>"),
    ("user-unknown", "Sorry, no mailbox here by that name. vpopmail (#5.1.1)"),
    ("host-unknown", "Sorry, I couldn't find any host named b.com. (#5.1.2)"),
    ("network", "CNAME lookup failed temporarily. (#4.4.3)"),
    ("network", "Sorry, I wasn't able to establish an SMTP connection. (#4.4.1)"),
    ("mail-loop", "This message is looping: it already has my Delivered-To line. (#5.4.6)"),
    ("policy", "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"),
    ("rejected", "553 sorry, your envelope sender is in my badmailfrom list (#5.7.1)"),
    ("mailbox-full", "Unable to chdir; User over quota. (#5.1.1)"),
    ("user-unknown", "550 Mailbox not found. http://service.mail.qq.com/cgi-bin/help?subtype=1"),
    ("rate-limited", "550 Mailbox unavailable or access denied"),
    ("rate-limited", "550 Ip frequency limited. http://service.mail.qq.com"),
    ("rate-limited", "550 Domain frequency limited"),
    ("spam", "550 Mail content denied. http://service.mail.qq.com"),
    ("filtered", "550 Mail is rejected by recipients [xxx]. http://service.mail.qq.com"),
    ("spam", "554 DT:SPM 163 smtp7,C8CowEDpSjb4 http://mail.163.com/help/help_spam_16.htm"),
    ("user-unknown", "550 User not found: a@163.com"),
    ("suspended", "550 User suspended 163 mx1"),
    ("user-unknown", "550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. OFR_416 [416]"),
    ("suspended", "552 5.1.1 La boite du destinataire est archivee. Archived recipient. OFR_417 [417]"),
    ("mailbox-full", "550 5.2.2 Boite du destinataire pleine. Recipient overquota. OFR_417 [417]"),
    ("blocked", "550 5.7.1 Service refuse. Veuillez essayer plus tard. Service refused, please try later. OFR_999 [999]"),
    ("rate-limited", "421 mwinf5c04 ME Trop de connexions, veuillez verifier votre configuration. Too many connections, slow down. OFR004_104 [104]"),
    ("user-unknown", "550 Requested action not taken: mailbox unavailable"),
    ("rejected", "554 Transaction failed: Bad sender"),
    ("mailbox-full", "552-Requested mail action aborted: exceeded storage allocation 552-Quota exceeded. The recipient's mailbox is full."),
    ("user-unknown", "550 5.1.1 Not our Customer"),
    ("user-unknown", "550 5.1.1 Address does not exist. See https://developers.cloudflare.com/email-routing/postmaster"),
    ("user-unknown", "550 Invalid Recipient - https://community.mimecast.com/docs/DOC-1369#550"),
    ("policy", "554 Email rejected due to security policies - https://community.mimecast.com/docs/DOC-1369#554"),
    ("policy", "550 Administrative prohibition - envelope blocked"),
    ("virus", "554 Virus Signature Detected - https://community.mimecast.com"),
    ("blocked", "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.1"),
    ("spam", "550 5.7.1 Email cannot be delivered. Reason: Email flagged as Spam."),
    ("user-unknown", "550 Message was not accepted -- invalid mailbox. Local mailbox a@mail.ru is unavailable: user not found"),
    ("suspended", "550 Message was not accepted -- invalid mailbox. Local mailbox a@mail.ru is unavailable: account is disabled"),
    ("spam", "550 spam message rejected. Please visit http://help.mail.ru/notspam-support/id?c=abc"),
    ("user-unknown", "550 5.7.1 No such user!"),
    ("spam", "554 5.7.1 [1] Message rejected under suspicion of SPAM; https://ya.cc/1IrBc"),
    ("user-unknown", "550 #5.1.0 Address rejected."),
    ("user-unknown", "550 5.1.0 Address rejected a@b.com"),
    ("user-unknown", "5.1.0 - Unknown address error ('550', ['5.1.1 <a@b.com> user unknown'])"),
    ("mailbox-full", "5.1.0 - Unknown address error 550-'5.2.2 <a@b.com>... Mailbox Full'"),
    ("expired", "5.4.7 - Delivery expired (message too old) ('000', ['timeout'])"),
    ("host-unknown", "5.1.2 - Bad destination host ('000', ['DNS Hard Error looking up b.com (MX): NXDomain'])"),
    ("blocked", "554 5.7.1 - Connection rejected: poor reputation on SenderBase"),
    ("filtered", "550 5.1.1 RCP-P2 http://postmaster.facebook.com/response_codes?ip=192.0.2.1#rcp Refused due to recipient preferences"),
    ("no-mail", "556 5.1.10 Recipient address has null MX"),
    ("user-unknown", "550 Unknown user a@docomo.ne.jp"),
    ("user-unknown", "550 <a@ezweb.ne.jp>: User unknown"),
    ("user-unknown", "User a (a@b.com) not listed in Domino Directory"),
    ("user-unknown", "User not listed in public Name & Address Book"),
    ("user-unknown", "554 qq Sorry, no valid recipients (#5.1.3)"),
    ("policy", "450 4.2.0 <a@b.com>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/b.com.html"),
    ("too-large", "552 5.3.4 Message size exceeds fixed limit"),
    ("virus", "550 5.7.1 virus Eicar-Test-Signature detected by ClamAV"),
    ("rejected", "550 5.7.60 SMTP; Client does not have permissions to send as this sender"),
    ("blocked", "554-mx.example.de (mxgmx012) Nemesis ESMTP Service not available 554-No SMTP service 554-IP address is black listed."),
    ("system", "452 4.3.1 Insufficient system storage"),
    ("user-unknown", "550-Verification failed for <a@b.com> 550-No Such User Here 550 Sender verify failed"),
    ("spam", "550 High probability of spam"),
    ("blocked", "550 5.7.1 Mail from 192.0.2.1 rejected: see https://b.barracudacentral.org/q.cgi?ip=192.0.2.1"),
    ("content", "550 5.6.0 Bare LF is not allowed"),
    ("rate-limited", "550 5.7.232 Your message can't be sent because your tenant exceeded its daily limit for sending email to external recipients"),
    ("user-unknown", "550 5.1.1 RCP-P1 http://postmaster.facebook.com/response_codes?ip=192.0.2.1#rcp"),
    ("user-unknown", "550 RC:LD The email account that you tried to reach does no exists."),
    ("user-unknown", "550 Local User [a@b.test] not found."),
    ("user-unknown", "550 Benutzer nicht bekannt/User unknown"),
    ("mailbox-full", "550 Benutzer hat das Speichervolumen ueberschritten. / User has exhausted allowed storage space."),
    ("policy", "5.1.0 - Unknown address error 550-'5.7.0 user access deny.'"),
    ("blocked", "554 IMP a@b.test 192.0.2.1 blocked. IPBL0001 - Refer to Error Codes section"),
    ("rejected", "550 5.1.0 AUP#CXSNDR"),
    ("network", "Name service error for name=b.test type=MX: Malformed or unexpected name server reply"),
    ("user-unknown", "550 5.4.1 All recipient addresses rejected : Access denied. AS(201806271)"),
    ("host-unknown", "No MX found for domain"),
    ("rejected", "Connected to 192.0.2.4 but sender was rejected."),
    ("blocked", "Connected to 192.0.2.4 but my name was rejected."),
    ("network", "Connected to 192.0.2.4 but greeting failed."),
    ("user-unknown", "550 Rule imposed mailbox access for a@b.test refused: user invalid"),
    ("blocked", "550 5.7.1 Recipient not authorized, your IP has been found on a block list"),
    ("user-unknown", "550 5.1.1 <a@b.test>: Email address could not be found, or was misspelled (G8)"),
    ("policy", "550 5.7.1 Unable to relay for a@b.test"),
    ("content", "552 5.7.0 Our system detected an illegal attachment on your message."),
    ("rate-limited", "452 4.5.3 Too many recipients"),
    ("suspended", "550 5.2.1 <a@b.test>... Mailbox disabled for this recipient"),
    ("host-unknown", "Sorry, I couldn't find a mail exchanger or IP address. (#5.4.4)"),
    ("network", "5.1.2 - Bad destination host ('000', ['DNS Soft Error looking up b.test (MX)'])"),
    ("user-unknown", '550 unknown local-part "a" in domain "b.test"'),
    ("no-mail", "521 5.3.2 b.test does not accept mail (see RFC 1846)"),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "reply"), REPLIES)
def test_replies(reason: Reason, reply: str) -> None:
    told = describe(
        ReportedRecipient(address="a@b.test", action="failed"), field="", diagnostic=reply, words=""
    )
    assert told.reason == reason
    assert told.hard == (reason in HARD)
    if re.match(r"[45]\d\d[ -]", reply):
        assert told.reply_code == int(reply[:3])
        assert told.permanent == ((told.status or reply).startswith("5"))


def test_what_is_delayed_is_never_hard() -> None:
    told = describe(
        ReportedRecipient(address="a@b.test", action="delayed"),
        field="4.1.1", diagnostic="450 4.1.1 user unknown", words="",
    )  # fmt: skip
    assert (told.reason, told.hard, told.permanent) == ("user-unknown", False, False)


def test_every_reason_has_a_word_of_anymails() -> None:
    words = {reject_reason(reason) for reason in get_args(Reason)}
    assert words <= set(get_args(RejectReason))
    assert {reject_reason(reason) for reason in HARD} == {"bounced"}


def test_who_accepts_no_mail_for_now_may_later() -> None:
    reply = "The domain b.test doesn't receive email according to the administrator: Null MX"
    recipient = ReportedRecipient(address="a@b.test", action="failed")
    for status, hard in (("4.0.0", False), ("5.1.10", True), ("", True)):
        told = describe(recipient, field=status, diagnostic=reply, words="")
        assert (told.reason, told.hard) == ("no-mail", hard)
