"""Backups and the replica in a real object store; see ../objectstore.sh. Arguments: the mox binary, the object store, the tests
of package backup, and a word that names of cases must have."""
import glob
import os
import signal
import subprocess
import sys
import threading

from local import Local, background
from trial import ROOT, Trial, check, layers, read, sh, wait, write

mox, program, tests, only = sys.argv[1:5]
trial = Trial("objectstore-")
ACCESS, SECRET, REGION, BUCKET = "interopaccess", "interopsecret/with+signs=", "eu-test-1", "mail"


class Store:
    """A Versity gateway with a bucket, which is a directory, and TLS."""

    def __init__(self, name):
        self.dir, self.process = f"{ROOT}/{name}", None
        os.makedirs(f"{self.dir}/data/{BUCKET}")
        os.makedirs(self.dir + "/about")
        self.start()

    def start(self):
        self.process = background(self.dir + "/log", program, "--access", ACCESS, "--secret", SECRET, "--region", REGION, "--port", "127.0.0.1:7070",
                                  "--cert", ROOT + "/tls.pem", "--key", ROOT + "/tls.key", "posix", "--sidecar", self.dir + "/about", self.dir + "/data")
        wait("the object store", 60, lambda: subprocess.run(["curl", "-s", "-k", "-o", "/dev/null", "https://127.0.0.1:7070/"]).returncode == 0)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def objects(self, below=""):
        return [f for f in glob.glob(f"{self.dir}/data/{BUCKET}/{below}**", recursive=True) if os.path.isfile(f)]


def prepare(name, more=""):
    """A store, and a mox that makes its backups there."""
    store, server = Store(name + "-store"), Local(mox, f"{ROOT}/{name}-mox")
    server.command("backup", "key", server.dir + "/backup.key")
    write(server.dir + "/s3key", f"{ACCESS}\n{SECRET}\n")
    server.add(f"Backup:\n\tRepository: s3://127.0.0.1:7070/{BUCKET}/some/prefix\n\tRegion: {REGION}\n\tAccessKeyFile: s3key\n\tKeyFile: backup.key\n\tInterval: 1000h\n{more}")
    server.start()
    return store, server


def restored(server, name):
    """The Inbox of a restored backup, as lines of its messages."""
    to = f"{ROOT}/{name}"
    # As on a new machine: nothing but the two keys is left.
    sh(mox, "restore", "all", "-repository", f"s3://127.0.0.1:7070/{BUCKET}/some/prefix", "-region", REGION, "-keyfile", server.dir + "/backup.key",
       "-accesskeyfile", server.dir + "/s3key", to, timeout=120)
    out = sh(mox, "verifydata", to + "/data", timeout=120)
    check("OK" in out, out)
    return {os.path.basename(f): read(f) for f in exported(to + "/data", to + "-export")}


def exported(data, to):
    sh(mox, "export", "maildir", to, data + "/accounts/mox", timeout=120)
    return [f for f in glob.glob(to + "/**", recursive=True) if os.path.isfile(f) and os.path.basename(os.path.dirname(f)) in ("cur", "new")]


def subjects(mails):
    return {next(l for l in text.splitlines() if l.startswith("Subject: "))[9:] for text in mails.values()}


def backup(server, *args, status=0):
    """Runs a command about backups and returns what it prints, standard error as well."""
    p = subprocess.run([mox, "-config", server.conf, "backup", *args], capture_output=True, text=True, timeout=120)
    check(p.returncode == status, f"backup {args}: status {p.returncode}: {p.stdout}{p.stderr}")
    return p.stdout + p.stderr


def fill(server, prefix, n, size):
    """Mail that does not get smaller by compression, so that it makes several packs."""
    for i in range(n):
        server.receive(f"{prefix}{i}", attachment=size)
    wait("mail", 30, lambda: server.metric("mox_smtpserver_delivery_total", result="delivered") >= n)


def case_storage():
    """All requests that mox makes, lists of more than a page, wrong keys, buckets and regions."""
    store = Store("storage-store")
    try:
        sh(tests, "-test.run", "^TestInteropS3$", "-test.v", env={**os.environ, "MOX_INTEROP_S3": f"https://127.0.0.1:7070 {BUCKET} {REGION} {ACCESS} {SECRET}"}, timeout=120)
        check("SKIP" not in sh(tests, "-test.run", "^TestS3$", "-test.v"), "tests were left out")
        check(store.objects() == [], "objects are left")
    finally:
        store.kill()


def case_backup():
    """Backups by the server, a second one with only what is new, checked, removed, restored on another machine."""
    store, server = prepare("backup")
    try:
        fill(server, "first", 12, 1 << 20)
        backup(server, "run")
        size = sum(map(os.path.getsize, store.objects()))
        check(size > 10 << 20, f"{size} octets in the store")
        server.receive("later")
        backup(server, "run")
        more = sum(map(os.path.getsize, store.objects())) - size
        check(0 < more < 2 << 20, f"{more} octets for a small message")
        check(len(backup(server, "list").strip().splitlines()) >= 2, "fewer than two backups")
        backup(server, "check")
        want = {f"first{i}" for i in range(12)}
        got = subjects(restored(server, "restored"))
        check(got == want | {"later"}, got)
        backup(server, "drill")
        backup(server, "prune", "-keep-last", "1")
        backup(server, "check")
        # What is damaged is found: one octet of a pack.
        pack = max(store.objects("some/prefix/packs/"), key=os.path.getsize)
        with open(pack, "r+b") as f:
            f.seek(os.path.getsize(pack) // 2)
            octet = f.read(1)[0]
            f.seek(-1, 1)
            f.write(bytes([octet ^ 1]))
        check("damaged" in backup(server, "check", status=1), "damage is not found")
        return f"{size >> 20} MB, then {more >> 10} KB"
    finally:
        store.kill()
        server.kill()


def case_wrong():
    """What is said about wrong keys and a bucket that is not there."""
    store, server = prepare("wrong")
    try:
        place, key = f"s3://127.0.0.1:7070/{BUCKET}/x", server.dir + "/s3key"
        write(server.dir + "/wrongsecret", f"{ACCESS}\nx{SECRET}\n")
        write(server.dir + "/wrongid", f"x{ACCESS}\n{SECRET}\n")
        write(server.dir + "/noid", f"{ACCESS}\n")
        for want, repository, file, region in (
                ("SignatureDoesNotMatch", place, server.dir + "/wrongsecret", REGION), ("access key", place, server.dir + "/wrongid", REGION),
                ("two lines", place, server.dir + "/noid", REGION), ("NoSuchBucket", "s3://127.0.0.1:7070/other/x", key, REGION),
                ("region", place, key, "us-east-1"), ("refused", place.replace("7070", "7071"), key, REGION),
                ("HTTP response to HTTPS", place.replace("7070", "1081"), key, REGION)):
            out = backup(server, "run", "-repository", repository, "-accesskeyfile", file, "-region", region, status=1)
            check(want in out and len(out.splitlines()) < 5, f"want {want}: {out}")
        out = backup(server, "list", "-repository", place, "-accesskeyfile", key, "-region", REGION, status=1)
        check("no repository there" in out, out)
        check(not store.objects("x/"), store.objects())
    finally:
        store.kill()
        server.kill()


def killed_at(store, packs, then):
    """Kills the store when it has some packs, and goes on in another thread."""
    def run():
        wait("packs", 60, lambda: len(store.objects("some/prefix/packs/")) >= packs)
        store.kill()
        then()
    t = threading.Thread(target=run)
    t.start()
    return t


def case_gone():
    """A store that dies in the middle of a backup: back soon, it goes on; else it fails, and the next one is whole."""
    store, server = prepare("gone")
    try:
        fill(server, "gone", 24, 2 << 20)
        t = killed_at(store, 1, lambda: None)
        out = backup(server, "run", status=1)
        t.join()
        check("refused" in out or "EOF" in out or "reset" in out, out)
        store.start()
        check(backup(server, "list").strip().count("\n") <= 1, "half a backup is listed")
        packs = len(store.objects("some/prefix/packs/"))
        t = killed_at(store, packs + 2, store.start)
        backup(server, "run")
        t.join()
        backup(server, "check")
        got = subjects(restored(server, "gone-restored"))
        check(got == {f"gone{i}" for i in range(24)}, got)
        return "said: " + out.strip()
    finally:
        store.kill()
        server.kill()


def case_replica():
    """Commits go to the store within seconds; while it is gone they wait and the metric says so; the machine is lost."""
    store, server = prepare("replica", "\tReplicate: true\n")
    try:
        lag = lambda: server.metric("mox_replica_lag_seconds")
        server.receive("before")
        backup(server, "run")
        server.receive("after")
        wait("the replica", 60, lambda: lag() == 0)
        store.kill()
        server.receive("while")
        wait("a lag", 60, lambda: lag() > 5)
        store.start()
        wait("the replica again", 90, lambda: lag() == 0)
        server.process.send_signal(signal.SIGSTOP)
        server.kill()
        got = subjects(restored(server, "replica-restored"))
        check(got == {"before", "after", "while"}, got)
    finally:
        store.kill()
        server.kill()


layers()
sh("ip", "link", "set", "lo", "up")
sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=store",
   "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", ROOT + "/tls.key", "-out", ROOT + "/tls.pem")
os.environ["SSL_CERT_FILE"] = ROOT + "/tls.pem"
for name, case in [("storage", case_storage), ("backup", case_backup), ("wrong", case_wrong), ("gone", case_gone), ("replica", case_replica)]:
    if only in trial.prefix + name:
        trial.run(name, case)
