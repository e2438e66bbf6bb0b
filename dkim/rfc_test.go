package dkim

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"mox/dns"
	"mox/smtp"
)

const rfcBody = "Hi.\n\nWe lost the game.  Are you hungry yet?\n\nJoe.\n"

const rfc6376Message = `DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;
      c=simple/simple; q=dns/txt; i=joe@football.example.com;
      h=Received : From : To : Subject : Date : Message-ID;
      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB
      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut
      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV
      4bmp/YzhwvcubU4=;
Received: from client1.football.example.com  [192.0.2.1]
      by submitserver.example.com with SUBMISSION;
      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

`

// RFC 6376 C.2.
const rfc6376Key = "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"

// RFC 6376 A.2, in the layout that was signed: continuation lines with six spaces, and one
// space in the body where the text of the RFC has two.
func TestRFC6376(t *testing.T) {
	resolver := dns.MockResolver{TXT: map[string][]string{"brisbane._domainkey.example.com": {rfc6376Key}}}
	verify := func(msg string) Result {
		t.Helper()
		results, err := Verify(t.Context(), discard, resolver, Options{}, strings.NewReader(crlf(msg)))
		if err != nil || len(results) != 1 {
			t.Fatal(results, err)
		}
		return results[0]
	}
	msg := rfc6376Message + strings.ReplaceAll(rfcBody, ".  ", ". ")
	r := verify(msg)
	if r.Status != StatusPass || !r.FromSigned || r.Authentic {
		t.Errorf("%s %v", r.Status, r.Err)
	}
	if r.Signature.Identity.String() != "joe@football.example.com" || r.Signature.HeaderCanonicalization != Simple || len(r.Signature.SignedHeaders) != 6 {
		t.Errorf("%+v", r.Signature)
	}
	for _, changed := range []struct {
		old, new string
		err      error
	}{
		{"lost the", "lost  the", ErrBodyHash},
		{"lost the", "won the", ErrBodyHash},
		{"Is dinner", "Was dinner", ErrSignature},
		{"Subject: ", "subject: ", ErrSignature},
		{"Received: ", "X-Received: ", ErrSignature},
	} {
		if r := verify(strings.Replace(msg, changed.old, changed.new, 1)); r.Status != StatusFail || !errors.Is(r.Err, changed.err) {
			t.Errorf("%q: %s %v", changed.new, r.Status, r.Err)
		}
	}
}

const rfc8463Header = `From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

`

const rfc8463Signatures = `DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
`

func rfc8463Resolver() dns.MockResolver {
	return dns.MockResolver{AllAuthentic: true, TXT: map[string][]string{
		"brisbane._domainkey.football.example.com": {"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="},
		"test._domainkey.football.example.com":     {"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"},
	}}
}

// RFC 8463 A: both signatures pass, whatever the line ends of the file.
func TestRFC8463(t *testing.T) {
	for _, msg := range []string{rfc8463Signatures + rfc8463Header + rfcBody, crlf(rfc8463Signatures + rfc8463Header + rfcBody)} {
		results, err := Verify(t.Context(), discard, rfc8463Resolver(), Options{}, strings.NewReader(msg))
		if err != nil || len(results) != 2 {
			t.Fatal(results, err)
		}
		for i, r := range results {
			if r.Status != StatusPass || !r.Authentic || !r.FromSigned || !r.SubjectSigned || r.Testing || r.Record == nil {
				t.Errorf("signature %d: %+v", i, r)
			}
		}
	}
}

// Ed25519 and PKCS #1 v1.5 are deterministic: signing the message of RFC 8463 A.3 with
// its keys and what it signs gives its signatures, folding aside.
func TestRFC8463Sign(t *testing.T) {
	msg := crlf(rfc8463Signatures + rfc8463Header + rfcBody)
	m, err := ReadMessage(strings.NewReader(msg), 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, key := range []Selector{{Key: ed25519Key(t)}, {Key: rsaKey1024(t)}} {
		raw := m.Named("DKIM-Signature")[i].Raw()
		s, err := ParseSignature(signatureValue(raw), KindDKIM)
		if err != nil {
			t.Fatal(err)
		}
		got, err := key.SignDigest(m.HeaderDigest(s, raw))
		if err != nil || string(got) != string(s.Signature) {
			t.Errorf("signature %d: got %s (%v), want %s", i, base64.StdEncoding.EncodeToString(got), err, base64.StdEncoding.EncodeToString(s.Signature))
		}
	}
}

// RFC 6376 3.4.5.
func TestRFCCanonical(t *testing.T) {
	msg := "A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n"
	m, err := ReadMessage(strings.NewReader(msg), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		canon        Canonicalization
		header, body string
	}{
		{Relaxed, "a:X\r\nb:Y Z\r\n", " C\r\nD E\r\n"},
		{Simple, "A: X\r\nB : Y\t\r\n\tZ  \r\n", " C \r\nD \t E\r\n"},
	} {
		var header []byte
		for _, f := range m.Fields() {
			header = AppendField(header, f.Raw(), tc.canon)
		}
		if string(header) != tc.header {
			t.Errorf("%s header: %q", tc.canon, header)
		}
		if body := canonicalBody(tc.canon, "", " C \r\nD \t E\r\n\r\n\r\n"); body != tc.body {
			t.Errorf("%s body: %q", tc.canon, body)
		}
	}
}

// RFC 6376 3.4.3 and 3.4.4 give the hashes of an empty body.
func TestRFCEmptyBody(t *testing.T) {
	for _, body := range []string{"", "\r\n", "\r\n\r\n\r\n", "\n"} {
		m, err := ReadMessage(strings.NewReader("From: x\r\n\r\n"+body), 0)
		if err != nil {
			t.Fatal(err)
		}
		simple, relaxed := BodyFormat{Simple, -1}, BodyFormat{Relaxed, -1}
		d, err := m.HashBody([]BodyFormat{simple, relaxed})
		if err != nil {
			t.Fatal(err)
		}
		for f, want := range map[BodyFormat]string{simple: "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=", relaxed: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="} {
			sum := d[f].Sum
			if got := base64.StdEncoding.EncodeToString(sum[:]); got != want {
				t.Errorf("body %q, %s: %s, want %s", body, f.Canonicalization, got, want)
			}
		}
	}
}

// RFC 8616 5: U-labels in d=, s= and i= of internationalized mail; A-labels elsewhere.
func TestRFC8616(t *testing.T) {
	msg := "From: <δοκιμή@bücher.example>\r\nSubject: Grüße\r\n\r\nHallo\r\n"
	sel := Selector{Name: domain(t, "schlüssel"), Key: ed25519Key(t), Seal: true}
	opts := SignOptions{Domain: domain(t, "bücher.example"), Identity: smtp.Address{Localpart: "δοκιμή", Domain: domain(t, "mail.bücher.example")}, Now: now}
	resolver := dns.MockResolver{TXT: map[string][]string{"xn--schlssel-95a._domainkey.xn--bcher-kva.example": {recordText(t, sel.Key)}}}
	for _, tc := range []struct {
		utf8 bool
		want string
	}{
		{true, "i=δοκιμή@mail.bücher.example;"},
		{false, "i==CE=B4=CE=BF=CE=BA=CE=B9=CE=BC=CE=AE@mail.xn--bcher-kva.example;"},
	} {
		opts.UTF8 = tc.utf8
		fields, err := Sign(t.Context(), discard, opts, []Selector{sel}, strings.NewReader(msg))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(fields, tc.want) {
			t.Errorf("no %q in %s", tc.want, fields)
		}
		results, err := Verify(t.Context(), discard, resolver, Options{Now: now}, strings.NewReader(fields+msg))
		if err != nil || len(results) != 1 || results[0].Status != StatusPass || results[0].Signature.Identity.Localpart != "δοκιμή" || results[0].Domain() != opts.Domain {
			t.Errorf("%+v %v\n%s", results, err, fields)
		}
	}
}
