package jmap

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"
)

// maxNesting is how deep arrays and objects of a request may be nested.
const maxNesting = 100

// isObject tells whether a JSON value is an object.
func isObject(b json.RawMessage) bool {
	return bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("{"))
}

// DecodeRequest decodes a request. An error is a [*Problem].
func DecodeRequest(b []byte) (*Request, error) {
	// RFC 8620 1.5: I-JSON, which is UTF-8 (RFC 7493 2.1).
	if !utf8.Valid(b) {
		return nil, &Problem{Type: ProblemNotJSON, Status: http.StatusBadRequest, Detail: "the request is not in UTF-8"}
	}
	if err := checkJSON(b); err != nil {
		return nil, &Problem{Type: ProblemNotJSON, Status: http.StatusBadRequest, Detail: "the request is not I-JSON: " + err.Error()}
	}
	var r Request
	problem := func(detail string) error {
		return &Problem{Type: ProblemNotRequest, Status: http.StatusBadRequest, Detail: "the request is not a JMAP request: " + detail}
	}
	if !isObject(b) {
		return nil, problem("it is not an object")
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, problem(strings.TrimPrefix(err.Error(), "json: "))
	}
	if r.Using == nil {
		return nil, problem(`"using" is missing`)
	}
	if r.MethodCalls == nil {
		return nil, problem(`"methodCalls" is missing`)
	}
	for k, v := range r.CreatedIDs {
		if !k.Valid() || !v.Valid() {
			return nil, problem("createdIds has something that is no id")
		}
	}
	return &r, nil
}

// checkJSON looks at the syntax, at nesting, and that names in an object differ (RFC 7493 2.3).
func checkJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	type level struct {
		names map[string]bool // nil: an array
		name  bool            // the next token is a name
	}
	var stack []level
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) && len(stack) == 0 {
			return nil
		} else if err != nil {
			return err
		}
		if t == json.Delim('}') || t == json.Delim(']') {
			stack = stack[:len(stack)-1]
			continue
		}
		if n := len(stack); n > 0 && stack[n-1].names != nil {
			top := &stack[n-1]
			if top.name = !top.name; top.name {
				name := t.(string)
				if top.names[name] {
					return fmt.Errorf("the name %.100q is there twice in an object", name)
				}
				top.names[name] = true
				continue
			}
		}
		switch t {
		case json.Delim('{'):
			stack = append(stack, level{names: map[string]bool{}})
		case json.Delim('['):
			stack = append(stack, level{})
		}
		if len(stack) > maxNesting {
			return fmt.Errorf("it is nested deeper than %d levels", maxNesting)
		}
	}
}

// DecodeArgs decodes arguments of a method, or another object, strictly into v, a pointer to a struct. An error is an
// [*Error] of type invalidArguments.
func DecodeArgs(args json.RawMessage, v any) error {
	d := json.NewDecoder(bytes.NewReader(args))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return Errorf(ErrorInvalidArguments, "%s", Explain(err))
	}
	return nil
}

// Explain says what is wrong with JSON in words of JMAP, not of Go.
func Explain(err error) string {
	var e *json.UnmarshalTypeError
	if errors.As(err, &e) {
		return fmt.Sprintf("%s cannot be a JSON %s", e.Field, e.Value)
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}
