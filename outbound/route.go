package outbound

import (
	"fmt"
	"time"

	"mox/config"
	"mox/queue"
)

// route is how a message goes.
type route struct {
	name      string // of the transport; "": direct
	transport config.Transport
	waits     []time.Duration // nil: default
	conns     int             // 0: default
	// missing: an administrator has chosen a transport that is not there any more.
	missing bool
}

// routeOf finds the route of a message: the transport that an administrator has given to
// it, or the first route that matches, of the account, the sender's domain, and global.
func routeOf(s *config.Snapshot, m *queue.Message) route {
	if m.Local {
		return route{}
	}
	if m.Transport != "" {
		t, ok := s.Transport(m.Transport)
		return route{name: m.Transport, transport: t, waits: t.Retry, conns: t.MaxConnections, missing: !ok}
	}
	var routes [][]config.RouteInfo
	if a := s.Accounts[m.Account]; a != nil {
		routes = append(routes, a.Routes)
	}
	if d := s.Domain(m.SenderDomain); d != nil {
		routes = append(routes, d.Routes)
	}
	for _, l := range append(routes, s.Routes) {
		for i := range l {
			if l[i].Matches(m.SenderDomain, m.RecipientDomain, m.Attempts) {
				return newRoute(&l[i])
			}
		}
	}
	return route{}
}

// Transport returns the name of the transport that a message would go by; "": it goes to the servers of
// its recipient directly.
func Transport(s *config.Snapshot, m *queue.Message) string {
	r := routeOf(s, m)
	return r.name
}

func newRoute(i *config.RouteInfo) route {
	r := route{name: i.Config.Transport, transport: *i.Transport, waits: i.Config.Retry, conns: i.Config.MaxConnections}
	if r.waits == nil {
		r.waits = r.transport.Retry
	}
	if r.conns == 0 {
		r.conns = r.transport.MaxConnections
	}
	return r
}

// smarthost returns the server that all mail of the route is handed to; nil: none.
func (r *route) smarthost() *smarthost {
	switch t := r.transport; {
	case t.Submissions != nil:
		return &smarthost{t.Submissions, orPort(t.Submissions.Port, 465), true}
	case t.Submission != nil:
		return &smarthost{t.Submission, orPort(t.Submission.Port, 587), false}
	case t.SMTP != nil:
		return &smarthost{t.SMTP, orPort(t.SMTP.Port, 25), false}
	}
	return nil
}

func orPort(port, def int) int {
	if port == 0 {
		return def
	}
	return port
}

// lane returns the name of what shares connections and what is learned: a server that
// mail is handed to, or a domain by a transport, or this server.
func (r *route) lane(m *queue.Message) string {
	switch {
	case m.Local:
		return m.Destination()
	case r.missing || r.transport.Fail != nil || r.smarthost() != nil:
		return "transport " + r.name
	}
	return fmt.Sprintf("domain %s %s", m.Destination(), r.name)
}
