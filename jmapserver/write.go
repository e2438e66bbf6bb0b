package jmapserver

import "mox/jmap"

// writeMethods are those that change something, and those of what is not mail itself.
func writeMethods() map[string]method {
	const core, mail, submission = jmap.CapabilityCore, jmap.CapabilityMail, jmap.CapabilitySubmission
	return map[string]method{
		"Blob/copy":                    handle(core, blobCopy),
		"PushSubscription/get":         handle(core, pushGet),
		"PushSubscription/set":         handle(core, pushSet),
		"Mailbox/set":                  handle(mail, mailboxSet),
		"Email/set":                    handle(mail, emailSet),
		"Email/import":                 handle(mail, emailImport),
		"Email/copy":                   handle(mail, emailCopy),
		"Identity/get":                 handle(submission, identityGet),
		"Identity/changes":             handle(submission, identityChanges),
		"Identity/set":                 handle(submission, identitySet),
		"EmailSubmission/get":          handle(submission, submissionGet),
		"EmailSubmission/changes":      handle(submission, submissionChanges),
		"EmailSubmission/query":        handle(submission, submissionQuery),
		"EmailSubmission/queryChanges": handle(submission, submissionQueryChanges),
		"EmailSubmission/set":          handle(submission, submissionSet),
	}
}

// submissionCapability is RFC 8621 1.3.2: what the client may put into envelopes.
func (s *Server) submissionCapability() any {
	return map[string]any{
		"maxDelayedSend":       int64(s.c.FutureRelease.Seconds()),
		"submissionExtensions": map[string][]string{"FUTURERELEASE": {}, "DSN": {}, "SMTPUTF8": {}, "REQUIRETLS": {}, "8BITMIME": {}},
	}
}
