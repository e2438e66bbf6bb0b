package main

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"

	"mox/config"
	"mox/dns"
	"mox/mtasts"
	"mox/updates"
	"mox/upgrade"
)

// The feed of updates of a release, set when it is built (packaging/release.sh); empty: none.
// Keys have blanks between them.
var updatesDomain, updatesURL, updatesKeys string

func updatesCommands() []command {
	return []command{
		{words: "checkupdate", short: "look for a newer version, and print what is new in it", max: 0, setup: setupCheckUpdate, help: checkUpdateHelp},
		{words: "updates verify", args: "[file ...]", prints: printsDone, short: "verify who released a changelog, or downloaded files", max: -1, setup: setupUpdatesVerify, help: updatesVerifyHelp},
		{words: "updates genkey", prints: printsText, short: "print a new key to sign releases with", max: 0, run: runGenEd25519, help: updatesGenKeyHelp, unlisted: true},
		{words: "updates pubkey", args: "<key", prints: printsText, short: "print the public key of a key for releases", max: 0, setup: setupUpdatesPubKey, help: updatesPubKeyHelp, unlisted: true},
		{words: "updates sign", args: "file", prints: printsText, short: "sign a file with a key for releases", min: 1, max: 1, setup: setupUpdatesSign, help: updatesSignHelp, unlisted: true},
		{words: "updates addsigned", args: "[os/arch=program ...] <notes", prints: printsDone, short: "sign a release and add it to a changelog", max: -1, setup: setupUpdatesAddSigned, help: updatesAddSignedHelp, unlisted: true},
		{words: "updates serve", prints: printsDone, short: "serve a changelog and its programs", max: 0, setup: setupUpdatesServe, help: updatesServeHelp, unlisted: true},
	}
}

const checkUpdateHelp = `
Looks up the newest version in DNS, at _updates.<domain>, and prints it. If it is newer than this
program, the signed changelog is fetched, verified, and what is new since then is printed. With
-json: Running, Newest, Newer, and Releases with Version, Date, Text and Files.

The feed is that of the release, or "Updates" of mox.conf. A program that was built without, as
from a checkout, has none: it asks nobody, and says so. The server need not run; "CheckUpdates:
true" in mox.conf has it look by itself once a day.

Exits with 0 if there is nothing newer, with 1 if there is, or if that could not be found out.`

const updatesVerifyHelp = `
Prints for each entry of the changelog which version it is and who has signed it. With files,
tells of each which program of which release it is, by its SHA-256. With -signature, tells whether
that is the signature of a file, as SHA256SUMS of a release has one in SHA256SUMS.sig.

The changelog is that of the feed (see "mox checkupdate"), or a file by -changelog. Trusted are the
public keys of -pubkey, or else those of the feed. docs/upgrade.md tells how to do the same without mox.

Exits with 1 if an entry, file or signature is not verified.`

const updatesGenKeyHelp = `
The private key is PEM (PKCS8) of Ed25519. Whoever has it can make programs that "mox upgrade"
installs: keep it off the machines that build and serve releases.`

const updatesPubKeyHelp = `
Reads a private key from standard input. Prints the public key in base64, as PublicKeys of "Updates"
in mox.conf and -pubkey take it, or in PEM with -pem, as openssl takes it.`

const updatesSignHelp = `
Writes the Ed25519 signature of the bytes of the file, 64 bytes, to file.sig.`

const updatesAddSignedHelp = `
Reads what is new in the release from standard input, as plain text, and adds it to the changelog
with the programs named: for each platform, such as linux/amd64=v1.2.3/mox-linux-amd64, a file in or
below the directory of the changelog. Size and SHA-256 of the files are signed with version, date and text.
The changelog is made if it is not there, and written anew with the newest version first.

With two -key, both sign: for a time in which some know only the former key. A version that is
there already is an error, unless -replace is given.`

const updatesServeHelp = `
Serves /changelog.json, and the programs that it names from the directory that it is in: over HTTPS
with -cert and -key, else over HTTP, for a web server in front that has TLS, as clients ask by HTTPS
only. Any other web server that has the directory will do as well. A changed changelog is served at
once. Ends with SIGINT or SIGTERM.`

// releaseFeed is the feed that this program was built with.
func releaseFeed() (updates.Feed, error) {
	return updates.NewFeed(updatesDomain, updatesURL, strings.Fields(updatesKeys))
}

// updatesConfig loads the configuration, without files. Nil: there is none.
func (p *program) updatesConfig() (*config.Snapshot, error) {
	snap, err := config.LoadOptions(p.configPath, config.Options{SkipFiles: true})
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(p.configPath); err != nil {
			return nil, nil
		}
	}
	return snap, err
}

// feed returns the feed of a configuration, which may be nil, or of the release.
func (p *program) feed(snap *config.Snapshot) (updates.Feed, error) {
	if snap != nil && !snap.Updates.IsZero() {
		return snap.Updates, nil
	}
	f, err := releaseFeed()
	if err == nil && f.IsZero() {
		err = updates.ErrNoFeed
	}
	return f, err
}

// updatesClient makes what asks a feed, as a configuration, which may be nil, says how to.
func (p *program) updatesClient(snap *config.Snapshot, feed updates.Feed) (*updates.Client, error) {
	roots, resolver := p.roots, p.dns
	var err error
	if snap != nil {
		if roots, err = snap.ReadRoots(); err != nil {
			return nil, err
		}
		if servers := snap.Static.DNSResolvers; len(servers) > 0 && resolver == nil {
			if resolver, err = dns.NewClient(dns.Options{Servers: servers, TrustServers: true}); err != nil {
				return nil, err
			}
		}
	}
	if resolver == nil {
		resolver = p.resolver()
	}
	transport := mtasts.NewTransport(resolver, roots, p.connect)
	transport.Proxy = http.ProxyFromEnvironment
	return &updates.Client{Feed: feed, Resolver: resolver, Transport: transport, UserAgent: userAgent()}, nil
}

// userAgent tells feeds which version asks.
func userAgent() string {
	v, ok := updates.VersionOf(version())
	if !ok {
		return "mox"
	}
	return "mox/" + v.String()
}

// updateCheck is what "mox checkupdate" found out.
type updateCheck struct {
	Running, Newest string
	Newer           bool // Newest is newer than Running, which is a release
	Releases        []updates.Release
}

func setupCheckUpdate(fs *flag.FlagSet) runFunc {
	asJSON := fs.Bool("json", false, "print JSON")
	return func(ctx context.Context, p *program, _ []string) error {
		c, err := p.checkUpdate(ctx)
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSONLine(p.stdout, c)
		} else {
			c.print(p.stdout)
		}
		if err == nil && c.Newer {
			err = exitStatus(1)
		}
		return err
	}
}

func (p *program) checkUpdate(ctx context.Context) (updateCheck, error) {
	snap, err := p.updatesConfig()
	if err != nil {
		return updateCheck{}, err
	}
	feed, err := p.feed(snap)
	if err != nil {
		return updateCheck{}, err
	}
	client, err := p.updatesClient(snap, feed)
	if err != nil {
		return updateCheck{}, err
	}
	newest, err := client.Lookup(ctx)
	if err != nil {
		return updateCheck{}, err
	}
	running, isRelease := updates.VersionOf(version())
	c := updateCheck{Running: version(), Newest: newest.String(), Newer: isRelease && newest.Newer(running), Releases: []updates.Release{}}
	if isRelease && !c.Newer {
		return c, nil
	}
	fetched, err := client.Changelog(ctx, "")
	if err != nil {
		return c, fmt.Errorf("version %s is the newest, as DNS has it: %w", newest, err)
	}
	has := false
	if c.Releases, has = updates.Between(fetched.Releases, running, newest); !has {
		return c, fmt.Errorf("DNS has version %s, and the changelog no entry of it that is signed", newest)
	}
	if !isRelease {
		c.Releases = c.Releases[:1]
	}
	return c, nil
}

func (c updateCheck) print(w io.Writer) {
	running, _ := updates.VersionOf(c.Running)
	switch {
	case c.Newer:
		fmt.Fprintf(w, "%s is available, this is %s. To upgrade: \"mox upgrade\".\n\n", c.Newest, running)
	case len(c.Releases) > 0:
		fmt.Fprintf(w, "%s is the newest release. This is %s, which is none: whether it is older is not known.\n\n", c.Newest, c.Running)
	default:
		fmt.Fprintf(w, "%s is the newest release, this is %s: there is nothing newer.\n", c.Newest, running)
	}
	io.WriteString(w, updates.Notes(c.Releases))
}

// updatesVerify has the flags of "mox updates verify".
type updatesVerify struct {
	keys                 *[]string
	changelog, signature string
}

func setupUpdatesVerify(fs *flag.FlagSet) runFunc {
	c := updatesVerify{keys: stringsFlag(fs, "pubkey", "public `key` to trust, in base64, in place of those of the feed; may be repeated")}
	fs.StringVar(&c.changelog, "changelog", "", "`file` with the changelog, in place of that of the feed")
	fs.StringVar(&c.signature, "signature", "", "`file` with the signature of the file")
	return c.run
}

func (c *updatesVerify) run(ctx context.Context, p *program, args []string) error {
	if c.signature != "" && len(args) != 1 {
		return usagef("-signature is that of one file")
	}
	snap, err := p.updatesConfig()
	if err != nil {
		return err
	}
	feed, err := p.feed(snap)
	if err != nil && (len(*c.keys) == 0 || c.changelog == "" && c.signature == "") {
		return fmt.Errorf("%w; or give -pubkey, and -changelog or -signature", err)
	}
	if len(*c.keys) > 0 {
		if feed.Keys, err = updates.ParsePublicKeys(*c.keys); err != nil {
			return err
		}
	}
	if c.signature != "" {
		return verifySignature(p.stdout, feed.Keys, c.signature, args[0])
	}
	releases, err := c.releases(ctx, p, snap, feed, len(args) == 0)
	if err != nil {
		return err
	}
	for _, path := range args {
		if ferr := verifyFile(p.stdout, releases, path); ferr != nil {
			fmt.Fprintln(p.stdout, ferr)
			err = exitStatus(1)
		}
	}
	return err
}

// verifySignature tells which key has signed a file.
func verifySignature(w io.Writer, keys []ed25519.PublicKey, sigPath, path string) error {
	sig, err := readSigned(sigPath)
	if err != nil {
		return err
	}
	data, err := readSigned(path)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if ed25519.Verify(k, data, sig) {
			fmt.Fprintf(w, "%s: signed by %s\n", path, updates.FormatPublicKey(k))
			return nil
		}
	}
	return fmt.Errorf("%s: %w: %s is not its signature", path, updates.ErrUnsigned, sigPath)
}

// releases returns those that are verified, and prints all with show. Then an entry that is not
// verified is an error.
func (c *updatesVerify) releases(ctx context.Context, p *program, snap *config.Snapshot, feed updates.Feed, show bool) ([]updates.Release, error) {
	if c.changelog == "" {
		client, err := p.updatesClient(snap, feed)
		if err != nil {
			return nil, err
		}
		f, err := client.Changelog(ctx, "")
		if err != nil {
			return nil, err
		}
		if show {
			printReleases(p.stdout, f.Releases)
			if f.Skipped > 0 {
				fmt.Fprintf(p.stdout, "%d more entries are not signed by a key that is trusted, or are of a newer format\n", f.Skipped)
				return nil, exitStatus(1)
			}
		}
		return f.Releases, nil
	}
	log, _, err := updates.ReadChangelog(c.changelog)
	if err != nil {
		return nil, err
	}
	releases, bad := log.Verified(feed.Keys)
	if show {
		printReleases(p.stdout, releases)
		for i := range log.Entries {
			if bad[i] != nil {
				fmt.Fprintf(p.stdout, "entry %d: %v\n", i+1, bad[i])
				err = exitStatus(1)
			}
		}
	}
	return releases, err
}

func printReleases(w io.Writer, l []updates.Release) {
	for _, r := range l {
		fmt.Fprintf(w, "%s %s: signed by %s; programs: %s\n", r.Parsed(), r.Date, updates.FormatPublicKey(r.Signer()), cmp.Or(r.Platforms(), "none"))
	}
}

// verifyFile tells which program of a release a file is.
func verifyFile(w io.Writer, releases []updates.Release, path string) error {
	size, sum, err := hashFile(path)
	if err != nil {
		return err
	}
	for _, r := range releases {
		for _, f := range r.Files {
			if f.Size == size && f.SHA256 == sum {
				fmt.Fprintf(w, "%s: mox %s for %s/%s, signed by %s\n", path, r.Parsed(), f.OS, f.Arch, updates.FormatPublicKey(r.Signer()))
				return nil
			}
		}
	}
	return fmt.Errorf("%s: NOT a program of any signed release (SHA-256 %s)", path, sum)
}

// trustedFeed is the feed whose programs may be installed, by the keys given. Without those, it is
// that of mox.conf or of the release. For root, mox.conf is not believed where others can change
// it, as they would choose what root runs.
func (p *program) trustedFeed(snap *config.Snapshot, pubkeys []string) (updates.Feed, error) {
	f, err := p.feed(snap)
	if err != nil {
		return f, err
	}
	if len(pubkeys) > 0 {
		f.Keys, err = updates.ParsePublicKeys(pubkeys)
		return f, err
	}
	if snap.Updates.IsZero() {
		return f, nil
	}
	built, err := releaseFeed()
	if err != nil {
		return f, err
	}
	isBuilt := func(k ed25519.PublicKey) bool {
		return slices.ContainsFunc(built.Keys, func(b ed25519.PublicKey) bool { return b.Equal(k) })
	}
	if !slices.ContainsFunc(f.Keys, func(k ed25519.PublicKey) bool { return !isBuilt(k) }) {
		return f, nil
	}
	if err := upgrade.OnlyRoots(snap.Path); err != nil {
		return f, fmt.Errorf("keys of Updates in mox.conf are not believed: %w; or give the key of who releases as -pubkey", err)
	}
	return f, nil
}

// feedSource is the source of "mox upgrade" without -binary.
func (p *program) feedSource(snap *config.Snapshot, version string, downgrade bool, pubkeys []string, tell func(string, ...any)) (upgrade.Source, error) {
	s := upgrade.Feed{Downgrade: downgrade, Tell: tell}
	var err error
	if version != "" {
		if s.Version, err = updates.ParseVersion(version); err != nil {
			return nil, usageError{err.Error()}
		}
	}
	feed, err := p.trustedFeed(snap, pubkeys)
	if errors.Is(err, updates.ErrNoFeed) {
		return nil, fmt.Errorf("%w; with -binary, a program that is here is taken", err)
	} else if err != nil {
		return nil, err
	}
	if s.Client, err = p.updatesClient(snap, feed); err != nil {
		return nil, err
	}
	s.Client.UserAgent += " (" + runtime.GOOS + "/" + runtime.GOARCH + ")"
	return s, nil
}
