// Package acmetest is an ACME server (RFC 8555) in memory, for tests: strict about nonces,
// signatures, states and URLs, with renewal information (RFC 9773), external accounts, failures and
// limits as a test wants them. Its certificates are signed by an authority of its own.
package acmetest

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Problem is an answer of refusal.
type Problem struct {
	Status     int
	Type       string // such as "rateLimited"
	Detail     string
	RetryAfter time.Duration
}

func (p *Problem) Error() string { return p.Type + ": " + p.Detail }

// Server is an ACME server. Its fields are set before use, or under Lock.
type Server struct {
	sync.Mutex
	URL  string // base of all URLs; https://ca.example
	Now  func() time.Time
	Life time.Duration // of certificates; 0: 90 days
	// Validate looks at a name as an authority would; nil: all is well.
	Validate func(typ, name, token, keyAuthorization string) error
	// Delay is how long validation and making certificates take.
	Delay time.Duration
	// Down is why no answer comes; nil: it comes.
	Down error
	// Refuse may refuse a request ("newOrder", "finalize" and so on) about a name.
	Refuse func(what, name string) *Problem
	// EAB has keys of external accounts by id; not nil: they are needed.
	EAB map[string][]byte
	// Window is when a certificate is to be renewed; nil: there is no renewal information.
	Window func(leaf *x509.Certificate) (start, end time.Time)
	// AskAgain is when the authority wants to be asked again about it; 0: 6 hours.
	AskAgain time.Duration
	// Challenges are what is offered; empty: all three.
	Challenges []string
	// BadNonces is how many nonces are refused yet.
	BadNonces int

	// What has happened.
	Requests, Orders, Accounts, Renewals int
	Replaced                             []string // of orders
	OrdersOf                             map[string]int
	Issued                               []*x509.Certificate
	Contacts                             []string

	n        int
	nonces   map[string]bool
	accounts map[string]crypto.PublicKey // by URL
	objects  map[string]any              // orders, authorizations, certificates by URL
	ca       *ecdsa.PrivateKey
	root     *x509.Certificate
}

type identifier struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

type order struct {
	URL            string       `json:"-"`
	Account        string       `json:"-"`
	Status         string       `json:"status"`
	Identifiers    []identifier `json:"identifiers"`
	Authorizations []string     `json:"authorizations"`
	Finalize       string       `json:"finalize"`
	Certificate    string       `json:"certificate,omitempty"`
	ready          time.Time    // when processing ends
}

type authz struct {
	Status     string      `json:"status"`
	Identifier identifier  `json:"identifier"`
	Challenges []challenge `json:"challenges"`
	account    string
	done       time.Time // when the result shows
	result     string
}

type challenge struct {
	Type   string         `json:"type"`
	URL    string         `json:"url"`
	Token  string         `json:"token"`
	Status string         `json:"status"`
	Error  map[string]any `json:"error,omitempty"`
}

// New returns a server.
func New() *Server {
	s := &Server{
		URL: "https://ca.example", Now: time.Now, OrdersOf: map[string]int{}, nonces: map[string]bool{},
		accounts: map[string]crypto.PublicKey{}, objects: map[string]any{},
	}
	var err error
	if s.ca, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: []byte{1, 2, 3, 4},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, s.ca.Public(), s.ca)
	if err != nil {
		panic(err)
	}
	if s.root, err = x509.ParseCertificate(der); err != nil {
		panic(err)
	}
	return s
}

// Roots has the server's authority.
func (s *Server) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.root)
	return pool
}

// DirectoryURL is that of the directory.
func (s *Server) DirectoryURL() string { return s.URL + "/dir" }

// Client returns one whose requests all go to the server, without a network.
func (s *Server) Client() *http.Client { return &http.Client{Transport: transport{s}} }

type transport struct{ s *Server }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	t.s.Lock()
	down := t.s.Down
	t.s.Unlock()
	if down != nil {
		return nil, down
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	t.s.ServeHTTP(w, r)
	return w.Result(), nil
}

func (s *Server) id() string {
	s.n++
	return strconv.Itoa(s.n)
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Lock()
	defer s.Unlock()
	s.Requests++
	nonce := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "nonce %d", s.n))
	s.id()
	s.nonces[nonce] = true
	w.Header().Set("Replay-Nonce", nonce)
	err := s.serve(w, r)
	if err == nil {
		return
	}
	var p *Problem
	if !errors.As(err, &p) {
		p = &Problem{Status: 400, Type: "malformed", Detail: err.Error()}
	}
	w.Header().Set("Content-Type", "application/problem+json")
	if p.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(p.RetryAfter/time.Second)))
	}
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(map[string]any{"type": "urn:ietf:params:acme:error:" + p.Type, "detail": p.Detail, "status": p.Status})
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) error {
	path := r.URL.Path
	if r.UserAgent() == "" || strings.HasPrefix(r.UserAgent(), "Go-http") {
		return errors.New("no user agent")
	}
	if p := s.refuse(path[1:], ""); p != nil {
		return p
	}
	switch {
	case r.Method == "GET" && path == "/dir":
		d := map[string]any{"newNonce": s.URL + "/nonce", "newAccount": s.URL + "/account", "newOrder": s.URL + "/order", "meta": map[string]any{"externalAccountRequired": s.EAB != nil}}
		if s.Window != nil {
			d["renewalInfo"] = s.URL + "/renewal"
		}
		return json.NewEncoder(w).Encode(d)
	case r.Method == "HEAD" && path == "/nonce":
		return nil
	case r.Method == "GET" && strings.HasPrefix(path, "/renewal/") && s.Window != nil:
		return s.renewal(w, strings.TrimPrefix(path, "/renewal/"))
	case r.Method != "POST":
		return &Problem{Status: 405, Type: "malformed", Detail: r.Method + " " + path}
	}
	q, err := s.verify(r)
	if err != nil {
		return err
	}
	if path == "/account" {
		return s.account(w, q)
	}
	if q.account == "" {
		return errors.New("jwk where kid is needed")
	}
	if path == "/order" {
		return s.newOrder(w, q)
	}
	return s.object(w, s.URL+path, q)
}

// request is one that was verified.
type request struct {
	account string // "": jwk
	key     crypto.PublicKey
	jwk     json.RawMessage
	payload []byte
	url     string
}

type jws struct{ Protected, Payload, Signature string }

type header struct {
	Alg, KID, Nonce, URL string
	JWK                  json.RawMessage
}

func (s *Server) verify(r *http.Request) (*request, error) {
	if r.Header.Get("Content-Type") != "application/jose+json" {
		return nil, errors.New("content type")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var j jws
	if err := json.Unmarshal(body, &j); err != nil {
		return nil, err
	}
	h, payload, err := j.decode()
	if err != nil {
		return nil, err
	}
	if !s.nonces[h.Nonce] || s.BadNonces > 0 {
		s.BadNonces = max(s.BadNonces-1, 0)
		return nil, &Problem{Status: 400, Type: "badNonce", Detail: "nonce " + h.Nonce}
	}
	delete(s.nonces, h.Nonce)
	q := &request{account: h.KID, jwk: h.JWK, payload: payload, url: s.URL + r.URL.Path}
	if h.URL != q.url {
		return nil, &Problem{Status: 401, Type: "unauthorized", Detail: "url " + h.URL}
	}
	if (h.KID == "") == (h.JWK == nil) {
		return nil, errors.New("exactly one of jwk and kid")
	}
	if h.JWK != nil {
		if q.key, err = parseJWK(h.JWK); err != nil {
			return nil, err
		}
	} else if q.key = s.accounts[h.KID]; q.key == nil {
		return nil, &Problem{Status: 400, Type: "accountDoesNotExist", Detail: h.KID}
	}
	return q, j.check(h.Alg, q.key)
}

func (j *jws) decode() (h header, payload []byte, err error) {
	text, err := base64.RawURLEncoding.DecodeString(j.Protected)
	if err != nil {
		return h, nil, err
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return h, nil, err
	}
	payload, err = base64.RawURLEncoding.DecodeString(j.Payload)
	return h, payload, err
}

func (j *jws) check(alg string, key any) error {
	sig, err := base64.RawURLEncoding.DecodeString(j.Signature)
	if err != nil {
		return err
	}
	input := []byte(j.Protected + "." + j.Payload)
	sum := sha256.Sum256(input)
	ok := false
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		ok = alg == "ES256" && len(sig) == 64 && ecdsa.Verify(k, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
	case *rsa.PublicKey:
		ok = alg == "RS256" && rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], sig) == nil
	case []byte:
		mac := hmac.New(sha256.New, k)
		mac.Write(input)
		ok = alg == "HS256" && hmac.Equal(mac.Sum(nil), sig)
	}
	if !ok {
		return &Problem{Status: 401, Type: "unauthorized", Detail: "signature"}
	}
	return nil
}

func parseJWK(text []byte) (crypto.PublicKey, error) {
	var k struct{ Kty, Crv, X, Y, N, E string }
	if err := json.Unmarshal(text, &k); err != nil {
		return nil, err
	}
	number := func(s string) *big.Int {
		b, _ := base64.RawURLEncoding.DecodeString(s)
		return new(big.Int).SetBytes(b)
	}
	switch {
	case k.Kty == "EC" && k.Crv == "P-256":
		return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, number(k.X).FillBytes(make([]byte, 32)), number(k.Y).FillBytes(make([]byte, 32))))
	case k.Kty == "RSA":
		return &rsa.PublicKey{N: number(k.N), E: int(number(k.E).Int64())}, nil
	}
	return nil, &Problem{Status: 400, Type: "badPublicKey"}
}

func (s *Server) refuse(what, name string) *Problem {
	if s.Refuse == nil {
		return nil
	}
	return s.Refuse(what, name)
}

func (s *Server) account(w http.ResponseWriter, q *request) error {
	var o struct {
		Contact                []string
		TermsOfServiceAgreed   bool
		OnlyReturnExisting     bool
		ExternalAccountBinding *jws
	}
	if q.account != "" {
		return errors.New("kid where jwk is needed")
	}
	if err := json.Unmarshal(q.payload, &o); err != nil {
		return err
	}
	for url, key := range s.accounts {
		if key.(interface{ Equal(crypto.PublicKey) bool }).Equal(q.key) {
			w.Header().Set("Location", url)
			return json.NewEncoder(w).Encode(map[string]any{"status": "valid"})
		}
	}
	switch {
	case o.OnlyReturnExisting:
		return &Problem{Status: 400, Type: "accountDoesNotExist"}
	case !o.TermsOfServiceAgreed:
		return &Problem{Status: 403, Type: "userActionRequired", Detail: "terms of service"}
	case s.EAB != nil && o.ExternalAccountBinding == nil:
		return &Problem{Status: 403, Type: "externalAccountRequired"}
	}
	if e := o.ExternalAccountBinding; e != nil {
		h, payload, err := e.decode()
		if err != nil {
			return err
		}
		if h.URL != q.url || h.Nonce != "" || string(payload) != string(q.jwk) || s.EAB[h.KID] == nil {
			return &Problem{Status: 403, Type: "unauthorized", Detail: "external account"}
		}
		if err := e.check(h.Alg, s.EAB[h.KID]); err != nil {
			return err
		}
	}
	s.Accounts++
	s.Contacts = o.Contact
	url := s.URL + "/acct/" + s.id()
	s.accounts[url] = q.key
	w.Header().Set("Location", url)
	w.WriteHeader(201)
	return json.NewEncoder(w).Encode(map[string]any{"status": "valid"})
}

// ForgetAccounts removes all accounts.
func (s *Server) ForgetAccounts() {
	s.Lock()
	defer s.Unlock()
	clear(s.accounts)
}

func (s *Server) newOrder(w http.ResponseWriter, q *request) error {
	var in struct {
		Identifiers []identifier
		Replaces    string
	}
	if err := json.Unmarshal(q.payload, &in); err != nil {
		return err
	}
	if len(in.Identifiers) == 0 {
		return errors.New("no identifiers")
	}
	s.Orders++
	s.OrdersOf[in.Identifiers[0].Value]++
	if p := s.refuse("newOrder", in.Identifiers[0].Value); p != nil {
		return p
	}
	if in.Replaces != "" {
		if s.Window == nil {
			return errors.New("replaces is not known here")
		}
		if slices.Contains(s.Replaced, in.Replaces) {
			return &Problem{Status: 409, Type: "alreadyReplaced"}
		}
		if !slices.ContainsFunc(s.Issued, func(c *x509.Certificate) bool { return certID(c) == in.Replaces }) {
			return errors.New("replaces an unknown certificate")
		}
		s.Replaced = append(s.Replaced, in.Replaces)
	}
	o := &order{URL: s.URL + "/order/" + s.id(), Account: q.account, Status: "pending", Identifiers: in.Identifiers}
	o.Finalize = o.URL + "/finalize"
	for _, i := range in.Identifiers {
		z := &authz{Status: "pending", Identifier: i, account: q.account}
		url := s.URL + "/authz/" + s.id()
		types := s.Challenges
		if len(types) == 0 {
			types = []string{"http-01", "dns-01", "tls-alpn-01"}
		}
		for _, typ := range types {
			z.Challenges = append(z.Challenges, challenge{Type: typ, URL: url + "/" + typ, Token: "token-" + s.id(), Status: "pending"})
		}
		s.objects[url] = z
		o.Authorizations = append(o.Authorizations, url)
	}
	s.objects[o.URL] = o
	w.Header().Set("Location", o.URL)
	w.WriteHeader(201)
	return json.NewEncoder(w).Encode(o)
}

func (s *Server) object(w http.ResponseWriter, url string, q *request) error {
	if s.accounts[url] != nil && url == q.account {
		var o struct{ Contact []string }
		if err := json.Unmarshal(q.payload, &o); err != nil {
			return err
		}
		s.Contacts = o.Contact
		return json.NewEncoder(w).Encode(map[string]any{"status": "valid"})
	}
	if base, ok := strings.CutSuffix(url, "/finalize"); ok {
		if o, ok := s.objects[base].(*order); ok && o.Account == q.account {
			return s.finalize(w, o, q)
		}
	}
	switch v := s.objects[url].(type) {
	case *order:
		if v.Account != q.account || len(q.payload) != 0 {
			return &Problem{Status: 403, Type: "unauthorized"}
		}
		s.settle(v)
		return json.NewEncoder(w).Encode(v)
	case *authz:
		if v.account != q.account {
			return &Problem{Status: 403, Type: "unauthorized"}
		}
		if strings.Contains(string(q.payload), "deactivated") {
			v.Status = "deactivated"
		}
		s.look(v)
		return json.NewEncoder(w).Encode(v)
	case string:
		w.Header().Set("Content-Type", "application/pem-certificate-chain")
		_, err := io.WriteString(w, v)
		return err
	}
	base, typ := url[:strings.LastIndexByte(url, '/')], url[strings.LastIndexByte(url, '/')+1:]
	z, ok := s.objects[base].(*authz)
	if !ok || z.account != q.account || string(q.payload) != "{}" {
		return &Problem{Status: 404, Type: "malformed", Detail: "nothing at " + url}
	}
	return s.accept(w, z, typ, q)
}

// accept validates.
func (s *Server) accept(w http.ResponseWriter, z *authz, typ string, q *request) error {
	i := slices.IndexFunc(z.Challenges, func(c challenge) bool { return c.Type == typ })
	if i < 0 || z.Status != "pending" {
		return errors.New("challenge cannot be accepted")
	}
	ch := &z.Challenges[i]
	print := sha256.Sum256(q.canonical())
	auth := ch.Token + "." + base64.RawURLEncoding.EncodeToString(print[:])
	var err error
	if s.Validate != nil {
		err = s.Validate(typ, z.Identifier.Value, ch.Token, auth)
	}
	z.done, z.result, ch.Status = s.Now().Add(s.Delay), "valid", "processing"
	if err != nil {
		z.result = "invalid"
		ch.Error = map[string]any{"type": "urn:ietf:params:acme:error:unauthorized", "detail": err.Error()}
	}
	return json.NewEncoder(w).Encode(ch)
}

// canonical is the account's key as RFC 7638 has it.
func (q *request) canonical() []byte {
	switch k := q.key.(type) {
	case *ecdsa.PublicKey:
		b, err := k.Bytes()
		if err != nil {
			panic(err)
		}
		return fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, base64.RawURLEncoding.EncodeToString(b[1:33]), base64.RawURLEncoding.EncodeToString(b[33:]))
	case *rsa.PublicKey:
		return fmt.Appendf(nil, `{"e":"AQAB","kty":"RSA","n":"%s"}`, base64.RawURLEncoding.EncodeToString(k.N.Bytes()))
	}
	return nil
}

// look brings the state of an authorization up to date.
func (s *Server) look(z *authz) {
	if z.Status == "pending" && z.result != "" && !s.Now().Before(z.done) {
		z.Status = z.result
		for i := range z.Challenges {
			if z.Challenges[i].Status == "processing" {
				z.Challenges[i].Status = z.result
			}
		}
	}
}

func (s *Server) settle(o *order) {
	if o.Status == "processing" && !s.Now().Before(o.ready) {
		o.Status = "valid"
	}
	if o.Status != "pending" {
		return
	}
	ready := true
	for _, url := range o.Authorizations {
		z := s.objects[url].(*authz)
		s.look(z)
		if z.Status != "valid" {
			ready = false
		}
		if z.Status == "invalid" || z.Status == "deactivated" {
			o.Status = "invalid"
		}
	}
	if ready {
		o.Status = "ready"
	}
}

func (s *Server) finalize(w http.ResponseWriter, o *order, q *request) error {
	s.settle(o)
	if o.Status != "ready" {
		return &Problem{Status: 403, Type: "orderNotReady"}
	}
	name := o.Identifiers[0].Value
	if p := s.refuse("finalize", name); p != nil {
		return p
	}
	var in struct{ CSR string }
	if err := json.Unmarshal(q.payload, &in); err != nil {
		return err
	}
	der, err := base64.RawURLEncoding.DecodeString(in.CSR)
	if err != nil {
		return err
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return &Problem{Status: 400, Type: "badCSR", Detail: err.Error()}
	}
	if err := csr.CheckSignature(); err != nil || !slices.Equal(csr.DNSNames, []string{name}) || len(o.Identifiers) != 1 {
		return &Problem{Status: 400, Type: "badCSR", Detail: fmt.Sprint(err, csr.DNSNames)}
	}
	chain, err := s.Issue(csr.PublicKey, name)
	if err != nil {
		return err
	}
	o.Certificate = s.URL + "/cert/" + s.id()
	s.objects[o.Certificate] = chain
	o.Status, o.ready = "processing", s.Now().Add(s.Delay)
	s.settle(o)
	return json.NewEncoder(w).Encode(o)
}

// Issue makes a certificate, in PEM with that of the authority.
func (s *Server) Issue(key crypto.PublicKey, name string) (string, error) {
	life := s.Life
	if life == 0 {
		life = 90 * 24 * time.Hour
	}
	s.id()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(1000 + s.n)), DNSNames: []string{name}, NotBefore: s.Now().Add(-time.Hour), NotAfter: s.Now().Add(life - time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, s.root, key, s.ca)
	if err != nil {
		return "", err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return "", err
	}
	s.Issued = append(s.Issued, leaf)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.root.Raw})), nil
}

func certID(c *x509.Certificate) string {
	serial := c.SerialNumber.Bytes()
	if serial[0]&0x80 != 0 {
		serial = append([]byte{0}, serial...)
	}
	return base64.RawURLEncoding.EncodeToString(c.AuthorityKeyId) + "." + base64.RawURLEncoding.EncodeToString(serial)
}

func (s *Server) renewal(w http.ResponseWriter, id string) error {
	s.Renewals++
	for _, c := range s.Issued {
		if certID(c) != id {
			continue
		}
		start, end := s.Window(c)
		w.Header().Set("Retry-After", strconv.Itoa(int(cmp.Or(s.AskAgain, 6*time.Hour)/time.Second)))
		return json.NewEncoder(w).Encode(map[string]any{
			"suggestedWindow": map[string]any{"start": start.UTC().Format(time.RFC3339), "end": end.UTC().Format(time.RFC3339)},
			"explanationURL":  "https://ca.example/why",
		})
	}
	return &Problem{Status: 404, Type: "malformed", Detail: "no certificate " + id}
}
