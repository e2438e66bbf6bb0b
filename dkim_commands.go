package main

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"mox/arc"
	"mox/config"
	"mox/dkim"
	"mox/dns"
	"mox/message"
	"mox/smtp"
)

func dkimCommands() []command {
	return []command{
		{words: "dkim gened25519", prints: printsText, short: "print a new Ed25519 key for DKIM", max: 0, run: runGenEd25519, help: dkimGenHelp},
		{words: "dkim genrsa", prints: printsText, short: "print a new RSA key for DKIM", max: 0, run: runDKIMGenRSA, help: dkimGenHelp},
		{words: "dkim txt", args: "<key", prints: printsText, short: "print the DNS record for a DKIM key", max: 0, run: runDKIMTXT, help: dkimTXTHelp},
		{words: "dkim lookup", args: "selector domain", short: "look up a DKIM key record", min: 2, max: 2, setup: diagnostic(runDKIMLookup), help: dkimLookupHelp},
		{words: "dkim verify", args: "file", short: "verify the DKIM signatures of a message", min: 1, max: 1, setup: diagnostic(runDKIMVerify), help: dkimVerifyHelp},
		{words: "dkim sign", args: "file", prints: printsText, short: "print DKIM signatures for a message", min: 1, max: 1, run: runDKIMSign, help: dkimSignHelp},
		{words: "arc verify", args: "file", short: "verify the ARC chain of a message", min: 1, max: 1, setup: diagnostic(runARCVerify), help: arcVerifyHelp},
	}
}

const dkimGenHelp = `
The private key is PEM (PKCS8), as PrivateKeyFile of a selector in domains.conf wants it. RSA
keys have 2048 bits. "mox dkim txt" makes the DNS record for it.`

const dkimTXTHelp = `
Reads a private or public key in PEM from standard input and prints the text of its TXT record
as for a zone file: strings of at most 100 characters. The record belongs at
<selector>._domainkey.<domain>.`

const dkimLookupHelp = `
Prints the record and what it says. Exits with 1 if there is no valid record, or if its key is
revoked. With -json, an object: Record, DNSSEC and Records.`

const dkimVerifyHelp = `
Looks up the keys and prints for each signature its result, and why it is not pass. Line ends
may be LF or CRLF. Exits with 1 if no signature passes. With -json, a line for each signature: Status, Problem,
Signature, DNSSEC, Testing and SubjectSigned.`

const dkimSignHelp = `
Signs as outgoing messages are: with the selectors in Sign of the domain of the message's From
address, or the nearest above it, as domains.conf has them. Prints the header fields to put on top of the message. The
server need not run.`

const arcVerifyHelp = `
Looks up the keys and prints the result for the chain (RFC 8617), why it failed, and its sets.
Exits with 1 if the chain does not pass, or if there is none. With -json, an object: Status, Problem, OldestPass
and Sets.`

// maxKeyFile bounds a key that is read, in bytes.
const maxKeyFile = 64 << 10

// log is for diagnostic commands: what they have to say they print.
func (p *program) log() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (p *program) printPrivateKey(key crypto.PrivateKey) error {
	b, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("marshalling key: %w", err)
	}
	return pem.Encode(p.stdout, &pem.Block{Type: "PRIVATE KEY", Bytes: b})
}

// runGenEd25519 prints a new private key, for DKIM or for releases.
func runGenEd25519(_ context.Context, p *program, _ []string) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("making key: %w", err)
	}
	return p.printPrivateKey(key)
}

func runDKIMGenRSA(_ context.Context, p *program, _ []string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("making key: %w", err)
	}
	return p.printPrivateKey(key)
}

func runDKIMTXT(_ context.Context, p *program, _ []string) error {
	data, err := io.ReadAll(io.LimitReader(p.stdin, maxKeyFile))
	if err != nil {
		return fmt.Errorf("reading key: %w", err)
	}
	key, err := parsePublicPEM(data)
	if err != nil {
		return err
	}
	record, err := dkim.NewRecord(key)
	if err != nil {
		return err
	}
	if k, ok := key.(*rsa.PublicKey); ok && k.N.BitLen() < 1024 {
		return fmt.Errorf("RSA key has %d bits, others need at least 1024", k.N.BitLen()) // RFC 8301 3.2
	}
	fmt.Fprintln(p.stdout, dkim.ZoneText(record.String()))
	return nil
}

// parsePublicPEM returns the public key of the first key in PEM data.
func parsePublicPEM(data []byte) (crypto.PublicKey, error) {
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			return nil, errors.New("no private or public key in PEM on standard input")
		}
		data = rest
		key, err := parseKey(block)
		if err != nil {
			return nil, err
		} else if key == nil {
			continue
		}
		if private, ok := key.(crypto.Signer); ok {
			return private.Public(), nil
		}
		return key, nil
	}
}

func runDKIMLookup(ctx context.Context, p *program, args []string) error {
	selector, err := dns.ParseDomainLax(args[0])
	if err != nil {
		return usagef("selector: %v", err)
	}
	domain, err := dns.ParseDomainLax(strings.TrimSuffix(args[1], "."))
	if err != nil {
		return usagef("domain: %v", err)
	}
	key := dkim.LookupKey(ctx, p.resolver(), selector, domain)
	if p.json {
		return p.dkimKeyJSON(key)
	}
	if key.Text != "" {
		fmt.Fprintf(p.stdout, "record: %q\n", key.Text)
	}
	fmt.Fprintf(p.stdout, "dnssec: %s\n", dnssec(key.Authentic))
	if key.Err != nil {
		return key.Err
	}
	for _, r := range key.Records {
		p.printDKIMRecord(r)
	}
	if len(key.Records) > 1 {
		fmt.Fprintln(p.stdout, "problem: several records, others may use any of them")
	}
	return failUnless(slices.ContainsFunc(key.Records, hasKey))
}

// hasKey tells of a record that it has a key that can be used.
func hasKey(r *dkim.Record) bool { return r.PublicKey != nil }

// dkimRecord is what a key record says.
type dkimRecord struct {
	Key      string   // rsa or ed25519, or as the record has it
	Bits     int      `json:",omitempty"`
	Revoked  bool     `json:",omitempty"`
	Usable   bool     // signatures with it can count
	Hashes   []string `json:",omitempty"`
	Services []string `json:",omitempty"`
	Testing  bool     `json:",omitempty"`
	Strict   bool     `json:",omitempty"`
	Notes    string   `json:",omitempty"`
}

func (p *program) dkimKeyJSON(key dkim.Key) error {
	a := struct {
		Record  string
		DNSSEC  bool
		Records []dkimRecord
	}{key.Text, key.Authentic, []dkimRecord{}}
	for _, r := range key.Records {
		d := dkimRecord{Key: r.KeyType, Revoked: len(r.KeyData) == 0, Usable: hasKey(r), Hashes: r.Hashes, Services: r.Services, Testing: r.Testing(), Strict: r.Strict(), Notes: r.Notes}
		switch k := r.PublicKey.(type) {
		case *rsa.PublicKey:
			d.Key, d.Bits, d.Usable = "rsa", k.N.BitLen(), k.N.BitLen() >= 1024 // RFC 8301 3.2
		case ed25519.PublicKey:
			d.Key = "ed25519"
		}
		a.Records = append(a.Records, d)
	}
	if key.Err != nil {
		return p.found(a, key.Err)
	}
	return p.found(a, failUnless(slices.ContainsFunc(key.Records, hasKey)))
}

func dnssec(authentic bool) string {
	if authentic {
		return "validated"
	}
	return "not validated"
}

func (p *program) printDKIMRecord(r *dkim.Record) {
	switch key := r.PublicKey.(type) {
	case *rsa.PublicKey:
		fmt.Fprintf(p.stdout, "key: rsa, %d bits\n", key.N.BitLen())
		if key.N.BitLen() < 1024 {
			fmt.Fprintln(p.stdout, "problem: key is too short, signatures with it do not count") // RFC 8301 3.2
		}
	case ed25519.PublicKey:
		fmt.Fprintln(p.stdout, "key: ed25519")
	default:
		if len(r.KeyData) == 0 {
			fmt.Fprintln(p.stdout, "key: revoked")
		} else {
			fmt.Fprintf(p.stdout, "problem: unknown type of key %q\n", r.KeyType)
		}
	}
	if len(r.Hashes) > 0 {
		fmt.Fprintf(p.stdout, "hashes: %s\n", strings.Join(r.Hashes, ", "))
	}
	if len(r.Services) > 0 {
		fmt.Fprintf(p.stdout, "services: %s\n", strings.Join(r.Services, ", "))
	}
	if r.Testing() {
		fmt.Fprintln(p.stdout, "testing: yes, mail is to be treated as not signed")
	}
	if r.Strict() {
		fmt.Fprintln(p.stdout, "identities: of the domain itself only")
	}
	if r.Notes != "" {
		fmt.Fprintf(p.stdout, "notes: %q\n", r.Notes)
	}
}

func runDKIMVerify(ctx context.Context, p *program, args []string) error {
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	results, err := dkim.Verify(ctx, p.log(), p.resolver(), dkim.Options{}, f)
	if err != nil {
		return err
	}
	if len(results) == 0 {
		return errors.New("message has no DKIM signature")
	}
	for i, r := range results {
		if p.json {
			if err := printJSONLine(p.stdout, dkimResultOf(r)); err != nil {
				return err
			}
			continue
		}
		if i > 0 {
			fmt.Fprintln(p.stdout)
		}
		p.printDKIMResult(r)
	}
	return failUnless(slices.ContainsFunc(results, func(r dkim.Result) bool { return r.Status == dkim.StatusPass }))
}

// dkimResult is the result of a signature.
type dkimResult struct {
	Status, Problem string
	Signature       *dkimSignature `json:",omitempty"`
	DNSSEC          bool
	Testing         bool `json:",omitempty"`
	SubjectSigned   bool
}

func dkimResultOf(r dkim.Result) dkimResult {
	return dkimResult{string(r.Status), errorText(r.Err), signatureOf(r.Signature), r.Record != nil && r.Authentic, r.Testing, r.SubjectSigned}
}

// dkimSignature is what a signature of DKIM or ARC says.
type dkimSignature struct {
	Domain, Selector string
	Identity         string `json:",omitempty"`
	Algorithm        string
	Canonicalization string // of header and body, with a slash between
	Fields           []string
	BodyLength       *int64    `json:",omitempty"` // octets that are signed; absent: all
	Signed           time.Time `json:",omitzero"`
	Expires          time.Time `json:",omitzero"`
}

func signatureOf(s *dkim.Signature) *dkimSignature {
	if s == nil {
		return nil
	}
	v := &dkimSignature{Domain: s.Domain.ASCII, Selector: s.Selector.ASCII, Algorithm: s.Algorithm, Canonicalization: fmt.Sprintf("%s/%s", s.HeaderCanonicalization, s.BodyCanonicalization), Fields: s.SignedHeaders}
	if s.Kind == dkim.KindDKIM {
		v.Identity = s.Identity.String()
	}
	if n := s.Length; n >= 0 {
		v.BodyLength = &n
	}
	signed, expires := s.Times()
	if !signed.IsZero() {
		v.Signed = signed.UTC()
	}
	if !expires.IsZero() {
		v.Expires = expires.UTC()
	}
	return v
}

func (p *program) printDKIMResult(r dkim.Result) {
	fmt.Fprintf(p.stdout, "status: %s\n", r.Status)
	if r.Err != nil {
		fmt.Fprintf(p.stdout, "problem: %v\n", r.Err)
	}
	p.printSignature(r.Signature)
	if r.Record != nil {
		fmt.Fprintf(p.stdout, "dnssec: %s\n", dnssec(r.Authentic))
	}
	if r.Testing {
		fmt.Fprintln(p.stdout, "testing: yes, the message is to be treated as not signed")
	}
	if r.Status == dkim.StatusPass && !r.SubjectSigned {
		fmt.Fprintln(p.stdout, "problem: Subject is not signed")
	}
}

// printSignature prints what a signature says, nothing for nil.
func (p *program) printSignature(s *dkim.Signature) {
	if s == nil {
		return
	}
	fmt.Fprintf(p.stdout, "domain: %s\nselector: %s\n", s.Domain, s.Selector)
	if s.Kind == dkim.KindDKIM {
		fmt.Fprintf(p.stdout, "identity: %q\n", s.Identity.String())
	}
	fmt.Fprintf(p.stdout, "algorithm: %q\ncanonicalization: %s/%s\nfields: %s\n", s.Algorithm, s.HeaderCanonicalization, s.BodyCanonicalization, strings.Join(s.SignedHeaders, ", "))
	if s.Length >= 0 {
		fmt.Fprintf(p.stdout, "body: first %d bytes\n", s.Length)
	}
	signed, expires := s.Times()
	if !signed.IsZero() {
		fmt.Fprintf(p.stdout, "signed: %s\n", signed.UTC().Format(time.RFC3339))
	}
	if !expires.IsZero() {
		fmt.Fprintf(p.stdout, "expires: %s\n", expires.UTC().Format(time.RFC3339))
	}
}

func runDKIMSign(ctx context.Context, p *program, args []string) error {
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	from, err := messageFrom(f)
	if err != nil {
		return err
	}
	snap, err := config.Load(p.configPath)
	if err != nil {
		return err
	}
	domain := snap.Signer(from.Domain)
	if domain == nil {
		return fmt.Errorf("neither domain %s of the From address nor one above it has selectors in DKIM.Sign of domains.conf", from.Domain)
	}
	o := dkim.SignOptions{Domain: domain.Domain, Identity: from, UTF8: from.Localpart.IsInternational()}
	fields, err := dkim.Sign(ctx, p.log(), o, domain.Signers, f)
	if err != nil {
		return err
	}
	_, err = io.WriteString(p.stdout, fields)
	return err
}

// messageFrom returns the one From address of a message.
func messageFrom(r io.Reader) (smtp.Address, error) {
	part, err := message.ParseTop(r, message.Limits{})
	if err != nil {
		return smtp.Address{}, fmt.Errorf("reading message: %w", err)
	}
	if len(part.Envelope.From) != 1 {
		return smtp.Address{}, fmt.Errorf("message has %d From addresses, need one", len(part.Envelope.From))
	}
	from := part.Envelope.From[0]
	domain, err := dns.ParseDomain(from.Host)
	if err != nil {
		return smtp.Address{}, fmt.Errorf("domain of From address: %w", err)
	}
	return smtp.Address{Localpart: smtp.Localpart(from.Mailbox), Domain: domain}, nil
}

func runARCVerify(ctx context.Context, p *program, args []string) error {
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	res, err := arc.Verify(ctx, p.log(), p.resolver(), arc.Options{}, f)
	if err != nil {
		return err
	}
	if p.json {
		return p.found(arcAnswerOf(res), failUnless(res.Status == arc.StatusPass))
	}
	fmt.Fprintf(p.stdout, "status: %s\n", res.Status)
	if res.Err != nil {
		fmt.Fprintf(p.stdout, "problem: %v\n", res.Err)
	}
	if res.Status == arc.StatusPass {
		fmt.Fprintf(p.stdout, "oldest-pass: %d\n", res.OldestPass)
	}
	for _, s := range res.Sets {
		if s.Instance == 0 {
			continue // missing
		}
		fmt.Fprintf(p.stdout, "\ninstance: %d\nseal: %s\ncv: %q\nresults: %q\n", s.Instance, s.Domain(), string(s.Validation), s.AuthResults)
		p.printSignature(s.MessageSignature)
	}
	return failUnless(res.Status == arc.StatusPass)
}

// arcAnswer is the result for a chain.
type arcAnswer struct {
	Status, Problem string
	OldestPass      int `json:",omitempty"`
	Sets            []arcSet
}

type arcSet struct {
	Instance              int
	Seal                  string // domain
	Validation            string // cv
	AuthenticationResults string
	Signature             *dkimSignature `json:",omitempty"`
}

func arcAnswerOf(res arc.Result) arcAnswer {
	a := arcAnswer{Status: string(res.Status), Problem: errorText(res.Err), Sets: []arcSet{}}
	if res.Status == arc.StatusPass {
		a.OldestPass = res.OldestPass
	}
	for _, s := range res.Sets {
		if s.Instance > 0 {
			a.Sets = append(a.Sets, arcSet{s.Instance, s.Domain().ASCII, string(s.Validation), s.AuthResults, signatureOf(s.MessageSignature)})
		}
	}
	return a
}
