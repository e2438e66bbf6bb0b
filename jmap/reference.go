package jmap

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ResultReference takes an argument from the response to an earlier call of the same request, RFC 8620 3.7.
type ResultReference struct {
	ResultOf string `json:"resultOf"` // call id
	Name     string `json:"name"`     // of the response
	Path     string `json:"path"`     // JSON Pointer into its arguments, with "*" for all of an array
}

// maxReferenced is how many values one reference can give.
const maxReferenced = 100000

// maxReferences is how many references a call can have.
const maxReferences = 20

// Resolver replaces the result references of the calls of one request.
type Resolver struct {
	// Charge counts octets that a reference gives; its error, an [*Error], ends resolving. nil: they are not counted.
	Charge func(n int64) error

	// The response decoded last: references of a request are mostly to one.
	last    *byte // where its arguments begin
	decoded any
}

// Resolve replaces arguments whose names begin with "#" by what they refer to among responses. An error is an [*Error],
// or that of ctx.
func (r *Resolver) Resolve(ctx context.Context, args json.RawMessage, responses []Invocation) (json.RawMessage, error) {
	if !bytes.Contains(args, []byte(`"#`)) {
		return args, nil // the common case: no name can begin with it
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(args, &all); err != nil {
		return nil, Errorf(ErrorInvalidArguments, "%s", Explain(err))
	}
	var names []string
	for name := range all {
		if strings.HasPrefix(name, "#") {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return args, nil
	}
	if len(names) > maxReferences {
		return nil, Errorf(ErrorInvalidArguments, "a call can have %d result references, not %d", maxReferences, len(names))
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		value, err := r.value(name, all, responses)
		if err != nil {
			return nil, err
		}
		delete(all, name)
		all[name[1:]] = value
	}
	return json.Marshal(all)
}

// value is what the argument of a name refers to.
func (r *Resolver) value(name string, all map[string]json.RawMessage, responses []Invocation) (json.RawMessage, error) {
	// RFC 8620 3.7: both forms of an argument.
	if _, both := all[name[1:]]; both {
		return nil, Errorf(ErrorInvalidArguments, "%.100s is given as a value and as a result reference", name[1:])
	}
	var ref ResultReference
	if err := DecodeArgs(all[name], &ref); err != nil {
		return nil, Errorf(ErrorInvalidArguments, "%.100s is not a result reference", name)
	}
	value, err := r.find(&ref, responses)
	if err != nil {
		return nil, Errorf(ErrorInvalidResultReference, "%.100s: %v", name, err)
	}
	if r.Charge != nil {
		err = r.Charge(int64(len(value)))
	}
	return value, err
}

func (r *Resolver) find(ref *ResultReference, responses []Invocation) (json.RawMessage, error) {
	i := slices.IndexFunc(responses, func(res Invocation) bool { return res.CallID == ref.ResultOf })
	if i < 0 {
		return nil, fmt.Errorf("there is no earlier response to %.100q", ref.ResultOf)
	}
	// RFC 8620 3.7: the first response with that call id must have the name.
	res := &responses[i]
	if res.Name != ref.Name {
		return nil, fmt.Errorf("the response to %.100q is %.100s, not %.100s", ref.ResultOf, res.Name, ref.Name)
	}
	if ref.Path == "" {
		return res.Args, nil
	}
	v, err := r.decode(res.Args)
	if err != nil {
		return nil, err
	}
	if v, err = Pointer(v, ref.Path); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// decode decodes the arguments of a response.
func (r *Resolver) decode(args json.RawMessage) (any, error) {
	if len(args) > 0 && r.last == &args[0] {
		return r.decoded, nil
	}
	r.last, r.decoded = nil, nil // not two at a time in memory
	d := json.NewDecoder(bytes.NewReader(args))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	r.last, r.decoded = &args[0], v
	return v, nil
}

// Pointer evaluates a JSON Pointer (RFC 6901) on a decoded value, with "*" for each element of an array, whose results
// are put together in one array (RFC 8620 3.7).
func Pointer(v any, path string) (any, error) {
	if path == "" {
		return v, nil
	}
	if path[0] != '/' {
		return nil, fmt.Errorf("the path %.100q does not begin with /", path)
	}
	left := maxReferenced
	return pointer(v, strings.Split(path[1:], "/"), &left)
}

func pointer(v any, path []string, left *int) (any, error) {
	if len(path) == 0 {
		if *left--; *left < 0 {
			return nil, fmt.Errorf("the path gives more than %d values", maxReferenced)
		}
		return v, nil
	}
	// RFC 6901 4.
	name := strings.NewReplacer("~1", "/", "~0", "~").Replace(path[0])
	switch c := v.(type) {
	case map[string]any:
		e, ok := c[name]
		if !ok {
			return nil, fmt.Errorf("there is no %.100q in the response", name)
		}
		return pointer(e, path[1:], left)
	case []any:
		if name == "*" {
			return each(c, path[1:], left)
		}
		i, err := strconv.ParseUint(name, 10, 31)
		if err != nil || name != strconv.FormatUint(i, 10) || int(i) >= len(c) {
			return nil, fmt.Errorf("there is no element %.100q in the array of the response", name)
		}
		return pointer(c[i], path[1:], left)
	}
	return nil, fmt.Errorf("%.100q is looked for in what is no object and no array", name)
}

// each evaluates the rest of a path on each element.
func each(list []any, path []string, left *int) (any, error) {
	all := []any{}
	for _, e := range list {
		r, err := pointer(e, path, left)
		if err != nil {
			return nil, err
		}
		// RFC 8620 3.7: an array is put in element by element.
		if l, ok := r.([]any); ok {
			if *left -= len(l); *left < 0 {
				return nil, fmt.Errorf("the path gives more than %d values", maxReferenced)
			}
			all = append(all, l...)
		} else {
			all = append(all, r)
		}
	}
	return all, nil
}
