package discovery

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// Object identifiers of CMS (RFC 5652), and of signatures (RFC 5754).
var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	oidSHA256        = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidRSA           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidECDSASHA256   = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
)

// contentInfo is ContentInfo (RFC 5652 3).
type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue // explicit tag 0
}

// encapContentInfo is EncapsulatedContentInfo (RFC 5652 5.2).
type encapContentInfo struct {
	Type    asn1.ObjectIdentifier
	Content []byte `asn1:"explicit,tag:0"`
}

// signedData is SignedData (RFC 5652 5.1).
type signedData struct {
	Version          int
	DigestAlgorithms []pkix.AlgorithmIdentifier `asn1:"set"`
	EncapContentInfo encapContentInfo
	Certificates     asn1.RawValue
	SignerInfos      []signerInfo `asn1:"set"`
}

// signerInfo is SignerInfo (RFC 5652 5.3).
type signerInfo struct {
	Version            int
	SID                issuerAndSerialNumber
	DigestAlgorithm    pkix.AlgorithmIdentifier
	SignedAttrs        asn1.RawValue
	SignatureAlgorithm pkix.AlgorithmIdentifier
	Signature          []byte
}

type issuerAndSerialNumber struct {
	Issuer       asn1.RawValue
	SerialNumber *big.Int
}

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values []any `asn1:"set"`
}

var errNoSigner = errors.New("certificate has no key of a kind that signs")

// signCMS returns content in a message of CMS, signed with SHA-256 by a certificate, RSA or
// ECDSA, which is in the message with those above it.
func signCMS(cert *tls.Certificate, content []byte, now time.Time) ([]byte, error) {
	signer, ok := cert.PrivateKey.(crypto.Signer)
	if !ok || len(cert.Certificate) == 0 {
		return nil, errNoSigner
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("parsing certificate: %w", err)
	}
	sha := pkix.AlgorithmIdentifier{Algorithm: oidSHA256, Parameters: asn1.NullRawValue}
	info := signerInfo{Version: 1, SID: issuerAndSerialNumber{asn1.RawValue{FullBytes: leaf.RawIssuer}, leaf.SerialNumber}, DigestAlgorithm: sha}
	switch signer.Public().(type) {
	case *rsa.PublicKey:
		info.SignatureAlgorithm = pkix.AlgorithmIdentifier{Algorithm: oidRSA, Parameters: asn1.NullRawValue}
	case *ecdsa.PublicKey:
		info.SignatureAlgorithm = pkix.AlgorithmIdentifier{Algorithm: oidECDSASHA256}
	default:
		return nil, errNoSigner
	}
	attrs, err := signedAttrs(content, now)
	if err != nil {
		return nil, err
	}
	// RFC 5652 5.4: it is the SET that is signed, and what is in the message has another tag.
	digest := sha256.Sum256(attrs)
	if info.Signature, err = signer.Sign(rand.Reader, digest[:], crypto.SHA256); err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	implicit := append([]byte(nil), attrs...)
	implicit[0] = 0xa0
	info.SignedAttrs = asn1.RawValue{FullBytes: implicit}

	var chain []byte
	for _, der := range cert.Certificate {
		chain = append(chain, der...)
	}
	inner, err := asn1.Marshal(signedData{
		Version: 1, DigestAlgorithms: []pkix.AlgorithmIdentifier{sha}, EncapContentInfo: encapContentInfo{oidData, content},
		Certificates: tagged(chain),
		SignerInfos:  []signerInfo{info},
	})
	if err != nil {
		return nil, fmt.Errorf("encoding signature: %w", err)
	}
	return asn1.Marshal(contentInfo{oidSignedData, tagged(inner)})
}

// tagged returns what is in tag 0.
func tagged(der []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: der}
}

// signedAttrs returns the attributes that are signed (RFC 5652 11), as SET in DER.
func signedAttrs(content []byte, now time.Time) ([]byte, error) {
	digest := sha256.Sum256(content)
	attrs := []attribute{
		{oidContentType, []any{oidData}},
		{oidSigningTime, []any{now.UTC().Truncate(time.Second)}},
		{oidMessageDigest, []any{digest[:]}},
	}
	der, err := asn1.MarshalWithParams(attrs, "set")
	if err != nil {
		return nil, fmt.Errorf("encoding attributes: %w", err)
	}
	return der, nil
}
