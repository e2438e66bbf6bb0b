package updates

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of changelogs.
const (
	MaxChangelog = 8 << 20 // bytes
	MaxText      = 64 << 10
	MaxProgram   = 1 << 30 // bytes of a program
	maxEntries   = 2000
	maxRelease   = 256 << 10 // bytes that are signed
	maxFiles     = 64
	maxSigs      = maxKeys
)

// Errors of changelogs.
var (
	// ErrChangelog: it, or an entry, is not valid.
	ErrChangelog = errors.New("invalid changelog")
	// ErrUnsigned: no known key has signed an entry.
	ErrUnsigned = errors.New("not signed by a key that is trusted")
)

// Changelog has the releases of a feed, newest first.
type Changelog struct {
	Entries []Entry
}

// Entry is a release as it is signed.
type Entry struct {
	Release    string // JSON of a [Release]: the bytes that are signed
	Signatures []Signature
}

// Signature is by one key.
type Signature struct {
	PublicKey string // 32 bytes in base64
	Signature string // 64 bytes in base64
}

// releaseType is in each release, so that nothing else that a key has signed is taken for one.
const releaseType = "mox-release"

// Release is what there is to know of a version.
type Release struct {
	Type    string // always "mox-release"
	Version string
	Date    string // such as 2026-11-22
	Text    string // what is new; plain text, lines end with LF
	Files   []File `json:",omitempty"`

	parsed Version
	signer ed25519.PublicKey
}

// File is the program for a platform.
type File struct {
	OS, Arch string // of Go: linux, amd64
	Size     int64  // bytes
	SHA256   string // in lower-case hexadecimal
	Path     string // relative to the changelog
}

// Parsed is Version.
func (r Release) Parsed() Version { return r.parsed }

// Signer is the trusted key that has signed it; nil: it was not verified.
func (r Release) Signer() ed25519.PublicKey { return r.signer }

// File returns the program for a platform.
func (r Release) File(goos, arch string) (File, bool) {
	i := slices.IndexFunc(r.Files, func(f File) bool { return f.OS == goos && f.Arch == arch })
	if i < 0 {
		return File{}, false
	}
	return r.Files[i], true
}

// Platforms lists those that there are programs for, as "linux/amd64".
func (r Release) Platforms() string {
	var l []string
	for _, f := range r.Files {
		l = append(l, f.OS+"/"+f.Arch)
	}
	return strings.Join(l, ", ")
}

// ParseChangelog parses a changelog. Entries are looked at by [Entry.Verify]. Errors wrap
// ErrChangelog.
func ParseChangelog(data []byte) (Changelog, error) {
	if len(data) > MaxChangelog {
		return Changelog{}, fmt.Errorf("%w: larger than %d bytes", ErrChangelog, MaxChangelog)
	}
	var c Changelog
	if err := json.Unmarshal(data, &c); err != nil {
		return Changelog{}, fmt.Errorf("%w: %w", ErrChangelog, err)
	}
	if len(c.Entries) > maxEntries {
		return Changelog{}, fmt.Errorf("%w: more than %d entries", ErrChangelog, maxEntries)
	}
	return c, nil
}

// Verify returns the release of an entry that one of the keys has signed. Errors wrap ErrUnsigned or
// ErrChangelog. Nothing of the release is looked at before.
func (e Entry) Verify(keys []ed25519.PublicKey) (Release, error) {
	for _, s := range e.Signatures[:min(len(e.Signatures), maxSigs)] {
		key, err := ParsePublicKey(s.PublicKey)
		if err != nil || !known(keys, key) {
			continue
		}
		sig, err := base64.StdEncoding.Strict().DecodeString(s.Signature)
		if err != nil || !ed25519.Verify(key, []byte(e.Release), sig) {
			return Release{}, fmt.Errorf("%w: the signature by %s is wrong", ErrUnsigned, s.PublicKey)
		}
		r, err := parseRelease(e.Release)
		r.signer = key
		return r, err
	}
	return Release{}, ErrUnsigned
}

// Unverified returns the release of an entry, whoever has signed it: for those who make changelogs.
func (e Entry) Unverified() (Release, error) { return parseRelease(e.Release) }

func known(keys []ed25519.PublicKey, key ed25519.PublicKey) bool {
	return slices.ContainsFunc(keys, func(k ed25519.PublicKey) bool { return k.Equal(key) })
}

// parseRelease parses and checks what was signed.
func parseRelease(s string) (Release, error) {
	var r Release
	if len(s) > maxRelease {
		return r, fmt.Errorf("%w: release larger than %d bytes", ErrChangelog, maxRelease)
	}
	if err := json.Unmarshal([]byte(s), &r); err != nil {
		return Release{}, fmt.Errorf("%w: release: %w", ErrChangelog, err)
	}
	if err := r.check(); err != nil {
		return Release{}, fmt.Errorf("%w: %w", ErrChangelog, err)
	}
	return r, nil
}

// check tells what is wrong with a release.
func (r *Release) check() (err error) {
	if r.Type != releaseType {
		return fmt.Errorf("type %.40q is not %s", r.Type, releaseType)
	}
	if r.parsed, err = ParseVersion(r.Version); err != nil {
		return err
	}
	if _, err := time.Parse(time.DateOnly, r.Date); err != nil {
		return fmt.Errorf("date %.40q is not one such as 2026-11-22", r.Date)
	}
	if err := checkText(r.Text); err != nil {
		return err
	}
	if len(r.Files) > maxFiles {
		return fmt.Errorf("more than %d files", maxFiles)
	}
	for i, f := range r.Files {
		if err := f.check(); err != nil {
			return fmt.Errorf("file %.200q: %w", f.Path, err)
		}
		if slices.ContainsFunc(r.Files[:i], func(o File) bool { return o.OS == f.OS && o.Arch == f.Arch || o.Path == f.Path }) {
			return fmt.Errorf("file %q: its path or platform %s/%s is there twice", f.Path, f.OS, f.Arch)
		}
	}
	return nil
}

// checkText: it is shown on terminals and mailed.
func checkText(s string) error {
	if len(s) > MaxText {
		return fmt.Errorf("text longer than %d bytes", MaxText)
	}
	if !utf8.ValidString(s) {
		return errors.New("text is not UTF-8")
	}
	if i := strings.IndexFunc(s, func(c rune) bool { return c < ' ' && c != '\n' && c != '\t' || c >= 0x7f && c < 0xa0 }); i >= 0 {
		return fmt.Errorf("text has a control character at %d", i)
	}
	return nil
}

func (f File) check() error {
	isWord := func(s string) bool {
		return s != "" && len(s) <= 20 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
	}
	sum, err := hex.DecodeString(f.SHA256)
	switch {
	case !isWord(f.OS) || !isWord(f.Arch):
		return fmt.Errorf("platform %.20q/%.20q", f.OS, f.Arch)
	case f.Size <= 0 || f.Size > MaxProgram:
		return fmt.Errorf("size %d is not of 1 to %d", f.Size, MaxProgram)
	case err != nil || len(sum) != 32 || strings.ToLower(f.SHA256) != f.SHA256:
		return fmt.Errorf("SHA-256 %.80q", f.SHA256)
	}
	return checkPath(f.Path)
}

// checkPath: below the directory of the changelog, of characters that mean nothing in URLs.
func checkPath(p string) error {
	if p == "" || len(p) > 200 || path.Clean(p) != p || p[0] == '.' || p[0] == '/' || p == ChangelogName ||
		strings.IndexFunc(p, func(c rune) bool { return !isWordRune(c) && !strings.ContainsRune("./_+", c) }) >= 0 {
		return errors.New("the path must be of letters, digits and -._+/, below the directory of the changelog")
	}
	return nil
}

// Sign makes an entry of a release, which gets its Type.
func Sign(r Release, keys ...ed25519.PrivateKey) (Entry, error) {
	r.Type = releaseType
	if err := r.check(); err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrChangelog, err)
	}
	if len(keys) == 0 || len(keys) > maxSigs {
		return Entry{}, fmt.Errorf("there must be 1 to %d keys to sign with", maxSigs)
	}
	b, err := json.Marshal(r)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Release: string(b)}
	if len(e.Release) > maxRelease {
		return Entry{}, fmt.Errorf("%w: release larger than %d bytes", ErrChangelog, maxRelease)
	}
	for _, k := range keys {
		e.Signatures = append(e.Signatures, Signature{
			PublicKey: FormatPublicKey(k.Public().(ed25519.PublicKey)),
			Signature: base64.StdEncoding.EncodeToString(ed25519.Sign(k, b)),
		})
	}
	return e, nil
}

// Verified returns the releases that keys have signed, newest first, and why others are none, by
// their index.
func (c Changelog) Verified(keys []ed25519.PublicKey) ([]Release, map[int]error) {
	var l []Release
	bad := map[int]error{}
	for i, e := range c.Entries {
		r, err := e.Verify(keys)
		if err == nil && slices.ContainsFunc(l, func(o Release) bool { return o.parsed.Compare(r.parsed) == 0 }) {
			err = fmt.Errorf("%w: version %s is there twice", ErrChangelog, r.Version)
		}
		if err != nil {
			bad[i] = err
			continue
		}
		l = append(l, r)
	}
	slices.SortStableFunc(l, func(a, b Release) int { return b.parsed.Compare(a.parsed) })
	return l, bad
}

// Newer returns those of releases, newest first, that come after a version. Pre-releases are
// only for those who have one.
func Newer(releases []Release, than Version) []Release {
	var l []Release
	for _, r := range releases {
		if r.parsed.Newer(than) && (r.parsed.Pre == "" || than.Pre != "") {
			l = append(l, r)
		}
	}
	return l
}

// Between returns those of releases, newest first, that come after a version and up to latest, and
// whether latest is one of them. Pre-releases are only for those who have one, but for latest.
func Between(releases []Release, after, latest Version) (l []Release, has bool) {
	for _, r := range releases {
		is := r.parsed.Compare(latest) == 0
		has = has || is
		if (is || r.parsed.Pre == "" || after.Pre != "") && r.parsed.Newer(after) && !r.parsed.Newer(latest) {
			l = append(l, r)
		}
	}
	return l, has
}

// Notes is the text about releases for people: version, date and what is new of each.
func Notes(releases []Release) string {
	var b strings.Builder
	for i, r := range releases {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s, %s\n\n%s\n", r.parsed, r.Date, strings.Trim(r.Text, "\n"))
	}
	return b.String()
}
