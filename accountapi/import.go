package accountapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"time"

	"mox/jsoncall"
	"mox/webimport"
)

// importFailed are the statuses of errors of imports that are for the user.
var importFailed = []struct {
	err    error
	status int
}{
	{webimport.ErrRunning, http.StatusConflict},
	{webimport.ErrBusy, http.StatusServiceUnavailable},
	{webimport.ErrStopping, http.StatusServiceUnavailable},
	{webimport.ErrTooLarge, http.StatusRequestEntityTooLarge},
	{webimport.ErrDisk, http.StatusInsufficientStorage},
	{webimport.ErrEmpty, http.StatusBadRequest},
	{webimport.ErrFile, http.StatusBadRequest},
	{webimport.ErrGone, http.StatusBadRequest},
}

// failed answers an error of what is served beside functions; status 0 is that of the error.
func (s *Server) failed(w http.ResponseWriter, r *http.Request, cid int64, name string, status int, err error) {
	for _, f := range importFailed {
		if errors.Is(err, f.err) {
			status = f.status
			if status == http.StatusServiceUnavailable {
				w.Header().Set("Retry-After", "60")
			}
			if f.err == webimport.ErrDisk {
				err = f.err // the rest is for nobody else
			}
			err = jsoncall.UserError("%v", err)
			break
		}
	}
	s.Fail(w, r, cid, name, status, err)
}

// wrongMethod answers a request that has another method than the one for what is served beside functions.
func (s *Server) wrongMethod(w http.ResponseWriter, r *http.Request, name, method string) bool {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == method {
		return false
	}
	w.Header().Set("Allow", method)
	s.Fail(w, r, 0, name, http.StatusMethodNotAllowed, jsoncall.UserError("only with method %s", method))
	return true
}

// Import takes a file with mail: POST of a form, multipart/form-data, with fields "file" and, if wanted, "skipMailboxPrefix". It
// needs the CSRF token in the header as calls of functions do. The answer is an [ImportStarted], or an error as those of calls,
// with the statuses of importFailed.
func (s *Server) Import(w http.ResponseWriter, r *http.Request) {
	if s.wrongMethod(w, r, "import", http.MethodPost) {
		return
	}
	cid := s.c.NextID()
	who, ok := s.Enter(w, r, jsoncall.NeedsCSRF, cid, "import")
	if !ok {
		return
	}
	most, err := s.mostImport(r.Context(), who.Account)
	if err == nil && r.ContentLength > most+maxImportForm {
		err = fmt.Errorf("%w: more than %d MiB", webimport.ErrTooLarge, most>>20)
	}
	var im *webimport.Import
	if err == nil {
		im, err = s.imports.Begin(who.Account, actorOf(who))
	}
	if err != nil {
		discard(w, r)
		s.failed(w, r, cid, "import", 0, err)
		return
	}
	if err := s.begin(w, r, im, most); err != nil {
		discard(w, r)
		s.failed(w, r, cid, "import", 0, err)
		return
	}
	s.Answer(w, http.StatusOK, ImportStarted{im.Token()})
}

// begin receives an import, and drops one that does not start, by a panic too: others of the account wait for its end.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, im *webimport.Import, most int64) (err error) {
	started := false
	defer func() {
		if !started {
			im.Drop()
		}
	}()
	err = s.receive(w, r, im, most)
	started = err == nil
	return err
}

// mostImport is how large a file may be for an account.
func (s *Server) mostImport(ctx context.Context, account string) (int64, error) {
	acc, err := s.c.Admin.Store.Account(ctx, account)
	if err != nil {
		return 0, err
	}
	defer acc.Release()
	return s.imports.Most(acc.Quota().Limit), nil
}

// What is read of a request that is refused, so that browsers without HTTP/2, which send all before they look at the answer, see
// it where there is little to send; and of fields that are not the file.
const (
	discardBytes  = 4 << 20
	discardTime   = 3 * time.Second
	maxImportForm = 1 << 20
	maxField      = 1000
)

func discard(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor >= 2 {
		return
	}
	defer time.AfterFunc(discardTime, func() { endReading(w) }).Stop()
	end := time.Now().Add(discardTime)
	for n := int64(0); n < discardBytes && time.Now().Before(end); {
		read, err := io.CopyN(io.Discard, r.Body, 64<<10)
		if n += read; err != nil {
			return
		}
	}
}

// endReading ends a read of the request's body that waits for the browser.
func endReading(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) // writers of tests have none
}

// receive reads the form, and starts the import. That what is sent comes fast enough is for the web server (package webserver), which
// gives each read a deadline.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, im *webimport.Import, most int64) error {
	// Whoever waits for the browser when the import is ended, as the account is removed, is not to wait on.
	defer context.AfterFunc(im.Context(), func() { endReading(w) })()
	mt, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mt != "multipart/form-data" || params["boundary"] == "" {
		return jsoncall.UserError("the file is sent as a form, multipart/form-data")
	}
	body := &clientReader{ctx: im.Context(), r: http.MaxBytesReader(w, r.Body, most+maxImportForm)}
	form := importForm{im: im, most: most}
	err = form.read(multipart.NewReader(body, params["boundary"]))
	var large *http.MaxBytesError
	switch {
	case err == nil:
		return im.Start(form.name, form.prefix)
	case im.Context().Err() != nil:
		return context.Cause(im.Context())
	case errors.As(body.err, &large):
		return fmt.Errorf("%w: more than %d MiB", webimport.ErrTooLarge, most>>20)
	case body.err != nil, errors.Is(err, io.ErrUnexpectedEOF):
		return jsoncall.UserError("the upload broke off: %v", err)
	}
	return err
}

// clientReader remembers that the client, and not the server, failed. It ends with a context, too.
type clientReader struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (c *clientReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// importForm is what a form says.
type importForm struct {
	im     *webimport.Import
	most   int64
	file   bool
	name   string // of the file
	prefix string
}

func (f *importForm) read(m *multipart.Reader) error {
	for fields := 0; ; fields++ {
		part, err := m.NextRawPart()
		switch {
		case err == io.EOF && f.file:
			return nil
		case err == io.EOF:
			return jsoncall.UserError("the form has no file")
		case err != nil:
			return jsoncall.UserError("the form cannot be read: %v", err)
		case fields > 10:
			return jsoncall.UserError("the form has too many fields")
		}
		if err := f.field(part); err != nil {
			return err
		}
	}
}

func (f *importForm) field(part *multipart.Part) error {
	switch part.FormName() {
	case "file":
		if f.file {
			return jsoncall.UserError("the form has several files, it can have one: put them into an archive")
		}
		f.file, f.name = true, part.FileName()
		return f.im.Receive(part, f.most)
	case "skipMailboxPrefix":
		b, err := io.ReadAll(io.LimitReader(part, maxField+1))
		if err == nil && len(b) > maxField {
			err = jsoncall.UserError("skipMailboxPrefix has more than %d octets", maxField)
		}
		f.prefix = string(b)
		return err
	}
	return jsoncall.UserError("the form has a field %.50q, which is not known", part.FormName())
}

// maxListeners is how many may listen to imports of the server.
const maxListeners = 200

// ImportProgress tells of an import as it goes, to whoever has its token: GET with the query parameter "token". Events are those
// of package webimport, as server-sent events (HTML Living Standard 9.2).
func (s *Server) ImportProgress(w http.ResponseWriter, r *http.Request) {
	if s.wrongMethod(w, r, "importprogress", http.MethodGet) {
		return
	}
	cid := s.c.NextID()
	im, err := s.imports.Find(r.URL.Query().Get("token"))
	if err != nil {
		s.failed(w, r, cid, "importprogress", http.StatusNotFound, jsoncall.UserError("%v", err))
		return
	}
	select {
	case s.listeners <- struct{}{}:
		defer func() { <-s.listeners }()
	default:
		s.failed(w, r, cid, "importprogress", 0, webimport.ErrBusy)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no") // proxies must not hold it back
	w.WriteHeader(http.StatusOK)
	if _, err := io.WriteString(w, "retry: 2000\n\n"); err != nil {
		return
	}
	last, _ := strconv.Atoi(r.Header.Get("Last-Event-ID")) // what is no number is of somebody else
	emit := func(e webimport.Event) error { return writeEvent(w, e) }
	if err := im.Follow(r.Context(), last, emit, http.NewResponseController(w).Flush); err != nil {
		s.c.Log.Debug("listener of import ended", "err", err, "cid", cid)
	}
}

// writeEvent writes an event, or a comment for one without a name.
func writeEvent(w io.Writer, e webimport.Event) error {
	if e.Name == "" {
		_, err := io.WriteString(w, ":\n\n")
		return err
	}
	b, err := json.Marshal(e.Data)
	if err != nil {
		return err
	}
	id := ""
	if e.ID > 0 {
		id = fmt.Sprintf("id: %d\n", e.ID)
	}
	_, err = fmt.Fprintf(w, "%sevent: %s\ndata: %s\n\n", id, e.Name, b)
	return err
}

func (s *Server) importAbort(_ context.Context, c *call, r *ImportAbortRequest) (ImportAbortResult, error) {
	return ImportAbortResult{}, jsoncall.ForUser(s.imports.Abort(c.Who.Account, r.ImportToken), webimport.ErrNotFound)
}

func (s *Server) importLimits(ctx context.Context, c *call, _ *ImportLimitsRequest) (r ImportLimitsResult, err error) {
	r.MaxBytes, err = s.mostImport(ctx, c.Who.Account)
	r.Running = s.imports.Running(c.Who.Account)
	return r, err
}

func (s *Server) mailboxes(ctx context.Context, c *call, _ *MailboxesRequest) (MailboxesResult, error) {
	acc, err := s.c.Admin.Store.Account(ctx, c.Who.Account)
	if err != nil {
		return MailboxesResult{}, err
	}
	defer acc.Release()
	var r MailboxesResult
	for _, m := range acc.Mailboxes() {
		r.Mailboxes = append(r.Mailboxes, Mailbox{Name: m.Name, Messages: int(m.Messages), Size: m.Size})
	}
	return r, nil
}
