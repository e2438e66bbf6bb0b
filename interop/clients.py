"""Python's smtplib and imaplib, with every login they know, and bad input."""
import imaplib
import smtplib
import socket
import ssl
import sys
from email.message import EmailMessage

tls = ssl.create_default_context(cafile=sys.argv[1])
user, password = "mox@localhost", "moxmoxmox"


def check(cond, what):
    if not cond:
        sys.exit("failed: " + what)
    print("ok", what)


def message(subject, sender=user):
    m = EmailMessage()
    m["From"], m["To"], m["Subject"] = sender, user, subject
    m.set_content("Grüße aus Python.\n")
    m.add_attachment(b"\x00\x01" * 5000, maintype="application", subtype="octet-stream", filename="bytes.bin")
    return m


with smtplib.SMTP("localhost", 1025) as s:
    s.send_message(message("python-25", "Zoë <zoe@remote.example>"))
    check(s.esmtp_features.get("chunking") is not None, "CHUNKING announced")
    code, text = s.mail("a@remote.example")
    code, text = s.rcpt("nobody permerror@localhost")
    check(code == 501 or code == 553, f"bad address refused: {code} {text}")
with smtplib.SMTP("localhost", 1587) as s:
    s.starttls(context=tls)
    s.login(user, password)
    s.send_message(message("python-587"))
    m = message("python-utf8")
    s.send_message(m, from_addr=user, to_addrs=["mox@localhost"], mail_options=["SMTPUTF8"])
with smtplib.SMTP_SSL("localhost", 1465, context=tls) as s:
    try:
        s.login(user, "wrong password")
        check(False, "wrong password refused")
    except smtplib.SMTPAuthenticationError as e:
        check(e.smtp_code == 535, f"wrong password refused: {e}")
    s.login(user, password)
    s.send_message(message("python-465"))

# Smuggling: the end of data with bare line feeds must not start another message.
with socket.create_connection(("127.0.0.1", 1025)) as s:
    f = s.makefile("rwb")

    def cmd(line, want):
        f.write(line)
        f.flush()
        while True:
            reply = f.readline()
            if reply[3:4] != b"-":
                break
        check(reply.startswith(want), f"{line[:30]!r} gives {reply!r}")

    f.readline()
    cmd(b"EHLO smuggler.example\r\n", b"250")
    cmd(b"MAIL FROM:<a@remote.example>\r\n", b"250")
    cmd(b"RCPT TO:<mox@localhost>\r\n", b"250")
    cmd(b"DATA\r\n", b"354")
    cmd(b"Subject: smuggled\r\n\r\nbody\n.\nMAIL FROM:<b@remote.example>\r\n.\r\n", b"5")
    cmd(b"QUIT\r\n", b"221")

with imaplib.IMAP4("localhost", 1143) as c:
    c.starttls(tls)
    c.login(user, password)
    check("CONDSTORE" in c.capabilities, "CONDSTORE announced")
    c.select()
    for subject in ("python-25", "python-587", "python-utf8", "python-465"):
        ok, data = c.search(None, "SUBJECT", subject)
        check(len(data[0].split()) == 1, "found " + subject)
    ok, data = c.search(None, "SUBJECT", "smuggled")
    check(not data[0].split(), "smuggled message was not stored")
    num = c.search(None, "SUBJECT", "python-587")[1][0].split()[0]
    ok, data = c.fetch(num, "(FLAGS BODYSTRUCTURE BODY.PEEK[1])")
    check(b"octet-stream" in repr(data).encode() or b"OCTET-STREAM" in repr(data).encode(), "body structure")
    check(c.store(num, "+FLAGS", r"(\Flagged interop)")[0] == "OK", "store")
    check(c.create("Py.thon")[0] == "OK" and c.copy(num, "Py.thon")[0] == "OK", "copy")
    check(c.select("Py.thon")[1] == [b"1"], "select copy")
    check(c.store("1", "+FLAGS", r"\Deleted")[0] == "OK" and c.expunge()[1] == [b"1"], "expunge")
    c.close()
    check(c.delete("Py.thon")[0] == "OK", "delete")
with imaplib.IMAP4_SSL("localhost", 1993, ssl_context=tls) as c:
    c.login_cram_md5(user, password)
    check(c.select("INBOX", readonly=True)[0] == "OK", "CRAM-MD5 login")
