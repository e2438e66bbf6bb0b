"""A connection to an IMAP server: sends commands with literals, reads responses and parses
them into Python values. It has no opinion on what a response means; see model.py.

Values: an atom or a number is an Atom (bytes), a string of any form is bytes, NIL is None, a
list is a tuple. A section, as in BODY[HEADER.FIELDS (To)]<0>, is part of its atom."""
import re
import socket

CRLF = b"\r\n"
TOKEN = re.compile(rb' *(?:(\()|(\))|"((?:[^"\\\r\n]|\\.)*)"|~?\{(\d+)\}\r\n|((?:[^\s()"{\[]|\{(?!\d))+(?:\[[^\]"]*(?:"[^"]*"[^\]"]*)*\](?:<\d+>)?)?)|([^\s()"]+))')
LITERAL = re.compile(rb"\{(\d+)\}\r\n$")


class Atom(bytes):
    """An atom, to be told from a string."""


class Broken(Exception):
    """The server closed the connection, or what it sent is not IMAP."""


class Literal:
    """A string sent as a literal: one that waits for the server's word unless plus."""

    def __init__(self, data, plus=False, binary=False):
        self.data, self.plus, self.binary = data, plus, binary

    def __repr__(self):
        return f"{{{len(self.data)}}}{self.data[:60]!r}"


class Tagged:
    """The end of a command: OK, NO or BAD, its code as (name, arguments) and the text."""

    def __init__(self, status, code, text):
        self.status, self.code, self.text = status, code, text


def parse(line):
    """The values of a response line that has its literals in it."""
    stack, at, end = [[]], 0, len(line)
    while at < end:
        m = TOKEN.match(line, at)
        if not m:
            if line[at:].strip() == b"":
                break
            raise Broken(f"cannot parse {line[at:at + 60]!r} in {line[:200]!r}")
        at = m.end()
        kind = m.lastindex
        if kind == 1:
            stack.append([])
        elif kind == 2:
            done = tuple(stack.pop())
            if not stack:
                raise Broken(f"one ) too many in {line[:200]!r}")
            stack[-1].append(done)
        elif kind == 3:
            s = m[3]
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", s) if b"\\" in s else s)
        elif kind == 4:
            n = int(m[4])
            stack[-1].append(line[at : at + n])
            at += n
        else:
            a = m[kind]
            stack[-1].append(None if a.upper() == b"NIL" else Atom(a))
    if len(stack) != 1:
        raise Broken(f"a ) is missing in {line[:200]!r}")
    return stack[0]


CODE = re.compile(rb"^\[([^\] ]+)(?: ((?:[^\]\"]|\"[^\"]*\")*))?\] ?(.*)", re.S)


def status(line):
    """The status response of a line without tag: OK [CODE ...] text."""
    word, _, rest = line.partition(b" ")
    m = CODE.match(rest)
    code = (m[1].upper(), parse(m[2] or b"")) if m else None
    return Tagged(word.upper(), code, rest)


class Connection:
    """One connection. Untagged responses go to on(kind, value), in order: kind is a status
    word with a Tagged, or the name of a response with (number or None, values)."""

    def __init__(self, port, on, timeout=30):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer, self.on, self.tags, self.trace = b"", on, 0, None
        self.caps = set()
        self.untagged(self.line())

    def close(self):
        self.sock.close()

    def more(self):
        data = self.sock.recv(1 << 16)
        if not data:
            raise Broken("connection closed")
        self.buffer += data

    def line(self):
        """A response line with its literals, without the CRLF at its end."""
        start = 0
        while True:
            end = self.buffer.find(CRLF, start)
            if end < 0:
                start = max(start, len(self.buffer) - 1)
                self.more()
                continue
            m = LITERAL.search(self.buffer[max(0, end - 30) : end + 2])
            if not m:
                break
            start = end + 2 + int(m[1])
            while len(self.buffer) < start:
                self.more()
        line, self.buffer = self.buffer[:end], self.buffer[end + 2 :]
        if self.trace is not None:
            self.trace.append(b"S: " + line)
        return line

    def untagged(self, line):
        if not line.startswith(b"* "):
            raise Broken(f"neither tagged nor untagged: {line[:100]!r}")
        word, _, rest = line[2:].partition(b" ")
        name = word.upper()
        if name in (b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"):
            self.on(name, status(line[2:]))
        elif word.isdigit():
            kind, _, rest = rest.partition(b" ")
            self.on(kind.upper(), (int(word), parse(rest)))
        else:
            values = parse(rest)
            if name == b"CAPABILITY":
                self.caps = {v.upper() for v in values}
            self.on(name, (None, values))

    def write(self, data):
        if self.trace is not None:
            self.trace.append(b"C: " + data)
        self.sock.sendall(data)

    def start(self, parts):
        """Sends a command: bytes, or a list of bytes and Literals. Returns the tag, and the
        Tagged when the server has already said no to a literal."""
        self.tags += 1
        tag = b"t%d" % self.tags
        if isinstance(parts, bytes):
            parts = [parts]
        out = tag + b" "
        for p in parts:
            if not isinstance(p, Literal):
                out += p
                continue
            out += b"%s{%d%s}\r\n" % (b"~" if p.binary else b"", len(p.data), b"+" if p.plus else b"")
            if p.plus:
                out += p.data
                continue
            self.write(out)
            out = b""
            done = self.until(tag, go_on=True)
            if done:
                return tag, done
            out = p.data
        self.write(out + CRLF)
        return tag, None

    def until(self, tag, go_on=False):
        """Reads to the tagged response and returns it; with go_on, also until the server
        asks for more, then None."""
        while True:
            line = self.line()
            if line.startswith(b"+"):
                if go_on:
                    return None
                raise Broken(f"unexpected continuation: {line[:100]!r}")
            if line.startswith(tag + b" "):
                return status(line[len(tag) + 1 :])
            self.untagged(line)

    def finish(self, started):
        tag, done = started
        return done or self.until(tag)

    def do(self, parts):
        return self.finish(self.start(parts))
