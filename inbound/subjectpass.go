package inbound

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"mox/smtp"
	"mox/store"
	"mox/trace"
)

// A token for the subject is "(pass:" 16 octets in base64url ")": 4 octets with a version
// in the upper 4 bits and the unix time without its low 8 bits in the rest, and 12 octets
// of HMAC-SHA256 over those and the sender's address. The key is of the recipient's
// address, kept with the account.
const (
	tokenPrefix  = "(pass:"
	tokenVersion = 0
	tokenSize    = 16
	// tokenText is the length of a token in base64url.
	tokenText = (tokenSize*8 + 5) / 6
)

// subjectPassSetting is the prefix of names that keys are stored under.
const subjectPassSetting = "inbound/subjectpass/"

// subjectPassKey returns the key of an address. With create, one is made if missing.
func subjectPassKey(ctx context.Context, acc *store.Account, a smtp.Address, create bool) ([]byte, error) {
	name := subjectPassSetting + a.String()
	key, err := acc.Setting(ctx, name)
	if err != nil || len(key) > 0 || !create {
		return key, err
	}
	key = make([]byte, 16)
	rand.Read(key)
	return key, acc.SetSetting(ctx, name, key)
}

// signToken makes a token for a sender.
func signToken(key []byte, from string, now time.Time) string {
	b := make([]byte, 4, tokenSize)
	binary.BigEndian.PutUint32(b, tokenVersion<<28|uint32(now.Unix()>>8)&(1<<28-1))
	b = append(b, tokenMAC(key, b, from)...)
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b) + ")"
}

func tokenMAC(key, head []byte, from string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(head)
	h.Write([]byte(strings.ToLower(from)))
	return h.Sum(nil)[:tokenSize-4]
}

// findToken returns the token in a subject, nil if there is none.
func findToken(subject string) []byte {
	_, rest, ok := strings.Cut(subject, tokenPrefix)
	if !ok || len(rest) <= tokenText || rest[tokenText] != ')' {
		return nil
	}
	b, err := base64.RawURLEncoding.DecodeString(rest[:tokenText])
	if err != nil || len(b) != tokenSize {
		return nil
	}
	return b
}

// checkToken tells whether a token was given to a sender within a period.
func checkToken(key, token []byte, from string, now time.Time, period time.Duration) bool {
	if len(key) == 0 || !hmac.Equal(tokenMAC(key, token[:4], from), token[4:]) {
		return false
	}
	v := binary.BigEndian.Uint32(token)
	given := time.Unix(int64(v&(1<<28-1))<<8, 0)
	return v>>28 == tokenVersion && now.Sub(given) < period+256*time.Second && !given.After(now)
}

// subjectPass looks for a token in the subject: "valid", "invalid", or "" for none.
func (j *judge) subjectPass(ctx context.Context, r *recipient, f *trace.Facts) string {
	token := findToken(j.subject)
	if token == nil {
		return ""
	}
	key, err := subjectPassKey(ctx, r.acc, r.to, false)
	if err != nil {
		j.in.c.Log.ErrorContext(ctx, "reading key of subjectpass", "err", err)
	}
	valid := f.From != "" && checkToken(key, token, f.From, j.m.Received, r.info.Config.SubjectPass.Period)
	if m := j.in.c.Metrics.SubjectPass; m != nil {
		m(valid)
	}
	if valid {
		return "valid"
	}
	return "invalid"
}

// token makes one for a sender who is refused.
func (j *judge) token(ctx context.Context, acc *store.Account, to smtp.Address, from string) string {
	key, err := subjectPassKey(ctx, acc, to, true)
	if err != nil {
		j.in.c.Log.ErrorContext(ctx, "making key of subjectpass", "err", err)
		return "(no token at the moment, try again later)"
	}
	if m := j.in.c.Metrics.Token; m != nil {
		m()
	}
	return signToken(key, from, j.m.Received)
}
