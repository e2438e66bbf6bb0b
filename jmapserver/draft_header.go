package jmapserver

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"mox/jmap"
	"mox/message"
	"mox/smtp"
)

// Bounds of a header that clients make.
const (
	maxDraftFields = 500
	maxDraftField  = 100_000 // octets of a value
)

// headerProperty is the field and the form of a property with a name of its own, RFC 8621 4.1.3.
var headerProperty = map[string][2]string{
	"messageId": {"Message-ID", jmap.FormMessageIDs}, "inReplyTo": {"In-Reply-To", jmap.FormMessageIDs}, "references": {"References", jmap.FormMessageIDs},
	"sender": {"Sender", jmap.FormAddresses}, "from": {"From", jmap.FormAddresses}, "to": {"To", jmap.FormAddresses}, "cc": {"Cc", jmap.FormAddresses}, "bcc": {"Bcc", jmap.FormAddresses},
	"replyTo": {"Reply-To", jmap.FormAddresses}, "subject": {"Subject", jmap.FormText}, "sentAt": {"Date", jmap.FormDate},
}

// header takes a property if it is that of a header field. known is false if it is none.
func (d *draft) header(name string, v json.RawMessage) (known bool, err error) {
	h, err := headerName(name)
	if err != nil {
		return true, jmap.InvalidProperty(name, "%s", err.Error())
	}
	if h == nil {
		return false, nil
	}
	field := h.Name
	if slices.ContainsFunc(d.fields, func(f draftField) bool { return strings.EqualFold(f.name, field) }) {
		return true, jmap.InvalidProperty(name, "header field %s is given by another property too", field)
	}
	if jmap.IsNull(v) {
		return true, nil
	}
	list := []json.RawMessage{v}
	if h.All {
		if err := json.Unmarshal(v, &list); err != nil {
			return true, jmap.InvalidProperty(name, "it is not an array")
		}
	}
	for _, one := range list {
		if len(d.fields) >= maxDraftFields {
			return true, jmap.InvalidProperty(name, "more than %d header fields", maxDraftFields)
		}
		write, err := d.form(field, h.Form, one)
		if err != nil {
			return true, jmap.InvalidProperty(name, "%v", err)
		}
		// RFC 8621 4.6: it is made by the server.
		if write != nil && !strings.EqualFold(field, "MIME-Version") {
			d.fields = append(d.fields, draftField{field, write})
		}
	}
	return true, nil
}

// headerName parses the name of a property: one of its own, or header:{name}:{form}:all (RFC 8621 4.1.3); nil for others.
func headerName(name string) (*jmap.HeaderProperty, error) {
	if p, ok := headerProperty[name]; ok {
		return &jmap.HeaderProperty{Property: name, Name: p[0], Form: p[1]}, nil
	}
	if !strings.HasPrefix(name, "header:") {
		return nil, nil
	}
	h, err := jmap.ParseHeaderProperty(name)
	if err == nil && len(h.Name) > 100 {
		err = jmap.Errorf(jmap.ErrorInvalidArguments, "the name of a header field is too long")
	}
	return h, err
}

// form reads a value in a form. A nil function stands for no field.
func (d *draft) form(field, form string, v json.RawMessage) (func(*message.Composer), error) {
	if len(v) > maxDraftField {
		return nil, fmt.Errorf("it is longer than %d octets", maxDraftField)
	}
	switch form {
	case jmap.FormRaw:
		return d.rawForm(field, v)
	case jmap.FormText:
		s, err := text(v)
		return func(c *message.Composer) { c.Text(field, s) }, err
	case jmap.FormAddresses:
		var list []jmap.EmailAddress
		if err := decodeStrict(v, &list); err != nil {
			return nil, err
		}
		return d.addresses(field, []jmap.EmailAddressGroup{{Addresses: list}})
	case jmap.FormGroupedAddresses:
		var list []jmap.EmailAddressGroup
		if err := decodeStrict(v, &list); err != nil {
			return nil, err
		}
		return d.addresses(field, list)
	case jmap.FormMessageIDs:
		return messageIDs(field, v)
	case jmap.FormDate:
		t, err := parseSent(v)
		return func(c *message.Composer) { c.Raw(field, message.FormatDate(t)) }, err
	case jmap.FormURLs:
		return urls(field, v)
	}
	return nil, fmt.Errorf("there is no form %.40q", form)
}

// text is a string without what cannot be in a header field.
func text(v json.RawMessage) (string, error) {
	var s string
	if err := json.Unmarshal(v, &s); err != nil {
		return "", fmt.Errorf("it is no string")
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return "", fmt.Errorf("it has control characters or line ends")
	}
	return s, nil
}

// rawForm is RFC 8621 4.1.2.1: the value as it is, folded or not.
func (d *draft) rawForm(field string, v json.RawMessage) (func(*message.Composer), error) {
	var s string
	if err := json.Unmarshal(v, &s); err != nil {
		return nil, fmt.Errorf("it is no string")
	}
	s = strings.TrimSuffix(s, "\r\n")
	s = strings.NewReplacer("\r\n ", " ", "\r\n\t", "\t").Replace(s)
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return nil, fmt.Errorf("it has control characters, or line ends that fold nothing")
	}
	d.utf8 = d.utf8 || !isASCII(s)
	return func(c *message.Composer) { c.Raw(field, strings.TrimLeft(s, " \t")) }, nil
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// addresses is RFC 8621 4.1.2.3 and 4.1.2.4. What is no address is written as it is: it may be half of one, in a draft.
func (d *draft) addresses(field string, groups []jmap.EmailAddressGroup) (func(*message.Composer), error) {
	var list []message.Address
	valid := true
	for _, g := range groups {
		name, err := displayName(g.Name)
		if err != nil {
			return nil, err
		}
		if g.Name != nil {
			list = append(list, message.Address{Kind: message.AddressGroupStart, Name: name})
		}
		for _, in := range g.Addresses {
			a, ok, err := draftAddress(&in)
			if err != nil {
				return nil, err
			}
			valid = valid && ok
			d.utf8 = d.utf8 || !isASCII(a.Mailbox)
			list = append(list, a)
		}
		if g.Name != nil {
			list = append(list, message.Address{Kind: message.AddressGroupEnd})
		}
	}
	switch {
	case len(list) == 0:
		return nil, nil
	case valid:
		return func(c *message.Composer) { c.Addresses(field, list) }, nil
	}
	var texts []string
	for _, a := range list {
		if a.Kind == message.AddressMailbox {
			texts = append(texts, a.String())
		}
	}
	return func(c *message.Composer) { c.Text(field, strings.Join(texts, ", ")) }, nil
}

// draftAddress makes an address; ok is false for what is none, which is in Mailbox as it is.
func draftAddress(in *jmap.EmailAddress) (a message.Address, ok bool, err error) {
	if a.Name, err = displayName(in.Name); err != nil {
		return a, false, err
	}
	if len(in.Email) > 1000 || strings.ContainsFunc(in.Email, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return a, false, fmt.Errorf("an address is too long or has control characters")
	}
	parsed, err := smtp.ParseAddressLax(strings.TrimSpace(in.Email))
	if err != nil {
		a.Mailbox = in.Email
		return a, false, nil
	}
	a.Mailbox, a.Host = string(parsed.Localpart), parsed.Domain.XName(parsed.Localpart.IsInternational())
	return a, true, nil
}

func displayName(name *string) (string, error) {
	if name == nil {
		return "", nil
	}
	if strings.ContainsFunc(*name, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return "", fmt.Errorf("a name has control characters")
	}
	return *name, nil
}

// messageIDs is RFC 8621 4.1.2.5.
func messageIDs(field string, v json.RawMessage) (func(*message.Composer), error) {
	var ids []string
	if err := json.Unmarshal(v, &ids); err != nil {
		return nil, fmt.Errorf("it is not an array of strings")
	}
	for i, id := range ids {
		id = strings.TrimSuffix(strings.TrimPrefix(id, "<"), ">")
		if id == "" || len(id) > 900 || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '<' || r == '>' }) {
			return nil, fmt.Errorf("%.100q cannot be a message id", ids[i])
		}
		ids[i] = id
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return func(c *message.Composer) { c.MessageIDs(field, ids...) }, nil
}

// urls is RFC 8621 4.1.2.7.
func urls(field string, v json.RawMessage) (func(*message.Composer), error) {
	var list []string
	if err := json.Unmarshal(v, &list); err != nil {
		return nil, fmt.Errorf("it is not an array of strings")
	}
	for i, u := range list {
		if u == "" || len(u) > 900 || strings.ContainsFunc(u, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '<' || r == '>' }) {
			return nil, fmt.Errorf("%.100q cannot be a URL", u)
		}
		list[i] = "<" + u + ">"
	}
	if len(list) == 0 {
		return nil, nil
	}
	return func(c *message.Composer) { c.Raw(field, strings.Join(list, ", ")) }, nil
}

// decodeStrict decodes a value without unknown names.
func decodeStrict(v json.RawMessage, to any) error {
	if err := jmap.DecodeArgs(v, to); err != nil {
		return fmt.Errorf("%s", jmap.Explain(err))
	}
	return nil
}
