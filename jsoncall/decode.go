package jsoncall

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Decode decodes a request, a JSON object, strictly into v, a pointer to a struct. The text of an error says
// what is wrong with the request, in words of the API.
func Decode(b []byte, v any) error {
	// RFC 8259 8.1: encoding/json would put U+FFFD for what is no UTF-8, and a text in another
	// charset would be sent as rubbish.
	if !utf8.Valid(b) {
		return errors.New("request is not valid: it is not in UTF-8")
	}
	if !bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("{")) {
		return errors.New("request is not valid: it must be a JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("request is not valid: %s", problem(err))
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("request has more after its JSON object")
	}
	return nil
}

// problem says what is wrong with JSON in words of the API, not of Go.
func problem(err error) string {
	var e *json.UnmarshalTypeError
	switch {
	case errors.As(err, &e):
		// The fields of an embedded struct are those of the request.
		field := strings.ReplaceAll("."+e.Field, ".Message.", ".")[1:]
		return fmt.Sprintf("%s: %s in place of: %s", cmp.Or(field, "the request"), e.Value, TypeName(e.Type))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the JSON ends too early"
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}
