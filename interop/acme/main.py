"""Runs the cases of ACME; see ../acme.sh. Arguments: the mox binary, and a word that names of
cases must have. With $INTEROP_LOGS, a directory, the logs are kept there."""
import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

from trial import ROOT, Failed, Trial, check, layers, read, sh, user, wait, write

mox, only = sys.argv[1:3]
trial = Trial("acme-")
IP = "192.0.2.10"
UID = 4242
TSIG = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
EAB = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
MAIL, NAMES = "mail.d.example", ["autoconfig.d.example", "mta-sts.d.example"]


def network():
    layers()
    user("mox", UID)
    sh("hostname", "mail.d.example")
    sh("ip", "link", "set", "lo", "up")
    sh("ip", "addr", "add", IP + "/32", "dev", "lo")
    write("/etc/resolv.conf", "nameserver 127.0.0.1\n")


processes = []


def start(name, *args, env=None):
    log = open(f"{ROOT}/{name}.log", "a")
    p = subprocess.Popen(args, stdout=log, stderr=log, env={**os.environ, **(env or {})})
    processes.append(p)
    return p


def stop(p):
    p.send_signal(signal.SIGTERM)
    p.wait(timeout=30)


def names():
    """Knot with the zone, which takes updates with a key."""
    d = ROOT + "/knot"
    write(d + "/d.example.zone", "\n".join([
        "$ORIGIN d.example.", "$TTL 60", "@ SOA ns hostmaster 1 3600 600 86400 1", "@ NS ns", f"ns A {IP}",
        "@ MX 10 mail", f"mail A {IP}", f"autoconfig A {IP}", f"mta-sts A {IP}", "wrong A 192.0.2.99",
        "_acme-challenge.mta-sts CNAME elsewhere.sub", ""]))
    write(d + "/knot.conf", f"""
server:
    listen: [127.0.0.1@53, {IP}@53]
    rundir: {d}
database:
    storage: {d}/db
key:
  - id: mox-acme
    algorithm: hmac-sha256
    secret: {TSIG}
acl:
  - id: updates
    key: mox-acme
    action: update
zone:
  - domain: d.example
    storage: {d}
    acl: updates
    zonefile-sync: -1
""")
    os.makedirs(d + "/db")
    start("knotd", "knotd", "-c", d + "/knot.conf")
    wait("knot", 20, lambda: IP in subprocess.run(["kdig", "@127.0.0.1", "+short", MAIL], capture_output=True, text=True).stdout)


def pebble(name, port, eab):
    d = f"{ROOT}/{name}"
    os.makedirs(d)
    if not os.path.exists(ROOT + "/https.pem"):
        sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=pebble",
           "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", ROOT + "/https.key", "-out", ROOT + "/https.pem")
    write(d + "/config.json", json.dumps({"pebble": {
        "listenAddress": f"127.0.0.1:{port}", "managementListenAddress": f"127.0.0.1:{port + 1}",
        "certificate": ROOT + "/https.pem", "privateKey": ROOT + "/https.key", "httpPort": 80, "tlsPort": 443, "ocspResponderURL": "",
        "externalAccountBindingRequired": eab, "externalAccountMACKeys": {"kid-1": EAB} if eab else {},
    }}))
    # It refuses nonces and forgets authorizations now and then, so that clients can do with it.
    start(name, "pebble", "-strict", "-config", d + "/config.json", "-dnsserver", "127.0.0.1:53",
          env={"PEBBLE_WFE_NONCEREJECT": "20", "PEBBLE_VA_SLEEPTIME": "1"})

    def root():
        p = subprocess.run(["curl", "-s", "--cacert", ROOT + "/https.pem", f"https://127.0.0.1:{port + 1}/roots/0"], capture_output=True, text=True)
        return p.stdout if "BEGIN CERTIFICATE" in p.stdout else ""
    write(f"{d}/root.pem", wait(name, 20, root))


class Server:
    """A mox with its configuration, which runs as root and a worker."""

    def __init__(self, name, acme, tls="ACME: pebble", services=True, http=True):
        self.name, self.dir = name, f"{ROOT}/{name}"
        os.makedirs(self.dir + "/config")
        web = "".join(f"\t\t{s}:\n\t\t\tEnabled: true\n" for s in (["AutoconfigHTTPS", "MTASTSHTTPS"] if services else []))
        if services and http:
            web += "\t\tWebAPIHTTP:\n\t\t\tEnabled: true\n"
        self.conf = self.dir + "/config/mox.conf"
        write(self.conf, f"""DataDir: ../data
LogLevel: debug
User: {UID}
NoFixPermissions: false
Hostname: {MAIL}
DNSResolvers:
	- 127.0.0.1
TLS:
	CA:
		AdditionalToSystem: false
		CertFiles:
			- {ROOT}/https.pem
{acme}Listeners:
	public:
		IPs:
			- {IP}
		TLS:
			{tls}
		SMTP:
			Enabled: true
		Submissions:
			Enabled: true
		IMAPS:
			Enabled: true
{web}Postmaster:
	Account: x
	Mailbox: Postmaster
""")
        mta = "\t\tMTASTS:\n\t\t\tPolicyID: 1\n\t\t\tMode: testing\n\t\t\tMaxAge: 24h\n\t\t\tMX:\n\t\t\t\t- " + MAIL + "\n" if services else ""
        write(self.dir + "/config/domains.conf", f"Domains:\n\td.example:\n\t\tLocalpartCatchallSeparator: +\n{mta}Accounts:\n\tx:\n\t\tDomain: d.example\n\t\tDestinations:\n\t\t\tx@d.example: nil\n")
        self.process = None

    def edit(self, old, new):
        text = read(self.conf)
        check(old in text, f"no {old!r} in the configuration")
        write(self.conf, text.replace(old, new))

    def command(self, *args, status=0):
        return sh(mox, "-config", self.conf, *args, status=status)

    def start(self):
        self.process = start(self.name, mox, "-config", self.conf, "serve")
        wait("mox", 30, lambda: self.process.poll() is None and "mox is serving" in self.log() or self.ended())

    def ended(self):
        if self.process.poll() is not None:
            raise Failed("mox ended: " + "\n".join(self.log().splitlines()[-10:]))

    def stop(self):
        stop(self.process)
        check(self.process.returncode in (0, 15), f"exit status {self.process.returncode}")
        check("panic" not in self.log(), "mox has panicked")
        os.rename(f"{ROOT}/{self.name}.log", f"{ROOT}/{self.name}.{time.monotonic()}.log")

    def log(self):
        return read(f"{ROOT}/{self.name}.log")

    def list(self):
        return json.loads(self.command("certificates", "list", "-json"))

    def wait_for(self, *wanted, seconds=60):
        def there():
            have = {(c["Names"][0], c["Kind"]) for c in self.list() if c.get("NotAfter")}
            return set(wanted) <= have
        try:
            wait(f"certificates {wanted}", seconds, there)
        except Failed as e:
            raise Failed(f"{e}\n{self.command('certificates', 'list')}\n" + "\n".join(l for l in self.log().splitlines() if "autotls" in l)[-3000:])


def certificate(port, name, root, *args, starttls=None):
    """The serial number and public key that a server shows, whose certificate must be valid."""
    cmd = ["openssl", "s_client", "-connect", f"{IP}:{port}", "-CAfile", root, "-verify_return_error", "-showcerts"]
    cmd += ["-servername", name, "-verify_hostname", name] if name else ["-noservername", "-verify_hostname", MAIL]
    if starttls:
        cmd += ["-starttls", starttls]
    p = subprocess.run(cmd + list(args), input="", capture_output=True, text=True, timeout=60)
    check("Verify return code: 0 (ok)" in p.stdout, f"port {port}, {name}: {p.stdout[-1500:]}{p.stderr[-1000:]}")
    pem = re.search("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", p.stdout, re.S).group(0)
    serial = sh("openssl", "x509", "-noout", "-serial", input=pem)
    return serial.strip(), sh("openssl", "x509", "-noout", "-pubkey", input=pem)


def everywhere(server, root, kinds=((),)):
    """All ports have the certificate of the host, and HTTPS those of other names."""
    for args in kinds:
        keys = set()
        for port, starttls in ((25, "smtp"), (465, None), (993, None)):
            for name in (MAIL, None):
                keys.add(certificate(port, name, root, *args, starttls=starttls))
        keys.add(certificate(443, MAIL, root, *args))
        check(len(keys) == 1, f"different certificates: {keys}")
    for name in NAMES:
        certificate(443, name, root)
    for port, name in ((443, "x.d.example"), (443, None), (465, "x.d.example")):
        p = subprocess.run(["openssl", "s_client", "-connect", f"{IP}:{port}"] + (["-servername", name] if name else ["-noservername"]), input="", capture_output=True, text=True)
        check("BEGIN CERTIFICATE" not in p.stdout, f"port {port} serves {name}")
    # RFC 7672 8: other servers get a certificate whatever they ask for.
    check(certificate_any(25, "x.d.example"), "port 25 refuses a name")


def certificate_any(port, name):
    p = subprocess.run(["openssl", "s_client", "-connect", f"{IP}:{port}", "-starttls", "smtp", "-servername", name], input="", capture_output=True, text=True)
    return "BEGIN CERTIFICATE" in p.stdout


RSA = ("-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256")


def provider(more="", port=14000):
    return f"ACME:\n\tpebble:\n\t\tDirectoryURL: https://127.0.0.1:{port}/dir\n\t\tContactEmail: postmaster@d.example\n{more}"


def case_tls_alpn():
    """With keys of the host, which stay when certificates are renewed."""
    root = ROOT + "/pebble/root.pem"
    s = Server("alpn", provider("\t\tChallenges:\n\t\t\t- tls-alpn-01\n"))
    out = s.command("config", "ensureacmehostprivatekeys")
    files = re.search(r"(\t+HostPrivateKeyFiles:\n(\t+- .*\n)+)", out).group(1)
    s.edit("\t\t\tACME: pebble\n", "\t\t\tACME: pebble\n" + files)
    check("All listeners" in s.command("config", "ensureacmehostprivatekeys"), "keys are made again")
    s.start()
    s.wait_for((MAIL, "ecdsa"), (MAIL, "rsa"), ("autoconfig.d.example", "ecdsa"))
    everywhere(s, root, ((), RSA))
    serial, key = certificate(465, MAIL, root)
    s.command("certificates", "renew", MAIL)
    wait("another certificate", 60, lambda: certificate(465, MAIL, root)[0] != serial)
    wait("the other one", 60, lambda: all("NotAfter" in c and not c.get("LastError") for c in s.list()))
    check(certificate(465, MAIL, root)[1] == key, "another key")
    own = subprocess.run("openssl pkey -pubout -in " + s.dir + "/config/" + re.search(r"- (.*ecdsap256.*)", files).group(1), shell=True, capture_output=True, text=True).stdout
    check(own == key, "not the key of the host")
    # Live after a reload, and not asked for where the name is not ours.
    before = len([l for l in s.log().splitlines() if "got certificate" in l])
    path = s.dir + "/config/domains.conf"
    write(path, read(path).replace("\td.example:\n", "\twrong.d.example:\n\t\tClientSettingsDomain: wrong.d.example\n\td.example:\n"))
    wait("finding", 30, lambda: [c for c in s.list() if c["Names"] == ["wrong.d.example"] and "192.0.2.99" in c.get("LastError", "")])
    check(len([l for l in s.log().splitlines() if "got certificate" in l]) == before, "a certificate was gotten")
    s.stop()
    # All is there after a restart, without a request.
    s.start()
    everywhere(s, root)
    check("got certificate" not in s.log(), "certificates were asked for again")
    st = os.stat(s.dir + "/data/acme/pebble.key")
    check(st.st_mode & 0o777 & ~0o660 == 0, f"mode {st.st_mode:o}")
    s.stop()


def case_http():
    root = ROOT + "/pebble/root.pem"
    s = Server("http", provider("\t\tChallenges:\n\t\t\t- http-01\n"))
    s.start()
    s.wait_for((MAIL, "ecdsa"), ("autoconfig.d.example", "ecdsa"))
    everywhere(s, root)
    s.stop()


def case_port():
    """Port 443 is open for the authority where there is no service of HTTPS."""
    s = Server("port", provider(), services=False)
    s.start()
    s.wait_for((MAIL, "ecdsa"))
    certificate(993, MAIL, ROOT + "/pebble/root.pem")
    s.stop()


def case_dns():
    """With an external account, by dynamic updates, one of them for an alias."""
    root = ROOT + "/pebble-eab/root.pem"
    s = Server("dns", provider("\t\tExternalAccountBinding:\n\t\t\tKeyID: kid-1\n\t\t\tKeyFile: eab.key\n\t\tDNS:\n\t\t\tRFC2136:\n"
                               "\t\t\t\tServer: 127.0.0.1:53\n\t\t\t\tKeyName: mox-acme\n\t\t\t\tKeySecretFile: tsig.key\n", 14010))
    write(s.dir + "/config/eab.key", EAB + "\n")
    write(s.dir + "/config/tsig.key", TSIG + "\n")
    s.start()
    s.wait_for((MAIL, "ecdsa"), ("autoconfig.d.example", "ecdsa"))
    everywhere(s, root)
    left = sh("kdig", "@127.0.0.1", "+short", "TXT", "_acme-challenge." + MAIL) + sh("kdig", "@127.0.0.1", "+short", "TXT", "elsewhere.sub.d.example")
    check(left.strip() == "", f"records are left: {left}")
    s.stop()


def case_command():
    """DNS records by a program, of a server that may start no programs itself."""
    root = ROOT + "/pebble/root.pem"
    program = ROOT + "/records"
    write(program, f"""#!/bin/sh
echo "$@" >>{ROOT}/records.log
case $2 in set) verb=add; ttl=60;; *) verb=del; ttl=;; esac
printf 'server 127.0.0.1\\nzone d.example\\nkey hmac-sha256:mox-acme:{TSIG}\\n%s %s. %s TXT "%s"\\nsend\\n' $verb "$3" "$ttl" "$4" | /usr/bin/knsupdate
""")
    os.chmod(program, 0o755)
    write(ROOT + "/records.log", "")
    os.chmod(ROOT + "/records.log", 0o666)
    s = Server("command", provider(f"\t\tDNS:\n\t\t\tCommand:\n\t\t\t\t- {program}\n\t\t\t\t- word\n\t\t\tWait: 1s\n"), services=False)
    s.start()
    s.wait_for((MAIL, "ecdsa"))
    certificate(465, MAIL, root)
    lines = read(ROOT + "/records.log").splitlines()
    check([l.split()[:3] for l in lines] == [["word", "set", "_acme-challenge." + MAIL], ["word", "unset", "_acme-challenge." + MAIL]], lines)
    s.stop()


def case_files():
    """Certificates from files of root, renewed by another program."""
    d = ROOT + "/letsencrypt"
    os.makedirs(d)
    os.chmod(d, 0o700)

    write(d + "/ca.conf", f"""[ca]
default_ca = c
[c]
database = {d}/index
serial = {d}/serial
new_certs_dir = {d}
default_md = sha256
policy = p
x509_extensions = e
[p]
commonName = supplied
[e]
subjectAltName = DNS:{MAIL}
""")

    def renew(days=60):
        """A certificate that began 40 days ago and ends in so many."""
        sh("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + MAIL, "-keyout", d + "/new.key", "-out", d + "/new.csr")
        write(d + "/index", "")
        write(d + "/serial", f"{int(time.monotonic() * 100):08X}\n")
        at = lambda days: time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + days * 86400))
        sh("openssl", "ca", "-config", d + "/ca.conf", "-selfsign", "-batch", "-notext", "-in", d + "/new.csr", "-keyfile", d + "/new.key",
           "-startdate", at(-40), "-enddate", at(days), "-out", d + "/new.pem")
        os.chmod(d + "/new.key", 0o600)
        os.rename(d + "/new.key", d + "/key.pem")
        os.rename(d + "/new.pem", d + "/cert.pem")
        return sh("openssl", "x509", "-noout", "-serial", "-in", d + "/cert.pem").strip()

    def served():
        time.sleep(0.5)  # an address has 300 connections a minute
        p = subprocess.run(["openssl", "s_client", "-connect", f"{IP}:465", "-servername", MAIL], input="", capture_output=True, text=True)
        return sh("openssl", "x509", "-noout", "-serial", input=p.stdout).strip()
    first = renew()
    s = Server("files", "", tls=f"KeyCerts:\n\t\t\t\t-\n\t\t\t\t\tCertFile: {d}/cert.pem\n\t\t\t\t\tKeyFile: {d}/key.pem", services=False)
    s.start()
    check(served() == first, "first certificate")
    worker = sh("pgrep", "-u", str(UID), "-f", "serve").split()
    check(worker, "no worker that is not root")
    second = renew()
    s.process.send_signal(signal.SIGHUP)
    wait("second certificate", 20, lambda: served() == second)
    # What is no certificate changes nothing.
    write(d + "/cert.pem", "-----BEGIN CERTIFICATE-----\nnonsense\n")
    s.process.send_signal(signal.SIGHUP)
    wait("log", 20, lambda: "cannot be used" in s.log())
    check(served() == second, "certificate changed")
    check(s.list()[0]["LastError"], "no error in the list")
    # By itself within a minute, and one that ends soon is told to postmaster.
    third = renew(3)
    wait("third certificate", 75, lambda: served() == third)
    wait("alarm", 20, lambda: "ends soon" in s.log())
    s.command("export", "mbox", s.dir + "/out", s.dir + "/data/accounts/x", "Postmaster")
    check(f"Subject: TLS certificate of {MAIL} ends" in read(s.dir + "/out/Postmaster.mbox"), "no mail to postmaster")
    s.stop()


CASES = [("tls-alpn", case_tls_alpn), ("http", case_http), ("port", case_port), ("dns", case_dns), ("command", case_command), ("files", case_files)]


def main():
    chosen = [c for c in CASES if only == "" or only in "acme-" + c[0]]
    network()
    if not (trial.run("knot", names) and trial.run("pebble", pebble, "pebble", 14000, False) and trial.run("pebble-eab", pebble, "pebble-eab", 14010, True)):
        return
    for name, function in chosen:
        trial.run(name, function)
        # A failure leaves it; a worker ends with its parent.
        for p in processes[3:]:
            p.kill()
            p.wait()
    if to := os.environ.get("INTEROP_LOGS"):
        os.makedirs(to, exist_ok=True)
        for f in os.listdir(ROOT):
            if f.endswith(".log"):
                shutil.copy(f"{ROOT}/{f}", f"{to}/acme-{f}")
    for p in processes:
        p.kill()


main()
