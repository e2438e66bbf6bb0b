package jmapserver

import (
	"context"
	"encoding/json"
	"maps"

	"mox/jmap"
)

// methods are all methods, by name.
func methods() map[string]method {
	all := map[string]method{
		// RFC 8620 4: the arguments come back as they are.
		"Core/echo": {jmap.CapabilityCore, func(_ context.Context, _ *call, args json.RawMessage) (any, error) { return args, nil }},
	}
	maps.Copy(all, readMethods())
	maps.Copy(all, writeMethods())
	return all
}

// readMethods are those of mail that change nothing.
func readMethods() map[string]method {
	const mail = jmap.CapabilityMail
	return map[string]method{
		"Mailbox/get":          handle(mail, mailboxGet),
		"Mailbox/changes":      handle(mail, mailboxChanges),
		"Mailbox/query":        handle(mail, mailboxQuery),
		"Mailbox/queryChanges": handle(mail, mailboxQueryChanges),
		"Thread/get":           handle(mail, threadGet),
		"Thread/changes":       handle(mail, threadChanges),
		"Email/get":            handle(mail, emailGet),
		"Email/parse":          handle(mail, emailParse),
		"Email/query":          handle(mail, emailQuery),
		"Email/queryChanges":   handle(mail, emailQueryChanges),
		"SearchSnippet/get":    handle(mail, snippetGet),
		"Email/changes":        handle(mail, emailChanges),
	}
}
