package sftp_test

import (
	"strings"
	"testing"

	"mox/sftp"
)

func TestParseURL(t *testing.T) {
	for _, tc := range []struct {
		url, text string
		want      sftp.Place
	}{
		{"sftp://u@host/mox", "sftp://u@host/mox", sftp.Place{User: "u", Host: "host", Port: 22, Path: "/mox"}},
		{"sftp://u@host:22/mox//a/", "sftp://u@host/mox/a", sftp.Place{User: "u", Host: "host", Port: 22, Path: "/mox/a"}},
		{"sftp://u1-sub@box.example:23/~/mox/a", "sftp://u1-sub@box.example:23/~/mox/a", sftp.Place{User: "u1-sub", Host: "box.example", Port: 23, Path: "mox/a"}},
		{"sftp://u@[::1]:2222/a%20b", "sftp://u@[::1]:2222/a%20b", sftp.Place{User: "u", Host: "::1", Port: 2222, Path: "/a b"}},
	} {
		p, err := sftp.ParseURL(tc.url)
		if err != nil || p != tc.want || p.String() != tc.text {
			t.Errorf("%s: %+v %s, %v", tc.url, p, p, err)
		}
	}
	for url, want := range map[string]string{
		"sftp://host/a": "has no user", "sftp://u:p@host/a": "no password", "sftp://u@host": "no directory", "sftp://u@host/": "no directory", "sftp://u@host/~/": "no directory",
		"sftp://u@/a": "must be sftp://", "ssh://u@host/a": "must be sftp://", "sftp://u@host/a?b": "must be sftp://", "sftp://u@host:0/a": "bad port", "sftp://u@host:99999/a": "bad port", "sftp://u@host/a%00": "control",
	} {
		if _, err := sftp.ParseURL(url); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
}

func TestParseKeys(t *testing.T) {
	file, err := sftp.NewKey("mox")
	if err != nil {
		t.Fatal(err)
	}
	key, err := sftp.ParseKey(file)
	if err != nil || !strings.HasPrefix(key.Authorized(), "ssh-ed25519 AAAA") || !strings.HasPrefix(key.Fingerprint(), "SHA256:") {
		t.Fatalf("%v, %v", key, err)
	}
	for file, want := range map[string]string{key.Authorized(): "public half", "": "no private SSH key", encrypted: "passphrase"} {
		if _, err := sftp.ParseKey([]byte(file)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", file, err, want)
		}
	}
	public := strings.TrimPrefix(key.Authorized(), "ssh-ed25519 ")
	for _, good := range []string{key.Authorized(), key.Fingerprint(), "host " + key.Authorized(), " " + key.Authorized() + " comment", "|1|c2FsdHNhbHRzYWx0c2FsdHNhbA==|c2FsdHNhbHRzYWx0c2FsdHNhbA== " + key.Authorized()} {
		if h, err := sftp.ParseHostKeys([]string{good}); err != nil || h.Empty() {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "SHA256:abc", "MD5:00:11", "ssh-rsa " + public, "ssh-ed25519", "ssh-ed25519 " + public[:20], "@cert-authority * " + key.Authorized(), "@revoked host " + key.Authorized(), key.Authorized() + "\n" + key.Authorized()} {
		if _, err := sftp.ParseHostKeys([]string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzParseHostKeys(f *testing.F) {
	f.Add("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl")
	f.Add("@revoked [a]:22 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl")
	f.Add("SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU")
	f.Fuzz(func(t *testing.T, s string) {
		if h, err := sftp.ParseHostKeys([]string{s}); err == nil && h.Empty() {
			t.Error("nothing is read, without error")
		}
	})
}

func FuzzParseURL(f *testing.F) {
	f.Add("sftp://u@host:22/~/a")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := sftp.ParseURL(s)
		if err != nil {
			return
		}
		if again, err := sftp.ParseURL(p.String()); err != nil || again != p {
			t.Errorf("%q: %+v, again %+v, %v", s, p, again, err)
		}
	})
}

// encrypted is a key with a passphrase, made by ssh-keygen.
const encrypted = `-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABDCB3IeId
Mot7C1MYlgfUXvAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIK48Z7lcmbZ1JdaW
oRMuvwFQFX0Pv//JfokiPs1d6XQ7AAAAkLUYqpnx5eLvSMv9jW/Q59VsTd0Mog9MHBwoIn
ey5n1VUsuWYTMzBP0Z90OqrEQODs5Obfi+SOc1Bs8PUPcJH/sx+/8zg/hDQ8mAtVtD9pOw
SP0W1al9G8/iZPU6aj0R6EIyLmN/1GHCEfGUfRvB0ww1wy2ojzHZ/ou2vApPsHBvK8XQJU
LJdIZBP3DpiIS4LQ==
-----END OPENSSH PRIVATE KEY-----
`
