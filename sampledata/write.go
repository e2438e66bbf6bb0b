package sampledata

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"mox/config"
	"mox/dns"
	"mox/mlog"
	"mox/serve"
)

// Domain is the domain of the addresses. Account has most of the data, and shares with Other.
const (
	Domain   = "mox.example"
	Account  = "gentest"
	Other    = "other"
	Password = "moxmoxmox" // of both
)

// ErrExists: the directory is there, with something in it.
var ErrExists = errors.New("not an empty directory")

// writer makes the data.
type writer struct {
	s   *serve.Server
	ctx context.Context
	now time.Time
}

// Write makes dir/config with mox.conf and domains.conf, and dir/data. A dir that is there must be
// empty; of what was begun when Write returns an error, nothing is taken away.
func Write(ctx context.Context, dir, version string, log *slog.Logger) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	} else if len(entries) > 0 {
		return fmt.Errorf("%s: %w", dir, ErrExists)
	}
	path := filepath.Join(dir, "config", "mox.conf")
	if err := writeConfig(path); err != nil {
		return fmt.Errorf("writing configuration: %w", err)
	}
	manager, err := config.Open(path, log, config.Options{})
	if err != nil {
		return err
	}
	defer manager.Close()
	s, err := serve.New(serve.Options{
		Config: manager, Log: log, Levels: mlog.NewLevels(mlog.LevelError, nil), Resolver: &dns.MockResolver{},
		Version: version, Listen: serve.NoListen,
	})
	if err != nil {
		return err
	}
	w := writer{s: s, ctx: ctx, now: time.Now()}
	if err := errors.Join(w.all(), s.Close()); err != nil {
		return err
	}
	return writePolicies(ctx, filepath.Join(dir, "data"), log)
}

// all has the server make what it keeps.
func (w *writer) all() error {
	for _, part := range []struct {
		name string
		make func() error
	}{
		{"accounts", w.accounts}, {"logins", w.logins}, {"junk filter", w.junk}, {"queue", w.queue}, {"reports", w.reports},
		{"log of decisions", w.traces}, {"bans", w.bans}, {"record of logins", w.attempts}, {"search index", w.index},
	} {
		if err := part.make(); err != nil {
			return fmt.Errorf("making %s: %w", part.name, err)
		}
	}
	return nil
}

// writeConfig writes a configuration for a server on loopback addresses.
func writeConfig(path string) error {
	l := config.Listener{IPs: []string{"127.0.0.1"}, Hostname: "localhost"}
	l.SMTP = config.SMTP{Enabled: true, NoSTARTTLS: true, Port: 1025}
	l.Submission = config.Submission{Enabled: true, NoRequireSTARTTLS: true, Port: 1587}
	l.IMAP = config.IMAP{Enabled: true, NoRequireSTARTTLS: true, Port: 1143}
	static := &config.Static{
		DataDir: "../data", LogLevel: "info", Hostname: "localhost",
		Listeners: map[string]config.Listener{"local": l}, Postmaster: config.Postmaster{Account: Account, Mailbox: "Postmaster"},
		KeepExpunged: 7 * 24 * time.Hour,
	}
	dynamic := &config.Dynamic{
		Domains: map[string]config.Domain{
			Domain: {
				LocalpartCatchallSeparator: "+",
				DMARC:                      &config.DMARC{Localpart: "dmarcreports", Account: Account, Mailbox: "DMARC"},
				TLSRPT:                     &config.TLSRPT{Localpart: "tlsreports", Account: Account, Mailbox: "TLSRPT"},
				Aliases:                    map[string]config.Alias{"all": {Addresses: []string{address(Account), address(Other)}, ListMembers: true}},
			},
			"off.example": {Disabled: true},
		},
		Accounts: map[string]config.Account{},
	}
	for _, name := range []string{Account, Other} {
		acc := config.NewAccount(Domain, address(name))
		acc.KeepRetiredMessagePeriod, acc.KeepRetiredWebhookPeriod = retiredPeriod, retiredPeriod
		dynamic.Accounts[name] = acc
	}
	var mox, domains bytes.Buffer
	for _, err := range []error{
		os.MkdirAll(filepath.Dir(path), 0o770), config.WriteStatic(&mox, static), config.WriteDynamic(&domains, dynamic),
		os.WriteFile(path, mox.Bytes(), 0o660), os.WriteFile(filepath.Join(filepath.Dir(path), "domains.conf"), domains.Bytes(), 0o660),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// retiredPeriod is how long history is kept: tests of later versions have to find it.
const retiredPeriod = 100 * 365 * 24 * time.Hour

func address(account string) string { return account + "@" + Domain }
