"""Compares mox with Dovecot: the same sequences of commands to both, on the same messages.

Arguments: the ports of Dovecot and mox, then options, see below. Users d0@localhost and so on,
one for each worker, exist on both. Every difference is a line; those that differences.txt
explains are counted, and one that it does not explain is a failure."""
import argparse
import collections
import multiprocessing
import os
import re
import sys
import time
import traceback

import compare
import corpus
import generate
from model import Session
from wire import Broken, Literal

HERE = os.path.dirname(os.path.abspath(__file__))


class Side:
    """One server: its sessions by number, and marks."""

    def __init__(self, name, port, user):
        self.name, self.port, self.user = name, port, user
        self.sessions, self.marks, self.idle = {}, {}, set()
        self.gone = set()  # UIDs that some session was told are expunged

    def session(self, n):
        if n not in self.sessions:
            self.sessions[n] = Session(self.port, self.user, self)
        return self.sessions[n]

    def drop(self, n):
        if n in self.sessions:
            self.sessions.pop(n).conn.close()

    def fill(self, parts):
        """Puts the values of marks in the place of their names."""
        def one(p):
            return re.sub(rb"<<(\w+)(\+1)?>>", value, p) if isinstance(p, bytes) else p

        def value(m):
            return b"%d" % (int(self.marks.get(m[1].decode(), b"1")) + (1 if m[2] else 0))

        return one(parts) if isinstance(parts, bytes) else [one(p) for p in parts]


def text(parts):
    """A command as text, for a line."""
    if isinstance(parts, bytes):
        parts = [parts]
    s = "".join(repr(p) if isinstance(p, Literal) else p.decode("utf-8", "backslashreplace") for p in parts)
    return s.replace("\r\n", "\\r\\n")


class Over(Exception):
    """The rest of the sequence would only show the consequences of a difference."""


class Worker:
    """Runs sequences on both servers."""

    def __init__(self, ports, user, trace=False):
        self.sides = [Side("dovecot", ports[0], user), Side("mox", ports[1], user)]
        self.differences, self.trace, self.commands = [], trace, 0

    def caps(self):
        """What both announce after login."""
        a, b = ({c.decode() for c in s.session(0).conn.caps} for s in self.sides)
        return a & b

    def prepare(self):
        """Makes the templates, and removes all other mailboxes."""
        for side in self.sides:
            conn = side.session(0).conn
            for name in (generate.FULL, generate.SMALL):
                conn.do(b"DELETE " + name.encode())
                conn.do(b"CREATE " + name.encode())
        for i, (name, flags, date, data) in enumerate(corpus.messages()):
            done = []
            for side in self.sides:
                for box in [generate.FULL] + [generate.SMALL] * (i < generate.SMALLS):
                    r = side.session(0).conn.do([b'APPEND %s (%s) "%s" ' % (box.encode(), flags, date.encode()), Literal(data, plus=True)])
                    side.session(0).take()
                done.append(r.status)
            if done[0] != done[1]:
                raise Exception(f"message {name}: {done}")
        self.wipe()

    def wipe(self):
        for side in self.sides:
            s = side.session(0)
            s.conn.do(b"UNSELECT")
            s.forget()
            s.take()
            s.conn.do(b'LSUB "" "*"')
            for name in s.take().lsubs:
                s.conn.do([b"UNSUBSCRIBE ", Literal(name, plus=True)])
            s.conn.do(b'LIST "" "*"')
            for name in sorted(s.take().lists, key=len, reverse=True):
                if name not in (b"INBOX", b"T", b"S"):
                    s.conn.do([b"DELETE ", Literal(name, plus=True)])
            s.take()

    def run(self, name, steps):
        """Runs a sequence; its differences are added to self.differences."""
        self.name, self.boxes, self.log = name, [], []
        for side in self.sides:
            side.gone, side.marks = set(), {}
        try:
            for step in steps:
                getattr(self, "step_" + step[0])(*step[1:])
        except Over:
            pass
        except Exception as e:
            kind = "".join(traceback.format_exception_only(e)).strip() + " | " + self.log[-1][1][:200]
            self.found(f"broken {kind}", traceback.format_exc())
            for side in self.sides:
                for n in list(side.sessions):
                    side.drop(n)
        self.clean()

    def clean(self):
        for side in self.sides:
            side.drop(1)
            try:
                s = side.session(0)
                if side.idle or s.said.bye:
                    raise Broken("ended")
                s.conn.do(b"UNSELECT")
                for box in self.boxes:
                    s.conn.do(b"DELETE " + box.encode())
                    s.conn.do(b"DELETE " + box.encode() + b"o")
            except (Broken, OSError):
                side.drop(0)
                side.idle.clear()
                s = side.session(0)
            s.forget()
            s.take()

    def found(self, line, detail=""):
        self.differences.append((self.name, line, list(self.log), detail))

    def both(self, n, parts):
        """A command to both servers at the same time; the tagged responses."""
        self.log.append((n, text(parts)))
        self.commands += 1
        started = [(s, s.session(n), s.session(n).conn.start(s.fill(parts))) for s in self.sides]
        out = []
        for side, session, t in started:
            try:
                out.append(session.conn.finish(t))
            except Broken as e:
                raise Broken(f"{side.name}: {e}") from None
        return out

    def judge(self, n, parts, tagged):
        """Compares what was said to a command."""
        sessions = [s.session(n) for s in self.sides]
        said = [s.take() for s in sessions]
        over = False
        for line in compare.command(self.sides, sessions, parts, tagged, said):
            self.found(f"{line} | {text(parts)[:300]}")
            over = over or line.startswith(("reply", "said")) or "SAVE" in text(parts) and "search" in line
        if over:
            raise Over

    # Steps.

    def step_cmd(self, n, parts):
        command = text(parts).upper()
        if not command.startswith(("UID", "LIST", "LSUB", "STATUS", "CREATE", "APPEND")) and self.sides[0].session(n).uids != self.sides[1].session(n).uids:
            self.step_sync(n)
        self.judge(n, parts, self.both(n, parts))
        if ".SILENT" in command:  # the client has to know by itself
            for side in self.sides:
                side.session(n).flags.clear()

    def step_box(self, n, name, template):
        self.boxes.append(name)
        commands = [b"CREATE " + name.encode()]
        if template:
            commands += [b"EXAMINE " + template.encode(), b"COPY 1:* " + name.encode(), b"UNSELECT"]
        for parts in commands:
            for r, side in zip(self.both(n, parts), self.sides):
                if r.status != b"OK":
                    raise Exception(f"{parts}: {side.name}: {r.text}")
        for side in self.sides:
            side.session(n).forget()
            side.session(n).take()

    def step_select(self, n, name, command, parameters):
        parts = command + b" " + name.encode() + parameters
        for side in self.sides:
            s = side.session(n)
            s.forget()
            s.selected = name
        self.judge(n, parts, self.both(n, parts))
        self.learn(n)

    def learn(self, n):
        """Fetches what the models do not know."""
        sessions = [s.session(n) for s in self.sides]
        if any(None in s.uids or len(s.flags) < len(s.uids) for s in sessions) and all(s.uids for s in sessions):
            self.both(n, b"FETCH 1:* (UID FLAGS)")
            for s in sessions:
                s.take()

    def step_sync(self, n):
        tagged = self.both(n, b"NOOP")
        if tagged[0].status != tagged[1].status:
            self.found(f"reply NOOP | {tagged[0].status} | {tagged[1].status}")
            raise Over
        self.learn(n)
        a, b = (s.session(n) for s in self.sides)
        said = [s.take() for s in (a, b)]
        last = [c for c in self.log if c[1] not in ("NOOP", "FETCH 1:* (UID FLAGS)")][-1]
        over = False
        for line in compare.models(a, b):
            self.found(f"{line} | after {last[1][:200]}", f"{said[0].gone} {said[1].gone}")
            over = True
        if over:
            raise Over

    def step_mark(self, n, box, name):
        for side in self.sides:
            s = side.session(n)
            s.conn.do(b"NOOP")
            s.conn.do(b"STATUS " + box.encode() + b" (HIGHESTMODSEQ UIDVALIDITY)")
            items = s.take().statuses[box.encode()]
            side.marks[name] = side.marks["last"] = items[b"HIGHESTMODSEQ"]
            side.marks["uidvalidity"] = items[b"UIDVALIDITY"]
        self.log.append((n, f"mark {name}"))

    def step_login(self, n, enable):
        for side in self.sides:
            side.drop(n)
            side.session(n)
        if enable:
            self.judge(n, b"ENABLE " + enable.encode(), self.both(n, b"ENABLE " + enable.encode()))

    def step_idle(self, n):
        self.log.append((n, "IDLE"))
        for side in self.sides:
            conn = side.session(n).conn
            side.idling = conn.start(b"IDLE")[0]
            side.idle.add(n)
            while not conn.line().startswith(b"+"):
                pass

    def step_done(self, n):
        """What others changed must be told without being asked. Dovecot waits a moment."""
        time.sleep(1)
        for side in self.sides:
            conn = side.session(n).conn
            conn.sock.settimeout(1.5)
            conn.write(b"DONE\r\n")
            conn.sock.settimeout(30)
            conn.until(side.idling)
            side.idle.discard(n)
        self.log.append((n, "DONE"))

    def step_wipe(self):
        self.wipe()


class Explained:
    """The differences that are known. Each is a paragraph: lines with # say why and by which
    section of which RFC, and each other line is a regular expression for whole lines."""

    def __init__(self, path):
        self.patterns = []
        with open(path) as f:
            for number, line in enumerate(f, 1):
                line = line.rstrip("\n")
                if line and not line.startswith("#"):
                    self.patterns.append((re.compile(line, re.S), number))
        self.used = collections.Counter()

    def __call__(self, line):
        for p, number in self.patterns:
            if p.fullmatch(line):
                self.used[number] += 1
                return True
        return False


def work(args, index, results):
    worker = Worker((args.dovecot, args.mox), f"d{index}@localhost")
    try:
        worker.prepare()
        caps = worker.caps()
        generator = generate.Generator(args.seed, len(corpus.messages()), caps)
        for i in range(args.count):
            name, steps = generator.sequence()
            if i % args.workers == index and (not args.only or args.only == name or name.startswith(args.only + "-")):
                worker.run(name, steps)
        results.put((index, worker.commands, worker.differences, sorted(caps)))
    except BaseException:
        results.put((index, worker.commands, [("worker", "broken worker " + traceback.format_exc(), [], "")], []))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("dovecot", type=int)
    p.add_argument("mox", type=int)
    p.add_argument("-seed", type=int, default=1)
    p.add_argument("-count", type=int, default=3000)
    p.add_argument("-workers", type=int, default=3)
    p.add_argument("-only", default="")
    p.add_argument("-show", type=int, default=10, help="unexplained differences to show with their commands")
    p.add_argument("-all", help="file for all differences")
    args = p.parse_args()
    start = time.monotonic()
    results = multiprocessing.Queue()
    workers = [multiprocessing.Process(target=work, args=(args, i, results)) for i in range(args.workers)]
    for w in workers:
        w.start()
    explained, commands, unexplained, total, caps = Explained(HERE + "/differences.txt"), 0, [], 0, []
    out = open(args.all, "w") if args.all else None
    for _ in workers:
        _, n, differences, caps = results.get(timeout=570)
        commands += n
        for d in differences:
            total += 1
            known = explained(d[1])
            if out:
                print("known  " if known else "UNKNOWN", d[0], d[1], file=out)
            if not known:
                unexplained.append(d)
    for name, line, log, detail in unexplained[: args.show]:
        print(f"{name}: {line}")
        for n, c in log[-12:]:
            print(f"      {n}: {c[:300]}")
        if detail:
            print("      " + detail.replace("\n", "\n      "))
    for p, number in explained.patterns:
        if not explained.used[number] and not args.only:
            print(f"note: differences.txt:{number} explains nothing any more")
    print(f"{args.count} sequences, {commands} commands, {total} differences, {len(unexplained)} unexplained, {time.monotonic() - start:.0f} s; both announce {' '.join(caps)}")
    sys.exit(1 if unexplained else 0)


if __name__ == "__main__":
    main()
