"""What users say of their mail decides about the next: junk filter, reputation, rulesets."""
import re

from hostile import client, nothing, refused
from trial import check
from world import Client, client_domain, field, text

HAM = ["The minutes of the meeting on the bridge are attached, please read the part about drainage.",
       "Lunch on Thursday works, the usual place near the station, bring the drawings.",
       "The invoice for the timber came in, it is within the estimate we made in spring.",
       "Can you review my changes to the parser before the release on Friday?",
       "The choir rehearses in the old school this week, the church is being painted."]
JUNK = ("XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X Dear winner, claim your casino bonus "
        "voucher immediately, miracle pills discount, unclaimed lottery millions await your urgent reply, casino jackpot.\n")


def session(world, n, host=1):
    c = client(n, host)
    c.starttls(world.ca)
    c.cmd("EHLO mail." + client_domain(n), "250")
    return c


def deliver(world, c, sender, rcpt, message):
    c.envelope(sender, rcpt)
    c.message(message)


def accepted(world, n, sender, rcpt, message):
    with session(world, n) as c:
        deliver(world, c, sender, rcpt, message)


def move(world, account, subject, source, target, count=1):
    with world.imap(account, source) as c:
        nums = c.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
        check(len(nums) == count, f"{len(nums)} messages {subject} in {source} of {account}, not {count}")
        c.create(target)
        ok, data = c._simple_command("MOVE", b",".join(nums).decode(), target)
        check(ok == "OK", f"MOVE: {data}")


def flags(world, account, subject, mailbox):
    with world.imap(account, mailbox) as c:
        nums = c.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
        check(nums, f"no {subject} in {mailbox}")
        return [c.fetch(n, "(FLAGS)")[1][0].decode() for n in nums]


def train(world):
    """Mail of some people is read and archived, that of another is moved to Junk."""
    with session(world, 60) as c:
        for i in range(60):
            deliver(world, c, f"friend{i % 6}@c60.example", "carol@mox.example",
                    text(f"ham-{i}", f"friend{i % 6}@c60.example", "carol@mox.example", HAM[i % 5] + f" Number {i}.\n"))
    for i in range(12):
        accepted(world, 61 + i % 3, f"offers{i}@c{61 + i % 3}.example", "carol@mox.example",
                 text(f"spam-{i}", f"offers{i}@c{61 + i % 3}.example", "carol@mox.example", JUNK + f"Number {i}\n"))
    move(world, "carol", "ham-", "INBOX", "Archive", 60)
    move(world, "carol", "spam-", "INBOX", "Junk", 12)
    check(all("$NotJunk" in f or "NonJunk" in f for f in flags(world, "carol", "ham-", "Archive")), "no $NotJunk in Archive")
    check(all("$Junk" in f for f in flags(world, "carol", "spam-", "Junk")), "no $Junk in Junk")


def words(world):
    """Junk of a stranger is refused, with a copy in Rejects; other mail of strangers is not."""
    accepted(world, 65, "new@c65.example", "carol@mox.example", text("stranger", "new@c65.example", "carol@mox.example", HAM[1] + "\n"))
    world.one("carol", "INBOX", "stranger")
    refused(world, 64, "promo@c64.example", text("promotion", "promo@c64.example", "carol@mox.example", JUNK), "451 4.7.1", rcpt="carol@mox.example")
    nothing(world, "promotion", "carol")
    fields, body = world.one("carol", "Rejects", "promotion")
    check(field(fields, "X-Mox-Reason").startswith("junk-content"), f"{fields}")
    check(b"GTUBE" in body, "body")
    world.explained("<promotion@interop.example>", "refused (junk-content)", "451 4.7.1", "words: 9", "casino", "in 0 messages not junk and 12 junk", "threshold 95%")
    # The sender tries again: there is still one copy.
    refused(world, 64, "promo@c64.example", text("promotion", "promo@c64.example", "carol@mox.example", JUNK), "451 4.7.1", rcpt="carol@mox.example")
    check(len(world.find("carol", "Rejects", "promotion")) == 1, "copies in Rejects")
    check("$Junk" not in flags(world, "carol", "promotion", "Rejects")[0], "flags in Rejects")


def strict(world):
    """Without TLS less is taken."""
    with client(66) as c:
        c.envelope("plain@c66.example", "carol@mox.example")
        c.cmd("DATA", "354")
        c.send(text("plain-text", "plain@c66.example", "carol@mox.example", JUNK).replace("\n", "\r\n").encode() + b".\r\n")
        check(c.f.read(9) == b"451 4.7.1", "reply")
    world.explained("<plain-text@interop.example>", "refused (junk-content-strict)", "since it came without TLS")


def rescue(world):
    """What was refused by mistake is moved out of Rejects; then its sender is let in."""
    move(world, "carol", "promotion", "Rejects", "INBOX")
    check("$Junk" not in flags(world, "carol", "promotion", "INBOX")[0], "flags in Inbox")
    move(world, "carol", "promotion", "INBOX", "Archive")
    accepted(world, 64, "promo@c64.example", "carol@mox.example", text("promotion2", "promo@c64.example", "carol@mox.example", JUNK))
    world.one("carol", "INBOX", "promotion2")
    world.explained("<promotion2@interop.example>", "accepted into Inbox (msgfromfull)", "1 not junk and 0 junk")


def forgery(world):
    """Who forges a sender with a good name has none of it."""
    refused(world, 67, "x@c67.example", text("impostor", "friend1@c60.example", "carol@mox.example", HAM[0] + "\n"), "550 5.7.26", rcpt="carol@mox.example")
    world.explained("<impostor@interop.example>", "dmarc-policy")


def marked(world):
    """A message marked as junk decides about the next of that sender, and no other."""
    rcpt = "dave@mox.example"
    accepted(world, 70, "x@c70.example", rcpt, text("first", "x@c70.example", rcpt))
    with world.imap("dave") as c:
        num = c.search(None, "SUBJECT", '"first"')[1][0].split()[0]
        check(c.store(num, "+FLAGS", "($Junk)")[0] == "OK", "STORE")
    refused(world, 70, "x@c70.example", text("second", "x@c70.example", rcpt), "451 4.7.1", rcpt=rcpt)
    nothing(world, "second", "dave")
    world.one("dave", "Rejects", "second")
    world.explained("<second@interop.example>", "refused (msgfromfull)", "of mail of x@c70.example before, 0 not junk and 1 junk", "reputation by msgfromfull x@c70.example: junk")
    accepted(world, 70, "y@c70.example", rcpt, text("other", "y@c70.example", rcpt))
    # The user changes their mind.
    with world.imap("dave") as c:
        num = c.search(None, "SUBJECT", '"first"')[1][0].split()[0]
        c.store(num, "-FLAGS", "($Junk)")
        c.store(num, "+FLAGS", "($NotJunk)")
    accepted(world, 70, "x@c70.example", rcpt, text("second", "x@c70.example", rcpt))
    world.one("dave", "INBOX", "second")
    nothing(world, "second", "dave", ["Rejects"])
    verdicts = [v["verdict"]["reason"] for v in world.verdicts("<second@interop.example>")]
    check(verdicts == ["msgfromfull", "msgfromfull"], f"{verdicts}")


def rulesets(world):
    """A mailing list that the user let in, a forwarder, and what must not be refused."""
    victim = "boss@victim.example"
    with session(world, 40) as c:
        deliver(world, c, "list-bounces@c40.example", "lists@mox.example", text("on-list", victim, "interop@c40.example", extra="List-Id: Interop <interop.lists>\n"))
    world.one("bob", "Lists", "on-list")
    world.explained("<on-list@interop.example>", "accepted into Lists (list-allow)", "verified domain c40.example")
    refused(world, 40, "list-bounces@c40.example", text("off-list", victim, "interop@c40.example"), "550 5.7.26", rcpt="lists@mox.example", host=2)
    refused(world, 42, "list-bounces@c42.example", text("no-list", victim, "interop@c40.example", extra="List-Id: Interop <interop.lists>\n"), "550 5.7.26", rcpt="lists@mox.example")
    with session(world, 41) as c:
        deliver(world, c, "fwd@c41.example", "forward@mox.example", text("forwarded", victim, "me@c41.example"))
    world.one("bob", "Forwarded", "forwarded")
    world.explained("<forwarded@interop.example>", "accepted into Forwarded", "a ruleset says that the message was forwarded")
    with session(world, 43) as c:
        deliver(world, c, "x@c43.example", "keep@mox.example", text("kept", victim, "keep@mox.example"))
    world.one("bob", "Unwanted", "kept")
    check("\\Seen" in flags(world, "bob", "kept", "Unwanted")[0], "not seen")
    world.explained("<kept@interop.example>", "accepted as unwanted into Unwanted (dmarc-policy)")


def introbox(world):
    """Strangers to the box for them; a token for the subject when refused in doubt."""
    accepted(world, 75, "new@c75.example", "erin@mox.example", text("intro", "new@c75.example", "erin@mox.example"))
    world.one("erin", "Introbox", "intro")
    server, rcpt = "127.0.0.25", "erin@mox.example"
    with Client("127.0.0.2", server, hello="localhost.example") as c:
        c.envelope("x@listed.example", rcpt)
        c.cmd("DATA", "354")
        c.send(text("please", "x@listed.example", rcpt).replace("\n", "\r\n").encode() + b".\r\n")
        check(c.f.read(9) == b"550 5.7.1", "reply")
    token = re.search(r"\(pass:\S+\)", world.trace("<please@interop.example>"))
    check(token, "no token")
    with Client("127.0.0.2", server, hello="localhost.example") as c:
        c.envelope("x@listed.example", rcpt)
        c.message(text("thanks", "x@listed.example", rcpt).replace("Subject: thanks", "Subject: thanks " + token[0]))
    world.explained("<thanks@interop.example>", "(subjectpass)")
    world.one("erin", "Introbox", "thanks")


GROUPS = [
    [("junk-train", train), ("junk-words", words), ("junk-rescue", rescue), ("junk-strict", strict), ("junk-forgery", forgery)],
    [("marked", marked)],
    [("rulesets", rulesets)],
    [("introbox", introbox)],
]
