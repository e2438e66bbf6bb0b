package webhandler

import (
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"

	"mox/config"
)

// minCompress is the least content that is worth compressing, maxCompress the most that is
// compressed of a file.
const (
	minCompress = 1 << 10
	maxCompress = 10 << 20
)

// streamLevel is that for answers as they are made.
const streamLevel = 4

// gzipPool keeps compressors.
type gzipPool struct{ pool sync.Pool }

func (p *gzipPool) get(w http.ResponseWriter) *gzip.Writer {
	if z, ok := p.pool.Get().(*gzip.Writer); ok {
		z.Reset(w)
		return z
	}
	z, _ := gzip.NewWriterLevel(w, streamLevel) // fails for bad levels only
	return z
}

// compressing serves a handler, with compression if it is configured.
func (s *Sites) compressing(info *config.WebHandlerInfo, h http.Handler) func(w http.ResponseWriter, r *http.Request) bool {
	if !info.Config.Compress {
		return func(w http.ResponseWriter, r *http.Request) bool {
			h.ServeHTTP(w, r)
			return true
		}
	}
	return func(w http.ResponseWriter, r *http.Request) bool {
		c := s.gzip.writer(w, r)
		// Not deferred: what ends in a panic must not look complete.
		h.ServeHTTP(c, r)
		c.Close()
		return true
	}
}

// writer returns a ResponseWriter that compresses what is fit for it. It must be closed.
func (p *gzipPool) writer(w http.ResponseWriter, r *http.Request) *compressWriter {
	return &compressWriter{
		ResponseWriter: w, pool: p, head: r.Method == http.MethodHead,
		accepted: accepted(r.Header["Accept-Encoding"], "gzip") > 0,
	}
}

// compressWriter compresses an answer by gzip, if its type gains by that, the client accepts
// it, and nothing forbids it.
type compressWriter struct {
	http.ResponseWriter
	pool           *gzipPool
	accepted, head bool
	decided        bool
	z              *gzip.Writer // nil: not compressed
}

// WriteHeader implements http.ResponseWriter.
func (c *compressWriter) WriteHeader(code int) {
	if !c.decided && (code >= 200 || code == http.StatusSwitchingProtocols) {
		c.decide(code)
	}
	c.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (c *compressWriter) Write(b []byte) (int, error) {
	if !c.decided {
		if h := c.Header(); h.Get("Content-Type") == "" && h.Get("Content-Encoding") == "" {
			h.Set("Content-Type", http.DetectContentType(b))
		}
		c.WriteHeader(http.StatusOK)
	}
	if c.z != nil {
		return c.z.Write(b)
	}
	return c.ResponseWriter.Write(b)
}

// decide looks at a header that is complete.
func (c *compressWriter) decide(code int) {
	c.decided = true
	h := c.Header()
	if code != http.StatusOK || h.Get("Content-Encoding") != "" || !compressible(h.Get("Content-Type")) {
		return
	}
	if n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64); err == nil && n < minCompress {
		return
	}
	// RFC 9111 5.2.2.6: what is not to be transformed.
	if strings.Contains(strings.ToLower(strings.Join(h["Cache-Control"], ",")), "no-transform") {
		return
	}
	h.Add("Vary", "Accept-Encoding")
	if !c.accepted {
		return
	}
	h.Set("Content-Encoding", "gzip")
	h.Del("Content-Length")
	h.Del("Accept-Ranges")
	// RFC 9110 8.8.1: a strong validator is for the octets as they were.
	if tag := h.Get("ETag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		h.Set("ETag", "W/"+tag)
	}
	for _, digest := range []string{"Content-Digest", "Content-MD5", "Digest"} {
		h.Del(digest)
	}
	if !c.head {
		c.z = c.pool.get(c.ResponseWriter)
	}
}

// FlushError sends what there is so far.
func (c *compressWriter) FlushError() error {
	if c.z != nil {
		if err := c.z.Flush(); err != nil {
			return err
		}
	} else if !c.decided {
		c.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(c.ResponseWriter).Flush()
}

// Unwrap is for http.ResponseController.
func (c *compressWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// Close ends the compressed answer.
func (c *compressWriter) Close() {
	if c.z == nil {
		return
	}
	// The client is gone if this fails.
	_ = c.z.Close()
	c.z.Reset(nil)
	c.pool.pool.Put(c.z)
	c.z = nil
}
