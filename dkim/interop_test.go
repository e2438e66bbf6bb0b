package dkim

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mox/dns"
)

// interopMessages are what peers sign and verify.
func interopMessages() map[string]string {
	const from = "From: A <a@example.org>\r\nTo: B <b@example.com>\r\nSubject: hi\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n"
	return map[string]string{
		"plain":        from + "\r\nHello\r\n",
		"8bit":         from + "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xfc\xdfe \xa0 \r\n",
		"long-lines":   from + "\r\n" + strings.Repeat("word and\tword  ", 60) + "\r\n" + strings.Repeat("x", 998) + "\r\n",
		"empty-body":   from + "\r\n",
		"empty-lines":  from + "\r\n\r\n\r\n",
		"spaces":       from + "\r\n \t \r\n a  b\t\tc \r\n\r\n \r\nend \t\r\n\r\n\r\n",
		"many-fields":  strings.Repeat("Received: from a by b;\r\n\tSun, 22 Nov 2026 10:00:00 +0000\r\n", 200) + from + "\r\nHello\r\n",
		"folded":       "From:\r\n A\r\n\t<a@example.org>\r\nsUBJECT:  folded \r\n  and \t spaces  \r\nTo: b@example.com,\r\n c@example.com\r\n\r\nHello\r\n",
		"obsolete":     "From : A <a@example.org>\r\nSubject\t : x\r\n\r\nHello\r\n",
		"utf8":         "From: Zoë <zoë@example.org>\r\nTo: δοκιμή@παράδειγμα.example\r\nSubject: Grüße 🙂\r\n\r\nHallo, Wörld\r\n",
		"repeated":     from + "To: second@example.com\r\nCc: c@example.com\r\nCc: d@example.com\r\n\r\nHello\r\n",
		"dots":         from + "\r\n.\r\n..x\r\n.\r\n",
		"large":        from + "\r\n" + strings.Repeat("A line of a large message, with words.\r\n", 20000),
		"mime":         from + "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b \"\r\n\r\n--b \r\n\r\ntext\r\n--b --\r\n",
		"blank-fields": from + "Reply-To:\r\nCc: \r\nReferences:\r\n \t\r\n\r\nHello\r\n",
	}
}

// unable has what peers cannot do, by test, message and header canonicalization.
var unable = map[string]string{
	"to-dkimpy/obsolete/simple":    "dkimpy takes a space before the colon for an error",
	"to-dkimpy/obsolete/relaxed":   "dkimpy takes a space before the colon for an error",
	"from-dkimpy/obsolete/simple":  "dkimpy takes a space before the colon for an error",
	"from-dkimpy/obsolete/relaxed": "dkimpy takes a space before the colon for an error",
	// opendkim reads fields as a milter gets them: names and values, without what is between.
	"to-opendkim/obsolete/simple":     "opendkim does not take a space before the colon",
	"to-opendkim/obsolete/relaxed":    "opendkim does not take a space before the colon",
	"to-opendkim/blank-fields/simple": "opendkim does not keep the space of empty fields",
	"to-opendkim/folded/simple":       "opendkim does not keep what is before a value",
}

// interop has the files that peers need.
type interop struct {
	dir             string // scripts
	rsaPEM, edKey   string
	records, public string // records as JSON, and as opendkim wants them
	resolver        dns.MockResolver
	rsa, ed         Selector
}

// startInterop skips the test unless $MOX_INTEROP names the directory of the scripts.
func startInterop(t *testing.T) *interop {
	t.Helper()
	dir := os.Getenv("MOX_INTEROP")
	if dir == "" {
		t.Skip("MOX_INTEROP is not set; interop/run.sh sets it")
	}
	key := newRSAKey(t)
	in := &interop{
		dir: dir, rsa: Selector{Name: domain(t, "rsa"), Key: key}, ed: Selector{Name: domain(t, "ed"), Key: ed25519Key(t)},
	}
	texts := map[string]string{"rsa._domainkey.example.org": recordText(t, key), "ed._domainkey.example.org": recordText(t, in.ed.Key)}
	in.resolver.TXT = map[string][]string{}
	public := ""
	for name, txt := range texts {
		in.resolver.TXT[name] = []string{txt}
		public += name + " " + txt + "\n"
	}
	records, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	tmp := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(tmp, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	in.rsaPEM = file("rsa.pem", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
	in.edKey = file("ed.key", base64.StdEncoding.EncodeToString(ed25519Key(t).Seed()))
	in.records = file("records.json", string(records))
	in.public = file("public.txt", public)
	return in
}

// peer runs a program with the message as its input and returns its output.
func peer(t *testing.T, msg, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdin = strings.NewReader(msg)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, args[:min(len(args), 2)], err, stderr.String(), out)
	}
	return string(out)
}

// opendkimVerify runs opendkim over the message, with one signature, in a file.
func (in *interop) opendkimVerify(t *testing.T, msg string) {
	t.Helper()
	dir := t.TempDir()
	conf, file := filepath.Join(dir, "conf"), filepath.Join(dir, "msg")
	err := errors.Join(
		os.WriteFile(conf, []byte("Mode v\nTestPublicKeys "+in.public+"\n"), 0o600),
		// It wants the line ends of files.
		os.WriteFile(file, []byte(strings.ReplaceAll(msg, "\r\n", "\n")), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	out := peer(t, "", "/usr/sbin/opendkim", "-x", conf, "-t", file)
	if !strings.Contains(out, "verification (s=") || !strings.HasSuffix(strings.TrimSpace(out), "succeeded") {
		t.Errorf("opendkim: %s", out)
	}
}

// mustPass verifies what a peer signed.
func (in *interop) mustPass(t *testing.T, msg string) {
	t.Helper()
	results, err := Verify(t.Context(), discard, in.resolver, Options{}, strings.NewReader(msg))
	if err != nil || len(results) != 1 || results[0].Status != StatusPass {
		t.Errorf("%+v %v", results, err)
		if len(results) > 0 {
			t.Log(results[0].Err)
		}
	}
}

func canonicalizations() (l [][2]Canonicalization) {
	for _, h := range []Canonicalization{Simple, Relaxed} {
		for _, b := range []Canonicalization{Simple, Relaxed} {
			l = append(l, [2]Canonicalization{h, b})
		}
	}
	return l
}

// TestInterop signs here and verifies with dkimpy, Mail::DKIM and OpenDKIM, and the other
// way round.
func TestInterop(t *testing.T) {
	in := startInterop(t)
	python, perl := filepath.Join(in.dir, "dkimpy.py"), filepath.Join(in.dir, "maildkim.pl")
	for name, msg := range interopMessages() {
		for _, c := range canonicalizations() {
			t.Run(fmt.Sprintf("%s/%s-%s", name, c[0], c[1]), func(t *testing.T) {
				header, body := string(c[0]), string(c[1])
				var selectors []Selector
				for _, s := range []Selector{in.rsa, in.ed} {
					s.HeaderCanonicalization, s.BodyCanonicalization, s.Seal = c[0], c[1], true
					selectors = append(selectors, s)
				}
				sign := func(s ...Selector) string {
					fields, err := Sign(t.Context(), discard, SignOptions{Domain: domain(t, "example.org")}, s, strings.NewReader(msg))
					if err != nil {
						t.Fatal(err)
					}
					return fields + msg
				}
				run := func(test string, f func(t *testing.T)) {
					t.Run(test, func(t *testing.T) {
						if why := unable[test+"/"+name+"/"+header]; why != "" {
							t.Skip(why)
						}
						f(t)
					})
				}
				run("to-dkimpy", func(t *testing.T) { peer(t, sign(selectors...), "/usr/bin/python3", python, "verify", in.records) })
				run("to-maildkim", func(t *testing.T) { peer(t, sign(selectors[0]), "/usr/bin/perl", perl, "verify", in.records) })
				run("to-opendkim", func(t *testing.T) {
					in.opendkimVerify(t, sign(selectors[0]))
					in.opendkimVerify(t, sign(selectors[1]))
				})
				run("from-dkimpy", func(t *testing.T) {
					in.mustPass(t, peer(t, msg, "/usr/bin/python3", python, "sign", in.rsaPEM, "rsa-sha256", header, body, "rsa", "example.org"))
					in.mustPass(t, peer(t, msg, "/usr/bin/python3", python, "sign", in.edKey, "ed25519-sha256", header, body, "ed", "example.org"))
				})
				run("from-maildkim", func(t *testing.T) {
					in.mustPass(t, peer(t, msg, "/usr/bin/perl", perl, "sign", in.rsaPEM, header, body, "rsa", "example.org"))
				})
			})
		}
	}
}

// opendkim-testmsg signs with rsa-sha1 only, which is not taken (RFC 8301 3.1).
func TestInteropHistoric(t *testing.T) {
	in := startInterop(t)
	msg := peer(t, interopMessages()["plain"], "/usr/sbin/opendkim-testmsg", "-C", "-d", "example.org", "-s", "rsa", "-k", in.rsaPEM)
	results, err := Verify(t.Context(), discard, in.resolver, Options{}, strings.NewReader(msg))
	if err != nil || len(results) != 1 || !errors.Is(results[0].Err, ErrHistoric) {
		t.Errorf("%+v %v", results, err)
	}
}
