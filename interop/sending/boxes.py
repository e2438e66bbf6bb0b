"""Boxes in the middle: each has an address of its own, stands where a mail server should, and
hands on what it gets to that server, except for what it does to it. All are threads of this
process. What a box does once, it does to the first connection that gets that far."""
import socket
import struct
import threading
import time

from lab import V4


class Lines:
    """A connection, of which lines can be read, and the rest as it comes."""

    def __init__(self, s):
        self.s, self.buf = s, b""

    def line(self):
        while b"\n" not in self.buf:
            got = self.s.recv(65536)
            if not got:
                raise EOFError
            self.buf += got
            if len(self.buf) > 1 << 20:
                raise EOFError
        line, self.buf = self.buf.split(b"\n", 1)
        return line + b"\n"

    def reply(self):
        lines = [self.line()]
        while lines[-1][3:4] == b"-":
            lines.append(self.line())
        return lines


def reset(s):
    """Ends a connection with RST, as when it breaks."""
    try:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass
    s.close()


class Box:
    """Hands on. Subclasses override handle."""

    def __init__(self, number, backend):
        self.ip, self.backend = V4 + str(number), backend
        self.connections, self.did = 0, []
        self.lock = threading.Lock()

    def start(self):
        s = socket.create_server((self.ip, 25), backlog=64)
        threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, listener):
        while True:
            conn, addr = listener.accept()
            self.connections += 1
            conn.settimeout(60)
            threading.Thread(target=self.guarded, args=(conn,), daemon=True).start()

    def guarded(self, conn):
        server = None
        try:
            server = self.connect()
            self.handle(conn, server)
        except (OSError, EOFError):
            pass
        finally:
            for s in (conn, server):
                if s:
                    s.close()

    def connect(self):
        if not self.backend:
            return None
        return socket.create_connection((self.backend, 25), timeout=60, source_address=(self.ip, 0))

    def once(self, what):
        """True the first time; notes that it was done."""
        with self.lock:
            first = not self.did
            if first:
                self.did.append((what, time.monotonic()))
            return first

    def handle(self, client, server):
        relay(client, server)


def relay(client, server, limit=None):
    """Hands on in both directions until one side ends. With limit, returns once the client
    sent so many octets."""
    over = threading.Event()

    def pump(a, b, bound):
        total = 0
        try:
            while data := a.recv(65536):
                total += len(data)
                if bound and total >= bound:
                    break
                b.sendall(data)
        except OSError:
            pass
        over.set()

    for args in ((client, server, limit), (server, client, None)):
        threading.Thread(target=pump, args=args, daemon=True).start()
    over.wait(120)
    time.sleep(0.05)  # for what was just read and is being written


class Late(Box):
    """A host that is down: nothing listens until it is told to come up."""

    down = True

    def start(self):
        pass

    def up(self):
        self.down = False
        super().start()


class CutData(Box):
    """Breaks the first connection in the middle of a message, that is larger than this."""

    def handle(self, client, server):
        if self.did:
            relay(client, server)
            return
        relay(client, server, 100000)
        # A client that went away by itself sent less.
        if self.once("cut"):
            reset(client)
            reset(server)


class Speaking(Box):
    """Reads the dialog, which it keeps in plain text: takes STARTTLS, and what would hide the
    end of the message, out of the reply to EHLO."""

    hidden = (b"STARTTLS",)

    def handle(self, client, server):
        c, s = Lines(client), Lines(server)
        client.sendall(b"".join(s.reply()))
        while True:
            line = c.line()
            verb = line[:4].upper()
            if verb == b"STAR":
                client.sendall(b"502 5.5.1 not here\r\n")
                continue
            if self.command(client, verb):
                continue
            server.sendall(line)
            reply = s.reply()
            if verb == b"EHLO":
                reply = self.strip(reply)
            client.sendall(b"".join(reply))
            if verb == b"DATA" and reply[0][:1] == b"3":
                self.data(c, s)
            elif verb == b"BDAT":
                raise EOFError
            elif verb == b"QUIT":
                return

    def strip(self, reply):
        kept = [l for l in reply if not any(l[4:].upper().startswith(h) for h in self.hidden + (b"CHUNKING", b"BINARYMIME", b"PIPELINING"))]
        if len(kept) < len(reply):
            self.did.append(("stripped", time.monotonic()))
        kept[-1] = kept[-1][:3] + b" " + kept[-1][4:]
        return kept

    def command(self, client, verb):
        return False

    def data(self, c, s):
        while True:
            line = c.line()
            s.s.sendall(line)
            if line == b".\r\n":
                break
        self.final(c, s.reply())

    def final(self, c, reply):
        c.s.sendall(b"".join(reply))


class CutFinal(Speaking):
    """The server accepts, and the client is not told."""

    def strip(self, reply):
        kept = super().strip(reply)
        self.did = [d for d in self.did if d[0] != "stripped"]
        return kept

    def final(self, c, reply):
        if reply[0][:1] == b"2" and self.once("cut"):
            reset(c.s)
            raise EOFError
        super().final(c, reply)


class Busy(CutFinal):
    """The first RCPT is refused for now, with the message text when after is set."""

    def __init__(self, number, backend, verb):
        super().__init__(number, backend)
        self.verb = verb

    def command(self, client, verb):
        if verb == self.verb and self.once("451"):
            client.sendall(b"451 4.3.0 come back later\r\n")
            return True
        return False

    def final(self, c, reply):
        c.s.sendall(b"".join(reply))


class Rejecting(Box):
    """A server that accepts nobody, for good."""

    def __init__(self, number):
        super().__init__(number, None)

    def handle(self, client, _):
        c = Lines(client)
        client.sendall(b"220 rejecting.test ESMTP\r\n")
        while True:
            verb = c.line()[:4].upper()
            client.sendall({b"EHLO": b"250-rejecting.test\r\n250 ENHANCEDSTATUSCODES\r\n", b"RCPT": b"550 5.1.1 no such person here\r\n", b"DATA": b"554 5.5.1 no recipients\r\n"}.get(verb, b"250 2.0.0 ok\r\n"))
            if verb == b"QUIT":
                return
