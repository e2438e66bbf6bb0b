package backup

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// S3 is a Storage in a bucket of an S3-compatible store: five requests of its API, signed with
// version 4 of AWS's signatures, buckets in the path.
type S3 struct {
	Endpoint  string // "https://host:port"
	Bucket    string
	Prefix    string // of names; empty, or ends in a slash
	Region    string // "": us-east-1, which stores other than AWS's take
	AccessKey string
	SecretKey string

	Client *http.Client // nil: one with a timeout of 5 minutes for a request
	Now    func() time.Time
	Tries  int           // for a request, when the network or the store fails; 0: 4
	Wait   time.Duration // before the second try, twice as long before each other; 0: 1 s
}

// String implements [Storage].
func (s *S3) String() string { return s.Endpoint + "/" + s.Bucket + "/" + s.Prefix }

// s3Error is what a store says.
type s3Error struct {
	Status  int
	Code    string
	Message string
}

func (e *s3Error) Error() string {
	return fmt.Sprintf("object store: %d %s: %s", e.Status, e.Code, e.Message)
}

// Is makes a missing object fs.ErrNotExist.
func (e *s3Error) Is(target error) bool {
	return target == fs.ErrNotExist && (e.Code == "NoSuchKey" || e.Status == http.StatusNotFound && e.Code == "")
}

// again tells whether a request may succeed when it is repeated.
func (e *s3Error) again() bool {
	return e.Status >= 500 || e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestTimeout
}

func (s *S3) client() *http.Client {
	if s.Client != nil {
		return s.Client
	}
	return &http.Client{Timeout: 5 * time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("object store redirects: is its region the one of the configuration?")
	}}
}

// s3Request is a request before it is signed.
type s3Request struct {
	method, key string
	query       url.Values
	body        []byte
	header      http.Header
	max         int64 // octets of the answer
}

// do runs a request, again when it fails for now.
func (s *S3) do(ctx context.Context, r s3Request) ([]byte, error) {
	tries, wait := s.Tries, s.Wait
	if tries == 0 {
		tries = 4
	}
	if wait == 0 {
		wait = time.Second
	}
	for {
		b, err := s.once(ctx, r)
		var e *s3Error
		if err == nil || ctx.Err() != nil || errors.As(err, &e) && !e.again() {
			return b, err
		}
		if tries--; tries <= 0 {
			return nil, err
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, ctx.Err()
		}
		wait *= 2
	}
}

func (s *S3) once(ctx context.Context, r s3Request) ([]byte, error) {
	u := s.Endpoint + "/" + s.Bucket + "/" + escapePath(r.key)
	if len(r.query) > 0 {
		u += "?" + canonicalQuery(r.query)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	for k, v := range r.header {
		req.Header[k] = v
	}
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	sum := sha256.Sum256(r.body)
	req.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	region := s.Region
	if region == "" {
		region = "us-east-1"
	}
	signRequest(req, hex.EncodeToString(sum[:]), s.AccessKey, s.SecretKey, region, "s3", now())
	resp, err := s.client().Do(req)
	if err != nil {
		return nil, fmt.Errorf("object store: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		e := &s3Error{Status: resp.StatusCode}
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		_ = xml.Unmarshal(b, e)
		return nil, e
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, r.max+1))
	if err != nil {
		return nil, fmt.Errorf("object store: %w", err)
	}
	if int64(len(b)) > r.max {
		return nil, fmt.Errorf("object store: answer is longer than %d octets", r.max)
	}
	return b, nil
}

// Put implements [Storage].
func (s *S3) Put(ctx context.Context, name string, data []byte) error {
	_, err := s.do(ctx, s3Request{method: "PUT", key: s.Prefix + name, body: data, max: 1 << 20})
	return err
}

// Get implements [Storage].
func (s *S3) Get(ctx context.Context, name string, off, n int64) ([]byte, error) {
	r := s3Request{method: "GET", key: s.Prefix + name, max: maxObject, header: http.Header{}}
	switch {
	case n == 0:
		return nil, nil
	case n > 0:
		r.header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+n-1))
		r.max = n
	case off > 0:
		r.header.Set("Range", fmt.Sprintf("bytes=%d-", off))
	}
	b, err := s.do(ctx, r)
	if err == nil && n > 0 && int64(len(b)) != n {
		err = fmt.Errorf("reading object %s: %w", name, io.ErrUnexpectedEOF)
	}
	return b, err
}

// List implements [Storage].
func (s *S3) List(ctx context.Context, prefix string, f func(Object) error) error {
	token := ""
	for {
		q := url.Values{"list-type": {"2"}, "prefix": {s.Prefix + prefix}}
		if token != "" {
			q.Set("continuation-token", token)
		}
		b, err := s.do(ctx, s3Request{method: "GET", query: q, max: 16 << 20})
		if err != nil {
			return err
		}
		var l struct {
			IsTruncated           bool
			NextContinuationToken string
			Contents              []struct {
				Key  string
				Size int64
			}
		}
		if err := xml.Unmarshal(b, &l); err != nil {
			return fmt.Errorf("object store: list: %w", err)
		}
		for _, c := range l.Contents {
			name, ok := strings.CutPrefix(c.Key, s.Prefix)
			if !ok {
				continue
			}
			if err := f(Object{name, c.Size}); err != nil {
				return err
			}
		}
		if !l.IsTruncated {
			return nil
		}
		if l.NextContinuationToken == "" || l.NextContinuationToken == token {
			return errors.New("object store: list does not go on")
		}
		token = l.NextContinuationToken
	}
}

// Delete implements [Storage].
func (s *S3) Delete(ctx context.Context, name string) error {
	_, err := s.do(ctx, s3Request{method: "DELETE", key: s.Prefix + name, max: 1 << 20})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// signRequest adds the fields X-Amz-Date and Authorization: AWS Signature Version 4, over
// all fields of the header.
func signRequest(req *http.Request, payload, access, secret, region, service string, now time.Time) {
	stamp := now.UTC().Format("20060102T150405Z")
	req.Header.Set("X-Amz-Date", stamp)
	scope := stamp[:8] + "/" + region + "/" + service + "/aws4_request"
	names, signature := signatureOf(req, payload, secret, stamp, scope, nil)
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+access+"/"+scope+", SignedHeaders="+names+", Signature="+signature)
}

// signatureOf returns the names of the fields that are signed, and the signature; only is nil
// for all.
func signatureOf(req *http.Request, payload, secret, stamp, scope string, only []string) (names, signature string) {
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	fields := map[string]string{"host": host}
	for k, v := range req.Header {
		if k = strings.ToLower(k); k != "authorization" && (only == nil || slices.Contains(only, k)) {
			fields[k] = strings.Join(strings.Fields(strings.Join(v, ",")), " ")
		}
	}
	keys := make([]string, 0, len(fields))
	for k := range fields {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	names = strings.Join(keys, ";")
	path := req.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	var c strings.Builder
	c.WriteString(req.Method + "\n" + path + "\n" + canonicalQuery(req.URL.Query()) + "\n")
	for _, k := range keys {
		c.WriteString(k + ":" + fields[k] + "\n")
	}
	c.WriteString("\n" + names + "\n" + payload)
	canonical := sha256.Sum256([]byte(c.String()))
	text := "AWS4-HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + hex.EncodeToString(canonical[:])
	key := []byte("AWS4" + secret)
	for part := range strings.SplitSeq(scope, "/") {
		key = hmacSHA256(key, part)
	}
	return names, hex.EncodeToString(hmacSHA256(key, text))
}

func hmacSHA256(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	io.WriteString(m, text)
	return m.Sum(nil)
}

// canonicalQuery is a query in the order and form that is signed.
func canonicalQuery(q url.Values) string {
	var l []string
	for k, vs := range q {
		for _, v := range vs {
			l = append(l, escape(k)+"="+escape(v))
		}
	}
	slices.Sort(l)
	return strings.Join(l, "&")
}

// escape leaves only the unreserved characters of RFC 3986 2.3 as they are.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(c)|0x100, 16)[1:]))
		}
	}
	return b.String()
}

func escapePath(s string) string {
	parts := strings.Split(s, "/")
	for i := range parts {
		parts[i] = escape(parts[i])
	}
	return strings.Join(parts, "/")
}
