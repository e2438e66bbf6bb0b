package jmap

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// PatchObject is a set of changes of an object: values by paths, which are JSON Pointers without the slash at their
// beginning. RFC 8620 5.3.
type PatchObject map[string]json.RawMessage

// maxPatches is the most paths of a PatchObject.
const maxPatches = 2000

// splitPatchPath returns the elements of a path, unescaped as RFC 6901 4 says.
func splitPatchPath(path string) []string {
	l := strings.Split(path, "/")
	for i, s := range l {
		l[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(s)
	}
	return l
}

// Paths returns the paths as their elements, in order, when none is the beginning of another. An error is a [*SetError].
func (p PatchObject) Paths() ([]PatchPath, error) {
	if len(p) > maxPatches {
		return nil, SetErrorf(SetInvalidPatch, "more than %d changes of an object", maxPatches)
	}
	list := make([]PatchPath, 0, len(p))
	for _, k := range slices.Sorted(maps.Keys(p)) {
		list = append(list, PatchPath{Path: splitPatchPath(k), Value: p[k]})
	}
	slices.SortFunc(list, func(a, b PatchPath) int { return slices.Compare(a.Path, b.Path) })
	for i := 1; i < len(list); i++ {
		a, b := list[i-1].Path, list[i].Path
		if len(b) >= len(a) && slices.Equal(a, b[:len(a)]) {
			return nil, SetErrorf(SetInvalidPatch, "%.100q is changed by two paths", strings.Join(a, "/"))
		}
	}
	return list, nil
}

// PatchPath is one change of a PatchObject.
type PatchPath struct {
	Path  []string // at least one element
	Value json.RawMessage
}

// Null tells whether the change takes away.
func (p *PatchPath) Null() bool { return IsNull(p.Value) }

// IsNull tells whether a value is missing or null.
func IsNull(b json.RawMessage) bool {
	b = bytes.TrimSpace(b)
	return len(b) == 0 || string(b) == "null"
}

// Apply returns the object that patches make of another one, which stays as it is. What is set to null is null on the
// first level, where properties have defaults, and gone below. An error is a [*SetError] of type invalidPatch.
func (p PatchObject) Apply(object map[string]json.RawMessage) (map[string]json.RawMessage, error) {
	paths, err := p.Paths()
	if err != nil {
		return nil, err
	}
	object = maps.Clone(object)
	for _, c := range paths {
		if err := c.apply(object, c.Path, true); err != nil {
			return nil, err
		}
	}
	return object, nil
}

// apply changes an object in place; what is below it is replaced.
func (p *PatchPath) apply(object map[string]json.RawMessage, path []string, top bool) error {
	if len(path) == 1 {
		if p.Null() && !top {
			delete(object, path[0])
		} else {
			object[path[0]] = p.Value
		}
		return nil
	}
	below, ok := object[path[0]]
	if !ok || !isObject(below) {
		return SetErrorf(SetInvalidPatch, "%.100q is in no object", strings.Join(p.Path, "/"))
	}
	var inner map[string]json.RawMessage
	if err := json.Unmarshal(below, &inner); err != nil {
		return SetErrorf(SetInvalidPatch, "%s", Explain(err))
	}
	if err := p.apply(inner, path[1:], false); err != nil {
		return err
	}
	b, err := json.Marshal(inner)
	if err != nil {
		return err
	}
	object[path[0]] = b
	return nil
}
