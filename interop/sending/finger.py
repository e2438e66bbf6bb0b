"""That the network is what it is said to be, as seen by other programs than mox: signed and
unsigned names, TLSA records and certificates by posttls-finger, policies by Python."""
import http.client
import socket
import ssl
import subprocess
import urllib.error
import urllib.request

from lab import WEB, ip4
from trial import ROOT, check


def dnssec(world):
    dns = world.dns
    for name, kind in (("mox2.test.", "MX"), ("mx.mox2.test.", "AAAA"), ("_25._tcp.mx.mox2.test.", "TLSA"), ("none.test.", "A")):
        check(dns.secure("mox1", name, kind), f"{kind} of {name} is not secure: " + dns.ask("mox1", name, kind))
    for name, kind in (("sts.mox2.insecure.test.", "MX"), ("mx.mox2.insecure.test.", "A"), ("11.113.0.203.in-addr.arpa.", "PTR")):
        answer = dns.ask("mox1", name, kind)
        check("NOERROR" in answer and not dns.secure("mox1", name, kind), f"{kind} of {name}: {answer}")
    check("SERVFAIL" in dns.ask("mox1", "mox2.bogus.test.", "MX"), "what is bogus was answered")


def finger(*args):
    p = subprocess.run(["ip", "netns", "exec", "postfix", "env", f"MAIL_CONFIG={ROOT}/postfix/etc", "posttls-finger", "-c", "-T", "10", "-L", "summary", *args], capture_output=True, text=True, timeout=40)
    return p.stdout + p.stderr


def tlsa(world):
    """Who has the right record, a wrong one, and one for the authority."""
    for domain, want in (("mox1.test", "Verified"), ("mox2.test", "Verified"), ("exim.test", "Verified"), ("anchor.mox2.test", "Verified"), ("v6.mox2.test", "Verified"), ("wrongtlsa.mox2.test", "")):
        out = finger("-l", "dane-only", domain)
        check(("Verified TLS connection established" in out) == (want == "Verified"), f"{domain}: {out}")
    out = finger("-l", "dane", "danestrip.mox2.test")
    check("TLS connection established" not in out, out)


def certificates(world):
    """By names and the authority."""
    for domain, want in (("sts.mox2.insecure.test", True), ("stsbad.mox2.insecure.test", False)):
        out = finger("-l", "verify", "-F", world.ca.cert, domain, "nexthop", "hostname")
        check(("Verified TLS connection established" in out) == want, f"{domain}: {out}")


def policies(world):
    for host, (text, good) in world.policies.items():
        context = ssl.create_default_context(cafile=world.ca.cert)
        try:
            with opener(context).open(f"https://{host}/.well-known/mta-sts.txt", timeout=10) as r:
                check(r.read().decode().splitlines() == text.splitlines() and good, f"policy of {host}")
        except urllib.error.URLError as e:
            check(not good and "certificate" in str(e), f"{host}: {e}")


def opener(context):
    """Connects to the web server whatever the name is: this process asks no resolver."""
    class Connection(http.client.HTTPSConnection):
        def connect(self):
            self.sock = context.wrap_socket(socket.create_connection((ip4(WEB), 443), timeout=10), server_hostname=self.host)

    class Handler(urllib.request.HTTPSHandler):
        def https_open(self, req):
            return self.do_open(Connection, req)

    return urllib.request.build_opener(urllib.request.ProxyHandler({}), Handler())


CASES = [("lab-dnssec", dnssec), ("lab-tlsa", tlsa), ("lab-certificates", certificates), ("lab-policies", policies)]
