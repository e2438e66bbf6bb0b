#!/usr/bin/env python3
"""Takes an account of Dovecot over with "mox import imap": killed in the middle, resumed, and
then what changed. Arguments: the mox binary, and an empty directory.

The expectation is made from what was put into Dovecot, and compared with what mox has, both
read by IMAP: each message's hash with its flags and time."""
import collections
import hashlib
import imaplib
import json
import os
import random
import re
import subprocess
import sys
import time

PORT, IP, MESSAGES = 14243, "127.0.0.9", 2000

CONF = """
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:~/mail
mail_fsync = never
first_valid_uid = 1
passdb {{
  driver = static
  args = password=moxmoxmox
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={dir}/home/%n
}}
namespace inbox {{
  inbox = yes
  prefix = INBOX.
  separator = .
  mailbox Gesendet {{
    auto = subscribe
    special_use = \\Sent
  }}
  mailbox Muell {{
    auto = create
    special_use = \\Trash
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""

# Mailboxes there, and what they are to be here.
BOXES = {
    "INBOX": "INBOX",
    "INBOX.Gesendet": "Sent",
    "INBOX.Muell": "Trash",
    "INBOX.Work.&ANw-bersicht": "Work/&ANw-bersicht",
    "INBOX.Inbox": "INBOX/Inbox",
}


def connect(host, port, user):
    end = time.monotonic() + 60
    while True:
        try:
            c = imaplib.IMAP4(host, port, timeout=120)
            break
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
    ok(c.login(user, "moxmoxmox"))
    return c


def ok(result):
    if result[0] != "OK":
        raise SystemExit(f"FAIL  {result}")
    return result[1]


def check(cond, res):
    if not cond:
        raise SystemExit(f"FAIL  {res}")


def message(n):
    """Some without Message-ID, some equal to others, a few large ones."""
    if n % 50 == 49:
        n = 49
    head = f"From: a@example.org\r\nSubject: number {n}\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    if n % 7:
        head += f"Message-ID: <{n}@example.org>\r\n"
    body = f"{n} " * (200_000 if n == 100 else 2000) + "\r\n"
    return (head + "\r\n" + body).encode()


def fill(c):
    rnd = random.Random(1)
    for box in list(BOXES)[3:]:
        ok(c.create(f'"{box}"'))
    for n in range(MESSAGES):
        box = "INBOX" if n % 5 else rnd.choice(list(BOXES)[1:])
        flags = rnd.sample(["\\Seen", "\\Answered", "\\Flagged", "\\Draft", "$Forwarded", "work"], rnd.randrange(4))
        ok(c.append(f'"{box}"', "(" + " ".join(flags) + ")", imaplib.Time2Internaldate(1_600_000_000 + n), message(n)))


def contents(c, box):
    """A multiset of hash, flags and time."""
    ok(c.select(f'"{box}"', readonly=True))
    found = collections.Counter()
    if int(c.untagged_responses["EXISTS"][-1]) == 0:
        return found
    for part in ok(c.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")):
        if isinstance(part, tuple):
            head = part[0].decode()
            flags = re.search(r"FLAGS \(([^)]*)\)", head)
            date = imaplib.Internaldate2tuple(part[0])
            pending = (hashlib.sha256(part[1]).hexdigest(), time.mktime(date))
            if flags:
                found[pending + (names(flags[1]),)] += 1
                pending = None
        elif pending:
            found[pending + (names(re.search(r"FLAGS \(([^)]*)\)", part.decode())[1]),)] += 1
    return found


def names(flags):
    return " ".join(sorted(f.lower() for f in flags.split() if f != "\\Recent"))


def compare(what):
    old, new = connect("127.0.0.1", PORT, "u"), connect(IP, 1143, "mox@localhost")
    failed = False
    for there, here in BOXES.items():
        a, b = contents(old, there), contents(new, here)
        if a != b:
            failed = True
            print(f"FAIL  {what}: {there}: {sum(a.values())} there, {sum(b.values())} here, {sum((a - b).values())} only there, {sum((b - a).values())} only here")
            for x in list((a - b).items())[:3] + list((b - a).items())[:3]:
                print("     ", x)
    if failed:
        sys.exit(1)
    print(f"ok    {what}")


class Trial:
    def __init__(self, mox, directory):
        self.mox, self.dir = mox, directory
        self.args = [mox, "-config", f"{directory}/data/mox.conf", "import", "imap", "-host", f"127.0.0.1:{PORT}", "-user", "u", "-tls", "none", "-json"]
        self.env = dict(os.environ, MOX_IMAP_PASSWORD="moxmoxmox")

    def run(self, *flags):
        p = subprocess.run(self.args + list(flags) + ["mox"], capture_output=True, text=True, env=self.env, timeout=300)
        if p.returncode:
            raise SystemExit(f"FAIL  import: status {p.returncode}: {p.stdout}{p.stderr}")
        return json.loads(p.stdout)

    def killed(self):
        """Kills the command once some of the mail is here."""
        c = connect(IP, 1143, "mox@localhost")
        p = subprocess.Popen(self.args + ["mox"], env=self.env, stdout=subprocess.DEVNULL)
        n = 0
        while n == 0 and p.poll() is None:
            n = int(re.search(rb"MESSAGES (\d+)", ok(c.status("INBOX", "(MESSAGES)"))[0])[1])
        p.kill()
        if p.wait() != -9:
            raise SystemExit("FAIL  the import was not interrupted")
        time.sleep(1)
        n = int(re.search(rb"MESSAGES (\d+)", ok(c.status("INBOX", "(MESSAGES)"))[0])[1])
        print(f"ok    killed with {n} messages in INBOX")

    def start(self):
        os.chmod(self.dir, 0o755)
        os.mkdir(f"{self.dir}/home")
        subprocess.run(["chown", "nobody", f"{self.dir}/home"], check=True)
        with open(f"{self.dir}/dovecot.conf", "w") as f:
            f.write(CONF.format(dir=self.dir, port=PORT))
        with open(f"{self.dir}/mox.log", "w") as log:
            return [
                subprocess.Popen(["dovecot", "-F", "-c", f"{self.dir}/dovecot.conf"]),
                subprocess.Popen([self.mox, "localserve", "-dir", f"{self.dir}/data", "-ip", IP], stdout=log, stderr=log),
            ]

    def all(self):
        old = connect("127.0.0.1", PORT, "u")
        fill(old)
        connect(IP, 1143, "mox@localhost").logout()
        self.killed()
        begin = time.monotonic()
        res = self.run("-verify")
        print(f"ok    resumed in {time.monotonic() - begin:.1f} s: {res['Added']} added, {res['Present']} were there")
        compare("after the interruption")
        res = self.run()
        check((res["Added"], res["Present"], res["Flags"], res["Deleted"]) == (0, 0, 0, 0), res)
        print("ok    nothing to do the second time")

        ok(old.select("INBOX"))
        ok(old.store("1:100", "FLAGS", "(\\Seen later)"))
        ok(old.store("200:210", "+FLAGS", "(\\Deleted)"))
        ok(old.expunge())
        ok(old.copy("300:305", "INBOX.Gesendet"))
        ok(old.append("INBOX", "", None, message(49)))
        res = self.run("-delete", "-verify")
        # Some may have had those flags before.
        check((res["Added"], res["Present"], res["Deleted"]) == (7, 0, 11) and 90 < res["Flags"] <= 100, res)
        compare("after changes and deletions")
        begin = time.monotonic()
        self.run("-delete")
        print(f"ok    nothing to do, in {time.monotonic() - begin:.2f} s")


def main():
    trial = Trial(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]))
    servers = trial.start()
    try:
        trial.all()
    finally:
        for p in servers:
            p.terminate()
        for p in servers:
            p.wait(20)


main()
