package serve

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mox/db"
	"mox/jsoncall"
	"mox/store"
)

// upload is a form with a file, and the media type of it. fields come before the file: names and values.
func upload(t *testing.T, name string, content []byte, fields ...string) (body []byte, contentType string) {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		if err := m.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	w, err := m.CreateFormFile("file", name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil || m.Close() != nil {
		t.Fatal(err)
	}
	return b.Bytes(), m.FormDataContentType()
}

// upload sends a file to be imported.
func (b *browser) upload(name string, content []byte, fields ...string) answer {
	b.p.t.Helper()
	body, contentType := upload(b.p.t, name, content, fields...)
	b.header.Set("Content-Type", contentType)
	defer b.header.Del("Content-Type")
	return b.do("POST", "import", string(body))
}

// event is one of the progress of an import.
type event struct {
	id, name string
	data     fields
}

// progress returns the events of an import, until it has ended.
func (b *browser) progress(token string) []event {
	b.p.t.Helper()
	a := b.do("GET", "importprogress?token="+url.QueryEscape(token), "")
	if a.status != 200 || a.header.Get("Content-Type") != "text/event-stream" {
		b.p.t.Fatalf("progress: %d %s", a.status, a.text)
	}
	return events(b.p.t, strings.NewReader(a.text))
}

// events reads events, the last of which has the end of the import.
func events(t *testing.T, r io.Reader) []event {
	t.Helper()
	var all []event
	var e event
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		name, value, _ := strings.Cut(sc.Text(), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			if err := json.Unmarshal([]byte(value), &e.data); err != nil {
				t.Fatal(err)
			}
		case "":
			if e.name != "" {
				all = append(all, e)
			}
			e = event{}
		}
	}
	if len(all) == 0 {
		t.Fatal("no events")
	}
	return all
}

// imported imports a file, and returns what the end of it says.
func (b *browser) imported(name string, content []byte, fields ...string) event {
	b.p.t.Helper()
	a := b.upload(name, content, fields...)
	token, _ := a.fields["Token"].(string)
	if a.status != 200 || token == "" {
		b.p.t.Fatalf("import of %s: %d %s", name, a.status, a.text)
	}
	all := b.progress(token)
	return all[len(all)-1]
}

// export returns the file that a form gets.
func (b *browser) export(form ...string) answer {
	b.p.t.Helper()
	values := url.Values{"csrf": {b.csrf}}
	for i := 0; i < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	b.header.Set("Content-Type", "application/x-www-form-urlencoded")
	b.header.Set(jsoncall.HeaderCSRF, "") // forms of browsers have none
	defer func() { b.header = http.Header{} }()
	return b.do("POST", "export", values.Encode())
}

// unpacked is what is in a zip or tgz file.
func unpacked(t *testing.T, file string) map[string]string {
	t.Helper()
	all := map[string]string{}
	if strings.HasPrefix(file, "PK") {
		z, err := zip.NewReader(strings.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			all[f.Name+" "+f.Modified.UTC().Format(time.DateTime)] = string(b)
		}
		return all
	}
	z, err := gzip.NewReader(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all[h.Name] = string(b)
	}
}

// put adds a message to a mailbox of an account.
func (p *pages) put(account, mailbox, text string, at time.Time, flags ...string) {
	p.t.Helper()
	acc, err := p.Store.Account(p.t.Context(), account)
	p.must(err)
	defer acc.Release()
	m, ok := acc.MailboxByName(mailbox)
	if !ok {
		m, err = acc.CreateMailbox(p.t.Context(), mailbox, 0)
		p.must(err)
	}
	sp := acc.NewSpool()
	defer sp.Close()
	_, err = io.WriteString(sp, text)
	p.must(err)
	p.must(sp.Finish())
	_, err = acc.Add(p.t.Context(), m.ID, []store.NewMessage{{Spool: sp, Keywords: flags, Received: at}})
	p.must(err)
}

func (p *pages) fill(account string) {
	p.t.Helper()
	at := time.Date(2019, 5, 6, 7, 8, 9, 0, time.UTC)
	for i := range 30 {
		text := fmt.Sprintf("Message-ID: <%d@example.org>\r\nSubject: message %d\r\n\r\nText.\r\nFrom here\r\n", i, i)
		mailbox := []string{"Inbox", "Work", "Work/Söb", "Old"}[i%4]
		p.put(account, mailbox, text, at.Add(time.Duration(i)*time.Hour), []string{`\Seen`, "$Junk", "later", `\Flagged`}[i%3:]...)
	}
	p.put(account, "Work", "Subject: large\r\n\r\n"+strings.Repeat("line of a large message\r\n", 100_000), at)
}

// TestPagesTransfer exports all mail of an account in all kinds of files, and imports it into another.
func TestPagesTransfer(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	p.fill("one")
	one, two := p.account("one"), p.account("two")
	if l := one.ok("Mailboxes", fields{})["Mailboxes"].([]any); l[0].(fields)["Name"] != "Inbox" || l[0].(fields)["Messages"] != 8.0 {
		t.Errorf("mailboxes: %v", l)
	}
	if r := two.ok("ImportLimits", fields{}); r["MaxBytes"].(float64) < 1<<30 || r["Running"] != false {
		t.Errorf("limits: %v", r)
	}
	for _, c := range []struct{ format, archive, mediaType string }{{"maildir", "zip", "application/zip"}, {"mbox", "tgz", "application/octet-stream"}, {"mbox", "tar", "application/x-tar"}, {"maildir", "tgz", "application/octet-stream"}} {
		a := one.export("format", c.format, "archive", c.archive)
		name := a.header.Get("Content-Disposition")
		if a.status != 200 || a.header.Get("Content-Type") != c.mediaType || !strings.HasPrefix(name, "attachment; filename=mailexport-all-20") || !strings.HasSuffix(name, "."+c.format+"."+c.archive) {
			t.Fatalf("%v: %d %v", c, a.status, a.header)
		}
		end := two.imported("mail."+c.archive, []byte(a.text))
		added, there := end.data["Added"], end.data["Duplicates"]
		if c.archive == "zip" && added != 31.0 || c.archive != "zip" && there != 31.0 || end.name != "done" || end.data["Problems"] != 0.0 {
			t.Errorf("%v: %+v", c, end)
		}
		again := two.export("format", c.format, "archive", c.archive)
		if c.archive == "tar" {
			if again.text != a.text {
				t.Errorf("%v: not the same", c)
			}
		} else if got, want := unpacked(t, again.text), unpacked(t, a.text); !maps.Equal(got, want) {
			t.Errorf("%v: not the same: %q, want %q", c, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
	}
}

// TestPagesMbox exports a mailbox as a single file, and imports it.
func TestPagesMbox(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	p.fill("one")
	one, two := p.account("one"), p.account("two")
	if got := slices.Sorted(maps.Keys(unpacked(t, one.export("format", "mbox", "archive", "tgz", "mailbox", "Work", "recursive", "1").text))); !slices.Equal(got, []string{"Work.mbox", "Work/Söb.mbox", "subscriptions"}) {
		t.Errorf("%q", got)
	}
	a := one.export("format", "mbox", "archive", "none", "mailbox", "Work/Söb")
	if a.status != 200 || a.header.Get("Content-Type") != "application/mbox" || !strings.Contains(a.header.Get("Content-Disposition"), "filename*=utf-8''mailexport-Work-S%C3%B6b-20") || strings.Count(a.text, "Message-ID:") != 7 {
		t.Fatalf("%d %v %s", a.status, a.header, a.text)
	}
	for name, mailbox := range map[string]string{"mailexport-Work-20261123-120000 (1).mbox": "Work", "Söb.mbox": "Söb", "mbox": "Inbox"} {
		if end := two.imported(name, []byte(a.text)); end.name != "done" || end.data["Added"] != 7.0 {
			t.Errorf("%s: %+v", name, end)
		}
		l := two.ok("Mailboxes", fields{})["Mailboxes"].([]any)
		if !slices.ContainsFunc(l, func(m any) bool { return m.(fields)["Name"] == mailbox && m.(fields)["Messages"] == 7.0 }) {
			t.Errorf("%s: %v", name, l)
		}
	}
	// Without the prefix that all names have.
	all := one.export("format", "maildir", "archive", "zip").text
	if end := two.imported("x.zip", []byte(all), "skipMailboxPrefix", "Work"); end.name != "done" {
		t.Errorf("%+v", end)
	}
	for _, m := range two.ok("Mailboxes", fields{})["Mailboxes"].([]any) {
		if m := m.(fields); m["Name"] == "Work/Söb" || m["Name"] == "Söb" && m["Messages"] != 7.0 || m["Name"] == "Old" && m["Messages"] != 7.0 {
			t.Errorf("prefix: %v", m)
		}
	}
	// An empty mailbox is a file too.
	if a := two.export("format", "mbox", "archive", "none", "mailbox", "Trash"); a.status != 200 || a.text != "" || a.header.Get("Content-Disposition") == "" {
		t.Errorf("empty: %d %v", a.status, a.header)
	}
}

// TestPagesTransferRefused: what is no mail, too much of it, or of nobody who may.
func TestPagesTransferRefused(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	one, two := p.account("one"), p.account("two")
	mbox := []byte("From x Thu Jan  1 00:00:00 2015\nSubject: x\n\ntext\n")
	check := func(what string, a answer, status int, code, text string) {
		t.Helper()
		if a.status != status || a.code != code || !strings.Contains(a.text, text) {
			t.Errorf("%s: %d %s", what, a.status, a.text)
		}
	}
	check("picture", one.upload("x.zip", []byte("\xff\xd8 a picture")), 400, "user:error", "no zip, tar or tgz archive, and no mbox")
	check("nothing", one.upload("x.zip", nil), 400, "user:error", "empty")
	check("half a zip", one.upload("x.zip", []byte("PK\x03\x04half of it")), 400, "user:error", "not a valid zip file")
	check("field", one.upload("x.mbox", mbox, "other", "x"), 400, "user:error", "not known")
	check("long prefix", one.upload("x.mbox", mbox, "skipMailboxPrefix", strings.Repeat("x", 2000)), 400, "user:error", "1000 octets")
	check("no form", one.do("POST", "import", "{}"), 400, "user:error", "multipart/form-data")
	check("method", one.do("GET", "import", ""), 405, "user:error", "POST")
	check("progress of nothing", one.do("GET", "importprogress?token=x", ""), 404, "user:error", "no such import")
	check("progress by POST", one.do("POST", "importprogress", "{}"), 405, "user:error", "GET")
	check("export without form", one.do("POST", "export", "{}"), 400, "user:error", "x-www-form-urlencoded")
	check("field of export", one.export("format", "mbox", "archive", "zip", "other", "x"), 400, "user:error", "not known")
	check("large form", one.export("format", "mbox", "archive", "zip", "mailbox", strings.Repeat("x", 100_000)), 400, "user:error", "cannot be read")
	check("export of nothing", one.export("format", "mbox", "archive", "zip", "mailbox", "Nothing"), 404, "user:error", "no such mailbox")
	check("bad mailbox", one.export("format", "mbox", "archive", "zip", "mailbox", "a//b"), 400, "user:error", "")
	check("messages", one.export("format", "mbox", "archive", "zip", "messageids", "1"), 400, "user:error", "only mailboxes")
	check("format", one.export("format", "pst", "archive", "zip"), 400, "user:error", "unknown format")
	check("archive", one.export("format", "mbox", "archive", "rar"), 400, "user:error", "unknown archive")
	for _, form := range [][]string{{"format", "mbox"}, {"format", "maildir", "mailbox", "Inbox"}, {"format", "mbox", "mailbox", "Inbox", "recursive", "on"}} {
		check("without archive", one.export(append(form, "archive", "none")...), 400, "user:error", "single mailbox")
	}
	body, contentType := upload(t, "x.mbox", mbox)
	one.header.Set("Content-Type", contentType)
	check("broken form", one.do("POST", "import", string(body[:len(body)-30])), 400, "user:error", "broke off")
	check("no file", one.do("POST", "import", string(body[bytes.LastIndex(body, []byte("\r\n--"))+2:])), 400, "user:error", "no file")
	one.header = http.Header{}

	// A file of a tar archive that ends in the middle is found in the background.
	p.fill("two")
	tgz := two.export("format", "maildir", "archive", "tgz").text
	if end := one.imported("x.tgz", []byte(tgz[:len(tgz)/2])); end.name != "aborted" || !strings.Contains(end.data["Message"].(string), "unexpected EOF") {
		t.Errorf("half an archive: %+v", end)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	_, err := z.Create("readme.txt")
	p.must(errors.Join(err, z.Close()))
	if end := one.imported("x.zip", b.Bytes()); end.name != "aborted" || !strings.Contains(end.data["Message"].(string), "no mail found") {
		t.Errorf("nothing in it: %+v", end)
	}

	csrf := one.csrf
	one.csrf = "x"
	check("CSRF", one.upload("x.mbox", mbox), 403, "user:badCSRF", "")
	check("CSRF of export", one.export("format", "mbox", "archive", "zip"), 403, "user:badCSRF", "")
	one.csrf = csrf
	one.header.Set("Sec-Fetch-Site", "cross-site")
	check("other site", one.upload("x.mbox", mbox), 403, "user:badCSRF", "")
	one.header = http.Header{}
	nobody := p.browser(accountURL)
	check("nobody", nobody.upload("x.mbox", mbox), 401, "user:noAuth", "")
	check("nobody's export", nobody.export("format", "mbox", "archive", "zip"), 401, "user:noAuth", "")
	if left, err := filepath.Glob(filepath.Join(p.dir, "data", "tmp", "import-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// sending is a request whose body is not complete.
func (b *browser) sending(body []byte, contentType string) (rest *io.PipeWriter, result chan error) {
	b.p.t.Helper()
	r, w := io.Pipe()
	req, err := http.NewRequest("POST", b.base+"import", r)
	b.p.must(err)
	req.Header.Set("Content-Type", contentType)
	req.Header.Set(jsoncall.HeaderCSRF, b.csrf)
	result = make(chan error, 1)
	go func() {
		resp, err := b.client.Do(req)
		if err == nil {
			text, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			err = fmt.Errorf("%d %s", resp.StatusCode, text)
		}
		r.CloseWithError(err)
		result <- err
	}()
	_, err = w.Write(body)
	b.p.must(err)
	return w, result
}

// TestPagesTransferAlone: an account has one import at a time, those of others go on, and all end with the server.
func TestPagesTransferAlone(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	one, two := p.account("one"), p.account("two")
	mbox := []byte("From x Thu Jan  1 00:00:00 2015\nSubject: x\n\ntext\n")
	body, contentType := upload(t, "x.mbox", mbox)
	running := func(want bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); one.ok("ImportLimits", fields{})["Running"] != want; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("running: %v", !want)
			}
		}
	}
	rest, result := one.sending(body[:len(body)-10], contentType)
	running(true)
	if a := one.upload("x.mbox", mbox); a.status != 409 || !strings.Contains(a.text, "another import") {
		t.Errorf("second import: %d %s", a.status, a.text)
	}
	a := two.upload("x.mbox", mbox)
	token := a.fields["Token"]
	if all := two.progress(token.(string)); all[len(all)-1].name != "done" {
		t.Errorf("%+v", all)
	}
	one.bad("ImportAbort", fields{"ImportToken": token}, 400, "user:error")
	two.ok("ImportAbort", fields{"ImportToken": token})
	_, err := rest.Write(body[len(body)-10:])
	p.must(errors.Join(err, rest.Close()))
	if err := <-result; !strings.Contains(err.Error(), "200 ") {
		t.Error(err)
	}

	running(false)
	_, result = one.sending(body[:len(body)-10], contentType)
	running(true)
	p.accountAPI.Detach("one")
	if err := <-result; !strings.Contains(err.Error(), "400 ") && !strings.Contains(err.Error(), "EOF") && !strings.Contains(err.Error(), "reset") {
		t.Errorf("account is removed: %v", err)
	}
	p.accountAPI.Close()
	if a := one.upload("x.mbox", mbox); a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("while the server stops: %d %s", a.status, a.text)
	}
}

// TestPagesImportRemoved: an account is removed while mail is imported into it.
func TestPagesImportRemoved(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	two := p.account("two")
	var b bytes.Buffer
	for i := range 50_000 {
		fmt.Fprintf(&b, "From x Thu Jan  1 00:00:00 2015\nMessage-ID: <%d@example.org>\n\ntext\n\n", i)
	}
	token, _ := two.upload("Old.mbox", b.Bytes()).fields["Token"].(string)
	resp, err := two.client.Get(two.base + "importprogress?token=" + token)
	p.must(err)
	defer resp.Body.Close()
	r := bufio.NewReader(resp.Body)
	for line := ""; line != "event: count\n"; {
		line, err = r.ReadString('\n')
		p.must(err)
	}
	p.must(p.Admin.AccountRemove(t.Context(), "test", "two"))
	all := events(t, r)
	if end := all[len(all)-1]; end.name != "aborted" || end.data["Message"] != "the account is not there any more" {
		t.Errorf("%+v", end)
	}
	two.bad("ImportAbort", fields{"ImportToken": token}, 401, "user:badAuth")
}

// TestPagesExportGone: a download that fails in the middle looks so, and ends with its account.
func TestPagesExportGone(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	at := time.Date(2019, 5, 6, 7, 8, 9, 0, time.UTC)
	text := "Subject: large\r\n\r\n" + strings.Repeat("line of a large message\r\n", 300_000)
	for range 5 {
		p.put("one", "Inbox", text, at)
	}
	one := p.account("one")
	begin := func() *http.Response {
		form := url.Values{"csrf": {one.csrf}, "format": {"mbox"}, "archive": {"none"}, "mailbox": {"Inbox"}}
		resp, err := one.client.Post(one.base+"export", "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
		p.must(err)
		if resp.StatusCode != 200 {
			t.Fatal(resp.Status)
		}
		return resp
	}
	first, second := begin(), begin()
	defer first.Body.Close()
	if a := one.export("format", "mbox", "archive", "zip"); a.status != 429 {
		t.Errorf("third at a time: %d %s", a.status, a.text)
	}
	second.Body.Close() // the browser goes
	p.accountAPI.Detach("one")
	if n, err := io.Copy(io.Discard, first.Body); err == nil {
		t.Errorf("looks complete after %d octets", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for p.Store.Remove(ctx, "one") != nil {
		if ctx.Err() != nil {
			t.Fatal("the account is still in use")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestPagesExportDamaged: messages that cannot be read are named in an archive, and missing nowhere without a word.
func TestPagesExportDamaged(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	p.fill("two")
	d, err := db.Open(filepath.Join(p.Store.AccountDir("two"), "account.db"), db.Options{})
	p.must(err)
	p.must(errors.Join(d.Write(t.Context(), func(c *db.Conn) error { return c.Script("DELETE FROM chunk WHERE id=(SELECT min(id) FROM chunk)") }), d.Close()))
	two := p.account("two")
	a := two.export("format", "mbox", "archive", "zip", "mailbox", "Inbox")
	found := ""
	for name, text := range unpacked(t, a.text) {
		if strings.HasPrefix(name, "errors.txt") {
			found = text
		}
	}
	if a.status != 200 || !strings.Contains(found, `mailbox "Inbox", UID 1:`) || strings.Count(found, "\n") != 1 {
		t.Errorf("%d %q", a.status, found)
	}
	if a := two.export("format", "mbox", "archive", "none", "mailbox", "Inbox"); a.status != 400 || !strings.Contains(a.text, "an archive has the others") {
		t.Errorf("single file: %d %s", a.status, a.text)
	}
}
