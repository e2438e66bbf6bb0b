package dkim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"mox/dns"
	"mox/smtp"
)

// What a signature looks like is stable.
func TestSignFormat(t *testing.T) {
	msg := "From: <a@example.org>\r\nTo: <b@example.com>\r\nSubject: hi\r\nReceived: x\r\nReceived: y\r\n\r\nHello\r\n"
	selectors := []Selector{
		{Name: domain(t, "2026a"), Key: ed25519Key(t), Seal: true, Expiration: 72 * time.Hour},
		{Name: domain(t, "2026b"), Key: rsaKey1024(t), HeaderCanonicalization: Simple, BodyCanonicalization: Simple, Headers: []string{"From", "received", "X-None", "from"}},
	}
	var observed []string
	o := SignOptions{Domain: domain(t, "example.org"), Identity: smtp.Address{Localpart: "a;b", Domain: domain(t, "example.org")}, Now: now, Observe: func(k string) { observed = append(observed, k) }}
	got, err := Sign(t.Context(), discard, o, selectors, strings.NewReader(msg))
	if err != nil {
		t.Fatal(err)
	}
	want := crlf(`DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.org;
	s=2026a; i="a=3Bb"@example.org; t=1700000000; x=1700259200; h=From:From:To:
	To:Cc:Bcc:Reply-To:References:In-Reply-To:Subject:Subject:Date:Message-Id:
	Content-Type;
	bh=OBFKdMM8jzsHFwBkWW8fZTXPxv5SrBR8GQQiDKvmIKA=;
	b=...
DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=example.org; s=2026b;
	i="a=3Bb"@example.org; t=1700000000; h=From:received:received;
	bh=OBFKdMM8jzsHFwBkWW8fZTXPxv5SrBR8GQQiDKvmIKA=;
	b=...
`)
	elided := regexp.MustCompile(`(?s)\tb=.*?=\r\n(DKIM|$)`).ReplaceAllString(got, "\tb=...\r\n$1")
	hash := regexp.MustCompile(`bh=[^;]*`)
	if hash.ReplaceAllString(elided, "bh=") != hash.ReplaceAllString(want, "bh=") {
		t.Errorf("got\n%s\nwant\n%s", elided, want)
	}
	for line := range strings.SplitSeq(got, "\r\n") {
		if len(line) > 78 {
			t.Errorf("long line: %q", line)
		}
	}
	if strings.Join(observed, " ") != "ed25519 rsa" {
		t.Errorf("%q", observed)
	}
	resolver := dns.MockResolver{TXT: map[string][]string{
		"2026a._domainkey.example.org": {recordText(t, selectors[0].Key)}, "2026b._domainkey.example.org": {recordText(t, selectors[1].Key)},
	}}
	results, err := Verify(t.Context(), discard, resolver, Options{Now: now}, strings.NewReader(got+msg))
	if err != nil || len(results) != 2 || results[0].Status != StatusPass || results[1].Status != StatusPass || results[0].Signature.Identity.Localpart != `"a;b"` {
		t.Errorf("%+v %v", results, err)
	}
	signed, expires := results[0].Signature.Times()
	if expires.Sub(signed) != 72*time.Hour {
		t.Errorf("%s %s", signed, expires)
	}
}

func TestSignErrors(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		o    SignOptions
		s    Selector
		msg  string
		want error
	}{
		"no domain":     {SignOptions{}, Selector{Key: ed25519Key(t)}, plain, ErrSign},
		"no key":        {SignOptions{Domain: domain(t, "example.org")}, Selector{}, plain, ErrSign},
		"other key":     {SignOptions{Domain: domain(t, "example.org")}, Selector{Key: ec}, plain, ErrSign},
		"no From":       {SignOptions{Domain: domain(t, "example.org")}, Selector{Key: ed25519Key(t)}, "To: x\r\n\r\n", ErrSign},
		"From unsigned": {SignOptions{Domain: domain(t, "example.org")}, Selector{Key: ed25519Key(t), Headers: []string{"To"}}, plain, ErrSign},
		"mailbox file":  {SignOptions{Domain: domain(t, "example.org")}, Selector{Key: ed25519Key(t)}, "From x\r\n" + plain, ErrSign},
		"identity":      {SignOptions{Domain: domain(t, "example.org"), Identity: smtp.Address{Localpart: "a", Domain: domain(t, "example.com")}}, Selector{Key: ed25519Key(t)}, plain, ErrSign},
	} {
		if fields, err := Sign(t.Context(), discard, tc.o, []Selector{tc.s}, strings.NewReader(tc.msg)); !errors.Is(err, tc.want) || fields != "" {
			t.Errorf("%s: %q %v", name, fields, err)
		}
	}
}

func TestRecordText(t *testing.T) {
	r, err := NewRecord(rsaKey1024(t).Public())
	if err != nil {
		t.Fatal(err)
	}
	txt := r.String()
	if l := Strings(txt); len(l) != 3 || strings.Join(l, "") != txt || len(l[0]) != 100 {
		t.Errorf("%q", l)
	}
	if zone := ZoneText(txt); !strings.HasPrefix(zone, "(\n\t\"v=DKIM1;h=sha256;p=MIGf") || strings.Count(zone, "\n") != 4 {
		t.Errorf("%s", zone)
	}
	if zone := ZoneText(`a"\`); zone != `"a\"\\"` {
		t.Errorf("%s", zone)
	}
	if _, err := NewRecord("x"); err == nil {
		t.Error("no error")
	}
}

// Records print what they parse.
func FuzzRecord(f *testing.F) {
	f.Add(recordText(f, ed25519Key(f)))
	f.Add(rfc6376Key)
	f.Add("v=DKIM1; h=sha1:sha256; s=email; t=y:s; n=a=20b c; k=x; p=YQ==")
	f.Fuzz(func(t *testing.T, txt string) {
		r, err := ParseRecord(txt)
		if err != nil {
			return
		}
		again, err := ParseRecord(r.String())
		if err != nil || again.String() != r.String() {
			t.Errorf("%q: %q (%v)", txt, r.String(), err)
		}
	})
}

// Tags print what they parse, and a signature can be cut out of any field.
func FuzzSignature(f *testing.F) {
	f.Add("v=1; a=rsa-sha256; d=example.org; s=x; h=from:to; i==3B@a.example.org; t=1; x=2; q=dns/txt; z=From:a|To:b; l=3; bh=YQ==; b=YQ==")
	f.Add("i=1; a=rsa-sha256; cv=none; b=YQ==; d=x; s=y")
	f.Fuzz(func(t *testing.T, value string) {
		for _, kind := range []Kind{KindDKIM, KindARCMessage, KindARCSeal} {
			s, err := ParseSignature(value, kind)
			if err == nil && (s.Domain.IsZero() || s.Selector.IsZero() || len(s.Signature) == 0) {
				t.Errorf("%q: %+v", value, s)
			}
		}
		AppendSignatureField(nil, []byte("DKIM-Signature: "+value), Relaxed)
		tags, err := ParseTags(value)
		if err != nil {
			return
		}
		for i, tag := range tags {
			tags[i].Value = strings.Join(strings.Fields(tag.Value), " ")
		}
		_, printed, _ := strings.Cut(FormatField("X", tags), ":")
		again, err := ParseTags(printed)
		if err != nil || len(again) != len(tags) {
			t.Fatalf("%q printed as %q: %v", value, printed, err)
		}
		for i := range tags {
			if unfolded(again[i].Value) != unfolded(tags[i].Value) || again[i].Name != tags[i].Name {
				t.Errorf("%q printed as %q", value, printed)
			}
		}
	})
}
