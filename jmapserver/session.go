package jmapserver

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"

	"mox/jmap"
	"mox/message"
	"mox/store"
)

// capabilities are those of all accounts: the value in the session, and that in each account.
var capabilities = map[string]struct {
	session func(s *Server) any
	account func(s *Server) any // nil: accounts do not have it
}{
	jmap.CapabilityCore:       {session: func(s *Server) any { return s.coreCapability() }},
	jmap.CapabilityMail:       {session: func(*Server) any { return struct{}{} }, account: func(s *Server) any { return s.mailCapability() }},
	jmap.CapabilitySubmission: {session: func(*Server) any { return struct{}{} }, account: func(s *Server) any { return s.submissionCapability() }},
}

func (s *Server) coreCapability() jmap.CoreCapability {
	l := s.c.Limits
	var names []string
	for _, c := range message.Collations {
		names = append(names, c.String())
	}
	return jmap.CoreCapability{
		MaxSizeUpload: l.Upload, MaxConcurrentUpload: l.Uploads, MaxSizeRequest: l.Request, MaxConcurrentRequests: l.Concurrent,
		MaxCallsInRequest: l.Calls, MaxObjectsInGet: l.Get, MaxObjectsInSet: l.Set,
		CollationAlgorithms: names,
	}
}

// maxMailboxName is the most octets of the name of a mailbox: the names above it count for the store, too.
const maxMailboxName = 200

// mailCapability is RFC 8621 1.3.1.
func (s *Server) mailCapability() jmap.MailCapability {
	depth := store.MaxNameDepth
	return jmap.MailCapability{
		MaxMailboxDepth: &depth, MaxSizeMailboxName: maxMailboxName, MaxSizeAttachmentsPerEmail: min(s.c.Limits.Upload, s.c.Limits.Message),
		EmailQuerySortOptions: emailSortOptions, MayCreateTopLevelMailbox: true,
	}
}

// accountID is the id of an account: its name can have letters that an id cannot.
func accountID(name string) jmap.ID {
	return jmap.ID("A" + base64.RawURLEncoding.EncodeToString([]byte(name)))
}

// session makes the session resource of the user, RFC 8620 2.
func (q *request) session() (*jmap.Session, error) {
	id := accountID(q.user.Account)
	base := q.base()
	v := &jmap.Session{
		Capabilities: map[string]any{}, PrimaryAccounts: map[string]jmap.ID{}, Username: q.user.Login,
		APIURL: base + "api", DownloadURL: base + "download/{accountId}/{blobId}/{name}?type={type}", UploadURL: base + "upload/{accountId}",
		EventSourceURL: base + "eventsource?types={types}&closeafter={closeafter}&ping={ping}",
	}
	account := jmap.Account{Name: q.user.Account, IsPersonal: true, AccountCapabilities: map[string]any{}}
	for name, c := range capabilities {
		v.Capabilities[name] = c.session(q.s)
		if c.account != nil {
			account.AccountCapabilities[name] = c.account(q.s)
			v.PrimaryAccounts[name] = id
		}
	}
	v.Accounts = map[jmap.ID]jmap.Account{id: account}
	// The state is a hash of the rest, which changes when anything does.
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(b)
	v.State = base64.RawURLEncoding.EncodeToString(hash[:9])
	return v, nil
}

// base is the URL below which everything is, with a slash at its end: what came before the path that was left when this
// was mounted.
func (q *request) base() string {
	whole, _, _ := strings.Cut(q.r.RequestURI, "?")
	if strings.HasPrefix(whole, "http") { // absolute form, RFC 9112 3.2.2
		if _, rest, ok := strings.Cut(whole, "://"); ok {
			_, rest, _ = strings.Cut(rest, "/")
			whole = "/" + rest
		}
	}
	path := strings.TrimSuffix(whole, strings.TrimPrefix(q.r.URL.EscapedPath(), "/"))
	if q.web {
		return path
	}
	scheme := "http"
	if q.r.TLS != nil || strings.EqualFold(q.r.Header.Get("X-Forwarded-Proto"), "https") {
		scheme = "https"
	}
	return scheme + "://" + q.r.Host + path
}

// serveSession answers with the session resource.
func (q *request) serveSession(string) {
	v, err := q.session()
	if err != nil {
		q.problem(err)
		return
	}
	q.answer(http.StatusOK, "application/json", v)
}
