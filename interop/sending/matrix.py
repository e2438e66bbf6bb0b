"""Runs the rows of matrix.txt: all messages are sent, then it is seen what comes of each; in
the end it is counted, for every message, how often it is where."""
import os
import re
import secrets
import time

from trial import Failed, check

PATIENCE = int(os.environ.get("INTEROP_PATIENCE", "100"))  # seconds until what a row expects must have come


class Row:
    def __init__(self, line):
        self.name, self.sender, self.domain, options, self.outcome, *rest = line.split(None, 5)
        self.options = set() if options == "-" else set(options.split(","))
        self.want = rest[0].strip() if rest else ""
        check(self.outcome in OUTCOMES, f"outcome of {line}")
        local = "nobody-" if "unknown" in self.options else "sink+"
        self.rcpt = f"{local}{self.name}@{self.domain}"
        self.id = f"{self.name}.{secrets.token_hex(6)}@interop.test"
        self.failure = self.note = None
        self.took = 0

    def message(self, sender):
        extra = "TLS-Required: No\r\n" if "optional" in self.options else ""
        body = "Hello.\r\n.\r\n..dots\r\n" + ("x" * 70 + "\r\n") * (5700 if "large" in self.options else 0)
        date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
        return f"From: <{sender}>\r\nTo: <{self.rcpt}>\r\nSubject: {self.name}\r\nDate: {date}\r\nMessage-ID: <{self.id}>\r\n{extra}\r\n{body}"


def rows(only):
    with open(os.path.dirname(__file__) + "/matrix.txt") as f:
        all_rows = [Row(l) for l in f if l.strip() and not l.startswith("#")]
    return [r for r in all_rows if only in "sending-" + r.name or not only]


def delivered(matrix, row):
    """Whether it is there, with the security that was to be."""
    copies = matrix.copies(row)
    if not copies:
        return False
    sender = matrix.peers[row.sender]
    received = str(copies[0].get_all("Received", [""])[0])
    encrypted = re.search(r"(?i)\besmtps|UTF8SMTPS|TLS", received)
    how = sender.tls(row.rcpt) if encrypted else "none"
    check(how == row.want or (row.want == "any" and encrypted), f"TLS: {how}, want {row.want}; {' '.join(received.split())}")
    row.note = how
    return True


def again(matrix, row):
    if not delivered(matrix, row):
        return False
    box = matrix.world.domains[row.domain].box
    check(box.did or hasattr(box, "down"), "the box did nothing")
    return True


def twice(matrix, row):
    return again(matrix, row) and not matrix.peers[row.sender].queued(row.rcpt)


def kept(matrix, row):
    told = matrix.peers[row.sender].attempt(row.rcpt)
    return re.search(row.want, told) and matrix.peers[row.sender].queued(row.rcpt)


def bounced(matrix, row):
    """Whether the sender was told so by a DSN, that Python's parser understands."""
    for m in matrix.notices(row.sender):
        if m.get_content_type() != "multipart/report" or m.get_param("report-type") != "delivery-status":
            continue
        parts = list(m.iter_parts())
        if len(parts) < 3 or row.id not in parts[2].as_string():
            continue
        check(parts[1].get_content_type() == "message/delivery-status", parts[1].get_content_type())
        per_message, *recipients = parts[1].get_payload()
        check(per_message["Reporting-MTA"], "no Reporting-MTA")
        r = next((r for r in recipients if row.rcpt in str(r["Final-Recipient"])), None)
        check(r is not None, f"no recipient {row.rcpt}")
        check(r["Action"] == "failed" and str(r["Status"]).startswith(row.want), f"Action {r['Action']}, Status {r['Status']}, want {row.want}")
        row.note = f"{r['Status']}, told by {per_message['Reporting-MTA'].split(';')[-1].strip()}"
        return True
    return False


OUTCOMES = {"delivered": delivered, "again": again, "twice": twice, "kept": kept, "bounced": bounced}
# How often a message may be there in the end.
COUNTS = {"delivered": (1, 1), "again": (1, 1), "twice": (1, 2), "kept": (0, 0), "bounced": (0, 0)}


class Matrix:
    def __init__(self, world, peers, chosen, show):
        self.world, self.peers, self.rows, self.show = world, peers, chosen, show
        self.found, self.told = {}, {}

    def run(self):
        """Returns how many rows failed."""
        for row in self.rows:
            try:
                sender = self.peers[row.sender]
                sender.send(row.rcpt, row.message(sender.sender), ["REQUIRETLS"] if "requiretls" in row.options else [])
            except Exception as e:
                row.failure = f"could not be sent: {e}"
        self.settle()
        self.count()
        for row in self.rows:
            if row.failure:
                self.show(f"FAIL  sending-{row.name}", *["      " + l for l in row.failure.splitlines()[-40:]])
            else:
                self.show(f"ok    sending-{row.name} ({row.took:.0f} s)" + (f": {row.note}" if row.note else ""))
        self.show(f"sending: {len(self.rows)} messages, {self.lost} lost, {self.doubled} doubled without need")

    def settle(self):
        """Waits for all rows to come out. Hosts that were down come up, and queues are run."""
        start = time.monotonic()
        waiting = [r for r in self.rows if not r.failure]
        kicks = [6, 12, 24, 48, 75]  # seconds: not too often, as every attempt counts
        while waiting and time.monotonic() - start < PATIENCE:
            self.look()
            for row in list(waiting):
                try:
                    if OUTCOMES[row.outcome](self, row):
                        row.took = time.monotonic() - start
                        waiting.remove(row)
                except Failed as e:
                    row.failure = str(e)
                    waiting.remove(row)
            passed = time.monotonic() - start
            if kicks and passed > kicks[0]:
                del kicks[0]
                self.up()
                self.kick([r for r in waiting if r.outcome in ("again", "twice")])
            time.sleep(0.5)
        for row in waiting:
            row.failure = f"not {row.outcome} {row.want} after {PATIENCE} s; of its attempts:\n" + self.peers[row.sender].attempt(row.rcpt)

    def kick(self, rows):
        """Has messages tried at once."""
        for name in {r.sender for r in rows}:
            self.peers[name].kick([r.rcpt for r in rows if r.sender == name])

    def look(self):
        """Reads what has been delivered, and what senders were told."""
        self.found = {name: p.received() for name, p in self.peers.items()}
        self.told = {}

    def up(self):
        for b in self.world.boxes.values():
            if hasattr(b, "down") and b.down:
                b.up()

    def copies(self, row):
        """The copies of a message at the host of its domain."""
        d = self.world.domains.get(row.domain)
        return self.found.get(d.host, {}).get(row.id, []) if d else []

    def notices(self, sender):
        if sender not in self.told:
            self.told[sender] = self.peers[sender].notices()
        return self.told[sender]

    def count(self):
        """Counts every message, wherever it is."""
        time.sleep(3)
        # What was kept is refused once more.
        self.kick([r for r in self.rows if r.outcome == "kept" and not r.failure])
        time.sleep(3)
        self.look()
        self.lost = self.doubled = 0
        for row in self.rows:
            low, high = COUNTS[row.outcome]
            copies = {name: len(found[row.id]) for name, found in self.found.items() if row.id in found}
            n = sum(copies.values())
            if n < low:
                self.lost += 1
                row.failure = row.failure or f"lost: {copies}"
            elif n > high:
                self.doubled += low > 0
                row.failure = row.failure or f"there {n} times: {copies}"
            elif row.outcome == "kept" and not row.failure and not self.peers[row.sender].queued(row.rcpt):
                self.lost += 1
                row.failure = "lost: neither delivered nor in the queue"
            elif low and not row.failure and self.peers[row.sender].queued(row.rcpt):
                row.failure = "delivered, but still in the queue"
            elif row.outcome == "twice":
                row.note = f"{row.note}, there {n} times"
