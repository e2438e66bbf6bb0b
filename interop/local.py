"""A localserve of its own, in namespaces of a group of cases (isolated in run.sh)."""
import base64
import os
import re
import smtplib
import ssl
import subprocess
import urllib.request

from trial import Failed, check, read, sh, user, wait, write

USER, PASSWORD, UID = "mox@localhost", "moxmoxmox", 4242


class Local:
    """A mox localserve in a directory, whose configuration is edited before it starts."""

    def __init__(self, mox, directory):
        self.mox, self.dir, self.process = mox, directory, None
        self.conf, self.logfile = directory + "/mox.conf", directory + ".log"
        self.serve = ["localserve", "-dir", directory]
        sh(mox, "localserve", "-dir", directory, "-ip", "127.0.0.1", "-initonly")
        self.edit("LogLevel: traceauth", "LogLevel: debug")

    def edit(self, old, new):
        text = read(self.conf)
        check(old in text, f"no {old!r} in the configuration")
        write(self.conf, text.replace(old, new, 1))

    def add(self, text):
        """Adds to mox.conf, with tabs for what is within."""
        write(self.conf, read(self.conf) + text)

    def sends(self):
        """Makes it a server that runs as a user and sends what is for others: for remote.example to a server that is not there."""
        user("mox", UID)
        self.add(f"User: {UID}\nDNSResolvers:\n\t- 127.0.0.1\nTransports:\n\tgone:\n\t\tSMTP:\n\t\t\tHost: localhost\n\t\t\tPort: 1\n")
        write(self.dir + "/domains.conf", read(self.dir + "/domains.conf") +
              "Routes:\n\t-\n\t\tToDomain:\n\t\t\t- remote.example\n\t\tTransport: gone\n\t\tRetry:\n" + "\t\t\t- 10s\n" * 9)
        self.serve = ["-config", self.conf, "serve"]

    def start(self):
        with open(self.logfile, "a") as log:
            self.process = subprocess.Popen([self.mox, *self.serve], stdout=log, stderr=log)
        wait("mox", 30, lambda: self.ready() or self.ended())

    def ready(self):
        try:
            with urllib.request.urlopen("http://127.0.0.1:1081/health/ready", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def ended(self):
        if self.process.poll() is not None:
            raise Failed("mox ended: " + "\n".join(self.log().splitlines()[-10:]))

    def stop(self):
        self.command("stop")
        check(self.process.wait(30) == 0, f"exit status {self.process.returncode}")
        check("panic" not in self.log(), "mox has panicked")

    def kill(self):
        """For the end of a case that has failed."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def log(self):
        return read(self.logfile)

    def command(self, *args, status=0, **kw):
        return sh(self.mox, "-config", self.conf, *args, status=status, **kw)

    def metric(self, name, **labels):
        """The sum of the series with these labels, 0 if there is none."""
        with urllib.request.urlopen("http://127.0.0.1:1081/metrics", timeout=10) as answer:
            text = answer.read().decode()
        total = 0.0
        for found in re.finditer(rf"^{re.escape(name)}(?:\{{(.*)\}})? (\S+)$", text, re.M):
            if all(f'{k}="{v}"' in (found[1] or "") for k, v in labels.items()):
                total += float(found[2])
        return total

    def receive(self, number, sender="a@remote.example", to=USER, attachment=0):
        """Mail from another server, with Message-ID number@test.example, and random octets in it."""
        with smtplib.SMTP("127.0.0.1", 1025, "remote.example", timeout=30) as c:
            c.sendmail(sender, [to], message(number, sender, to, attachment))

    def submit(self, number, to=USER):
        context = ssl.create_default_context(cafile=self.dir + "/localhost.crt")
        with smtplib.SMTP_SSL("localhost", 1465, "client.example", timeout=30, context=context) as c:
            c.login(USER, PASSWORD)
            c.sendmail(USER, [to], message(number, USER, to))


def message(number, sender, to, attachment=0):
    head = (f"From: <{sender}>\r\nTo: <{to}>\r\nSubject: {number}\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
            f"Message-ID: <{number}@test.example>\r\n")
    if attachment == 0:
        return head + "\r\nHello.\r\n"
    content = base64.encodebytes(os.urandom(attachment)).decode().replace("\n", "\r\n")
    return head + "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" + content


def background(log, *args, **kw):
    """Starts another program, whose output goes to a file."""
    os.makedirs(os.path.dirname(log), exist_ok=True)
    with open(log, "a") as f:
        return subprocess.Popen(args, stdout=f, stderr=f, **kw)
