"""mox is killed, again and again, while it takes in mail and sends it. What it accepted must
arrive; what arrives twice must have been sent just before it was killed."""
import json
import os
import random
import smtplib
import threading
import time

from lab import SINK, ip4, processes
from trial import ROOT, Failed, check, read, wait

MESSAGES = int(os.environ.get("INTEROP_MESSAGES", "5000"))
CLIENTS = 8
MOST = 200  # seconds until all must have arrived
# Seconds: how long before it is killed mox may have sent what it then sends again.
WINDOW = 1.0
DOMAINS = 10


class Crash:
    def __init__(self, world, mox):
        self.mox = mox
        self.lock = threading.Lock()
        self.next = 0
        self.accepted, self.unknown, self.refused = set(), set(), []
        self.kills = []
        self.done = threading.Event()
        self.accounts = ROOT + "/sink.accounts"

    def run(self):
        sink = processes.start(None, self.mox.parts + "/sink", f"{ip4(SINK)}:25", self.accounts, log=ROOT + "/sink.log")
        wait("sink", 10, lambda: "listening" in read(ROOT + "/sink.log"))
        start = time.monotonic()
        killer = threading.Thread(target=self.kill)
        clients = [threading.Thread(target=self.submit) for _ in range(CLIENTS)]
        for t in [killer, *clients]:
            t.start()
        for t in clients:
            t.join()
        submitted = time.monotonic() - start
        killer.join()
        check(not self.refused, f"refused: {self.refused[:5]}")
        check(len(self.accepted) >= MESSAGES, f"only {len(self.accepted)} accepted")
        self.arrive(start + MOST)
        note = self.judge()
        sink.terminate()
        return f"{len(self.accepted)} accepted in {submitted:.0f} s, all there after {time.monotonic() - start:.0f} s; {len(self.kills)} times killed; {note}"

    def kill(self):
        """Kills while mail is submitted, and a few times after that."""
        rest = 8
        while rest:
            time.sleep(random.uniform(0.1, 1))
            if self.done.is_set():
                rest -= 1
            self.kills.append(time.time())
            self.mox.kill()
            self.mox.launch()

    def take(self):
        """The number of the next message, or None: all were accepted."""
        with self.lock:
            if len(self.accepted) >= MESSAGES:
                self.done.set()
                return None
            self.next += 1
            return self.next

    def submit(self):
        """Submits messages, until all were accepted. What fails is not sent again: the next has
        another number."""
        connection = None
        end = time.monotonic() + MOST
        while not self.done.is_set() and time.monotonic() < end:
            try:
                connection = connection or self.mox.submission()
                n = self.take()
                if n is None:
                    break
                self.one(connection, n)
            except (smtplib.SMTPException, OSError) as e:
                if isinstance(e, smtplib.SMTPAuthenticationError) and e.smtp_code // 100 == 5:
                    self.refused.append(str(e))
                connection = None
                time.sleep(0.1)
        self.done.set()

    def one(self, c, n):
        to, number = f"n{n}@k{n % DOMAINS}.insecure.test", f"crash.{n}@interop.test"
        text = (f"From: <{self.mox.sender}>\r\nTo: <{to}>\r\nSubject: crash {n}\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
                f"Message-ID: <{number}>\r\n\r\n" + "Some text for the message, as it is.\r\n" * 20)
        for code, what in (c.mail(self.mox.sender), "MAIL"), (c.rcpt(to), "RCPT"), (c.docmd("DATA"), "DATA"):
            if code[0] // 100 not in (2, 3):
                if code[0] // 100 == 5:
                    self.refused.append(f"{what}: {code}")
                raise smtplib.SMTPException(what)
        with self.lock:
            self.unknown.add(number)
        c.send(text.encode() + b".\r\n")
        code, reply = c.getreply()
        with self.lock:
            if code == 250:
                self.accepted.add(number)
            self.unknown.discard(number)
        if code != 250:
            if code // 100 == 5:
                self.refused.append(f"{code} {reply}")
            raise smtplib.SMTPException(reply)

    def arrived(self):
        found = {}
        for line in read(self.accounts).split("\n")[:-1]:
            a = json.loads(line)
            found.setdefault(a["ID"], []).append(a)
        return found

    def arrive(self, end):
        """Waits for what was accepted. What waits for its next attempt since mox was killed
        is tried at once."""
        while missing := self.accepted - self.arrived().keys():
            if time.monotonic() > end:
                some = sorted(missing)[:5]
                raise Failed(f"{len(missing)} of {len(self.accepted)} did not arrive, e.g. {some}:\n" + self.mox.command("queue", "list", "-n", "5") + f"\nunknown: {len(self.unknown)}")
            time.sleep(2)
            self.mox.kick()
        time.sleep(3)

    def judge(self):
        """Counts what came more than once, and says why."""
        found = self.arrived()
        strange = [i for i in found if i not in self.accepted and i not in self.unknown]
        check(not strange, f"{len(strange)} arrived that were refused, or are nobody's: {strange[:5]}")
        cut = window = 0
        bad = []
        for number, copies in found.items():
            copies.sort(key=lambda a: a["Replied"])
            for a in copies[:-1]:
                near = any(-0.2 <= k - a["Replied"] <= WINDOW for k in self.kills)
                if a["After"] != "more":
                    cut += 1
                elif near:
                    window += 1
                else:
                    bad.append((number, copies))
        check(not bad, f"{len(bad)} arrived again without need, e.g. {bad[:3]}; killed at {self.kills}")
        return f"none lost, {cut} twice as the reply was cut off, {window} as mox had not yet noted it, {len(self.unknown)} without an answer"
