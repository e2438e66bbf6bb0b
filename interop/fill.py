"""Creates a mailbox and appends that many messages; every tenth is flagged and seen."""
import imaplib
import sys

mailbox, count = sys.argv[1], int(sys.argv[2])
with imaplib.IMAP4("127.0.0.1", 1143) as c:
    c.login("mox@localhost", "moxmoxmox")
    c.create(mailbox)
    for i in range(count):
        msg = (
            f"From: <sender{i % 7}@remote.example>\r\nTo: <mox@localhost>\r\nSubject: fill {i}\r\n"
            f"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <fill-{mailbox}-{i}@interop.example>\r\n\r\n"
            f"Message {i}.\r\n" + "text\r\n" * (i % 50)
        )
        ok, data = c.append(mailbox, r"(\Flagged)" if i % 10 == 0 else None, None, msg.encode())
        if ok != "OK":
            sys.exit(f"append: {data}")
