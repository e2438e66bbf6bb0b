package arc

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mox/dkim"
)

// TestInterop continues chains of dkimpy and Mail::DKIM, has ours continued by them, and each
// verified by all. It needs $MOX_INTEROP, the directory of the scripts.
func TestInterop(t *testing.T) {
	dir := os.Getenv("MOX_INTEROP")
	if dir == "" {
		t.Skip("MOX_INTEROP is not set; interop/run.sh sets it")
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	h := newHops(t)
	h.now = time.Now
	record, err := dkim.NewRecord(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	h.resolver.TXT["arc._domainkey.sealer.example"] = []string{record.String()}
	records, err := json.Marshal(map[string]string{"arc._domainkey.sealer.example": record.String()})
	if err != nil {
		t.Fatal(err)
	}
	tmp := t.TempDir()
	pemFile, recordFile := filepath.Join(tmp, "key.pem"), filepath.Join(tmp, "records.json")
	for path, data := range map[string][]byte{
		pemFile: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), recordFile: records,
	} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(t *testing.T, msg, name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Stdin = strings.NewReader(msg)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s\n%s", args[:2], err, stderr.String(), msg)
		}
		return string(out)
	}
	dkimpy := []string{"/usr/bin/python3", filepath.Join(dir, "dkimpy.py")}
	maildkim := []string{"/usr/bin/perl", filepath.Join(dir, "maildkim.pl")}

	// What says how the message came to the sealer, for those who take it from there, in place
	// of what was said before by the same name.
	results := regexp.MustCompile(`(?m)^Authentication-Results: .*\r\n`)
	arrival := func(msg string) string {
		return "Authentication-Results: sealer.example; arc=" + string(h.verify(msg).Status) + "; spf=pass smtp.mailfrom=a.example\r\n" + results.ReplaceAllString(msg, "")
	}
	sealers := map[string]func(t *testing.T, msg string) string{
		"mox": func(t *testing.T, msg string) string {
			o := SealOptions{Domain: domain(t, "sealer.example"), Selector: dkim.Selector{Name: domain(t, "arc"), Key: key, Seal: true}, AuthResults: "sealer.example; spf=pass smtp.mailfrom=a.example;\r\n\tarc=none"}
			arrived := h.verify(msg)
			fields, err := Seal(t.Context(), discard, o, arrived, strings.NewReader(msg))
			if err != nil {
				t.Fatal(err)
			}
			return fields + msg
		},
		"dkimpy": func(t *testing.T, msg string) string {
			return run(t, arrival(msg), dkimpy[0], dkimpy[1], "arcsign", pemFile, "arc", "sealer.example", "sealer.example")
		},
		"maildkim": func(t *testing.T, msg string) string {
			return run(t, arrival(msg), maildkim[0], maildkim[1], "arcsign", pemFile, "arc", "sealer.example", "sealer.example", string(h.verify(msg).Status))
		},
	}
	for name, msg := range map[string]string{
		"plain":  plain,
		"spaces": "From: <a@a.example>\r\nTo:\r\n  b@b.example,\r\n\tc@c.example\r\nSubject: hi  there \r\n\r\n \t \r\na  b \r\n\r\n\r\n",
		"8bit":   "From: <a@a.example>\r\nSubject: Grüße\r\n\r\nGr\xfc\xdfe\r\n",
		"empty":  "From: <a@a.example>\r\nSubject: hi\r\n\r\n",
	} {
		for first, seal1 := range sealers {
			for second, seal2 := range sealers {
				t.Run(name+"/"+first+"-"+second, func(t *testing.T) {
					one := seal1(t, msg)
					two := seal2(t, one)
					for i, sealed := range []string{one, two} {
						if res := h.verify(sealed); res.Status != StatusPass || len(res.Sets) != i+1 {
							t.Fatalf("%d sets: %s %v\n%s", i+1, res.Status, res.Err, sealed)
						}
						run(t, sealed, dkimpy[0], dkimpy[1], "arcverify", recordFile)
						run(t, sealed, maildkim[0], maildkim[1], "arcverify", recordFile)
					}
				})
			}
		}
	}
}
