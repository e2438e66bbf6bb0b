package moxtest_test

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mox/config"
	"mox/dns"
	"mox/imapclient"
	"mox/moxtest"
	"mox/otlp"
)

// tracedSpan is what the collector has got of a span: its server, and attributes as text.
type tracedSpan struct {
	server, TraceID, SpanID, ParentSpanID, Name string
	Attributes                                  []struct {
		Key   string
		Value map[string]any
	}
	Events []struct {
		Name       string
		Attributes []struct {
			Key   string
			Value map[string]any
		}
	}
	StartTimeUnixNano, EndTimeUnixNano string
}

// attr is an attribute of the span, "" if it has none such.
func (s tracedSpan) attr(key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			for _, v := range a.Value {
				return fmt.Sprint(v)
			}
		}
	}
	return ""
}

// spanCollector is a collector of OpenTelemetry as far as that takes JSON.
type spanCollector struct {
	*httptest.Server
	mu  sync.Mutex
	all []tracedSpan
}

func newSpanCollector(t *testing.T) *spanCollector {
	c := &spanCollector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req struct {
			ResourceSpans []struct {
				Resource   tracedSpan
				ScopeSpans []struct{ Spans []tracedSpan }
			}
		}
		if r.URL.Path != "/v1/traces" || r.Header.Get("Authorization") != "secret" {
			t.Errorf("request for %s with %q", r.URL.Path, r.Header.Get("Authorization"))
		}
		z, err := gzip.NewReader(r.Body)
		if err == nil {
			err = json.NewDecoder(z).Decode(&req)
		}
		if err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, s := range req.ResourceSpans[0].ScopeSpans[0].Spans {
			s.server = req.ResourceSpans[0].Resource.attr("host.name")
			c.all = append(c.all, s)
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// wait returns the span of a server, a name and a trace ("": any), once it is there.
func (c *spanCollector) wait(t *testing.T, server, name, trace string) tracedSpan {
	t.Helper()
	var l []tracedSpan
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		c.mu.Lock()
		l = slices.Clone(c.all)
		c.mu.Unlock()
		for _, s := range l {
			if s.server == server && s.Name == name && (trace == "" || s.TraceID == trace) {
				return s
			}
		}
	}
	for _, s := range l {
		t.Log(s.server, s.Name, s.TraceID)
	}
	t.Fatalf("no span %q of %s in trace %s", name, server, trace)
	return tracedSpan{}
}

// TestTracing follows a message: it is submitted at one server, sent to another, checked and delivered there, and
// told to a webhook; all of that is in the one trace of the message, with the ids that the logs have.
func TestTracing(t *testing.T) {
	t.Parallel()
	collector := newSpanCollector(t)
	hooked := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(hooked.Close)
	traced := func(static *config.Static) {
		static.Tracing = &config.Tracing{Endpoint: collector.URL, Headers: map[string]string{"Authorization": "secret"}, IMAPAfter: 1}
	}
	other := moxtest.New(t, moxtest.WithAccount("else", "me@else.example"), moxtest.WithConfig(func(static *config.Static, d *config.Dynamic) {
		traced(static)
		static.Hostname = "mx.else.example"
		l := static.Listeners["test"]
		l.WebAPIHTTP = config.WebService{Enabled: true}
		static.Listeners["test"] = l
		d.Domains["else.example"] = config.Domain{}
		a := d.Accounts["else"]
		a.IncomingWebhook = &config.IncomingWebhook{URL: hooked.URL}
		d.Accounts["else"] = a
	}))
	mox := moxtest.New(t, moxtest.WithConfig(func(static *config.Static, _ *config.Dynamic) { traced(static) }), moxtest.WithDial(func(context.Context, string, string) (net.Conn, error) {
		return other.Dial(t, "smtp"), nil
	}))
	mox.DNS.MX["else.example"] = []dns.MX{{Preference: 10, Host: "remote.example"}}
	other.DNS.MX["mox.example"] = []dns.MX{{Preference: 10, Host: "localhost"}}
	other.DNS.TXT["mox.example"] = []string{"v=spf1 ip4:127.0.0.0/8 ip6:::1 -all"}

	mox.Submit(t, "mox@mox.example", "me@else.example", "From: <mox@mox.example>\r\nMessage-ID: <traced@mox.example>\r\nSubject: hi\r\n\r\nHello.\r\n")
	waitFor(t, other, "me@else.example", "Subject: hi")
	id := otlp.MessageTrace("traced@mox.example")
	trace := hex.EncodeToString(id[:])
	const here, there = moxtest.Hostname, "mx.else.example"

	if s := collector.wait(t, here, "submit", trace); s.attr("account") != "mox" || s.attr("mox.cid") == "" || s.attr("recipients") != "1" {
		t.Errorf("%+v", s)
	}
	collector.wait(t, here, "sign", trace)
	collector.wait(t, here, "queue", trace)
	if s := collector.wait(t, here, "send", trace); s.attr("result") != "ok" || s.attr("attempt") != "1" || s.attr("recipient.domain") != "else.example" || s.attr("server.address") == "" {
		t.Errorf("%+v", s)
	}
	receive := collector.wait(t, there, "receive", trace)
	if receive.attr("check.spf.mailfrom") != "pass" || receive.attr("mail.from.domain") != "mox.example" || receive.attr("mox.cid") == "" || receive.EndTimeUnixNano < receive.StartTimeUnixNano {
		t.Errorf("%+v", receive)
	}
	if len(receive.Events) != 1 || receive.Events[0].Name != "decision" || !strings.Contains(fmt.Sprint(receive.Events[0].Attributes), "accept") {
		t.Errorf("%+v", receive.Events)
	}
	for _, part := range []string{"iprev", "spfverify", "checks", "judge", "deliver"} {
		if s := collector.wait(t, there, part, trace); s.ParentSpanID != receive.SpanID {
			t.Errorf("%+v", s)
		}
	}
	if s := collector.wait(t, there, "webhook incoming", trace); s.attr("http.response.status_code") != "200" || s.attr("account") != "else" {
		t.Errorf("%+v", s)
	}
	if strings.Contains(fmt.Sprint(receive), "mox@") {
		t.Errorf("addresses of persons: %+v", receive)
	}
	tracedAsked(t, collector, other)
}

// tracedAsked looks at spans of a request of HTTP and of commands of IMAP.
func tracedAsked(t *testing.T, collector *spanCollector, s *moxtest.Server) {
	resp, err := http.Get("http://" + s.Addr("web") + "/webapi/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	c, err := imapclient.New(t.Context(), s.Dial(t, "imap"), imapclient.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Do(t.Context(), "NOOP"); err != nil {
		t.Fatal(err)
	}
	got := collector.wait(t, "mx.else.example", "IMAP NOOP", "")
	if cid := got.attr("mox.cid"); got.attr("result") != "ok" || cid == "" || !strings.HasSuffix(got.TraceID, cid) {
		t.Errorf("%+v", got)
	}
	collector.mu.Lock()
	defer collector.mu.Unlock()
	for _, s := range collector.all {
		if strings.HasPrefix(s.Name, "HTTP GET") {
			return
		}
	}
	t.Error("no span of the request of HTTP")
}
