"""Logs in with the certificate of a TLS client: IMAP with PREAUTH and, after STARTTLS, EXTERNAL;
submission; and what happens when the key is removed. Arguments: the file with key and
certificate, the server's certificate, and ok or refused."""
import imaplib
import smtplib
import ssl
import sys

from messages import check

pair, cert, want = sys.argv[1:]
context = ssl.create_default_context(cafile=cert)
context.load_cert_chain(pair)

with imaplib.IMAP4_SSL("localhost", 1993, ssl_context=context) as c:
    check(c.welcome.startswith(b"* PREAUTH " if want == "ok" else b"* OK "), f"greeting {c.welcome[:20]}")
    if want == "ok":
        check(c.state == "AUTH" and c.select()[0] == "OK", "mailbox open without a login")
with imaplib.IMAP4("localhost", 1143) as c:
    c.starttls(context)
    check("AUTH=EXTERNAL" in c.capabilities, "AUTH=EXTERNAL")
    try:
        c.authenticate("EXTERNAL", lambda challenge: b"")
        check(want == "ok" and c.select()[0] == "OK", "EXTERNAL in IMAP")
    except imaplib.IMAP4.error as e:
        check(want == "refused" and "AUTHENTICATIONFAILED" in str(e), f"refused in IMAP: {e}")
with smtplib.SMTP_SSL("localhost", 1465, context=context) as s:
    s.ehlo()
    check("EXTERNAL" in s.esmtp_features["auth"], "EXTERNAL announced for submission")
    code = s.docmd("AUTH", "EXTERNAL =")[0]
    check(code == (235 if want == "ok" else 535), f"submission: {code}")
    if want == "ok":
        s.sendmail("mox@localhost", ["mox@localhost"], "From: <mox@localhost>\r\nTo: <mox@localhost>\r\nSubject: external\r\n\r\nx\r\n")
