package jmap

import (
	"encoding/json"
	"fmt"
	"time"
)

// ID is the id of an object, RFC 8620 1.2: 1 to 255 letters, digits, "-" and "_".
type ID string

// MaxID is the most octets of an ID.
const MaxID = 255

// Valid tells whether it has the form of an id.
func (id ID) Valid() bool {
	if id == "" || len(id) > MaxID {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// Capabilities that requests name in "using".
const (
	CapabilityCore       = "urn:ietf:params:jmap:core"       // RFC 8620
	CapabilityMail       = "urn:ietf:params:jmap:mail"       // RFC 8621
	CapabilitySubmission = "urn:ietf:params:jmap:submission" // RFC 8621
)

// Request is RFC 8620 3.3.
type Request struct {
	Using       []string     `json:"using"`
	MethodCalls []Invocation `json:"methodCalls"`
	// CreatedIDs are ids by creation ids; nil: the client does not want them back.
	CreatedIDs map[ID]ID `json:"createdIds"`
}

// Response is RFC 8620 3.4.
type Response struct {
	MethodResponses []Invocation `json:"methodResponses"`
	CreatedIDs      map[ID]ID    `json:"createdIds,omitempty"`
	SessionState    string       `json:"sessionState"`
}

// Invocation is a call or the response to one, RFC 8620 3.2: an array of three on the wire.
type Invocation struct {
	Name   string
	Args   json.RawMessage // an object
	CallID string
}

// MarshalJSON implements [json.Marshaler].
func (i Invocation) MarshalJSON() ([]byte, error) {
	return json.Marshal([3]any{i.Name, i.Args, i.CallID})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (i *Invocation) UnmarshalJSON(b []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	if len(parts) != 3 {
		return fmt.Errorf("a method call has %d elements in place of 3: name, arguments, call id", len(parts))
	}
	if err := json.Unmarshal(parts[0], &i.Name); err != nil {
		return fmt.Errorf("name of a method: %w", err)
	}
	if !isObject(parts[1]) {
		return fmt.Errorf("arguments of %s are not an object", i.Name)
	}
	i.Args = parts[1]
	if err := json.Unmarshal(parts[2], &i.CallID); err != nil {
		return fmt.Errorf("call id of %s: %w", i.Name, err)
	}
	return nil
}

// UTCDate is a time in UTC, RFC 8620 1.4.
type UTCDate struct{ time.Time }

// MarshalJSON implements [json.Marshaler].
func (d UTCDate) MarshalJSON() ([]byte, error) {
	return json.Marshal(d.UTC().Truncate(time.Second).Format(time.RFC3339))
}

// UnmarshalJSON implements [json.Unmarshaler].
func (d *UTCDate) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Format("Z07:00") != "Z" {
		return fmt.Errorf("%q is not a time in UTC, like 2026-01-31T16:00:00Z", s)
	}
	d.Time = t
	return nil
}

// AddedItem is where an id came into the results of a query, RFC 8620 5.6.
type AddedItem struct {
	ID    ID  `json:"id"`
	Index int `json:"index"`
}

// Add adds a response to a call.
func (r *Response) Add(name string, args any, callID string) error {
	b, err := json.Marshal(args)
	r.MethodResponses = append(r.MethodResponses, Invocation{name, b, callID})
	return err
}
