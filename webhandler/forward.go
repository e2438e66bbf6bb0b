package webhandler

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"mox/config"
)

// forwarder sends requests to other servers.
type forwarder struct {
	log    *slog.Logger
	limits Limits
	// any speaks HTTP/2 where the other server does, http1 does not, for WebSocket.
	any, http1 *http.Transport
	buffers    bufferPool
}

func newForwarder(s *Sites) *forwarder {
	f := &forwarder{log: s.log, limits: s.conf.Limits}
	transport := func(http2 bool) *http.Transport {
		t := &http.Transport{
			// Proxy is not set: what is forwarded goes where the configuration says.
			DialContext:            (&net.Dialer{Timeout: f.limits.Dial}).DialContext,
			TLSHandshakeTimeout:    f.limits.Dial,
			TLSClientConfig:        &tls.Config{RootCAs: s.conf.RootCAs},
			ResponseHeaderTimeout:  f.limits.ResponseHeader,
			ExpectContinueTimeout:  time.Second,
			IdleConnTimeout:        90 * time.Second,
			MaxIdleConnsPerHost:    f.limits.IdleConns,
			MaxResponseHeaderBytes: f.limits.HeaderBytes,
			DisableCompression:     true, // codings are between client and server
			Protocols:              new(http.Protocols),
		}
		t.Protocols.SetHTTP1(true)
		t.Protocols.SetHTTP2(http2)
		return t
	}
	f.any, f.http1 = transport(true), transport(false)
	return f
}

func (f *forwarder) close() {
	f.any.CloseIdleConnections()
	f.http1.CloseIdleConnections()
}

// forward is a WebForward.
type forward struct {
	*forwarder
	info  *config.WebHandlerInfo
	proxy *httputil.ReverseProxy
}

func (f *forwarder) handler(info *config.WebHandlerInfo) http.Handler {
	h := &forward{forwarder: f, info: info}
	h.proxy = &httputil.ReverseProxy{
		Rewrite:        func(pr *httputil.ProxyRequest) { h.rewrite(pr.Out, pr.In) },
		Transport:      f.any,
		ModifyResponse: h.answered,
		ErrorHandler:   h.failed,
		ErrorLog:       log.New(debugWriter{f.log}, "", 0),
		BufferPool:     &f.buffers,
	}
	return h
}

// idleKey is for what to do about an answer that does not go on, in contexts.
type idleKey struct{}

func (h *forward) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if isWebSocket(r) {
		h.webSocket(w, r)
		return
	}
	// RFC 9110 7.8: no other protocol is switched to; a server that did, would have what
	// comes next from the client taken for something else than we do.
	r.Header.Del("Upgrade")
	if r.ContentLength < 0 && r.ProtoMajor == 1 {
		// A request without known end may be a stream, to be answered while it goes on.
		// Others than net/http do so anyway.
		_ = http.NewResponseController(w).EnableFullDuplex()
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	h.proxy.ServeHTTP(w, r.WithContext(context.WithValue(ctx, idleKey{}, cancel)))
}

// rewrite makes of a request what the other server gets. Fields for one connection only are
// gone already.
func (h *forward) rewrite(out, in *http.Request) {
	u := h.info.ForwardURL
	path, raw := in.URL.Path, in.URL.EscapedPath()
	if h.info.Config.WebForward.StripPath {
		if loc := h.info.Path.FindStringIndex(path); loc != nil {
			raw = raw[escapedLen(raw, loc[1]):]
		}
	}
	joined := *u
	joined.Path, joined.RawPath = "", ""
	if p, err := url.PathUnescape(joinPath(u.EscapedPath(), raw)); err == nil {
		joined.Path, joined.RawPath = p, joinPath(u.EscapedPath(), raw)
	}
	joined.RawQuery, joined.ForceQuery = in.URL.RawQuery, in.URL.ForceQuery
	out.URL, out.Host = &joined, ""
	for name := range out.Header {
		if saysClient(name) {
			delete(out.Header, name)
		}
	}
	hideCookies(out.Header)
	if ip, err := netip.ParseAddrPort(in.RemoteAddr); err == nil {
		out.Header.Set("X-Forwarded-For", ip.Addr().Unmap().WithZone("").String())
	}
	out.Header.Set("X-Forwarded-Host", in.Host)
	out.Header.Set("X-Forwarded-Proto", in.URL.Scheme)
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header.Set("User-Agent", "") // or net/http would say its own
	}
}

// hideCookies takes the cookies of mox's own pages out of a request. Browsers send them to all paths below that of the
// pages, which is often "/", and who has one is logged in.
func hideCookies(h http.Header) {
	var kept []string
	for _, line := range h["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			pair = strings.Trim(pair, " \t")
			name, _, _ := strings.Cut(pair, "=")
			if pair != "" && !ownCookie(strings.Trim(name, " \t")) {
				kept = append(kept, pair)
			}
		}
	}
	if len(kept) == 0 {
		h.Del("Cookie")
		return
	}
	h["Cookie"] = []string{strings.Join(kept, "; ")} // as one field, which HTTP/1.1 needs; RFC 9113 8.2.3
}

// ownCookie tells whether a cookie is one of mox's own pages.
func ownCookie(name string) bool {
	for _, app := range []string{"webaccount", "webadmin", "webmail"} {
		if kind, ok := strings.CutPrefix(name, app); ok && (kind == "session" || kind == "login") {
			return true
		}
	}
	return false
}

// saysClient tells whether a field is one by which servers are told about the client of a
// proxy, which nobody but we may say. Some servers take an underscore for a hyphen.
func saysClient(name string) bool {
	name = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	switch name {
	case "forwarded", "x-real-ip", "x-client-ip", "true-client-ip":
		return true
	}
	return strings.HasPrefix(name, "x-forwarded")
}

// joinPath puts one path behind another, with one slash between.
func joinPath(a, b string) string {
	return strings.TrimSuffix(a, "/") + "/" + strings.TrimPrefix(b, "/")
}

// escapedLen is how many octets of a path with escapes are its first n octets without.
func escapedLen(escaped string, n int) int {
	i := 0
	for ; n > 0 && i < len(escaped); n-- {
		if escaped[i] == '%' && i+2 < len(escaped) {
			i += 2
		}
		i++
	}
	return i
}

// answered is called with the header of an answer.
func (h *forward) answered(res *http.Response) error {
	for name, value := range h.info.Config.WebForward.ResponseHeaders {
		res.Header.Set(name, value)
	}
	if cancel, ok := res.Request.Context().Value(idleKey{}).(context.CancelCauseFunc); ok && res.Body != nil {
		res.Body = newIdleBody(res.Body, h.limits.Idle, func() { cancel(errIdle) })
	}
	return nil
}

var errIdle = errors.New("the server that was forwarded to does not go on")

// idleBody ends an answer that does not go on.
type idleBody struct {
	io.ReadCloser
	limit time.Duration
	timer *time.Timer
}

func newIdleBody(body io.ReadCloser, limit time.Duration, end func()) *idleBody {
	return &idleBody{body, limit, time.AfterFunc(limit, end)}
}

func (b *idleBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.timer.Reset(b.limit)
	if err != nil {
		b.timer.Stop()
	}
	return n, err
}

func (b *idleBody) Close() error {
	b.timer.Stop()
	return b.ReadCloser.Close()
}

// failed answers for a server that did not.
func (h *forward) failed(w http.ResponseWriter, r *http.Request, err error) {
	if context.Cause(r.Context()) == context.Canceled {
		h.log.Debug("client went away while its request was forwarded", "handler", h.info.Name)
		// Nobody reads it, but it is seen in metrics that it was not us.
		w.WriteHeader(statusClientGone)
		return
	}
	var timeout interface{ Timeout() bool }
	status, text := http.StatusBadGateway, "502 - the server behind this one cannot be reached"
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		status, text = http.StatusGatewayTimeout, "504 - the server behind this one does not answer"
	}
	h.log.Warn("forwarding request", "err", err, "handler", h.info.Name, "status", status)
	http.Error(w, text, status)
}

// statusClientGone is what other servers log for a client that has closed its connection.
const statusClientGone = 499

// debugWriter turns what net/http logs into debug lines.
type debugWriter struct{ log *slog.Logger }

func (w debugWriter) Write(p []byte) (int, error) {
	w.log.Debug("forwarding", "text", string(p))
	return len(p), nil
}

// bufferPool keeps buffers for copying; it is an [httputil.BufferPool].
type bufferPool struct{ pool sync.Pool }

const bufferSize = 32 << 10

func (p *bufferPool) Get() []byte {
	if b, ok := p.pool.Get().(*[bufferSize]byte); ok {
		return b[:]
	}
	return make([]byte, bufferSize)
}

func (p *bufferPool) Put(b []byte) { p.pool.Put((*[bufferSize]byte)(b)) }
