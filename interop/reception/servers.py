"""Postfix, Exim and OpenSMTPD deliver to mox as they would on the internet: they find it by
its MX record. Each takes mail for the outside on a port of loopback."""
import os
import random
import re
import shutil
import signal
import smtplib
import subprocess

from trial import ROOT, Failed, check, sh, unpack, user, wait, write
from world import HOST, MANY, MX, SERVERS, client_ip, field, split


class Server:
    """A mail server. Subclasses write its configuration and start it."""

    utf8 = chunking = False
    running = []

    def __init__(self, name):
        self.name, self.n = name, SERVERS[name]
        self.domain = name + ".example"
        self.host, self.ip = "mail." + self.domain, client_ip(self.n)
        self.port = 2500 + self.n
        self.dir = f"{ROOT}/{name}"
        self.log_name = self.dir + "/log"
        self.bounces = f"{self.dir}/mail/bounces"

    def start(self, world):
        self.world = world
        os.makedirs(self.dir + "/mail")
        os.chmod(self.dir + "/mail", 0o777)
        self.launch(world)
        self.running.append(self)

        def up():
            try:
                with smtplib.SMTP("127.0.0.1", self.port, timeout=5) as c:
                    return c.noop()[0] == 250
            except OSError:
                return False

        try:
            wait(self.name, 20, up)
        except Failed as e:
            raise Failed(f"{e}: {self.log()}") from None

    def log(self):
        if not os.path.exists(self.log_name):
            return ""
        with open(self.log_name, errors="replace") as f:
            return f.read()

    def send(self, sender, rcpts, message, options=()):
        with smtplib.SMTP("127.0.0.1", self.port, timeout=60) as c:
            c.ehlo()
            if "smtputf8" in options and not c.has_extn("smtputf8"):
                raise Failed("no SMTPUTF8")
            refused = c.sendmail(sender, rcpts, message, options)
            check(not refused, f"{self.name} refused {refused}")

    def logged(self, pattern, seconds=30, count=1):
        def found():
            return len(re.findall(pattern, self.log())) >= count

        try:
            wait(f"{pattern} in the log of {self.name}", seconds, found)
        except Failed as e:
            raise Failed(f"{e}:\n{self.log()[-4000:]}") from None


class Postfix(Server):
    utf8 = True

    def launch(self, world):
        d = self.dir
        for sub in ("etc", "spool", "lib"):
            os.makedirs(f"{d}/{sub}")
        write(f"{d}/etc/main.cf", f"""compatibility_level = 3.6
queue_directory = {d}/spool
data_directory = {d}/lib
mail_owner = postfix
setgid_group = postdrop
myhostname = {self.host}
mydomain = {self.domain}
myorigin = {self.domain}
mydestination =
mynetworks = 127.0.0.0/8
inet_protocols = ipv4
inet_interfaces = 127.0.0.1
alias_maps =
alias_database =
virtual_mailbox_domains = {self.domain}
virtual_mailbox_base = {d}/mail
virtual_mailbox_maps = static:bounces
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_mailbox_limit = 0
mailbox_size_limit = 0
message_size_limit = 50000000
smtp_bind_address = {self.ip}
smtp_tls_CAfile = {world.ca}
smtp_tls_policy_maps = inline:{{mox.example=verify, xn--mx-fka.example=verify, möx.example=verify}}
smtp_tls_security_level = may
smtp_tls_loglevel = 1
sender_dependent_default_transport_maps = inline:{{plain@{self.domain}=plain:}}
maillog_file = {self.log_name}
maillog_file_prefixes = {ROOT}
smtputf8_enable = yes
""")
        master = "/etc/postfix/master.cf"
        shutil.copy(master if os.path.exists(master) else "/usr/share/postfix/master.cf.dist", f"{d}/etc/master.cf")
        with open(f"{d}/etc/master.cf") as f:
            lines = [l for l in f.read().split("\n") if not re.match(r"smtp\s+inet", l)]
        lines += [f"127.0.0.1:{self.port} inet n - n - - smtpd",
                  "plain unix - - n - - smtp", "  -o smtp_tls_security_level=none", "  -o smtp_tls_policy_maps=",
                  "postlog unix-dgram n - n - 1 postlogd", ""]
        write(f"{d}/etc/master.cf", "\n".join(lines))
        sh("postconf", "-c", f"{d}/etc", "-F", "*/*/chroot=n")
        shutil.chown(f"{d}/lib", "postfix")
        sh("postfix", "-c", f"{d}/etc", "start")

    def stop(self):
        sh("postfix", "-c", f"{self.dir}/etc", "stop")

    # What the log says of a recipient; {} is the enhanced code or nothing.
    delivered = rf"to=<{{}}>.*relay={re.escape(HOST)}\[{re.escape(MX)}\]:25.*dsn=2.*status=sent"
    refused = r"to=<{}>.*dsn={}.*status=bounced"
    encrypted = r"Verified TLS connection established to " + re.escape(HOST)


class Exim(Server):
    package = "exim4-daemon-light"
    utf8 = chunking = True

    def launch(self, world):
        user("Debian-exim", 10026)
        unpack(self.world.parts, self.package, "/usr/sbin/exim4")
        for d in ("/var/spool/exim4", "/var/log/exim4", "/run/exim4"):
            os.makedirs(d, exist_ok=True)
            shutil.chown(d, "Debian-exim", "Debian-exim")
        self.log_name = "/var/log/exim4/mainlog"
        write("/etc/exim4/exim4.conf", f"""primary_hostname = {self.host}
qualify_domain = {self.domain}
daemon_smtp_ports = {self.port}
local_interfaces = 127.0.0.1
acl_smtp_rcpt = accept
message_size_limit = 50M
smtputf8_advertise_hosts = *
tls_advertise_hosts =
log_selector = +all
keep_environment =
never_users =
begin routers
bounces:
  driver = accept
  domains = {self.domain}
  transport = bounces
remote:
  driver = dnslookup
  transport = remote
  no_more
begin transports
bounces:
  driver = appendfile
  file = {self.bounces}
  user = Debian-exim
remote:
  driver = smtp
  interface = {self.ip}
  helo_data = {self.host}
  hosts_avoid_tls = ${{if match{{$sender_address}}{{^plain@}}{{*}}{{}}}}
  hosts_require_tls = ${{if match{{$sender_address}}{{^plain@}}{{}}{{*}}}}
  tls_verify_certificates = {world.ca}
  tls_verify_hosts = *
begin retry
* * F,2h,1m
""")
        self.process = subprocess.Popen(["/usr/sbin/exim4", "-bdf", "-q1m"], stdout=subprocess.DEVNULL, stderr=open(self.dir + "/stderr", "w"))

    def stop(self):
        self.process.terminate()
        self.process.wait(10)

    delivered = rf"[-=]> {{}} .*T=remote .*H={re.escape(HOST)} \[{re.escape(MX)}\]"
    refused = r"\*\* {}.*550 {}"
    encrypted = r"X=TLS1\.[23]:\S+ CV=yes"


class OpenSMTPD(Server):
    package = "opensmtpd"

    def launch(self, world):
        user("opensmtpd", 10027, "/var/lib/opensmtpd/empty")
        user("opensmtpq", 10028)
        unpack(self.world.parts, self.package, "/usr/sbin/smtpd", "/usr/sbin/smtpctl", "/usr/libexec/opensmtpd")
        os.makedirs("/var/lib/opensmtpd/empty", 0o711, exist_ok=True)
        os.makedirs("/var/spool/smtpd", 0o711, exist_ok=True)
        with open(world.ca) as ca, open("/etc/ssl/certs/ca-certificates.crt", "a") as f:
            f.write(ca.read())
        write("/etc/mailname", self.host + "\n")
        conf = self.dir + "/smtpd.conf"
        write(conf, f"""smtp max-message-size 50000000
smtp limit max-rcpt 200
listen on 127.0.0.1 port {self.port}
table everybody {{ "@" = "nobody" }}
action "bounces" mda "cat >>{self.bounces}" virtual <everybody>
action "plain" relay host smtp+notls://{MX}:25 src {self.ip} helo "{self.host}"
action "remote" relay tls src {self.ip} helo "{self.host}"
match from any for domain "{self.domain}" action "bounces"
match from any mail-from "plain@{self.domain}" for any action "plain"
match from any for any action "remote"
""")
        log = open(self.log_name, "w")
        self.process = subprocess.Popen(["/usr/sbin/smtpd", "-d", "-v", "-f", conf], stdout=log, stderr=log)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)

    delivered = r"mta delivery .*to=<{}> .*relay=.*result=\"Ok\""
    refused = r"mta delivery .*to=<{}> .*result=\"PermFail\" stat=\"550 {}"
    encrypted = r"mta tls ciphers=TLSv1\.[23].*"


def compose(subject, sender, rcpts, body, extra=""):
    return (f"From: Someone <{sender}>\r\nTo: <{rcpts[0]}>\r\nSubject: {subject}\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
            f"Message-ID: <{subject}@{sender.split('@')[1]}>\r\nMIME-Version: 1.0\r\n{extra}\r\n").encode() + body


def arrived(s, world, account, subject, body, protocol, mailbox="INBOX"):
    """Checks the one message with a subject: its body, and what mox wrote above it."""
    fields, got = world.one(account, mailbox, subject)
    if got != body:
        at = next((i for i, (a, b) in enumerate(zip(got, body)) if a != b), min(len(got), len(body)))
        raise Failed(f"body of {subject} differs: {len(got)} octets, not {len(body)}, at {at}: {got[at:at + 50]!r}, not {body[at:at + 50]!r}")
    authenticated(s, fields)
    received = [f for f in fields if f.startswith("Received: ")][0]
    check(re.match(rf"Received: from {s.host} \({s.host} \[{s.ip}\]\) by {HOST} via tcp with {protocol} id \S+ ", received), received)
    check(("TLS1." in received) == ("SMTPS" in protocol), received)
    return fields


def authenticated(s, fields):
    found = [f for f in fields if f.startswith("Authentication-Results:")]
    check(len(found) == 1, f"{len(found)} Authentication-Results: {found}")
    check(re.search(rf"header\.from=(mail\.)?{s.domain}$", found[0]), found[0])
    for want in (f"Authentication-Results: {HOST};", "iprev=pass", f"policy.iprev={s.ip}", "spf=pass", "dmarc=pass"):
        check(want in found[0], f"no {want} in {found[0]}")


def send_one(s, world, kind, body, protocol, account="alice", extra="", options=(), sender=None):
    subject, sender, to = f"{s.name}-{kind}", sender or f"tls@{s.domain}", account + "@mox.example"
    s.send(sender, [to], compose(subject, sender, [to], body, extra), options)
    fields = arrived(s, world, account, subject, body, protocol)
    s.logged(s.delivered.format(re.escape(to)))
    check(field(fields, "Return-Path") == f"<{sender}>", "Return-Path")
    check(field(fields, "Delivered-To") == to, "Delivered-To")
    return subject


def plain(world, s):
    subject = send_one(s, world, "plain", b"Hello.\r\n", "ESMTP", sender=f"plain@{s.domain}")
    world.explained(f"<{subject}@{s.domain}>", "accepted into Inbox (no-bad-signals)", f"spf mailfrom of {s.domain} pass", "dmarc pass", "iprev pass " + s.host)


def tls(world, s):
    send_one(s, world, "tls", b"Hello.\r\n", "ESMTPS")
    s.logged(s.encrypted)
    verb = "BDAT" if s.chunking else "DATA"
    check(verb in dialog(world, s), f"no {verb} from {s.ip}")
    return f"by {verb}"


def dialog(world, s):
    """What mox traced of the server's connections."""
    return "\n".join(l for l in world.log().splitlines() if f"remote={s.ip} " in l)


def lines(world, s):
    """Lines that SMTP has to take care of, and as long as they may be."""
    body = b".\r\n..\r\n.dot\r\n\r\n.\r\n.\r\n" + b"x" * 998 + b"\r\n." + b"y" * 997 + b"\r\n" + b"\t \r\nFrom here\r\n" + b"\r\n" * 5 + b"end\r\n.\r\n"
    send_one(s, world, "lines", body, "ESMTPS")


def eight_bit(world, s):
    body = "Grüße, 日本語, and .\r\n.dots\r\n".encode() + bytes(range(128, 256)) + b"\r\n"
    send_one(s, world, "8bit", body, "ESMTPS", extra="Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n", options=["BODY=8BITMIME"])


def large(world, s):
    r = random.Random(s.n)
    line = [bytes(r.choices(b"abcdefghijklmnop.", k=76)) + b"\r\n" for _ in range(1000)]
    body = b"".join(r.choice(line) for _ in range(20 * 1024 * 1024 // 78 + 1))
    send_one(s, world, "large", body, "ESMTPS")
    return f"{len(body) >> 20} MiB"


def many(world, s):
    """49 recipients and one that does not exist, which alone is bounced."""
    subject, sender, nobody = f"{s.name}-many", f"tls@{s.domain}", f"nobody-{s.name}@mox.example"
    rcpts = MANY[:20] + [nobody] + MANY[20:]
    body = b"To all.\r\n"
    s.send(sender, rcpts, compose(subject, sender, rcpts, body))
    s.logged(s.refused.format(re.escape(nobody), r"5\.1\.1"))
    for to in MANY:
        s.logged(s.delivered.format(re.escape(to)))
    with world.imap("many", None) as c:
        for to in MANY:
            c.select(to.split("@")[0])
            nums = c.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
            check(len(nums) == 1, f"{len(nums)} messages for {to}")
            got = split(c.fetch(nums[0], "(BODY.PEEK[])")[1][0][1])
            check(got[1] == body and field(got[0], "Delivered-To") == to, f"message of {to}: {got}")
    wait("bounce", 20, lambda: os.path.exists(s.bounces) and nobody in open(s.bounces, errors="replace").read())
    check("5.1.1" in open(s.bounces, errors="replace").read(), "bounce has no 5.1.1")
    world.explained(nobody, "refused (unknown-user)", "550 5.1.1")


def null_sender(world, s):
    """A bounce for us: the reverse-path is null, and SPF is that of EHLO."""
    nobody = f"gone-{s.name}@mox.example"
    s.send("alice@mox.example", [nobody], compose(f"{s.name}-bounced", "alice@mox.example", [nobody], b"Hello.\r\n"))

    def found():
        with world.imap("alice") as c:
            for num in c.search(None, "BODY", f'"{nobody}"')[1][0].split():
                got = split(c.fetch(num, "(BODY.PEEK[])")[1][0][1])
                if field(got[0], "Return-Path") == "<>":
                    return got

    fields, body = wait("bounce", 30, found)
    authenticated(s, fields)
    check(b"5.1.1" in body, "bounce has no 5.1.1")


def utf8(world, s):
    """SMTPUTF8: addresses and header fields, to both our domains."""
    for sender, to, show in ((f"zoë@{s.domain}", "ünï@mox.example", "ünï@mox.example"), (f"tls@{s.domain}", "bücher@möx.example", "bücher@möx.example")):
        subject = f"{s.name}-utf8-{to[0].encode().hex()}"
        message = compose(subject, sender, [to], "Grüße\r\n".encode(), "X-Greeting: Grüße aus Köln\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n")
        s.send(sender, [to], message, ["smtputf8", "BODY=8BITMIME"])
        fields = arrived(s, world, "alice", subject, "Grüße\r\n".encode(), "UTF8SMTPS")
        check(field(fields, "X-Greeting") == "Grüße aus Köln", "header field")
        check(field(fields, "Delivered-To") == show and field(fields, "Return-Path") == f"<{sender}>", f"addresses: {fields}")


def group(s):
    cases = [("plain", plain), ("tls", tls), ("lines", lines), ("8bit", eight_bit), ("many", many), ("large", large), ("null-sender", null_sender)]
    if s.utf8:
        cases.append(("utf8", utf8))
    return [(s.name + "-start", lambda world: s.start(world))] + [(f"{s.name}-{name}", f, s) for name, f in cases]


GROUPS = [group(Postfix("postfix")), group(Exim("exim")), group(OpenSMTPD("opensmtpd"))]


def stop():
    for s in Server.running:
        s.stop()
