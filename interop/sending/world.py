"""The domains that mail is sent to, and what is special about each.

For the hosts postfix and mox2 there is one domain for each condition, below HOST.test, which
is signed, or HOST.insecure.test, which is not, so that DANE is not for it. All of them are
taken in by that host, unless the condition is against it.
"""

import bounces
import boxes
import lab
from lab import HOSTS, ip4, ip6
from trial import sh

NOBODY = 63  # an address where nothing listens
REJECTING = 62
SPF = f"v=spf1 ip4:{lab.V4}0/24 ip6:{lab.V6}/64 -all"


class Domain:
    """A name, the host that takes its mail, and the names of its servers, which its
    certificate has."""

    def __init__(self, name, host):
        self.name, self.host, self.box, self.certified = name, host, None, []


class World:
    def __init__(self):
        self.records, self.domains, self.policies, self.boxes = [], {}, {}, {}
        self.next_box = 32
        self.digests = {}

    def domain(self, name, host):
        d = self.domains[name] = Domain(name, host)
        self.records += [f'{name}. TXT "{SPF}"', f'_dmarc.{name}. TXT "v=DMARC1; p=none"']
        return d

    def mx(self, d, host_name=None, pref=10, v4=None, v6=None, tlsa=None, certified=True):
        """Adds a mail server to a domain: by default its host, with both addresses."""
        host_name = host_name or "mx." + d.name
        if v4 is None and v6 is None:
            v4, v6 = ip4(d.host), ip6(d.host)
        self.records.append(f"{d.name}. MX {pref} {host_name}.")
        if v4:
            self.records.append(f"{host_name}. A {v4}")
        if v6:
            self.records.append(f"{host_name}. AAAA {v6}")
        if tlsa:
            self.records.append((host_name, tlsa, d.host))
        if certified:
            d.certified.append(host_name)
        return d

    def box(self, d, kind, *args):
        """Puts a box before the host of a domain; returns its address."""
        d.box = self.boxes[d.name] = kind(self.next_box, ip4(d.host), *args)
        self.next_box += 1
        return d.box.ip

    def policy(self, d, mode, mx=None, good=True):
        """Publishes an MTA-STS policy."""
        self.records += [f'_mta-sts.{d.name}. TXT "v=STSv1; id=1"', f"mta-sts.{d.name}. A {ip4(lab.WEB)}"]
        self.policies["mta-sts." + d.name] = (f"version: STSv1\nmode: {mode}\nmx: {mx or 'mx.' + d.name}\nmax_age: 86400\n", good)
        return d

    def define(self):
        for host in HOSTS:
            if host != "dns":
                self.mx(self.domain(host + ".test", host), tlsa=host != "opensmtpd" and "right")
        self.mx(self.domain("bounce.postfix.test", "postfix"), "mx.postfix.test", v4="", v6="")
        self.mx(self.domain("bounce.exim.test", "exim"), "mx.exim.test", v4="", v6="")
        for host in ("postfix", "mox2"):
            self.signed(host, host + ".test")
            self.insecure(host, host + ".insecure.test")
        for n in range(10):
            d = self.domain(f"k{n}.insecure.test", "sink")
            self.mx(d, "mx.sink.insecure.test", v4=ip4(lab.SINK) if n == 0 else "", v6="")

    def signed(self, host, below):
        mx, domain = self.mx, lambda kind: self.domain(f"{kind}.{below}", host)
        mx(domain("wrongtlsa"), tlsa="wrong")
        mx(domain("anchor"), tlsa="anchor")
        d = domain("fallback")
        mx(mx(d, "mx1." + d.name, tlsa="wrong"), "mx2." + d.name, 20, tlsa="right")
        d = domain("danestrip")
        mx(d, v4=self.box(d, boxes.Speaking), tlsa="right")
        mx(domain("v6"), v6=ip6(host), tlsa="right")
        d = domain("twomx")
        mx(mx(d, "mx1." + d.name, v4=ip4(NOBODY)), "mx2." + d.name, 20)
        self.records.append(f"{domain('null').name}. MX 0 .")
        d = domain("nomx")
        self.records.append(f"{d.name}. A {ip4(host)}")
        mx(self.domain(host + ".bogus.test", host), tlsa="right")

    def insecure(self, host, below):
        mx, domain, policy = self.mx, lambda kind: self.domain(f"{kind}.{below}", host), self.policy
        # The certificate is for other names, which does not matter without a policy.
        mx(self.domain(below, host), certified=False)
        d = domain("strip")
        mx(d, v4=self.box(d, boxes.Speaking))
        policy(mx(domain("sts")), "enforce")
        policy(mx(domain("stsbad"), certified=False), "enforce")
        policy(mx(domain("stsmx")), "enforce", mx="other.example.test")
        policy(mx(domain("ststest"), certified=False), "testing")
        policy(mx(domain("stsgone"), certified=False), "enforce", good=False)
        d = policy(domain("stsstrip"), "enforce")
        mx(d, v4=self.box(d, boxes.Speaking))
        for kind, box, *args in (("busy", boxes.Busy, b"RCPT"), ("busydata", boxes.Busy, b"DATA"), ("cutdata", boxes.CutData), ("cutfinal", boxes.CutFinal), ("late", boxes.Late)):
            d = domain(kind)
            mx(d, v4=self.box(d, box, *args))

    def certificates(self, ca):
        """Issues those of hosts, and fills in the TLSA records."""
        self.ca = ca
        ca.key("other")
        for host in HOSTS:
            names = [n for d in self.domains.values() if d.host == host for n in d.certified]
            if names:
                ca.issue(host, list(dict.fromkeys(names)))
        for i, r in enumerate(self.records):
            if isinstance(r, tuple):
                name, kind, host = r
                data = {"right": lambda: "3 1 1 " + ca.digest(host), "wrong": lambda: "3 1 1 " + ca.digest("other"), "anchor": lambda: "2 0 1 " + ca.ca_digest()}[kind]()
                self.records[i] = f"_25._tcp.{name}. TLSA {data}"

    def of(self, host):
        """The names of the domains of a host."""
        return [d.name for d in self.domains.values() if d.host == host]

    def start(self):
        lab.network()
        self.define()
        self.certificates(lab.Authority())
        for name in ("mox1", "mox2"):
            self.records.append(self.dkim(name))
        self.dns = lab.DNS(self.records)
        self.dns.start()
        self.asked = lab.policies(self.ca, self.policies)
        for b in self.boxes.values():
            b.start()
        boxes.Rejecting(REJECTING).start()
        self.hooks = bounces.Hooks()

    def dkim(self, host):
        """Makes a key, and its record."""
        path = f"{self.ca.dir}/{host}.dkim.pem"
        sh("openssl", "genpkey", "-algorithm", "ed25519", "-out", path)
        public = sh("sh", "-c", f"openssl pkey -in {path} -pubout -outform DER | tail -c 32 | base64").strip()
        return f'lab._domainkey.{host}.test. TXT "v=DKIM1; k=ed25519; p={public}"'


