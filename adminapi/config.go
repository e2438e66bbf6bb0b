package adminapi

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"mox/admin"
	"mox/clientconf"
	"mox/config"
	"mox/dns"
	"mox/dnsrecords"
	"mox/jsoncall"
	"mox/mlog"
	"mox/webapi"
)

func (s *Server) status(ctx context.Context, _ *call, _ *StatusRequest) (StatusResult, error) {
	report, err := s.c.Admin.Status(ctx, true)
	if err != nil {
		return StatusResult{}, jsoncall.ForUser(err, admin.ErrNoProcess)
	}
	r := StatusResult{OK: report.OK, Summary: report.Summary}
	for _, t := range report.Sentences {
		r.Sentences = append(r.Sentences, StatusSentence{Level: string(t.Level), Kind: t.Kind, Text: t.Text, Command: t.Command})
	}
	for _, c := range s.c.Admin.CertificateList() {
		r.Certificates = append(r.Certificates, Certificate{
			Names: c.Names, Source: c.Source, Provider: c.Provider, File: c.File, Kind: c.Kind, Issuer: c.Issuer, Fingerprint: c.Fingerprint,
			NotBefore: jsoncall.OrNull(c.NotBefore), NotAfter: jsoncall.OrNull(c.NotAfter), NextRenewal: jsoncall.OrNull(c.NextRenewal), Soon: c.Soon, LastError: c.LastError,
		})
	}
	return r, nil
}

func (s *Server) domains(context.Context, *call, *DomainsRequest) (DomainsResult, error) {
	snap := s.c.Admin.Config.Snapshot()
	var r DomainsResult
	for _, d := range s.c.Admin.Domains() {
		info, ok := snap.Domains[d.Domain]
		if !ok {
			continue // added or removed at this moment
		}
		r.Domains = append(r.Domains, Domain{Name: d.Domain, ASCII: info.Domain.ASCII, Description: info.Config.Description, Disabled: d.Disabled, ReportsOnly: info.ReportsOnly})
	}
	return r, nil
}

func (s *Server) domainRecords(ctx context.Context, _ *call, r *DomainRecordsRequest) (DomainRecordsResult, error) {
	snap := s.c.Admin.Config.Snapshot()
	d, err := dns.ParseDomain(r.Domain)
	if err != nil {
		return DomainRecordsResult{}, jsoncall.UserError("domain %.100q: %v", r.Domain, err)
	}
	var o dnsrecords.Options
	if o.Authentic, err = dnsrecords.SignedZone(ctx, s.c.Resolver, snap.Hostname); err != nil {
		s.c.Log.InfoContext(ctx, "could not look up whether the zone of the host is signed, taken for not", "err", err)
	}
	if o.AccountURIs, err = dnsrecords.AccountURIs(snap); err != nil {
		s.c.Log.InfoContext(ctx, "no records that restrict certificates to an account", "err", err)
	}
	records, err := dnsrecords.For(snap, d.Name(), o)
	if err != nil {
		return DomainRecordsResult{}, jsoncall.ForUser(err, dnsrecords.ErrNoDomain)
	}
	var result DomainRecordsResult
	for _, r := range records {
		result.Records = append(result.Records, DNSRecord{
			Name: r.Name, Type: r.Type, Value: r.Value, Quoted: r.Quoted(), TTL: int(r.TTL / time.Second), Purpose: r.Purpose, Precondition: r.Precondition, Section: r.Section,
		})
	}
	var zone strings.Builder
	err = dnsrecords.WriteZone(&zone, records)
	result.Zone = zone.String()
	return result, err
}

func (s *Server) clientConfigsDomain(_ context.Context, _ *call, r *ClientConfigsDomainRequest) (ClientConfigsDomainResult, error) {
	d, err := dns.ParseDomain(r.Domain)
	if err != nil {
		return ClientConfigsDomainResult{}, jsoncall.UserError("domain %.100q: %v", r.Domain, err)
	}
	settings, err := clientconf.For(s.c.Admin.Config.Snapshot(), d.Name())
	if err != nil {
		return ClientConfigsDomainResult{}, jsoncall.ForUser(err, clientconf.ErrAddress, clientconf.ErrNoDomain)
	}
	return ClientConfigsDomainResult{settings.Describe()}, nil
}

func (s *Server) accounts(ctx context.Context, _ *call, _ *AccountsRequest) (AccountsResult, error) {
	users, err := s.c.Admin.Users(ctx)
	if err != nil {
		return AccountsResult{}, err
	}
	configured := s.c.Admin.Config.Snapshot().Dynamic.Accounts
	var r AccountsResult
	for _, u := range users {
		a := Account{Name: u.Account, FullName: configured[u.Account].FullName, Addresses: u.Addresses, State: strings.ReplaceAll(u.State, " ", ""), LoginDisabled: configured[u.Account].LoginDisabled}
		acc, err := s.c.Admin.Store.Account(ctx, u.Account)
		if err != nil {
			return AccountsResult{}, err
		}
		q := acc.Quota()
		acc.Release()
		a.QuotaUsed, a.QuotaLimit = q.Used, q.Limit
		if a.DiskUsage, err = s.c.Admin.DiskUsage(u.Account); err != nil {
			return AccountsResult{}, err
		}
		r.Accounts = append(r.Accounts, a)
	}
	return r, nil
}

// webserver returns the configuration as functions have it.
func webserver(w admin.Webserver) WebserverConfig {
	c := WebserverConfig{WebHandlers: slices.Clone(w.Handlers)}
	for _, from := range slices.Sorted(maps.Keys(w.Redirects)) {
		c.WebDomainRedirects = append(c.WebDomainRedirects, DomainRedirect{from, w.Redirects[from]})
	}
	return c
}

// configured is its inverse.
func (c WebserverConfig) configured() (admin.Webserver, error) {
	w := admin.Webserver{Redirects: map[string]string{}, Handlers: c.WebHandlers}
	for _, r := range c.WebDomainRedirects {
		if _, ok := w.Redirects[r.From]; ok {
			return w, jsoncall.UserError("WebDomainRedirects.%s: is there twice", r.From)
		}
		w.Redirects[r.From] = r.To
	}
	return w, nil
}

func (s *Server) webserverConfig(context.Context, *call, *WebserverConfigRequest) (WebserverConfigResult, error) {
	w, enabled := s.c.Admin.Webserver()
	return WebserverConfigResult{webserver(w), enabled}, nil
}

func (s *Server) webserverConfigSave(ctx context.Context, c *call, r *WebserverConfigSaveRequest) (WebserverConfigSaveResult, error) {
	old, err := r.Old.configured()
	if err != nil {
		return WebserverConfigSaveResult{}, err
	}
	changed, err := r.New.configured()
	if err != nil {
		return WebserverConfigSaveResult{}, err
	}
	err = s.c.Admin.WebserverSave(ctx, actor(c), old, changed)
	var invalid *admin.InvalidError
	switch {
	case errors.Is(err, admin.ErrConfigChanged), errors.Is(err, config.ErrChanged):
		return WebserverConfigSaveResult{}, &webapi.Error{Code: jsoncall.CodeChanged, Message: err.Error()}
	case errors.As(err, &invalid):
		return WebserverConfigSaveResult{}, jsoncall.UserError("%v", err)
	case err != nil:
		return WebserverConfigSaveResult{}, err
	}
	w, _ := s.c.Admin.Webserver()
	return WebserverConfigSaveResult{webserver(w)}, nil
}

func (s *Server) logLevels(context.Context, *call, *LogLevelsRequest) (LogLevelsResult, error) {
	var r LogLevelsResult
	for i, l := range s.c.Admin.LogLevels() {
		if i == 0 {
			l.Package = "" // the default
		}
		r.LogLevels = append(r.LogLevels, LogLevel{l.Package, l.Level})
	}
	return r, nil
}

func (s *Server) logLevelSet(ctx context.Context, c *call, r *LogLevelSetRequest) (LogLevelSetResult, error) {
	if r.Level == "" {
		return LogLevelSetResult{}, jsoncall.UserError("a level is needed: %s", strings.Join(mlog.LevelNames(), ", "))
	}
	if err := s.packageName(r.Package); err != nil {
		return LogLevelSetResult{}, err
	}
	return LogLevelSetResult{}, jsoncall.ForUser(s.c.Admin.SetLogLevel(ctx, actor(c), r.Package, r.Level), mlog.ErrLevel)
}

// packageName checks one that levels are set for.
func (s *Server) packageName(name string) error {
	if len(name) > 100 || strings.ContainsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
		return jsoncall.UserError("%.100q is not the name of a package, which has lower-case letters", name)
	}
	return nil
}

func (s *Server) logLevelRemove(ctx context.Context, c *call, r *LogLevelRemoveRequest) (LogLevelRemoveResult, error) {
	if r.Package == "" {
		return LogLevelRemoveResult{}, jsoncall.UserError("the default level cannot be removed")
	}
	return LogLevelRemoveResult{}, s.c.Admin.SetLogLevel(ctx, actor(c), r.Package, "")
}
