package page_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"mox/webaccount"
	"mox/webadmin"
)

// noAPI has nothing.
type noAPI struct{ http.Handler }

func (a noAPI) Import(w http.ResponseWriter, r *http.Request)         { a.ServeHTTP(w, r) }
func (a noAPI) ImportProgress(w http.ResponseWriter, r *http.Request) { a.ServeHTTP(w, r) }
func (a noAPI) Export(w http.ResponseWriter, r *http.Request)         { a.ServeHTTP(w, r) }

// TestBuilt: the pages that are built in load their script and style from here, and nothing from elsewhere.
func TestBuilt(t *testing.T) {
	for name, handler := range map[string]func() (http.Handler, error){
		"account": func() (http.Handler, error) { return webaccount.Handler(noAPI{http.NotFoundHandler()}) },
		"admin":   func() (http.Handler, error) { return webadmin.Handler(http.NotFoundHandler()) },
	} {
		h, err := handler()
		if err != nil {
			t.Fatal(err)
		}
		get := func(path string) (int, string) {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			return w.Code, w.Body.String()
		}
		code, page := get("/")
		if code != 200 {
			t.Fatal(name, code)
		}
		assets := 0
		for _, m := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
			path, ok := strings.CutPrefix(m[1], "./")
			if !ok {
				t.Errorf("%s: %s is not relative to the page", name, m[1])
				continue
			}
			assets++
			if code, _ := get("/" + path); code != 200 {
				t.Errorf("%s: %s: %d", name, m[1], code)
			}
		}
		if assets < 2 || strings.Contains(page, "<style") || regexp.MustCompile(`<script[^>]*>[^<]`).MatchString(page) {
			t.Errorf("%s: %d assets, or something in line:\n%s", name, assets, page)
		}
	}
}
