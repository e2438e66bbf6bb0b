package accountapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"mox/admin"
	"mox/jsoncall"
	"mox/store"
	"mox/transfer"
	"mox/webapi"
)

// export is one.
type export struct {
	account string
	format  transfer.Format
	archive string
	sel     transfer.Selection
	now     time.Time

	w       http.ResponseWriter
	control *http.ResponseController
	ctx     context.Context
	cancel  context.CancelFunc
	begun   bool // the answer
}

// exports are those under way.
type exports struct {
	mu  sync.Mutex // guards:
	all map[*export]struct{}
}

// Bounds of exports, which compress all that they send.
const (
	maxExports    = 2  // of an account
	maxAllExports = 16 // of all accounts
	maxExportForm = 64 << 10
)

// enter notes an export; false where there are too many.
func (e *exports) enter(x *export) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for other := range e.all {
		if other.account == x.account {
			n++
		}
	}
	if n >= maxExports || len(e.all) >= maxAllExports {
		return false
	}
	e.all[x] = struct{}{}
	return true
}

func (e *exports) leave(x *export) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.all, x)
}

// detach breaks off the exports of an account. It does not wait for that.
func (e *exports) detach(account string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for x := range e.all {
		if x.account == account {
			x.cancel()
			_ = x.control.SetWriteDeadline(time.Unix(1, 0)) // writers of tests have none
		}
	}
}

// archives are the kinds of files of an export: what follows the format in names, and the media type.
var archives = map[string]struct{ suffix, mediaType string }{
	"none": {"", "application/mbox"},
	"tar":  {".tar", "application/x-tar"},
	"tgz":  {".tgz", "application/octet-stream"},
	"zip":  {".zip", "application/zip"},
}

// exportFields are those that a form may have.
var exportFields = []string{"csrf", "mailbox", "messageids", "format", "archive", "recursive"}

// newExport reads a form.
func newExport(form url.Values) (*export, error) {
	for name := range form {
		if !slices.Contains(exportFields, name) {
			return nil, jsoncall.UserError("the form has a field %.50q, which is not known", name)
		}
	}
	x := &export{archive: form.Get("archive"), sel: transfer.Selection{Mailbox: form.Get("mailbox"), Single: form.Get("recursive") == ""}}
	var err error
	if x.format, err = transfer.ParseFormat(form.Get("format")); err != nil {
		return nil, jsoncall.UserError("%v", err)
	}
	_, ok := archives[x.archive]
	switch {
	case form.Get("messageids") != "":
		return nil, jsoncall.UserError("single messages cannot be exported, only mailboxes")
	case !ok:
		return nil, jsoncall.UserError("unknown archive %.50q, it is none, tar, tgz or zip", x.archive)
	case x.archive == "none" && (x.format != transfer.Mbox || x.sel.Mailbox == "" || !x.sel.Single):
		return nil, jsoncall.UserError("without an archive there can only be a single mailbox as mbox, without those below it")
	}
	return x, nil
}

// filename is the name of the file that a browser gets.
func (x *export) filename() string {
	what := "all"
	if x.sel.Mailbox != "" {
		what = strings.ToValidUTF8(x.sel.Mailbox, "-")
		what = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f || strings.ContainsRune(`/\:*?"<>|%`, r) {
				return '-'
			}
			return r
		}, what)
	}
	return fmt.Sprintf("mailexport-%s-%s.%s%s", what, x.now.Format("20060102-150405"), x.format, archives[x.archive].suffix)
}

// Write sends some of the file. That the browser takes it fast enough is for the web server (package webserver), which gives each
// write a deadline.
func (x *export) Write(p []byte) (int, error) {
	if err := x.ctx.Err(); err != nil {
		return 0, err
	}
	if !x.begun {
		x.begun = true
		h := x.w.Header()
		h.Set("Content-Type", archives[x.archive].mediaType)
		h.Set("Content-Disposition", disposition(x.filename()))
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	}
	return x.w.Write(p)
}

// disposition is a Content-Disposition with a name, RFC 6266.
func disposition(name string) string {
	return mime.FormatMediaType("attachment", map[string]string{"filename": name})
}

func (x *export) output() transfer.Output {
	switch x.archive {
	case "none":
		return transfer.OneFile(x)
	case "zip":
		return transfer.Zip(x)
	}
	return transfer.Tar(x, x.archive == "tgz")
}

// errUnread is about messages that cannot be read, where there is no place to say which.
var errUnread = errors.New("some messages cannot be read")

// send writes the file.
func (x *export) send(a *admin.Admin, by admin.Actor, tempDir string) error {
	files := transfer.NewFiles(x.output(), transfer.FilesOptions{Format: x.format, TempDir: tempDir})
	defer files.Free()
	if err := a.Export(x.ctx, by, x.account, x.sel, files); err != nil {
		return err
	}
	if x.archive == "none" && files.Problems() > 0 {
		return errUnread
	}
	if err := files.Close(); err != nil {
		return err
	}
	// An empty mbox is a file too.
	_, err := x.Write(nil)
	return err
}

// exportFormOf reads the form of a request, and has the CSRF token where calls have it.
func exportFormOf(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mt != "application/x-www-form-urlencoded" {
		return nil, jsoncall.UserError("what is to be exported is sent as a form, application/x-www-form-urlencoded")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxExportForm)
	if err := r.ParseForm(); err != nil {
		return nil, jsoncall.UserError("the form cannot be read: %v", err)
	}
	r.Header.Set(jsoncall.HeaderCSRF, r.PostForm.Get("csrf"))
	return r.PostForm, nil
}

// Export sends mail as a file: POST of a form, application/x-www-form-urlencoded, with the CSRF token in field "csrf", as a browser
// sends it that is to download the file. Other fields are "mailbox" (empty: all), "recursive" (not empty: mailboxes below it too),
// "format" (maildir, mbox) and "archive" (zip, tgz, tar, or none for one mbox). A failure before the file begins is answered
// as those of calls; one in the middle breaks off the connection, so that the browser does not take the file for complete.
func (s *Server) Export(w http.ResponseWriter, r *http.Request) {
	if s.wrongMethod(w, r, "export", http.MethodPost) {
		return
	}
	cid := s.c.NextID()
	form, err := exportFormOf(w, r)
	if err != nil {
		s.failed(w, r, cid, "export", 0, err)
		return
	}
	who, ok := s.Enter(w, r, jsoncall.NeedsCSRF, cid, "export")
	if !ok {
		return
	}
	x, err := newExport(form)
	if err != nil {
		s.failed(w, r, cid, "export", 0, err)
		return
	}
	x.account, x.now, x.w, x.control = who.Account, s.c.Admin.Now(), w, http.NewResponseController(w)
	x.ctx, x.cancel = context.WithCancel(r.Context())
	defer x.cancel()
	if !s.exports.enter(x) {
		w.Header().Set("Retry-After", "60")
		s.failed(w, r, cid, "export", http.StatusTooManyRequests, &webapi.Error{Code: jsoncall.CodeTooMany, Message: "other exports have not ended yet: try again when they have"})
		return
	}
	defer s.exports.leave(x)
	err = x.send(s.c.Admin, actorOf(who), s.c.TempDir)
	switch {
	case err == nil:
	case x.begun:
		s.c.Log.InfoContext(r.Context(), "export broken off", "err", err, "cid", cid, "account", x.account)
		// What was sent must not look complete.
		panic(http.ErrAbortHandler)
	case errors.Is(err, store.ErrBadName):
		s.failed(w, r, cid, "export", 0, jsoncall.UserError("%v", err))
	case errors.Is(err, store.ErrNoMailbox):
		s.failed(w, r, cid, "export", http.StatusNotFound, jsoncall.UserError("%v", err))
	case errors.Is(err, errUnread):
		s.failed(w, r, cid, "export", 0, jsoncall.UserError("%v: an archive has the others, and tells which", err))
	default:
		s.failed(w, r, cid, "export", 0, err)
	}
}

var _ io.Writer = (*export)(nil)
