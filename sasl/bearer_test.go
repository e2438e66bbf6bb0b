package sasl

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

// TestBearer is the example of RFC 7628 4.1 (that of 4.3 for refusal), and what Google shows for XOAUTH2.
func TestBearer(t *testing.T) {
	const token = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
	for _, tc := range []struct {
		mech, start, dummy string
		c                  Credentials
	}{
		{OAuthBearer, "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB", "AQ==",
			Credentials{Authcid: "user@example.com", Password: token, Host: "server.example.com", Port: 143}},
		{OAuthBearer, base64.StdEncoding.EncodeToString([]byte("n,a=a=2Cb,\x01auth=Bearer x\x01\x01")), "AQ==", Credentials{Authcid: "a,b", Password: "x"}},
		{XOAuth2, "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==", "",
			Credentials{Authcid: "someuser@example.com", Password: "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"}},
	} {
		c, err := NewClient(tc.mech, tc.c)
		if err != nil {
			t.Fatal(err)
		}
		start, err := c.Start()
		if got := base64.StdEncoding.EncodeToString(start); err != nil || got != tc.start || !c.Complete() {
			t.Errorf("%s: %q %v", tc.mech, start, err)
		}
		// RFC 7628 4.3.
		refusal, err := base64.StdEncoding.DecodeString("eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJleGFtcGxlX3Njb3BlIiwib3BlbmlkLWNvbmZpZ3VyYXRpb24iOiJodHRwczovL2V4YW1wbGUuY29tLy53ZWxsLWtub3duL29wZW5pZC1jb25maWd1cmF0aW9uIn0=")
		if err != nil {
			t.Fatal(err)
		}
		dummy, err := c.Next(refusal)
		if got := base64.StdEncoding.EncodeToString(dummy); err != nil || got != tc.dummy || c.Complete() {
			t.Errorf("%s: %q %v", tc.mech, dummy, err)
		}
		if p := c.(Explainer).Problem(); !errors.Is(p, ErrCredentials) || !strings.Contains(p.Error(), `"invalid_token", it wants scope "example_scope"`) {
			t.Errorf("%s: problem %v", tc.mech, p)
		}
		if _, err := c.Next(nil); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: another challenge: %v", tc.mech, err)
		}
	}
	for _, token := range []string{"", "a b", "a\x01", "é"} {
		c, _ := NewClient(XOAuth2, Credentials{Authcid: "a", Password: token})
		if _, err := c.Start(); !errors.Is(err, ErrCredentials) {
			t.Errorf("token %q: %v", token, err)
		}
	}
}
