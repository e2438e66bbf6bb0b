"""Evolution's IMAP engine, the library Camel, with an account at mox: searches among
1,500 messages, gets them whole, flags, moves, deletes, and is told of new mail while it waits in IDLE. What the server holds is
looked at with imaplib. Needs the system's own Python, for which Debian has the bindings.

Arguments: the directory to work in, and the file with the server's certificate."""
import ctypes
import imaplib
import os
import smtplib
import sys
import time

dir, cert = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
for name in ("DATA", "CACHE", "CONFIG"):  # before GLib reads them
    os.environ[f"XDG_{name}_HOME"] = f"{dir}/{name.lower()}"

import gi

gi.require_version("Camel", "1.2")
from gi.repository import Camel, Gio, GIRepository, GLib

from messages import PASSWORD, USER, check, fill, found

MESSAGES = int(os.environ.get("EVOLUTION_MESSAGES", "1500"))
FLAGGED, SEEN, DELETED, ANSWERED = (getattr(Camel.MessageFlags, n) for n in ("FLAGGED", "SEEN", "DELETED", "ANSWERED"))


class Session(Camel.Session):
    """What Evolution itself does for the engine: it gives the password, and knows the certificate."""

    trusted = 0

    def do_authenticate_sync(self, service, mechanism, cancellable):
        service.set_password(PASSWORD)
        if service.authenticate_sync(mechanism, cancellable) != Camel.AuthenticationResult.ACCEPTED:
            raise GLib.Error("password not accepted", "camel-service-error-quark", 0)
        return True

    def do_trust_prompt(self, service, certificate, errors):
        with open(cert) as f:
            same = certificate.is_same(Gio.TlsCertificate.new_from_pem(f.read(), -1))
        self.trusted += same
        return Camel.CertTrust.TEMPORARY if same else Camel.CertTrust.NEVER


def holds(what, want, mailbox, *criteria):
    """Checks the server at once: what the engine has been told is done must be done."""
    n = found(mailbox, *criteria)
    check(n == want, f"{what}: {n} of {want} at the server")


def until(what, seconds, fn):
    """Runs the main loop, in which the engine gives its signals, until fn is true."""
    end = time.monotonic() + seconds
    while not fn():
        while GLib.MainContext.default().iteration(False):
            pass
        if time.monotonic() > end:
            sys.exit("failed: waited for " + what)
        time.sleep(0.02)
    print("ok", what, flush=True)


def subjects(folder):
    """The engine's UIDs by subject. Its threads may remove a message meanwhile."""
    return {info.get_subject(): info.get_uid() for uid in folder.get_uids() if (info := folder.get_message_info(uid))}


def flag(folder, uids, flags, value=True):
    for uid in uids:
        folder.get_message_info(uid).set_flags(flags, flags if value else 0)


def connect():
    Camel.init(dir + "/nss", False)
    Camel.provider_init()
    session = Session(user_data_dir=dir + "/data", user_cache_dir=dir + "/cache")
    session.set_online(True)
    store = session.add_service("mox", "imapx", Camel.ProviderType.STORE)
    s = store.ref_settings()
    for name, value in {
        "host": "localhost", "port": 1993, "user": USER, "auth-mechanism": "PLAIN",
        "security-method": Camel.NetworkSecurityMethod.SSL_ON_ALTERNATE_PORT,
        "use-idle": True, "use-qresync": True, "use-subscriptions": False, "use-multi-fetch": False,
        "use-real-trash-path": False, "use-real-junk-path": False, "check-all": False, "filter-inbox": False,
    }.items():
        s.set_property(name, value)
    if not store.get_online():
        store.set_online_sync(True, None)
    store.connect_sync(None)
    return session, store


def main():
    start = time.monotonic()

    def lap(what):
        print(f"{what} after {time.monotonic() - start:.1f} s", flush=True)

    fill(b"Evolution", MESSAGES, "evolution")
    with imaplib.IMAP4("127.0.0.1", 1143) as c:
        c.login(USER, PASSWORD)
        c.create("EvolutionTo")
    lap("filled")
    session, store = connect()
    check(session.trusted > 0, "certificate seen")
    for name in ("INBOX", "Evolution", "EvolutionTo"):
        check(store.get_folder_info_sync(name, 0, None).full_name == name, "folder " + name)
    f = store.get_folder_sync("Evolution", 0, None)
    headers(f)
    lap("headers")
    search(f)
    lap("searched")
    bodies(f)
    lap("bodies")
    changes(store, f)
    lap("changed")
    idle(store)
    store.disconnect_sync(True, None)
    lap("done")


def headers(f):
    f.refresh_info_sync(None)
    check(f.get_message_count() == MESSAGES, f"{f.get_message_count()} headers")
    check(f.get_folder_summary().get_unread_count() == MESSAGES - MESSAGES // 2, f"{f.get_folder_summary().get_unread_count()} unread")
    infos = [f.get_message_info(uid) for uid in f.get_uids()]
    check(sorted(i.get_subject() for i in infos) == sorted(f"evolution {n}" for n in range(MESSAGES)), "subjects")
    check(all(bool(i.get_flags() & SEEN) == int(i.get_subject()[10:]) % 2 for i in infos), "flags")


def bodies(f):
    infos = [f.get_message_info(uid) for uid in f.get_uids()]
    check(f.downsync_sync(None, None), "downloaded for offline use")
    for i in infos:
        n = int(i.get_subject()[10:])
        m = f.get_message_cached(i.get_uid(), None)
        if not m:
            sys.exit(f"failed: message {n} is not there")
        stream = Camel.StreamMem.new()
        m.get_content().decode_to_stream_sync(stream, None)
        text = bytes(stream.get_byte_array())
        if m.get_message_id() != f"evolution-{n}@interop.example" or text.replace(b"\r\n", b"\n") != f"Message {n}.\n".encode() + b"text\n" * (n % 90):
            sys.exit(f"failed: message {n} is {m.get_message_id()} with {text[:100]}")
    print("ok all bodies", flush=True)


def changes(store, f):
    """Flags, keywords, moves, copies, deletion, new folders, new messages."""
    by = subjects(f)

    def uids(first, last):
        return [by[f"evolution {n}"] for n in range(first, last)]

    flag(f, uids(0, 50), FLAGGED | SEEN)
    flag(f, uids(51, 52), SEEN, False)
    for uid in uids(0, 10):
        f.get_message_info(uid).set_user_flag("$Label1", True)
        f.get_message_info(uid).set_user_flag("evolution", True)
    f.synchronize_sync(False, None)
    holds("flagged", 50, "Evolution", "FLAGGED")
    holds("read", MESSAGES // 2 + 25 - 1, "Evolution", "SEEN")
    holds("keywords", 10, "Evolution", "KEYWORD", "evolution", "KEYWORD", "$Label1")
    to = store.get_folder_sync("EvolutionTo", 0, None)
    f.transfer_messages_to_sync(uids(100, 300), to, True, None)
    holds("moved to", 200, "EvolutionTo", "ALL")
    holds("moved from", MESSAGES - 200, "Evolution", "ALL")
    f.transfer_messages_to_sync(uids(300, 310), to, False, None)
    holds("copied to", 210, "EvolutionTo", "ALL")
    to.refresh_info_sync(None)
    check(set(subjects(to)) == {f"evolution {n}" for n in range(100, 310)}, "the other folder's messages")
    flag(f, uids(400, 420), DELETED)
    f.expunge_sync(None)
    holds("expunged", MESSAGES - 220, "Evolution", "ALL")
    holds("one of these", 0, "Evolution", "HEADER", "Message-ID", '"evolution-400@interop.example"')
    f.refresh_info_sync(None)
    check(set(subjects(f)) == {f"evolution {n}" for n in range(MESSAGES) if not (100 <= n < 300 or 400 <= n < 420)}, "what is left")
    m = Camel.MimeMessage.new()
    m.set_subject("evolution Grüße")
    m.set_message_id("evolution-new@interop.example")
    text = "Grüße aus Köln.\n".encode()
    m.set_content(text, "text/plain; charset=utf-8")
    f.append_message_sync(m, None, None)
    holds("appended", 1, "Evolution", "HEADER", "Message-ID", '"evolution-new@interop.example"')
    store.create_folder_sync(None, "Grüße & mehr", None)
    store.create_folder_sync("Grüße & mehr", "Unter", None)
    store.rename_folder_sync("Grüße & mehr", "Umgenannt", None)
    holds("renamed mailbox", 0, "Umgenannt/Unter", "ALL")
    store.delete_folder_sync("Umgenannt/Unter", None)
    check(found("Umgenannt/Unter", "ALL") == -1, "deleted mailbox")
    # What another client changes comes down with the next look.
    with imaplib.IMAP4("127.0.0.1", 1143) as c:
        c.login(USER, PASSWORD)
        c.select("EvolutionTo")
        c.store("1:10", "+FLAGS", r"(\Answered)")
        c.store("11:20", "+FLAGS", r"(\Deleted)")
        c.expunge()
    to.refresh_info_sync(None)
    check(to.get_message_count() == 200, "expunged by another client")
    check(sum(bool(to.get_message_info(uid).get_flags() & ANSWERED) for uid in to.get_uids()) == 10, "flags of another client")


class PtrArray(ctypes.Structure):
    _fields_ = [("data", ctypes.POINTER(ctypes.c_char_p)), ("len", ctypes.c_uint)]


def search_uids(folder, expression):
    """What search_by_expression does, called without the binding: that frees the UIDs, which the engine still uses."""
    lib = ctypes.CDLL(GIRepository.Repository.get_default().get_shared_library("Camel").split(",")[0])
    lib.camel_folder_search_by_expression.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p]
    lib.camel_folder_search_by_expression.restype = ctypes.POINTER(PtrArray)
    lib.camel_folder_search_free.argtypes = [ctypes.c_void_p, ctypes.POINTER(PtrArray)]
    address = hash(folder)
    result = lib.camel_folder_search_by_expression(address, expression.encode(), None, None)
    if not result:
        sys.exit("failed: search " + expression)
    uids = [result[0].data[i].decode() for i in range(result[0].len)]
    lib.camel_folder_search_free(address, result)
    return uids


def search(f):
    """The server searches, since bodies and most headers are only there. The engine takes a text apart
    into words, and asks for each."""
    def find(expression):
        return sorted(int(f.get_message_info(uid).get_subject()[10:]) for uid in search_uids(f, expression))

    uids = f.get_uids()
    check(sorted(f.get_uncached_uids(uids)) == sorted(uids), "no body is here")
    got = find('(match-all (body-contains "Message 77."))')
    check(got == [n for n in range(MESSAGES) if str(n).endswith("77")], f"search in bodies: {got}")
    got = find('(match-all (header-contains "X-Serial" "serial-77"))')
    check(got == [n for n in range(MESSAGES) if str(n).startswith("77")], f"search in a header: {got}")
    got = find('(match-all (and (header-contains "Subject" "99") (not (system-flag "Seen"))))')
    check(got == [n for n in range(0, MESSAGES, 2) if "99" in str(n)], f"search in headers and flags: {got}")
    check(sorted(f.get_uncached_uids(uids)) == sorted(uids), "still no body is here")


def idle(store):
    """New mail must come without being asked for: the engine uses NOTIFY and IDLE."""
    # Not get_inbox_folder_sync: that makes a folder of which the engine's connection does not know.
    inbox = store.get_folder_sync("INBOX", 0, None)
    inbox.refresh_info_sync(None)
    changed = []
    inbox.connect("changed", lambda folder, info: changed.append(1))

    def find():
        return subjects(inbox).get("evolution idle")

    until_idle = time.monotonic() + 3  # it begins IDLE after a moment without commands
    while time.monotonic() < until_idle:
        GLib.MainContext.default().iteration(False)
        time.sleep(0.02)
    check(not find(), "not there before")
    start = time.monotonic()
    with smtplib.SMTP("127.0.0.1", 1025) as s:
        s.sendmail("news@remote.example", [USER], "From: <news@remote.example>\r\nTo: <mox@localhost>\r\nSubject: evolution idle\r\nMessage-ID: <evolution-idle@interop.example>\r\n\r\nNew.\r\n")
    until("new mail seen in IDLE", 20, lambda: changed and find())
    print(f"seen after {time.monotonic() - start:.2f} s", flush=True)
    with imaplib.IMAP4("127.0.0.1", 1143) as c:
        c.login(USER, PASSWORD)
        c.select()
        num = c.search(None, "SUBJECT", '"evolution idle"')[1][0].split()[0]
        c.store(num, "+FLAGS", r"(\Flagged)")
        until("flag of another client seen in IDLE", 20, lambda: inbox.get_message_info(find()).get_flags() & FLAGGED)
        c.store(num, "+FLAGS", r"(\Deleted)")
        c.expunge()
    until("expunge by another client seen in IDLE", 20, lambda: not find())


main()
sys.stdout.flush()
os._exit(0)  # without taking the engine's threads down in order, which is not the server's test
