package imapserver

import (
	"crypto/sha256"
	"encoding/hex"

	"mox/store"
)

// objectID is an id of RFC 8474 as this user sees it: of an account's own as the store has
// it, the same as in JMAP; of others completed by 16 hexadecimal digits for the account.
//
// RFC 8474 8.2: ids are unique within all that is offered to a login. Those of the store are
// unique within an account only.
func objectID(id, owner string) string {
	if owner == "" {
		return id
	}
	sum := sha256.Sum256([]byte(owner))
	return id + "-" + hex.EncodeToString(sum[:8])
}

// objectID is the MAILBOXID.
func (p *place) objectID() string { return objectID(store.MailboxObjectID(p.mb.ID), p.owner) }

// emailID is the EMAILID of a message of the mailbox.
func (b *selected) emailID(m *store.Message) string { return objectID(store.EmailID(m.Body), b.owner) }

// threadID is the THREADID of a message of the mailbox.
func (b *selected) threadID(id store.ThreadID) string {
	return objectID(store.ThreadObjectID(id), b.owner)
}
