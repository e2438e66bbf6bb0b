package webapiserver

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"mox/webapi"
)

func TestPages(t *testing.T) {
	f := newFixture(t)
	get := func(path string) response {
		req, _ := http.NewRequest("GET", f.url+path, nil)
		return do(t, req)
	}
	if r := get(""); r.status != 303 || r.header.Get("Location") != "v0/" {
		t.Errorf("%+v", r)
	}
	index := get("v0/")
	for _, m := range webapi.Methods() {
		if !strings.Contains(index.body, `<a href="`+m.Name+`">`) {
			t.Errorf("list lacks %s", m.Name)
		}
		page := get("v0/" + m.Name)
		if page.status != 200 || !strings.Contains(page.body, `<form method="post" action="`+m.Name+`"`) || !strings.Contains(page.body, f.url+"v0/"+m.Name) {
			t.Errorf("page %s: %d", m.Name, page.status)
		}
		if strings.Contains(page.body, "<script") || strings.Contains(page.body, `src="http`) || !strings.Contains(page.header.Get("Content-Security-Policy"), "form-action 'self'") {
			t.Errorf("page %s has scripts, or no policy", m.Name)
		}
	}
	for path, status := range map[string]int{"v0/Nothing": 404, "v1/": 404, "x": 404, "v0": 303} {
		if r := get(path); r.status != status {
			t.Errorf("%s: %d, want %d", path, r.status, status)
		}
	}
	req, _ := http.NewRequest("PUT", f.url+"v0/Send", nil)
	if r := do(t, req); r.status != 405 || r.header.Get("Allow") == "" {
		t.Errorf("PUT: %+v", r)
	}
}

// TestOpenAPI checks that the document hangs together: every reference leads somewhere,
// every method is there with all of its fields.
func TestOpenAPI(t *testing.T) {
	var doc struct {
		OpenAPI    string
		Paths      map[string]map[string]any
		Webhooks   map[string]any
		Components struct {
			Schemas map[string]struct{ Properties map[string]map[string]any }
		}
	}
	b := openAPI()
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" || len(doc.Webhooks) != 2 {
		t.Errorf("version %q, %d webhooks", doc.OpenAPI, len(doc.Webhooks))
	}
	for _, m := range webapi.Methods() {
		if doc.Paths["/"+m.Name]["post"] == nil {
			t.Errorf("%s is missing", m.Name)
		}
	}
	for name, s := range doc.Components.Schemas {
		for field, p := range s.Properties {
			if d, _ := p["description"].(string); !strings.HasSuffix(d, ".") {
				t.Errorf("%s.%s has no description", name, field)
			}
		}
	}
	for ref := range strings.SplitSeq(string(b), `"#/components/schemas/`) {
		name, _, ok := strings.Cut(ref, `"`)
		if _, there := doc.Components.Schemas[name]; ok && !there && !strings.HasPrefix(name, "{") {
			t.Errorf("reference to %s leads nowhere", name)
		}
	}
	send := doc.Components.Schemas["SendRequest"].Properties
	for _, field := range []string{"From", "To", "CC", "BCC", "ReplyTo", "MessageID", "References", "Date", "Subject", "Text", "HTML", "Extra", "Headers", "AlternativeFiles", "InlineFiles", "AttachedFiles", "RequireTLS", "FutureRelease", "SaveSent"} {
		if send[field] == nil {
			t.Errorf("SendRequest lacks %s", field)
		}
	}
}
