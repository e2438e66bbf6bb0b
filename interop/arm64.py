"""Runs mox by an emulator: arm64.py EMULATOR MOX. Mail comes in by four connections, the server is killed in the middle,
and what it had accepted must be there."""
import imaplib
import smtplib
import subprocess
import sys
import threading
import time

COMMAND = sys.argv[1:3]


def start():
    server = subprocess.Popen(COMMAND + ["-loglevel", "info", "localserve", "-dir", "data", "-ip", "127.0.0.1"])
    for _ in range(600):
        try:
            imaplib.IMAP4("127.0.0.1", 1143).logout()
            return server
        except OSError:
            time.sleep(0.1)
    sys.exit("the server did not start")


def message(name):
    return f"From: a@remote.example\r\nTo: mox@localhost\r\nSubject: {name}\r\nMessage-ID: <{name}@remote.example>\r\n\r\n" + f"Words of {name}.\r\n" * 50


def send(names, accepted):
    """Sends until the connection breaks."""
    try:
        with smtplib.SMTP("127.0.0.1", 1025, timeout=30) as c:
            for name in names:
                c.sendmail("a@remote.example", "mox@localhost", message(name))
                accepted.append(name)
    except (OSError, smtplib.SMTPException):
        pass


subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
server = start()
accepted = []
senders = [threading.Thread(target=send, args=([f"m{k}-{i}" for i in range(400)], accepted)) for k in range(4)]
for t in senders:
    t.start()
while len(accepted) < 300:
    assert any(t.is_alive() for t in senders), f"the server took {len(accepted)} messages only"
    time.sleep(0.02)
server.kill()
for t in senders:
    t.join()
server.wait()

server = start()
with imaplib.IMAP4("127.0.0.1", 1143) as c:
    c.login("mox@localhost", "moxmoxmox")
    c.select("INBOX")
    _, data = c.fetch("1:*", "(ENVELOPE)")
    found = b" ".join(d if isinstance(d, bytes) else b" ".join(d) for d in data).decode()
    lost = [name for name in accepted if f"<{name}@remote.example>" not in found]
    assert not lost, f"{len(lost)} of {len(accepted)} accepted messages are lost: {lost[:5]}"
    ok, data = c.search(None, "TEXT", '"words of m0-1."')
    assert ok == "OK" and len(data[0].split()) == 1, data
    c.append("INBOX", None, None, message("appended").encode())
    _, data = c.search(None, "SUBJECT", "appended")
    assert data[0].split(), "the appended message is not found"
server.terminate()
assert server.wait(30) == 15, f"exit status {server.returncode}, not the number of the signal"
subprocess.run(COMMAND + ["verifydata", "data"], check=True)
print(f"{len(accepted)} accepted before the kill, none lost")
