"""Clients that mean harm, or are broken. Each has its own network, so that what it earns is its own."""
import socket
import ssl
import subprocess
import time

from trial import check
from world import HOST, MX, Client, client_domain, client_ip, text


def client(n, host=1, **kw):
    """A connection of client n, which has said EHLO."""
    return Client(f"10.{n}.0.{host}", hello="mail." + client_domain(n), **kw)


def nothing(world, subject, account="bob", mailboxes=("INBOX",)):
    for mailbox in mailboxes:
        check(not world.find(account, mailbox, subject), f"{subject} was delivered to {mailbox}")


# What programs have taken for the end of a message, RFC 5321 2.3.8 and 4.1.1.4.
ENDS = [b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\r.\n", b"\r\n.\0\r\n", b"\r\r\n.\r\r\n", b"\n.\n\n", b"\r\n. \r\n", b"\r\n\0.\r\n"]


def smuggling(world):
    for i, end in enumerate(ENDS):
        with client(16, i + 1) as c:
            c.envelope("a@c16.example", "bob@mox.example")
            c.cmd("DATA", "354")
            c.send(b"From: <a@c16.example>\r\nSubject: smuggle-outer\r\n\r\ntext" + end +
                   b"MAIL FROM:<evil@c16.example>\r\nRCPT TO:<bob@mox.example>\r\nDATA\r\nFrom: <evil@c16.example>\r\nSubject: smuggle-inner\r\n\r\ntext\r\n.\r\n")
            first = c.reply()
            second = c.cmd("XYZZY")
            check(first[:3] in ("250", "500", "501", "550", "554") and second.startswith("500"), f"{end!r}: {first}, then {second}")
            if b"\r\n" not in end or end in (b"\r\n.\n", b"\n.\r\n"):
                check(first[0] == "5", f"{end!r}: {first}")
    nothing(world, "smuggle-inner")
    # A message by BDAT has no end in its text.
    with client(16, 100) as c:
        c.envelope("a@c16.example", "bob@mox.example")
        message = b"From: <a@c16.example>\r\nSubject: smuggle-bdat\r\n\r\ntext\r\n.\r\nMAIL FROM:<evil@c16.example>\r\n.\r\n"
        c.send(b"BDAT %d LAST\r\n" % len(message) + message)
        check(c.reply().startswith("250"), "BDAT")
        check(c.cmd("NOOP").startswith("250"), "NOOP")
    check(b"\r\n.\r\nMAIL" in world.one("bob", "INBOX", "smuggle-bdat")[1], "BDAT text")
    return f"{len(ENDS)} ends"


def injection(world):
    """Commands behind STARTTLS in plain text are not taken for ones that came by TLS."""
    with client(17) as c:
        c.send(b"STARTTLS\r\nMAIL FROM:<evil@c17.example>\r\n")
        reply = c.reply()
        if reply.startswith("220"):
            c.s = ssl.create_default_context(cafile=world.ca).wrap_socket(c.s, server_hostname=HOST)
            c.f = c.s.makefile("rb")
            c.cmd("EHLO mail.c17.example", "250")
            c.cmd("RCPT TO:<bob@mox.example>", "503")
            return "discarded"
        return reply.split(" (")[0]

def after_tls(world):
    """What was said before TLS is forgotten, RFC 3207 4.2."""
    with client(17, 2) as c:
        c.starttls(world.ca)
        reply = c.cmd("EHLO mail.c17.example", "250")
        check("STARTTLS" not in reply and "REQUIRETLS" in reply, reply)
        c.cmd("STARTTLS", "503")


def hello(world):
    """Who says it is us, by name or address."""
    for name in (HOST, HOST.upper(), f"[{MX}]", HOST + "."):
        with Client(client_ip(18)) as c:
            c.cmd("EHLO " + name, "550 5.7.1")
    with Client(client_ip(18)) as c:
        c.cmd("HELO " + HOST, "550 5.7.1")
        c.cmd("MAIL FROM:<a@c18.example>", "503")


def senders(world):
    """Domains that cannot have mail, and one that fails for now."""
    for sender, want, trace in (
        ("a@does-not-exist.example", "550 5.1.8", None), ("a@nullmx.example", "550 5.7.27", None), ("a@broken.example", "451 4.", None), ("a@nothing.example", "250", None),
    ):
        with client(19) as c:
            c.cmd(f"MAIL FROM:<{sender}>", "250")
            c.cmd("RCPT TO:<bob@mox.example>", want)
        if want[0] != "2":
            world.explained(sender, "refused (rcpt)", "reply: " + want, "refused at RCPT")


def swaks(n, *args):
    """Runs swaks as client n, and returns what it showed: what is refused, with the start of
    the reply, since the rest comes slowly."""
    try:
        p = subprocess.run(["swaks", "--server", MX, "--port", "25", "--local-interface", client_ip(n), "--helo", "mail." + client_domain(n), "--timeout", "20", *args], capture_output=True, text=True, timeout=14)
        return p.stdout
    except subprocess.TimeoutExpired as e:
        return (e.stdout or b"").decode()


def slowly(c, want):
    """Reads the start of a reply that comes an octet a second."""
    c.s.settimeout(len(want) + 10)
    got = c.f.read(len(want)).decode()
    check(got == want, f"got {got!r}, want {want!r}")


def refused(world, n, sender, message, want, rcpt="bob@mox.example", tls=True, host=1):
    """A message that is refused after DATA."""
    with client(n, host) as c:
        if tls:
            c.starttls(world.ca)
            c.cmd("EHLO mail." + client_domain(n), "250")
        c.envelope(sender, rcpt)
        c.cmd("DATA", "354")
        c.send(message.replace("\n", "\r\n").encode() + b".\r\n")
        slowly(c, want)


def dmarc(world):
    """Forged mail of a domain that asks to refuse it; the reply says what was found."""
    refused(world, 20, "a@c20.example", text("dmarc-forged", "boss@victim.example"), "550 5.7.26")
    world.explained("<dmarc-forged@interop.example>", "refused (dmarc-policy)", "reply: 550 5.7.26 domain victim.example asks (DMARC policy reject)",
                    "SPF of c20.example pass", "no DKIM signature", "dmarc fail, policy reject of victim.example", "spf mailfrom of c20.example pass")
    refused(world, 20, "a@victim.example", text("dmarc-spf", "a@victim.example"), "550 5.7.26")
    world.explained("<dmarc-spf@interop.example>", "SPF of victim.example fail", "spf mailfrom of victim.example fail -all")
    nothing(world, "dmarc-", mailboxes=("INBOX",))
    check(len(world.find("bob", "Rejects", "dmarc-forged")) == 1, "no copy in Rejects")


def spf(world):
    refused(world, 21, "a@fails.example", text("spf-fail", "a@fails.example"), "451 4.7.23")
    world.explained("<spf-fail@interop.example>", "refused (spf-policy)", "SPF of fails.example is fail")
    nothing(world, "spf-fail")


def authors(world):
    message = text("two-authors", "a@c22.example").replace("From: <a@c22.example>", "From: <a@c22.example>, <boss@victim.example>")
    refused(world, 22, "a@c22.example", message, "550 5.7.26")
    refused(world, 22, "a@c22.example", text("unverified", "a@nothing.example", "verified@mox.example"), "550 5.7.26", rcpt="verified@mox.example")
    world.explained("<unverified@interop.example>", "refused (msg-auth-required)", "verified mail only")
    refused(world, 22, "a@c22.example", text("not-member", "a@c22.example", "members@mox.example"), "550 5.7.2", rcpt="members@mox.example")
    world.explained("<not-member@interop.example>", "refused (alias-members)")


def forged(world):
    """Fields that only we may write are taken out, those of others stay."""
    forgeries = (f"Authentication-Results: {HOST}; spf=pass smtp.mailfrom=evil-one.example\n"
                 f"authentication-results : (x) {HOST.upper()}\n ; dkim=pass header.d=evil-two.example\n"
                 f"Authentication-Results:\n\t\"{HOST}\" 1; dmarc=pass header.from=evil-three.example\n"
                 "X-Mox-Reason: evil-four\n"
                 f"Authentication-Results: other.example; spf=pass smtp.mailfrom=fine.example\n")
    with client(23) as c:
        c.envelope("a@c23.example", "bob@mox.example")
        c.message(text("forged", "a@c23.example", extra=forgeries))
    fields, _ = world.one("bob", "INBOX", "forged")
    check("evil" not in "\n".join(fields), f"{fields}")
    check("Authentication-Results: other.example; spf=pass smtp.mailfrom=fine.example" in fields, f"{fields}")
    ours = [f for f in fields if f.lower().startswith("authentication-results") and HOST in f.lower()]
    check(len(ours) == 1 and "smtp.mailfrom=c23.example" in ours[0].replace("a@", ""), f"{ours}")


def unknown(world):
    out = swaks(24, "--from", "a@c24.example", "--to", "nobody@mox.example", "--tls")
    check("<~* 550 5.1.1" in out or "<** 550 5.1.1" in out, out)
    with client(24) as c:
        c.cmd("MAIL FROM:<a@c24.example>", "250")
        for rcpt, want in (("a@elsewhere.example", "550 5.7.1"), ("bob%elsewhere.example@mox.example", "550 5.1.1"), ("postmaster", "250"), ("POSTMASTER@mox.example", "250")):
            c.cmd(f"RCPT TO:<{rcpt}>", want)
    world.explained("nobody@mox.example", "refused (unknown-user)", "client 10.24.0.1")


def harvest(world):
    """An address book is tried: first slowly, then not at all."""
    n = 0
    with client(25) as c:
        c.cmd("MAIL FROM:<a@c25.example>", "250")
        start = time.monotonic()
        for i in range(6):
            c.cmd(f"RCPT TO:<guess{i}@mox.example>", "550 5.1.1")
            n += 1
        took = time.monotonic() - start
        check(took > 2.5, f"six refusals took {took:.1f} s")
    # Who opens a connection for each few is not slowed down, but counted.
    while True:
        with client(25) as c:
            c.cmd("MAIL FROM:<a@c25.example>", "250")
            for i in range(3):
                got = c.cmd(f"RCPT TO:<guess{n}@mox.example>")
                n += 1
                if got.startswith("421"):
                    break
                check(got.startswith("550 5.1.1") and n < 250, f"{n}: {got}")
            else:
                continue
            break
    with Client(client_ip(25)) as c:
        check(c.greeting.startswith("421 4.7.0"), c.greeting)
    with client(25, host=200) as c:  # another of its network
        c.cmd("NOOP", "250")
    return f"421 after {n}"


def slow(world):
    """After ten refusals, an octet a second."""
    with client(26) as c:
        c.cmd("MAIL FROM:<a@c26.example>", "250")
        for i in range(10):
            c.send(f"RCPT TO:<guess{i}@mox.example>\r\n".encode())
        start = time.monotonic()
        for _ in range(9):
            check(c.reply().startswith("550"), "refusal")
        slowly(c, "550 5.1.1")
        check(time.monotonic() - start > 13, "not slow")


def commands(world):
    """Nonsense is answered, then slowly."""
    with client(27) as c:
        for line in ("XYZZY", "MAIL FROM a@c27.example", "EHLO"):
            c.cmd(line, "50")
        start = time.monotonic()
        c.send(b"GET / HTTP/1.1\r\n")
        slowly(c, "500 5.5")
        check(time.monotonic() - start > 5, "not slow")
    for bad in (b"MAIL FROM:<a\0b@c27.example>\r\n", b"NOOP \xff\xfe\r\n", b"RCPT TO:<bob@mox.example>\r\n", b"DATA\r\n", b"BDAT 10 LAST\r\n0123456789", b"A" * 5000 + b"\r\n", b"MAIL FROM:<a@c27.example>\rRCPT TO:<bob@mox.example>\r\n", b"MAIL FROM:<a@c27.example> FOO=BAR\r\n", b"MAIL FROM:<" + b"a" * 300 + b"@c27.example>\r\n"):
        with client(27, 2) as c:
            c.send(bad)
            got = c.reply()
            check(got[0] == "5" or b"\xff" in bad, f"{bad[:60]!r}: {got}")
            c.cmd("NOOP", "250")


def oversized(world):
    with client(28) as c:
        c.cmd("MAIL FROM:<a@c28.example> SIZE=999999999", "552 5.3.4")
    small = "127.0.0.26"
    with Client("127.28.0.1", small, hello="localhost.example") as c:
        c.cmd("MAIL FROM:<a@nothing.example>", "250")
        c.cmd("RCPT TO:<bob@mox.example>", "250")
        c.message(text("oversized", "a@nothing.example", body="x" * 70 + "\n" * 1 + ("y" * 70 + "\n") * 2000), "552 5.3.4")
        c.cmd("MAIL FROM:<a@nothing.example>", "250")
        c.cmd("RCPT TO:<bob@mox.example>", "250")
        c.send(b"BDAT 150000 LAST\r\n" + b"z" * 150000)
        check(c.reply().startswith("552 5.3.4"), "BDAT")
        c.cmd("NOOP", "250")
    nothing(world, "oversized")


def loop(world):
    with client(29) as c:
        c.envelope("a@c29.example", "bob@mox.example")
        c.message(text("loop", "a@c29.example", extra="Received: from a.example by b.example; Sun, 22 Nov 2026 10:00:00 +0000\n" * 101), "550 5.4.6")
    nothing(world, "loop")


def requiretls(world):
    with client(30) as c:
        got = c.cmd("MAIL FROM:<a@c30.example> REQUIRETLS")
        check(got[:9] in ("523 5.7.1", "530 5.7.0", "555 5.5.4"), got)
        c.starttls(world.ca)
        c.cmd("EHLO mail.c30.example", "250")
        c.cmd("MAIL FROM:<a@c30.example> REQUIRETLS", "250")
    return got.split(" (")[0]


def listed(world):
    """A block list, and the delay for first-time senders."""
    server = "127.0.0.25"
    with Client("127.0.0.2", server, hello="localhost.example") as c:
        c.envelope("a@nothing.example", "bob@mox.example")
        c.cmd("DATA", "354")
        c.send(text("listed", "a@nothing.example").replace("\n", "\r\n").encode() + b".\r\n")
        slowly(c, "451 4.7.1")
    world.explained("<listed@interop.example>", "refused (dns-blocklisted)", "bl.example lists 127.0.0.2", "dnsbl bl.example listed")
    with Client("127.0.0.3", server, hello="localhost.example") as c:
        c.envelope("b@nothing.example", "bob@mox.example")
        start = time.monotonic()
        c.message(text("not-listed", "b@nothing.example"))
        check(1.9 < time.monotonic() - start < 5, "delay for first-time senders")
    world.one("bob", "INBOX", "not-listed")


def gone(world):
    """A client that goes away in the middle has sent nothing."""
    for send in (b"DATA\r\n", b"BDAT 1000000 LAST\r\n"):
        with client(31) as c:
            c.envelope("a@c31.example", "bob@mox.example")
            c.send(send)
            c.send(text("gone", "a@c31.example").replace("\n", "\r\n").encode())
            time.sleep(0.3)
    with client(31) as c:  # and a reset connection
        c.envelope("a@c31.example", "bob@mox.example")
        c.cmd("DATA", "354")
        c.send(b"Subject: gone\r\n\r\ntext\r\n.\r")
        c.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    time.sleep(0.5)
    nothing(world, "gone")


def flood(world):
    """More from one network than an account takes in a minute."""
    with client(32) as c:
        for i in range(1200):
            c.send(b"MAIL FROM:<a@c32.example>\r\nRCPT TO:<erin@mox.example>\r\nDATA\r\n")
            got = [c.reply() for _ in range(3)]
            check([g[:3] for g in got] == ["250", "250", "354"], f"{i}: {got}")
            c.send(text("flood", "a@c32.example").replace("\n", "\r\n").encode() + b".\r\n")
            first = c.f.read(3)
            if first != b"250":
                check(first == b"452", f"{i}: {first}")
                break
            c.f.readline()
        check(499 <= i < 1100, f"refused after {i}")
    world.explained("c32.example", "refused (high-rate)", "452 4.7.0")
    return f"452 after {i}"


GROUPS = [
    [("smuggling", smuggling), ("starttls-injection", injection), ("starttls-again", after_tls), ("hello", hello), ("sender-domain", senders), ("forged-fields", forged), ("unknown-recipient", unknown), ("oversized", oversized), ("loop", loop), ("requiretls", requiretls), ("gone", gone)],
    [("dmarc", dmarc), ("spf", spf)],
    [("authors", authors), ("listed", listed)],
    [("harvest", harvest), ("flood", flood)],
    [("slow", slow)],
    [("commands", commands)],
]
