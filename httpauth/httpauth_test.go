package httpauth

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

// RFC 9110 11.5: the value of realm is a quoted string.
func TestChallenges(t *testing.T) {
	w := httptest.NewRecorder()
	(&Refusal{http.StatusUnauthorized, "no"}).Answer(w, "jmap")
	if got := w.Header()["Www-Authenticate"]; !slices.Equal(got, []string{`Basic realm="jmap"`, `Bearer realm="jmap"`}) || w.Code != http.StatusUnauthorized {
		t.Errorf("%d %q", w.Code, got)
	}
}
