package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/secure/precis"

	"mox/sasl"
)

// MinPasswordLength is in bytes, after normalisation.
const MinPasswordLength = 8

// maxPasswordLength bounds the work that a hostile password causes.
const maxPasswordLength = 1024

// ErrBadPassword is returned for a new password that is too short, too long or has
// characters that RFC 8265 does not allow. Its text tells which.
var ErrBadPassword = errors.New("unacceptable password")

// Credentials are the secrets derived from one password, as stored with an account.
type Credentials struct {
	Argon2id string             `json:"argon2id"` // PHC string
	SHA1     sasl.SCRAMVerifier `json:"scramSHA1"`
	SHA256   sasl.SCRAMVerifier `json:"scramSHA256"`
	CRAMMD5  sasl.CRAMMD5State  `json:"cramMD5"`
	Changed  time.Time          `json:"changed,omitzero"` // when the password was set; zero: not recorded
}

// Costs of deriving. The iteration counts are at least those of RFC 7677 section 4;
// argon2id follows the second recommendation of RFC 9106 section 4 in spirit, with
// memory for small machines.
const (
	scramIterations = 4096
	argonTime       = 2
	argonMemory     = 19 * 1024 // KiB
	argonThreads    = 1
	argonKeyLength  = 32
	saltLength      = 16
)

// normalize applies the OpaqueString profile. A password that the profile refuses is
// used as it is when it is only checked: it cannot match.
func normalize(password string) (string, error) {
	if len(password) > maxPasswordLength {
		return "", fmt.Errorf("%w: longer than %d bytes", ErrBadPassword, maxPasswordLength)
	}
	s, err := precis.OpaqueString.String(password)
	if err != nil {
		return "", fmt.Errorf("%w: %v", ErrBadPassword, err)
	}
	return s, nil
}

// NewCredentials derives the secrets of password with fresh salts.
func NewCredentials(password string) (Credentials, error) {
	pw, err := normalize(password)
	if err != nil {
		return Credentials{}, err
	}
	if len(pw) < MinPasswordLength {
		return Credentials{}, fmt.Errorf("%w: shorter than %d characters", ErrBadPassword, MinPasswordLength)
	}
	salt := func() []byte {
		b := make([]byte, saltLength)
		rand.Read(b) // never fails
		return b
	}
	var c Credentials
	c.Argon2id = argonHash(pw, salt())
	if c.SHA1, err = sasl.DeriveSCRAM("SCRAM-SHA-1", pw, salt(), scramIterations); err != nil {
		return Credentials{}, fmt.Errorf("deriving scram-sha-1: %w", err)
	}
	if c.SHA256, err = sasl.DeriveSCRAM("SCRAM-SHA-256", pw, salt(), scramIterations); err != nil {
		return Credentials{}, fmt.Errorf("deriving scram-sha-256: %w", err)
	}
	if c.CRAMMD5, err = sasl.DeriveCRAMMD5(pw); err != nil {
		return Credentials{}, fmt.Errorf("deriving cram-md5: %w", err)
	}
	return c, nil
}

// Marshal returns the stored form, JSON.
func (c Credentials) Marshal() ([]byte, error) { return json.Marshal(c) }

// ParseCredentials reads what Marshal wrote.
func ParseCredentials(b []byte) (Credentials, error) {
	var c Credentials
	if err := json.Unmarshal(b, &c); err != nil {
		return Credentials{}, fmt.Errorf("parsing stored credentials: %w", err)
	}
	return c, nil
}

// argonHash returns the PHC string of password.
func argonHash(password string, salt []byte) string {
	key := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, argonKeyLength)
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads, b64(salt), b64(key))
}

// argonVerify reports whether password has the hash. Costs in the hash are bounded, so
// that a damaged database cannot exhaust memory.
func argonVerify(hash, password string) (bool, error) {
	f := strings.Split(hash, "$")
	if len(f) != 6 || f[0] != "" || f[1] != "argon2id" || f[2] != "v="+strconv.Itoa(argon2.Version) {
		return false, errors.New("stored password hash is not argon2id")
	}
	var memory, time uint32
	var threads uint8
	if _, err := fmt.Sscanf(f[3], "m=%d,t=%d,p=%d", &memory, &time, &threads); err != nil {
		return false, fmt.Errorf("parsing argon2id parameters: %w", err)
	}
	salt, err := base64.RawStdEncoding.DecodeString(f[4])
	if err != nil {
		return false, fmt.Errorf("parsing argon2id salt: %w", err)
	}
	want, err := base64.RawStdEncoding.DecodeString(f[5])
	if err != nil {
		return false, fmt.Errorf("parsing argon2id hash: %w", err)
	}
	if memory > 1<<20 || time < 1 || time > 64 || threads < 1 || len(want) < 16 || len(want) > 64 {
		return false, errors.New("stored argon2id parameters are out of bounds")
	}
	got := argon2.IDKey([]byte(password), salt, time, memory, threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}
