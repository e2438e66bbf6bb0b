package outbound

import "mox/smtpclient"

// tlsWish is what the message says about TLS (RFC 8689).
type tlsWish int

const (
	tlsDefault  tlsWish = iota
	tlsRequired         // REQUIRETLS
	tlsOptional         // TLS-Required: No
)

// stsMode is the mode of the MTA-STS policy of the recipient's domain (RFC 8461 5).
type stsMode int

const (
	stsNone stsMode = iota
	stsTesting
	stsEnforce
)

// daneState is what the TLSA records of a host ask for (RFC 7672).
type daneState int

const (
	daneNone     daneState = iota // none that count: no DNSSEC, or no records
	daneUsable                    // the certificate must match
	daneUnusable                  // RFC 7672 2.2: TLS, but nothing to verify it with
	daneError                     // RFC 7672 2.1.2: it could not be found out
)

// tlsFacts is what is known about a host before the connection.
type tlsFacts struct {
	Wish     tlsWish
	MXSecure bool // DNSSEC vouches for it being a host of the domain
	STS      stsMode
	STSMatch bool // the policy has the host
	DANE     daneState
	// Report: the message is a DMARC report, which tells others' addresses and domains.
	Report bool
}

// check is what is done about a certificate.
type check int

const (
	checkNone    check = iota
	checkObserve       // looked at for reports
	checkRequire
)

// Reasons for which a host is not used.
type refusal string

const (
	refusedDANE     refusal = "TLSA records of the host could not be looked up securely"
	refusedSTS      refusal = "the MTA-STS policy of the domain does not have this host"
	refusedNoPolicy refusal = "the message requires TLS, and neither DNSSEC nor MTA-STS vouches for this host"
)

// tlsDecision is how to connect to a host.
type tlsDecision struct {
	// Refused says why the host cannot be used; "": it can.
	Refused   refusal
	Permanent bool // of Refused: waiting does not help

	Mode smtpclient.TLSMode
	PKIX check // the certificate is valid for the host by WebPKI
	DANE check // it matches the TLSA records
	// Plaintext: when TLS fails, connect again without.
	Plaintext bool
	// Extension: the host must have REQUIRETLS.
	Extension bool
	// Ignored are the policies that TLS-Required: No has set aside, with the names of
	// metrics.
	Ignored []string
}

// verified tells whether a connection made so is known to be with the right host.
func (d tlsDecision) verified() bool { return d.PKIX == checkRequire || d.DANE == checkRequire }

// decide says how to connect to a host. It is the one place for what wins over what.
func decide(f tlsFacts) tlsDecision {
	switch f.Wish {
	case tlsRequired:
		return decideRequired(f)
	case tlsOptional:
		return decideOptional(f)
	}
	d := tlsDecision{Mode: smtpclient.TLSOpportunistic, Plaintext: !f.Report}
	d.follow(f)
	return d
}

// follow applies the policies of the domain and the host. RFC 8461 2: neither sets the
// other aside. A host that has both must satisfy both.
func (d *tlsDecision) follow(f tlsFacts) {
	switch f.DANE {
	case daneError:
		// RFC 7672 2.1.2: whoever can make lookups fail must not be able to turn DANE off.
		d.Refused = refusedDANE
		return
	case daneUsable:
		d.Mode, d.DANE, d.Plaintext = smtpclient.TLSRequired, checkRequire, false
	case daneUnusable:
		d.Mode, d.Plaintext = smtpclient.TLSRequired, false
	}
	switch f.STS {
	case stsEnforce:
		if !f.STSMatch {
			// RFC 8461 5: "must not deliver". Policies change, so it is tried again.
			d.Refused = refusedSTS
			return
		}
		d.Mode, d.PKIX, d.Plaintext = smtpclient.TLSRequired, checkRequire, false
	case stsTesting:
		d.PKIX = checkObserve
	}
}

// decideRequired is RFC 8689 4.2.1: also the way to the name of the host must be safe,
// and its certificate must be right.
func decideRequired(f tlsFacts) tlsDecision {
	d := tlsDecision{Mode: smtpclient.TLSRequired, Extension: true}
	d.follow(f)
	if d.Refused != "" {
		return d
	}
	if !f.MXSecure && !(f.STS != stsNone && f.STSMatch) {
		d.Refused, d.Permanent = refusedNoPolicy, true
		return d
	}
	if d.DANE != checkRequire {
		d.PKIX = checkRequire
	}
	return d
}

// decideOptional is RFC 8689 4.2.2: follow what the domain wants, but do not fail.
func decideOptional(f tlsFacts) tlsDecision {
	d := tlsDecision{Mode: smtpclient.TLSOpportunistic, Plaintext: true}
	switch f.DANE {
	case daneError:
		d.Ignored = append(d.Ignored, "badtlsa")
	case daneUsable:
		d.DANE = checkObserve
	}
	switch f.STS {
	case stsEnforce, stsTesting:
		d.PKIX = checkObserve
		if f.STS == stsEnforce && !f.STSMatch {
			d.Ignored = append(d.Ignored, "mtastsmx")
		}
	}
	return d
}

// modeLabel names the decision in metrics.
func (d tlsDecision) modeLabel(f tlsFacts, tls bool) string {
	s := map[smtpclient.TLSMode]string{
		smtpclient.TLSNone: "skip", smtpclient.TLSOpportunistic: "opportunistic", smtpclient.TLSRequired: "requiredstarttls", smtpclient.TLSImmediate: "immediate",
	}[d.Mode]
	if d.Mode == smtpclient.TLSOpportunistic && !tls {
		s = "skip"
	}
	if f.STS == stsEnforce && d.PKIX == checkRequire {
		s += "+mtasts"
	}
	if d.DANE == checkRequire {
		s += "+dane"
	}
	return s
}
