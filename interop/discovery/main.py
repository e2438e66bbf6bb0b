"""A domain set up by what mox prints: the records of "config dnsrecords", as they are, in a signed zone
of Knot behind unbound; then "config dnscheck" finds nothing wrong, and mail programs find their
settings from the address alone.

All is in a network namespace of its own. Arguments: the mox binary, a directory, and a word that
the names of cases must contain."""
import glob
import os
import plistlib
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "imap"))
from marionette import Thunderbird
from trial import Trial, check, layers, read, sh, wait, write, ROOT

MOX, KEEP = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
ONLY = sys.argv[3] if len(sys.argv) > 3 else ""
DOMAIN, HOST, V4, V6 = "thunder.example", "mail.thunder.example", "192.0.2.10", "2001:db8::10"
USER, PASSWORD = f"jane@{DOMAIN}", "interop password"
REVERSE4, REVERSE6 = "2.0.192.in-addr.arpa.", "0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."
HEAD = "{zone} 300 IN SOA ns.example. hostmaster.example. 1 60 60 3600 60\n{zone} 300 IN NS ns.example.\n"
children = []

MOX_CONF = f"""DataDir: ../data
LogLevel: debug
User: 10025
Hostname: {HOST}
TLS:
	CA:
		CertFiles:
			- ca.pem
Listeners:
	public:
		IPs:
			- {V4}
			- {V6}
		TLS:
			KeyCerts:
				-
					CertFile: host.pem
					KeyFile: host.key
			HostPrivateKeyFiles:
				- host.key
		SMTP:
			Enabled: true
		Submissions:
			Enabled: true
		IMAPS:
			Enabled: true
		AutoconfigHTTPS:
			Enabled: true
		MTASTSHTTPS:
			Enabled: true
Postmaster:
	Account: jane
	Mailbox: Postmaster
HostTLSRPT:
	Account: jane
	Mailbox: TLSRPT
	Localpart: tls
"""
DOMAINS_CONF = f"""Domains:
	{DOMAIN}:
		ClientSettingsDomain: imap.{DOMAIN}
		DKIM:
			Selectors:
				rsa:
					PrivateKeyFile: rsa.key
				ed:
					PrivateKeyFile: ed.key
			Sign:
				- rsa
				- ed
		DMARC:
			Localpart: dmarc
			Account: jane
			Mailbox: DMARC
		MTASTS:
			PolicyID: 1
			Mode: enforce
			MaxAge: 240h
		TLSRPT:
			Localpart: tls
			Account: jane
			Mailbox: TLSRPT
Accounts:
	jane:
		Domain: {DOMAIN}
		Destinations:
			{USER}: nil
"""


def start(*args, log):
    with open(log, "a") as f:
        p = subprocess.Popen(args, stdout=f, stderr=f, stdin=subprocess.DEVNULL, start_new_session=True)
    children.append(p)
    return p


def mox(*args, **kw):
    return sh(MOX_HERE, "-config", ROOT + "/mox/config/mox.conf", *args, **kw)


def install():
    """Makes the network, keys and certificates, and the configuration."""
    global MOX_HERE
    layers()
    write("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
    write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
    write("/etc/resolv.conf", "nameserver 127.0.0.1\noptions edns0\n")
    for line in ("link set lo up", f"addr add {V4}/32 dev lo", f"-6 addr add {V6}/128 dev lo nodad"):
        sh("ip", *line.split())
    conf = ROOT + "/mox/config"
    os.makedirs(conf)
    MOX_HERE = ROOT + "/mox/mox"
    sh("cp", MOX, MOX_HERE)
    sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", ROOT + "/ca.key", "-days", "2", "-subj", "/CN=Interop CA",
       "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", conf + "/ca.pem")
    sh("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", conf + "/host.key")
    names = [HOST, "imap." + DOMAIN, "autoconfig." + DOMAIN, "mta-sts." + DOMAIN]
    write(ROOT + "/ext", "subjectAltName=" + ",".join("DNS:" + n for n in names) + "\nextendedKeyUsage=serverAuth\n")
    sh("openssl", "req", "-new", "-key", conf + "/host.key", "-subj", "/CN=" + HOST, "-out", ROOT + "/csr")
    sh("openssl", "x509", "-req", "-in", ROOT + "/csr", "-CA", conf + "/ca.pem", "-CAkey", ROOT + "/ca.key", "-CAcreateserial", "-days", "2", "-extfile", ROOT + "/ext", "-out", conf + "/host.pem")
    write(conf + "/rsa.key", sh(MOX_HERE, "dkim", "genrsa"))
    write(conf + "/ed.key", sh(MOX_HERE, "dkim", "gened25519"))
    write(conf + "/mox.conf", MOX_CONF)
    write(conf + "/domains.conf", DOMAINS_CONF)
    print(mox("config", "test"), end="")


def zones():
    """The records, as printed, in a zone that Knot signs; unbound asks it and nobody else."""
    dir = ROOT + "/dns"
    for d in ("zones", "keys", "run"):
        os.makedirs(f"{dir}/{d}")
    text = {z: HEAD.format(zone=z) for z in (".", "com.", f"{DOMAIN}.", REVERSE4, REVERSE6)}
    # Not a character is changed.
    text[DOMAIN + "."] += mox("config", "dnsrecords", "-dnssec", "yes", DOMAIN)
    text["."] += "ns.example. 300 IN A 127.0.0.2\n"
    text[REVERSE4] += f"10.{REVERSE4} 300 IN PTR {HOST}.\n"
    text[REVERSE6] += ".".join(reversed("20010db8" + "0" * 22 + "10")) + f".ip6.arpa. 300 IN PTR {HOST}.\n"
    conf = f"server:\n  listen: 127.0.0.2@53\n  rundir: {dir}/run\ndatabase:\n  storage: {dir}/keys\nlog:\n  - target: stderr\n    any: info\n" \
        "policy:\n  - id: lab\n    algorithm: ecdsap256sha256\n    single-type-signing: on\n    ksk-lifetime: 0\nzone:\n"
    for z in text:
        conf += f"  - domain: {z}\n    file: {dir}/zones/{z}zone\n    zonefile-sync: -1\n    zonefile-load: difference-no-serial\n    journal-content: all\n    dnssec-signing: on\n    dnssec-policy: lab\n"
    write(dir + "/knot.conf", conf)
    anchor = ""
    for z in text:
        sh("keymgr", "-c", dir + "/knot.conf", z, "generate", "algorithm=ecdsap256sha256", "ksk=yes", "zsk=yes")
        ds = [l for l in sh("keymgr", "-c", dir + "/knot.conf", z, "ds").splitlines() if " 13 2 " in l][0].split(None, 2)[2]
        if z == ".":
            anchor = ". DS " + ds
        else:
            text["."] += f"{z} 300 IN NS ns.example.\n{z} 300 IN DS {ds}\n"
    for z, records in text.items():
        write(f"{dir}/zones/{z}zone", records)
    write(dir + "/hints", ". 3600 NS ns.example.\nns.example. 3600 A 127.0.0.2\n")
    write(dir + "/unbound.conf", f"""server:
  interface: 127.0.0.1
  access-control: 0.0.0.0/0 allow
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{dir}"
  pidfile: ""
  use-syslog: no
  logfile: ""
  val-log-level: 2
  num-threads: 1
  module-config: "validator iterator"
  trust-anchor: "{anchor}"
  root-hints: "{dir}/hints"
  cache-max-ttl: 1
  cache-max-negative-ttl: 1
  do-not-query-localhost: no
  local-zone: "{DOMAIN}." nodefault
  local-zone: "{REVERSE4}" nodefault
  local-zone: "8.b.d.0.1.0.0.2.ip6.arpa." nodefault
remote-control:
  control-enable: no
""")
    start("knotd", "-c", dir + "/knot.conf", log=dir + "/knot.log")
    start("unbound", "-d", "-c", dir + "/unbound.conf", log=dir + "/unbound.log")
    wait("DNS", 20, lambda: re.search(r"Flags:[^;]* ad\b", subprocess.run(["kdig", "+dnssec", "+time=1", "+retry=1", "@127.0.0.1", HOST, "A"], capture_output=True, text=True).stdout))


def loaded():
    """Checkers of name servers find nothing to say of the zone."""
    zone = f"{ROOT}/dns/zones/{DOMAIN}.zone"
    said = sh("kzonecheck", "-o", DOMAIN, zone)
    check(said == "", "kzonecheck: " + said)
    said = sh("named-checkzone", "-n", "warn", DOMAIN, zone)
    check(said.endswith("OK\n"), "named-checkzone: " + said)
    log = read(ROOT + "/dns/knot.log")
    check(f"[{DOMAIN}.] zone file loaded" in log or f"[{DOMAIN}.] loaded" in log, "Knot has loaded the zone: " + log[-2000:])
    # What is longer than a string of DNS can be.
    txt = subprocess.run(["kdig", "+short", "@127.0.0.1", f"rsa._domainkey.{DOMAIN}", "TXT"], capture_output=True, text=True).stdout
    key = "".join(re.findall('"([^"]*)"', txt))
    want = subprocess.run(["openssl", "pkey", "-in", ROOT + "/mox/config/rsa.key", "-pubout"], capture_output=True, text=True).stdout
    check(key == "v=DKIM1;h=sha256;p=" + "".join(want.splitlines()[1:-1]), "DKIM key in DNS: " + key)


def serve():
    start(MOX_HERE, "-config", ROOT + "/mox/config/mox.conf", "serve", log=ROOT + "/mox.log")
    wait("mox", 20, lambda: os.path.exists(ROOT + "/mox/data/ctl") and "mox is serving" in read(ROOT + "/mox.log"))
    mox("setaccountpassword", "jane", input=PASSWORD + "\n")


def dnscheck():
    """What was published is what the check wants, and the services are there."""
    said = mox("config", "dnscheck", DOMAIN)
    check(said == f"nothing wrong with {DOMAIN}\n", said)


def faults():
    """What is broken in the zone afterwards is found, and nothing else."""
    path = f"{ROOT}/dns/zones/{DOMAIN}.zone"
    good = read(path)
    for what, change, status, want in (
        ("policy none", lambda z: z.replace("p=reject", "p=none"), 0, {"DMARC": ["warning: policy p=none"]}),
        ("no MX", lambda z: re.sub(r".* IN MX .*\n", "", z), 1, {"MX": [f"error: {DOMAIN} has no MX record"]}),
        ("TLSA of another key", lambda z: re.sub(r"(TLSA 3 1 1 )[0-9a-f]{8}", r"\g<1>00000000", z), 1, {"DANE": ["error: _25._tcp", "error: _25._tcp", "error: no TLSA record is about", "error: no TLSA record is about"]}),
        ("no DKIM key", lambda z: re.sub(r"rsa\._domainkey.*\(\n(\t.*\n)*\)\n", "", z), 1, {"DKIM": ["error: selector rsa has no record"]}),
        ("submission elsewhere", lambda z: z.replace("0 1 465 imap.", "0 1 465 mx."), 1, {"SRV conf": ["error: the SRV record at _submissions._tcp"]}),
    ):
        changed = change(good)
        check(changed != good, what)
        write(path, changed)
        publish()
        p = subprocess.run([MOX_HERE, "-config", ROOT + "/mox/config/mox.conf", "config", "dnscheck", DOMAIN], capture_output=True, text=True, timeout=60)
        found, section = {}, None
        for line in p.stdout.splitlines():
            if line.startswith("# "):
                section = found.setdefault(line[2:], [])
            elif line.startswith(("error: ", "warning: ")):
                section.append(line)
        # A domain without MX also has no hosts to look for elsewhere.
        right = found.keys() == want.keys() and all(len(found[k]) == len(v) and all(f.startswith(w) for f, w in zip(found[k], v)) for k, v in want.items())
        check(right and p.returncode == status, f"{what}: status {p.returncode}\n{p.stdout}{p.stderr}")
    write(path, good)
    publish()
    dnscheck()


def publish():
    """Has Knot load the zones anew, and waits until what unbound knows of before is over."""
    log = ROOT + "/dns/knot.log"
    before = read(log).count(f"[{DOMAIN}.] zone file parsed")
    children[0].send_signal(signal.SIGHUP)
    wait("zone", 10, lambda: read(log).count(f"[{DOMAIN}.] zone file parsed") > before)
    time.sleep(2.5)


def curl(url, *args):
    return subprocess.run(["curl", "-sS", "--fail-with-body", "--cacert", ROOT + "/mox/config/ca.pem", *args, url], capture_output=True, timeout=20, check=True).stdout


def profile():
    """openssl verifies the signature of the profile, Python reads it, zbar the QR code of its URL."""
    url = f"https://{HOST}/profile.mobileconfig?addresses={USER}&name=Jane%20D%C3%B6e"
    write(ROOT + "/p/x", "")
    with open(ROOT + "/p/signed", "wb") as f:
        f.write(curl(url))
    verify = ["openssl", "smime", "-verify", "-inform", "DER", "-purpose", "any", "-CAfile", ROOT + "/mox/config/ca.pem", "-in"]
    sh(*verify, ROOT + "/p/signed", "-out", ROOT + "/p/plist")
    sh("openssl", "cms", "-verify", "-inform", "DER", "-purpose", "any", "-CAfile", ROOT + "/mox/config/ca.pem", "-in", ROOT + "/p/signed", "-out", ROOT + "/p/plist2")
    with open(ROOT + "/p/plist", "rb") as f:
        p = plistlib.load(f)
    account = p["PayloadContent"][0]
    got = {k: account[k] for k in ("EmailAddress", "EmailAccountName", "IncomingMailServerHostName", "IncomingMailServerPortNumber", "IncomingMailServerUseSSL", "OutgoingMailServerPortNumber", "PayloadType")}
    want = {"EmailAddress": USER, "EmailAccountName": "Jane Döe", "IncomingMailServerHostName": "imap." + DOMAIN, "IncomingMailServerPortNumber": 993, "IncomingMailServerUseSSL": True,
            "OutgoingMailServerPortNumber": 465, "PayloadType": "com.apple.mail.managed"}
    check(got == want and p["PayloadType"] == "Configuration", f"profile: {got}")
    # One octet of the content is another.
    with open(ROOT + "/p/signed", "rb") as f:
        data = f.read()
    with open(ROOT + "/p/changed", "wb") as f:
        f.write(data.replace(b"EmailTypeIMAP", b"EmailTypeIMAQ"))
    check(subprocess.run([*verify, ROOT + "/p/changed", "-out", "/dev/null"], capture_output=True).returncode != 0, "a changed profile does not verify")
    with open(ROOT + "/p/qr.png", "wb") as f:
        f.write(curl(url.replace("mobileconfig?", "mobileconfig.qrcode.png?")))
    code = sh("zbarimg", "--quiet", "--raw", ROOT + "/p/qr.png").strip()
    check(code == f"https://{HOST}/profile.mobileconfig?addresses=jane%40{DOMAIN}&name=Jane+D%C3%B6e", "QR code: " + code)
    check(plistlib.loads(subprocess.run(["openssl", "smime", "-verify", "-inform", "DER", "-noverify"], input=curl(code), capture_output=True, check=True).stdout) == p, "the QR code leads to the same profile")


PREFS = {
    "marionette.port": 2830, "mail.provider.suppress_dialog_on_startup": True, "mail.spotlight.firstRunDone": True, "mail.shell.checkDefaultClient": False, "mail.rights.version": 1,
    "mail.inappnotifications.enabled": False, "mailnews.start_page.enabled": False, "datareporting.policy.dataSubmissionEnabled": False, "app.update.enabled": False,
    "app.donation.eoy.version.viewed": 999, "extensions.update.enabled": False, "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False,
    "network.manage-offline-status": False, "network.trr.mode": 5, "browser.safebrowsing.malware.enabled": False, "browser.safebrowsing.phishing.enabled": False, "services.settings.server": "data:,",
    "mailnews.auto_config_url": "https://autoconfig.invalid/v1.1/", "mailnews.mx_service_url": "https://mx.invalid/",
}


def thunderbird():
    """Thunderbird sets up an account from the address and password, as its dialog does, verifies
    it, and sees the inbox."""
    t = Thunderbird(ROOT + "/profile", PREFS, PREFS["marionette.port"], ROOT + "/thunderbird.log")
    try:
        t.run("""
            globalThis.setTimeout = globalThis.setTimeout || ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs").setTimeout;
            const db = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB);
            db.addCertFromBase64(args[0], "CT,,");
            Services.io.offline = false;
            """, "".join(l for l in read(ROOT + "/mox/config/ca.pem").splitlines() if "-----" not in l))
        found = t.run("""
            const { FindConfig } = ChromeUtils.importESModule("resource:///modules/accountcreation/FindConfig.sys.mjs");
            const { AccountConfig } = ChromeUtils.importESModule("resource:///modules/accountcreation/AccountConfig.sys.mjs");
            const [domain, email, password] = args;
            const search = FindConfig.parallelAutoDiscovery(domain, email, new AbortController().signal, password);
            const config = (await search.next()).value;
            if (!config) throw new Error("no configuration found");
            AccountConfig.replaceVariables(config, "Jane", email, password);
            globalThis.found = config;
            const show = s => [s.type, s.hostname, s.port, s.socketType, s.username, s.auth];
            return [config.source, show(config.incoming), show(config.outgoing)];
            """, DOMAIN, USER, PASSWORD)
        # 3 is TLS from the start, 4 an encrypted password.
        want = [["imap", "imap." + DOMAIN, 993, 3, USER, 4], ["smtp", "imap." + DOMAIN, 465, 3, USER, 4]]
        check(found[1:] == want, f"settings: {found}")
        seen = t.run("""
            const { ConfigVerifier } = ChromeUtils.importESModule("resource:///modules/accountcreation/ConfigVerifier.sys.mjs");
            const { CreateInBackend } = ChromeUtils.importESModule("resource:///modules/accountcreation/CreateInBackend.sys.mjs");
            const config = globalThis.found;
            const msgWindow = Cc["@mozilla.org/messenger/msgwindow;1"].createInstance(Ci.nsIMsgWindow);
            const verified = await new ConfigVerifier(msgWindow, new AbortController().signal).verifyConfig(config, false);
            verified.incoming.password = verified.outgoing.password = args[0];
            const account = await CreateInBackend.createAccountInBackend(verified);
            account.incomingServer.password = args[0];
            account.incomingServer.performExpand(null);
            const end = Date.now() + 30000;
            for (;;) {
                const names = account.incomingServer.rootFolder.subFolders.map(f => f.name);
                if (names.includes("Sent")) return names;
                if (Date.now() > end) throw new Error("mailboxes: " + names);
                await new Promise(r => setTimeout(r, 100));
            }
            """, PASSWORD)
        logged = read(ROOT + "/mox.log")
        check("handler=autoconf " in logged and "host=autoconfig." + DOMAIN in logged, "mox was asked for settings")
        return f"from {found[0]}; mailboxes {', '.join(seen)}"
    finally:
        t.stop()


def main():
    trial = Trial("discovery-")
    ok = trial.run("install", install) and trial.run("zones", zones) and trial.run("serve", serve)
    for name, case in (("loaded", loaded), ("dnscheck", dnscheck), ("faults", faults), ("profile", profile), ("thunderbird", thunderbird)):
        if ok and ONLY in "discovery-" + name:
            trial.run(name, case)
    for p in children:
        if p.poll() is None:
            p.send_signal(signal.SIGTERM)
    for p in children:
        p.wait(20)
    for log in glob.glob(ROOT + "/*.log") + glob.glob(ROOT + "/dns/*.log"):
        sh("cp", log, KEEP)


main()
