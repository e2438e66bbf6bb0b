package mbox

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"mox/message"
)

// originalPrefix is put before names of fields that mean something in an mbox.
const originalPrefix = "X-Mox-Original-"

// metaFields are those that a Writer writes, or that say how an mbox is to be read.
var metaFields = []string{"Status", "X-Status", "X-Keywords", "Content-Length"}

// otherFields are those that other programs keep their state in.
var otherFields = []string{"X-UID", "X-IMAPbase", "X-IMAP"}

// isMeta tells whether a field must be renamed to be written, since its name, without
// prefixes, means something.
func isMeta(name string) bool {
	for len(name) > len(originalPrefix) && strings.EqualFold(name[:len(originalPrefix)], originalPrefix) {
		name = name[len(originalPrefix):]
	}
	return is(name, metaFields) || is(name, otherFields)
}

func is(name string, list []string) bool {
	return slices.ContainsFunc(list, func(n string) bool { return strings.EqualFold(n, name) })
}

// header is what the fields of one message say.
type header struct {
	out []byte // fields that stay, without the empty line

	status, xstatus, keywords string
	mozilla                   uint64
	labels                    string
	gmail                     bool
	length                    int64 // Content-Length, -1: none
	lengthField               []byte
	dovecot                   bool // has a field of Dovecot or UW IMAP
	internal                  bool // the message is not one: UW IMAP keeps data in it
	date                      time.Time
}

// parseHeader takes a header apart, lines of which end in CRLF.
func parseHeader(raw []byte) header {
	h := header{length: -1, out: make([]byte, 0, len(raw))}
	for len(raw) > 0 {
		n := fieldEnd(raw)
		h.field(raw[:n])
		raw = raw[n:]
	}
	return h
}

// fieldEnd is the length of the first field, with the lines that continue it.
func fieldEnd(raw []byte) int {
	n := 0
	for {
		i := bytes.IndexByte(raw[n:], '\n')
		if i < 0 {
			return len(raw)
		}
		n += i + 1
		if n == len(raw) || raw[n] != ' ' && raw[n] != '\t' {
			return n
		}
	}
}

func (h *header) field(f []byte) {
	i := bytes.IndexByte(f, ':')
	if i < 0 {
		h.out = append(h.out, f...)
		return
	}
	name := strings.TrimRight(string(f[:i]), " \t")
	value := func() string { return strings.TrimSpace(string(f[i+1:])) }
	keep := false
	switch strings.ToLower(name) {
	case "status":
		h.status += value()
	case "x-status":
		h.xstatus += value()
	case "x-keywords":
		h.keywords += " " + value()
	case "x-uid", "x-imapbase", "x-imap":
		h.dovecot = true
	case "content-length":
		if n, err := strconv.ParseInt(value(), 10, 64); err == nil && n >= 0 && h.length < 0 {
			h.length, h.lengthField = n, slices.Clone(f)
		} else {
			keep = true
		}
	default:
		keep = true
		h.kept(name, value)
	}
	if !keep {
		return
	}
	if len(name) > len(originalPrefix) && strings.EqualFold(name[:len(originalPrefix)], originalPrefix) && isMeta(name) {
		f = f[len(originalPrefix):]
	}
	h.out = append(h.out, f...)
}

// kept looks at fields that stay in the message.
func (h *header) kept(name string, value func() string) {
	switch strings.ToLower(name) {
	case "x-mozilla-status":
		h.mozilla, _ = strconv.ParseUint(value(), 16, 32)
	case "x-gmail-labels":
		h.gmail = true
		h.labels += "," + message.DecodeWords(strings.ReplaceAll(value(), "\r\n", ""))
	case "date":
		if t, err := message.ParseDate(value()); err == nil && h.date.IsZero() {
			h.date = t
		}
	case "subject":
		h.internal = h.internal || strings.Contains(value(), "FOLDER INTERNAL DATA")
	}
}

// flags returns flags and keywords that the header says, by their names in IMAP.
func (h *header) flags(dovecot bool) []string {
	var l []string
	add := func(on bool, name string) {
		if on && !slices.ContainsFunc(l, func(s string) bool { return strings.EqualFold(s, name) }) {
			l = append(l, name)
		}
	}
	has := func(s, letter string) bool { return strings.Contains(strings.ToUpper(s), letter) }
	deleted, draft := "T", "D"
	if dovecot {
		deleted, draft = draft, deleted
	}
	const mozillaRead, mozillaReplied, mozillaMarked, mozillaExpunged, mozillaForwarded = 1, 2, 4, 8, 0x1000
	add(has(h.status, "R") || h.mozilla&mozillaRead != 0, `\Seen`)
	add(has(h.xstatus, "A") || h.mozilla&mozillaReplied != 0, `\Answered`)
	add(has(h.xstatus, "F") || h.mozilla&mozillaMarked != 0, `\Flagged`)
	add(has(h.xstatus, deleted) || h.mozilla&mozillaExpunged != 0, `\Deleted`)
	add(has(h.xstatus, draft), `\Draft`)
	add(h.mozilla&mozillaForwarded != 0, `$Forwarded`)
	for _, k := range strings.FieldsFunc(h.keywords, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' || r == '\r' || r == '\n' }) {
		add(true, k)
	}
	if h.gmail {
		for _, f := range gmailFlags(h.labels) {
			add(true, f)
		}
	}
	return l
}

// gmailFlags turns the labels of a Google Takeout into flags, and those that users have
// made into keywords.
func gmailFlags(labels string) []string {
	var l []string
	seen := true
	for _, w := range strings.Split(labels, ",") {
		w = strings.Trim(strings.TrimSpace(w), `"`)
		switch strings.ToLower(w) {
		case "":
		case "unread":
			seen = false
		case "starred":
			l = append(l, `\Flagged`)
		case "important":
			l = append(l, `$Important`)
		case "draft", "drafts":
			l = append(l, `\Draft`)
		case "spam":
			l = append(l, `$Junk`)
		case "inbox", "sent", "opened", "archived", "trash", "chat":
		default:
			if !strings.HasPrefix(strings.ToLower(w), "category ") {
				l = append(l, strings.Join(strings.Fields(w), "_"))
			}
		}
	}
	if seen {
		l = append(l, `\Seen`)
	}
	return l
}

// labelList is the labels without those that gmailFlags turns into flags of the system.
func (h *header) labelList() []string {
	var l []string
	for _, w := range strings.Split(h.labels, ",") {
		if w = strings.Trim(strings.TrimSpace(w), `"`); w != "" {
			l = append(l, w)
		}
	}
	return l
}
