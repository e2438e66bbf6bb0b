package dmarcrpt

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"mox/lineio"
)

// Errors of parsing.
var (
	ErrReport   = errors.New("invalid DMARC report")
	ErrTooLarge = errors.New("DMARC report is too large")
	// ErrNone: a message has no DMARC report.
	ErrNone = errors.New("message has no DMARC report")
)

// Bounds of reports that are read.
const (
	MaxSize     = 20 << 20 // octets of the XML
	MaxPacked   = 15 << 20 // octets as sent, and of a message
	MaxRecords  = 100_000
	maxZipFiles = 100
)

// unpack returns the XML of a report, however it is packed.
func unpack(r io.Reader) ([]byte, error) {
	src := &lineio.Source{R: r}
	br := bufio.NewReader(src)
	magic, _ := br.Peek(4)
	var b []byte
	var err error
	switch {
	case bytes.HasPrefix(magic, []byte("\x1f\x8b")):
		b, err = gunzip(br)
	case bytes.HasPrefix(magic, []byte("PK\x03\x04")):
		b, err = unzip(br)
	default:
		b, err = readBounded(br, MaxSize)
	}
	switch {
	case src.Err != nil:
		return nil, fmt.Errorf("reading DMARC report: %w", src.Err)
	case err != nil && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrReport):
		return nil, fmt.Errorf("%w: compressed data is damaged: %w", ErrReport, err)
	}
	return b, err
}

func gunzip(r io.Reader) ([]byte, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	// Octets after the compressed data are of no concern.
	z.Multistream(false)
	return readBounded(z, MaxSize)
}

func readBounded(r io.Reader, max int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, max+1))
	if int64(len(b)) > max {
		return nil, fmt.Errorf("%w: more than %d octets", ErrTooLarge, max)
	}
	return b, err
}

// unzip returns the file that looks most like a report: the first with a name that ends in
// .xml, else the first.
func unzip(r io.Reader) ([]byte, error) {
	b, err := readBounded(r, MaxPacked)
	if err != nil {
		return nil, err
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	var found *zip.File
	for i, f := range z.File {
		if i == maxZipFiles {
			break
		}
		name := strings.ToLower(f.Name)
		switch {
		case f.FileInfo().IsDir() || strings.HasPrefix(name, "__macosx/"):
		case strings.HasSuffix(name, ".xml") && (found == nil || !strings.HasSuffix(strings.ToLower(found.Name), ".xml")):
			found = f
		case found == nil:
			found = f
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%w: zip file without files", ErrReport)
	}
	f, err := found.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readBounded(f, MaxSize)
}
