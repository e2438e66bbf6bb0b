"""Prints how many messages of a mailbox match an IMAP search, all by default."""
import imaplib
import sys

mailbox, criteria = sys.argv[1], sys.argv[2:] or ["ALL"]
with imaplib.IMAP4("127.0.0.1", 1143) as c:
    c.login("mox@localhost", "moxmoxmox")
    ok, data = c.select(mailbox, readonly=True)
    if ok != "OK":
        sys.exit(f"select {mailbox}: {data}")
    ok, data = c.search(None, *criteria)
    if ok != "OK":
        sys.exit(f"search: {data}")
    print(len(data[0].split()))
