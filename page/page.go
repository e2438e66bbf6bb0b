package page

import (
	"bytes"
	"crypto/rand"
	"embed"
	"encoding/base64"
	"html/template"
	"io/fs"
	"net/http"
)

//go:embed layout.html
var layout embed.FS

// Templates parses the files pages/*.html. They begin with template "head", which needs fields Title and
// Nonce, and may have "copyscript", which makes buttons with attribute data-copy copy the text of the element of that id.
func Templates(files fs.FS, funcs template.FuncMap) *template.Template {
	t := template.Must(template.New("").Funcs(funcs).ParseFS(layout, "layout.html"))
	return template.Must(t.ParseFS(files, "pages/*.html"))
}

// Nonce is a value that nobody can guess, for styles and scripts of one answer.
func Nonce() string {
	b := make([]byte, 24)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// Private sets header fields by which an answer is kept nowhere, and its address is told to nobody.
func Private(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}

// Write answers with a page. After an error the answer is that of an internal error.
func Write(w http.ResponseWriter, status int, t *template.Template, name, nonce string, view any) error {
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, name, view); err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+nonce+"'; script-src 'nonce-"+nonce+"'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	return err
}
