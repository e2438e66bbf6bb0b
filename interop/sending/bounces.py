"""Bounces of others become the state of the message that they are about, and a webhook tells
of it; our own are shown as they should be by mutt."""
import http.server
import json
import os
import re
import secrets
import threading
import time

from lab import WEB, ip4
from trial import ROOT, check, read, sh, wait, write

HOOKS = f"http://{ip4(WEB)}:8025/"


class Hooks:
    """Takes webhook calls."""

    def __init__(self):
        self.events = events = []

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = 10

            def do_POST(self):
                events.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer((ip4(WEB), 8025), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()


def send(mox, name, domain, subject):
    """Sends as bob, whose messages have a sender of their own each. Returns recipient and Message-ID."""
    rcpt, number = f"sink+{name}@{domain}", f"{name}.{secrets.token_hex(6)}@interop.test"
    date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
    with mox.submission("bob") as c:
        c.sendmail(f"bob@{mox.host}.test", [rcpt], f"From: <bob@{mox.host}.test>\r\nTo: <{rcpt}>\r\nSubject: {subject}\r\nDate: {date}\r\nMessage-ID: <{number}>\r\n\r\nHello.\r\n")
    return rcpt, number


def state(host):
    """A server that accepts the message and then says that it could not deliver it."""

    def case(world, hosts):
        mox = hosts["mox1"]
        rcpt, number = send(mox, f"state-{host}", f"bounce.{host}.test", "Bounced later")
        failed = wait(f"event failed of {number}", 60, lambda: [e for e in world.hooks.events if e.get("MessageID", "").strip("<>") == number and e["Event"] == "failed"])
        event = failed[0]
        # Exim writes 5.0.0 whatever the reason.
        check(event.get("DSN") and event.get("SMTPEnhancedCode", "").endswith({"postfix": "1.1", "exim": "0.0"}[host]), f"event: {event}")
        listed = mox.command("queue", "retired", "list", "-to", rcpt, "-result", "failure")
        check(rcpt in listed, f"queue retired list: {listed}")
        return f"SMTPCode {event.get('SMTPCode')}, {event.get('SMTPEnhancedCode')}"

    return case


def mutt(world, hosts):
    mox = hosts["mox1"]
    rcpt, number = send(mox, "mutt", "null.postfix.test", "=?utf-8?q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?=")

    def dsn():
        return next((m for m in mox.fetch("bob") if number.encode() in m and b"multipart/report" in m), None)

    message = wait("DSN", 60, dsn)
    d = ROOT + "/mutt"
    text = message.decode("utf-8", "replace").replace("\r\n", "\n")
    write(d + "/mbox", "From MAILER-DAEMON Sun Nov 22 10:00:00 2026\n" + re.sub(r"(?m)^(>*From )", r">\1", text) + "\n")
    write(d + "/rc", f"set pipe_decode=yes folder={d} wait_key=no quit=yes move=no sleep_time=0 mailcap_path=none\npush \"<pipe-message>cat >{d}/shown<enter><exit>\"\n")
    # Its standard input stays open: the end of it would be a key.
    keys, _ = os.pipe()
    sh("script", "-qec", f"mutt -n -F {d}/rc -R -f {d}/mbox", "/dev/null", env={"PATH": "/usr/bin:/bin", "TERM": "xterm", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": d}, timeout=40, stdin=keys)
    shown = read(d + "/shown")
    for want in (rcpt, "5.1.10", "Grüße aus Köln", "Final-Recipient", "Action: failed", number):
        check(want in shown, f"mutt does not show {want!r}:\n{shown}")
    check("unsupported" not in shown and "is unknown" not in shown, shown)
    return f"{len(shown.splitlines())} lines"


CASES = [("bounce-state-postfix", state("postfix")), ("bounce-state-exim", state("exim")), ("bounce-mutt", mutt)]
