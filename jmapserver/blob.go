package jmapserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"mox/jmap"
	"mox/message"
	"mox/store"
)

// Ids of blobs: "B" and the number of content in base 32 is a message, "U" likewise an upload. "-1-2" after it is its part 1.2,
// decoded. Where that is a message, "_2" after it is part 2 of that one, and so on.

// Bounds of ids of blobs.
const (
	maxBlobLevels = 5
	maxBlobPath   = 100
)

// errNoBlob is returned for blobs that are not there, or not any more.
var errNoBlob = errors.New("no such blob")

// blobID is the blob of a message.
func blobID(b store.BodyID) jmap.ID { return jmap.ID("B" + strconv.FormatInt(int64(b), 32)) }

// partBlobID is the blob of a part, by its numbers, of what is parsed from a blob.
func partBlobID(of jmap.ID, path []int) jmap.ID {
	sep := "-"
	if strings.ContainsAny(string(of), "-_") {
		sep = "_"
	}
	var b strings.Builder
	b.WriteString(string(of))
	for _, n := range path {
		b.WriteString(sep)
		b.WriteString(strconv.Itoa(n))
		sep = "-"
	}
	return jmap.ID(b.String())
}

// blobRef is a parsed id.
type blobRef struct {
	kind   byte // B or U
	number int64
	parts  [][]int // in what the one before it is
}

// parseBlobID parses an id; false if it is none of a blob.
func parseBlobID(id jmap.ID) (ref blobRef, ok bool) {
	if !id.Valid() {
		return ref, false
	}
	levels := strings.Split(string(id), "_")
	base, path, _ := strings.Cut(levels[0], "-")
	if base[:min(1, len(base))] != "B" && base[:min(1, len(base))] != "U" || len(levels) > maxBlobLevels {
		return ref, false
	}
	ref.kind = base[0]
	n, err := strconv.ParseInt(base[1:], 32, 64)
	if err != nil || n <= 0 || strconv.FormatInt(n, 32) != base[1:] {
		return ref, false
	}
	ref.number = n
	if levels[0] = path; path == "" {
		levels = levels[1:]
	}
	for _, l := range levels {
		var nums []int
		for _, s := range strings.Split(l, "-") {
			n, err := strconv.Atoi(s)
			if err != nil || n <= 0 || strconv.Itoa(n) != s || len(nums) == maxBlobPath {
				return ref, false
			}
			nums = append(nums, n)
		}
		ref.parts = append(ref.parts, nums)
	}
	return ref, true
}

// blob is the content of a blob. It must be closed. It belongs to one goroutine.
type blob struct {
	io.ReaderAt
	size  int64
	part  *message.Part // its tree; nil: not known
	close []func()
}

func (b *blob) Close() {
	for _, f := range b.close {
		f()
	}
}

// Reader reads all of it.
func (b *blob) Reader() io.Reader { return io.NewSectionReader(b, 0, b.size) }

// parse returns the tree of it as a message.
func (b *blob) parse() (*message.Part, error) {
	if b.part == nil {
		p, err := message.Parse(b.Reader(), message.Limits{})
		if err != nil {
			return nil, err
		}
		b.part = p
	}
	return b.part, nil
}

// openBlob opens a blob, [errNoBlob] if there is none.
func openBlob(ctx context.Context, acc *store.Account, id jmap.ID) (_ *blob, err error) {
	ref, ok := parseBlobID(id)
	if !ok {
		return nil, errNoBlob
	}
	b, err := openBase(ctx, acc, ref)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	for _, path := range ref.parts {
		tree, err := b.parse()
		if err != nil {
			return nil, fmt.Errorf("parsing blob: %w", err)
		}
		p := tree.Section(path)
		if p == nil || p.IsMultipart() {
			return nil, errNoBlob
		}
		if err := b.enter(acc, p); err != nil {
			return nil, fmt.Errorf("decoding part: %w", err)
		}
	}
	return b, nil
}

// openBase opens a message or an upload.
func openBase(ctx context.Context, acc *store.Account, ref blobRef) (*blob, error) {
	var r *store.BodyReader
	var part *message.Part
	var err error
	if ref.kind == 'U' {
		r, err = acc.OpenUpload(ctx, store.UploadID(ref.number))
	} else {
		id := store.BodyID(ref.number)
		if len(ref.parts) > 0 {
			if part, err = storedParts(ctx, acc, id); err != nil {
				return nil, err
			}
		}
		r, err = acc.OpenBody(ctx, id)
	}
	if errors.Is(err, store.ErrNoBody) || errors.Is(err, store.ErrNoUpload) {
		return nil, errNoBlob
	} else if err != nil {
		return nil, err
	}
	// Reading is over then; nothing is lost if closing fails.
	return &blob{ReaderAt: r, size: r.Size(), part: part, close: []func(){func() { _ = r.Close() }}}, nil
}

// storedParts reads the tree of a message; errNoBlob.
func storedParts(ctx context.Context, acc *store.Account, id store.BodyID) (*message.Part, error) {
	for r, err := range acc.Rendered(ctx, []*store.Message{{Body: id}}, store.FieldParts, true) {
		if err != nil {
			return nil, err
		}
		if r.Gone {
			return nil, errNoBlob
		}
		return message.DecodePart(r.Parts)
	}
	return nil, errNoBlob
}

// encoded tells whether the content of a part is other than what is in the message.
//
// RFC 8621 4.1.4: an unknown encoding is taken as none.
func encoded(p *message.Part) bool {
	switch p.Encoding {
	case "", "7bit", "8bit", "binary":
		return false
	}
	_, err := p.Decoded(strings.NewReader(""))
	return err == nil
}

// enter makes a blob one of its parts.
func (b *blob) enter(acc *store.Account, p *message.Part) error {
	ra := b.ReaderAt
	if !encoded(p) {
		body := p.Body(ra)
		b.ReaderAt, b.size, b.part = body, body.Size(), nil
		return nil
	}
	r, err := p.Decoded(ra)
	if err != nil {
		return err
	}
	sp := acc.NewSpool()
	b.close = append(b.close, func() { sp.Close() })
	if _, err := io.Copy(sp, r); err != nil {
		return err
	}
	if err := sp.Finish(); err != nil {
		return err
	}
	b.ReaderAt, b.size, b.part = sp, sp.Size(), sp.Part()
	return nil
}

// contentSize is the size of a part, decoded.
func contentSize(p *message.Part, ra io.ReaderAt) (int64, error) {
	if !encoded(p) {
		return p.BodySize(), nil
	}
	return p.DecodedSize(ra)
}

// maxDownloads is how many an account can have at a time: a browser asks for all images of a message together.
const maxDownloads = 100

// downloadTime is how long writing some of a blob to a client may take.
const downloadTime = 2 * time.Minute

// serveDownload sends a blob, RFC 8620 6.2. rest is the account, the blob and a name.
func (q *request) serveDownload(rest string) {
	missing := func() {
		q.problem(&jmap.Problem{Type: "about:blank", Status: http.StatusNotFound, Detail: "there is no such file, or not any more"})
	}
	account, rest, _ := strings.Cut(rest, "/")
	id, name, _ := strings.Cut(rest, "/")
	if jmap.ID(account) != accountID(q.user.Account) {
		missing()
		return
	}
	acc, leave, ok := q.openAccount(slotDownload, maxDownloads, "downloads")
	if !ok {
		return
	}
	defer leave()
	b, err := openBlob(q.r.Context(), acc, jmap.ID(id))
	if errors.Is(err, errNoBlob) {
		missing()
		return
	} else if err != nil {
		q.problem(err)
		return
	}
	defer b.Close()
	h := q.w.Header()
	h.Set("Content-Type", safeType(q.r.URL.Query().Get("type")))
	h.Set("Content-Disposition", attachment(name))
	// Nothing of a message may run, whatever it says it is, also where a browser shows it after all.
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	// Ids are used again by an account that is removed and added under its name, and where an older backup is restored.
	h.Set("Cache-Control", "private, no-cache")
	h.Set("ETag", `"`+id+"-"+incarnation(acc)+`"`)
	w := &slowWriter{q.w, q.r.Context(), http.NewResponseController(q.w)}
	defer func() { _ = w.c.SetWriteDeadline(time.Time{}) }() // the connection serves other requests
	http.ServeContent(w, q.r, "", time.Time{}, io.NewSectionReader(b, 0, b.size))
}

// incarnation differs where ids of an account stand for something else than before: it is the UIDVALIDITY of the Inbox,
// which is of the time when it was made, and is another one after a restore (RFC 9051 2.3.1.1).
func incarnation(acc *store.Account) string {
	b, _ := acc.MailboxByName(store.Inbox) // there always is one
	return strconv.FormatUint(uint64(b.UIDValidity), 36)
}

// slowWriter gives each piece that is written a deadline.
type slowWriter struct {
	http.ResponseWriter
	ctx context.Context
	c   *http.ResponseController
}

func (w *slowWriter) Write(p []byte) (int, error) {
	// Servers without deadlines, as in tests, refuse this.
	_ = w.c.SetWriteDeadline(time.Now().Add(downloadTime))
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.ResponseWriter.Write(p)
}

// safeType is a media type as asked for if it has the form of one.
func safeType(s string) string {
	typ, params, err := mime.ParseMediaType(s)
	if err == nil && strings.Contains(typ, "/") {
		if s = mime.FormatMediaType(typ, params); s != "" {
			return s
		}
	}
	return "application/octet-stream"
}

// attachment is a Content-Disposition with a name, RFC 6266 with the encoding of RFC 8187.
func attachment(name string) string {
	if name == "" {
		return "attachment"
	}
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' || r == '/' || r == '%' {
			return '_'
		}
		return r
	}, name)
	var ext strings.Builder
	for i := range len(name) {
		c := name[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0 {
			ext.WriteByte(c)
		} else {
			fmt.Fprintf(&ext, "%%%02X", c)
		}
	}
	return fmt.Sprintf(`attachment; filename="%s"; filename*=UTF-8''%s`, plain, ext.String())
}
