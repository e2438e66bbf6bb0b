"""Claws Mail in an X server of its own, driven by its command line, by keys and by the mouse: the
wizard sets up an account, then it lists, reads, marks, moves, copies and deletes messages, gets a
new one and writes one. What the server holds is looked at with imaplib.

Arguments: the directory to work in, and the file with the server's certificate. With $CLAWS_SHOTS,
a directory, each step leaves a picture there."""
import imaplib
import os
import re
import smtplib
import subprocess
import sys
import time

from messages import PASSWORD, USER, check, fill, found

MESSAGES = 40
ROOT = f"#imap/{USER}@localhost:1993"
# The first in the list of folders behind those that the program shows first; see to_folder.
BOX, TO = "AClaws", "AClawsTo"
dir, cert = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])

# What the first dialog, the wizard, has in its fields.
TEMPLATE = f"""[AccountTemplate]
name=Mox
email={USER}
recvtype=1
recvserver=localhost:1993
recvuser={USER}
recvpass={PASSWORD}
recvssl=1
subsonly=0
smtpserver=localhost:1465
smtpauth=1
smtpssl=1
"""

# No questions that are not about mail.
SETTINGS = """[Common]
config_version=4
check_on_startup=0
open_inbox_on_startup=0
confirm_on_exit=0
warn_queued_on_exit=0
work_offline=0
immediate_execution=1
mark_as_read_on_new_window=0
mark_as_read_delay=0
always_show_message_when_selected=1
show_msg_in_summary=1
mainwin_x=0
mainwin_y=0
mainwin_width=1000
mainwin_height=700
thread_by_subject=0
enable_aspell=0
"""

class Claws:
    """The program and its X server."""

    def __init__(self):
        config = dir + "/config"
        os.makedirs(config, exist_ok=True)
        for name, text in {"accountrc.tmpl": TEMPLATE, "clawsrc": SETTINGS}.items():
            with open(f"{config}/{name}", "w") as f:
                f.write(text)
        r, w = os.pipe()
        self.x = subprocess.Popen(["Xvfb", "-displayfd", str(w), "-screen", "0", "1000x700x24", "-nolisten", "tcp"], pass_fds=[w], stderr=subprocess.DEVNULL)
        os.close(w)
        with os.fdopen(r) as f:
            display = ":" + f.readline().strip()
        self.env = dict(os.environ, DISPLAY=display, HOME=dir, SSL_CERT_FILE=cert, LANG="C.UTF-8", NO_AT_BRIDGE="1", TMPDIR=dir, XDG_CACHE_HOME=dir + "/cache", XDG_RUNTIME_DIR=dir)
        self.args = ["claws-mail", "--alternate-config-dir", config]
        self.log = open(dir + "/claws.log", "w")
        self.process = subprocess.Popen(self.args + ["--debug"], env=self.env, stdout=self.log, stderr=self.log)
        self.shots = 0

    def shot(self, name):
        if d := os.environ.get("CLAWS_SHOTS"):
            self.shots += 1
            subprocess.run(f"xwd -silent -root | convert xwd:- {d}/{self.shots:02}-{name}.png", shell=True, env=self.env, check=False)

    def xdotool(self, *args):
        return subprocess.run(["xdotool", *args], env=self.env, capture_output=True, text=True, timeout=20).stdout.split()

    def visible(self, title):
        return self.xdotool("search", "--onlyvisible", "--name", title)

    def until(self, what, fn):
        end = time.monotonic() + 60
        while not (v := fn()):
            if self.process.poll() is not None:
                sys.exit(f"failed: the program ended before {what}")
            if time.monotonic() > end:
                self.shot("failed")
                sys.exit("failed: waited for " + what)
            time.sleep(0.1)
        return v

    def window(self, title, gone=False):
        self.until("window " + title, lambda: bool(self.visible(title)) != gone)
        # Without a window manager keys go to where the pointer is. It takes them a little later.
        self.xdotool("mousemove", "500", "300")
        time.sleep(0.3)
        self.shot(re.sub("[^a-z]+", "-", title.lower()))

    def keys(self, *keys):
        for k in keys:
            self.xdotool("key", k)
            time.sleep(0.1)

    def click(self, x, y):
        self.xdotool("mousemove", str(x), str(y), "click", "1")
        time.sleep(0.3)

    def command(self, *args):
        """Gives the running program a command; returns what it says."""
        return subprocess.run(self.args + list(args), env=self.env, capture_output=True, text=True, timeout=20, check=True).stdout

    def status(self, mailbox):
        """Numbers of new, unread and all messages, as the program shows them."""
        for line in self.command("--status-full").splitlines():
            if m := re.fullmatch(rf" *(\d+) +(\d+) +(\d+) {re.escape(ROOT)}/{mailbox}", line):
                return tuple(map(int, m.groups()))
        return None

    def select(self, mailbox, uid=None):
        self.command("--select", f"{ROOT}/{mailbox}" + (f"/{uid}" if uid else ""))
        time.sleep(0.7)

    def message(self, uid):
        """Opens a message and gives the list of messages the keys."""
        self.select(BOX, uid)
        self.keys("Left")

    def to_folder(self):
        """Answers the question for a folder with TO, the seventh: the first five have a special use."""
        self.window("Select folder")
        self.keys("Home", *["Down"] * 7)
        self.shot("folder")
        self.keys("Return")
        self.window("Select folder", gone=True)

    def stop(self):
        self.process.kill()
        self.process.wait(10)
        self.x.terminate()  # then it removes its socket
        self.x.wait(10)


def eventually(c, what, want, mailbox, *criteria, again=None):
    """Waits for what searching at the server shows. again is done every three seconds: for what
    the program drops while it is busy."""
    end = time.monotonic() + 60
    retry = time.monotonic() + 3
    while (n := found(mailbox, *criteria)) != want and time.monotonic() < end:
        time.sleep(0.2)
        if again and time.monotonic() > retry:
            again()
            retry = time.monotonic() + 3
    c.shot(what.split()[0])
    check(n == want, f"{what}: {n} of {want} at the server")


def wizard(c):
    """Its fields are filled in, by the template."""
    c.window("Setup Wizard")
    c.until("the last page", lambda: (c.click(520, 579), c.shot("page"), c.click(622, 579)) and not c.visible("Setup Wizard"))
    c.window("TLS certificate")
    c.keys("alt+a")
    c.until("mailboxes", lambda: c.status(TO))


def main():
    start = time.monotonic()
    fill(BOX.encode(), MESSAGES, "claws")
    with imaplib.IMAP4("127.0.0.1", 1143) as s:
        s.login(USER, PASSWORD)
        s.create(TO)
    c = Claws()
    try:
        wizard(c)
        print(f"account after {time.monotonic() - start:.1f} s", flush=True)
        c.select(BOX)
        c.until("headers", lambda: c.status(BOX) == (0, MESSAGES // 2, MESSAGES) or c.status(BOX) == (0, MESSAGES // 2 - 1, MESSAGES))
        check(True, f"{MESSAGES} messages are listed")
        changes(c)
        new(c)
        write(c)
        print(f"done after {time.monotonic() - start:.1f} s", flush=True)
    finally:
        c.stop()


def changes(c):
    """Message n has UID n+1; even ones are not read."""
    c.message(7)
    eventually(c, "read", 1, BOX, "UID", "7", "SEEN", again=lambda: c.message(7))
    c.keys("asterisk")
    eventually(c, "flagged", 1, BOX, "UID", "7", "FLAGGED")
    c.keys("exclam")
    eventually(c, "unread", 1, BOX, "UID", "7", "UNSEEN", "FLAGGED")
    c.message(8)
    c.keys("ctrl+o")
    c.to_folder()
    eventually(c, "moved to", 1, TO, "SUBJECT", '"claws 7"')
    eventually(c, "moved from", MESSAGES - 1, BOX, "ALL")
    c.message(9)
    c.keys("ctrl+shift+o")
    c.to_folder()
    eventually(c, "copied to", 1, TO, "SUBJECT", '"claws 8"')
    check(found(BOX, "SUBJECT", '"claws 8"') == 1, "the original stayed")
    c.message(10)
    c.keys("ctrl+d")
    eventually(c, "deleted", 0, BOX, "SUBJECT", '"claws 9"')
    eventually(c, "trash", 1, "Trash", "SUBJECT", '"claws 9"')
    # What another client does is seen with the next look.
    with imaplib.IMAP4("127.0.0.1", 1143) as s:
        s.login(USER, PASSWORD)
        s.select(BOX)
        s.uid("STORE", "21:30", "+FLAGS", r"(\Deleted)")
        s.expunge()
        s.uid("STORE", "31:40", "+FLAGS", r"(\Seen)")
    c.select("INBOX")
    c.select(BOX)
    unread = found(BOX, "UNSEEN")
    c.until("changes of another client", lambda: c.status(BOX)[1:] == (unread, MESSAGES - 12))
    check(True, "changes of another client came down")


def new(c):
    before = c.status("INBOX")[2]
    with smtplib.SMTP("127.0.0.1", 1025) as s:
        s.sendmail("news@remote.example", [USER], f"From: <news@remote.example>\r\nTo: <{USER}>\r\nSubject: claws new\r\nMessage-ID: <claws-new@interop.example>\r\n\r\nNew.\r\n")
    c.command("--receive-all")
    c.until("the new message", lambda: c.status("INBOX")[2] == before + 1)
    with imaplib.IMAP4("127.0.0.1", 1143) as s:
        s.login(USER, PASSWORD)
        s.select("INBOX", readonly=True)
        uid = s.uid("SEARCH", "SUBJECT", '"claws new"')[1][0].decode()

    def reopen():
        c.select(BOX)
        c.select("INBOX", uid)

    reopen()
    eventually(c, "new message read", 1, "INBOX", "SUBJECT", '"claws new"', "SEEN", again=reopen)


def write(c):
    """A draft is saved at the server. It is not sent: before that the program wants it in a mailbox Queue, which
    is mox's own unless QueueMailbox names another."""
    with open(dir + "/draft", "w") as f:
        f.write(f"To: {USER}\nSubject: claws draft\n\nGrüße aus Köln.\n")
    c.command("--compose-from-file", dir + "/draft")
    c.window("Compose")
    c.keys("ctrl+s")
    # Above the message it puts fields of its own with an empty line behind.
    eventually(c, "draft saved", 1, "Drafts", "TEXT", '"Subject: claws draft"', "TEXT", '"e aus K"')


main()
