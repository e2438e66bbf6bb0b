package mailapi

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"mox/jsoncall"
	"mox/mailhtml"
	"mox/mailops"
	"mox/message"
	"mox/store"
)

// Bounds of what is shown of a message.
const (
	maxInline    = 16 << 20 // octets of a picture in the message
	maxInlineAll = 40 << 20 // octets of all of them, as often as they are there
	showTime     = time.Minute
	showing      = 3 // messages of an account at a time; others wait
)

// HTML serves messages for frames: GET with query parameters email (the id of the Email in JMAP) and images
// (1: pictures on the web are loaded by the browser). What is written, and with which fields, is said in package mailhtml.
func (s *Server) HTML() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if r.Method != http.MethodGet {
			w.Header().Set("Allow", http.MethodGet)
			http.Error(w, "405 - only GET", http.StatusMethodNotAllowed)
			return
		}
		var cid int64
		if s.c.NextID != nil {
			cid = s.c.NextID()
		}
		// A frame cannot send the CSRF token. Other sites do not get the cookie sent, nor see what is answered.
		who, ok := s.Enter(w, r, jsoncall.NeedsSession, cid, "html")
		if !ok {
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), showTime)
		defer cancel()
		free, err := s.turns.take(ctx, who.Account)
		if err != nil {
			w.Header().Set("Retry-After", "10")
			http.Error(w, "503 - too many messages are being shown, try again", http.StatusServiceUnavailable)
			return
		}
		defer free()
		doc, err := s.html(ctx, who.Account, r.FormValue("email"), r.FormValue("images") == "1")
		switch {
		case errors.Is(err, store.ErrNoMessage):
			http.Error(w, "404 - there is no such message any more", http.StatusNotFound)
			return
		case err != nil:
			s.c.Log.Error("showing message", "err", err, "cid", cid, "account", who.Account)
			http.Error(w, fmt.Sprintf("500 - internal error, see log lines with cid %x", cid), http.StatusInternalServerError)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", mailhtml.CSP(r.FormValue("images") == "1"))
		h.Set("X-Frame-Options", "SAMEORIGIN")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if _, err := doc.WriteTo(w); err != nil {
			s.c.Log.Debug("writing message", "err", err, "cid", cid)
		}
	})
}

// html makes the document of a message. store.ErrNoMessage: there is none with that id.
func (s *Server) html(ctx context.Context, account, email string, images bool) (*mailhtml.Writer, error) {
	n, ok := store.ParseObjectID(emailKind, email)
	if !ok {
		return nil, store.ErrNoMessage
	}
	acc, err := s.c.Store.Account(ctx, account)
	if err != nil {
		return nil, err
	}
	defer acc.Release()
	_, m, err := acc.MessageOfBody(ctx, store.BodyID(n))
	if err != nil {
		return nil, err
	}
	content, err := mailops.Open(ctx, acc, m.ID)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	p := &pictures{ctx: ctx, content: content, left: maxInlineAll, urls: map[*message.Part]string{}}
	w := mailhtml.NewWriter(mailhtml.Options{Images: images, Inline: p.inline})
	for _, part := range content.Part.Bodies().HTML {
		switch {
		case part.Subtype == "html":
			err = w.HTML(part.Text(content.Body))
		case part.Type == "text":
			err = w.Text(part.Text(content.Body))
		case part.Type == "image":
			if url := p.url(part); url != "" {
				w.Image(url, part.Filename())
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return w, nil
}

// emailKind is the letter that EMAILIDs begin with.
var emailKind = store.EmailID(1)[0]

// turns lets a few of an account work at a time.
type turns struct {
	mu       sync.Mutex
	accounts map[string]*turn
}

type turn struct {
	users int // that work or wait
	slots chan struct{}
}

// take waits for a turn, until ctx ends.
func (t *turns) take(ctx context.Context, account string) (free func(), err error) {
	t.mu.Lock()
	a := t.accounts[account]
	if a == nil {
		a = &turn{slots: make(chan struct{}, showing)}
		t.accounts[account] = a
	}
	a.users++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if a.users--; a.users == 0 {
			delete(t.accounts, account)
		}
	}
	select {
	case a.slots <- struct{}{}:
		return func() { <-a.slots; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

// pictures are those in a message.
type pictures struct {
	ctx     context.Context
	content *mailops.Content
	left    int64                    // octets that may still be read
	byID    map[string]*message.Part // by Content-ID; nil until it is needed
	urls    map[*message.Part]string // of those that were looked at; empty: not to be shown
}

// inline returns the picture with a Content-ID as a URL, for [mailhtml.Options].
func (p *pictures) inline(cid string) string {
	if p.byID == nil {
		p.byID = map[string]*message.Part{}
		p.find(p.content.Part)
	}
	if part := p.byID["<"+cid+">"]; part != nil {
		return p.url(part)
	}
	return ""
}

// find notes the pictures below a part; of several with one Content-ID, the first.
func (p *pictures) find(part *message.Part) {
	if part.ID != "" && part.Type == "image" && p.byID[part.ID] == nil {
		p.byID[part.ID] = part
	}
	for _, sub := range part.Parts {
		p.find(sub)
	}
}

// url returns a part as a data: URL; empty if it is too large, or cannot be read.
func (p *pictures) url(part *message.Part) string {
	url, ok := p.urls[part]
	if ok && int64(len(url)) > p.left {
		return "" // each time that it is shown it is there again
	}
	if !ok {
		url = p.read(part)
		p.urls[part] = url
	}
	p.left -= int64(len(url))
	return url
}

func (p *pictures) read(part *message.Part) string {
	limit := min(p.left, maxInline)
	if p.ctx.Err() != nil || part.BodySize() > limit*2 {
		return ""
	}
	r, err := part.Decoded(p.content.Body)
	if err != nil {
		return ""
	}
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil || int64(len(b)) > limit {
		p.left -= int64(len(b))
		return ""
	}
	return "data:" + strings.ToLower(part.MediaType()) + ";base64," + base64.StdEncoding.EncodeToString(b)
}
