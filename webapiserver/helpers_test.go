package webapiserver

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mox/auth"
	"mox/directory"
	"mox/message"
	"mox/queue"
	"mox/smtp"
	"mox/store"
	"mox/storetest"
	"mox/submit"
	"mox/trace"
	"mox/webapi"
)

// credentials are those of the password, which are slow to make.
var credentials = sync.OnceValue(func() []byte {
	c, err := auth.NewCredentials(password)
	if err != nil {
		panic(err)
	}
	b, _ := c.Marshal()
	return b
})

// logins is an auth.Directory of a fixture.
type logins struct{ dir *directory.Directory }

func (l logins) Login(name string) (auth.Account, error) {
	a, err := l.dir.Login(name)
	if err != nil {
		return auth.Account{}, auth.ErrCredentials
	}
	return auth.Account{Name: a.Name, LoginDisabled: a.Config.LoginDisabled}, nil
}

// secrets are in memory.
type secrets struct {
	sync.Mutex
	passwords, tokens map[string][]byte
}

func (s *secrets) Secret(_ context.Context, account string) ([]byte, error) {
	return s.passwords[account], nil
}
func (s *secrets) SetSecret(_ context.Context, account string, b []byte) error {
	s.passwords[account] = b
	return nil
}
func (s *secrets) Tokens(_ context.Context, account string) ([]byte, error) {
	s.Lock()
	defer s.Unlock()
	return s.tokens[account], nil
}
func (s *secrets) SetTokens(_ context.Context, account string, b []byte) error {
	s.Lock()
	defer s.Unlock()
	s.tokens[account] = b
	return nil
}

// outbox is a Sender that keeps messages.
type outbox struct {
	dir *directory.Directory

	mu   sync.Mutex
	sent []submit.Request
	raw  []string
	once map[string]submit.Sent // by key
	hash map[string][]byte
	err  error
}

func (o *outbox) Send(_ context.Context, who submit.Sender, m submit.Request) (submit.Sent, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return submit.Sent{}, o.err
	}
	if !o.dir.MayUse(who.Account, m.From.Address()) {
		return submit.Sent{}, &submit.Refusal{Result: "badfrom", Reply: smtp.Errorf(550, "5.7.1", "not yours")}
	}
	if stored, ok := o.once[m.Key]; ok && m.Key != "" {
		if !bytes.Equal(o.hash[m.Key], m.Hash) {
			return submit.Sent{}, smtp.WrapErrorf(queue.ErrOnceDiffers, 554, "5.5.4", "differs")
		}
		stored.Again = true
		return stored, nil
	}
	b, err := io.ReadAll(m.Content)
	if err != nil {
		return submit.Sent{}, err
	}
	s := submit.Sent{MessageID: message.ParseMessageIDs(message.ParseHeader(b).Get("Message-ID"), 1)[0]}
	for i, r := range m.To {
		s.Queued = append(s.Queued, submit.Queued{To: r.To.XString(true), ID: int64(100*len(o.sent) + i + 1)})
	}
	o.sent, o.raw = append(o.sent, m), append(o.raw, string(b))
	o.once[m.Key], o.hash[m.Key] = s, m.Hash
	return s, nil
}

// suppressions are in memory.
type suppressions struct{ list []queue.Suppression }

func (l *suppressions) find(account string, a smtp.Path) int {
	return slices.IndexFunc(l.list, func(s queue.Suppression) bool {
		return s.Account == account && s.OriginalAddress == a.Address().String()
	})
}
func (l *suppressions) SuppressionList(_ context.Context, account string) ([]queue.Suppression, error) {
	return l.list, nil
}
func (l *suppressions) SuppressionAdd(_ context.Context, account string, a smtp.Path, manual bool, reason string) (queue.Suppression, error) {
	if l.find(account, a) >= 0 {
		return queue.Suppression{}, queue.ErrExists
	}
	s := queue.Suppression{ID: 1, Account: account, BaseAddress: a.Address().String(), OriginalAddress: a.Address().String(), Manual: manual, Reason: reason, Created: time.Unix(1, 0).UTC()}
	l.list = append(l.list, s)
	return s, nil
}
func (l *suppressions) SuppressionRemove(_ context.Context, account string, a smtp.Path) error {
	i := l.find(account, a)
	if i < 0 {
		return queue.ErrNotFound
	}
	l.list = slices.Delete(l.list, i, i+1)
	return nil
}
func (l *suppressions) SuppressionLookup(_ context.Context, account string, a smtp.Path) (*queue.Suppression, error) {
	if i := l.find(account, a); i >= 0 {
		return &l.list[i], nil
	}
	return nil, nil
}

type fixture struct {
	*storetest.Fixture
	auth    *auth.Service
	outbox  *outbox
	server  *Server
	url     string // with the path at which the API is
	client  *webapi.Client
	results []string
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{Fixture: storetest.New(t, domains)}
	s := &secrets{passwords: map[string][]byte{}, tokens: map[string][]byte{}}
	f.auth = auth.New(auth.Config{Directory: logins{f.Directory}, Secrets: s, Tokens: s, Limiter: &limiter{}})
	for _, account := range []string{"mjl", "other", "off"} {
		s.passwords[account] = credentials()
	}
	f.outbox = &outbox{dir: f.Directory, once: map[string]submit.Sent{}, hash: map[string][]byte{}}
	var mu sync.Mutex
	f.server = New(Config{
		Auth: f.auth, Store: f.Store, Send: f.outbox, Suppressions: &suppressions{}, Hostname: "mx.example",
		Limits: Limits{Body: 1 << 20, JSON: 1 << 20, Message: 1 << 20, Wait: time.Second},
		Metrics: Metrics{Result: func(method, result string, _ time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			f.results = append(f.results, method+" "+result)
		}},
	})
	hs := httptest.NewServer(http.StripPrefix("/webapi", f.server))
	t.Cleanup(hs.Close)
	f.url = hs.URL + "/webapi/"
	f.client = &webapi.Client{BaseURL: f.url, Username: "mjl@mx.example", Password: password}
	return f
}

// limiter refuses after ten failures.
type limiter struct {
	sync.Mutex
	n int
}

func (l *limiter) Allowed(netip.Addr, time.Time) bool {
	l.Lock()
	defer l.Unlock()
	return l.n < 10
}
func (l *limiter) Failed(netip.Addr, time.Time, uint64) {
	l.Lock()
	defer l.Unlock()
	l.n++
}
func (l *limiter) Succeeded(netip.Addr, time.Time) {
	l.Lock()
	defer l.Unlock()
	l.n = 0
}

func (f *fixture) last(t *testing.T) (submit.Request, string) {
	t.Helper()
	f.outbox.mu.Lock()
	defer f.outbox.mu.Unlock()
	if len(f.outbox.raw) == 0 {
		t.Fatal("nothing was sent")
	}
	i := len(f.outbox.raw) - 1
	return f.outbox.sent[i], f.outbox.raw[i]
}

// tree is the structure of a message on a line.
func tree(p *message.Part) string {
	if !p.IsMultipart() {
		return cmp.Or(p.Disposition, "-") + ":" + p.MediaType()
	}
	var l []string
	for _, c := range p.Parts {
		l = append(l, tree(c))
	}
	return p.Subtype + "(" + strings.Join(l, " ") + ")"
}

func (f *fixture) account(t *testing.T, name string) *store.Account {
	t.Helper()
	acc, err := f.Store.Account(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(acc.Release)
	return acc
}

func (f *fixture) deliver(t *testing.T, account, text string) store.MessageID {
	t.Helper()
	sp := f.Store.NewSpool()
	defer sp.Close()
	sp.Write([]byte(text))
	if err := sp.Finish(); err != nil {
		t.Fatal(err)
	}
	tr := trace.Trace{Time: time.Now(), Account: account, Facts: trace.Facts{
		MailFrom: "remote@example.com", RcptTo: "mjl@mx.example", From: "remote@example.com", Validation: trace.ValidationDMARC,
		SPF: []trace.SPF{{Identity: "mailfrom", Status: "pass"}}, DKIM: []trace.DKIM{{Domain: "example.com", Status: "pass"}, {Domain: "bad.example", Status: "fail"}},
	}}
	b, err := tr.Encode()
	if err != nil {
		t.Fatal(err)
	}
	added, err := f.account(t, account).Deliver(t.Context(), "Inbox", store.NewMessage{Spool: sp, Trace: b})
	if err != nil {
		t.Fatal(err)
	}
	return added.IDs[0]
}

// response is one that was read.
type response struct {
	status int
	header http.Header
	body   string
}

func do(t *testing.T, req *http.Request) response {
	t.Helper()
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return response{resp.StatusCode, resp.Header, string(b)}
}

func (f *fixture) request(t *testing.T, method, contentType string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequest("POST", f.url+"v0/"+method, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.SetBasicAuth("mjl@mx.example", password)
	return req
}

func multipartForm(fields ...string) (string, io.Reader) {
	var b bytes.Buffer
	mw := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		if strings.HasSuffix(fields[i], "file") {
			w, _ := mw.CreateFormFile(fields[i], "f.txt")
			io.WriteString(w, fields[i+1])
		} else {
			mw.WriteField(fields[i], fields[i+1])
		}
	}
	mw.Close()
	return mw.FormDataContentType(), &b
}
