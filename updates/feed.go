package updates

import (
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"mox/dns"
)

// ErrNoFeed: neither the build nor mox.conf has a feed.
var ErrNoFeed = errors.New(`this build has no feed of updates, and mox.conf names none: see "Updates" in "mox config describe-static"`)

// maxKeys bounds the keys of a feed.
const maxKeys = 8

// ChangelogName is the name of the changelog in the directory of a feed, and at its web server.
const ChangelogName = "changelog.json"

// Feed is where a newest version is looked up and fetched, and who may release. The zero value is
// none.
type Feed struct {
	Domain dns.Domain // of the record at _updates.<domain>
	URL    string     // of the changelog, https
	Keys   []ed25519.PublicKey
}

// NewFeed makes a feed of its settings, all of which are empty for none. url is by default
// https://updates.<domain>/changelog.json.
func NewFeed(domain, url string, keys []string) (Feed, error) {
	if domain == "" && url == "" && len(keys) == 0 {
		return Feed{}, nil
	}
	d, err := dns.ParseDomain(domain)
	if err != nil {
		return Feed{}, fmt.Errorf("domain of updates: %w", err)
	}
	f := Feed{Domain: d, URL: cmp.Or(url, "https://updates."+d.ASCII+"/"+ChangelogName)}
	if err := CheckURL(f.URL); err != nil {
		return Feed{}, fmt.Errorf("URL of updates: %w", err)
	}
	if f.Keys, err = ParsePublicKeys(keys); err != nil {
		return Feed{}, fmt.Errorf("keys of updates: %w", err)
	}
	return f, nil
}

// CheckURL tells whether a changelog can be at a URL.
func CheckURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return err
	case u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("%q does not begin with https:// and a host", s)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(u.Path, "/") || u.Path == "":
		return fmt.Errorf("%q must be that of a file, without password, question mark and number sign", s)
	}
	return nil
}

// ParsePublicKeys parses one to eight keys, each as [ParsePublicKey] takes it.
func ParsePublicKeys(texts []string) ([]ed25519.PublicKey, error) {
	if len(texts) == 0 || len(texts) > maxKeys {
		return nil, fmt.Errorf("there must be 1 to %d public keys, and are %d", maxKeys, len(texts))
	}
	var keys []ed25519.PublicKey
	for _, s := range texts {
		k, err := ParsePublicKey(s)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// IsZero tells whether there is no feed.
func (f Feed) IsZero() bool { return f.URL == "" }

// RecordName is the name in DNS of the record of the newest version.
func (f Feed) RecordName() string { return "_updates." + f.Domain.ASCII }

// fileURL is where a file of a release is.
func (f Feed) fileURL(file File) (string, error) {
	u, err := url.Parse(f.URL)
	if err != nil {
		return "", err
	}
	return u.ResolveReference(&url.URL{Path: "./" + file.Path}).String(), nil
}
