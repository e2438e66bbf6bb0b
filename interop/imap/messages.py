"""What the clients' trials share: a mailbox with many messages at the server, looked at by
connections that are no client's."""
import imaplib
import sys

from wire import Connection, Literal

USER, PASSWORD = "mox@localhost", "moxmoxmox"


def check(cond, what):
    if not cond:
        sys.exit("failed: " + what)
    print("ok", what, flush=True)


def fill(name, count, word):
    """Makes a mailbox with messages whose subjects are the word and a number: many to a command,
    since each of those is made durable."""
    c = Connection(1143, lambda *_: None)
    assert c.do(b"LOGIN mox@localhost moxmoxmox").status == b"OK"
    c.do(b"CREATE " + name)
    for start in range(0, count, 250):
        parts = [b"APPEND " + name + b" "]
        for i in range(start, min(start + 250, count)):
            flags = b"(\\Seen) " if i % 2 else b""
            text = f"From: Sender {i % 97} <s{i % 97}@remote.example>\r\nTo: <mox@localhost>\r\nSubject: {word} {i}\r\nDate: {1 + i % 28} Nov 2026 10:{i % 60:02}:00 +0000\r\nMessage-ID: <{word}-{i}@interop.example>\r\nX-Serial: serial-{i}\r\n\r\nMessage {i}.\r\n" + "text\r\n" * (i % 90)
            parts += [(b" " if i > start else b"") + flags, Literal(text.encode(), plus=True)]
        r = c.do(parts)
        assert r.status == b"OK", r.text
    c.close()


def found(mailbox, *criteria):
    """How many messages the server finds, on a new connection; -1 when there is no such mailbox."""
    with imaplib.IMAP4("127.0.0.1", 1143) as c:
        c.login(USER, PASSWORD)
        if c.select(mailbox, readonly=True)[0] != "OK":
            return -1
        return len(c.search(None, *criteria)[1][0].split())
