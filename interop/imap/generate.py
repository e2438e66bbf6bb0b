"""Makes sequences of commands from a seed. A sequence is a list of steps:

("cmd", session, parts)   a command, parts as wire.Connection.start takes them
("box", session, name, template)   makes a mailbox with the messages of a template
("select", session, name, command, parameters)   and learns its messages
("sync", session)         NOOP; then both models must be the same
("mark", session, box, name)   remembers HIGHESTMODSEQ as <<name>>, and UIDVALIDITY as <<uidvalidity>>
("idle", session), ("done", session)   begin and end IDLE; what was said meanwhile counts for the next sync
("login", session, how)   a new connection: how is a capability to ENABLE, or None
("wipe",)                 removes all mailboxes but those of the templates

All with small numbers of commands, so that the first difference is easy to read."""
import random

from wire import Literal

FULL, SMALL, SMALLS = "T", "S", 8

SYSTEM = [rb"\Seen", rb"\Flagged", rb"\Deleted", rb"\Answered", rb"\Draft"]
KEYWORDS = [b"$Forwarded", b"$Junk", b"keyword1", b"KEYWORD2", b"Other"]
FIELDS = [b"From", b"to", b"SUBJECT", b"Date", b"Message-Id", b"X-None", b"Received", b"Content-Type", b"x-spam-flag", b"Cc"]
WORDS = ["quarterly", "REPORT", "Grüße", "grüsse", "café", "CAFÉ", "können", "needle", "b.example", "alice", "Joe", "e", "", "hidden", "epilogue", "inner", "many words",
         "two  spaces", "Köln", "isn't", "absent", "deep text", "softbreak", "world", "folded", "tag@local", "Jörg", "in the header", "=?utf-8", "picture", "<one@remote.example>", "x" * 40]
SECTIONS = [b"", b"HEADER", b"TEXT", b"1", b"2", b"1.1", b"1.2", b"2.1", b"2.2", b"3", b"4", b"1.MIME", b"2.MIME", b"2.1.MIME", b"2.HEADER", b"2.TEXT", b"1.HEADER", b"1.TEXT",
            b"1.1.1", b"2.2.1", b"1.1.1.1.1.1.1", b"2.2.MIME", b"5", b"1.2.MIME"]
DATES = [b"1-Jan-2000", b"31-Dec-1999", b"7-Feb-1994", b"8-Feb-1994", b"10-Jan-2000", b"11-Jan-2000", b"12-Jan-2000", b"17-Jul-1996", b"14-Jul-1993", b"1-Feb-2001", b"2-Feb-2001", b"3-Jan-2000", b"1-Jan-2040", b"1-Jan-1970", b'"02-Jan-2000"', b"10-Mar-2005", b"11-Mar-2005"]
NAMES = ["a", "b", "a/b", "a/b/c", "a/c", "b/a", "A", "d", "b/x y", "d/e/f", "Entw&APw-rfe", "&-", "a b", "a*", "b%", "a/b*", 'q"q', "back\\slash", "x" * 60, "(p)", "{5}", "a.b", "~t", "inbox/sub", "INBOX/sub"]
BAD_NAMES = ["", "/", "/a", "a/", "a//b", "&", "&AGE-", "&Jjo!", "a\x7fb", "*", "%", " ", "a ", " a", "x" * 300, "&AP9-&AP8-", "a/./b", "a/../b", "..", "INBOX", "inbox", "#news", "ü", "INBOX/"]
PATTERNS = ["*", "%", "a", "a*", "a%", "%/%", "*/%", "%/b", "a/%", "a/*", "", "*b*", "b", "inbox", "INBOX*", "inb%", "%b", "**", "%%", "*%", "x*", "a/b/*", "Entw*", "d/e", "/%", "nothing"]
SORTS = [b"ARRIVAL", b"CC", b"DATE", b"FROM", b"REVERSE DATE", b"SIZE", b"SUBJECT", b"TO", b"REVERSE SUBJECT", b"REVERSE ARRIVAL", b"SUBJECT REVERSE DATE", b"FROM SUBJECT", b"REVERSE SIZE", b"TO CC DATE"]


def quote(s):
    s = s.encode() if isinstance(s, str) else s
    return b'"' + s.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def is_ascii(s):
    return all(ord(c) < 127 for c in s)


class Generator:
    """Makes the sequences of one seed. count is the number of messages of the full template,
    caps what both servers announce."""

    def __init__(self, seed, count, caps):
        self.r, self.count, self.caps = random.Random(seed), count, caps
        self.kinds = [(self.fetches, 22), (self.searches, 26), (self.stores, 10), (self.copies, 10), (self.names, 12), (self.condstore, 8), (self.qresync, 6), (self.two, 12), (self.syntax, 8), (self.appends, 5), (self.idles, 1)]
        if "SORT" in caps:
            self.kinds.append((self.sorts, 6))
        if any(c.startswith("THREAD=") for c in caps):
            self.kinds.append((self.threads, 4))
        self.n = 0

    def sequence(self):
        """The next one: (name, steps)."""
        self.n += 1
        self.known = self.simple = False
        kind = self.r.choices([k for k, _ in self.kinds], [w for _, w in self.kinds])[0]
        return f"{kind.__name__}-{self.n}", kind()

    # Small things.

    def pick(self, *choices):
        return self.r.choice(choices)

    def some(self, of, least=1, most=3):
        return self.r.sample(of, self.r.randint(least, min(most, len(of))))

    def set(self, top, uid=False):
        """A sequence set of messages up to top, mostly; with known, only of those, as when
        other sessions add messages that a server may tell of early or late."""
        def num():
            if self.known:
                return b"%d" % self.r.randint(1, top)
            return self.r.choices([b"%d" % self.r.randint(1, top), b"*", b"%d" % (top + self.r.randint(1, 3))], [20, 2, 1 if uid else 0.1])[0]

        def part():
            return self.r.choices([num, lambda: num() + b":" + num(), lambda: num() if self.known else b"1:*"], [5, 4, 1])[0]()

        return b",".join(part() for _ in range(self.r.choice([1, 1, 1, 2, 3])))

    def box(self, template=SMALL):
        return ("box", 0, "w%d" % self.n, template)

    def name(self):
        return "w%d" % self.n

    def uid(self, command):
        return (b"UID " if self.r.random() < 0.5 else b"") + command

    def string(self, s, charset="utf-8"):
        """An astring in one of its forms."""
        data = s.encode(charset, "replace") if isinstance(s, str) else s
        form = self.r.random()
        if data and form < 0.3 and data.isalnum() and data.isascii():
            return [data]
        if form < 0.8 and data.isascii():
            return [quote(data)]
        return [Literal(data, plus=self.r.random() < 0.5)]

    def date(self):
        return self.r.choice(DATES)

    # FETCH.

    def item(self):
        r = self.r.random()
        peek = self.pick(b"BODY.PEEK", b"BODY.PEEK", b"BODY.PEEK", b"BODY")
        partial = self.pick(b"", b"", b"<0.10>", b"<5.100>", b"<0.100000>", b"<20.1>", b"<100000.5>", b"<0.0>" if self.r.random() < 0.05 else b"<3.7>")
        if r < 0.3:
            return self.pick(b"ENVELOPE", b"BODYSTRUCTURE", b"BODY", b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE", b"UID", b"ENVELOPE", b"BODYSTRUCTURE")
        if r < 0.35:
            return self.pick(b"RFC822", b"RFC822.HEADER", b"RFC822.TEXT")
        if r < 0.7:
            return peek + b"[" + self.r.choice(SECTIONS) + b"]" + partial
        if r < 0.9:
            fields = b" ".join(self.some(FIELDS))
            prefix = self.pick(b"", b"", b"", b"2.", b"1.", b"1.1.", b"2.2.")
            return peek + b"[" + prefix + self.pick(b"HEADER.FIELDS", b"HEADER.FIELDS", b"HEADER.FIELDS.NOT") + b" (" + fields + b")]" + partial
        if "BINARY" in self.caps:
            part = self.r.choice([s for s in SECTIONS if not s[-1:].isalpha()])
            return self.pick(b"BINARY.PEEK[" + part + b"]" + partial, b"BINARY.SIZE[" + part + b"]")
        return b"FLAGS"

    def fetches(self):
        """On the template itself: read only."""
        out = [("select", 0, FULL, b"EXAMINE", b"")]
        for _ in range(self.r.randint(2, 5)):
            items = self.pick(b"ALL", b"FAST", b"FULL") if self.r.random() < 0.06 else b"(" + b" ".join(dict.fromkeys(self.item() for _ in range(self.r.randint(1, 4)))) + b")"
            extra = [b"PREVIEW"] if "PREVIEW" in self.caps and self.r.random() < 0.03 else []
            if extra:
                items = b"(" + b" ".join([b"UID", *extra]) + b")"
            out.append(("cmd", 0, self.uid(b"FETCH ") + self.set(self.count) + b" " + items))
        return out

    # SEARCH.

    def key(self, depth):
        """A search key, as parts."""
        r = self.r.random()
        if depth > 0 and r < 0.25:
            return [self.pick(b"NOT ", b"not ")] + self.key(depth - 1)
        if depth > 0 and r < 0.4:
            return [b"OR "] + self.key(depth - 1) + [b" "] + self.key(depth - 1)
        if depth > 0 and r < 0.5:
            out = [b"("]
            for i in range(self.r.randint(1, 3)):
                out += ([b" "] if i else []) + self.key(depth - 1)
            return out + [b")"]
        return self.leaf()

    def leaf(self):
        r = self.r.random()
        if self.simple:  # about what there is no doubt
            r *= 0.57
        if r < 0.22:
            return [self.pick(b"ALL", b"ANSWERED", b"DELETED", b"DRAFT", b"FLAGGED", b"SEEN", b"UNANSWERED", b"UNDELETED", b"UNDRAFT", b"UNFLAGGED", b"UNSEEN", b"answered")]
        if r < 0.27:
            return [self.pick(b"KEYWORD ", b"UNKEYWORD ") + self.pick(b"$Forwarded", b"keyword1", b"KEYWORD2", b"nosuch")]
        if r < 0.42:
            return [self.pick(b"BEFORE ", b"ON ", b"SINCE ", *([] if self.simple else [b"SENTBEFORE ", b"SENTON ", b"SENTSINCE "])) + self.date()]
        if r < 0.48:
            return [self.pick(b"LARGER ", b"SMALLER ") + self.pick(b"0", b"100", b"200", b"500", b"1000", b"5000", b"4294967295")]
        if r < 0.58:
            return [self.pick(b"", b"UID ") + self.set(self.count, uid=True)]
        if r < 0.61 and "WITHIN" in self.caps:
            return [self.pick(b"OLDER ", b"YOUNGER ") + self.pick(b"1", b"86400", b"631152000", b"300000000")]
        word = self.string(self.r.choice(WORDS))
        if r < 0.7:
            return [b"HEADER "] + self.string(self.pick("Subject", "message-id", "X-None", "Content-Type", "Date", "From", "x-spam-flag", "X-Empty", "References")) + [b" "] + word
        return [self.pick(b"BCC ", b"BODY ", b"CC ", b"FROM ", b"SUBJECT ", b"TEXT ", b"TO ")] + word

    def criteria(self):
        out = []
        for i in range(self.r.choice([1, 1, 1, 2, 3])):
            out += ([b" "] if i else []) + self.key(self.r.choice([0, 0, 1, 2, 3]))
        return out

    def charset(self):
        return self.r.choices([b"CHARSET UTF-8 ", b"CHARSET US-ASCII ", b"CHARSET x-unknown ", b"charset \"utf-8\" "], [30, 2, 1, 2])[0]

    def searches(self):
        out = [("select", 0, FULL, b"EXAMINE", b"")]
        for _ in range(self.r.randint(3, 7)):
            returns = b""
            if "ESEARCH" in self.caps and self.r.random() < 0.25:
                returns = b"RETURN (" + b" ".join(self.some([b"MIN", b"MAX", b"ALL", b"COUNT"] + ([b"SAVE"] if "SEARCHRES" in self.caps else []), 0, 3)) + b") "
            self.simple = b"SAVE" in returns
            out.append(("cmd", 0, [self.uid(b"SEARCH ") + returns + self.charset()] + self.criteria()))
            if self.simple:
                out.append(("cmd", 0, self.pick(b"FETCH $ (UID)", b"UID FETCH $ (FLAGS)", b"SEARCH $", b"UID SEARCH NOT $ SEEN", b"SEARCH OR $ 1:3")))
        return out

    def sorts(self):
        out = [("select", 0, FULL, b"EXAMINE", b"")]
        for _ in range(self.r.randint(2, 5)):
            returns = b"RETURN (" + b" ".join(self.some([b"MIN", b"MAX", b"COUNT"], 1, 3)) + b") " if "ESORT" in self.caps and self.r.random() < 0.2 else b""
            keys = list(SORTS)
            if "SORT=DISPLAY" in self.caps:
                keys += [b"DISPLAYFROM", b"DISPLAYTO", b"REVERSE DISPLAYFROM"]
            out.append(("cmd", 0, [self.uid(b"SORT ") + returns + b"(" + self.r.choice(keys) + b") " + self.pick(b"UTF-8 ", b"US-ASCII ") ] + (self.criteria() if self.r.random() < 0.3 else [b"ALL"])))
        return out

    def threads(self):
        out = [("select", 0, FULL, b"EXAMINE", b"")]
        algorithms = sorted(c[7:].encode() for c in self.caps if c.startswith("THREAD="))
        for _ in range(self.r.randint(1, 3)):
            out.append(("cmd", 0, [self.uid(b"THREAD ") + self.r.choice(algorithms) + b" UTF-8 "] + (self.criteria() if self.r.random() < 0.5 else [b"ALL"])))
        return out

    # STORE, COPY, MOVE, EXPUNGE.

    def flags(self):
        return b" ".join(self.some(SYSTEM + KEYWORDS, 0, 3))

    def store(self, uid=None, unchanged=b""):
        name = self.pick(b"FLAGS", b"+FLAGS", b"-FLAGS", b"FLAGS.SILENT", b"+FLAGS.SILENT", b"-FLAGS.SILENT", b"+flags")
        flags = self.flags()
        if not flags or self.r.random() < 0.8:
            flags = b"(" + flags + b")"
        command = (b"UID " if uid else b"") + b"STORE " if uid is not None else self.uid(b"STORE ")
        return command + self.set(SMALLS, command.startswith(b"UID")) + b" " + unchanged + name + b" " + flags

    def stores(self):
        out = [self.box(), ("select", 0, self.name(), self.pick(b"SELECT", b"SELECT", b"SELECT", b"SELECT", b"EXAMINE"), b"")]
        for _ in range(self.r.randint(2, 6)):
            r = self.r.random()
            if r < 0.7:
                out.append(("cmd", 0, self.store()))
            elif r < 0.8:
                out.append(("cmd", 0, self.uid(b"FETCH ") + self.set(SMALLS) + self.pick(b" BODY[]", b" (BODY[TEXT] FLAGS)", b" RFC822", b" (RFC822.TEXT)", b" RFC822.HEADER", b" BODY[HEADER]", b" BODY[1]<0.1>")))
            elif r < 0.9:
                out.append(("cmd", 0, self.uid(b"SEARCH ") + self.pick(b"SEEN", b"UNSEEN", b"FLAGGED KEYWORD keyword1", b"UNKEYWORD $Junk", b"OR DELETED DRAFT", b"NEW", b"OLD") if "IMAP4REV9" in self.caps else b"SEARCH SEEN"))
            else:
                out.append(("cmd", 0, self.pick(b"STORE 1 +FLAGS (\\Recent)", b"STORE 1 FLAGS (\\Nosuch)", b"STORE 1 FLAGS", b"STORE 1 *FLAGS (a)", b"STORE 99 FLAGS ()", b"UID STORE 99 FLAGS ()", b"STORE 1 FLAGS (\\*)", b"STORE 0 FLAGS ()", b"STORE 1 FLAGS (a]b)", b"STORE 1 +FLAGS ()")))
        return out + [("sync", 0)]

    def copies(self):
        other = self.name() + "o"
        out = [self.box(), ("select", 0, self.name(), self.pick(b"SELECT", b"SELECT", b"SELECT", b"EXAMINE"), b"")]
        if self.r.random() < 0.8:
            out.append(("cmd", 0, b"CREATE " + other.encode()))
        for _ in range(self.r.randint(2, 6)):
            r = self.r.random()
            to = self.r.choices([other, self.name(), "nosuch" + self.name(), FULL + "/none"], [6, 2, 1, 0.3])[0].encode()
            if r < 0.3:
                out.append(("cmd", 0, self.uid(b"COPY ") + self.set(SMALLS) + b" " + to))
            elif r < 0.6:
                out += [("cmd", 0, self.uid(b"MOVE ") + self.set(SMALLS - 3) + b" " + to), ("sync", 0)]
            elif r < 0.75:
                out.append(("cmd", 0, self.uid(b"STORE ") + self.set(SMALLS - 4) + b" +FLAGS.SILENT (\\Deleted)"))
            elif r < 0.9:
                out += [("cmd", 0, self.pick(b"EXPUNGE", b"UID EXPUNGE 1:3", b"UID EXPUNGE 2,4:*", b"UID EXPUNGE *", b"UID EXPUNGE 99")), ("sync", 0)]
            else:
                out += [("cmd", 0, b"STATUS " + to + b" (MESSAGES UIDNEXT UNSEEN)")]
        out.append(("sync", 0))
        end = self.r.random()
        if end < 0.3:
            out.append(("cmd", 0, self.pick(b"CLOSE", b"UNSELECT")))
            out.append(("select", 0, self.name(), b"EXAMINE", b""))
        out.append(("select", 0, other, b"SELECT", b""))
        return out + [("cmd", 0, b"FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)"), ("sync", 0)]

    # Mailboxes.

    def anyname(self):
        return self.r.choice(NAMES) if self.r.random() < 0.85 else self.r.choice(BAD_NAMES)

    def astring(self, name):
        data = name.encode()
        if data and all(c not in b'(){ %*"\\' and 32 < c < 127 for c in data) and self.r.random() < 0.5:
            return [data]
        if name.isascii() and self.r.random() < 0.8:
            return [quote(data)]
        return [Literal(data, plus=self.r.random() < 0.5)]

    def names(self):
        out = [("wipe",)]
        for _ in range(self.r.randint(5, 12)):
            r = self.r.random()
            if r < 0.3:
                out += self.create()
            elif r < 0.4:
                out.append(("cmd", 0, [b"DELETE "] + self.astring(self.anyname())))
            elif r < 0.5:
                out.append(("cmd", 0, [b"RENAME "] + self.astring(self.anyname()) + [b" "] + self.astring(self.anyname())))
            elif r < 0.62:
                out.append(("cmd", 0, [self.pick(b"SUBSCRIBE ", b"SUBSCRIBE ", b"UNSUBSCRIBE ")] + self.astring(self.anyname())))
            elif r < 0.68:
                out.append(("cmd", 0, [b"STATUS "] + self.astring(self.anyname()) + [b" (" + b" ".join(self.some([b"MESSAGES", b"UIDNEXT", b"UIDVALIDITY", b"UNSEEN", b"SIZE"], 1, 4)) + b")"]))
            elif r < 0.72:
                out.append(("cmd", 0, [self.pick(b"SELECT ", b"EXAMINE ")] + self.astring(self.anyname())))
            else:
                out.append(("cmd", 0, self.listing()))
        return out + [("cmd", 0, b'LIST "" "*"'), ("cmd", 0, b'LSUB "" "*"'), ("wipe",)]

    def create(self):
        """Creates a mailbox: as a rule after those above it, which servers may make or not, and
        with a subscription, which a server may make as well."""
        name = self.anyname()
        if self.r.random() < 0.1 or name in BAD_NAMES:
            return [("cmd", 0, [b"CREATE "] + self.astring(name))]
        out, words = [], name.split("/")
        for i in range(len(words)):
            part = "/".join(words[: i + 1])
            if part.upper() != "INBOX":
                out += [("cmd", 0, [command] + self.astring(part)) for command in (b"CREATE ", b"SUBSCRIBE ")]
        return out

    def listing(self):
        ref = quote(self.pick("", "", "", "", "a", "a/", "b/", "nothing/", "inbox/"))
        pattern = quote(self.r.choice(PATTERNS))
        r = self.r.random()
        if r < 0.45 or "LIST-EXTENDED" not in self.caps:
            return b"LIST " + ref + b" " + pattern
        if r < 0.65:
            return b"LSUB " + ref + b" " + pattern
        select = b" ".join(self.some([b"SUBSCRIBED", b"RECURSIVEMATCH", b"REMOTE"], 0, 2))
        returns = b" ".join(self.some([b"SUBSCRIBED", b"CHILDREN"] + ([b"STATUS (MESSAGES UNSEEN)"] if "LIST-STATUS" in self.caps else []), 0, 2))
        patterns = pattern if self.r.random() < 0.6 else b"(" + b" ".join(quote(p) for p in self.some(PATTERNS, 1, 3)) + b")"
        return b"LIST " + (b"(" + select + b") " if select or self.r.random() < 0.2 else b"") + ref + b" " + patterns + (b" RETURN (" + returns + b")" if returns or not select else b"")

    # CONDSTORE, QRESYNC.

    def change(self, session=0):
        """A command that changes the mailbox, by UID."""
        r = self.r.random()
        if r < 0.6:
            return ("cmd", session, self.store(uid=True))
        if r < 0.75:
            return ("cmd", session, b"UID COPY " + self.set(SMALLS - 2) + b" " + self.name().encode())
        return ("cmd", session, b"UID STORE " + self.set(SMALLS) + b" +FLAGS.SILENT (\\Deleted)")

    def condstore(self):
        out = [("login", 1, self.pick(None, None, "CONDSTORE")), self.box(), ("select", 1, self.name(), self.pick(b"SELECT", b"SELECT", b"EXAMINE"), self.pick(b" (CONDSTORE)", b" (CONDSTORE)", b""))]
        out += [("select", 0, self.name(), b"SELECT", b""), ("mark", 0, self.name(), "m0")]
        mark = b"m0"
        for i in range(self.r.randint(3, 7)):
            r = self.r.random()
            if r < 0.25:
                out += [self.change(), ("sync", 0), ("sync", 1)]
            elif r < 0.5:
                out.append(("cmd", 1, self.store(uid=True, unchanged=b"(UNCHANGEDSINCE " + self.pick(b"<<" + mark + b">>", b"<<m0>>", b"0") + b") ")))
            elif r < 0.65:
                out.append(("cmd", 1, self.uid(b"FETCH ") + self.pick(b"1:*", self.set(SMALLS)) + self.pick(b" (FLAGS) (CHANGEDSINCE <<", b" (UID FLAGS MODSEQ) (CHANGEDSINCE <<", b" FLAGS (CHANGEDSINCE <<") + mark + b">>)"))
            elif r < 0.75:
                out.append(("cmd", 1, self.uid(b"SEARCH ") + self.pick(b"", b"RETURN (ALL COUNT) ", b"RETURN (MIN MAX) ") + self.pick(b"MODSEQ <<" + mark + b"+1>>", b"MODSEQ \"/flags/\\\\Seen\" all <<m0+1>>", b"NOT MODSEQ <<m0+1>>", b"MODSEQ 1 SEEN")))
            elif r < 0.85:
                mark = b"m%d" % (i + 1)
                out.append(("mark", 0, self.name(), mark.decode()))
            else:
                out.append(("cmd", 1, b"FETCH 1:* (MODSEQ)"))
        return out + [("sync", 0), ("sync", 1)]

    def qresync(self):
        name = self.name()
        out = [self.box(), ("select", 0, name, b"SELECT", b""), ("mark", 0, name, "m0")]
        for _ in range(self.r.randint(1, 4)):
            out.append(self.change())
            if self.r.random() < 0.5:
                out.append(("cmd", 0, b"EXPUNGE"))
        out += [("sync", 0), ("login", 1, "QRESYNC")]
        known = self.pick(b"", b" 1:%d" % SMALLS, b" 1:%d" % (SMALLS + 4), b" 2,5:6", b" 1:%d (1:3 1:3)" % SMALLS, b" 1:%d (1,4 1,4)" % SMALLS)
        valid = self.r.choices([b"<<uidvalidity>>", b"1"], [9, 1])[0]
        out.append(("select", 1, name, self.pick(b"SELECT", b"EXAMINE"), b" (QRESYNC (" + valid + b" <<m0>>" + known + b"))"))
        for _ in range(self.r.randint(1, 4)):
            r = self.r.random()
            if r < 0.4:
                out += [self.change(), ("sync", 1)]
            elif r < 0.6:
                out += [("cmd", 0, b"EXPUNGE"), ("sync", 1)]
            else:
                out.append(("cmd", 1, b"UID FETCH " + self.pick(b"1:*", b"1:%d" % SMALLS, b"3:5", b"1,99") + b" (FLAGS) (CHANGEDSINCE <<m0>> VANISHED)"))
        return out + [("sync", 0), ("sync", 1)]

    # Two sessions.

    def two(self):
        name = self.name()
        self.known = True
        out = [self.box(), ("select", 0, name, b"SELECT", b""), ("login", 1, self.pick(None, None, None, "CONDSTORE", "QRESYNC")), ("select", 1, name, b"SELECT", b"")]
        for _ in range(self.r.randint(5, 12)):
            s = self.pick(0, 1)
            r = self.r.random()
            if r < 0.3:
                out.append(self.change(s))
            elif r < 0.4:
                # Whether messages are expunged of which the session does not know is the server's choice.
                out += [("sync", s), ("cmd", s, self.pick(b"EXPUNGE", b"UID EXPUNGE 1:4"))]
            elif r < 0.47:
                out.append(("cmd", s, b"UID MOVE " + self.set(SMALLS) + b" S/none"))
            elif r < 0.55:
                out.append(("cmd", s, [b"APPEND " + name.encode() + b" (\\Seen other) ", Literal(b"Subject: new\r\n\r\nnew\r\n")]))
            elif r < 0.65:
                out.append(("cmd", s, b"UID FETCH " + self.set(SMALLS, uid=True) + b" (RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))
            elif r < 0.72:
                out.append(("cmd", s, b"UID SEARCH ALL"))
            else:
                out.append(("sync", s))
        return out + [("sync", 0), ("sync", 1)]

    def idles(self):
        """One session waits while the other changes the mailbox."""
        name = self.name()
        out = [self.box(), ("select", 0, name, b"SELECT", b""), ("login", 1, self.pick(None, "QRESYNC")), ("select", 1, name, b"SELECT", b""), ("idle", 1)]
        for _ in range(self.r.randint(1, 4)):
            out.append(self.pick(self.change(0), ("cmd", 0, [b"APPEND " + name.encode() + b" ", Literal(b"Subject: new\r\n\r\nnew\r\n")]), ("cmd", 0, b"EXPUNGE")))
        return out + [("done", 1), ("sync", 1), ("sync", 0)]

    # APPEND and syntax.

    def appends(self):
        name = self.name().encode()
        out = [("box", 0, self.name(), None), ("select", 0, self.name(), b"SELECT", b"")]
        for _ in range(self.r.randint(0, 2)):  # with an empty mailbox
            out.append(("cmd", 0, self.pick(b"FETCH 1:* FLAGS", b"UID FETCH 1:* FLAGS", b"STORE 1 FLAGS ()", b"SEARCH ALL", b"UID SEARCH 1:*", b"SEARCH 1:*", b"COPY 1:* S", b"UID COPY 1:* S", b"EXPUNGE", b"UID EXPUNGE 1:*", b"UID MOVE 1:* S", b"SEARCH RETURN (MIN MAX COUNT ALL) ALL", b"UID STORE 1:* FLAGS ()", b"FETCH * UID", b"UID FETCH * UID")))
        for _ in range(self.r.randint(2, 5)):
            flags = self.pick(b"", b"(" + self.flags() + b") ")
            date = self.pick(b"", b"", b'"17-Jul-1996 02:44:25 -0700" ', b'" 1-Feb-2001 23:59:59 +0000" ', b'"31-Feb-2001 23:59:59 +0000" ', b'"1-Feb-2001 23:59:59 +0000" ', b'"01-Foo-2001 23:59:59 +0000" ', b'"01-Feb-2001 24:59:61 +0000" ')
            bad = date[:4] == b'"31-' or b"Foo" in date or b"24:" in date or date[:3] == b'"1-'
            data = Literal(self.pick(b"Subject: a\r\n\r\nb\r\n", b"no header at all", b"", b"\r\n", b"Subject: \xc3\xbc\r\n\r\n\xff\xfe\r\n", b"A: b\r\n" * 50), plus=not bad and self.r.random() < 0.5)
            to = self.r.choices([name, b"nosuch", b"INBOX/none/"], [9, 1, 0.5])[0]
            parts = [b"APPEND " + to + b" " + flags + date, data]
            if "MULTIAPPEND" in self.caps and not bad and self.r.random() < 0.3:
                parts += [b" " + self.pick(b"", b"(\\Seen) "), Literal(b"Subject: second\r\n\r\n2\r\n", plus=True)]
            out.append(("cmd", 0, parts))
            if self.r.random() < 0.5:
                out.append(("sync", 0))
        return out + [("sync", 0), ("cmd", 0, b"FETCH 1:* (FLAGS RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY.PEEK[])")]

    BROKEN = [b"", b"NOSUCH", b"FETCH", b"FETCH 1", b"FETCH 1 ()", b"FETCH 1 (NOSUCH)", b"FETCH 1 (FLAGS", b"FETCH 1 FLAGS)", b"FETCH  1 FLAGS", b"FETCH 1 FLAGS ", b"FETCH 1,, FLAGS", b"FETCH a FLAGS", b"FETCH 0 FLAGS", b"FETCH 99 FLAGS", b"FETCH 1:99 UID",
              b"FETCH 4294967295 UID", b"FETCH 4294967296 UID", b"FETCH 1 BODY[", b"FETCH 1 BODY[]<", b"FETCH 1 BODY[]<1>", b"FETCH 1 BODY[]<0.>", b"FETCH 1 BODY[0]", b"FETCH 1 BODY[1.]", b"FETCH 1 BODY[MIME]", b"FETCH 1 BODY[HEADER.FIELDS]",
              b"FETCH 1 BODY[HEADER.FIELDS ()]", b"FETCH 1 BODY[HEADER.FIELDS (From To)]", b'FETCH 1 BODY.PEEK[HEADER.FIELDS ("From")]', b"FETCH 1 BODY[TEXT.1]", b"FETCH 1 BODY[NOSUCH]", b"FETCH 1 RFC822.PEEK", b"FETCH 1 (ALL)", b"FETCH 1 (FLAGS ALL)", b"FETCH * FLAGS", b"FETCH *:* UID",
              b"FETCH 1:*,1 UID", b"FETCH 2:1 UID", b"UID FETCH 99:* UID", b"UID FETCH 99 UID", b"UID", b"UID NOOP", b"UID UID FETCH 1 UID", b"fetch 1 flags", b"SEARCH", b"SEARCH ()", b"SEARCH NOT", b"SEARCH OR SEEN", b"SEARCH NOSUCH", b"SEARCH (SEEN", b"SEARCH SEEN)",
              b"SEARCH 0", b"SEARCH 99", b"SEARCH UID 99", b"SEARCH LARGER", b"SEARCH LARGER x", b"SEARCH LARGER -1", b"SEARCH ON 1-Foo-2000", b"SEARCH ON 31-Feb-2000", b"SEARCH ON 1-1-2000", b"SEARCH ON 01-Jan-00", b"SEARCH SUBJECT", b"SEARCH KEYWORD \\Seen", b"SEARCH KEYWORD (a)",
              b"SEARCH CHARSET", b"SEARCH CHARSET UTF-8", b"SEARCH CHARSET nosuch ALL", b"SEARCH ALL CHARSET UTF-8", b"SEARCH RETURN (NOSUCH) ALL", b"SEARCH RETURN ALL", b"SEARCH RETURN () SEEN", b"SEARCH HEADER Subject", b'SEARCH HEADER "" ""', b"STORE 1", b"STORE 1 FLAGS", b"STORE FLAGS (a)", b"STORE 1 +FLAGS.LOUD (a)",
              b"STORE 1 FLAGS a b", b"STORE 1 FLAGS (a (b))", b"COPY 1", b"COPY 1 nosuch", b"COPY 99 INBOX", b"MOVE 99 INBOX", b"MOVE 1", b"EXPUNGE 1", b"UID EXPUNGE", b"UID EXPUNGE x", b"CLOSE x", b"NOOP x", b"CHECK", b"CHECK x", b"CREATE", b"CREATE a b", b"CREATE (a)", b"DELETE", b"DELETE nosuch", b"DELETE INBOX", b"CREATE inbox",
              b"RENAME a", b"RENAME nosuch b", b"SELECT", b"SELECT nosuch", b"SELECT a b", b"SELECT S (NOSUCH)", b"SELECT S ()", b"SELECT S (CONDSTORE", b"EXAMINE nosuch", b"LIST", b'LIST ""', b'LIST "" a b', b"LIST () \"\" *", b"LIST (NOSUCH) \"\" *", b'LIST "" * RETURN (NOSUCH)', b'LIST "" (', b"LSUB", b"STATUS", b"STATUS S", b"STATUS S ()",
              b"STATUS S (NOSUCH)", b"STATUS S MESSAGES", b"STATUS nosuch (MESSAGES)", b"STATUS S (MESSAGES MESSAGES)", b"APPEND", b"APPEND S", b"APPEND S text", b"APPEND S (\\Seen)", b"APPEND nosuch {3+}\r\nabc", b"APPEND S () {3+}\r\nabc x", b"LOGIN a b", b"AUTHENTICATE PLAIN", b"STARTTLS x", b"ENABLE", b"ENABLE NOSUCH", b"ENABLE (CONDSTORE)",
              b"NAMESPACE", b"NAMESPACE x", b"ID", b"ID NIL", b'ID ("a" "b")', b'ID ("a")', b"ID ()", b"CAPABILITY x", b'SELECT "S', b'SELECT S"', b"SELECT {1+}\r\nS", b"SELECT {0+}\r\n", b'SELECT "\\S"', b'SELECT "a\\"', b"SELECT S\\", b"SEARCH SUBJECT {3+}\r\nabc SEEN", b'SEARCH SUBJECT "a\xc3\xbc"', b"SEARCH CHARSET UTF-8 SUBJECT \xc3\xbc",
              b"\x00", b"SEARCH SUBJECT \"\x01\"", b"FETCH 1 (BODY[] BODY[])", b"FETCH 1 BODY.PEEK[]<0.4294967295>", b"FETCH 1 BODY.PEEK[]<4294967295.1>", b"FETCH 1 BODY.PEEK[]<0.4294967296>", b"FETCH 1 BODY.PEEK[1.1.1.1.1.1.1.1.1.1]", b"FETCH 1 BINARY[TEXT]", b"FETCH 1 BINARY.SIZE[1]<0.1>", b"FETCH 1 (MODSEQ)", b"FETCH 1 FLAGS (CHANGEDSINCE 0)", b"FETCH 1 FLAGS (CHANGEDSINCE x)", b"FETCH 1 FLAGS (VANISHED)",
              b"STORE 1 (UNCHANGEDSINCE 0) FLAGS ()", b"STORE 1 (UNCHANGEDSINCE) FLAGS ()", b"SEARCH MODSEQ", b"SEARCH MODSEQ 0", b"SEARCH MODSEQ x", b"UNSELECT x", b"SEARCH OLDER 0", b"SEARCH YOUNGER x", b"SEARCH UID 1:*", b"SEARCH *", b"SEARCH *:1", b"UID SEARCH 1 UID 1", b"SEARCH NOT NOT SEEN", b"SEARCH (((((SEEN)))))", b"SEARCH seen unSEEN", b"SEARCH UNDELETED ALL"]

    def syntax(self):
        """Broken and odd commands, one of them between good ones."""
        out = [self.box(), ("select", 0, self.name(), b"SELECT", b"")]
        for _ in range(self.r.randint(3, 8)):
            line = self.r.choice(self.BROKEN)
            if self.r.random() < 0.1 and line:
                at = self.r.randrange(len(line) + 1)
                line = line[:at] + self.pick(b" ", b")", b"(", b'"', b"", b"*", b"\\") + line[at + self.pick(0, 1) :]
                if b"{" in line or any(w in line.upper() for w in (b"IDLE", b"AUTH", b"STARTTLS", b"LOGIN")):
                    continue
            if line in (b"LOGIN a b", b"AUTHENTICATE PLAIN") and self.r.random() < 0.8:
                continue
            out.append(("cmd", 0, line))
            if line.startswith((b"SELECT", b"EXAMINE", b"CLOSE", b"UNSELECT")):
                out.append(("select", 0, self.name(), b"SELECT", b""))
        return out + [("sync", 0)]
