package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeS3 is an object store in memory that verifies signatures.
type fakeS3 struct {
	t       *testing.T
	secret  string
	mu      sync.Mutex
	objects map[string][]byte
	fail    int // so many requests fail
	page    int // objects of a list
	calls   map[string]int
}

func newFakeS3(t *testing.T) (*fakeS3, *S3) {
	f := &fakeS3{t: t, secret: "verysecret", objects: map[string][]byte{}, page: 1000, calls: map[string]int{}}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	return f, &S3{Endpoint: srv.URL, Bucket: "bucket", Prefix: "mox/", Region: "eu-test", AccessKey: "KEYID", SecretKey: "verysecret", Wait: time.Millisecond}
}

func (f *fakeS3) refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>because</Message></Error>", code)
}

// verify checks the signature as the documentation says.
func (f *fakeS3) verify(r *http.Request, body []byte) string {
	auth, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return "AccessDenied"
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(auth, ", ") {
		k, v, _ := strings.Cut(part, "=")
		fields[k] = v
	}
	scope, ok := strings.CutPrefix(fields["Credential"], "KEYID/")
	if !ok {
		return "InvalidAccessKeyId"
	}
	sum := sha256.Sum256(body)
	if r.Header.Get("X-Amz-Content-Sha256") != hex.EncodeToString(sum[:]) {
		return "XAmzContentSHA256Mismatch"
	}
	stamp := r.Header.Get("X-Amz-Date")
	if t, err := time.Parse("20060102T150405Z", stamp); err != nil || time.Since(t).Abs() > 15*time.Minute || scope != stamp[:8]+"/eu-test/s3/aws4_request" {
		return "RequestTimeTooSkewed"
	}
	signed := strings.Split(fields["SignedHeaders"], ";")
	for _, k := range []string{"host", "x-amz-content-sha256", "x-amz-date"} {
		if !slices.Contains(signed, k) {
			return "AccessDenied"
		}
	}
	if _, want := signatureOf(r, hex.EncodeToString(sum[:]), f.secret, stamp, scope, signed); want != fields["Signature"] {
		return "SignatureDoesNotMatch"
	}
	return ""
}

func (f *fakeS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[r.Method]++
	if f.fail > 0 {
		f.fail--
		f.refuse(w, 503, "SlowDown")
		return
	}
	if code := f.verify(r, body); code != "" {
		f.refuse(w, 403, code)
		return
	}
	key, ok := strings.CutPrefix(r.URL.Path, "/bucket/")
	if !ok {
		f.refuse(w, 404, "NoSuchBucket")
		return
	}
	switch {
	case r.Method == "PUT":
		f.objects[key] = body
	case r.Method == "DELETE":
		delete(f.objects, key)
		w.WriteHeader(204)
	case r.Method == "GET" && r.URL.Query().Get("list-type") == "2":
		f.list(w, r)
	case r.Method == "GET":
		b, ok := f.objects[key]
		if !ok {
			f.refuse(w, 404, "NoSuchKey")
			return
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(b)))
	default:
		f.refuse(w, 405, "MethodNotAllowed")
	}
}

func (f *fakeS3) list(w http.ResponseWriter, r *http.Request) {
	type content struct {
		Key  string
		Size int
	}
	var out struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string
		Contents              []content
	}
	q := r.URL.Query()
	var keys []string
	for k := range f.objects {
		if strings.HasPrefix(k, q.Get("prefix")) && k > q.Get("continuation-token") {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	if len(keys) > f.page {
		keys = keys[:f.page]
		out.IsTruncated, out.NextContinuationToken = true, keys[len(keys)-1]
	}
	for _, k := range keys {
		out.Contents = append(out.Contents, content{k, len(f.objects[k])})
	}
	xml.NewEncoder(w).Encode(out)
}
