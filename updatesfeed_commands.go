package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mox/atomicfile"
	"mox/mlog"
	"mox/updates"
)

func setupUpdatesPubKey(fs *flag.FlagSet) runFunc {
	asPEM := fs.Bool("pem", false, "print PEM")
	return func(_ context.Context, p *program, _ []string) error {
		data, err := io.ReadAll(io.LimitReader(p.stdin, maxKeyFile))
		if err != nil {
			return fmt.Errorf("reading key: %w", err)
		}
		key, err := updates.ParsePrivateKey(data)
		if err != nil {
			return err
		}
		public := key.Public().(ed25519.PublicKey)
		if !*asPEM {
			fmt.Fprintln(p.stdout, updates.FormatPublicKey(public))
			return nil
		}
		b, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			return err
		}
		return pem.Encode(p.stdout, &pem.Block{Type: "PUBLIC KEY", Bytes: b})
	}
}

// stringsFlag defines a flag that may be repeated.
func stringsFlag(fs *flag.FlagSet, name, usage string) *[]string {
	var l []string
	fs.Func(name, usage, func(s string) error {
		l = append(l, s)
		return nil
	})
	return &l
}

// readUpdateKeys reads private keys from files.
func readUpdateKeys(paths []string) ([]ed25519.PrivateKey, error) {
	if len(paths) == 0 {
		return nil, usagef("-key is needed: a file that \"mox updates genkey\" wrote")
	}
	var keys []ed25519.PrivateKey
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		k, err := updates.ParsePrivateKey(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// maxSigned bounds a file that is signed by itself: lists of checksums.
const maxSigned = 16 << 20

// readSigned reads a file that is signed by itself.
func readSigned(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSigned+1))
	if err == nil && len(data) > maxSigned {
		err = fmt.Errorf("%s is larger than %d MB: sign a list of checksums that has it", path, maxSigned>>20)
	}
	return data, err
}

func setupUpdatesSign(fs *flag.FlagSet) runFunc {
	key := fs.String("key", "", "`file` with the private key")
	return func(_ context.Context, p *program, args []string) error {
		keys, err := readUpdateKeys(slices.DeleteFunc([]string{*key}, func(s string) bool { return s == "" }))
		if err != nil {
			return err
		}
		data, err := readSigned(args[0])
		if err != nil {
			return err
		}
		return atomicfile.Write(args[0]+".sig", ed25519.Sign(keys[0], data), 0o644)
	}
}

// updatesAddSigned has the flags of "mox updates addsigned".
type updatesAddSigned struct {
	keys               *[]string
	changelog          string
	version, date, dir string
	replace            bool
}

func setupUpdatesAddSigned(fs *flag.FlagSet) runFunc {
	c := updatesAddSigned{keys: stringsFlag(fs, "key", "`file` with a private key; may be repeated")}
	fs.StringVar(&c.changelog, "changelog", updates.ChangelogName, "`file` to add to")
	fs.StringVar(&c.version, "version", "", "`version` of the release, such as v1.2.3")
	fs.StringVar(&c.date, "date", "", "`date` of the release, such as 2026-11-22 (default today)")
	fs.BoolVar(&c.replace, "replace", false, "replace an entry of the same version")
	return c.run
}

func (c *updatesAddSigned) run(_ context.Context, p *program, args []string) error {
	if c.version == "" {
		return usagef("-version is needed")
	}
	keys, err := readUpdateKeys(*c.keys)
	if err != nil {
		return err
	}
	notes, err := io.ReadAll(io.LimitReader(p.stdin, updates.MaxText+1))
	if err != nil {
		return fmt.Errorf("reading what is new: %w", err)
	}
	r := updates.Release{Version: c.version, Date: cmp.Or(c.date, time.Now().UTC().Format(time.DateOnly)), Text: strings.Trim(strings.ReplaceAll(string(notes), "\r\n", "\n"), "\n") + "\n"}
	c.dir = filepath.Dir(c.changelog)
	for _, a := range args {
		f, err := c.file(a)
		if err != nil {
			return err
		}
		r.Files = append(r.Files, f)
	}
	entry, err := updates.Sign(r, keys...)
	if err != nil {
		return err
	}
	if err := c.add(entry, keys); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s: %s with %d programs is signed. Publish it, then change the TXT record to %q.\n", c.changelog, r.Version, len(r.Files), recordText(r.Version))
	return nil
}

// recordText is the record of a version that was checked.
func recordText(version string) string {
	v, _ := updates.ParseVersion(version)
	return updates.Record{Latest: v}.String()
}

// file looks at a program, given as "os/arch=path".
func (c *updatesAddSigned) file(arg string) (updates.File, error) {
	platform, path, ok := strings.Cut(arg, "=")
	goos, arch, isPlatform := strings.Cut(platform, "/")
	if !ok || !isPlatform {
		return updates.File{}, usagef("%q is not as in linux/amd64=v1.2.3/mox-linux-amd64", arg)
	}
	dir, err := filepath.Abs(c.dir)
	if err != nil {
		return updates.File{}, err
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return updates.File{}, err
	}
	rel, err := filepath.Rel(dir, abs)
	if err != nil || !filepath.IsLocal(rel) {
		return updates.File{}, fmt.Errorf("%s is not below %s, the directory of the changelog", path, dir)
	}
	size, sum, err := hashFile(path)
	return updates.File{OS: goos, Arch: arch, Size: size, SHA256: sum, Path: filepath.ToSlash(rel)}, err
}

// hashFile returns size and SHA-256 of a file.
func hashFile(path string) (int64, string, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return n, hex.EncodeToString(h.Sum(nil)), err
}

// add writes the changelog with an entry more.
func (c *updatesAddSigned) add(entry updates.Entry, keys []ed25519.PrivateKey) error {
	log, _, err := updates.ReadChangelog(c.changelog)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	version := func(e updates.Entry) updates.Version {
		r, _ := e.Unverified()
		return r.Parsed()
	}
	same := func(e updates.Entry) bool { return version(e).Compare(version(entry)) == 0 }
	if slices.ContainsFunc(log.Entries, same) {
		if !c.replace {
			return fmt.Errorf("%s has version %s already: those who know it will not hear of a change; to replace it all the same, add -replace", c.changelog, version(entry))
		}
		log.Entries = slices.DeleteFunc(log.Entries, same)
	}
	log.Entries = append(log.Entries, entry)
	slices.SortStableFunc(log.Entries, func(a, b updates.Entry) int { return version(b).Compare(version(a)) })
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "\t")
	if err := e.Encode(log); err != nil {
		return err
	}
	if b.Len() > updates.MaxChangelog {
		return fmt.Errorf("the changelog would have %d bytes, more than the %d that are read: remove the oldest entries from %s", b.Len(), updates.MaxChangelog, c.changelog)
	}
	return atomicfile.Write(c.changelog, b.Bytes(), 0o644)
}

func setupUpdatesServe(fs *flag.FlagSet) runFunc {
	address := fs.String("address", "127.0.0.1:8596", "`address:port` to serve on")
	changelog := fs.String("changelog", updates.ChangelogName, "`file` with the changelog; programs are in or below its directory")
	cert := fs.String("cert", "", "`file` with a TLS certificate, to serve HTTPS")
	key := fs.String("key", "", "`file` with the private key of the certificate")
	return func(ctx context.Context, p *program, _ []string) error {
		if (*cert == "") != (*key == "") {
			return usagef("-cert and -key are needed both, or none")
		}
		ctx, stop := interruptible(ctx)
		defer stop()
		log := slog.New(mlog.NewHandler(p.stderr, mlog.Options{Levels: mlog.NewLevels(mlog.LevelInfo, nil)}))
		h, err := updates.NewHandler(*changelog, log)
		if err != nil {
			return err
		}
		defer h.Close()
		return serveUpdates(ctx, p, h, *address, *cert, *key)
	}
}

// Times of the web server of a feed. A program may take long to those with slow lines.
const (
	updatesReadTime  = 20 * time.Second
	updatesWriteTime = time.Hour
	updatesIdleTime  = time.Minute
)

func serveUpdates(ctx context.Context, p *program, h http.Handler, address, cert, key string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: updatesReadTime, ReadTimeout: updatesReadTime, WriteTimeout: updatesWriteTime, IdleTimeout: updatesIdleTime,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() {
		if cert != "" {
			ended <- s.ServeTLS(l, cert, key)
		} else {
			ended <- s.Serve(l)
		}
	}()
	scheme := "http"
	if cert != "" {
		scheme = "https"
	}
	fmt.Fprintf(p.stdout, "serving %s://%s/%s\n", scheme, l.Addr(), updates.ChangelogName)
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if err := s.Shutdown(end); err != nil {
		return s.Close()
	}
	return nil
}
