package accountapi

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"mox/admin"
	"mox/jsoncall"
	"mox/mlog"
	"mox/transfer"
	"mox/webapi"
	"mox/webimport"
)

// FuzzImportForm: whatever a browser sends, errors are for users, and of a form without error there is a file.
func FuzzImportForm(f *testing.F) {
	s := webimport.New(webimport.Config{Dir: f.TempDir(), Log: mlog.Discard(), Import: func(context.Context, admin.Actor, string, transfer.Source, transfer.Options) (transfer.Result, error) {
		return transfer.Result{}, nil
	}})
	f.Cleanup(s.Close)
	const file = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../x.mbox\"\r\n\r\nFrom x\n\r\n"
	for _, body := range []string{"", "--b--\r\n", file + "--b--\r\n", file + file + "--b--\r\n", file, "--b\r\nContent-Disposition: form-data; name=skipMailboxPrefix\r\n\r\nOld\r\n" + file + "--b--\r\n", strings.Repeat("--b\r\nContent-Disposition: form-data; name=skipMailboxPrefix\r\n\r\n\r\n", 20)} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		im, err := s.Begin("a", "test")
		if err != nil {
			t.Fatal(err)
		}
		defer im.Drop()
		form := importForm{im: im, most: 100}
		err = form.read(multipart.NewReader(strings.NewReader(body), "b"))
		var known *webapi.Error
		switch {
		case err == nil && (!form.file || len(form.prefix) > maxField || strings.Contains(form.name, "/")):
			t.Errorf("%+v", form)
		case err != nil && !errors.As(err, &known) && !errors.Is(err, webimport.ErrTooLarge) && !errors.Is(err, io.ErrUnexpectedEOF):
			t.Errorf("%q: %v", body, err)
		}
	})
}

// An upload that panics does not keep others of the account out.
func TestImportPanic(t *testing.T) {
	s := &Server{imports: webimport.New(webimport.Config{Dir: t.TempDir(), Log: mlog.Discard()})}
	t.Cleanup(s.imports.Close)
	im, err := s.imports.Begin("a", "test")
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/import", http.NoBody)
	r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	r.Body = panicking{}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_ = s.begin(httptest.NewRecorder(), r, im, 100)
	}()
	if im, err = s.imports.Begin("a", "test"); err != nil {
		t.Fatal(err)
	}
	im.Drop()
}

// panicking is a body.
type panicking struct{ io.Closer }

func (panicking) Read([]byte) (int, error) { panic("of a body") }

// FuzzExportForm: names of files are of one level, and can be in a header.
func FuzzExportForm(f *testing.F) {
	f.Add("format=mbox&archive=none&mailbox=Work%2FS%C3%B6b&csrf=x")
	f.Add("format=maildir&archive=tgz&recursive=on")
	f.Add("format=mbox&archive=zip&mailbox=%00%22%0d%0a%ff&x=y")
	f.Fuzz(func(t *testing.T, text string) {
		form, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		x, err := newExport(form)
		var known *webapi.Error
		if err != nil {
			if !errors.As(err, &known) || known.Code != jsoncall.CodeUser {
				t.Error(err)
			}
			return
		}
		x.now = time.Unix(0, 0).UTC()
		name := x.filename()
		_, params, err := mime.ParseMediaType(disposition(name))
		if err != nil || params["filename"] != name || strings.ContainsAny(name, "/\\\r\n\x00\"") || !strings.Contains(name, "-19700101-000000.") {
			t.Errorf("%q: %q %v", name, params, err)
		}
	})
}
