package webpush

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

func bytesOf(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// open decrypts a body with the private key of the receiver.
func open(t testing.TB, receiver *ecdh.PrivateKey, auth, b []byte) []byte {
	t.Helper()
	sender, err := ecdh.P256().NewPublicKey(b[saltSize+5 : headerSize])
	if err != nil {
		t.Fatal(err)
	}
	shared, err := receiver.ECDH(sender)
	if err != nil {
		t.Fatal(err)
	}
	gcm, nonce, err := derive(shared, auth, b[:saltSize], receiver.PublicKey().Bytes(), sender.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gcm.Open(nil, nonce, b[headerSize:], nil)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// TestVector is the example of RFC 8291.
func TestVector(t *testing.T) {
	const text = "When I grow up, I want to be a watermelon"
	keys := Keys{"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4", "BTBZMqHH6r4Tts7J_aSIgg"}
	receiver, err := ecdh.P256().NewPrivateKey(bytesOf(t, "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"))
	if err != nil {
		t.Fatal(err)
	}
	sender, err := ecdh.P256().NewPrivateKey(bytesOf(t, "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
	if err != nil {
		t.Fatal(err)
	}
	public, auth, err := keys.parse()
	if err != nil || !public.Equal(receiver.PublicKey()) {
		t.Fatal(err)
	}
	b, err := seal(public, auth, sender, bytesOf(t, "DGv6ra1nlYgDCS1FRnbzlw"), []byte(text))
	want := "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
	if got := base64.RawURLEncoding.EncodeToString(b); err != nil || got != want {
		t.Errorf("got %s, %v", got, err)
	}
	if got := open(t, receiver, auth, b); string(got) != text+"\x02" {
		t.Errorf("%q", got)
	}
}

func TestEncrypt(t *testing.T) {
	receiver, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	auth := make([]byte, authSize)
	rand.Read(auth)
	k := Keys{base64.URLEncoding.EncodeToString(receiver.PublicKey().Bytes()), base64.RawURLEncoding.EncodeToString(auth)}
	for _, n := range []int{0, 1, MaxPlain} {
		plain := bytes.Repeat([]byte("x"), n)
		b, err := Encrypt(&k, plain)
		if err != nil || len(b) > recordSize || !bytes.Equal(open(t, receiver, auth, b), append(plain, 2)) {
			t.Errorf("%d octets: %d, %v", n, len(b), err)
		}
		other, err := Encrypt(&k, plain)
		if err != nil || bytes.Equal(b, other) {
			t.Errorf("twice the same, %v", err)
		}
	}
	if _, err := Encrypt(&k, make([]byte, MaxPlain+1)); !errors.Is(err, ErrTooLong) {
		t.Error(err)
	}
	for _, bad := range []Keys{{}, {k.P256DH, ""}, {"", k.Auth}, {k.Auth, k.Auth}, {k.P256DH, k.Auth + "AA"}, {strings.Repeat("A", 87), k.Auth}, {k.P256DH, "+" + k.Auth[1:]}} {
		if _, err := Encrypt(&bad, nil); err == nil {
			t.Errorf("%+v is good", bad)
		}
	}
}

// FuzzKeys: what Check takes can be encrypted for, and nothing panics.
func FuzzKeys(f *testing.F) {
	f.Add("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4", "BTBZMqHH6r4Tts7J_aSIgg")
	f.Add("BA==", "=")
	f.Fuzz(func(t *testing.T, public, auth string) {
		k := Keys{public, auth}
		if _, err := Encrypt(&k, []byte("x")); (err == nil) != (k.Check() == nil) {
			t.Error(err)
		}
	})
}
