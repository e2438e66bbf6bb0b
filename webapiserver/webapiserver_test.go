package webapiserver

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
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

const domains = `Domains:
	mx.example: nil
Accounts:
	mjl:
		Domain: mx.example
		Destinations:
			mjl@mx.example: nil
			møx@mx.example: nil
	other:
		Domain: mx.example
		Destinations:
			other@mx.example: nil
	off:
		Domain: mx.example
		LoginDisabled: gone fishing
		Destinations:
			off@mx.example: nil
`

const password = "correct horse"

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
func (l *limiter) Failed(netip.Addr, time.Time) {
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

func simple() webapi.SendRequest {
	return webapi.SendRequest{Message: webapi.Message{
		To: []webapi.NameAddress{{Name: "Other", Address: "other@mx.example"}}, Subject: "Grüße", Text: "Hello\nworld é\n",
	}}
}

func TestSend(t *testing.T) {
	f := newFixture(t)
	yes, no := true, false
	release := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	png := []byte("\x89PNG\r\n\x1a\n")
	for _, tc := range []struct {
		name string
		edit func(r *webapi.SendRequest)
		tree string
		has  []string // in the message
		test func(s submit.Request) bool
	}{
		{"text", func(r *webapi.SendRequest) {}, "-:text/plain", []string{
			"From: mjl@mx.example\r\n", "To: Other <other@mx.example>\r\n", "Subject: =?utf-8?", "Content-Transfer-Encoding: quoted-printable\r\n", "world =C3=A9\r\n", "Date: ", "MIME-Version: 1.0\r\n",
		}, func(s submit.Request) bool {
			return !s.Params.SMTPUTF8 && s.Params.HoldUntil.IsZero() && s.RequireTLS == nil && len(s.To) == 1
		}},
		{"html", func(r *webapi.SendRequest) { r.Text, r.HTML = "", "<p>hi</p>" }, "-:text/html", nil, nil},
		{"both", func(r *webapi.SendRequest) { r.HTML = "<p>hi</p>" }, "alternative(-:text/plain -:text/html)", nil, nil},
		{"files", func(r *webapi.SendRequest) {
			r.HTML = `<img src="cid:logo@x">`
			r.InlineFiles = []webapi.File{{Name: "logo.png", ContentID: "logo@x", Data: png}}
			r.AttachedFiles = []webapi.File{{Name: "räport \".txt", Data: []byte("report\n")}, {Name: "x", ContentType: "application/pdf", Data: []byte("%PDF")}}
			r.AlternativeFiles = []webapi.File{{ContentType: "text/calendar; method=REQUEST", Data: []byte("BEGIN:VCALENDAR\r\n")}}
		}, "mixed(related(alternative(-:text/plain -:text/html -:text/calendar) inline:image/png) attachment:text/plain attachment:application/pdf)",
			[]string{"Content-ID: <logo@x>\r\n", "method=REQUEST", "filename*="}, nil},
		{"all fields", func(r *webapi.SendRequest) {
			date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
			r.From = []webapi.NameAddress{{Name: "Mechiel, \"L\"", Address: "mjl@mx.example"}}
			r.CC = []webapi.NameAddress{{Address: "a@remote.example"}, {Address: "other@mx.example"}}
			r.BCC = []webapi.NameAddress{{Address: "b@remote.example"}}
			r.ReplyTo = []webapi.NameAddress{{Address: "c@remote.example"}}
			r.MessageID, r.References, r.Date = "<me@x>", []string{"<a@x>", "b@x"}, &date
			r.Headers = []webapi.HeaderField{{"X-Campaign", "Früh ling"}, {"List-Unsubscribe", "<https://x.example/>"}}
			r.Extra = map[string]string{"k": "v"}
			r.RequireTLS, r.FutureRelease = &yes, &release
		}, "-:text/plain", []string{
			`From: "Mechiel, \"L\"" <mjl@mx.example>`, "Cc: a@remote.example, other@mx.example\r\n", "Bcc: b@remote.example\r\n", "Reply-To: c@remote.example\r\n", "Message-ID: <me@x>\r\n",
			"In-Reply-To: <b@x>\r\n", "References: <a@x> <b@x>\r\n", "Date: Fri, 2 Jan 2026 03:04:05 +0100\r\n", "X-Campaign: =?utf-8?", "List-Unsubscribe: <https://x.example/>\r\n",
		}, func(s submit.Request) bool {
			return len(s.To) == 3 && s.Extra["k"] == "v" && *s.RequireTLS && s.Params.HoldUntil.Equal(release)
		}},
		{"tls-required", func(r *webapi.SendRequest) { r.RequireTLS = &no }, "-:text/plain", []string{"TLS-Required: No\r\n"}, nil},
		{"international", func(r *webapi.SendRequest) { r.From = []webapi.NameAddress{{Address: "møx@mx.example"}} }, "-:text/plain", []string{"From: møx@mx.example\r\n", "Subject: Grüße\r\n"}, func(s submit.Request) bool { return s.Params.SMTPUTF8 }},
		{"idn", func(r *webapi.SendRequest) { r.To = []webapi.NameAddress{{Address: "x@bücher.example"}} }, "-:text/plain", []string{"To: x@xn--bcher-kva.example\r\n"}, func(s submit.Request) bool { return !s.Params.SMTPUTF8 }},
	} {
		r := simple()
		tc.edit(&r)
		result, err := f.client.Send(t.Context(), r)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		s, raw := f.last(t)
		part, err := message.Parse(strings.NewReader(raw), message.Limits{})
		if err != nil || tree(part) != tc.tree {
			t.Errorf("%s: structure %s, want %s", tc.name, tree(part), tc.tree)
		}
		for _, want := range append(tc.has, "Message-ID: "+result.MessageID+"\r\n") {
			if !strings.Contains(raw, want) {
				t.Errorf("%s: message lacks %q:\n%s", tc.name, want, raw)
			}
		}
		if tc.test != nil && !tc.test(s) || len(result.Submissions) != len(s.To) || result.Submissions[0].QueueMsgID == 0 {
			t.Errorf("%s: sent %+v, result %+v", tc.name, s, result)
		}
	}
}

func TestSendRefused(t *testing.T) {
	f := newFixture(t)
	many := make([]webapi.NameAddress, 1001)
	for i := range many {
		many[i].Address = fmt.Sprintf("x%d@y.example", i)
	}
	for _, tc := range []struct {
		code webapi.Code
		text string
		edit func(r *webapi.SendRequest)
	}{
		{webapi.CodeBadAddress, "remote@", func(r *webapi.SendRequest) { r.To[0].Address = "remote@" }},
		{webapi.CodeBadAddress, "", func(r *webapi.SendRequest) { r.To[0].Address = "a@b.example\r\nBcc: x@y.example" }},
		{webapi.CodeMissingBody, "", func(r *webapi.SendRequest) { r.Text = "" }},
		{webapi.CodeMultipleFrom, "", func(r *webapi.SendRequest) {
			r.From = []webapi.NameAddress{{Address: "mjl@mx.example"}, {Address: "mjl@mx.example"}}
		}},
		{webapi.CodeBadFrom, "", func(r *webapi.SendRequest) { r.From = []webapi.NameAddress{{Address: "other@mx.example"}} }},
		{webapi.CodeNoRecipients, "", func(r *webapi.SendRequest) { r.To = nil }},
		{webapi.CodeUser, "1000", func(r *webapi.SendRequest) { r.To = many }},
		{webapi.CodeMalformedMessageID, "", func(r *webapi.SendRequest) { r.MessageID = "x@y" }},
		{webapi.CodeMalformedMessageID, "", func(r *webapi.SendRequest) { r.MessageID = "<a@b>\r\nX: <c@d>" }},
		{webapi.CodeMalformedMessageID, "", func(r *webapi.SendRequest) { r.References = []string{"a b"} }},
		{webapi.CodeUser, "line ends", func(r *webapi.SendRequest) { r.Subject = "a\r\nBcc: x@y.example" }},
		{webapi.CodeUser, "name", func(r *webapi.SendRequest) { r.Headers = []webapi.HeaderField{{"X: y\r\nZ", "v"}} }},
		{webapi.CodeUser, "control", func(r *webapi.SendRequest) { r.Headers = []webapi.HeaderField{{"X-A", "v\r\nBcc: x@y.example"}} }},
		{webapi.CodeUser, "cannot be set", func(r *webapi.SendRequest) { r.Headers = []webapi.HeaderField{{"bCC", "x@y.example"}} }},
		{webapi.CodeUser, "cannot be set", func(r *webapi.SendRequest) { r.Headers = []webapi.HeaderField{{"Content-Type", "text/html"}} }},
		{webapi.CodeUser, "media type", func(r *webapi.SendRequest) { r.AttachedFiles = []webapi.File{{ContentType: "x\r\ny"}} }},
		{webapi.CodeUser, "ContentID", func(r *webapi.SendRequest) { r.InlineFiles = []webapi.File{{ContentID: "a\r\nb"}} }},
		{webapi.CodeUser, "two inline", func(r *webapi.SendRequest) { r.InlineFiles = []webapi.File{{ContentID: "a"}, {ContentID: "<a>"}} }},
		{webapi.CodeUser, "IdempotencyKey", func(r *webapi.SendRequest) { r.IdempotencyKey = strings.Repeat("k", 201) }},
		{webapi.CodeUser, "Extra", func(r *webapi.SendRequest) { r.Extra = map[string]string{"": "x"} }},
		{webapi.CodeMessageTooLarge, "", func(r *webapi.SendRequest) {
			r.AttachedFiles = []webapi.File{{Data: bytes.Repeat([]byte("x"), 780000)}}
		}},
		{webapi.CodeMessageTooLarge, "request", func(r *webapi.SendRequest) { r.Text = strings.Repeat("x", 1<<20) }},
	} {
		r := simple()
		tc.edit(&r)
		_, err := f.client.Send(t.Context(), r)
		if !errors.Is(err, &webapi.Error{Code: tc.code}) || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("got %.300v, want %s with %q", err, tc.code, tc.text)
		}
	}
	if len(f.outbox.sent) > 0 {
		t.Errorf("%d messages were sent", len(f.outbox.sent))
	}
	// What the flow behind says.
	for _, tc := range []struct {
		err  error
		code webapi.Code
	}{
		{smtp.Errorf(550, "5.7.2", "only members"), webapi.CodeUser},
		{smtp.Errorf(452, "4.3.1", "full"), webapi.CodeServer},
		{errors.New("secret detail"), webapi.CodeServer},
		{&submit.Refusal{Result: "domaindisabled", Reply: smtp.Errorf(451, "4.3.0", "disabled")}, webapi.CodeDomainDisabled},
		{fmt.Errorf("recipient x: %w", &submit.Refusal{Result: "recipientlimiterror", Reply: smtp.Errorf(452, "4.5.3", "limit")}), webapi.CodeRecipientLimitReached},
	} {
		f.outbox.err = tc.err
		_, err := f.client.Send(t.Context(), simple())
		if !errors.Is(err, &webapi.Error{Code: tc.code}) || strings.Contains(err.Error(), "secret") {
			t.Errorf("sender says %v: %v", tc.err, err)
		}
	}
}

func TestIdempotency(t *testing.T) {
	f := newFixture(t)
	r := simple()
	r.IdempotencyKey = "key"
	first, err := f.client.Send(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	again, err := f.client.Send(t.Context(), r)
	if err != nil || again.MessageID != first.MessageID || len(f.outbox.sent) != 1 || again.Submissions[0] != first.Submissions[0] {
		t.Errorf("again: %+v, %v; first %+v; %d sent", again, err, first, len(f.outbox.sent))
	}
	r.Text = "else"
	if _, err := f.client.Send(t.Context(), r); !errors.Is(err, &webapi.Error{Code: webapi.CodeIdempotencyConflict}) {
		t.Errorf("another message with the key: %v", err)
	}
	// The header field is the same key.
	b, _ := json.Marshal(simple())
	req := f.request(t, "Send", "application/json", bytes.NewReader(b))
	req.Header.Set("Idempotency-Key", "key")
	resp := do(t, req)
	if resp.status != 200 || resp.header.Get("Idempotent-Replayed") != "true" || !strings.Contains(resp.body, first.MessageID[1:10]) {
		t.Errorf("by header: %+v", resp)
	}
}

func TestSendBatch(t *testing.T) {
	f := newFixture(t)
	bad := simple()
	bad.To = nil
	result, err := f.client.SendBatch(t.Context(), webapi.SendBatchRequest{Messages: []webapi.SendRequest{simple(), bad, simple()}})
	if err != nil || len(result.Items) != 3 || result.Items[0].Result == nil || result.Items[1].Error == nil || result.Items[1].Error.Code != webapi.CodeNoRecipients || result.Items[2].Error != nil {
		t.Errorf("%+v, %v", result, err)
	}
	_, err = f.client.SendBatch(t.Context(), webapi.SendBatchRequest{Messages: make([]webapi.SendRequest, 101)})
	if !errors.Is(err, &webapi.Error{Code: webapi.CodeUser}) {
		t.Errorf("large batch: %v", err)
	}
}

func TestSendFiles(t *testing.T) {
	f := newFixture(t)
	r := simple()
	r.HTML = `<img src="cid:a@b">`
	_, err := f.client.SendFiles(t.Context(), r, webapi.Uploads{
		Alternative: []webapi.Upload{{Name: "x.ics", ContentType: "text/calendar", Content: strings.NewReader("BEGIN:VCALENDAR\r\n")}},
		Inline:      []webapi.Upload{{Name: "i.png", ContentType: "image/png", ContentID: "a@b", Content: strings.NewReader("png")}},
		Attached:    []webapi.Upload{{Name: "ä \"b\".bin", Content: bytes.NewReader(bytes.Repeat([]byte{0, 1}, 50000))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, raw := f.last(t)
	p, _ := message.Parse(strings.NewReader(raw), message.Limits{})
	if want := "mixed(related(alternative(-:text/plain -:text/html -:text/calendar) inline:image/png) attachment:application/octet-stream)"; tree(p) != want {
		t.Errorf("structure %s", tree(p))
	}
	if name := p.Parts[1].Filename(); name != `ä "b".bin` {
		t.Errorf("file name %q", name)
	}
	if n, err := p.Parts[1].DecodedSize(strings.NewReader(raw)); n != 100000 || err != nil {
		t.Errorf("size %d", n)
	}
	// A failure while reading a file is the caller's to see, and nothing is sent.
	n := len(f.outbox.sent)
	_, err = f.client.SendFiles(t.Context(), simple(), webapi.Uploads{Attached: []webapi.Upload{{Name: "x", Content: io.MultiReader(strings.NewReader("x"), failing{})}}})
	if err == nil || len(f.outbox.sent) != n {
		t.Errorf("file that cannot be read: %v", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("cannot read") }

func TestSaveSent(t *testing.T) {
	f := newFixture(t)
	r := simple()
	r.SaveSent = true
	r.BCC = []webapi.NameAddress{{Address: "b@remote.example"}}
	if _, err := f.client.Send(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if s, _ := f.last(t); !s.SaveSent {
		t.Error("no copy was asked for")
	}
	acc := f.account(t, "mjl")
	acc.SetQuota(10)
	defer acc.SetQuota(0)
	if _, err := f.client.Send(t.Context(), r); !errors.Is(err, &webapi.Error{Code: webapi.CodeSentOverQuota}) {
		t.Errorf("over quota: %v", err)
	}
	if len(f.outbox.sent) != 1 {
		t.Error("sent although there is no room for the copy")
	}
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

const received = "From: Remote <remote@example.com>\r\nTo: mjl@mx.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <1@example.com>\r\nReferences: <0@example.com>\r\nDate: Mon, 02 Mar 2026 09:30:00 +0000\r\n" +
	"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: multipart/alternative; boundary=y\r\n\r\n--y\r\n\r\nplain\r\n--y\r\nContent-Type: text/html; charset=iso-8859-1\r\n\r\n<b>\xe9</b>\r\n--y--\r\n" +
	"--x\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n--x--\r\n"

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

func TestMessages(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	id := int64(f.deliver(t, "mjl", received))
	m, err := f.client.MessageGet(ctx, webapi.MessageGetRequest{MsgID: id})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(m)
	want := `{"Message":{"From":[{"Name":"Remote","Address":"remote@example.com"}],"To":[{"Name":"","Address":"mjl@mx.example"}],"CC":[],"BCC":[],"ReplyTo":[],"MessageID":"\u003c1@example.com\u003e","References":["\u003c0@example.com\u003e"],"Date":"2026-03-02T09:30:00Z","Subject":"Grüße","Text":"plain","HTML":"\u003cb\u003eé\u003c/b\u003e"},` +
		`"Structure":{"ContentType":"multipart/mixed","ContentTypeParams":{"boundary":"x"},"ContentID":"","ContentDisposition":"","Filename":"","DecodedSize":0,"Parts":[` +
		`{"ContentType":"multipart/alternative","ContentTypeParams":{"boundary":"y"},"ContentID":"","ContentDisposition":"","Filename":"","DecodedSize":0,"Parts":[` +
		`{"ContentType":"text/plain","ContentTypeParams":{},"ContentID":"","ContentDisposition":"","Filename":"","DecodedSize":5,"Parts":[]},{"ContentType":"text/html","ContentTypeParams":{"charset":"iso-8859-1"},"ContentID":"","ContentDisposition":"","Filename":"","DecodedSize":8,"Parts":[]}]},` +
		`{"ContentType":"application/pdf","ContentTypeParams":{"name":"a.pdf"},"ContentID":"","ContentDisposition":"attachment","Filename":"a.pdf","DecodedSize":4,"Parts":[]}]},` +
		fmt.Sprintf(`"Meta":{"Size":%d,"DSN":false,"Flags":[],"MailFrom":"remote@example.com","MailFromValidated":true,"RcptTo":"mjl@mx.example","MsgFrom":"remote@example.com","MsgFromValidated":true,"DKIMVerifiedDomains":["example.com"],"RemoteIP":"","MailboxName":"Inbox"}}`, len(received))
	if string(b) != want {
		t.Errorf("got\n%s\nwant\n%s", b, want)
	}
	read := func(r io.ReadCloser, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got := read(f.client.MessageRawGet(ctx, webapi.MessageRawGetRequest{MsgID: id})); got != received {
		t.Errorf("raw: %q", got)
	}
	for _, tc := range []struct {
		path []int
		want string
	}{{[]int{1}, "%PDF"}, {[]int{0, 0}, "plain"}, {[]int{0, 1}, "<b>\xe9</b>"}} {
		if got := read(f.client.MessagePartGet(ctx, webapi.MessagePartGetRequest{MsgID: id, PartPath: tc.path})); got != tc.want {
			t.Errorf("part %v: %q", tc.path, got)
		}
	}
	for _, path := range [][]int{{2}, {-1}, {1, 0}, {0, 0, 0}} {
		if _, err := f.client.MessagePartGet(ctx, webapi.MessagePartGetRequest{MsgID: id, PartPath: path}); !errors.Is(err, &webapi.Error{Code: webapi.CodePartNotFound}) {
			t.Errorf("part %v: %v", path, err)
		}
	}
	if err := f.client.MessageFlagsAdd(ctx, webapi.MessageFlagsAddRequest{MsgID: id, Flags: []string{`\seen`, "custom", "$Junk"}}); err != nil {
		t.Fatal(err)
	}
	if err := f.client.MessageFlagsRemove(ctx, webapi.MessageFlagsRemoveRequest{MsgID: id, Flags: []string{"$junk"}}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "a b", `\Own`, "{3}"} {
		if err := f.client.MessageFlagsAdd(ctx, webapi.MessageFlagsAddRequest{MsgID: id, Flags: []string{bad}}); !errors.Is(err, &webapi.Error{Code: webapi.CodeUser}) {
			t.Errorf("flag %q: %v", bad, err)
		}
	}
	if err := f.client.MessageMove(ctx, webapi.MessageMoveRequest{MsgID: id, DestMailboxName: "Archive"}); err != nil {
		t.Fatal(err)
	}
	if err := f.client.MessageMove(ctx, webapi.MessageMoveRequest{MsgID: id, DestMailboxName: "Nowhere"}); !errors.Is(err, &webapi.Error{Code: webapi.CodeMailboxNotFound}) {
		t.Error(err)
	}
	if m, err = f.client.MessageGet(ctx, webapi.MessageGetRequest{MsgID: id}); err != nil || m.Meta.MailboxName != "Archive" || !slices.Equal(m.Meta.Flags, []string{`\Seen`, "custom"}) {
		t.Errorf("after the move: %+v, %v", m.Meta, err)
	}
	// Another account cannot.
	other := &webapi.Client{BaseURL: f.url + "v0/", Username: "other@mx.example", Password: password}
	if err := other.MessageDelete(ctx, webapi.MessageDeleteRequest{MsgID: id}); !errors.Is(err, &webapi.Error{Code: webapi.CodeMessageNotFound}) {
		t.Error(err)
	}
	if err := f.client.MessageDelete(ctx, webapi.MessageDeleteRequest{MsgID: id}); err != nil {
		t.Error(err)
	}
	for _, err := range []error{
		f.client.MessageDelete(ctx, webapi.MessageDeleteRequest{MsgID: id}),
		f.client.MessageMove(ctx, webapi.MessageMoveRequest{MsgID: id, DestMailboxName: "Archive"}),
		f.client.MessageFlagsAdd(ctx, webapi.MessageFlagsAddRequest{MsgID: id, Flags: []string{`\Seen`}}),
	} {
		if !errors.Is(err, &webapi.Error{Code: webapi.CodeMessageNotFound}) {
			t.Errorf("deleted: %v", err)
		}
	}
}

func TestSuppressions(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	present := func(want bool) {
		t.Helper()
		if p, err := f.client.SuppressionPresent(ctx, webapi.SuppressionPresentRequest{EmailAddress: "x@remote.example"}); err != nil || p.Present != want {
			t.Errorf("present: %v, %v", p, err)
		}
	}
	present(false)
	add := webapi.SuppressionAddRequest{EmailAddress: "x@remote.example", Manual: true, Reason: "asked"}
	if err := f.client.SuppressionAdd(ctx, add); err != nil {
		t.Error(err)
	}
	if err := f.client.SuppressionAdd(ctx, add); !errors.Is(err, &webapi.Error{Code: webapi.CodeUser}) {
		t.Error(err)
	}
	present(true)
	l, err := f.client.SuppressionList(ctx)
	if err != nil || len(l.Suppressions) != 1 || !l.Suppressions[0].Manual || l.Suppressions[0].Reason != "asked" {
		t.Errorf("%+v, %v", l, err)
	}
	if err := f.client.SuppressionRemove(ctx, webapi.SuppressionRemoveRequest{EmailAddress: "x@remote.example"}); err != nil {
		t.Error(err)
	}
	if err := f.client.SuppressionRemove(ctx, webapi.SuppressionRemoveRequest{EmailAddress: "x@remote.example"}); !errors.Is(err, &webapi.Error{Code: webapi.CodeUser}) {
		t.Error(err)
	}
	present(false)
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

func TestEncodings(t *testing.T) {
	f := newFixture(t)
	const form, js = "application/x-www-form-urlencoded", "application/json"
	send := `{"To":[{"Address":"x@y.example"}],"Text":"hi"}`
	mp := func(method string, fields ...string) response {
		ct, body := multipartForm(fields...)
		return do(t, f.request(t, method, ct, body))
	}
	plain := func(ct, body string) response { return do(t, f.request(t, "Send", ct, strings.NewReader(body))) }
	compressed := f.request(t, "Send", js, strings.NewReader(send))
	compressed.Header.Set("Content-Encoding", "gzip")
	for _, tc := range []struct {
		what   string
		resp   response
		status int
		text   string
	}{
		{"json", plain(js, send), 200, `"Submissions":[{"Address":"x@y.example"`},
		{"json with charset", plain(js+"; charset=utf-8", send), 200, ""},
		{"form", plain(form, "request="+url.QueryEscape(send)), 200, ""},
		{"multipart", mp("Send", "request", send), 200, ""},
		{"multipart with file", mp("Send", "request", send, "attachedfile", "hello"), 200, ""},
		{"unknown field", plain(js, `{"TO":[],"Bogus":1}`), 400, `"Code":"protocol","Message":"request is not valid: unknown field \"Bogus\""`},
		{"wrong type", plain(js, `{"To":"x@y.example"}`), 400, `"Code":"protocol","Message":"request is not valid: To: string in place of: list of NameAddress"`},
		{"wrong type within", plain(js, `{"To":[{"Address":5}]}`), 400, `To.Address: number in place of: string`},
		{"not an object", plain(js, ` []`), 400, `must be a JSON object`},
		{"compressed", do(t, compressed), 400, "not compressed"},
		{"null", plain(js, `null`), 400, `must be a JSON object`},
		{"cut", plain(js, `{"To":[`), 400, `ends too early`},
		{"not UTF-8", plain(js, strings.Replace(send, "hi", "h\xe9", 1)), 400, `not in UTF-8`},
		{"header without value", plain(js, strings.Replace(send, "{", `{"Headers":[["X-A"]],`, 1)), 400, "two strings"},
		{"header with two values", plain(js, strings.Replace(send, "{", `{"Headers":[["X-A","1","2"]],`, 1)), 400, "two strings"},
		{"header of a number", plain(js, strings.Replace(send, "{", `{"Headers":[["X-A",1]],`, 1)), 400, "two strings"},
		{"year 1", plain(js, strings.Replace(send, "{", `{"Date":"0001-01-01T00:00:00Z",`, 1)), 400, `"Code":"user","Message":"Date of the year 1"`},
		{"two objects", plain(js, send+send), 400, "more after"},
		{"no json", plain(js, ``), 400, "protocol"},
		{"no type", plain("", send), 400, "Content-Type"},
		{"other type", plain("text/plain", send), 400, "not understood"},
		{"form without field", plain(form, "x=y"), 400, "request"},
		{"form with two", plain(form, "request={}&request={}"), 400, "no other"},
		{"bad form", plain(form, "request=%zz"), 400, "form cannot be read"},
		{"multipart without", mp("Send", "attachedfile", "x"), 400, "no field"},
		{"multipart with other", mp("Send", "request", send, "other", "x"), 400, "unknown here"},
		{"file for another method", mp("SuppressionList", "request", "{}", "attachedfile", "x"), 400, "unknown here"},
		{"multipart without boundary", plain("multipart/form-data", "x"), 400, "boundary"},
		{"cut multipart", plain("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=request\r\n\r\n{"), 400, "reading"},
	} {
		if tc.resp.status != tc.status || !strings.Contains(tc.resp.body, tc.text) {
			t.Errorf("%s: %d %s, want %d with %q", tc.what, tc.resp.status, tc.resp.body, tc.status, tc.text)
		}
	}
	if _, raw := f.last(t); !strings.Contains(raw, "filename=f.txt") {
		t.Errorf("the file is missing:\n%s", raw)
	}
	// A body of unknown length that is too long.
	req := f.request(t, "Send", js, io.MultiReader(strings.NewReader(`{"Text":"`), strings.NewReader(strings.Repeat("x", 3<<20))))
	req.ContentLength = -1
	if resp := do(t, req); resp.status != 413 || !strings.Contains(resp.body, "messageTooLarge") {
		t.Errorf("long body: %+v", resp)
	}
}

func TestAuth(t *testing.T) {
	f := newFixture(t)
	token := func(scopes ...auth.Scope) string {
		tok, _, err := f.auth.AddToken(t.Context(), auth.Token{Login: "mjl@mx.example", Scopes: scopes})
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + tok
	}
	basic := func(user, pw string) string {
		r, _ := http.NewRequest("GET", "/", nil)
		r.SetBasicAuth(user, pw)
		return r.Header.Get("Authorization")
	}
	sender := token(auth.ScopeSend)
	for _, tc := range []struct {
		what, method, authorization string
		header                      [2]string
		status                      int
		text                        string
	}{
		{"none", "SuppressionList", "", [2]string{}, 401, "credentials"},
		{"basic", "SuppressionList", basic("mjl@mx.example", password), [2]string{}, 200, ""},
		{"wrong", "SuppressionList", basic("mjl@mx.example", "wrong"), [2]string{}, 401, "bad credentials"},
		{"unknown", "SuppressionList", basic("nobody@mx.example", "wrong"), [2]string{}, 401, "bad credentials"},
		{"disabled", "SuppressionList", basic("off@mx.example", password), [2]string{}, 403, "gone fishing"},
		{"token", "SuppressionList", token(auth.ScopeSuppress), [2]string{}, 200, ""},
		{"other scope", "SuppressionList", sender, [2]string{}, 403, "forbidden"},
		{"write without scope", "MessageDelete", token(auth.ScopeRead), [2]string{}, 403, "forbidden"},
		{"no token", "SuppressionList", "Bearer mox_aaaa_bbbb", [2]string{}, 401, ""},
		{"scheme", "SuppressionList", "Digest x", [2]string{}, 401, ""},
		{"same site", "SuppressionList", basic("mjl@mx.example", password), [2]string{"Sec-Fetch-Site", "same-origin"}, 200, ""},
		// The browser adds the password that it knows.
		{"other site", "SuppressionList", basic("mjl@mx.example", password), [2]string{"Sec-Fetch-Site", "cross-site"}, 403, "other sites"},
		{"other origin", "SuppressionList", basic("mjl@mx.example", password), [2]string{"Origin", "https://evil.example"}, 403, "other sites"},
	} {
		req := f.request(t, tc.method, "application/json", strings.NewReader("{}"))
		req.Header.Del("Authorization")
		if tc.authorization != "" {
			req.Header.Set("Authorization", tc.authorization)
		}
		if tc.header[0] != "" {
			req.Header.Set(tc.header[0], tc.header[1])
		}
		resp := do(t, req)
		if resp.status != tc.status || !strings.Contains(resp.body, tc.text) {
			t.Errorf("%s: %d %s, want %d with %q", tc.what, resp.status, resp.body, tc.status, tc.text)
		}
		if challenge := resp.header.Get("WWW-Authenticate"); (challenge == "Basic realm=webapi") != (tc.status == 401) {
			t.Errorf("%s: challenge %q", tc.what, challenge)
		}
	}
	f.client.Token = strings.TrimPrefix(sender, "Bearer ")
	if _, err := f.client.Send(t.Context(), simple()); err != nil {
		t.Errorf("client with token: %v", err)
	}
	bad := &webapi.Client{BaseURL: f.url, Username: "mjl@mx.example", Password: "wrong"}
	var status *webapi.StatusError
	for i := range 11 {
		_, err := bad.SuppressionList(t.Context())
		if want := map[bool]int{true: 401, false: 429}[i < 10]; !errors.As(err, &status) || status.StatusCode != want {
			t.Errorf("failure %d: %v", i, err)
		}
	}
}

func TestPages(t *testing.T) {
	f := newFixture(t)
	get := func(path string) response {
		req, _ := http.NewRequest("GET", f.url+path, nil)
		return do(t, req)
	}
	if r := get(""); r.status != 303 || r.header.Get("Location") != "v0/" {
		t.Errorf("%+v", r)
	}
	index := get("v0/")
	for _, m := range webapi.Methods() {
		if !strings.Contains(index.body, `<a href="`+m.Name+`">`) {
			t.Errorf("list lacks %s", m.Name)
		}
		page := get("v0/" + m.Name)
		if page.status != 200 || !strings.Contains(page.body, `<form method="post" action="`+m.Name+`?answer=page"`) || !strings.Contains(page.body, f.url+"v0/"+m.Name) {
			t.Errorf("page %s: %d", m.Name, page.status)
		}
		if strings.Contains(page.body, "<script") || strings.Contains(page.body, `src="http`) || !strings.Contains(page.header.Get("Content-Security-Policy"), "form-action 'self'") {
			t.Errorf("page %s has scripts, or no policy", m.Name)
		}
	}
	for path, status := range map[string]int{"v0/Nothing": 404, "v1/": 404, "x": 404, "v0": 303} {
		if r := get(path); r.status != status {
			t.Errorf("%s: %d, want %d", path, r.status, status)
		}
	}
	req, _ := http.NewRequest("PUT", f.url+"v0/Send", nil)
	if r := do(t, req); r.status != 405 || r.header.Get("Allow") == "" {
		t.Errorf("PUT: %+v", r)
	}
}

// TestAnswerPage calls a method as the form of its page does: the answer is a page, too.
func TestAnswerPage(t *testing.T) {
	f := newFixture(t)
	for _, tc := range []struct {
		request string
		status  int
		texts   []string
	}{
		{`{"To":[{"Name":"<script>","Address":"x@y.example"}],"Text":"hi"}`, 200, []string{"<h1>Send: done</h1>", "Status 200 OK", `  &#34;MessageID&#34;: &#34;&lt;`}},
		{`{"To":[{"Address":"<script>"}],"Text":"hi"}`, 400, []string{"<h1>Send: not done</h1>", "Status 400 Bad Request", "badAddress", "&lt;script&gt;"}},
	} {
		ct, body := multipartForm("request", tc.request)
		req := f.request(t, "Send?answer=page", ct, body)
		req.Header.Set("Origin", strings.TrimSuffix(f.url, "/webapi/"))
		r := do(t, req)
		if r.status != tc.status || r.header.Get("Content-Type") != "text/html; charset=utf-8" || r.header.Get("Content-Security-Policy") != pageCSP || strings.Contains(r.body, "<script") {
			t.Errorf("%s: %+v", tc.request, r)
		}
		for _, s := range tc.texts {
			if !strings.Contains(r.body, s) {
				t.Errorf("%s: answer lacks %q: %s", tc.request, s, r.body)
			}
		}
	}
}

// TestOpenAPI checks that the document hangs together: every reference leads somewhere,
// every method is there with all of its fields.
func TestOpenAPI(t *testing.T) {
	var doc struct {
		OpenAPI    string
		Paths      map[string]map[string]any
		Webhooks   map[string]any
		Components struct {
			Schemas map[string]struct {
				Properties           map[string]map[string]any
				Required             []string
				AdditionalProperties bool
			}
		}
	}
	b := openAPI()
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" || len(doc.Webhooks) != 2 {
		t.Errorf("version %q, %d webhooks", doc.OpenAPI, len(doc.Webhooks))
	}
	for _, m := range webapi.Methods() {
		if doc.Paths["/"+m.Name]["post"] == nil {
			t.Errorf("%s is missing", m.Name)
		}
	}
	for name, s := range doc.Components.Schemas {
		for field, p := range s.Properties {
			if d, _ := p["description"].(string); !strings.HasSuffix(d, ".") {
				t.Errorf("%s.%s has no description", name, field)
			}
		}
	}
	for ref := range strings.SplitSeq(string(b), `"#/components/schemas/`) {
		name, _, ok := strings.Cut(ref, `"`)
		if _, there := doc.Components.Schemas[name]; ok && !there && !strings.HasPrefix(name, "{") {
			t.Errorf("reference to %s leads nowhere", name)
		}
	}
	for name, want := range map[string]string{"NameAddress": "Address", "SendRequest": "", "MessageMoveRequest": "MsgID DestMailboxName", "SendResult": "MessageID Submissions", "Error": "Code Message"} {
		s := doc.Components.Schemas[name]
		if got := strings.Join(s.Required, " "); got != want || s.AdditionalProperties != (name == "SendResult" || name == "Error") {
			t.Errorf("%s: required %q, more fields %v", name, got, s.AdditionalProperties)
		}
	}
	if typ := doc.Components.Schemas["SendResult"].Properties["Submissions"]["type"]; typ != "array" {
		t.Errorf("type of a list in a result: %v", typ)
	}
	send := doc.Components.Schemas["SendRequest"].Properties
	for _, field := range []string{"From", "To", "CC", "BCC", "ReplyTo", "MessageID", "References", "Date", "Subject", "Text", "HTML", "Extra", "Headers", "AlternativeFiles", "InlineFiles", "AttachedFiles", "RequireTLS", "FutureRelease", "SaveSent"} {
		if send[field] == nil {
			t.Errorf("SendRequest lacks %s", field)
		}
	}
}

// TestBusy has no room for a request in memory.
func TestBusy(t *testing.T) {
	f := newFixture(t)
	f.server.c.Limits.Wait = time.Millisecond
	if err := f.server.memory.Acquire(t.Context(), f.server.c.Limits.InFlight); err != nil {
		t.Fatal(err)
	}
	resp := do(t, f.request(t, "SuppressionList", "application/json", strings.NewReader("{}")))
	if resp.status != 503 || resp.header.Get("Retry-After") == "" {
		t.Errorf("%+v", resp)
	}
	f.server.memory.Release(f.server.c.Limits.InFlight)
	if _, err := f.client.SuppressionList(t.Context()); err != nil {
		t.Error(err)
	}
	if last := f.results[len(f.results)-1]; last != "SuppressionList ok" {
		t.Errorf("results %v", f.results)
	}
}

// FuzzRequest feeds bodies to the decoder and composes what it takes: never a panic, and
// never a header that was not meant.
func FuzzRequest(f *testing.F) {
	f.Add("application/json", []byte(`{"To":[{"Address":"x@y.example"}],"Text":"hi","Headers":[["X-A","b"]]}`))
	f.Add("application/x-www-form-urlencoded", []byte(`request={}`))
	f.Add("multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=request\r\n\r\n{\"Text\":\"x\"}\r\n--x\r\nContent-Disposition: form-data; name=attachedfile; filename=a\r\n\r\nx\r\n--x--\r\n"))
	s := New(Config{Limits: Limits{Body: 1 << 20}})
	m := s.methods["Send"]
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		r := httptest.NewRequest("POST", "/v0/Send", bytes.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		c := &call{s: s, w: httptest.NewRecorder(), r: r, who: &auth.Principal{Account: "mjl", Login: "mjl@mx.example"}}
		v, err := c.decode(m)
		if err != nil {
			return
		}
		req := v.(*webapi.SendRequest)
		req.AttachedFiles = append(req.AttachedFiles, c.files.attached...)
		d, err := c.draft(req)
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := d.write(&b); err != nil {
			return
		}
		h := message.ParseHeader(b.Bytes())
		if n := len(h.Values("Bcc")); n > 1 || n == 1 && len(req.BCC) == 0 {
			t.Errorf("a field Bcc was smuggled in:\n%s", b.Bytes())
		}
		for _, name := range []string{"From", "To", "Subject", "Message-ID", "Date", "Content-Type", "MIME-Version"} {
			if len(h.Values(name)) > 1 {
				t.Errorf("two fields %s:\n%s", name, b.Bytes())
			}
		}
	})
}
