"""From an empty machine to trusted mail, as a person would do it; see ../e2e.sh. Each step is a
case, in the order of the person's work. Argument: the directory with the mox binary. With
$INTEROP_LOGS, a directory, the logs are kept there."""
import email
import email.policy
import glob
import imaplib
import json
import os
import re
import shutil
import smtplib
import socket
import ssl
import subprocess
import sys
import time

import lab

lab.HOSTS = {"vps": 11, "postfix": 21, "dns": 13, "ca": 14}  # before others take them

import peers
from lab import US, ip4, ip6, on, processes
from trial import ROOT, Failed, Trial, check, read, sh, wait, write

parts = sys.argv[1]
trial = Trial("e2e-")
DOMAIN, HOST = "example.test", "mail.example.test"
ADDRESS = "you@" + DOMAIN
ACME = "acme-v02.api.letsencrypt.org"
HOME = ROOT + "/home"
MOX = HOME + "/mox"


class DNS(lab.DNS):
    """The world's DNS. The zone of the domain is signed, and has at first what every machine has
    from its provider: its name and its addresses."""

    signed = (".", "test.", "com.", "org.", DOMAIN + ".")
    unsigned = (lab.REVERSE4, lab.REVERSE6)
    bogus = ()
    probe = ("vps", HOST + ".")

    def reverse(self):
        names = {"vps": HOST, "postfix": "mx.postfix.test", "dns": "ns.test", "ca": ACME}
        for host, name in names.items():
            n = lab.HOSTS[host]
            self.add(f"{name}. A {ip4(host)}")
            self.add(f"{name}. AAAA {ip6(host)}")
            self.add(f"{n}.{lab.REVERSE4} PTR {name}.")
            self.add(".".join(reversed(f"{n:0>12}")) + f".{lab.REVERSE6} PTR {name}.")

    def include(self, zone, path):
        """Has a file with records in a zone, as it is."""
        self.zones[zone] = ["$INCLUDE " + path]  # it has the addresses as well
        self.save(zone)
        text = read(f"{self.dir}/zones/{zone}zone").replace(" 1 60 60 3600 1\n", " 1000 60 60 3600 1\n", 1)
        write(f"{self.dir}/zones/{zone}zone", text)
        sh("kzonecheck", "-o", zone, f"{self.dir}/zones/{zone}zone")
        on("dns", "knotc", "-c", self.dir + "/knot.conf", "zone-reload", zone)


class World:
    """What Postfix is told of the world."""

    def __init__(self):
        self.ca = lab.Authority()

    def of(self, host):
        return [host + ".test"]


class Postfix(peers.Postfix):
    """Postfix as others have it: it verifies by DANE, and has OpenDKIM and OpenDMARC look at
    what comes in."""

    def launch(self):
        super().launch()
        d = self.dir
        # Its resolver is a library, to which test. is nothing that anybody could have.
        write(d + "/resolver.conf", 'server:\n  local-zone: "test." nodefault\n  do-not-query-localhost: no\nforward-zone:\n  name: "."\n  forward-addr: 127.0.0.1\n')
        write(d + "/opendkim.conf", f"ResolverConfiguration {d}/resolver.conf\nMode v\nSocket inet:8891@127.0.0.1\nSyslog no\nUserID root\nBackground no\nAuthservID {self.name}\n")
        write(d + "/opendmarc.conf", f"Socket inet:8893@127.0.0.1\nSyslog no\nUserID root\nBackground no\nAuthservID {self.name}\nTrustedAuthservIDs {self.name}\nSPFIgnoreResults true\nSPFSelfValidate true\nRejectFailures true\n")
        processes.start(self.host, "opendkim", "-f", "-x", d + "/opendkim.conf", log=d + "/opendkim.log")
        processes.start(self.host, "opendmarc", "-f", "-c", d + "/opendmarc.conf", log=d + "/opendmarc.log")
        for port in (8891, 8893):
            wait(f"milter on port {port}", 20, lambda: f":{port} " in on(self.host, "ss", "-ltnH"))
        on(self.host, "postconf", "-c", d + "/etc", "smtpd_milters=inet:127.0.0.1:8891,inet:127.0.0.1:8893", "milter_default_action=tempfail",
           f"smtp_tls_CAfile={ROOT}/roots.pem")
        on(self.host, "postfix", "-c", d + "/etc", "reload")


def resolve(host, *args, real=socket.getaddrinfo, **kw):
    """This process is not on a host that has a resolver."""
    return real(ip4("vps") if host == HOST else host, *args, **kw)


socket.getaddrinfo = resolve


class Browser:
    """Somebody elsewhere who has logged in to pages, and trusts the authority only."""

    def __init__(self, path, cookie, password):
        self.base = f"https://{HOST}{path}"
        self.csrf = "-Hx-mox-csrf: none"
        jar = ROOT + "/" + cookie
        self.curl = ("curl", "-sS", "--cacert", ROOT + "/roots.pem", "-b", jar, "-c", jar)
        page = self.get(self.base)
        check("<script" in page and 'lang="en"' in page, page)
        token = self.call("LoginPrep")["Token"]
        self.csrf = "-Hx-mox-csrf: " + self.call("Login", Token=token, Username=ADDRESS, Password=password)["CSRFToken"]
        check(re.search(rf"^#HttpOnly_{re.escape(HOST)}\tFALSE\t{path}\tTRUE\t\d+\t{cookie}\t", read(jar), re.M), read(jar))

    def get(self, *args):
        return on("postfix", *self.curl, "--fail-with-body", *args)

    def call(self, function, **request):
        return self.post("api/" + function, request)

    def post(self, path, request):
        return json.loads(self.get("--json", json.dumps(request), self.csrf, self.base + path))


class JMAP:
    """The JMAP of the webmail."""

    def __init__(self, browser):
        self.browser = browser
        session = json.loads(browser.get(browser.csrf, browser.base + "api/jmap/session"))
        self.account = session["primaryAccounts"]["urn:ietf:params:jmap:mail"]
        self.using = sorted(session["capabilities"])

    def call(self, method, **args):
        answer = self.browser.post("api/jmap/api", {"using": self.using, "methodCalls": [[method, {"accountId": self.account, **args}, "c"]]})
        name, result, _ = answer["methodResponses"][0]
        check(name == method, str(answer))
        return result


class Person:
    """Who sets up a mail server, on a machine that has nothing yet."""

    def __init__(self):
        self.started = time.monotonic()

    def network(self):
        lab.network()
        write("/etc/netns/vps/hostname", "mail\n")
        self.world = World()
        self.dns = DNS([
            "postfix.test. MX 10 mx.postfix.test.", f'postfix.test. TXT "v=spf1 ip4:{ip4("postfix")} ip6:{ip6("postfix")} -all"', '_dmarc.postfix.test. TXT "v=DMARC1; p=none"',
            f'_25._tcp.mx.postfix.test. TLSA 3 1 1 {self.postfix_key()}',
            "gmail.com. MX 10 mx.postfix.test.",
        ])
        self.dns.start()

    def postfix_key(self):
        self.world.ca.issue("postfix", ["mx.postfix.test"])
        return self.world.ca.digest("postfix")

    def authority(self):
        """Pebble, which nginx shows at the name and path of Let's Encrypt."""
        d = ROOT + "/pebble"
        cert, key = self.world.ca.issue("acme", [ACME])
        write(d + "/config.json", json.dumps({"pebble": {
            "listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000", "certificate": cert, "privateKey": key,
            "httpPort": 80, "tlsPort": 443, "ocspResponderURL": "", "externalAccountBindingRequired": False}}))
        write(d + "/nginx.conf", f"""pid {d}/nginx.pid;
error_log {d}/nginx.log;
events {{}}
http {{
	access_log off;
	client_body_temp_path {d}/body;
	proxy_temp_path {d}/proxy;
	fastcgi_temp_path {d}/f; uwsgi_temp_path {d}/u; scgi_temp_path {d}/s;
	server {{
		listen 443 ssl;
		listen [::]:443 ssl;
		server_name {ACME};
		ssl_certificate {cert};
		ssl_certificate_key {key};
		proxy_set_header Host $host;
		location = /directory {{ proxy_pass https://127.0.0.1:14000/dir; }}
		location / {{ proxy_pass https://127.0.0.1:14000; }}
	}}
}}
""")
        env = {**os.environ, "PEBBLE_VA_SLEEPTIME": "1"}
        processes.start("ca", "pebble", "-config", d + "/config.json", "-dnsserver", "127.0.0.1:53", log=d + "/log", env=env)
        processes.start("ca", "nginx", "-g", "daemon off;", "-c", d + "/nginx.conf", log=d + "/nginx.out")
        fetch = ["ip", "netns", "exec", "ca", "curl", "-sk", "https://127.0.0.1:15000/roots/0"]
        root = wait("Pebble", 20, lambda: (p := subprocess.run(fetch, capture_output=True, text=True).stdout) and "BEGIN CERTIFICATE" in p and p)
        write(ROOT + "/roots.pem", root + read(self.world.ca.cert))
        shutil.copy(ROOT + "/roots.pem", "/etc/ssl/certs/ca-certificates.crt")
        self.tls = ssl.create_default_context(cadata=root)

    def others(self):
        self.postfix = Postfix(self.world, parts, "postfix")
        self.postfix.start()

    def mox(self, *args, **kw):
        return on("vps", MOX, *args, cwd=HOME, timeout=kw.pop("timeout", 120), **kw)

    def quickstart(self):
        """As the page says: an empty directory, the binary, one command."""
        os.makedirs(HOME)
        shutil.copy(parts + "/mox", MOX)
        start = time.monotonic()
        text = self.mox("quickstart", "-hostname", HOST, ADDRESS)
        check(time.monotonic() - start < 60, "quickstart took more than a minute")
        self.log = read(HOME + "/quickstart.log")
        for found in re.findall(r"^(?:WARNING|PROBLEM|ERROR) .*", text, re.M):
            # What a network without the rest of the world cannot have.
            check(re.search(r"Age of|Clock|RDAP|Open files|Domain registered|Memory|domain", found), "\n".join(text.split("# Files")[0].splitlines()))
        self.password = re.search(rf"^For {re.escape(ADDRESS)}, in mail programs[^:\n]*:\n\n    (\S+)$", text, re.M)[1]
        self.mox("config", "test")
        user = re.search(r"^ *(?:-> )?(useradd .*mox)$", self.log, re.M)
        check(user, "no word of the user: " + text)
        sh(*user[1].split())
        again = subprocess.run(["ip", "netns", "exec", "vps", MOX, "quickstart", "-hostname", HOST, ADDRESS], cwd=HOME, capture_output=True, text=True, timeout=60)
        check(again.returncode == 1 and read(HOME + "/quickstart.log") == self.log, f"run again: {again.stdout}{again.stderr}")
        return f"{time.monotonic() - start:.1f} s"

    def records(self):
        """The zone text that was printed goes to the name server, unchanged."""
        zone = re.search(r"^; --- zone begins ---\n(.*?)^; --- zone ends ---", self.log, re.M | re.S)
        check(zone, "no zone in the log")
        write(ROOT + "/printed.zone", zone[1])
        self.dns.include(DOMAIN + ".", ROOT + "/printed.zone")
        wait("the records", 30, lambda: "3 1 1" in on("vps", "kdig", "+short", "@127.0.0.1", f"_25._tcp.{HOST}", "TLSA") and self.dns.secure("vps", f"_25._tcp.{HOST}.", "TLSA"))
        # The authority's resolver has not had to do with the domain yet; after a validation that found no address in time
        # the server would leave it in peace for a quarter of an hour.
        for name in (HOST, "autoconfig." + DOMAIN, "mta-sts." + DOMAIN):
            for kind in ("A", "AAAA", "CAA"):
                wait(f"{kind} of {name} at the authority", 60, lambda: "status: NOERROR" in subprocess.run(
                    ["ip", "netns", "exec", "ca", "kdig", "+timeout=10", "@127.0.0.1", name, kind], capture_output=True, text=True).stdout)
        records = [l for l in zone[1].splitlines() if l[:1].isalnum() or l.startswith("_")]
        return f"{len(records)} records"

    def serve(self):
        """What the unit of systemd runs."""
        unit = read(HOME + "/mox.service")
        start = re.search(r"^ExecStart=(.*)$", unit, re.M)[1].replace('"', "").split()
        self.process = processes.start("vps", *start, log=HOME + "/log", cwd=HOME)
        wait("mox", 30, lambda: "mox is serving" in read(HOME + "/log") or self.process.poll() is not None)
        check(self.process.poll() is None, "mox ended: " + read(HOME + "/log")[-2000:])

        def certificates():
            have = {c["Names"][0] for c in json.loads(self.mox("certificates", "list", "-json")) if c.get("NotAfter") and c["NotAfter"][0] != "0"}
            time.sleep(1)
            return {HOST, "autoconfig." + DOMAIN} <= have and have
        have = wait("certificates", 240, certificates)  # a name is looked at again after two minutes
        users = sorted(self.users())
        check(len(users) == 2 and users[0] == "0", f"users of the processes: {users}")
        return f"certificates of {', '.join(sorted(have))}"

    def users(self):
        """Ids of the users as which processes of mox run."""
        found = set()
        for p in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{p}/exe") == MOX:
                    found.add(re.search(r"^Uid:\s+(\d+)", read(f"/proc/{p}/status"), re.M)[1])
            except OSError:  # it has ended
                pass
        return found

    def dnscheck(self):
        """All records are right, and what they lead to answers."""
        found = self.mox("config", "dnscheck", DOMAIN)
        check("# " not in found, found)

    def discovery(self):
        """Mail programs find everything by the address."""
        def get(host, path):
            return on("postfix", "curl", "-sS", "--fail", "--cacert", ROOT + "/roots.pem", f"https://{host}{path}")
        xml = get("autoconfig." + DOMAIN, "/mail/config-v1.1.xml?emailaddress=" + ADDRESS)
        check(f"<hostname>{HOST}</hostname>" in xml and "993" in xml, xml)
        policy = get("mta-sts." + DOMAIN, "/.well-known/mta-sts.txt")
        check("mode: enforce" in policy and f"mx: {HOST}" in policy, policy)

    def pages(self):
        """The user logs in to the account page from elsewhere, with the certificate that was issued."""
        b = Browser("/", "webaccountsession", self.password)
        account = b.call("Account")
        check(account["LoginAddress"] == ADDRESS and ADDRESS in account["Addresses"], str(account))
        settings = b.call("ClientConfig")
        check(HOST in json.dumps(settings) and "993" in json.dumps(settings), str(settings))
        b.call("Logout")
        refused = on("postfix", *b.curl, "--json", "{}", b.csrf, b.base + "api/Account")
        check(json.loads(refused)["Code"].startswith("user:"), refused)

    def receive(self):
        """Mail from elsewhere comes in over TLS that DANE has verified, and is read."""
        self.postfix.send(ADDRESS, f"From: friend@postfix.test\r\nTo: {ADDRESS}\r\nSubject: welcome\r\nMessage-ID: <welcome@postfix.test>\r\nDate: {email.utils.formatdate()}\r\n\r\nGood to hear of you.\r\n".encode())
        wait("delivery", 60, lambda: "status=" in self.postfix.attempt(ADDRESS) and ("status=sent" in self.postfix.attempt(ADDRESS) or self.kick()))
        check(self.postfix.tls(ADDRESS) == "dane", "TLS was not verified by DANE: " + self.postfix.log()[-3000:])
        m = wait("the message", 20, lambda: self.find("welcome"))
        results = m["Authentication-Results"]
        check("spf=pass" in results and "dmarc=" in results, results)

    def kick(self):
        self.postfix.kick()
        time.sleep(1)

    def find(self, subject):
        """The newest message with a subject, by IMAP with the certificate that was issued."""
        with imaplib.IMAP4_SSL(HOST, ssl_context=self.tls) as c:
            c.login(ADDRESS, self.password)
            for box in ("INBOX", "Rejects", "Junk"):
                if c.select(box, readonly=True)[0] != "OK":
                    continue
                found = c.search(None, "SUBJECT", subject)[1][0].split()
                if found:
                    check(box == "INBOX", f"the message is in {box}: " + str(c.fetch(found[-1], "(RFC822.HEADER)")))
                    return email.message_from_bytes(c.fetch(found[-1], "(RFC822)")[1][0][1], policy=email.policy.default)

    def reply(self):
        """The answer arrives there with DKIM, SPF and DMARC passed."""
        to = "friend@postfix.test"
        with smtplib.SMTP_SSL(HOST, 465, context=self.tls, timeout=30) as c:
            c.login(ADDRESS, self.password)
            c.sendmail(ADDRESS, [to], f"From: {ADDRESS}\r\nTo: {to}\r\nSubject: Re: welcome\r\nIn-Reply-To: <welcome@postfix.test>\r\nMessage-ID: <reply@{DOMAIN}>\r\n\r\nThank you!\r\n".encode())
        self.passed("reply@" + DOMAIN)

    def passed(self, id):
        """Waits for a message from us at Postfix, and sees that it passed."""
        m = wait("the reply", 60, lambda: self.postfix.received().get(id))[0]
        results = " ".join(m.get_all("Authentication-Results", []))
        for want in ("dkim=pass", "spf=pass", "dmarc=pass"):
            check(want in results, f"{want} is not in {results}\n{m}")
        check("TLSv1.3" in str(m.get_all("Received")), str(m.get_all("Received")))

    def webmail(self):
        """The user reads the mail in the webmail, from elsewhere, with the certificate that was issued, and answers it there."""
        b = Browser("/webmail/", "webmailsession", self.password)
        j = JMAP(b)
        mailboxes = {m["role"]: m["id"] for m in j.call("Mailbox/get", ids=None)["list"]}
        found = j.call("Email/query", filter={"inMailbox": mailboxes["inbox"], "subject": "welcome"})["ids"]
        check(len(found) == 1, str(found))
        mail = j.call("Email/get", ids=found, properties=["messageId", "subject", "from", "bodyValues", "textBody"], fetchTextBodyValues=True)["list"][0]
        text = "".join(v["value"] for v in mail["bodyValues"].values())
        check("Good to hear of you." in text and mail["messageId"] == ["welcome@postfix.test"], str(mail))
        frame = b.get(b.base + f"api/html?email={found[0]}&images=0")
        check("Good to hear of you." in frame and "<script" not in frame, frame)
        identity = next(i["id"] for i in j.call("Identity/get", ids=None)["list"] if i["email"] == ADDRESS)
        draft = {"mailboxIds": {mailboxes["drafts"]: True}, "keywords": {"$draft": True, "$seen": True}, "from": [{"email": ADDRESS}], "to": mail["from"],
                 "subject": "Re: welcome", "inReplyTo": mail["messageId"], "references": mail["messageId"], "messageId": ["webmail@" + DOMAIN],
                 "textBody": [{"partId": "1", "type": "text/plain"}], "bodyValues": {"1": {"value": "Grüße aus dem Browser."}}}
        made = j.call("Email/set", create={"d": draft})
        check("d" in (made["created"] or {}), str(made))
        sent = j.call("EmailSubmission/set", create={"s": {"emailId": made["created"]["d"]["id"], "identityId": identity}},
                      onSuccessUpdateEmail={"#s": {f"mailboxIds/{mailboxes['drafts']}": None, f"mailboxIds/{mailboxes['sent']}": True, "keywords/$draft": None}})
        check("s" in (sent["created"] or {}), str(sent))
        self.passed("webmail@" + DOMAIN)
        check(j.call("Email/query", filter={"inMailbox": mailboxes["sent"]})["ids"] == [made["created"]["d"]["id"]], "it is not in Sent")
        b.call("Logout")

    def stop(self):
        self.mox("check")
        self.mox("stop")
        check(self.process.wait(10) == 0, f"status {self.process.returncode}")
        out = on("vps", "setpriv", "--reuid=mox", "--regid=mox", "--clear-groups", MOX, "verifydata", "data", cwd=HOME)
        check("OK" in out, out)
        minutes = (time.monotonic() - self.started) / 60
        check(minutes < 10, f"{minutes:.1f} minutes")
        return f"{minutes:.1f} minutes in all"


def keep():
    to = os.environ.get("INTEROP_LOGS")
    if to:
        for path in glob.glob(ROOT + "/*/*log") + glob.glob(ROOT + "/*/log") + glob.glob(HOME + "/config/*.conf"):
            dest = f"{to}/e2e/{os.path.relpath(path, ROOT)}"
            os.makedirs(os.path.dirname(dest), exist_ok=True)
            shutil.copy(path, dest)


def main():
    you = Person()
    try:
        for step in ("network", "authority", "others", "quickstart", "records", "serve", "dnscheck", "discovery", "pages", "receive", "reply", "webmail", "stop"):
            if not trial.run(step, getattr(you, step)):
                break
    finally:
        keep()
        processes.stop()


main()
