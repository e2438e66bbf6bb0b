package outbound

import (
	"mox/config"
	"mox/dns"
	"mox/smtpclient"
)

// smarthost is a server that mail is handed to.
type smarthost struct {
	*config.TransportSMTP
	port      int
	immediate bool
}

// decision: what the administrator has set is what counts; TLS is never given up.
func (h *smarthost) decision(wish tlsWish) tlsDecision {
	d := tlsDecision{Mode: smtpclient.TLSRequired, PKIX: checkRequire, Extension: wish == tlsRequired}
	switch {
	case h.immediate:
		d.Mode = smtpclient.TLSImmediate
	case h.NoSTARTTLS:
		d.Mode, d.PKIX = smtpclient.TLSNone, checkNone
	case h.STARTTLSInsecureSkipVerify:
		d.PKIX = checkNone
	}
	if wish == tlsRequired && d.PKIX != checkRequire {
		d.Refused, d.Permanent = refusedNoPolicy, true
	}
	return d
}

// login returns what to authenticate with; nil: nothing.
func (h *smarthost) login() *smtpclient.Login {
	if h.Auth == nil {
		return nil
	}
	l := &smtpclient.Login{Username: h.Auth.Username, Password: h.Auth.Password, Mechanisms: h.Auth.Mechanisms}
	if len(l.Mechanisms) == 0 {
		l.Mechanisms = config.DefaultAuthMechanisms()
	}
	// PLAIN in plaintext only where the administrator wants both.
	l.Cleartext = h.NoSTARTTLS
	return l
}

// hostDomain is the name, which the configuration has checked.
func (h *smarthost) hostDomain() (dns.Domain, error) { return dns.ParseDomain(h.Host) }
