package imapserver

import (
	"context"

	"mox/imap"
)

const maxIDLogged = 200

// cmdID is ID, RFC 2971. The version is told only to those who have logged in.
func (s *session) cmdID(ctx context.Context, r *imap.Request) error {
	id := r.Args.(*imap.ID)
	// RFC 2971 3.3: field names are at most 30 octets, values 1024. A client that says more
	// than that of itself is no reason to do without it.
	for i := range id.Params {
		f := &id.Params[i]
		f.Key, f.Value = f.Key[:min(len(f.Key), 30)], f.Value[:min(len(f.Value), 1024)]
	}
	s.logClientID(id)
	if s.account != nil && s.srv.cfg.Hooks.ClientID != nil {
		s.srv.cfg.Hooks.ClientID(ctx, s.principal, id.Params)
	}
	b := append(s.output(), `* ID ("name" "mox"`...)
	if s.account != nil && s.srv.cfg.Version != "" {
		b = append(b, ` "version" `...)
		b = imap.AppendString(b, s.srv.cfg.Version, false)
	}
	s.out = append(b, ")\r\n"...)
	return nil
}

func (s *session) logClientID(id *imap.ID) {
	args := make([]any, 0, 2*len(id.Params))
	for _, f := range id.Params {
		v := f.Value
		if len(v) > maxIDLogged {
			v = v[:maxIDLogged]
		}
		args = append(args, "client."+f.Key, v)
	}
	s.logger().Info("client id", args...)
}
