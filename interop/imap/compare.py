"""Compares what two servers said to the same command. Each function yields differences as
lines: a kind, what it is about, what Dovecot has and what mox has, with | between them."""
import re

import corpus
import model

NAMES = [m[0] for m in corpus.messages()]
# Items of FETCH whose values are the server's own choice; only that they are there counts.
FREE = {b"PREVIEW", b"SAVEDATE", b"EMAILID", b"THREADID"}
IMPLIED = {b"FLAGS", b"UID", b"MODSEQ"}


def show(v):
    s = repr(v) if not isinstance(v, bytes) else repr(bytes(v))
    return s if len(s) < 240 else s[:150] + "..." + s[-60:] + f" ({len(s)})"


def label(uid, session):
    """A message by its name, where UIDs are those of a template."""
    if isinstance(uid, int) and uid <= len(NAMES) and session.selected == "T":
        return NAMES[uid - 1]
    return f"uid {uid}"


def line(kind, about, a, b):
    return f"{kind} {about} | {a if isinstance(a, str) else show(a)} | {b if isinstance(b, str) else show(b)}"


def command(sides, sessions, parts, tagged, said):
    name, raw = verb(parts)
    yield from reply(name, tagged, said)
    if tagged[0].status != tagged[1].status:
        return
    if "FETCH" in name or "STORE" in name:
        yield from fetches(name, raw, sides, sessions, said)
    yield from searches(name, sessions, said)
    yield from listings(name, said)
    if said[0].bye != said[1].bye:
        yield line("said", f"{name} BYE", said[0].bye, said[1].bye)
    yield from earlier(name, said)
    if said[0].enabled != said[1].enabled:
        yield line("said", f"{name} ENABLED", said[0].enabled, said[1].enabled)


def verb(parts):
    """The name of the command, and all of it in upper case."""
    raw = (parts if isinstance(parts, bytes) else b"".join(p for p in parts if isinstance(p, bytes))).upper()
    words = raw.split(b" ")
    name = b" ".join(words[:2]) if words[0] == b"UID" else words[0]
    return name.decode("ascii", "replace"), raw


def reply(name, tagged, said):
    """The status and its code, and the codes of untagged OK."""
    a, b = tagged
    if a.status != b.status:
        yield line("reply", name, (a.status + b" " + a.text)[:80].decode(errors="replace"), (b.status + b" " + b.text)[:80].decode(errors="replace"))
        return
    ca, cb = (model.code(t.code) if t.code else None for t in tagged)
    if ca != cb:
        yield line("code", f"{name} {a.status.decode()}", ca, cb)
    if name not in ("SELECT", "EXAMINE"):
        return
    ca, cb = ({c for c in map(model.code, s.codes) if c} for s in said)
    for c in sorted(ca ^ cb, key=repr):
        yield line("untagged", f"{name} code", c if c in ca else "none", c if c in cb else "none")
    if (said[0].flags is None) != (said[1].flags is None) and name in ("SELECT", "EXAMINE"):
        yield line("untagged", f"{name} FLAGS", said[0].flags, said[1].flags)


def fetches(name, raw, sides, sessions, said):
    a, b = (s.fetch for s in said)
    asked = {k for k in IMPLIED if k in raw[4:] or k == b"FLAGS" and re.search(rb" (ALL|FAST|FULL)$", raw)}
    if b"CHANGEDSINCE" in raw:
        asked.add(b"MODSEQ")
    if "STORE" in name:
        # What was changed is compared by the models; MODSEQ comes with it.
        return
    for uid in sorted(set(a) | set(b), key=str):
        x, y = ({k: v for k, v in f.get(uid, {}).items() if k not in IMPLIED or k in asked} for f in (a, b))
        what = label(uid, sessions[0])
        if not x and not y or uid in sides[0].gone | sides[1].gone or not all(uid in s.uids for s in sessions):
            continue  # nothing asked for, or expunged or added by another session
        if (uid not in a or uid not in b) and set(x) | set(y) <= IMPLIED and b"CHANGEDSINCE" not in raw:
            continue  # flags that were told early
        if uid not in a or uid not in b:
            yield line("fetch", f"message {what}", sorted(x) or "none", sorted(y) or "none")
            continue
        for item in sorted(set(x) | set(y)):
            if item not in x or item not in y:
                yield line("fetch", f"{item.decode()} {what}", x.get(item, "none"), y.get(item, "none"))
            elif item not in FREE:
                yield from values(item, what, x[item], y[item], sides)


def values(item, what, x, y, sides):
    if item == b"FLAGS":
        x, y = (sorted(model.flagset(v)) for v in (x, y))
    elif item == b"INTERNALDATE":
        x, y = model.when(x), model.when(y)
    elif item == b"MODSEQ":
        x, y = ("last" not in s.marks or int(v[0]) > int(s.marks["last"]) for v, s in zip((x, y), sides))
    elif item in (b"BODY", b"BODYSTRUCTURE"):
        x, y = upper(x), upper(y)
    if x == y:
        return
    path, x, y = where(x, y)
    yield line("fetch", f"{item.decode()}{path} {what}", x, y)


def upper(v):
    """Body structures: types, names of parameters and encodings are case-insensitive."""
    return tuple(map(upper, v)) if isinstance(v, tuple) else v.upper() if isinstance(v, bytes) else v


def where(x, y, path=""):
    """The first place at which two values differ."""
    if isinstance(x, tuple) and isinstance(y, tuple) and len(x) == len(y):
        for i, (p, q) in enumerate(zip(x, y)):
            if p != q:
                return where(p, q, f"{path}.{i}")
    return path, x, y


def names(nums, session, uid):
    """Messages of a search result by name."""
    out = []
    for n in nums:
        u = n if uid else session.uids[n - 1] if 0 < n <= len(session.uids) else f"seq {n}"
        out.append(label(u, session))
    return out


def searches(name, sessions, said):
    uid = name.startswith("UID")
    a, b = (s.search for s in said)
    if uid and a is not None and b is not None:
        for s, found in zip(sessions, (a, b)):
            if None not in s.uids and not set(found) <= set(s.uids):
                yield line("search", f"{s.side.name} unknown UIDs", found, s.uids)
        known = set(sessions[0].uids) & set(sessions[1].uids)
        a, b = ([u for u in found if u in known] for found in (a, b))
    if a != b:
        if a is None or b is None:
            yield line("search", f"{name} response", a, b)
        else:
            x, y = (names(set(p) - set(q), s, uid) for p, q, s in ((a, b, sessions[0]), (b, a, sessions[1])))
            yield line("search", name, "only " + " ".join(sorted(x)), "only " + " ".join(sorted(y)))
    a, b = (s.esearch for s in said)
    if a != b:
        if a and b and "ALL" in a and "ALL" in b and a["ALL"] != b["ALL"]:
            x, y = (names(set(p["ALL"]) - set(q["ALL"]), s, uid) for p, q, s in ((a, b, sessions[0]), (b, a, sessions[1])))
            yield line("esearch", name, "only " + " ".join(sorted(x)), "only " + " ".join(sorted(y)))
        else:
            yield line("esearch", name, a, b)
    a, b = (None if s.sort is None else [n for n in names(s.sort, t, uid) if n in CLEAR] for s, t in zip(said, sessions))
    if a != b:
        yield line("sort", name, *(v if v is None else " ".join(v) for v in (a, b)))
    a, b = (None if s.thread is None else threads(s.thread, t, uid) for s, t in zip(said, sessions))
    if a != b:
        yield line("thread", name, sorted(a - b) if a and b else a, sorted(b - a) if a and b else b)


# Messages whose sender, date and subject leave no doubt: those with odd ones may be anywhere
# in a sorted list.
CLEAR = {"plain", "reply", "reply-nested", "alternative", "mixed-nested", "many-words", "large", "dates-late", "dates-early"}


def threads(values, session, uid):
    """Which messages are in a thread together, whatever its order and form."""
    out = set()
    for t in values:
        members = sorted(n for n in flat(thread(t, session, uid)) if n in CLEAR)
        if members:
            out.add(" ".join(members))
    return out


def flat(t):
    return [n for x in t for n in (flat(x) if isinstance(x, tuple) else [x])]


def thread(v, session, uid):
    """A thread with messages by name."""
    return tuple(thread(x, session, uid) if isinstance(x, (tuple, list)) else names([int(x)], session, uid)[0] for x in v)


def listings(name, said):
    for kind in ("lists", "lsubs"):
        a, b = (getattr(s, kind) for s in said)
        for box in sorted(set(a) | set(b)):
            x, y = (d.get(box) for d in (a, b))
            children = bool(x and y and x[0] & CHILDREN and y[0] & CHILDREN)
            x, y = attributes(x, children), attributes(y, children)
            if x != y:
                yield line("list", f"{name} {show(box)}", x, y)
    a, b = (s.statuses for s in said)
    for box in sorted(set(a) | set(b)):
        x, y = a.get(box), b.get(box)
        if x is None or y is None:
            yield line("status", f"{name} {show(box)}", x, y)
            continue
        for item in sorted(set(x) | set(y)):
            free = item in (b"UIDVALIDITY", b"HIGHESTMODSEQ", b"RECENT", b"MAILBOXID")
            if (item in x) != (item in y) or not free and x[item] != y[item]:
                yield line("status", f"{name} {item.decode()} {show(box)}", x.get(item), y.get(item))


CHILDREN = {rb"\HASCHILDREN", rb"\HASNOCHILDREN"}


def attributes(entry, children):
    """A LIST entry in words. \\Marked is the server's guess, and it may tell of children without
    being asked."""
    if entry is None:
        return "none"
    attrs, sep, more = entry
    return " ".join(sorted(a.decode() for a in attrs - {rb"\MARKED", rb"\UNMARKED"} - (set() if children else CHILDREN))) + (f" {sep!r}" if sep != b"/" else "") + (f" {more!r}" if more else "")


def earlier(name, said):
    a, b = (s.earlier or set() for s in said)
    if a != b:
        yield line("vanished", name, sorted(a - b), sorted(b - a))


def models(a, b):
    """The messages and flags that two sessions know of."""
    if a.uids != b.uids:
        yield line("model", "uids", a.uids, b.uids)
        return
    for uid in a.uids:
        x, y = a.flags.get(uid), b.flags.get(uid)
        if x != y:
            yield line("model", f"flags {uid}", *(" ".join(sorted(f.decode() for f in v)) if v is not None else "unknown" for v in (x, y)))
