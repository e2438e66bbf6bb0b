package main

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"time"

	"mox/admin"
	"mox/reportdb"
)

// storedReportCommands show what the running server keeps of reports between mail servers.
func storedReportCommands() []command {
	return []command{
		{words: "dmarc reports", short: "list the DMARC reports of others", max: 0, setup: reportListing("dmarcreportlist"), help: dmarcReportsHelp},
		{words: "dmarc report", args: "id", short: "print a DMARC report of others", min: 1, max: 1, setup: queueFixed("dmarcreportprint"), help: "With -json, all of it on a line."},
		{words: "dmarc sources", short: "add up what DMARC reports say, by domain and address of the sender", max: 0, setup: reportListing("dmarcreportsources"), help: dmarcSourcesHelp},
		{words: "dmarc days", short: "add up what DMARC reports say, by domain and day", max: 0, setup: reportListing("dmarcreportdays"), help: reportFilterHelp},
		{words: "dmarc evaluations", args: "[domain]", short: "list what is to be reported about DMARC, by domain", max: 1, setup: withOptional("dmarcevaluationlist"), help: evaluationsHelp},
		{words: "dmarc suppress list", short: "list addresses that get no DMARC reports", max: 0, setup: queueFixed("dmarcsuppresslist"), help: reportSuppressHelp},
		{words: "dmarc suppress add", args: "address", short: "send an address no DMARC reports", min: 1, max: 1, setup: suppressReports("dmarcsuppressadd"), help: reportSuppressHelp},
		{words: "dmarc suppress remove", args: "address", short: "send an address DMARC reports again", min: 1, max: 1, setup: queueFixed("dmarcsuppressremove"), help: reportSuppressHelp},

		{words: "tlsrpt reports", short: "list the TLS reports of others", max: 0, setup: reportListing("tlsrptreportlist"), help: tlsReportsHelp},
		{words: "tlsrpt report", args: "id", short: "print a TLS report of others", min: 1, max: 1, setup: queueFixed("tlsrptreportprint"), help: "With -json, all of it on a line."},
		{words: "tlsrpt days", short: "add up what TLS reports say, by domain and day", max: 0, setup: reportListing("tlsrptreportdays"), help: reportFilterHelp},
		{words: "tlsrpt results", args: "[domain]", short: "list what is to be reported about TLS", max: 1, setup: withOptional("tlsrptresultlist"), help: tlsResultsHelp},
		{words: "tlsrpt suppress list", short: "list addresses that get no TLS reports", max: 0, setup: queueFixed("tlsrptsuppresslist"), help: reportSuppressHelp},
		{words: "tlsrpt suppress add", args: "address", short: "send an address no TLS reports", min: 1, max: 1, setup: suppressReports("tlsrptsuppressadd"), help: reportSuppressHelp},
		{words: "tlsrpt suppress remove", args: "address", short: "send an address TLS reports again", min: 1, max: 1, setup: queueFixed("tlsrptsuppressremove"), help: reportSuppressHelp},
	}
}

// reportListing passes a filter on.
func reportListing(word string) func(fs *flag.FlagSet) runFunc {
	return func(fs *flag.FlagSet) runFunc {
		asJSON := jsonFlag(fs)
		var f admin.ReportFilter
		fs.StringVar(&f.Domain, "domain", "", "only about this `domain`")
		fs.DurationVar(&f.Since, "since", 0, "only what begins within this `duration`, such as 720h for 30 days; the default is all")
		fs.Func("n", fmt.Sprintf("at most `number`, 1 to %d", reportdb.MaxLimit), func(s string) error {
			n, err := strconv.Atoi(s)
			if err != nil || n < 1 || n > reportdb.MaxLimit {
				return fmt.Errorf("must be from 1 to %d", reportdb.MaxLimit)
			}
			f.Max = n
			return nil
		})
		return func(ctx context.Context, p *program, _ []string) error {
			if f.Since < 0 {
				return usagef("-since must not be negative")
			}
			return p.request(ctx, word, param(f), asJSON())
		}
	}
}

// withOptional passes an argument on that may be missing.
func withOptional(word string) func(fs *flag.FlagSet) runFunc {
	return func(fs *flag.FlagSet) runFunc {
		asJSON := jsonFlag(fs)
		return func(ctx context.Context, p *program, args []string) error {
			params := make([]string, 1, 2)
			copy(params, args)
			return p.request(ctx, word, append(params, asJSON())...)
		}
	}
}

func suppressReports(word string) func(fs *flag.FlagSet) runFunc {
	return func(fs *flag.FlagSet) runFunc {
		asJSON := jsonFlag(fs)
		period := fs.Duration("for", admin.SuppressPeriod, "for this `duration`")
		comment := fs.String("comment", "", "`text` for the list")
		return func(ctx context.Context, p *program, args []string) error {
			if *period < time.Second {
				return usagef("-for must be a second at least")
			}
			return p.request(ctx, word, args[0], period.String(), *comment, asJSON())
		}
	}
}

const reportFilterHelp = `
Reports are kept for 400 days. Columns are separated by tabs, the first line names them.`

const dmarcReportsHelp = reportFilterHelp + `
Of the messages that a report is about, those passed that DKIM or SPF verified for the
domain of From. A message to an address for reports that has no valid one says why in the
field X-Mox-DMARCReport-Error, and "mox trace" shows it.`

const dmarcSourcesHelp = `
This tells who sends mail with a domain in From, as others have seen it: one's own servers and
services, which should pass, forwarders, which break SPF, and forgers. The most messages come
first.
` + reportFilterHelp

const tlsReportsHelp = reportFilterHelp + `
A message to an address for reports that has no valid one says why in the field
X-Mox-TLSReport-Error, and "mox trace" shows it.`

const evaluationsHelp = `
Without a domain, the domains with a DMARC policy that asks for reports, whose mail came here
and is not reported yet; with a domain, what will be reported to it, hour by hour. Messages
with reports alone are no reason to send one.`

const tlsResultsHelp = `
Results of sessions with servers of others, of days that are not reported yet. A report is for
the recipient domain, or about DANE for the domain of an MX host. With a domain, those it is
about. Sessions for reports alone are no reason to send one.`

const reportSuppressHelp = `
An address that a report cannot be delivered to gets none for a week; others can be added,
for a year unless -for says otherwise.`
