package autotls

import (
	"maps"
	"slices"

	"mox/config"
)

// Host is a name to have certificates for.
type Host struct {
	Name     string // in ASCII, lower case
	Provider string
	// AtStart: ask for its certificate at once, not when a client comes for it.
	AtStart bool
	Keys    HostKeys
}

// NamesOf returns the names of a configuration for which certificates are gotten by ACME: of
// hosts, of settings of mail programs, of policies and of web sites; sorted. Domains that are
// disabled, or are for reports only, have none.
func NamesOf(snap *config.Snapshot) []Host {
	n := names{snap: snap, hosts: map[certHost]*Host{}}
	n.listeners()
	n.domains()
	n.web()
	var all []Host
	for _, h := range n.hosts {
		all = append(all, *h)
	}
	slices.SortFunc(all, func(a, b Host) int { return compareHosts(certHost{a.Provider, a.Name}, certHost{b.Provider, b.Name}) })
	return all
}

type names struct {
	snap  *config.Snapshot
	hosts map[certHost]*Host
}

func (n *names) add(l *config.ListenerInfo, name string, atStart bool) *Host {
	k := certHost{l.TLS.ACME, name}
	h := n.hosts[k]
	if h == nil {
		h = &Host{Name: name, Provider: l.TLS.ACME}
		n.hosts[k] = h
	}
	h.AtStart = h.AtStart || atStart
	return h
}

// with returns the listeners with ACME that have a service, the public one first.
func (n *names) with(has func(l *config.ListenerInfo) bool) []*config.ListenerInfo {
	var all []*config.ListenerInfo
	for _, name := range slices.Sorted(maps.Keys(n.snap.Listeners)) {
		l := n.snap.Listeners[name]
		if l.TLS == nil || l.TLS.ACME == "" || !has(l) {
			continue
		}
		if name == "public" {
			all = slices.Insert(all, 0, l)
		} else {
			all = append(all, l)
		}
	}
	return all
}

func (n *names) listeners() {
	for _, l := range n.with(func(*config.ListenerInfo) bool { return true }) {
		h := n.add(l, l.Hostname.ASCII, true)
		// Of several listeners with one name, the first that has keys.
		k := HostKeys{l.HostECDSAKey, l.HostRSAKey, l.NextHostECDSAKey, l.NextHostRSAKey}
		if h.Keys == (HostKeys{}) {
			h.Keys = k
		}
	}
}

func (n *names) domains() {
	autoconfig := n.with(func(l *config.ListenerInfo) bool { return l.AutoconfigHTTPS.Enabled && !l.AutoconfigHTTPS.NonTLS })
	mtasts := n.with(func(l *config.ListenerInfo) bool { return l.MTASTSHTTPS.Enabled && !l.MTASTSHTTPS.NonTLS })
	clients := n.with(forClients)
	for _, d := range n.snap.Domains {
		if d.Config.Disabled || d.ReportsOnly {
			continue
		}
		for _, l := range autoconfig {
			n.add(l, "autoconfig."+d.Domain.ASCII, true)
		}
		for _, l := range mtasts {
			if d.MTASTS != nil {
				n.add(l, "mta-sts."+d.Domain.ASCII, false)
			}
		}
		for _, l := range clients {
			if c := d.ClientSettingsDomain.ASCII; c != "" {
				n.add(l, c, true)
			}
		}
	}
}

// forClients tells whether users' programs connect to a listener.
func forClients(l *config.ListenerInfo) bool {
	return l.Submission.Enabled || l.Submissions.Enabled || l.IMAP.Enabled || l.IMAPS.Enabled ||
		l.AccountHTTPS.Enabled || l.WebmailHTTPS.Enabled || l.WebAPIHTTPS.Enabled || l.JMAPHTTPS.Enabled
}

func (n *names) web() {
	for _, l := range n.with(func(l *config.ListenerInfo) bool { return l.WebserverHTTPS.Enabled }) {
		for _, h := range n.snap.WebHandlers {
			n.add(l, h.Domain.ASCII, false)
		}
		for from := range n.snap.WebDomainRedirects {
			n.add(l, from.ASCII, false)
		}
	}
}
