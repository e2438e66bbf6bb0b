package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"mox/admin"
	"mox/config"
	"mox/ctl"
	"mox/dmarcrpt"
	"mox/dns"
	"mox/message"
	"mox/reportdb"
	"mox/store"
	"mox/tlsrpt"
)

// addReportCommands put reports into the database without a mail that has come in.
func addReportCommands() []command {
	return []command{
		{words: "dmarcdb addreport", args: "[fromdomain] <message", prints: printsDone, short: "store a DMARC report as if it had been received", max: 1, run: runAddDMARCReport, unlisted: true, help: addReportHelp},
		{words: "tlsrptdb addreport", args: "[fromdomain] <message", prints: printsDone, short: "store a TLS report as if it had been received", max: 1, setup: setupAddTLSReport, unlisted: true, help: addReportHelp},
	}
}

const addReportHelp = `
The message with the report, or the report alone, is read from standard input. Nothing is verified: neither
DKIM or DMARC of the message, nor that the report is about a domain of this server. The reporter is the
domain given, or that of From of the message. "mox dmarc reports" and "mox tlsrpt reports" list what there
is. The running server adds it; without one, the database is used directly. A report that is there already, of
the same reporter and with the same id, is not added again, which is told.`

// readAddedReport reads a report from standard input, and who made it.
func readAddedReport[T any](p *program, args []string, none error, parse func(io.ReaderAt, *message.Part) (T, error), bare func(io.Reader) (T, error)) (rep T, reporter string, err error) {
	buf, err := io.ReadAll(io.LimitReader(p.stdin, maxPipedReport+1))
	if err == nil && len(buf) > maxPipedReport {
		err = fmt.Errorf("larger than %d bytes", maxPipedReport)
	}
	if err != nil {
		return rep, "", fmt.Errorf("reading standard input: %w", err)
	}
	rep, root, err := reportIn(bytes.NewReader(buf), none, parse, bare)
	if err != nil {
		return rep, "", errors.New(terminalText(err.Error()))
	}
	switch {
	case len(args) > 0:
		reporter = args[0]
	case root != nil && len(root.Envelope.From) == 1:
		reporter = root.Envelope.From[0].Host
	default:
		return rep, "", usagef("there is no message with one From address: give the domain of the reporter")
	}
	domain, err := dns.ParseDomain(reporter)
	if err != nil {
		return rep, "", fmt.Errorf("domain of the reporter: %w", err)
	}
	return rep, domain.ASCII, nil
}

func runAddDMARCReport(ctx context.Context, p *program, args []string) error {
	rep, reporter, err := readAddedReport(p, args, dmarcrpt.ErrNone, dmarcrpt.ParseMessage, dmarcrpt.Parse)
	if err != nil {
		return err
	}
	rep.Policy.Domain = strings.ToLower(rep.Policy.Domain)
	if d, err := dns.ParseDomainLax(rep.Policy.Domain); err == nil {
		rep.Policy.Domain = d.ASCII // as those that come by mail are stored
	}
	return addReport(ctx, p, "dmarcreportadd", reportdb.DMARCReport{Received: time.Now(), Reporter: reporter, Report: *rep}, (*admin.Admin).AddDMARCReport)
}

func setupAddTLSReport(fs *flag.FlagSet) runFunc {
	host := fs.Bool("hostreport", false, "it is about the host name, as reports to the address of HostTLSRPT are")
	return func(ctx context.Context, p *program, args []string) error {
		rep, reporter, err := readAddedReport(p, args, tlsrpt.ErrNone, tlsrpt.ParseMessage, tlsrpt.Parse)
		if err != nil {
			return err
		}
		return addReport(ctx, p, "tlsrptreportadd", reportdb.TLSReport{Received: time.Now(), Reporter: reporter, Host: *host, Report: *rep}, (*admin.Admin).AddTLSReport)
	}
}

// addReport has the running server store a report, or stores it.
func addReport[T any](ctx context.Context, p *program, word string, r T, add func(*admin.Admin, context.Context, admin.Actor, T) (bool, error)) error {
	client, err := p.dial(ctx)
	if errors.Is(err, ctl.ErrNotRunning) {
		return p.addReportOffline(func(a *admin.Admin) (bool, error) { return add(a, ctx, "mox", r) })
	} else if err != nil {
		return err
	}
	defer client.Close()
	return client.DoInput(ctl.Request{Command: word}, strings.NewReader(param(r)), p.stdout)
}

// addReportOffline opens the database that no server uses.
func (p *program) addReportOffline(add func(*admin.Admin) (bool, error)) error {
	snap, err := config.LoadOptions(p.configPath, config.Options{SkipFiles: true})
	if err != nil {
		return err
	}
	// The store is opened for its lock: no server uses the directory.
	return p.withStore(snap.DataPath(""), snap, func(*store.Store) error {
		db, err := reportdb.Open(snap.DataPath(reportdb.FileName), reportdb.Options{Log: p.errorLog("reportdb")})
		if err != nil {
			return err
		}
		added, err := add(&admin.Admin{Log: p.errorLog("admin"), Reports: db})
		if err = errors.Join(err, db.Close()); err != nil {
			return err
		}
		return ctl.PrintReportAdded(p.stdout, added)
	})
}
