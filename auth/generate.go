package auth

import (
	"fmt"
	"io"
	"strings"
)

// alphabet is that of generated passwords: cli reference, section 3.
const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!@#$%^&*-_;:,<.>/"

// letters may begin and end a password, so that nothing of it is lost, or added, when it is
// copied out of text.
const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

const passwordLength = 12

// GeneratePassword makes one, with 75 bits that nobody can guess. random is [crypto/rand.Reader], or
// another in tests.
func GeneratePassword(random io.Reader) (string, error) {
	var b strings.Builder
	for i := range passwordLength {
		from := alphabet
		if i == 0 || i == passwordLength-1 {
			from = letters
		}
		c, err := pick(random, from)
		if err != nil {
			return "", fmt.Errorf("making password: %w", err)
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

// pick returns one of chars, each as likely as the others: numbers that would prefer the
// first are thrown away.
func pick(random io.Reader, chars string) (byte, error) {
	var b [1]byte
	for {
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return 0, err
		}
		if int(b[0]) < 256/len(chars)*len(chars) {
			return chars[int(b[0])%len(chars)], nil
		}
	}
}
