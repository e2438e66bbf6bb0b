"""Alpine and aerc, driven by keys in a terminal that tmux makes. Each marks, deletes, copies or
moves, and searches; what the server holds then is looked at on a new connection.

Arguments: alpine or aerc, and the directory to work in."""
import imaplib
import os
import subprocess
import sys
import time

USER, PASSWORD = "mox@localhost", "moxmoxmox"


class Screen:
    """A program in a terminal of its own."""

    def __init__(self, dir, *args):
        self.socket = dir + "/tmux"
        env = dict(os.environ, HOME=dir, XDG_CONFIG_HOME=dir + "/config", TERM="screen", LANG="C.UTF-8")
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40", *args, env=env)
        self.tmux("set-option", "remain-on-exit", "on")

    def tmux(self, *args, **kw):
        return subprocess.run(["tmux", "-S", self.socket, *args], check=True, capture_output=True, text=True, timeout=20, **kw).stdout

    def text(self):
        return self.tmux("capture-pane", "-p")

    def wait(self, *words):
        """Until one of the words is on the screen."""
        end = time.monotonic() + 60
        while not any(w in self.text() for w in words):
            if time.monotonic() > end:
                sys.exit(f"no {words} on the screen:\n" + self.text())
            time.sleep(0.05)

    def keys(self, *keys):
        """Sends keys: a text, or the name of one as Enter. A program that is busy may lose keys."""
        for k in keys:
            self.tmux("send-keys", "\\;" if k == ";" else k)
            time.sleep(0.3)

    def stop(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], check=False)


def check(cond, what):
    if not cond:
        sys.exit("failed: " + what)
    print("ok", what, flush=True)


def subjects(mailbox, *criteria):
    """Subjects of messages at the server, in order."""
    with imaplib.IMAP4("127.0.0.1", 1143) as c:
        c.login(USER, PASSWORD)
        if c.select(mailbox, readonly=True)[0] != "OK":
            return None
        nums = c.search(None, *criteria)[1][0].split()
        return [c.fetch(n, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1][0][1].decode().split(":", 1)[1].strip() for n in nums]


def eventually(what, want, mailbox, *criteria):
    end = time.monotonic() + 60
    while (got := subjects(mailbox, *criteria)) != want and time.monotonic() < end:
        time.sleep(0.2)
    check(got == want, f"{what}: {got}")


def fill(mailbox):
    subprocess.run([sys.executable, os.path.dirname(os.path.abspath(__file__)) + "/../fill.py", mailbox, "20"], check=True)


def fills(*numbers):
    return [f"fill {n}" for n in numbers]


def alpine(dir):
    fill("Alpine")
    at = "{localhost:1993/ssl/novalidate-cert/user=mox@localhost}"
    features = "enable-aggregate-command-set,enable-flag-cmd,expunge-without-confirm,expunge-without-confirm-everywhere,quit-without-confirm,auto-zoom-after-select"
    with open(dir + "/.pinerc", "w") as f:
        f.write(f"personal-name=Mox\nuser-domain=remote.example\ninbox-path={at}INBOX\nfolder-collections=Mail {at}[]\nfeature-list={features}\nlast-version-used=6.26\nnew-version-threshold=7.00\n")
    s = Screen(dir, "alpine", "-p", dir + "/.pinerc", "-i", "-f", "Alpine")
    try:
        s.wait("ENTER PASSWORD")
        s.keys(PASSWORD, "Enter")
        s.wait("Preserve password", "fill 19")
        if "Preserve" in s.text():
            s.keys("n")
        s.wait("fill 19")
        s.keys("d", "p", "d", "p", "p", "s")  # 19 and 18 are deleted
        s.wait("SAVE Msg")
        s.keys("AlpineTo", "Enter")
        s.wait("Create?")
        s.keys("y")
        s.wait("copied to folder", "DONE]")  # the first is there for a moment only
        s.keys(";")
        s.wait("Text")
        s.keys("t")
        s.wait("Subj")
        s.keys("s")
        s.wait("fill", "SUBJECT")
        s.keys("fill 1", "Enter")
        s.wait("Select matched 11 messages")
        s.keys("a")
        s.wait("Delete", "APPLY")
        s.keys("d", "x")
        s.wait("xpunged", "Expunge")
        if "xpunged" not in s.text():
            s.keys("y")
        eventually("searched, deleted and expunged", fills(0, *range(2, 10)), "Alpine", "ALL")
        check(len(subjects("AlpineTo", "ALL")) == 1, "saved to a new mailbox")
        s.keys("q")
    finally:
        s.stop()


def aerc(dir):
    fill("Aerc")
    os.makedirs(dir + "/config/aerc")
    path = dir + "/config/aerc/accounts.conf"
    with open(path, "w") as f:
        f.write("[mox]\nsource = imap+insecure://mox%40localhost:moxmoxmox@127.0.0.1:1143\ndefault = Aerc\nfrom = Mox <mox@localhost>\n")
    os.chmod(path, 0o600)
    with imaplib.IMAP4("127.0.0.1", 1143) as c:
        c.login(USER, PASSWORD)
        c.create("AercTo")
    s = Screen(dir, "aerc")
    try:
        s.wait("fill 19")

        def command(line):
            s.keys(":" + line, "Enter")

        command("flag -t")
        eventually("flagged", fills(0, 10, 19), "Aerc", "FLAGGED")
        command("next")
        command("delete")
        eventually("deleted", fills(*range(18), 19), "Aerc", "ALL")
        command("mv AercTo")
        eventually("moved", fills(17), "AercTo", "ALL")
        command("cp AercTo")
        eventually("copied", fills(17, 16), "AercTo", "ALL")
        command("read")
        eventually("read", fills(16), "Aerc", "SEEN")
        command("filter -f sender3")
        end = time.monotonic() + 60
        while "fill 15" in s.text() and time.monotonic() < end:
            time.sleep(0.1)
        check("fill 10" in s.text() and "fill 3" in s.text() and "fill 15" not in s.text(), "found by the server")
        command("clear")
        command("mkdir AercNew")
        eventually("made a mailbox", [], "AercNew", "ALL")
        command("quit")
    finally:
        s.stop()


{"alpine": alpine, "aerc": aerc}[sys.argv[1]](os.path.abspath(sys.argv[2]))
