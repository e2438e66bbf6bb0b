package jmap

import (
	"bytes"
	"encoding/json"
)

// Bounds of filters.
const (
	maxFilterDepth      = 20
	maxFilterConditions = 1000
)

// Operators of filters, RFC 8620 5.5.
const (
	OperatorAND = "AND"
	OperatorOR  = "OR"
	OperatorNOT = "NOT" // none of the conditions match
)

// Filter is a FilterOperator or a FilterCondition, RFC 8620 5.5. C is the type of conditions, a struct.
type Filter[C any] struct {
	Operator   string // empty: Condition is set
	Conditions []*Filter[C]
	Condition  *C
}

// DecodeFilter decodes a filter; nil or null is none, and gives nil. An error is an [*Error]: unsupportedFilter for a
// condition that C does not have, invalidArguments for one that is wrong.
func DecodeFilter[C any](b json.RawMessage) (*Filter[C], error) {
	left := maxFilterConditions
	return decodeFilter[C](b, 0, &left)
}

func decodeFilter[C any](b json.RawMessage, depth int, left *int) (*Filter[C], error) {
	if b = bytes.TrimSpace(b); len(b) == 0 || string(b) == "null" {
		return nil, nil
	}
	if *left--; depth > maxFilterDepth || *left < 0 {
		return nil, Errorf(ErrorUnsupportedFilter, "a filter can be %d operators deep, and have %d conditions", maxFilterDepth, maxFilterConditions)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		return nil, Errorf(ErrorInvalidArguments, "a filter is not an object: %s", Explain(err))
	}
	if _, ok := fields["operator"]; !ok {
		return decodeCondition[C](b, fields)
	}
	var op struct {
		Operator   string            `json:"operator"`
		Conditions []json.RawMessage `json:"conditions"`
	}
	if err := DecodeArgs(b, &op); err != nil {
		return nil, err
	}
	if op.Operator != OperatorAND && op.Operator != OperatorOR && op.Operator != OperatorNOT {
		return nil, Errorf(ErrorInvalidArguments, "the operator of a filter is %.100q in place of AND, OR or NOT", op.Operator)
	}
	f := &Filter[C]{Operator: op.Operator}
	for _, c := range op.Conditions {
		sub, err := decodeFilter[C](c, depth+1, left)
		if err != nil {
			return nil, err
		}
		if sub == nil {
			return nil, Errorf(ErrorInvalidArguments, "a condition of a filter is null")
		}
		f.Conditions = append(f.Conditions, sub)
	}
	return f, nil
}

func decodeCondition[C any](b json.RawMessage, fields map[string]json.RawMessage) (*Filter[C], error) {
	c := new(C)
	if err := DecodeArgs(b, c); err == nil {
		return &Filter[C]{Condition: c}, nil
	}
	if err := json.Unmarshal(b, c); err != nil {
		return nil, Errorf(ErrorInvalidArguments, "%s", Explain(err))
	}
	// Only names can be what is wrong.
	for name := range fields {
		one, _ := json.Marshal(map[string]json.RawMessage{name: fields[name]})
		if DecodeArgs(one, new(C)) != nil {
			return nil, Errorf(ErrorUnsupportedFilter, "there is no filter condition %.100q", name)
		}
	}
	return nil, Errorf(ErrorUnsupportedFilter, "the filter is not supported")
}

// Match tells whether something matches, given whether it matches a condition. A nil filter matches all.
func (f *Filter[C]) Match(match func(*C) bool) bool {
	if f == nil {
		return true
	}
	switch f.Operator {
	case OperatorAND:
		for _, c := range f.Conditions {
			if !c.Match(match) {
				return false
			}
		}
		return true
	case OperatorOR, OperatorNOT:
		for _, c := range f.Conditions {
			if c.Match(match) {
				return f.Operator == OperatorOR
			}
		}
		return f.Operator == OperatorNOT
	}
	return match(f.Condition)
}

// Each calls do with every condition.
func (f *Filter[C]) Each(do func(*C)) {
	if f == nil {
		return
	}
	if f.Condition != nil {
		do(f.Condition)
	}
	for _, c := range f.Conditions {
		c.Each(do)
	}
}

// Comparator is one of the keys that results of a query are sorted by, RFC 8620 5.5, with Keyword of RFC 8621 4.4.2.
type Comparator struct {
	Property    string `json:"property"`
	IsAscending *bool  `json:"isAscending"` // nil: it is
	Collation   string `json:"collation"`   // empty: the default
	Keyword     string `json:"keyword"`
}

// Ascending tells the direction.
func (c *Comparator) Ascending() bool { return c.IsAscending == nil || *c.IsAscending }
