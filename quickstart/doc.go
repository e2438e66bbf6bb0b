// Package quickstart makes a new installation: it looks at the machine, proposes a host
// name and addresses, says what is in the way of mail and how to remedy it, and writes
// configuration, keys, first account and service unit, with the DNS records to publish.
//
// [Survey] looks and makes a [Plan]; [Plan.Write] writes what the plan says; [Run] is both, as
// "mox quickstart" has it. The pages of "mox setup" call the two with questions in between,
// and so come to the same files. All that is known about the machine comes in through
// [Machine] and a resolver.
//
// # Files on disk
//
// In [Options.Dir]: config/mox.conf, config/domains.conf, config/adminpasswd,
// config/dkim/*.pem, config/hostkeys/*.pem, data/ with the first account, mox.service and
// quickstart.log. Each is made exclusively: when one is there already nothing is written, and
// when something fails what was made is removed. mox.conf comes last.
//
// # Goroutines
//
// Survey has one for each check, all of which end before it returns, at the latest when
// [Options.Timeout] is over.
//
// RFCs: 1912 2.1 (reverse DNS), 5321 4.1.1.1 and 2.3.5 (host names), 4035 (DNSSEC), 5782 (block
// lists), 6376 and 8463 (DKIM keys), 7672 3.1.3 (keys for DANE), 9083 (RDAP).
package quickstart
