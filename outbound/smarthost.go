package outbound

import (
	"context"
	"crypto/tls"
	"slices"

	"mox/config"
	"mox/dns"
	"mox/sasl"
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

// login returns what to authenticate with, which may be a token; the zero value has no
// credentials.
func (h *smarthost) login(token string) smtpclient.Login {
	l := smtpclient.Login{Username: h.Auth.Username, Password: h.Auth.Password, Mechanisms: h.Auth.Mechanisms, Host: h.Host, Port: h.port}
	if h.Auth.OAuth != nil {
		l.Password = token
		if len(l.Mechanisms) == 0 {
			l.Mechanisms = config.OAuthMechanisms()
		}
	}
	if len(l.Mechanisms) == 0 {
		l.Mechanisms = config.DefaultAuthMechanisms()
	}
	// PLAIN in plaintext only where the administrator wants both.
	l.Cleartext = h.NoSTARTTLS
	return l
}

// authenticate sets what a session with a smarthost logs in with. used is set to the token
// that was.
func (o *Outbound) authenticate(ctx context.Context, t *transaction, h *smarthost, opts *smtpclient.Options, used *string) {
	switch {
	case h.Auth == nil:
	case h.Auth.ClientCertificate != nil:
		if cert, ok := t.snapshot.ClientCertificates[t.b.route.name]; ok && opts.TLSConfig != nil {
			opts.TLSConfig.Certificates = []tls.Certificate{cert}
		}
		opts.Auth = h.external
	case h.Auth.OAuth != nil:
		opts.Auth = func(offered []string, cs *tls.ConnectionState) (string, sasl.Client, error) {
			token, err := o.tokens.get(ctx, t.snapshot, t.b.route.name, h.Auth.OAuth)
			if err != nil {
				return "", nil, err
			}
			*used = token
			return h.login(token).Auth(offered, cs)
		}
	default:
		opts.Auth = h.login("").Auth
	}
}

// external authenticates by certificate. A server that does not offer that takes it from TLS,
// or says what it wants when it gets the message.
func (h *smarthost) external(offered []string, cs *tls.ConnectionState) (string, sasl.Client, error) {
	if cs == nil || !slices.Contains(offered, sasl.External) {
		return "", nil, nil
	}
	client, err := sasl.NewClient(sasl.External, sasl.Credentials{Authzid: h.Auth.Username, TLS: cs})
	return sasl.External, client, err
}

// hostDomain is the name, which the configuration has checked.
func (h *smarthost) hostDomain() (dns.Domain, error) { return dns.ParseDomain(h.Host) }
