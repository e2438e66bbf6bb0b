package jmap

import (
	"bytes"
	"encoding/json"
	"fmt"
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

// Resolve replaces arguments whose names begin with "#" by what they refer to among responses. An error is an [*Error].
func Resolve(args json.RawMessage, responses []Invocation) (json.RawMessage, error) {
	if !bytes.Contains(args, []byte(`"#`)) {
		return args, nil // the common case: no name can begin with it
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(args, &all); err != nil {
		return nil, Errorf(ErrorInvalidArguments, "%s", Explain(err))
	}
	changed := false
	for name, v := range all {
		plain, ok := strings.CutPrefix(name, "#")
		if !ok {
			continue
		}
		// RFC 8620 3.7: both forms of an argument.
		if _, both := all[plain]; both {
			return nil, Errorf(ErrorInvalidArguments, "%s is given as a value and as a result reference", plain)
		}
		var ref ResultReference
		if err := DecodeArgs(v, &ref); err != nil {
			return nil, Errorf(ErrorInvalidArguments, "%s is not a result reference", name)
		}
		value, err := ref.find(responses)
		if err != nil {
			return nil, Errorf(ErrorInvalidResultReference, "%s: %v", name, err)
		}
		delete(all, name)
		all[plain] = value
		changed = true
	}
	if !changed {
		return args, nil
	}
	return json.Marshal(all)
}

func (r *ResultReference) find(responses []Invocation) (json.RawMessage, error) {
	for _, res := range responses {
		if res.CallID != r.ResultOf {
			continue
		}
		// RFC 8620 3.7: the first response with that call id must have the name.
		if res.Name != r.Name {
			return nil, fmt.Errorf("the response to %q is %s, not %s", r.ResultOf, res.Name, r.Name)
		}
		d := json.NewDecoder(bytes.NewReader(res.Args))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			return nil, err
		}
		v, err := Pointer(v, r.Path)
		if err != nil {
			return nil, err
		}
		return json.Marshal(v)
	}
	return nil, fmt.Errorf("there is no earlier response to %q", r.ResultOf)
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
