package message

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// What is read is what the decoder alone gives, however it comes in pieces.
func FuzzUTF8Text(f *testing.F) {
	f.Add([]byte("plain"), 1)
	f.Add([]byte("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"), 5)
	f.Add([]byte("caf\xe9 au lait \xc3\xa9"), 7)
	f.Add([]byte("cut \xf0\x9f\x98"), 16)
	f.Add([]byte("\xef\xbb\xbfmark"), 4)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		size = min(max(size, 1), 4096)
		for _, e := range []encoding.Encoding{lenient, unicode.UTF8} {
			want, err := io.ReadAll(transform.NewReader(bytes.NewReader(data), e.NewDecoder()))
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range []io.Reader{bytes.NewReader(data), iotest.OneByteReader(bytes.NewReader(data)), iotest.DataErrReader(bytes.NewReader(data))} {
				got, err := readPieces(decoded(r, e), size)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%q in pieces of %d: %q (%v), want %q", data, size, got, err, want)
				}
			}
			broken := errors.New("broken")
			if _, err := readPieces(decoded(io.MultiReader(bytes.NewReader(data), iotest.ErrReader(broken)), e), size); err != broken {
				t.Errorf("%q in pieces of %d: error %v", data, size, err)
			}
		}
	})
}

func readPieces(r io.Reader, size int) (all []byte, err error) {
	p := make([]byte, size)
	for {
		n, err := r.Read(p)
		all = append(all, p[:n]...)
		if err == io.EOF {
			return all, nil
		} else if err != nil {
			return all, err
		}
	}
}
