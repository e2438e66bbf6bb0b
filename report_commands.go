package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"mox/dmarcrpt"
	"mox/dns"
	"mox/message"
	"mox/tlsrpt"
)

func reportCommands() []command {
	return []command{
		{words: "dmarc parsereportmsg", args: "file ...", prints: printsJSON, short: "print the DMARC aggregate reports in messages as JSON", min: 1, max: -1, run: runDMARCParseReport, help: dmarcParseReportHelp},
		{words: "tlsrpt lookup", args: "domain", short: "look up the record by which a domain asks for reports about TLS", min: 1, max: 1, setup: diagnostic(runTLSRPTLookup), help: tlsrptLookupHelp},
		{words: "tlsrpt parsereportmsg", args: "file ...", prints: printsJSON, short: "print the TLS reports in messages as JSON", min: 1, max: -1, run: runTLSRPTParseReport, help: tlsrptParseReportHelp},
	}
}

const dmarcParseReportHelp = `
A file is a message, or a report by itself: XML, or XML compressed with gzip or zip. Reports
that deviate from RFC 9990 and RFC 7489 are read as far as they can be understood. Exits with
1 if there is no report in a file.`

const tlsrptLookupHelp = `
Prints the record (RFC 8460) and where reports go. Exits with 1 if there is no record, more
than one, or an invalid one, or if the lookup fails. With -json, an object: Name, Record, DNSSEC, RUA and
Extensions.`

const tlsrptParseReportHelp = `
A file is a message, or a report by itself: JSON, or JSON compressed with gzip. Reports that
deviate from RFC 8460 are read as far as they can be understood. Exits with 1 if there is no
report in a file.`

func runTLSRPTLookup(ctx context.Context, p *program, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	domain, err := dns.ParseDomain(args[0])
	if err != nil {
		return err
	}
	r, text, authentic, err := tlsrpt.Lookup(ctx, nil, p.resolver(), domain)
	if p.json {
		a := struct {
			Name, Record    string
			DNSSEC          bool
			RUA, Extensions []string `json:",omitempty"`
		}{"_smtp._tls." + domain.ASCII, text, authentic, nil, nil}
		if err == nil {
			a.RUA, a.Extensions = r.RUA, r.Extensions
		}
		return p.found(a, err)
	}
	if text != "" {
		fmt.Fprintf(p.stdout, "_smtp._tls.%s: %s\n", domain.ASCII, terminalText(text))
	}
	if err != nil {
		return errors.New(terminalText(err.Error()))
	}
	fmt.Fprintf(p.stdout, "DNSSEC: %s\n", yesNo(authentic))
	for _, uri := range r.RUA {
		fmt.Fprintf(p.stdout, "reports go to: %s%s\n", terminalText(uri), unusable(uri))
	}
	for _, e := range r.Extensions {
		fmt.Fprintf(p.stdout, "extension: %s\n", terminalText(e))
	}
	return nil
}

// unusable says so of a URI that no reports are sent to.
func unusable(uri string) string {
	scheme, _, _ := strings.Cut(strings.ToLower(uri), ":")
	if scheme == "mailto" || scheme == "https" {
		return ""
	}
	return " (neither mailto nor https: nobody can use it)"
}

func runDMARCParseReport(_ context.Context, p *program, args []string) error {
	return printReports(p, args, dmarcrpt.ErrNone, func(r io.ReaderAt, root *message.Part) (any, error) {
		return dmarcrpt.ParseMessage(r, root)
	}, func(r io.Reader) (any, error) { return dmarcrpt.Parse(r) })
}

func runTLSRPTParseReport(_ context.Context, p *program, args []string) error {
	return printReports(p, args, tlsrpt.ErrNone, func(r io.ReaderAt, root *message.Part) (any, error) {
		return tlsrpt.ParseMessage(r, root)
	}, func(r io.Reader) (any, error) { return tlsrpt.Parse(r) })
}

// printReports prints the report of each file, which is a message (none is the error of one
// without report) or a bare report.
func printReports(p *program, files []string, none error, parse func(io.ReaderAt, *message.Part) (any, error), bare func(io.Reader) (any, error)) error {
	var failed error
	for _, name := range files {
		rep, err := readReport(name, none, parse, bare)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %s", name, terminalText(err.Error())))
			continue
		}
		if len(files) > 1 {
			fmt.Fprintf(p.stdout, "# %s\n", name)
		}
		enc := json.NewEncoder(p.stdout)
		enc.SetIndent("", "\t")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(rep); err != nil {
			return err
		}
	}
	return failed
}

func readReport(name string, none error, parse func(io.ReaderAt, *message.Part) (any, error), bare func(io.Reader) (any, error)) (any, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := seekable(f)
	if err != nil {
		return nil, err
	}
	rep, _, err := reportIn(r, none, parse, bare)
	return rep, err
}

// reportIn is readReport of what is opened; root is the message that the report is in, nil for a
// bare one.
func reportIn[T any](r readSeekerAt, none error, parse func(io.ReaderAt, *message.Part) (T, error), bare func(io.Reader) (T, error)) (rep T, root *message.Part, err error) {
	root, err = message.Parse(r, message.Limits{})
	if err != nil {
		return rep, nil, fmt.Errorf("reading message: %w", err)
	}
	rep, err = parse(r, root)
	if !errors.Is(err, none) {
		return rep, root, err
	}
	if _, e := r.Seek(0, io.SeekStart); e != nil {
		return rep, nil, e
	}
	if rep, e := bare(r); e == nil {
		return rep, nil, nil
	}
	return rep, root, err
}

// maxPipedReport is the size of the largest message that is read from a pipe.
const maxPipedReport = 100 << 20

// readSeekerAt is what a report is read from: parts of a message are read in any order.
type readSeekerAt interface {
	io.ReadSeeker
	io.ReaderAt
}

// seekable returns f, or what is in it if it is a pipe: mail programs pipe messages into
// /dev/stdin.
func seekable(f *os.File) (readSeekerAt, error) {
	if fi, err := f.Stat(); err != nil || fi.Mode().IsRegular() {
		return f, err
	}
	buf, err := io.ReadAll(io.LimitReader(f, maxPipedReport+1))
	if err == nil && len(buf) > maxPipedReport {
		err = fmt.Errorf("larger than %d bytes", maxPipedReport)
	}
	return bytes.NewReader(buf), err
}
