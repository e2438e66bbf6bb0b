"""The network in which sending is tried: hosts with a network namespace each, a signed DNS,
a certificate authority, and a web server with MTA-STS policies.

The hosts are on one bridge, with IPv4 and IPv6. This process is on it as well: it plays the
client that submits mail, the boxes in the middle (boxes.py), and the web server, each by an
address of its own. Each host has its own validating resolver on its loopback address, since
only there can what it says of DNSSEC be believed.
"""
import os
import re
import shutil
import signal
import subprocess
import threading
import time

from trial import ROOT, Failed, layers, read, sh, wait, write

V4, V6 = "203.0.113.", "2001:db8:53::"
# Numbers of hosts: the end of their addresses. Boxes have 32 to 63.
HOSTS = {"mox1": 11, "mox2": 12, "postfix": 21, "exim": 22, "opensmtpd": 23, "dns": 13}
US, WEB, SINK = 1, 80, 90
PASSWORD = "interop password"


def ip4(host):
    return V4 + str(HOSTS.get(host, host))


def ip6(host):
    return V6 + str(HOSTS.get(host, host))


class Processes:
    """Those that were started, so that they can be ended."""

    def __init__(self):
        self.all = []

    def start(self, host, *args, log, **kw):
        """Starts a program on a host, its output going to a file."""
        if host:
            args = ("ip", "netns", "exec", host) + args
        with open(log, "a") as f:
            p = subprocess.Popen(args, stdout=f, stderr=f, stdin=subprocess.DEVNULL, start_new_session=True, **kw)
        self.all.append(p)
        return p

    def stop(self):
        for p in self.all:
            if p.poll() is None:
                p.send_signal(signal.SIGTERM)
        end = time.monotonic() + 5
        for p in self.all:
            try:
                p.wait(max(0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                p.kill()


processes = Processes()


def on(host, *args, **kw):
    """Runs a program on a host, to its end."""
    return sh("ip", "netns", "exec", host, *args, **kw)


def network():
    """Makes layers over what will be written to, the hosts and the bridge."""
    layers()
    write("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
    write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
    for d in ("all", "default"):  # addresses are there at once
        write(f"/proc/sys/net/ipv6/conf/{d}/accept_dad", "0")
    ip = ["link set lo up", "link add name br0 type bridge", "link set br0 up"]
    for n in [US, WEB, SINK, *range(32, 64)]:
        ip += [f"addr add {ip4(n)}/24 dev br0", f"-6 addr add {ip6(n)}/64 dev br0 nodad"]
    for line in ip:
        sh("ip", *line.split())
    for name in HOSTS:
        sh("ip", "netns", "add", name)
        for line in (f"link add {name} type veth peer name eth0 netns {name}", f"link set {name} master br0", f"link set {name} up",
                     f"-n {name} link set lo up", f"-n {name} addr add {ip4(name)}/24 dev eth0", f"-n {name} -6 addr add {ip6(name)}/64 dev eth0 nodad", f"-n {name} link set eth0 up"):
            sh("ip", *line.split())
        write(f"/etc/netns/{name}/resolv.conf", "nameserver 127.0.0.1\noptions trust-ad edns0\n")


class Authority:
    """A certificate authority. Only its own certificates are trusted in here."""

    def __init__(self):
        self.dir = ROOT + "/ca"
        os.makedirs(self.dir)
        self.cert = self.dir + "/ca.pem"
        self.key("ca")
        sh("openssl", "req", "-x509", "-key", self.dir + "/ca.key", "-days", "2", "-subj", "/CN=Interop CA", "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", self.cert)
        os.makedirs("/etc/ssl/certs", exist_ok=True)
        shutil.copy(self.cert, "/etc/ssl/certs/ca-certificates.crt")

    def key(self, name):
        sh("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{self.dir}/{name}.key")

    def issue(self, name, names):
        """Makes a certificate for DNS names: name.key, and name.pem with that of the authority."""
        path = f"{self.dir}/{name}"
        self.key(name)
        write(path + ".ext", "subjectAltName=" + ",".join("DNS:" + n for n in names) + "\nextendedKeyUsage=serverAuth,clientAuth\n")
        sh("openssl", "req", "-new", "-key", path + ".key", "-subj", "/CN=" + names[0][:60], "-out", path + ".csr")
        sh("openssl", "x509", "-req", "-in", path + ".csr", "-CA", self.cert, "-CAkey", self.dir + "/ca.key", "-CAcreateserial", "-days", "2", "-extfile", path + ".ext", "-out", path + ".crt")
        write(path + ".pem", read(path + ".crt") + read(self.cert))
        return path + ".pem", path + ".key"

    def digest(self, name):
        """The data of a TLSA record 3 1 1."""
        der = subprocess.run(f"openssl pkey -in {self.dir}/{name}.key -pubout -outform DER | sha256sum", shell=True, capture_output=True, text=True, check=True)
        return der.stdout.split()[0]

    def ca_digest(self):
        """The data of a TLSA record 2 0 1."""
        return subprocess.run(f"openssl x509 -in {self.cert} -outform DER | sha256sum", shell=True, capture_output=True, text=True, check=True).stdout.split()[0]


REVERSE4 = "113.0.203.in-addr.arpa."
REVERSE6 = "0.0.0.0.0.0.0.0.3.5.0.0.8.b.d.0.1.0.0.2.ip6.arpa."
BOGUS = "bogus.test."
HEAD = "{zone} 5 SOA ns.test. hostmaster.test. 1 60 60 3600 1\n{zone} 5 NS ns.test.\n"


class DNS:
    """Knot with a signed root of its own, the zones below it, and an unbound for each host.
    Records are lines of text. What is below bogus.test is signed with another key than the
    one that test vouches for."""

    signed = (".", "test.")
    unsigned = ("insecure.test.", REVERSE4, REVERSE6)
    bogus = (BOGUS,)
    probe = ("mox1", "mx.postfix.test.")  # a host, and a name that it can look up

    def __init__(self, records):
        self.dir = ROOT + "/dns"
        for d in ("zones", "keys", "run"):
            os.makedirs(f"{self.dir}/{d}")
        self.zones = {z: [] for z in (*self.signed, *self.unsigned, *self.bogus)}
        for line in records:
            self.add(line)
        self.reverse()

    def reverse(self):
        """Adds the names of all addresses."""
        for host, n in HOSTS.items():
            name = f"mx.{host}.test."
            self.add(f"{n}.{REVERSE4} PTR {name}")
            self.add(".".join(reversed(f"{n:0>12}")) + f".{REVERSE6} PTR {name}")
        for n in (US, WEB, SINK, *range(32, 64)):
            self.add(f"{n}.{REVERSE4} PTR box{n}.insecure.test.")
            self.add(f"box{n}.insecure.test. A {ip4(n)}")
            self.add(".".join(reversed(f"{n:0>12}")) + f".{REVERSE6} PTR box{n}.insecure.test.")
            self.add(f"box{n}.insecure.test. AAAA {ip6(n)}")
        self.add(f"ns.test. A {ip4('dns')}")

    def add(self, line):
        owner = line.split()[0]
        zone = self.zone(owner, self.zones)
        name, rest = line.split(None, 1)
        self.zones[zone].append(f"{name} 5 {rest}")

    def zone(self, name, zones):
        """The one of zones that a name is in."""
        return max((z for z in zones if z == "." or name == z or name.endswith("." + z)), key=len)

    def parent(self, zone):
        return self.zone(zone, [z for z in self.zones if z != zone])

    def start(self):
        conf = f"""server:
  listen: {ip4('dns')}@53
  rundir: {self.dir}/run
database:
  storage: {self.dir}/keys
log:
  - target: stderr
    any: info
policy:
  - id: lab
    algorithm: ecdsap256sha256
    single-type-signing: on
    ksk-lifetime: 0
    nsec3: on
zone:
"""
        for z in self.zones:
            conf += f"  - domain: {z}\n    file: {self.dir}/zones/{z}zone\n    zonefile-sync: -1\n    journal-content: all\n    zonefile-load: difference\n"
            if z in (*self.signed, *self.bogus):
                conf += "    dnssec-signing: on\n    dnssec-policy: lab\n"
        write(self.dir + "/knot.conf", conf)
        anchor = self.trust()
        for z in self.zones:
            if z != ".":
                self.zones[self.parent(z)].append(f"{z} 5 NS ns.test.")
        self.zones["."].append(f"ns.test. 5 A {ip4('dns')}")
        for z in self.zones:
            self.save(z)
        self.knot = processes.start("dns", "knotd", "-c", self.dir + "/knot.conf", log=self.dir + "/knot.log")
        self.resolvers(anchor)
        try:
            wait("DNS", 20, lambda: self.secure(*self.probe))
        except Failed as e:
            raise Failed(f"{e}: " + self.ask(*self.probe, "A")) from None

    def save(self, zone):
        write(f"{self.dir}/zones/{zone}zone", "\n".join([HEAD.format(zone=zone), *self.zones[zone], ""]))

    def trust(self):
        """Makes keys and the DS records of zones below; returns the trust anchor."""
        anchor = ""
        for z in (*self.signed, *self.bogus):
            sh("keymgr", "-c", self.dir + "/knot.conf", z, "generate", "algorithm=ecdsap256sha256", "ksk=yes", "zsk=yes")
            ds = [l for l in sh("keymgr", "-c", self.dir + "/knot.conf", z, "ds").splitlines() if " 13 2 " in l][0]
            _, _, *data = ds.split()
            if z in self.bogus:  # the digest of no key
                data[-1] = "0" * 64
            if z == ".":
                anchor = f". DS {' '.join(data)}"
            else:
                self.zones[self.parent(z)].append(f"{z} 5 DS {' '.join(data)}")
        return anchor

    def resolvers(self, anchor):
        write(self.dir + "/hints", f". 3600 NS ns.test.\nns.test. 3600 A {ip4('dns')}\n")
        write(self.dir + "/unbound.conf", f"""server:
  interface: 127.0.0.1
  interface: ::1
  access-control: 0.0.0.0/0 allow
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{self.dir}"
  pidfile: ""
  use-syslog: no
  logfile: ""
  verbosity: 1
  val-log-level: 2
  num-threads: 1
  module-config: "validator iterator"
  trust-anchor: "{anchor}"
  root-hints: "{self.dir}/hints"
  cache-max-ttl: 2
  cache-max-negative-ttl: 1
  do-not-query-localhost: no
  local-zone: "test." nodefault
  local-zone: "{REVERSE4}" nodefault
  local-zone: "8.b.d.0.1.0.0.2.ip6.arpa." nodefault
remote-control:
  control-enable: no
""")
        sh("unbound-checkconf", self.dir + "/unbound.conf")
        for host in HOSTS:
            if host != "dns":
                processes.start(host, "unbound", "-d", "-c", self.dir + "/unbound.conf", log=f"{self.dir}/unbound-{host}.log")

    def ask(self, host, name, kind):
        """What the resolver of a host says, as kdig shows it."""
        p = subprocess.run(["ip", "netns", "exec", host, "kdig", "+dnssec", "+time=2", "+retry=1", "@127.0.0.1", name, kind], capture_output=True, text=True, timeout=20)
        return p.stdout

    def secure(self, host, name, kind="A"):
        """Whether the answer is one that was validated."""
        return bool(re.search(r"Flags:[^;]* ad\b", self.ask(host, name, kind)))


def policies(ca, by_name):
    """The web server of MTA-STS policies, RFC 8461 3.3. by_name has, for the name of each
    policy host, the policy and whether the certificate is right for it."""
    import http.server
    import socketserver
    import ssl

    asked = []
    good, other = (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for _ in range(2))
    good.load_cert_chain(*ca.issue("web", list(by_name)))
    other.load_cert_chain(*ca.issue("otherweb", ["www.insecure.test"]))

    def choose(sock, name, _):
        sock.context = good if name in by_name and by_name[name][1] else other

    good.sni_callback = choose

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self):
            host = self.headers.get("Host", "").split(":")[0]
            asked.append(host)
            if self.path != "/.well-known/mta-sts.txt" or host not in by_name:
                self.send_error(404)
                return
            body = by_name[host][0].replace("\n", "\r\n").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
        daemon_threads = True

        def get_request(self):
            s, addr = super().get_request()
            s.settimeout(10)
            return s, addr

        def finish_request(self, request, addr):
            try:
                super().finish_request(good.wrap_socket(request, server_side=True), addr)
            except OSError:
                pass

        def handle_error(self, *_):
            pass

    server = Server((ip4(WEB), 443), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return asked
