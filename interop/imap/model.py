"""What a client knows of its selected mailbox from the responses of a server, and what the
server has said since the last look, in a form that can be compared with another server's."""
import email.utils
import re

from wire import Connection


def expand(text):
    """The numbers of a set such as b"1:3,7", ascending."""
    out = set()
    for part in text.split(b","):
        a, _, b = part.partition(b":")
        a, b = int(a), int(b or a)
        out.update(range(min(a, b), max(a, b) + 1))
    return sorted(out)


class Said:
    """The responses to one command, or since it."""

    def __init__(self):
        self.fetch = {}  # by UID, or ("seq", n) when that is not known
        self.gone = set()  # UIDs of EXPUNGE and VANISHED
        self.earlier = None  # those of VANISHED (EARLIER)
        self.codes = []
        self.lists = {}
        self.lsubs = {}
        self.statuses = {}
        self.search = self.esearch = self.sort = self.thread = self.flags = self.enabled = None
        self.bye = False


class Session:
    """A connection with its model. The marks are MODSEQ values by name, of this server."""

    def __init__(self, port, user, side):
        self.side, self.said = side, Said()
        self.forget()
        self.conn = Connection(port, self.on)
        self.user = user
        r = self.conn.do(b"LOGIN %s moxmoxmox" % user.encode())
        if r.status != b"OK":
            raise Exception(f"login: {r.text}")
        self.conn.do(b"CAPABILITY")

    def forget(self):
        """Nothing is selected any more."""
        self.selected, self.uids, self.flags = None, [], {}

    def take(self):
        said, self.said = self.said, Said()
        return said

    def on(self, kind, value):
        f = getattr(self, "on_" + kind.decode().lower(), None)
        if f:
            f(value)

    def on_ok(self, r):
        if r.code:
            self.said.codes.append(r.code)
            if r.code[0] == b"CLOSED":
                self.forget()

    def on_bye(self, _):
        self.said.bye = True

    def on_exists(self, value):
        n = value[0]
        self.uids += [None] * (n - len(self.uids))
        self.exists = n

    def on_expunge(self, value):
        n = value[0]
        if not 0 < n <= len(self.uids):
            raise Exception(f"EXPUNGE {n} of {len(self.uids)}")
        uid = self.uids.pop(n - 1)
        self.said.gone.add(uid if uid is not None else ("seq", n))
        self.flags.pop(uid, None)
        self.side.gone.add(uid)

    def on_vanished(self, value):
        earlier = isinstance(value[1][0], tuple)
        uids = set(expand(value[1][-1]))
        if earlier:
            self.said.earlier = (self.said.earlier or set()) | uids
            return
        self.said.gone |= uids
        self.side.gone |= uids
        self.uids = [u for u in self.uids if u not in uids]
        for u in uids:
            self.flags.pop(u, None)

    def on_fetch(self, value):
        n, (items,) = value
        it = iter(items)
        got = {section(k): v for k, v in zip(it, it)}
        if not 0 < n <= len(self.uids):
            raise Exception(f"FETCH {n} of {len(self.uids)}")
        if b"UID" in got:
            self.uids[n - 1] = int(got[b"UID"])
        key = self.uids[n - 1]
        if b"FLAGS" in got and key is not None:
            self.flags[key] = flagset(got[b"FLAGS"])
        self.said.fetch.setdefault(key if key is not None else ("seq", n), {}).update(got)

    def on_flags(self, value):
        self.said.flags = flagset(value[1][0])

    def on_search(self, value):
        nums = value[1]
        if nums and isinstance(nums[-1], tuple):
            nums = nums[:-1]
        self.said.search = sorted(map(int, nums))

    def on_esearch(self, value):
        values = list(value[1])
        out = {}
        if values and isinstance(values[0], tuple):
            values.pop(0)
        if values and values[0].upper() == b"UID":
            out["UID"] = True
            values.pop(0)
        for k, v in zip(values[::2], values[1::2]):
            k = k.upper().decode()
            out[k] = expand(v) if k == "ALL" else True if k == "MODSEQ" else int(v) if k in ("MIN", "MAX", "COUNT") else v
        self.said.esearch = out

    def on_sort(self, value):
        self.said.sort = [int(v) for v in value[1] if not isinstance(v, tuple)]

    def on_thread(self, value):
        self.said.thread = value[1]

    def on_list(self, value):
        attrs, sep, name, *more = value[1]
        self.said.lists[mailbox(name)] = (frozenset(a.upper() for a in attrs), sep, tuple(more))

    def on_lsub(self, value):
        attrs, sep, name = value[1]
        self.said.lsubs[mailbox(name)] = (frozenset(a.upper() for a in attrs), sep, ())

    def on_status(self, value):
        name, items = value[1]
        self.said.statuses[mailbox(name)] = {k.upper(): v for k, v in zip(items[::2], items[1::2])}

    def on_enabled(self, value):
        self.said.enabled = {v.upper() for v in value[1]} or None


def mailbox(name):
    return b"INBOX" if name.upper() == b"INBOX" else bytes(name)


def flagset(flags):
    """Flags without \\Recent, which only one of several sessions gets."""
    return frozenset(f.upper() for f in flags) - {rb"\RECENT"}


FIELDS = re.compile(rb"^(.*FIELDS(?:\.NOT)?) \((.*)\)(\].*)$", re.S)


def section(name):
    """The name of a FETCH item, with the fields of a section in one form."""
    if name.endswith((b"BODY", b"body")) or b"[" not in name:
        return name.upper()
    m = FIELDS.match(name.upper())
    if not m:
        return name.upper()
    return m[1] + b" (" + b" ".join(f.strip(b'"') for f in m[2].split()) + b")" + m[3]


def when(date):
    """An INTERNALDATE as seconds, since servers may use another zone."""
    return email.utils.mktime_tz(email.utils.parsedate_tz(date.decode().strip().replace("-", " ", 2)))


def code(c):
    """A response code without what servers choose; None for one that is only information."""
    name, args = c
    if name in (b"CAPABILITY", b"MAILBOXID", b"REFERRAL", b"ALERT", b"ANNOTATIONS", b"CLIENTBUG", b"UIDNOTSTICKY"):
        return None
    if name in (b"UIDVALIDITY", b"HIGHESTMODSEQ", b"BADCHARSET"):
        return (name,)
    if name == b"PERMANENTFLAGS":
        return (name, *sorted(f.upper() for f in args[0] if f.startswith(b"\\")))
    if name == b"APPENDUID":
        return (name, *expand(args[1]))
    if name == b"COPYUID":
        return (name, *zip(expand(args[1]), expand(args[2])))
    if name == b"MODIFIED":
        return (name, *expand(args[0]))
    return (name, *args)
