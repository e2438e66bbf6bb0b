package admin

import (
	"context"
	"errors"
	"fmt"

	"mox/autotls"
)

// Certificates has the TLS certificates of the server.
type Certificates interface {
	// CertificateStatus returns all certificates.
	CertificateStatus() []autotls.CertStatus
	// RenewCertificate asks for the certificates of a name anew.
	RenewCertificate(name string, force bool) error
}

// CertificateList returns the TLS certificates that there are, and those that are to be.
func (a *Admin) CertificateList() []autotls.CertStatus {
	if a.Certificates == nil {
		return nil
	}
	return a.Certificates.CertificateStatus()
}

// CertificateRenew asks for the certificates of a name anew, in the background. Force is for more
// often than authorities like.
func (a *Admin) CertificateRenew(ctx context.Context, actor Actor, name string, force bool) (rerr error) {
	defer func() { a.audit(ctx, actor, "renew certificate", rerr, "name", name, "force", force) }()
	if a.Certificates == nil {
		return fmt.Errorf("certificate for %q: %w", name, ErrNotFound)
	}
	err := a.Certificates.RenewCertificate(name, force)
	if errors.Is(err, autotls.ErrNoName) {
		return fmt.Errorf("no certificate is gotten by ACME for %q: %w", name, ErrNotFound)
	}
	return err
}
