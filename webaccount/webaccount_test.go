package webaccount

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// TestHandler: the page that is built in loads its script and style from here, and nothing from elsewhere.
func TestHandler(t *testing.T) {
	h, err := Handler(http.NotFoundHandler())
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
		t.Fatal(code)
	}
	assets := 0
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		path, ok := strings.CutPrefix(m[1], "./")
		if !ok {
			t.Errorf("%s is not relative to the page", m[1])
			continue
		}
		assets++
		if code, _ := get("/" + path); code != 200 {
			t.Errorf("%s: %d", m[1], code)
		}
	}
	if assets < 2 || strings.Contains(page, "<style") || regexp.MustCompile(`<script[^>]*>[^<]`).MatchString(page) {
		t.Errorf("%d assets, or something in line:\n%s", assets, page)
	}
}
