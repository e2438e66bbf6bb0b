// jmap-jam, a JMAP client of others: mail comes in, is listed, read and changed, and written, with a file, and sent.
// Argument: a token for the account mox@localhost.
import assert from 'node:assert/strict'
import { JamClient } from 'jmap-jam'
import nodemailer from 'nodemailer'

const user = 'mox@localhost'
const jam = new JamClient({ bearerToken: process.argv[2], sessionUrl: 'http://localhost:1080/.well-known/jmap' })
const accountId = await jam.getPrimaryAccount()
const session = await jam.session
assert.equal(session.username, user)

const transport = nodemailer.createTransport({ host: 'localhost', port: 1025, tls: { rejectUnauthorized: false } })
await transport.sendMail({ from: 'Friend <friend@remote.example>', to: user, subject: 'for jmap ✓', text: 'Hello from elsewhere.', html: '<p>Hello from <b>elsewhere</b>.</p>', attachments: [{ filename: 'ä.txt', content: 'attached' }] })

// All in one request, with result references.
async function find(subject) {
	for (let tries = 0; tries < 100; tries++) {
		const [{ mails }] = await jam.requestMany(t => {
			const query = t.Email.query({ accountId, filter: { subject }, sort: [{ property: 'receivedAt', isAscending: false }], limit: 10 })
			return { query, mails: t.Email.get({ accountId, ids: query.$ref('/ids'), properties: ['id', 'threadId', 'blobId', 'mailboxIds', 'keywords', 'subject', 'from', 'preview', 'hasAttachment', 'attachments', 'bodyValues', 'textBody', 'htmlBody'], fetchAllBodyValues: true }) }
		})
		if (mails.list.length > 0) return mails.list
		await new Promise(resolve => setTimeout(resolve, 100))
	}
	throw new Error(`no message with subject ${subject}`)
}
const [mail] = await find('for jmap ✓')
assert.equal(mail.from[0].email, 'friend@remote.example')
assert.equal(mail.hasAttachment, true)
assert.match(mail.preview, /Hello from elsewhere/)
assert.match(mail.bodyValues[mail.textBody[0].partId].value, /Hello from elsewhere\./)
assert.match(mail.bodyValues[mail.htmlBody[0].partId].value, /<b>elsewhere<\/b>/)
assert.equal(mail.attachments[0].name, 'ä.txt')
const file = await jam.downloadBlob({ accountId, blobId: mail.attachments[0].blobId, mimeType: 'text/plain', fileName: 'ä.txt' })
assert.equal(await file.text(), 'attached')

const [boxes] = await jam.api.Mailbox.get({ accountId })
const role = name => boxes.list.find(m => m.role === name).id
assert.deepEqual(mail.mailboxIds, { [role('inbox')]: true })

// Flags and labels, and what has changed since.
const [before] = await jam.api.Email.get({ accountId, ids: [] })
const [set] = await jam.api.Email.set({ accountId, update: { [mail.id]: { 'keywords/$seen': true, 'keywords/$flagged': true, 'keywords/work': true } } })
assert(mail.id in set.updated, JSON.stringify(set.notUpdated))
const [changes] = await jam.api.Email.changes({ accountId, sinceState: before.state })
assert.deepEqual(changes.updated, [mail.id])
const [again] = await jam.api.Email.get({ accountId, ids: [mail.id], properties: ['keywords'] })
assert.deepEqual(again.list[0].keywords, { $seen: true, $flagged: true, work: true })

// A mailbox, into which it moves.
const [made] = await jam.api.Mailbox.set({ accountId, create: { b: { name: 'Jam ü', parentId: null } } })
const box = made.created.b.id
await jam.api.Email.set({ accountId, update: { [mail.id]: { mailboxIds: { [box]: true } } } })
const [inBox] = await jam.api.Email.query({ accountId, filter: { inMailbox: box } })
assert.deepEqual(inBox.ids, [mail.id])
const [full] = await jam.api.Mailbox.set({ accountId, destroy: [box] })
assert.equal(full.notDestroyed[box].type, 'mailboxHasEmail')

// An answer with a file that is uploaded.
const blob = await jam.uploadBlob(accountId, new Blob(['%PDF-1.4 not really'], { type: 'application/pdf' }))
const [identities] = await jam.api.Identity.get({ accountId })
const identity = identities.list.find(i => i.email === user)
const [draft] = await jam.api.Email.set({
	accountId,
	create: {
		d: {
			mailboxIds: { [role('drafts')]: true }, keywords: { $draft: true, $seen: true }, from: [{ name: 'Mox', email: user }], to: [{ name: 'Ünï', email: user }], subject: 'Re: for jmap ✓',
			textBody: [{ partId: 't', type: 'text/plain' }], htmlBody: [{ partId: 'h', type: 'text/html' }], bodyValues: { t: { value: 'Grüße' }, h: { value: '<p>Grüße</p>' } },
			attachments: [{ blobId: blob.blobId, type: 'application/pdf', name: 'ü.pdf' }],
		},
	},
})
assert(draft.created?.d, JSON.stringify(draft.notCreated))
const [sent] = await jam.api.EmailSubmission.set({
	accountId,
	create: { s: { emailId: draft.created.d.id, identityId: identity.id } },
	onSuccessUpdateEmail: { '#s': { [`mailboxIds/${role('drafts')}`]: null, [`mailboxIds/${role('sent')}`]: true, 'keywords/$draft': null } },
})
assert(sent.created?.s, JSON.stringify(sent.notCreated))
let reply
for (let tries = 0; !reply && tries < 100; tries++) {
	reply = (await find('Re: for jmap ✓')).find(m => m.mailboxIds[role('inbox')])
	await new Promise(resolve => setTimeout(resolve, 100))
}
assert(reply, 'what was sent did not arrive')
assert.equal(reply.attachments[0].name, 'ü.pdf')
assert.match(reply.bodyValues[reply.textBody[0].partId].value, /Grüße/)
const [inSent] = await jam.api.Email.query({ accountId, filter: { inMailbox: role('sent') } })
assert(inSent.ids.includes(draft.created.d.id))

// Bad input has a clear answer.
for (const [call, type] of [
	[() => jam.api.Email.query({ accountId, filter: { nonsense: true } }), 'unsupportedFilter'],
	[() => jam.api.Email.get({ accountId: 'nobody', ids: [] }), 'accountNotFound'],
	[() => jam.api.Email.set({ accountId, ifInState: 'x', destroy: [] }), 'stateMismatch'],
	[() => jam.api.Email.changes({ accountId, sinceState: 'x' }), 'cannotCalculateChanges'],
]) {
	const err = await call().then(() => null, err => err)
	assert(JSON.stringify(err)?.includes(type) || String(err).includes(type), `${type}: ${JSON.stringify(err)}`)
}

// Gone for good.
await jam.api.Email.set({ accountId, destroy: [mail.id, reply.id, draft.created.d.id] })
const [gone] = await jam.api.Mailbox.set({ accountId, destroy: [box] })
assert.deepEqual(gone.destroyed, [box])
console.log('1 passed, 0 failed')
