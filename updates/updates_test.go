package updates

import (
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

// testKey is a key that is the same each time.
func testKey(n byte) (ed25519.PrivateKey, ed25519.PublicKey) {
	k := ed25519.NewKeyFromSeed(slices.Repeat([]byte{n}, ed25519.SeedSize))
	return k, k.Public().(ed25519.PublicKey)
}

// program is what is downloaded in tests.
const program = "#!/bin/sh\necho this is no mox\n"

func testFile(path string) File {
	sum := sha256.Sum256([]byte(program))
	return File{OS: "linux", Arch: "amd64", Size: int64(len(program)), SHA256: hex.EncodeToString(sum[:]), Path: path}
}

func testRelease(version string) Release {
	return Release{Version: version, Date: "2026-11-22", Text: "What is new in " + version + ".\n", Files: []File{testFile(version + "/mox-linux-amd64")}}
}

func testEntry(t testing.TB, version string, key byte) Entry {
	t.Helper()
	k, _ := testKey(key)
	e, err := Sign(testRelease(version), k)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func testChangelog(t testing.TB, key byte, versions ...string) []byte {
	t.Helper()
	var c Changelog
	for _, v := range versions {
		c.Entries = append(c.Entries, testEntry(t, v, key))
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVersionOrder(t *testing.T) {
	// Semantic Versioning 2.0.0, 11, and more; ascending.
	order := []string{"0.0.0-0", "0.0.13", "0.1.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1-0.20261122163000-0d8b838abcde", "1.0.1", "1.9.0", "1.10.0", "2.0.0"}
	if _, err := ParseVersion(""); !errors.Is(err, ErrVersion) {
		t.Error(err)
	}
	for i, a := range order {
		for j, b := range order {
			va, err := ParseVersion(a)
			vb, berr := ParseVersion("v" + b + "+build.5")
			if err != nil || berr != nil {
				t.Fatal(err, berr)
			}
			if got := va.Compare(vb); got != cmp.Compare(i, j) {
				t.Errorf("%s with %s: %d", a, b, got)
			}
		}
		v, _ := ParseVersion(a)
		if !v.Newer(Version{}) || (Version{}).Newer(v) || v.IsZero() {
			t.Errorf("%s is not newer than none", a)
		}
		if v.String() != "v"+a {
			t.Errorf("%s is printed as %s", a, v)
		}
	}
	for _, bad := range []string{"1", "1.2", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3-a..b", "1.2.3+", "1.2.-3", "1.2.3 ", "vv1.2.3", "(devel)", "1.2.99999999999", "1.2.3-" + strings.Repeat("a", 100), "1.2.ö", "0.0.0", "0.0.0+x"} {
		if v, err := ParseVersion(bad); !errors.Is(err, ErrVersion) {
			t.Errorf("%q is %s", bad, v)
		}
	}
	for program, want := range map[string]string{"v1.2.3 go1.26.1": "v1.2.3", "v1.2.3\n": "v1.2.3", "(devel) 0d8b838abcde go1.26": "", "": ""} {
		if v, ok := VersionOf(program); v.String() != want || ok != (want != "") {
			t.Errorf("%q: %s %v", program, v, ok)
		}
	}
}

func FuzzVersion(f *testing.F) {
	for _, s := range []string{"v1.2.3", "1.2.3-rc.1+x", "0.0.0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseVersion(s)
		if err != nil {
			return
		}
		again, err := ParseVersion(v.String())
		if err != nil || again != v || v.Compare(again) != 0 {
			t.Errorf("%q: %v %v", s, again, err)
		}
	})
}

func TestRecord(t *testing.T) {
	for s, want := range map[string]string{
		"v=UPDATES0; l=v1.2.3": "v1.2.3", "v=UPDATES0;l=0.0.13": "v0.0.13", " v=UPDATES0 ; x=y; l = v1.2.3 ;": "v1.2.3",
	} {
		if r, is, err := ParseRecord(s); err != nil || !is || r.Latest.String() != want {
			t.Errorf("%q: %v %v %v", s, r, is, err)
		}
	}
	for s, is := range map[string]bool{
		"": false, "v=UPDATES1; l=v1.2.3": false, "v=spf1 -all": false, "v=UPDATES0": true, "v=UPDATES0; l=": true, "v=UPDATES0; l=new": true,
		"v=UPDATES0; l=v1.2.3; l=v1.2.3": true, "v=UPDATES0; oh": true, "v=UPDATES0; =x": true, "v=UPDATES0; l=v1.2.3; x=" + strings.Repeat("y", maxRecord): true,
	} {
		if r, got, err := ParseRecord(s); !errors.Is(err, ErrRecord) || got != is {
			t.Errorf("%.60q: %v %v %v", s, r, got, err)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add("v=UPDATES0; l=v1.2.3")
	f.Add("v=UPDATES0; x=; l=1.2.3-a;")
	f.Fuzz(func(t *testing.T, s string) {
		r, is, err := ParseRecord(s)
		if (err == nil) && !is {
			t.Error("valid, and none")
		}
		if err != nil {
			return
		}
		again, _, err := ParseRecord(r.String())
		if err != nil || again != r {
			t.Errorf("%q: %v %v", s, again, err)
		}
	})
}

func TestKeys(t *testing.T) {
	_, pub := testKey(1)
	if got, err := ParsePublicKey(" " + FormatPublicKey(pub) + "\n"); err != nil || !got.Equal(pub) {
		t.Error(got, err)
	}
	for _, bad := range []string{"", "AAAA", FormatPublicKey(pub) + "AA==", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"} {
		if _, err := ParsePublicKey(bad); err == nil {
			t.Errorf("%q is a key", bad)
		}
	}
	if _, err := ParsePrivateKey([]byte("x")); err == nil {
		t.Error("no error")
	}
	for _, n := range []int{0, maxKeys + 1} {
		if _, err := ParsePublicKeys(slices.Repeat([]string{FormatPublicKey(pub)}, n)); err == nil {
			t.Errorf("%d keys", n)
		}
	}
}

func TestFeed(t *testing.T) {
	_, pub := testKey(1)
	keys := []string{FormatPublicKey(pub)}
	f, err := NewFeed("mox.example", "", keys)
	if err != nil || f.URL != "https://updates.mox.example/changelog.json" || f.RecordName() != "_updates.mox.example" || f.IsZero() {
		t.Error(f, err)
	}
	if got, err := f.fileURL(testFile("v1.2.3/mox+x")); err != nil || got != "https://updates.mox.example/v1.2.3/mox+x" {
		t.Error(got, err)
	}
	if f, err := NewFeed("mox.example", "https://example.org/a/b.json", keys); err != nil {
		t.Error(err)
	} else if got, err := f.fileURL(testFile("c")); err != nil || got != "https://example.org/a/c" {
		t.Error(got, err)
	}
	if f, err := NewFeed("", "", nil); err != nil || !f.IsZero() {
		t.Error(f, err)
	}
	for _, bad := range []struct {
		domain, url string
		keys        []string
	}{
		{"", "", keys}, {"a..b", "", keys}, {"mox.example", "", nil}, {"mox.example", "", []string{"x"}}, {"mox.example", "http://x/y", keys},
		{"mox.example", "https://x", keys}, {"mox.example", "https://x/", keys}, {"mox.example", "https://x/y?z", keys}, {"mox.example", "https://a:b@x/y", keys},
		{"mox.example", "https:///y", keys}, {"mox.example", "https://x/y#z", keys}, {"mox.example", "https://[x/y", keys},
	} {
		if f, err := NewFeed(bad.domain, bad.url, bad.keys); err == nil {
			t.Errorf("%v is a feed: %v", bad, f)
		}
	}
}

// Each byte of what is signed counts, and no other key does.
func TestVerify(t *testing.T) {
	e := testEntry(t, "v1.2.3", 1)
	k1, pub1 := testKey(1)
	k2, pub2 := testKey(2)
	r, err := e.Verify([]ed25519.PublicKey{pub2, pub1})
	if err != nil || !r.Signer().Equal(pub1) || r.Parsed().String() != "v1.2.3" || r.Platforms() != "linux/amd64" {
		t.Error(r, err)
	}
	if f, ok := r.File("linux", "amd64"); !ok || f != testFile("v1.2.3/mox-linux-amd64") {
		t.Error(f, ok)
	}
	if _, ok := r.File("linux", "arm64"); ok {
		t.Error("a file of another platform")
	}
	for i := range e.Release {
		changed := []byte(e.Release)
		changed[i] ^= 1
		if _, err := (Entry{string(changed), e.Signatures}).Verify([]ed25519.PublicKey{pub1}); !errors.Is(err, ErrUnsigned) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	for what, bad := range map[string]Entry{
		"another key":      e,
		"no signature":     {Release: e.Release},
		"the other's name": {e.Release, []Signature{{FormatPublicKey(pub2), e.Signatures[0].Signature}}},
		"no base64":        {e.Release, []Signature{{FormatPublicKey(pub2), "?"}}},
	} {
		if r, err := bad.Verify([]ed25519.PublicKey{pub2}); !errors.Is(err, ErrUnsigned) || r.Version != "" {
			t.Errorf("%s: %v %v", what, r, err)
		}
	}
	// Of two signatures, one that is known is enough.
	both, err := Sign(testRelease("v2.0.0"), k1, k2)
	if err != nil {
		t.Fatal(err)
	}
	for _, pub := range []ed25519.PublicKey{pub1, pub2} {
		if _, err := both.Verify([]ed25519.PublicKey{pub}); err != nil {
			t.Error(err)
		}
	}
	// Something else that a key has signed is no release.
	for _, s := range []string{"{}", "null", `{"Type":"x","Version":"v1.2.3","Date":"2026-11-22"}`, "0000  mox\n"} {
		signed := Entry{s, []Signature{{FormatPublicKey(pub1), sign64(k1, s)}}}
		if _, err := signed.Verify([]ed25519.PublicKey{pub1}); !errors.Is(err, ErrChangelog) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	k, _ := testKey(1)
	for what, change := range map[string]func(*Release){
		"version": func(r *Release) { r.Version = "new" }, "date": func(r *Release) { r.Date = "22 November" }, "escape": func(r *Release) { r.Text = "\x1b[2J" },
		"utf-8": func(r *Release) { r.Text = "\xff" }, "long": func(r *Release) { r.Text = strings.Repeat("x", MaxText+1) }, "c1": func(r *Release) { r.Text = "\u009b2J" },
		"size": func(r *Release) { r.Files[0].Size = 0 }, "large": func(r *Release) { r.Files[0].Size = MaxProgram + 1 }, "hash": func(r *Release) { r.Files[0].SHA256 = "ab" },
		"upper": func(r *Release) { r.Files[0].SHA256 = strings.ToUpper(r.Files[0].SHA256) }, "os": func(r *Release) { r.Files[0].OS = "" }, "arch": func(r *Release) { r.Files[0].Arch = "amd 64" },
		"twice": func(r *Release) { r.Files = append(r.Files, r.Files[0]) }, "many": func(r *Release) { r.Files = slices.Repeat(r.Files, maxFiles+1) },
		"up": func(r *Release) { r.Files[0].Path = "../mox" }, "inner": func(r *Release) { r.Files[0].Path = "a/../mox" }, "root": func(r *Release) { r.Files[0].Path = "/mox" },
		"host": func(r *Release) { r.Files[0].Path = "https://elsewhere/mox" }, "slashes": func(r *Release) { r.Files[0].Path = "//elsewhere/mox" }, "empty": func(r *Release) { r.Files[0].Path = "" },
		"query": func(r *Release) { r.Files[0].Path = "mox?x" }, "percent": func(r *Release) { r.Files[0].Path = "%2e%2e/mox" }, "itself": func(r *Release) { r.Files[0].Path = ChangelogName },
		"hidden": func(r *Release) { r.Files[0].Path = ".git/config" },
	} {
		r := testRelease("v1.2.3")
		change(&r)
		if _, err := Sign(r, k); !errors.Is(err, ErrChangelog) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := Sign(testRelease("v1.2.3")); err == nil {
		t.Error("signed without a key")
	}
}

func TestVerified(t *testing.T) {
	_, pub := testKey(1)
	c := Changelog{Entries: []Entry{testEntry(t, "v1.0.0", 1), testEntry(t, "v1.2.0-rc.1", 1), testEntry(t, "v1.1.0", 1), testEntry(t, "v9.9.9", 2), testEntry(t, "v1.1.0", 1)}}
	l, bad := c.Verified([]ed25519.PublicKey{pub})
	var got []string
	for _, r := range l {
		got = append(got, r.Version)
	}
	if strings.Join(got, " ") != "v1.2.0-rc.1 v1.1.0 v1.0.0" || len(bad) != 2 || !errors.Is(bad[3], ErrUnsigned) || !errors.Is(bad[4], ErrChangelog) {
		t.Error(got, bad)
	}
	for than, want := range map[string]string{"v1.0.0": "v1.1.0", "v1.1.0-a": "v1.2.0-rc.1 v1.1.0", "v1.1.0": "", "v3.0.0": ""} {
		v, _ := ParseVersion(than)
		got = nil
		for _, r := range Newer(l, v) {
			got = append(got, r.Version)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("newer than %s: %v", than, got)
		}
	}
	if got := Notes(l[1:]); got != "v1.1.0, 2026-11-22\n\nWhat is new in v1.1.0.\n\nv1.0.0, 2026-11-22\n\nWhat is new in v1.0.0.\n" {
		t.Errorf("%q", got)
	}
}

func FuzzChangelog(f *testing.F) {
	f.Add(testChangelog(f, 1, "v1.2.3", "v1.2.4-rc.1"), testEntry(f, "v1.2.3", 1).Release)
	f.Add([]byte(`{"Entries":[{}]}`), `{"Type":"mox-release","Files":[{"Path":"../x"}]}`)
	k, pub := testKey(1)
	f.Fuzz(func(t *testing.T, data []byte, signed string) {
		if c, err := ParseChangelog(data); err == nil {
			c.Verified([]ed25519.PublicKey{pub})
		}
		// What a key has signed may be anything too.
		r, err := parseRelease(signed)
		if err != nil {
			return
		}
		e, err := Sign(r, k)
		if err != nil {
			t.Fatalf("%q: %v", signed, err)
		}
		again, err := e.Verify([]ed25519.PublicKey{pub})
		if err != nil || again.Parsed() != r.Parsed() || again.Text != r.Text || !slices.Equal(again.Files, r.Files) {
			t.Errorf("%q: %v %v", signed, again, err)
		}
		for _, file := range r.Files {
			if u, err := (Feed{URL: "https://updates.mox.example/a/changelog.json"}).fileURL(file); err != nil || !strings.HasPrefix(u, "https://updates.mox.example/a/") {
				t.Errorf("%q leads to %q: %v", file.Path, u, err)
			}
		}
	})
}
