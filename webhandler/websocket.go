package webhandler

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// closeGrace is how long the server of a WebSocket may go on when the client has ended.
const closeGrace = 5 * time.Second

// isWebSocket tells whether a request wants a WebSocket (RFC 6455 4.2.1).
func isWebSocket(r *http.Request) bool {
	return r.ProtoMajor == 1 && hasToken(r.Header["Connection"], "upgrade") && hasToken(r.Header["Upgrade"], "websocket")
}

// hasToken tells whether a list has a token, in any case.
func hasToken(fields []string, token string) bool {
	for _, field := range fields {
		for t := range strings.SplitSeq(field, ",") {
			if strings.EqualFold(strings.Trim(t, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// checkHandshake is RFC 6455 4.2.1; status is that of the refusal, 0 if all is well.
func checkHandshake(r *http.Request) (status int, text string) {
	key := r.Header["Sec-Websocket-Key"]
	version := r.Header["Sec-Websocket-Version"]
	switch {
	case r.Method != http.MethodGet:
		return http.StatusMethodNotAllowed, "405 - a WebSocket begins with GET"
	case !r.ProtoAtLeast(1, 1):
		return http.StatusBadRequest, "400 - a WebSocket needs HTTP/1.1"
	case len(version) != 1 || strings.TrimSpace(version[0]) != "13":
		return http.StatusUpgradeRequired, "426 - only version 13 of WebSocket"
	case r.ContentLength != 0:
		return http.StatusBadRequest, "400 - the request for a WebSocket has a body"
	case len(key) != 1:
		return http.StatusBadRequest, "400 - one Sec-WebSocket-Key is needed"
	}
	if nonce, err := base64.StdEncoding.DecodeString(strings.TrimSpace(key[0])); err != nil || len(nonce) != 16 {
		return http.StatusBadRequest, "400 - bad Sec-WebSocket-Key"
	}
	return 0, ""
}

// webSocket forwards a WebSocket: the handshake is looked at on both sides, what follows is
// passed on as it comes.
func (h *forward) webSocket(w http.ResponseWriter, r *http.Request) {
	if status, text := checkHandshake(r); status != 0 {
		switch status {
		case http.StatusUpgradeRequired:
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Sec-WebSocket-Version", "13")
		case http.StatusMethodNotAllowed:
			w.Header().Set("Allow", "GET")
		}
		http.Error(w, text, status)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	out := r.Clone(ctx)
	out.RequestURI, out.Body = "", nil
	removeConnectionFields(out.Header)
	h.rewrite(out, r)
	out.Header.Set("Connection", "Upgrade")
	out.Header.Set("Upgrade", "websocket")
	res, err := h.http1.RoundTrip(out)
	if err != nil {
		h.failed(w, r, err)
		return
	}
	defer res.Body.Close()
	if err := h.checkAnswer(r, res); err != nil {
		h.failed(w, r, err)
		return
	}
	switching := res.StatusCode == http.StatusSwitchingProtocols
	removeConnectionFields(res.Header)
	for name, values := range res.Header {
		w.Header()[name] = values
	}
	for name, value := range h.info.Config.WebForward.ResponseHeaders {
		w.Header().Set(name, value)
	}
	if !switching {
		w.WriteHeader(res.StatusCode)
		body := newIdleBody(res.Body, h.limits.Idle, cancel)
		// The client sees an end that is too early if this fails.
		if _, err := io.Copy(w, body); err != nil {
			panic(http.ErrAbortHandler)
		}
		return
	}
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Upgrade", "websocket")
	h.pass(ctx, w, res.Body.(io.ReadWriteCloser)) // checkAnswer has seen that
}

// removeConnectionFields removes what is for one connection only (RFC 9110 7.6.1).
func removeConnectionFields(h http.Header) {
	for _, field := range h["Connection"] {
		for name := range strings.SplitSeq(field, ",") {
			h.Del(strings.Trim(name, " \t"))
		}
	}
	for _, name := range []string{"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade"} {
		h.Del(name)
	}
}

// checkAnswer is RFC 6455 4.1 for the answer of the server. One that does not switch is passed
// on as it is.
func (h *forward) checkAnswer(r *http.Request, res *http.Response) error {
	if res.StatusCode != http.StatusSwitchingProtocols {
		return nil
	}
	if !hasToken(res.Header["Connection"], "upgrade") || !hasToken(res.Header["Upgrade"], "websocket") {
		return errors.New("the server switches to something else than a WebSocket")
	}
	sum := sha1.Sum([]byte(strings.TrimSpace(r.Header.Get("Sec-WebSocket-Key")) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	if want := base64.StdEncoding.EncodeToString(sum[:]); strings.TrimSpace(res.Header.Get("Sec-WebSocket-Accept")) != want {
		return errors.New("the server has a wrong Sec-WebSocket-Accept")
	}
	if _, ok := res.Body.(io.ReadWriteCloser); !ok {
		return fmt.Errorf("connection of type %T cannot be written to", res.Body)
	}
	return nil
}

// pass takes the connection of the client over, and passes on what comes from both sides
// until one has ended, nothing has come for too long, or the server stops.
func (h *forward) pass(ctx context.Context, w http.ResponseWriter, server io.ReadWriteCloser) {
	w.WriteHeader(http.StatusSwitchingProtocols)
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		h.log.Error("taking over connection for websocket", "err", err, "handler", h.info.Name)
		return
	}
	if err := client.SetDeadline(time.Time{}); err != nil {
		client.Close()
		return
	}
	end := func() {
		client.Close()
		server.Close()
	}
	defer end()
	defer context.AfterFunc(ctx, end)()
	idle := time.AfterFunc(h.limits.Idle, end)
	defer idle.Stop()
	clientEnded := make(chan struct{})
	go func() {
		defer close(clientEnded)
		h.copy(server, &clientReader{client, buffered.Reader}, idle)
		time.AfterFunc(closeGrace, end)
	}()
	// RFC 6455 7.1.1: the server ends the connection, and the client waits for that.
	h.copy(client, server, idle)
	end()
	<-clientEnded
}

// copy passes on until one side ends.
func (h *forward) copy(to io.Writer, from io.Reader, idle *time.Timer) {
	b := h.buffers.Get()
	defer h.buffers.Put(b)
	for {
		n, err := from.Read(b)
		if n > 0 {
			idle.Reset(h.limits.Idle)
			if _, werr := to.Write(b[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// clientReader reads what net/http has read already, then the connection.
type clientReader struct {
	net.Conn
	buffered *bufio.Reader
}

func (c *clientReader) Read(p []byte) (int, error) {
	if n := c.buffered.Buffered(); n > 0 {
		return c.buffered.Read(p[:min(n, len(p))])
	}
	return c.Conn.Read(p)
}
