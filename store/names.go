package store

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Bounds of mailbox names.
const (
	maxNameLen = 1000 // bytes

	// MaxNameDepth is the most levels of a name.
	MaxNameDepth = 40
)

// Inbox is the name of the mailbox that IMAP calls INBOX.
const Inbox = "Inbox"

// NormalName checks a mailbox name and returns it as it is stored: in Unicode
// normalization form C, and with a first level that equals inbox in any case as "Inbox".
// The error wraps ErrBadName and says what is wrong.
func NormalName(name string) (string, error) {
	if !utf8.ValidString(name) {
		return "", fmt.Errorf("%w: not UTF-8", ErrBadName)
	}
	name = norm.NFC.String(name)
	if len(name) > maxNameLen {
		return "", fmt.Errorf("%w: longer than %d bytes", ErrBadName, maxNameLen)
	}
	// RFC 9051 5.1: "#" begins a namespace of its own.
	if strings.HasPrefix(name, "#") {
		return "", fmt.Errorf(`%w: begins with "#"`, ErrBadName)
	}
	if strings.ContainsFunc(name, badNameRune) {
		return "", fmt.Errorf("%w: control character", ErrBadName)
	}
	levels := strings.Split(name, "/")
	if len(levels) > MaxNameDepth {
		return "", fmt.Errorf("%w: more than %d levels", ErrBadName, MaxNameDepth)
	}
	for _, l := range levels {
		if l == "" || l == "." || l == ".." {
			return "", fmt.Errorf(`%w: a level is empty, "." or ".."`, ErrBadName)
		}
	}
	if strings.EqualFold(levels[0], "inbox") {
		levels[0] = Inbox
	}
	return strings.Join(levels, "/"), nil
}

func badNameRune(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError
}

// parents returns the names above name, outermost first.
func parents(name string) []string {
	var p []string
	for i := range len(name) {
		if name[i] == '/' {
			p = append(p, name[:i])
		}
	}
	return p
}

// checkAccountName refuses names that are not one safe path element.
func checkAccountName(name string) error {
	bad := name == "" || len(name) > 200 || strings.HasPrefix(name, ".") || strings.ContainsAny(name, `/\:*?"<>|`) ||
		strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") || !utf8.ValidString(name) || strings.ContainsFunc(name, badNameRune)
	if bad {
		return fmt.Errorf("%w: account name %q", ErrBadName, name)
	}
	return nil
}
