package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// TestSignature has AWS's published examples: of the test suite for Signature Version 4, and of
// "Examples: Signature Calculations in AWS Signature Version 4" of the S3 API reference.
func TestSignature(t *testing.T) {
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	suite := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	s3 := time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name, method, url, payload, service string
		header                              map[string]string
		now                                 time.Time
		want                                string
	}{
		{"get-vanilla", "GET", "https://example.amazonaws.com/", empty, "service", nil, suite, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-vanilla-query-order-key-case", "GET", "https://example.amazonaws.com/?Param2=value2&Param1=value1", empty, "service", nil, suite, "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		{"GET object", "GET", "https://examplebucket.s3.amazonaws.com/test.txt", empty, "s3", map[string]string{"Range": "bytes=0-9", "X-Amz-Content-Sha256": empty}, s3, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		{"PUT object", "PUT", "https://examplebucket.s3.amazonaws.com/test%24file.text", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072", "s3", map[string]string{"Date": "Fri, 24 May 2013 00:00:00 GMT", "X-Amz-Storage-Class": "REDUCED_REDUNDANCY", "X-Amz-Content-Sha256": "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"}, s3, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
		{"GET lifecycle", "GET", "https://examplebucket.s3.amazonaws.com/?lifecycle", empty, "s3", map[string]string{"X-Amz-Content-Sha256": empty}, s3, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		{"GET list", "GET", "https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J", empty, "s3", map[string]string{"X-Amz-Content-Sha256": empty}, s3, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
	} {
		req, err := http.NewRequest(tc.method, tc.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range tc.header {
			req.Header.Set(k, v)
		}
		access, secret := "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
		if tc.service == "s3" {
			access, secret = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
		}
		signRequest(req, tc.payload, access, secret, "us-east-1", tc.service, tc.now)
		if got := req.Header.Get("Authorization"); !strings.HasSuffix(got, "Signature="+tc.want) {
			t.Errorf("%s: %s, want signature %s", tc.name, got, tc.want)
		}
	}
}

// testStorage is what every Storage does.
func testStorage(t *testing.T, s Storage) {
	ctx := context.Background()
	for _, name := range []string{"a", "d/one", "d/e/two", "d/üx y+z"} {
		if err := s.Put(ctx, name, []byte("content of "+name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Put(ctx, "a", []byte("new")); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		off, n int64
		want   string
	}{{"a", 0, -1, "new"}, {"d/e/two", 8, 3, "of "}, {"d/e/two", 11, -1, "d/e/two"}, {"d/üx y+z", 0, -1, "content of d/üx y+z"}, {"a", 1, 0, ""}} {
		if b, err := s.Get(ctx, tc.name, tc.off, tc.n); err != nil || string(b) != tc.want {
			t.Errorf("get %s %d %d: %q, %v", tc.name, tc.off, tc.n, b, err)
		}
	}
	if _, err := s.Get(ctx, "none", 0, -1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("object that is not there: %v", err)
	}
	if _, err := s.Get(ctx, "a", 1, 100); err == nil {
		t.Error("more is read than there is")
	}
	list := func(prefix string) string {
		var l []string
		if err := s.List(ctx, prefix, func(o Object) error { l = append(l, o.Name); return nil }); err != nil {
			t.Error(err)
		}
		return strings.Join(l, " ")
	}
	if got := list("d/"); got != "d/e/two d/one d/üx y+z" {
		t.Errorf("list: %q", got)
	}
	if got := list("none/"); got != "" {
		t.Errorf("list of nothing: %q", got)
	}
	for range 2 {
		if err := s.Delete(ctx, "d/one"); err != nil {
			t.Error(err)
		}
	}
	if got := list(""); got != "a d/e/two d/üx y+z" {
		t.Errorf("list: %q", got)
	}
}

func TestDirectory(t *testing.T) {
	s := Directory(t.TempDir() + "/new/repo")
	testStorage(t, s)
	for _, name := range []string{"../x", "/x", "", "a/../../b"} {
		if err := s.Put(context.Background(), name, nil); err == nil {
			t.Errorf("name %q is taken", name)
		}
	}
}

func TestS3(t *testing.T) {
	f, s := newFakeS3(t)
	f.page = 2
	testStorage(t, s)
	f.fail = 3
	if err := s.Put(context.Background(), "again", []byte("x")); err != nil {
		t.Errorf("a store that was busy for a moment: %v", err)
	}
	f.fail = 4
	if err := s.Put(context.Background(), "again", []byte("x")); err == nil {
		t.Error("a store that is busy: no error")
	}
	f.fail = 0
	s.SecretKey = "wrong"
	n := f.calls["PUT"]
	if err := s.Put(context.Background(), "again", []byte("x")); err == nil || !strings.Contains(err.Error(), "SignatureDoesNotMatch") || f.calls["PUT"] != n+1 {
		t.Errorf("wrong secret: %v, %d tries", err, f.calls["PUT"]-n)
	}
}

// TestInteropS3 uses the bucket of a real store, as $MOX_INTEROP_S3 has it: endpoint, bucket, region, id of the access key
// and secret, with spaces between. What it has made is removed.
func TestInteropS3(t *testing.T) {
	place := strings.Fields(os.Getenv("MOX_INTEROP_S3"))
	if len(place) != 5 {
		t.Skip("MOX_INTEROP_S3 is not set; interop/objectstore/main.py sets it")
	}
	s := &S3{Endpoint: place[0], Bucket: place[1], Region: place[2], AccessKey: place[3], SecretKey: place[4], Prefix: "test of/ünd+more/"}
	testStorage(t, s)
	ctx := context.Background()
	// More than a page of a list, with all that names may have.
	want := map[string]int64{}
	for i := range 1100 {
		name := fmt.Sprintf("many/%02x/%d ~'()*!=&%%:@", i%7, i)
		want[name] = int64(i % 5)
		if err := s.Put(ctx, name, make([]byte, i%5)); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]int64{}
	if err := s.List(ctx, "many/", func(o Object) error { got[o.Name] = o.Size; return nil }); err != nil || !maps.Equal(got, want) {
		t.Errorf("%d objects, want %d: %v", len(got), len(want), err)
	}
	if err := s.List(ctx, "", func(o Object) error { return s.Delete(ctx, o.Name) }); err != nil {
		t.Error(err)
	}
	if err := s.List(ctx, "", func(o Object) error { return fmt.Errorf("%s is left", o.Name) }); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*S3){
		"403 SignatureDoesNotMatch": func(s *S3) { s.SecretKey += "x" },
		"access key":                func(s *S3) { s.AccessKey += "x" }, // InvalidAccessKeyId of AWS, others have codes of their own
		"404 NoSuchBucket":          func(s *S3) { s.Bucket += "x" },
		"region":                    func(s *S3) { s.Region += "x" },
	} {
		wrong := *s
		change(&wrong)
		for _, err := range []error{wrong.Put(ctx, "a", []byte("x")), wrong.List(ctx, "", func(Object) error { return nil })} {
			if err == nil || !strings.Contains(err.Error(), "object store: 40") || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want one with %q", err, want)
			}
		}
	}
}
