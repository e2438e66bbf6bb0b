"""Thunderbird with an account at mox: gets 5,000 messages whole, flags, moves, searches, and is
told of new mail while it waits in IDLE. What the server holds is looked at with imaplib.

Arguments: the directory to work in, and the file with the server's certificate."""
import imaplib
import os
import smtplib
import ssl
import sys
import time

from marionette import Thunderbird
from messages import PASSWORD, USER, check, fill, found

MESSAGES = int(os.environ.get("THUNDERBIRD_MESSAGES", "5000"))
PORT = 2829
dir, cert = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])

PREFS = {
    "marionette.port": PORT,
    "mail.accountmanager.accounts": "account1",
    "mail.accountmanager.defaultaccount": "account1",
    "mail.account.account1.server": "server1",
    "mail.account.account1.identities": "id1",
    "mail.identity.id1.fullName": "Mox",
    "mail.identity.id1.useremail": USER,
    "mail.identity.id1.valid": True,
    "mail.server.server1.type": "imap",
    "mail.server.server1.name": USER,
    "mail.server.server1.hostname": "localhost",
    "mail.server.server1.port": 1993,
    "mail.server.server1.userName": USER,
    "mail.server.server1.socketType": 3,  # TLS from the start
    "mail.server.server1.authMethod": 3,  # password
    "mail.server.server1.login_at_startup": False,
    "mail.server.server1.check_new_mail": False,  # new mail is seen by IDLE or not at all
    "mail.server.server1.use_idle": True,
    "mail.server.server1.delete_model": 1,
    "mail.server.server1.offline_download": False,
    "mail.server.server1.autosync_offline_stores": False,
    "mail.server.server1.check_all_folders_for_new": False,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.spotlight.firstRunDone": True,
    "mail.shell.checkDefaultClient": False,
    "mail.rights.version": 1,
    "mail.inappnotifications.enabled": False,
    "mailnews.start_page.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.enabled": False,
    "app.donation.eoy.version.viewed": 999,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "services.settings.server": "data:,",
}

# Functions for all scripts: they stay in the sandbox's global object.
LIBRARY = """
globalThis.server = () => MailServices.accounts.accounts.find(a => a.incomingServer.type == "imap").incomingServer;
globalThis.folder = name => name == "INBOX" ? server().rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox) : server().rootFolder.getChildNamed(name);
globalThis.listener = (resolve, reject) => ({
    QueryInterface: ChromeUtils.generateQI(["nsIUrlListener"]),
    OnStartRunningUrl() {},
    OnStopRunningUrl(url, status) { status == 0 ? resolve() : reject(new Error("URL ended with " + status.toString(16))); },
});
globalThis.url = fn => new Promise((resolve, reject) => fn(listener(resolve, reject)));
globalThis.until = async (what, ms, fn) => {
    const end = Date.now() + ms;
    for (;;) {
        const v = fn();
        if (v) return v;
        if (Date.now() > end) throw new Error("waited for " + what);
        await new Promise(r => setTimeout(r, 50));
    }
};
globalThis.headers = f => [...f.messages];
globalThis.subject = (f, s) => { const h = headers(f).find(h => h.mime2DecodedSubject == s); if (!h) throw new Error("no message " + s); return h; };
globalThis.setTimeout = globalThis.setTimeout || ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs").setTimeout;
"""


def eventually(what, want, mailbox, *criteria):
    end = time.monotonic() + 60
    while (n := found(mailbox, *criteria)) != want and time.monotonic() < end:
        time.sleep(0.2)
    check(n == want, f"{what}: {n} of {want} at the server")


def login(t):
    """Gives the program the password and the certificate, as a user would in its dialogs."""
    t.run(LIBRARY)
    with open(cert) as f:
        pem = "".join(l.strip() for l in f.read().split("-----END")[0].split("\n")[1:])
    t.run("""
        const db = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB);
        const cert = db.constructX509FromBase64(args[0]);
        Cc["@mozilla.org/security/certoverride;1"].getService(Ci.nsICertOverrideService).rememberValidityOverride("localhost", 1993, {}, cert, false);
        const info = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
        info.init("imap://localhost", null, "imap://localhost", args[1], args[2], "", "");
        await Services.logins.addLoginAsync(info);
        server().password = args[2];
        """, pem, USER, PASSWORD)


def main():
    start = time.monotonic()
    fill(b"Thunder", MESSAGES, "thunder")
    with imaplib.IMAP4("127.0.0.1", 1143) as c:
        c.login(USER, PASSWORD)
        c.create("ThunderTo")
        c.create("Trash")
        for name in ("Thunder", "ThunderTo"):
            c.subscribe(name)
    print(f"filled after {time.monotonic() - start:.1f} s", flush=True)
    t = Thunderbird(dir + "/profile", PREFS, PORT, dir + "/thunderbird.log")
    try:
        print(f"started after {time.monotonic() - start:.1f} s", flush=True)
        steps(t, start)
    finally:
        t.stop()


def steps(t, start):
    login(t)
    n = t.run("""
        server().performExpand(null);
        const f = await until("mailboxes", 30000, () => { try { return folder("Thunder"); } catch (e) { return null; } });
        await url(l => f.QueryInterface(Ci.nsIMsgImapMailFolder).updateFolderWithListener(null, l));
        await until("headers", 90000, () => headers(f).length >= args[0]);
        return headers(f).length;
        """, MESSAGES)
    check(n == MESSAGES, f"{n} headers")
    print(f"headers after {time.monotonic() - start:.1f} s", flush=True)
    unread, right = t.run("""
        const f = folder("Thunder");
        return [f.getNumUnread(false), headers(f).every(h => h.isRead == (Number(h.mime2DecodedSubject.slice(8)) % 2 == 1) && h.messageId == "thunder-" + h.mime2DecodedSubject.slice(8) + "@interop.example")];
        """)
    check(unread == MESSAGES // 2 and right, f"flags, subjects and message-ids; {unread} unread")
    n = t.run("""
        const f = folder("Thunder");
        f.setFlag(Ci.nsMsgFolderFlags.Offline);
        await url(l => f.downloadAllForOffline(l, null));
        await until("bodies", 110000, () => headers(f).every(h => h.flags & Ci.nsMsgMessageFlags.Offline));
        return headers(f).length;
        """)
    check(n == MESSAGES, "all bodies are there for offline use")
    print(f"bodies after {time.monotonic() - start:.1f} s", flush=True)
    changes(t)
    search(t)
    idle(t)
    print(f"done after {time.monotonic() - start:.1f} s", flush=True)


def changes(t):
    """Flags, moves, copies, deletion, new folders."""
    t.run("""
        const f = folder("Thunder"), pick = headers(f).filter(h => Number(h.mime2DecodedSubject.slice(8)) < 50);
        f.markMessagesFlagged(pick, true);
        f.markMessagesRead(pick, true);
        f.addKeywordsToMessages(pick.slice(0, 10), "$label1 thunderbird");
        """)
    eventually("flagged", 50, "Thunder", "FLAGGED")
    eventually("read", MESSAGES // 2 - 25, "Thunder", "UNSEEN")
    eventually("keyword", 10, "Thunder", "KEYWORD", "thunderbird")
    move = """
        const f = folder("Thunder"), to = folder(args[0]), [first, last] = [args[1], args[2]];
        const pick = headers(f).filter(h => { const n = Number(h.mime2DecodedSubject.slice(8)); return n >= first && n < last; });
        await new Promise((resolve, reject) => MailServices.copy.copyMessages(f, pick, to, args[3], {
            QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]),
            onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return null; },
            onStopCopy(status) { status == 0 ? resolve() : reject(new Error("copy ended with " + status.toString(16))); },
        }, null, false));
        """
    t.run(move, "ThunderTo", 100, 300, True)
    eventually("moved to", 200, "ThunderTo", "ALL")
    eventually("moved from", MESSAGES - 200, "Thunder", "ALL")
    t.run(move, "ThunderTo", 300, 310, False)
    eventually("copied to", 210, "ThunderTo", "ALL")
    t.run("""
        const f = folder("Thunder");
        await url(l => f.deleteMessages([subject(f, "thunder 400")], null, false, false, { QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]),
            onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return null; }, onStopCopy(s) { l.OnStopRunningUrl(null, s); } }, false));
        """)
    eventually("deleted", 0, "Thunder", "HEADER", "Message-ID", '"thunder-400@interop.example"')
    eventually("in the trash", 1, "Trash", "HEADER", "Message-ID", '"thunder-400@interop.example"')
    t.run("""
        server().rootFolder.createSubfolder("Grüße & mehr", null);
        const f = await until("new folder", 20000, () => { try { return server().rootFolder.getChildNamed("Grüße & mehr"); } catch (e) { return null; } });
        f.rename("Umbenannt", null);
        await until("renamed folder", 20000, () => { try { return server().rootFolder.getChildNamed("Umbenannt"); } catch (e) { return null; } });
        """)
    eventually("renamed mailbox", 0, "Umbenannt", "ALL")
    # What another client changes comes down with the next look.
    with imaplib.IMAP4("127.0.0.1", 1143) as c:
        c.login(USER, PASSWORD)
        c.select("ThunderTo")
        c.store("1:10", "+FLAGS", r"(\Answered)")
        c.store("11:20", "+FLAGS", r"(\Deleted)")
        c.expunge()
    answered, n = t.run("""
        const f = folder("ThunderTo").QueryInterface(Ci.nsIMsgImapMailFolder);
        await url(l => f.updateFolderWithListener(null, l));
        await until("changes", 20000, () => headers(f).length == 200 && headers(f).filter(h => h.flags & Ci.nsMsgMessageFlags.Replied).length == 10);
        return [headers(f).filter(h => h.flags & Ci.nsMsgMessageFlags.Replied).length, headers(f).length];
        """)
    check((answered, n) == (10, 200), "changes of another client came down")


def search(t):
    """A search that the server does."""
    subjects = t.run("""
        const f = folder("Thunder"), session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession), hits = [];
        session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, f);
        const term = session.createTerm(), value = term.value;
        term.attrib = value.attrib = Ci.nsMsgSearchAttrib.Body;
        value.str = "Message 1234.";
        term.value = value;
        term.op = Ci.nsMsgSearchOp.Contains;
        session.appendTerm(term);
        await new Promise(resolve => {
            session.registerListener({ QueryInterface: ChromeUtils.generateQI(["nsIMsgSearchNotify"]), onSearchHit(h) { hits.push(h.mime2DecodedSubject); }, onSearchDone: resolve, onNewSearch() {} });
            session.search(null);
        });
        return hits;
        """)
    want = ["thunder 1234"] if MESSAGES > 1234 else []
    check(subjects == want, f"search in bodies: {subjects}")


def idle(t):
    """New mail must come without being asked for."""
    t.run("""
        const f = folder("INBOX").QueryInterface(Ci.nsIMsgImapMailFolder);
        await url(l => f.updateFolderWithListener(null, l));
        """)
    time.sleep(2)
    start = time.monotonic()
    with smtplib.SMTP("127.0.0.1", 1025) as s:
        s.sendmail("news@remote.example", [USER], "From: <news@remote.example>\r\nTo: <mox@localhost>\r\nSubject: thunder idle\r\nMessage-ID: <idle@interop.example>\r\n\r\nNew.\r\n")
    t.run("""await until("new mail", 30000, () => headers(folder("INBOX")).some(h => h.mime2DecodedSubject == "thunder idle"));""")
    check(True, f"new mail seen in IDLE after {time.monotonic() - start:.2f} s")
    with imaplib.IMAP4_SSL("localhost", 1993, ssl_context=ssl._create_unverified_context()) as c:
        c.login(USER, PASSWORD)
        c.select()
        num = c.search(None, "SUBJECT", '"thunder idle"')[1][0].split()[0]
        c.store(num, "+FLAGS", r"(\Flagged)")
        t.run("""await until("flag", 30000, () => headers(folder("INBOX")).some(h => h.mime2DecodedSubject == "thunder idle" && h.isFlagged));""")
        check(True, "flag of another client seen in IDLE")
        c.store(num, "+FLAGS", r"(\Deleted)")
        c.expunge()
    t.run("""await until("expunge", 30000, () => !headers(folder("INBOX")).some(h => h.mime2DecodedSubject == "thunder idle"));""")
    check(True, "expunge by another client seen in IDLE")


main()
