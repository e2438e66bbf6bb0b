"""The world in which reception is tried: a network, DNS, and a mox on port 25.

Addresses: mox has 192.0.2.25. All of 10.0.0.0/8 is on this machine: the client or server
with number n has 10.n.0.0/16 and the domain that goes with it, so that what one does is not
held against another.
"""
import contextlib
import imaplib
import itertools
import json
import re
import shutil
import socket
import ssl
import subprocess
import time

from trial import ROOT, check, layers, sh, wait, write

MX = "192.0.2.25"
HOST = "mx.mox.example"
PASSWORD = "interop password"
SERVERS = {"postfix": 1, "exim": 2, "opensmtpd": 3}
CLIENTS = range(16, 96)
MANY = [f"m{i:02}@mox.example" for i in range(49)]


def network():
    """Makes addresses, and layers over what will be written to."""
    layers()
    sh("ip", "link", "set", "lo", "up")
    sh("ip", "addr", "add", MX + "/32", "dev", "lo")
    sh("ip", "route", "add", "local", "10.0.0.0/8", "dev", "lo")
    sh("hostname", HOST)
    write("/etc/resolv.conf", "nameserver 127.0.0.1\n")
    write("/etc/hosts", "127.0.0.1 localhost\n")
    write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")


# Domains of hostile cases, besides those of clients.
ZONE = f"""
mox.example. MX 10 {HOST}.
xn--mx-fka.example. MX 10 {HOST}.
mox.example. TXT "v=spf1 ip4:{MX} -all"
{HOST}. A {MX}
25.2.0.192.in-addr.arpa. PTR {HOST}.
nullmx.example. MX 0 .
nullmx.example. A 10.0.0.1
fails.example. A 10.0.0.2
fails.example. TXT "v=spf1 -all"
nothing.example. A 10.0.0.3
victim.example. A 10.0.0.4
victim.example. TXT "v=spf1 -all"
_dmarc.victim.example. TXT "v=DMARC1; p=reject"
listed.example. A 10.0.0.5
listed.example. TXT "v=spf1 ip4:127.0.0.0/8 -all"
_dmarc.listed.example. TXT "v=DMARC1; p=none"
2.0.0.127.bl.example. A 127.0.0.2
"""


def zone():
    lines = [ZONE]
    for name, n in [(s + ".example", n) for s, n in SERVERS.items()] + [(client_domain(n), n) for n in CLIENTS]:
        lines += [
            f"{name}. MX 10 mail.{name}.",
            f'{name}. TXT "v=spf1 ip4:10.{n}.0.0/16 -all"',
            f"mail.{name}. A 10.{n}.0.1",
            f'mail.{name}. TXT "v=spf1 a -all"',
            f'_dmarc.{name}. TXT "v=DMARC1; p=reject"',
            f"1.0.{n}.10.in-addr.arpa. PTR mail.{name}.",
        ]
    return "\n".join(lines) + "\n"


def client_domain(n):
    return f"c{n}.example"


def client_ip(n):
    return f"10.{n}.0.1"


MOX_CONF = f"""DataDir: ../data
LogLevel: info
PackageLogLevels:
	smtpserver: trace
User: 10025
Hostname: {HOST}
DNSResolvers:
	- 127.0.0.1
Listeners:
	public:
		IPs:
			- {MX}
		TLS:
			KeyCerts:
				-
					CertFile: cert.pem
					KeyFile: key.pem
		SMTPMaxMessageSize: 31457280
		SMTP:
			Enabled: true
			FirstTimeSenderDelay: 0s
		IMAP:
			Enabled: true
			NoRequireSTARTTLS: true
	listed:
		IPs:
			- 127.0.0.25
		SMTP:
			Enabled: true
			NoSTARTTLS: true
			FirstTimeSenderDelay: 2s
			DNSBLs:
				- bl.example
	small:
		IPs:
			- 127.0.0.26
		SMTPMaxMessageSize: 100000
		SMTP:
			Enabled: true
			NoSTARTTLS: true
			FirstTimeSenderDelay: 0s
Postmaster:
	Account: alice
	Mailbox: Postmaster
"""

FILTER = """
		RejectsMailbox: Rejects
		AutomaticJunkFlags:
			Enabled: true
			JunkMailboxRegexp: ^junk
			NeutralMailboxRegexp: ^(inbox|rejects)
			NotJunkMailboxRegexp: ^archive
		JunkFilter:
			Threshold: 0.95
			Params:
				Twograms: true
				MaxPower: 0.01
				TopWords: 10
				IgnoreWords: 0.1
"""

ACCOUNTS = """Domains:
	mox.example:
		LocalpartCatchallSeparator: +
		Aliases:
			members:
				Addresses:
					- alice@mox.example
	möx.example: nil
Accounts:
	alice:
		Domain: mox.example
		Destinations:
			alice@mox.example: nil
			ünï@mox.example: nil
			bücher@möx.example: nil
	bob:
		Domain: mox.example
		RejectsMailbox: Rejects
		Destinations:
			bob@mox.example: nil
			verified@mox.example:
				MessageAuthRequiredSMTPError: verified mail only
			lists@mox.example:
				Rulesets:
					-
						HeadersRegexp:
							^list-id$: <interop\\.lists>
						ListAllowDomain: c40.example
						Mailbox: Lists
			forward@mox.example:
				Rulesets:
					-
						SMTPMailFromRegexp: ^fwd@c41\\.example$
						VerifiedDomain: c41.example
						IsForward: true
						Mailbox: Forwarded
			keep@mox.example:
				Rulesets:
					-
						SMTPMailFromRegexp: .
						AcceptRejectsToMailbox: Unwanted
						Mailbox: Inbox
	carol:
		Domain: mox.example
		Destinations:
			carol@mox.example: nil
""" + FILTER + """	dave:
		Domain: mox.example
		Destinations:
			dave@mox.example: nil
""" + FILTER + """	erin:
		Domain: mox.example
		Introbox: Introbox
		SubjectPass:
			Period: 12h
		Destinations:
			erin@mox.example: nil
	many:
		Domain: mox.example
		Destinations:
"""


class Imap(imaplib.IMAP4):
    """Each connection from another network, as mox bounds how many come from one."""

    sources = itertools.cycle(f"10.{n}.{m}.1" for n in range(128, 256) for m in range(0, 256, 32))

    def _create_socket(self, timeout):
        return socket.create_connection((self.host, self.port), timeout, (next(self.sources), 0))


class World:
    """A mox with its DNS. One for all cases."""

    def __init__(self, mox, parts):
        self.mox_binary, self.parts = mox, parts
        self.dir = ROOT + "/mox"
        self.conf = self.dir + "/config/mox.conf"
        self.ca = ROOT + "/ca.pem"
        self.log_name = ROOT + "/mox.log"
        self.processes = []

    def start(self):
        write(ROOT + "/zone", zone())
        dns = subprocess.Popen([self.parts + "/dnsserver", "-fail", "mx broken.example", "-fail", "a broken.example", "127.0.0.1:53", ROOT + "/zone"], stdout=subprocess.PIPE, text=True)
        self.processes.append(dns)
        check("serving" in dns.stdout.readline(), "the DNS server did not start")
        many = "".join(f"\t\t\t{a}:\n\t\t\t\tMailbox: {a.split('@')[0]}\n" for a in MANY)
        write(self.conf, MOX_CONF)
        write(self.dir + "/config/domains.conf", ACCOUNTS + many)
        sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=" + HOST,
           "-addext", "subjectAltName=DNS:" + HOST, "-keyout", self.dir + "/config/key.pem", "-out", self.dir + "/config/cert.pem")
        shutil.copy(self.dir + "/config/cert.pem", self.ca)
        with open(self.log_name, "w") as log:
            self.mox = subprocess.Popen([self.mox_binary, "-config", self.conf, "serve"], stdout=log, stderr=log)
        self.processes.append(self.mox)
        wait("mox", 20, lambda: self.mox.poll() is not None or "mox is serving" in self.log())
        check(self.mox.poll() is None, "mox did not start: " + self.log())
        for account in ("alice", "bob", "carol", "dave", "erin", "many"):
            sh(self.mox_binary, "-config", self.conf, "setaccountpassword", account, input=PASSWORD + "\n")

    def stop(self):
        """Stops mox, and checks that all was well."""
        sh(self.mox_binary, "-config", self.conf, "-checkconsistency", "stop")
        check(self.mox.wait(20) == 0, f"mox ended with status {self.mox.returncode}")
        check(not re.search(r'panic|m="unhandled|level=error|l=error', self.log()), "mox logged an error: " + "\n".join(l for l in self.log().splitlines() if re.search("panic|unhandled|l=error|level=error", l)))

    def log(self):
        with open(self.log_name, errors="replace") as f:
            return f.read()

    @contextlib.contextmanager
    def imap(self, account, mailbox="INBOX"):
        address = account + "@mox.example" if account != "many" else MANY[0]
        with Imap(MX, timeout=30) as c:
            c.login(address, PASSWORD)
            if mailbox:
                c.select(f'"{mailbox}"')
            yield c

    def find(self, account, mailbox, subject):
        """The messages of a mailbox with a subject, as bytes."""
        with self.imap(account, None) as c:
            if c.select(f'"{mailbox}"')[0] != "OK":
                return []
            nums = c.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
            return [c.fetch(n, "(BODY.PEEK[])")[1][0][1] for n in nums]

    def one(self, account, mailbox, subject, seconds=20):
        """The one message with a subject, once it is there: header fields, body."""
        found = wait(f"{subject} in {mailbox} of {account}", seconds, lambda: self.find(account, mailbox, subject))
        check(len(found) == 1, f"{len(found)} messages {subject} in {mailbox} of {account}")
        return split(found[0])

    def trace(self, what, *more):
        """What mox trace says, as text."""
        return sh(self.mox_binary, "-config", self.conf, "trace", *more, what)

    def explained(self, what, *texts):
        """Checks that mox trace has each of the texts."""
        out = self.trace(what)
        for t in texts:
            check(t in out, f"mox trace {what} lacks {t!r}:\n{out}")

    def verdicts(self, what):
        return [json.loads(l) for l in self.trace(what, "-json").splitlines()]


def split(message):
    """Splits a message into its header fields, unfolded, and its body."""
    header, _, body = message.partition(b"\r\n\r\n")
    fields = re.sub(rb"\r\n[ \t]+", b" ", header).decode("utf-8", "replace").split("\r\n")
    return fields, body


def field(fields, name):
    """The value of the only field of a name."""
    found = [f.partition(":")[2].strip() for f in fields if f.partition(":")[0].lower() == name.lower()]
    check(len(found) == 1, f"{len(found)} fields {name} in {fields}")
    return found[0]


class Client:
    """SMTP by hand, from an address."""

    def __init__(self, ip, server=MX, hello=None, timeout=30):
        self.s = socket.create_connection((server, 25), timeout=timeout, source_address=(ip, 0))
        self.f = self.s.makefile("rb")
        self.greeting = self.reply()
        if hello and self.greeting.startswith("220"):
            self.cmd("EHLO " + hello, "250")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.f.close()
        self.s.close()

    def send(self, data):
        self.s.sendall(data)

    def reply(self):
        lines = []
        while True:
            line = self.f.readline().decode("utf-8", "replace").rstrip("\r\n")
            lines.append(line)
            if line[3:4] != "-":
                return "\n".join(lines)

    def cmd(self, line, want=None):
        self.send(line.encode() + b"\r\n")
        got = self.reply()
        check(want is None or got.startswith(want), f"{line[:100]}: got {got!r}, want {want}")
        return got

    def starttls(self, ca):
        self.cmd("STARTTLS", "220")
        self.f.close()
        self.s = ssl.create_default_context(cafile=ca).wrap_socket(self.s, server_hostname=HOST)
        self.f = self.s.makefile("rb")

    def envelope(self, mail_from, *rcpts):
        self.cmd(f"MAIL FROM:<{mail_from}>", "250")
        for r in rcpts:
            self.cmd(f"RCPT TO:<{r}>", "250")

    def message(self, text, want="250"):
        """Sends text, whose lines end in LF and have no dots, as a message. Stops reading at
        want, as a suspect gets the rest slowly."""
        self.cmd("DATA", "354")
        self.send(text.replace("\n", "\r\n").encode() + b".\r\n")
        got = self.reply()
        check(got.startswith(want), f"message: got {got!r}, want {want}")
        return got


def text(subject, sender, to="bob@mox.example", body="Hello.\n", extra=""):
    return f"{extra}From: <{sender}>\nTo: <{to}>\nSubject: {subject}\nMessage-ID: <{subject}@interop.example>\nDate: {time.strftime('%a, %d %b %Y %H:%M:%S +0000', time.gmtime())}\n\n{body}"
