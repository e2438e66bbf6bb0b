"""Alert rules that real failures of a server fire; see ../metrics.sh. Arguments: the mox binary, the directory with Prometheus, and
a word that names of cases must have."""
import datetime
import json
import os
import re
import shutil
import smtplib
import sys
import urllib.request

from local import Local, background
from trial import ROOT, Failed, Trial, check, layers, read, sh, wait, write

mox, program, only = sys.argv[1:4]
trial = Trial("alerts-")
HERE = os.path.dirname(os.path.abspath(__file__))


class Prometheus:
    """Scrapes the server each second, with the rules as they are shipped but for how long an alert has to last."""

    def __init__(self, name):
        self.dir = f"{ROOT}/{name}-prometheus"
        rules = read(HERE + "/../../prometheus.rules")
        check(" for: " in rules, "no rule has to last")
        write(self.dir + "/prometheus.rules", re.sub(r"(?m)^( *for:) .*$", r"\1 0s", rules))
        write(self.dir + "/prometheus.yml", """
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [prometheus.rules]
scrape_configs:
  - job_name: mox
    static_configs: [{targets: ["127.0.0.1:1081"]}]
""")
        self.process = background(self.dir + "/log", program + "/usr/bin/prometheus", f"--config.file={self.dir}/prometheus.yml",
                                  f"--storage.tsdb.path={self.dir}/data", "--web.listen-address=127.0.0.1:19090")
        wait("a scrape", 60, lambda: self.ask("query?query=up%7Bjob%3D%22mox%22%7D%3D%3D1")["result"])

    def ask(self, what):
        try:
            with urllib.request.urlopen("http://127.0.0.1:19090/api/v1/" + what, timeout=10) as answer:
                return json.load(answer)["data"]
        except OSError:
            return {"result": [], "alerts": [], "groups": []}

    def firing(self):
        """Names of alerts, each with the labels of what fires."""
        found = {}
        for a in self.ask("alerts")["alerts"]:
            if a["state"] == "firing":
                check(a["annotations"]["summary"] and "{{" not in a["annotations"]["summary"], a)
                found.setdefault(a["labels"]["alertname"], []).append(a["labels"])
        return found

    def fires(self, alert, seconds=30, **labels):
        def there():
            return any(labels.items() <= l.items() for l in self.firing().get(alert, []))
        try:
            wait(f"{alert} {labels}", seconds, there)
        except Failed as e:
            raise Failed(f"{e}; there are {self.firing()}") from None

    def ends(self, name):
        wait(f"the end of {name}", 30, lambda: name not in self.firing())

    def quiet(self):
        """For some evaluations of the rules, nothing fires."""
        evaluated = lambda: min(r["lastEvaluation"] for g in self.ask("rules")["groups"] for r in g["rules"])
        wait("rules", 20, lambda: self.ask("rules")["groups"])
        since = evaluated()
        wait("evaluations", 20, lambda: evaluated() > since)
        check(self.firing() == {}, f"fires for a server that is well: {self.firing()}")

    def stop(self):
        self.process.kill()
        self.process.wait()


def refused(send, *args, **kw):
    """The code of a reply that refuses."""
    try:
        send(*args, **kw)
    except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused) as e:
        return e.smtp_code if isinstance(e, smtplib.SMTPResponseException) else next(iter(e.recipients.values()))[0]
    raise Failed("mail was accepted")


def refused_in_the_end(send, subject):
    """The code of the first reply that refuses: what has little to write has room for a while, in the logs of databases."""
    for n in range(200):
        try:
            return refused(send, f"{subject} {n}")
        except Failed:
            pass
    raise Failed("all mail was accepted")


def case_disk():
    """The disk with the mail is full: others are told to come back, alerts fire, and all is well when there is space."""
    directory = ROOT + "/disk-mox"
    os.makedirs(directory)
    sh("mount", "-t", "tmpfs", "-o", "size=64m", "disk", directory)
    server = Local(mox, directory)
    server.start()
    prometheus = Prometheus("disk")
    try:
        server.receive("before")
        prometheus.quiet()
        try:
            with open(directory + "/ballast", "wb", buffering=0) as f:
                while True:
                    f.write(bytes(1 << 12))
        except OSError:
            pass
        codes = refused(server.receive, "full", attachment=100000), refused_in_the_end(server.submit, "full")
        check(all(400 <= c < 500 for c in codes), codes)
        prometheus.fires("mox-delivery-errors", result="delivererror")
        prometheus.fires("mox-submission-errors")
        prometheus.fires("mox-errors-logged")
        os.remove(directory + "/ballast")
        server.receive("after")
        return f"codes {codes}"
    finally:
        prometheus.stop()
        server.kill()


def case_queue():
    """A server that mail is sent to does not answer; mail is put on hold; the server itself is gone."""
    server = Local(mox, ROOT + "/queue-mox")
    server.sends()
    server.start()
    prometheus = Prometheus("queue")
    try:
        server.submit("fine")
        prometheus.quiet()
        server.submit("stuck", "somebody@remote.example")
        prometheus.fires("mox-queue-delivery-failing", seconds=90)  # at the fourth attempt
        server.submit("held", "somebody@remote.example")
        server.command("queue", "hold", "-to", "somebody@remote.example")
        prometheus.fires("mox-queue-hold")
        server.command("queue", "unhold", "-to", "somebody@remote.example")
        prometheus.ends("mox-queue-hold")
        check("mox-down" not in prometheus.firing(), "down")
        server.stop()
        prometheus.fires("mox-down")
    finally:
        prometheus.stop()
        server.kill()


def case_backup():
    """The place for backups is not there any more, and then it is again."""
    server, repository = Local(mox, ROOT + "/backup-mox"), ROOT + "/backup-repository"
    server.add(f"Backup:\n\tRepository: {repository}\n\tInterval: 1000h\n")
    server.start()
    prometheus = Prometheus("backup")
    try:
        server.command("backup", "run")
        prometheus.quiet()
        os.rename(repository, repository + ".away")
        write(repository, "not a directory\n")
        server.command("backup", "run", status=1)
        prometheus.fires("mox-backup-failing", what="backup")
        os.remove(repository)
        os.rename(repository + ".away", repository)
        server.command("backup", "run")
        prometheus.ends("mox-backup-failing")
    finally:
        prometheus.stop()
        server.kill()


def case_certificate():
    """A certificate that ends in 60 days, in five, and three days ago."""
    server = Local(mox, ROOT + "/certificate-mox")
    prometheus = None
    try:
        for days, fires in ((60, False), (5, True), (-3, True)):
            certificate(server.dir, days)
            server.start()
            prometheus = Prometheus(f"certificate{days}")
            if fires:
                prometheus.fires("mox-certificate-ends", name="localhost", kind="ecdsa")
            else:
                check(server.metric("mox_tls_certificate_not_after_seconds") > 0, "no figure")
                prometheus.quiet()
            prometheus.stop()
            server.stop()
    finally:
        if prometheus:
            prometheus.stop()
        server.kill()


def certificate(directory, days):
    """Puts a certificate for localhost into a directory, that ends in so many days."""
    key, request, config = (f"{ROOT}/ca/{name}" for name in ("localhost.key", "request", "config"))
    shutil.rmtree(ROOT + "/ca", ignore_errors=True)
    write(config, f"""[ca]
default_ca = c
[c]
database = {ROOT}/ca/index
new_certs_dir = {ROOT}/ca
rand_serial = yes
default_md = sha256
policy = p
x509_extensions = e
[p]
commonName = supplied
[e]
subjectAltName = DNS:localhost, IP:127.0.0.1
""")
    write(ROOT + "/ca/index", "")
    when = lambda d: (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=d)).strftime("%Y%m%d%H%M%SZ")
    sh("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-keyout", key, "-out", request)
    sh("openssl", "ca", "-batch", "-config", config, "-selfsign", "-keyfile", key, "-in", request, "-notext", "-out", directory + "/localhost.crt",
       "-startdate", when(-10), "-enddate", when(days))
    shutil.copyfile(key, directory + "/localhost.key")


layers()
sh("ip", "link", "set", "lo", "up")
for name, case in [("disk", case_disk), ("queue", case_queue), ("backup", case_backup), ("certificate", case_certificate)]:
    if only in trial.prefix + name:
        trial.run(name, case)
