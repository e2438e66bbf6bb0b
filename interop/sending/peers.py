"""The mail servers: two mox, Postfix, Exim and OpenSMTPD, each on its host. All but mox put
what they get into one maildir, from which it is counted; mail is given to them on port 25
from our own address, or to mox on its port for submission."""
import email
import email.policy
import glob
import imaplib
import itertools
import os
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import threading

import bounces
import lab
from lab import US, ip4, ip6, on, processes
from trial import ROOT, Failed, check, read, sh, unpack, user, wait, write
from world import REJECTING


class Peer:
    """A mail server. secured has, for how TLS was verified, what the log then says."""

    secured = {}

    def __init__(self, world, parts, host):
        self.world, self.parts, self.host = world, parts, host
        self.name = f"mx.{host}.test"
        self.sender = f"tests@{host}.test"
        self.dir = f"{ROOT}/{host}"
        self.log_name = self.dir + "/log"
        self.maildir = self.dir + "/mail/in"
        self.cert, self.key = f"{world.ca.dir}/{host}.pem", f"{world.ca.dir}/{host}.key"
        self.seen = {}

    def start(self):
        for d in ("new", "cur", "tmp"):
            os.makedirs(f"{self.maildir}/{d}")
        for d in ("", "/mail", "/mail/in", "/mail/in/new", "/mail/in/cur", "/mail/in/tmp"):
            os.chmod(self.dir + d, 0o777)
        self.launch()

        def up():
            try:
                with smtplib.SMTP(ip4(self.host), 25, timeout=5) as c:
                    return c.noop()[0] == 250
            except OSError:
                return False

        try:
            wait(self.host, 30, up)
        except Failed as e:
            raise Failed(f"{e}: {self.log()[-3000:]}") from None

    def stop(self):
        pass

    def log(self):
        return read(self.log_name)

    def send(self, rcpt, message, options=()):
        with smtplib.SMTP(ip4(self.host), 25, timeout=60, source_address=(ip4(US), 0)) as c:
            c.sendmail(self.sender, [rcpt], message, options)

    def received(self):
        """The messages that were delivered here: by their Message-ID, the header of each copy."""
        for path in glob.glob(self.maildir + "/new/*") + glob.glob(self.maildir + "/cur/*"):
            name = os.path.basename(path).split(":")[0]
            if name not in self.seen:
                with open(path, "rb") as f:
                    self.seen[name] = f.read()
        return by_id(self.seen.values())

    def notices(self):
        """What was sent to our own sender: bounces."""
        return [m for copies in self.received().values() for m in copies if m["From"] and "DAEMON" in m["From"].upper()]


def by_id(messages):
    found = {}
    for m in messages:
        m = email.message_from_bytes(m, policy=email.policy.default)
        found.setdefault(str(m["Message-ID"] or "").strip("<> \t\n"), []).append(m)
    return found


class Postfix(Peer):
    secured = {"dane": "Verified TLS connection established to ", "any": "TLS connection established to "}

    def launch(self):
        d, mine = self.dir, self.world.of(self.host)
        for sub in ("etc", "spool", "lib"):
            os.makedirs(f"{d}/{sub}")
        write(f"{d}/etc/main.cf", f"""compatibility_level = 3.6
queue_directory = {d}/spool
data_directory = {d}/lib
mail_owner = postfix
setgid_group = postdrop
myhostname = {self.name}
mydomain = {self.host}.test
myorigin = {self.host}.test
mydestination =
mynetworks = {ip4(US)}/32
inet_protocols = all
inet_interfaces = all
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_client_connection_rate_limit = 0
smtpd_tls_cert_file = {self.cert}
smtpd_tls_key_file = {self.key}
smtpd_tls_security_level = may
smtpd_tls_received_header = yes
alias_maps =
alias_database =
virtual_mailbox_domains = {' '.join(n for n in mine if not n.startswith('bounce.'))}
virtual_mailbox_base = {d}/mail
virtual_mailbox_maps = static:in/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_mailbox_limit = 0
relay_domains = bounce.{self.host}.test
relay_recipient_maps =
transport_maps = inline:{{bounce.{self.host}.test=smtp:[{ip4(REJECTING)}]}}
smtp_dns_support_level = dnssec
smtp_tls_security_level = dane
smtp_tls_CAfile = {self.world.ca.cert}
smtp_tls_loglevel = 1
smtp_host_lookup = dns
queue_run_delay = 3s
minimal_backoff_time = 3s
maximal_backoff_time = 5s
smtp_connect_timeout = 10s
smtp_connection_cache_on_demand = no
maillog_file = {self.log_name}
maillog_file_prefixes = {ROOT}
""")
        master = "/etc/postfix/master.cf"
        shutil.copy(master if os.path.exists(master) else "/usr/share/postfix/master.cf.dist", f"{d}/etc/master.cf")
        if "\npostlog" not in read(f"{d}/etc/master.cf"):
            with open(f"{d}/etc/master.cf", "a") as f:
                f.write("\npostlog unix-dgram n - n - 1 postlogd\n")
        sh("postconf", "-c", f"{d}/etc", "-F", "*/*/chroot=n")
        shutil.chown(f"{d}/lib", "postfix")
        on(self.host, "postfix", "-c", f"{d}/etc", "start")

    def stop(self):
        on(self.host, "postfix", "-c", f"{self.dir}/etc", "stop")

    def queued(self, rcpt):
        return rcpt in on(self.host, "postqueue", "-c", f"{self.dir}/etc", "-p")

    def kick(self, rcpts=()):
        on(self.host, "postqueue", "-c", f"{self.dir}/etc", "-f")

    def attempt(self, rcpt):
        """What the log says of attempts for a recipient."""
        return "\n".join(l for l in self.log().splitlines() if f"to=<{rcpt}>" in l)

    def tls(self, rcpt):
        """How TLS was verified for a recipient that was delivered: dane, pkix, any or none."""
        return self.of_process(rcpt, r"to=<%s>.*relay=.*status=sent")

    def of_process(self, rcpt, pattern):
        lines = self.log().splitlines()
        for i, l in enumerate(lines):
            if re.search(pattern % re.escape(rcpt), l):
                pid = re.search(r"smtp\[\d+\]", l)[0]
                for before in reversed(lines[:i]):
                    if pid in before and "status=" in before:
                        break
                    if pid in before and "TLS connection established" in before:
                        return next(k for k, v in self.secured.items() if v in before)
        return "none"


class Exim(Peer):
    def launch(self):
        user("Debian-exim", 10026)
        unpack(self.parts, "exim4-daemon-light", "/usr/sbin/exim4")
        for d in ("/var/spool/exim4", "/var/log/exim4", "/run/exim4"):
            os.makedirs(d, exist_ok=True)
            shutil.chown(d, "Debian-exim", "Debian-exim")
        self.log_name = "/var/log/exim4/mainlog"
        key = f"{self.dir}/key.pem"
        shutil.copy(self.key, key)
        shutil.chown(key, "Debian-exim")
        write("/etc/exim4/exim4.conf", f"""primary_hostname = {self.name}
qualify_domain = {self.host}.test
domainlist mine = {' : '.join(n for n in self.world.of(self.host) if not n.startswith('bounce.'))}
daemon_smtp_ports = 25
local_interfaces = <; {ip4(self.host)} ; {ip6(self.host)}
acl_smtp_rcpt = rcpt
tls_advertise_hosts = *
tls_certificate = {self.cert}
tls_privatekey = {key}
dns_dnssec_ok = 1
log_selector = +all
keep_environment =
never_users =
queue_run_max = 3
begin acl
rcpt:
  accept hosts = {ip4(US)}
  accept domains = +mine : bounce.{self.host}.test
  deny
begin routers
in:
  driver = accept
  domains = +mine
  transport = in
bounce:
  driver = manualroute
  domains = bounce.{self.host}.test
  route_list = * {ip4(REJECTING)}
  transport = remote
remote:
  driver = dnslookup
  transport = remote
  dnssec_request_domains = *
  no_more
begin transports
in:
  driver = appendfile
  directory = {self.maildir}
  maildir_format
  delivery_date_add
  envelope_to_add
  user = Debian-exim
remote:
  driver = smtp
  helo_data = {self.name}
  dnssec_request_domains = *
  hosts_try_dane = *
  tls_verify_certificates = {self.world.ca.cert}
  tls_try_verify_hosts = *
  connect_timeout = 10s
begin retry
* * F,2h,3s
""")
        self.process = processes.start(self.host, "/usr/sbin/exim4", "-bdf", "-q3s", log=self.dir + "/stderr")

    def queued(self, rcpt):
        return rcpt in on(self.host, "/usr/sbin/exim4", "-bp")

    def kick(self, rcpts=()):
        on(self.host, "/usr/sbin/exim4", "-qff")

    def attempt(self, rcpt):
        return "\n".join(l for l in self.log().splitlines() if rcpt in l and (" == " in l or " ** " in l)) + "\n" + self.near(rcpt)

    def near(self, rcpt):
        """Lines of messages to a recipient, by their queue id."""
        lines = self.log().splitlines()
        ids = {m[1] for l in lines if rcpt in l and (m := re.search(r"\b(\w{6}-\w{6}-\w{2})\b", l))}
        return "\n".join(l for l in lines if any(i in l for i in ids))

    def tls(self, rcpt):
        for l in self.log().splitlines():
            if re.search(rf"[-=]> {re.escape(rcpt)} .*T=remote", l):
                for word, how in ((" CV=dane", "dane"), (" CV=yes", "pkix"), (" CV=no", "any")):
                    if word in l:
                        return how
        return "none"


class OpenSMTPD(Peer):
    def launch(self):
        user("opensmtpd", 10027, "/var/lib/opensmtpd/empty")
        user("opensmtpq", 10028)
        unpack(self.parts, "opensmtpd", "/usr/sbin/smtpd", "/usr/sbin/smtpctl", "/usr/libexec/opensmtpd")
        shutil.chown("/usr/sbin/smtpctl", "root", "opensmtpq")
        os.chmod("/usr/sbin/smtpctl", 0o2755)
        os.makedirs("/var/lib/opensmtpd/empty", 0o711, exist_ok=True)
        os.makedirs("/var/spool/smtpd", 0o711, exist_ok=True)
        write("/etc/mailname", self.name + "\n")
        conf = self.dir + "/smtpd.conf"
        # As Debian has it, its server cannot do TLS: it loses the private key (OpenSSL 3).
        write(conf, f"""listen on {ip4(self.host)} port 25
listen on {ip6(self.host)} port 25
table mine {{ {', '.join(f'"{n}"' for n in self.world.of(self.host))} }}
table everybody {{ "@" = "nobody" }}
action "in" maildir "{self.maildir}" virtual <everybody>
action "remote" relay helo "{self.name}"
match from any for domain <mine> action "in"
match from src {ip4(US)} for any action "remote"
""")
        self.process = processes.start(self.host, "/usr/sbin/smtpd", "-d", "-v", "-f", conf, log=self.log_name)

    def queued(self, rcpt):
        return rcpt in on(self.host, "/usr/sbin/smtpctl", "show", "queue")

    def kick(self, rcpts=()):
        # It has status 1 when nothing is to be scheduled.
        subprocess.run(["ip", "netns", "exec", self.host, "/usr/sbin/smtpctl", "schedule", "all"], capture_output=True, timeout=20)

    def attempt(self, rcpt):
        return "\n".join(l for l in self.log().splitlines() if f"to=<{rcpt}>" in l)

    def tls(self, rcpt):
        lines = self.log().splitlines()
        for l in lines:
            if f"to=<{rcpt}>" in l and 'result="Ok"' in l:
                session = l.split()[0]
                of = "\n".join(x for x in lines if x.startswith(session))
                if "mta tls" in of or "mta server-cert-check" in of:
                    return "pkix" if 'result="verified"' in of or 'result="success"' in of else "any"
        return "none"


class Imap(imaplib.IMAP4):
    """Each connection from another of our addresses."""

    sources = itertools.cycle(range(32, 62))

    def _create_socket(self, timeout):
        return socket.create_connection((self.host, self.port), timeout, (ip4(next(self.sources)), 0))


MOX_CONF = """DataDir: ../data
LogLevel: debug
User: 10025
Hostname: {name}
DNSResolvers:
	- 127.0.0.1
TLS:
	CA:
		CertFiles:
			- ca.pem
Listeners:
	public:
		IPs:
			- {ip4}
			- {ip6}
		TLS:
			KeyCerts:
				-
					CertFile: cert.pem
					KeyFile: key.pem
		SMTP:
			Enabled: true
			FirstTimeSenderDelay: 0s
		Submission:
			Enabled: true
		IMAP:
			Enabled: true
			NoRequireSTARTTLS: true
Postmaster:
	Account: alice
	Mailbox: Postmaster
"""

ACCOUNT = """		Domain: {domain}
		NoFirstTimeSenderDelay: true
		KeepRetiredMessagePeriod: 24h
		MaxOutgoingMessagesPerDay: 1000000
		MaxFirstTimeRecipientsPerDay: 1000000
		Destinations:
"""


BOB = """		OutgoingWebhook:
			URL: {hooks}
		FromIDLoginAddresses:
			- bob@{host}.test
"""


class Mox(Peer):
    def __init__(self, world, parts, host):
        super().__init__(world, parts, host)
        self.binary = parts + "/mox"
        self.sender = f"alice@{host}.test"
        self.conf = self.dir + "/config/mox.conf"
        self.connections, self.lock = {}, threading.Lock()

    def start(self):
        write(self.conf, MOX_CONF.format(name=self.name, ip4=ip4(self.host), ip6=ip6(self.host)))
        write(self.dir + "/config/domains.conf", self.domains())
        for name, to in ((self.cert, "cert.pem"), (self.key, "key.pem"), (self.world.ca.cert, "ca.pem"), (f"{self.world.ca.dir}/{self.host}.dkim.pem", "dkim.pem")):
            shutil.copy(name, f"{self.dir}/config/{to}")
        self.launch()
        for account in ("alice", "bob", "sink"):
            self.command("setaccountpassword", account, input=lab.PASSWORD + "\n")

    def domains(self):
        mine = self.world.of(self.host)
        text = "Domains:\n"
        for d in mine:
            text += f"\t{d}:\n\t\tLocalpartCatchallSeparator: +\n"
            if d == self.host + ".test":
                text += "\t\tDKIM:\n\t\t\tSelectors:\n\t\t\t\tlab:\n\t\t\t\t\tPrivateKeyFile: dkim.pem\n\t\t\tSign:\n\t\t\t\t- lab\n"
        text += "Accounts:\n\talice:\n" + ACCOUNT.format(domain=self.host + ".test") + f"\t\t\talice@{self.host}.test: nil\n"
        text += "\tbob:\n" + BOB.format(host=self.host, hooks=bounces.HOOKS) + ACCOUNT.format(domain=self.host + ".test") + f"\t\t\tbob@{self.host}.test: nil\n"
        text += "\tsink:\n" + ACCOUNT.format(domain=self.host + ".test")
        return text + "".join(f"\t\t\tsink@{d}: nil\n" for d in mine)

    def launch(self):
        before = self.log().count("mox is serving")
        self.process = processes.start(self.host, self.binary, "-config", self.conf, "serve", log=self.log_name)
        wait("mox", 30, lambda: self.process.poll() is not None or self.log().count("mox is serving") > before)
        check(self.process.poll() is None, "mox did not start: " + self.log()[-3000:])

    def kill(self):
        """Ends it as a crash would: both its processes, at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        # The worker has the sockets too, and may take longer to go.
        wait(f"the end of {self.host}", 10, lambda: not self.listens())

    def listens(self):
        try:
            socket.create_connection((ip4(self.host), 25), 1).close()
        except OSError:
            return False
        return True

    def stop(self):
        """Stops it, and checks that all was well."""
        self.connections = {}
        self.command("-checkconsistency", "stop")
        check(self.process.wait(20) == 0, f"{self.host} ended with status {self.process.returncode}")
        bad = [l for l in self.log().splitlines() if re.search("panic|unhandled|l=error|level=error", l)]
        check(not bad, f"{self.host} logged an error: " + "\n".join(bad[:20]))

    def command(self, *args, **kw):
        return sh(self.binary, "-config", self.conf, *args, **kw)

    def submission(self, account="alice"):
        """A connection on which an account can submit mail."""
        c = smtplib.SMTP(timeout=60, local_hostname="client.test", source_address=(ip4(next(Imap.sources)), 0))
        c._host = self.name  # what the certificate is checked for
        c.connect(ip4(self.host), 587)
        c.starttls(context=ssl.create_default_context(cafile=self.world.ca.cert))
        c.login(f"{account}@{self.host}.test", lab.PASSWORD)
        return c

    def send(self, rcpt, message, options=()):
        with self.submission() as c:
            c.sendmail(self.sender, [rcpt], message, options)

    def fetch(self, account):
        """All messages of an account."""
        with self.lock:
            c = self.connections.get(account)
            if not c:
                c = self.connections[account] = Imap(ip4(self.host), timeout=30)
                c.login(f"{account}@{self.host}.test", lab.PASSWORD)
            c.noop()
            for line in c.list()[1]:
                mailbox = re.search(rb'"/" (.*)$', line)[1].decode()
                check(c.select(mailbox, readonly=True)[0] == "OK", f"no mailbox {mailbox}")
                uids = [u for u in c.uid("search", "ALL")[1][0].split() if (account, mailbox, u) not in self.seen]
                for u in uids:
                    self.seen[account, mailbox, u] = c.uid("fetch", u, "(BODY.PEEK[])")[1][0][1]
            return [m for (a, _, _), m in self.seen.items() if a == account]

    def received(self):
        return by_id(self.fetch("sink"))

    def notices(self):
        return [m for copies in by_id(self.fetch("alice")).values() for m in copies]

    def queued(self, rcpt):
        return rcpt in self.command("queue", "list", "-to", rcpt)

    def kick(self, rcpts=()):
        for rcpt in rcpts:
            self.command("queue", "schedule", "-to", rcpt, "-now", "0s")
        if not rcpts:
            self.command("queue", "schedule", "-now", "0s")

    def attempt(self, rcpt):
        return self.command("queue", "list", "-to", rcpt) + self.command("queue", "retired", "list", "-to", rcpt)

    def tls(self, rcpt):
        """As it logs it: tls=opportunistic+mtasts+dane secure=true."""
        for l in self.log().splitlines():
            if 'm="delivered"' in l and f"recipient={rcpt} " in l and "pkg=outbound" in l:
                mode, secure = re.search(r"\btls=(\S*)", l)[1], "secure=true" in l
                return ("dane" if "dane" in mode else "pkix") if secure else "any"
        return "none"
