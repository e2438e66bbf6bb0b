package sasl

import (
	"crypto"
	_ "crypto/sha256" // for the hashes of certificates
	_ "crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"fmt"
)

// Types of channel bindings.
const (
	bindExporter = "tls-exporter"         // RFC 9266
	bindUnique   = "tls-unique"           // RFC 5929 3, up to TLS 1.2
	bindEndPoint = "tls-server-end-point" // RFC 5929 4
)

// CanBind tells whether a mechanism with channel binding is possible on a
// connection; tls may be nil. What a server announces goes by this.
func CanBind(tls *tls.ConnectionState) bool {
	if tls == nil || !tls.HandshakeComplete {
		return false
	}
	_, err := exporter(tls)
	return err == nil || len(tls.TLSUnique) > 0
}

func exporter(cs *tls.ConnectionState) ([]byte, error) {
	// RFC 9266 2: label, no context, 32 octets. Go gives none where it would not be
	// unique: TLS 1.2 without extended master secret.
	return cs.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
}

// bindingData returns the data of a type of channel binding. cert is the server's.
func bindingData(typ string, cs *tls.ConnectionState, cert []byte) ([]byte, error) {
	if cs == nil {
		return nil, fmt.Errorf("%w: no TLS", ErrChannelBinding)
	}
	switch typ {
	case bindExporter:
		b, err := exporter(cs)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrChannelBinding, err)
		}
		return b, nil
	case bindUnique:
		// RFC 9266 3: not defined for TLS 1.3.
		if cs.Version < tls.VersionTLS13 && len(cs.TLSUnique) > 0 {
			return cs.TLSUnique, nil
		}
	case bindEndPoint:
		if len(cert) > 0 {
			return endPoint(cert)
		}
	}
	return nil, fmt.Errorf("%w: type not available", ErrChannelBinding)
}

// endPointHash is RFC 5929 4.1: the hash of the certificate's signature, SHA-256 in
// place of weaker ones.
var endPointHash = map[x509.SignatureAlgorithm]crypto.Hash{
	x509.MD5WithRSA:       crypto.SHA256,
	x509.SHA1WithRSA:      crypto.SHA256,
	x509.ECDSAWithSHA1:    crypto.SHA256,
	x509.SHA256WithRSA:    crypto.SHA256,
	x509.ECDSAWithSHA256:  crypto.SHA256,
	x509.SHA256WithRSAPSS: crypto.SHA256,
	x509.SHA384WithRSA:    crypto.SHA384,
	x509.ECDSAWithSHA384:  crypto.SHA384,
	x509.SHA384WithRSAPSS: crypto.SHA384,
	x509.SHA512WithRSA:    crypto.SHA512,
	x509.ECDSAWithSHA512:  crypto.SHA512,
	x509.SHA512WithRSAPSS: crypto.SHA512,
}

func endPoint(der []byte) ([]byte, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrChannelBinding, err)
	}
	// A signature without a single hash, as of Ed25519, leaves the type undefined.
	h, ok := endPointHash[cert.SignatureAlgorithm]
	if !ok {
		return nil, fmt.Errorf("%w: no hash for the certificate", ErrChannelBinding)
	}
	w := h.New()
	w.Write(cert.Raw)
	return w.Sum(nil), nil
}
