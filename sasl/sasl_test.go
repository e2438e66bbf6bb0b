package sasl

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"strings"
	"testing"

	"mox/sessiontest"
)

var errBackend = errors.New("no such user or bad password")

// memory is a Backend of users and passwords.
type memory struct {
	users    map[string]string
	salt     []byte
	external string
}

func (m memory) Password(_ context.Context, authcid, password string) error {
	if p, ok := m.users[authcid]; !ok || p != password {
		return errBackend
	}
	return nil
}

func (m memory) SCRAM(_ context.Context, mech, authcid string) (SCRAMVerifier, error) {
	p, ok := m.users[authcid]
	if !ok {
		return FakeVerifier([]byte("secret"), mech, authcid, 4096), nil
	}
	return DeriveSCRAM(mech, p, m.salt, 4096)
}

func (m memory) CRAMMD5(_ context.Context, authcid string) (CRAMMD5State, error) {
	p, ok := m.users[authcid]
	if !ok {
		return CRAMMD5State{}, errBackend
	}
	return DeriveCRAMMD5(p)
}

func (m memory) External(_ context.Context, authzid string) error {
	if authzid != "" && authzid != m.external {
		return errBackend
	}
	return nil
}

func unb64(s string) []byte {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// TestVectors are the examples of RFC 5802 5, RFC 7677 3 and RFC 2195 2, both sides.
func TestVectors(t *testing.T) {
	for _, tc := range []struct {
		mech, salt, cnonce, snonce string
		steps                      []string
	}{
		{ScramSHA1, "QSXCR+Q6sek8bf92", "fyko+d2lbbFgONRv9qkxdawL", "3rfcNHYJY1ZVvWVs7j", []string{
			"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
			"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
			"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
			"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
		}},
		{ScramSHA256, "W22ZaJ0SNY7soEsUEjb6gQ==", "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", []string{
			"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
			"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
			"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
		}},
	} {
		b := memory{users: map[string]string{"user": "pencil"}, salt: unb64(tc.salt)}
		s, err := Config{Backend: b, nonce: tc.snonce}.NewServer(tc.mech)
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewClient(tc.mech, Credentials{Authcid: "user", Password: "pencil", nonce: tc.cnonce})
		if err != nil {
			t.Fatal(err)
		}
		response, err := c.Start()
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; ; i += 2 {
			if i < len(tc.steps) && string(response) != tc.steps[i] {
				t.Fatalf("%s: client says %q, want %q", tc.mech, response, tc.steps[i])
			}
			challenge, done, err := s.Next(t.Context(), response)
			if err != nil {
				t.Fatal(tc.mech, err)
			}
			if done {
				if i != len(tc.steps) || !c.Complete() || s.Authcid() != "user" {
					t.Fatal(tc.mech, "done after step", i)
				}
				break
			}
			if string(challenge) != tc.steps[i+1] {
				t.Fatalf("%s: server says %q, want %q", tc.mech, challenge, tc.steps[i+1])
			}
			if response, err = c.Next(challenge); err != nil {
				t.Fatal(tc.mech, err)
			}
		}
	}

	const challenge = "<1896.697170952@postoffice.reston.mci.net>"
	s, _ := Config{Backend: memory{users: map[string]string{"tim": "tanstaaftanstaaf"}}, nonce: challenge}.NewServer(CRAMMD5)
	if got, _, err := s.Next(t.Context(), nil); string(got) != challenge || err != nil {
		t.Fatal(string(got), err)
	}
	c, _ := NewClient(CRAMMD5, Credentials{Authcid: "tim", Password: "tanstaaftanstaaf"})
	response, err := c.Next([]byte(challenge))
	if string(response) != "tim b913a602c7eda7a495b4e6e7334d3890" || err != nil {
		t.Fatal(string(response), err)
	}
	if _, done, err := s.Next(t.Context(), response); !done || err != nil {
		t.Fatal(err)
	}
}

// run lets client and server talk, with or without initial response.
func run(ctx context.Context, s Server, c Client, initial bool) error {
	var response []byte
	var err error
	if initial {
		if response, err = c.Start(); err != nil {
			return err
		}
	}
	for range 10 {
		challenge, done, err := s.Next(ctx, response)
		if err != nil {
			return err
		}
		if done {
			if !c.Complete() {
				return errors.New("client not complete")
			}
			return nil
		}
		if response, err = c.Next(challenge); err != nil {
			return err
		}
	}
	return errors.New("no end")
}

// handshake returns the states of both sides of a connection.
func handshake(t testing.TB, cert tls.Certificate, version uint16) (server, client tls.ConnectionState) {
	sn, cn := net.Pipe()
	s := tls.Server(sn, &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: version, MinVersion: version})
	c := tls.Client(cn, &tls.Config{InsecureSkipVerify: true, MaxVersion: version, MinVersion: version})
	done := make(chan error, 1)
	go func() { done <- s.Handshake() }()
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	go c.Read(make([]byte, 1))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sn.Close(); cn.Close() })
	return s.ConnectionState(), c.ConnectionState()
}

func TestMechanisms(t *testing.T) {
	cert := sessiontest.Certificate("mx.example")
	b := memory{users: map[string]string{"jürgen,=x": "pässword", "a@b.example": "secret"}, salt: []byte("0123456789abcdef")}
	s13, c13 := handshake(t, cert, tls.VersionTLS13)
	s12, c12 := handshake(t, cert, tls.VersionTLS12)
	for _, conn := range []struct{ s, c *tls.ConnectionState }{{nil, nil}, {&s13, &c13}, {&s12, &c12}} {
		for mech := range servers {
			if conn.s == nil && (strings.HasSuffix(mech, "-PLUS") || mech == External) {
				if _, err := NewServer(mech, b, nil, "mx.example"); !errors.Is(err, ErrUnsupported) {
					t.Errorf("%s without TLS: %v", mech, err)
				}
				continue
			}
			for user, password := range b.users {
				for _, tc := range []struct {
					user, password string
					ok             bool
				}{{user, password, true}, {user, "wrong", false}, {"nobody", password, false}} {
					for _, initial := range []bool{true, false} {
						if initial && (mech == CRAMMD5 || mech == Login) {
							continue
						}
						s, err := NewServer(mech, b, conn.s, "mx.example")
						if err != nil {
							t.Fatal(err)
						}
						cr := Credentials{Authcid: tc.user, Password: tc.password, TLS: conn.c, PlusOffered: conn.c != nil}
						c, err := NewClient(mech, cr)
						if err != nil {
							t.Fatal(mech, err)
						}
						err = run(t.Context(), s, c, initial)
						if mech == External {
							if err != nil {
								t.Error(mech, err)
							}
							continue
						}
						if (err == nil) != tc.ok || err != nil && !errors.Is(err, ErrCredentials) && err != errBackend {
							t.Errorf("%s, TLS %v, %s/%s: %v", mech, conn.s != nil, tc.user, tc.password, err)
						}
						if s.Authcid() != tc.user {
							t.Errorf("%s: authcid %q", mech, s.Authcid())
						}
					}
				}
			}
		}
	}
	// Passwords and names in other forms of Unicode.
	s, _ := NewServer(ScramSHA256, b, nil, "")
	c, _ := NewClient(ScramSHA256, Credentials{Authcid: "ju\u0308rgen,=x", Password: "pa\u0308ssword", Authzid: "other,one"})
	if err := run(t.Context(), s, c, true); err != nil || s.Authcid() != "jürgen,=x" || s.Authzid() != "other,one" {
		t.Error(err, s.Authcid(), s.Authzid())
	}
}

func TestChannelBinding(t *testing.T) {
	cert := sessiontest.Certificate("mx.example")
	b := memory{users: map[string]string{"u": "p"}, salt: []byte("salt")}
	s1, c1 := handshake(t, cert, tls.VersionTLS13)
	s2, _ := handshake(t, cert, tls.VersionTLS13)
	cr := Credentials{Authcid: "u", Password: "p", TLS: &c1, PlusOffered: true}

	try := func(mech string, state *tls.ConnectionState, cmech string, cr Credentials) error {
		s, err := Config{Backend: b, TLS: state, Certificate: cert.Certificate[0]}.NewServer(mech)
		if err != nil {
			return err
		}
		c, err := NewClient(cmech, cr)
		if err != nil {
			return err
		}
		return run(t.Context(), s, c, true)
	}
	if err := try(ScramSHA256Plus, &s2, ScramSHA256Plus, cr); !errors.Is(err, ErrChannelBinding) {
		t.Error("someone in the middle:", err)
	}
	if err := try(ScramSHA256Plus, &s1, ScramSHA256, cr); !errors.Is(err, ErrChannelBinding) {
		t.Error("-PLUS without binding:", err)
	}
	if err := try(ScramSHA256, &s1, ScramSHA256Plus, cr); !errors.Is(err, ErrProtocol) {
		t.Error("binding without -PLUS:", err)
	}
	down := cr
	down.PlusOffered = false
	if err := try(ScramSHA256, &s1, ScramSHA256, down); !errors.Is(err, ErrChannelBinding) {
		t.Error("downgrade:", err)
	}
	if err := try(ScramSHA256, nil, ScramSHA256, down); err != nil {
		t.Error("server that cannot bind:", err)
	}

	// tls-server-end-point, as a client would send it.
	data, err := bindingData(bindEndPoint, &s1, cert.Certificate[0])
	if err != nil || len(data) != 32 {
		t.Fatal(err)
	}
	sc := &scramClient{c: cr, mech: ScramSHA256, gs2: "p=tls-server-end-point,,", bind: data, nonce: "abc"}
	s, _ := Config{Backend: b, TLS: &s1, Certificate: cert.Certificate[0]}.NewServer(ScramSHA256Plus)
	if err := run(t.Context(), s, sc, true); err != nil {
		t.Error("tls-server-end-point:", err)
	}
	sc = &scramClient{c: cr, mech: ScramSHA256, gs2: "p=tls-unique,,", bind: data, nonce: "abc"}
	s, _ = Config{Backend: b, TLS: &s1}.NewServer(ScramSHA256Plus)
	if err := run(t.Context(), s, sc, true); !errors.Is(err, ErrChannelBinding) {
		t.Error("tls-unique with TLS 1.3:", err)
	}
}

func TestFakeVerifier(t *testing.T) {
	a := FakeVerifier([]byte("k"), ScramSHA256, "u", 4096)
	if b := FakeVerifier([]byte("k"), ScramSHA256, "u", 4096); !bytes.Equal(a.Salt, b.Salt) || len(a.Salt) != 16 {
		t.Error("salt changes")
	}
	for _, b := range []SCRAMVerifier{FakeVerifier([]byte("k"), ScramSHA256, "v", 4096), FakeVerifier([]byte("l"), ScramSHA256, "u", 4096), FakeVerifier([]byte("k"), ScramSHA1, "u", 4096)} {
		if bytes.Equal(a.Salt, b.Salt) {
			t.Error("same salt")
		}
	}
}

func TestServerRefuses(t *testing.T) {
	b := memory{users: map[string]string{"u": "p"}, salt: []byte("salt")}
	for _, tc := range []struct {
		mech  string
		steps []string
	}{
		{Plain, []string{""}}, {Plain, []string{"u\x00p"}}, {Plain, []string{"\x00u\x00p\x00"}}, {Plain, []string{"\x00\x00p"}}, {Plain, []string{"\x00u\x00"}},
		{Plain, []string{"\x00u\x00" + strings.Repeat("x", 10000)}}, {Plain, []string{"\x00\xff\x00p"}}, {Plain, []string{"\x00u\n\x00p"}},
		{Login, []string{""}}, {Login, []string{"u", ""}},
		{ScramSHA256, []string{"x"}}, {ScramSHA256, []string{"x,,n=u,r=a"}}, {ScramSHA256, []string{"n,,m=x,n=u,r=a"}}, {ScramSHA256, []string{"n,,n=u"}},
		{ScramSHA256, []string{"n,,n=u,r="}}, {ScramSHA256, []string{"n,,n=u=2c,r=a"}}, {ScramSHA256, []string{"n,b=x,n=u,r=a"}}, {ScramSHA256, []string{"n,,r=a,n=u"}},
		{ScramSHA256, []string{"n,,n=u,r=a", "c=biws,r=a,p=AAAA"}}, {ScramSHA256, []string{"n,,n=u,r=a", "c=biws"}}, {ScramSHA256, []string{"n,,n=u,r=a", "c=biws,r=aS,p="}},
		{ScramSHA256, []string{"n,,n=u,r=a", "c=eSws,r=aS,p=AAAA"}}, {ScramSHA256, []string{"n,,n=u,r=a", ",p=***"}},
		{CRAMMD5, []string{"u"}}, {CRAMMD5, []string{"u zz"}}, {CRAMMD5, []string{"u abcd"}},
	} {
		s, err := Config{Backend: b, Hostname: "mx.example", nonce: map[bool]string{true: "", false: "S"}[tc.mech == CRAMMD5]}.NewServer(tc.mech)
		if err != nil {
			t.Fatal(err)
		}
		if tc.mech == CRAMMD5 {
			s.Next(t.Context(), nil)
		}
		for i, step := range tc.steps {
			_, done, err := s.Next(t.Context(), []byte(step))
			if done || i == len(tc.steps)-1 && !errors.Is(err, ErrProtocol) && !errors.Is(err, ErrChannelBinding) {
				t.Errorf("%s %q: done %v, %v", tc.mech, tc.steps, done, err)
			}
		}
	}
}

func TestClientRefuses(t *testing.T) {
	for _, tc := range [][]string{
		{"r=abc,s=AAAA,i=4096"},                     // nonce not extended
		{"r=xabcd,s=AAAA,i=4096"},                   // another nonce
		{"r=abcd,s=AAAA,i=1"},                       // too few iterations
		{"r=abcd,s=AAAA,i=99999999"},                // too many
		{"r=abcd,s=,i=4096"}, {"r=abcd,s=*,i=4096"}, //
		{"m=x,r=abcd,s=AAAA,i=4096"}, {"r=abcd,s=AAAA"}, //
		{"r=abcd,s=AAAA,i=4096", "v=AAAA"}, // server does not know the secret
		{"r=abcd,s=AAAA,i=4096", "e=invalid-proof"},
		{"r=abcd,s=AAAA,i=4096", ""},
	} {
		c, _ := NewClient(ScramSHA1, Credentials{Authcid: "u", Password: "p", nonce: "abc"})
		c.Start()
		var err error
		for _, s := range tc {
			_, err = c.Next([]byte(s))
		}
		if err == nil || c.Complete() {
			t.Errorf("%q accepted", tc)
		}
	}
}

func TestChoose(t *testing.T) {
	cert := sessiontest.Certificate("mx.example")
	_, state := handshake(t, cert, tls.VersionTLS13)
	all := []string{"LOGIN", "plain", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}
	for _, tc := range []struct {
		offered []string
		tls     *tls.ConnectionState
		want    string
	}{{all, nil, ScramSHA256}, {all, &state, ScramSHA256Plus}, {all[:2], nil, ""}, {all[:2], &state, Plain}, {all[:3], &state, CRAMMD5}, {nil, nil, ""}} {
		if got := Choose(tc.offered, tc.tls); got != tc.want {
			t.Errorf("%v: %s", tc.offered, got)
		}
	}
}

func FuzzServer(f *testing.F) {
	f.Add(uint8(0), []byte("\x00u\x00p"), []byte(""))
	f.Add(uint8(2), []byte("n,,n=u,r=abc"), []byte("c=biws,r=abcS,p=AAAA"))
	f.Add(uint8(3), []byte("n,a=x,n=u=2C,r=abc"), []byte("c=biws,r=abcS,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="))
	f.Add(uint8(4), []byte("u d41d8cd98f00b204e9800998ecf8427e"), []byte(""))
	mechs := []string{Plain, Login, ScramSHA1, ScramSHA256, CRAMMD5}
	b := memory{users: map[string]string{}}
	f.Fuzz(func(t *testing.T, m uint8, first, second []byte) {
		mech := mechs[int(m)%len(mechs)]
		s, err := Config{Backend: b, nonce: "S"}.NewServer(mech)
		if err != nil {
			t.Fatal(err)
		}
		if mech == CRAMMD5 {
			s.Next(t.Context(), nil)
		}
		for _, in := range [][]byte{first, second, {}} {
			if in == nil {
				in = []byte{}
			}
			_, done, err := s.Next(t.Context(), in)
			if done {
				t.Fatal("authenticated without users")
			}
			if err != nil {
				return
			}
		}
	})
}

func FuzzScramClient(f *testing.F) {
	f.Add([]byte("r=abcd,s=AAAA,i=4096"), []byte("v=AAAA"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		if bytes.Contains(first, []byte("i=")) && len(first) > 100 {
			return
		}
		c, _ := NewClient(ScramSHA1, Credentials{Authcid: "u", Password: "p", nonce: "abc"})
		c.Start()
		if _, err := c.Next(first); err != nil {
			return
		}
		if _, err := c.Next(second); err == nil || c.Complete() {
			t.Fatal("server believed")
		}
	})
}
