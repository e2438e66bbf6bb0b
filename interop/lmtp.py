"""Python's smtplib.LMTP: a reply for each recipient, and no login."""
import smtplib
import sys


def check(cond, what):
    if not cond:
        sys.exit("failed: " + what)
    print("ok", what)


text = "From: a@remote.example\r\nSubject: python-lmtp\r\n\r\nHello.\r\n"
with smtplib.LMTP("127.0.0.1", int(sys.argv[1])) as s:
    refused = s.sendmail("a@remote.example", ["mox@localhost", "rcptto550@localhost"], text)
    check(list(refused) == ["rcptto550@localhost"], f"one recipient refused: {refused}")
    check(not s.has_extn("auth"), "no AUTH")
    check(s.has_extn("chunking"), "CHUNKING announced")
