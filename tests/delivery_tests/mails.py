"""Headers as providers write them, with the addresses of documentation (RFC 5737, 3849)."""


def mail(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in (*lines, "", "Hello.")).encode()


EXCHANGE = mail(
    "Received: from AM0PR01MB0001.eurprd01.prod.exchangelabs.com (2001:db8:1::1)",
    " by AM0PR01MB0002.eurprd01.prod.exchangelabs.com (2001:db8:2::2) with Microsoft SMTP Server",
    " (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.20.9000.12; Fri, 27 Nov",
    " 2026 10:00:07 +0000",
    "Authentication-Results: spf=pass (sender IP is 192.0.2.7)",
    " smtp.mailfrom=contoso.com; dkim=pass (signature was verified)",
    " header.d=contoso.com;dmarc=pass action=none header.from=contoso.com;compauth=pass reason=100",
    "Received-SPF: Pass (protection.outlook.com: domain of contoso.com designates 192.0.2.7)",
    "Received: from mail.contoso.com (192.0.2.7) by edge.example.com (198.51.100.1) with Microsoft",
    " SMTP Server (version=TLS1_1, cipher=TLS_RSA_WITH_AES_128_CBC_SHA) id 15.20.9000.1; Fri, 27",
    " Nov 2026 10:00:05 +0000",
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=contoso.com; s=selector1;",
    " h=From:Date:Subject:Message-ID:Content-Type:MIME-Version:X-MS-Exchange-SenderADCheck;",
    " bh=x; b=a b",
    "From: Contoso <billing@contoso.com>",
    "Subject: Test",
)

GMAIL = mail(
    "Delivered-To: ana@gmail.com",
    "Received: by 2002:a05:6a10:1:b0:1:2 with SMTP id a1; Fri, 27 Nov 2026 02:00:06 -0800 (PST)",
    "X-Received: by 2002:a17:906:1::1 with SMTP id b2; Fri, 27 Nov 2026 02:00:06 -0800 (PST)",
    "ARC-Authentication-Results: i=1; mx.google.com; dkim=fail header.i=@elsewhere.example",
    "Return-Path: <billing@news.contoso.co.uk>",
    "Received: from EUR01-outbound.protection.outlook.com (mail-1.outbound.protection.outlook.com.",
    " [192.0.2.7]) by mx.google.com with ESMTPS id c3 for <ana@gmail.com> (version=TLS1_3",
    " cipher=TLS_AES_256_GCM_SHA384 bits=256/256); Fri, 27 Nov 2026 02:00:05 -0800 (PST)",
    "Received-SPF: pass (google.com: domain of billing@news.contoso.co.uk designates 192.0.2.7)",
    "Authentication-Results: mx.google.com;",
    "       dkim=pass header.i=@contoso.co.uk header.s=selector1 header.b=abcdefgh;",
    "       arc=pass (i=1 spf=pass spfdomain=contoso.co.uk);",
    "       spf=pass (google.com: domain of x designates 192.0.2.7 as permitted sender)",
    " smtp.mailfrom=billing@news.contoso.co.uk;",
    '       dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=news.contoso.co.uk; iprev="pass"',
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=contoso.co.uk; s=selector1;",
    " h=From:Date:Subject:Message-ID; bh=x; b=y",
    "Received: from A.prod.outlook.com (2001:db8::1) by B.prod.outlook.com (2001:db8::2) with",
    " Microsoft SMTP Server (version=TLS1_2, cipher=TLS_X) id 1; Fri, 27 Nov 2026 10:00:01 +0000",
    "From: Contoso <billing@news.contoso.co.uk>",
    "List-Unsubscribe: <mailto:u@contoso.co.uk>",
)

POSTFIX = mail(
    "Received: from relay.example (relay.example [192.0.2.9])",
    "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)",
    "\t key-exchange X25519 server-signature RSA-PSS (2048 bits))",
    "\t(No client certificate requested)",
    "\tby mx.example (Postfix) with ESMTPS id 4F1; Fri, 27 Nov 2026 10:00:03 +0000",
    "Received: from app.example (app.example [192.0.2.8]) by relay.example (Postfix) with ESMTP",
    " id 4F0; Fri, 27 Nov 2026 10:00:00 -0000",
    "From: a@example",
)
