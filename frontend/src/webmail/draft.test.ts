import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answer, content, email, empty, forward, isBlank, prefixed, promises, recipients, references, reopened, resigned } from './draft.ts'
import type { Full, Identity } from './types.ts'

const me: Identity = { id: 'i1', name: 'Me', email: 'me@example.org', replyTo: null, bcc: null, textSignature: '' }
const work: Identity = { id: 'i2', name: 'Me At Work', email: 'work@example.org', replyTo: null, bcc: null, textSignature: 'Me\nWork' }
const a = (email: string, name: string | null = null) => ({ name, email })
const message: Full = {
	id: 'e1', threadId: 't1', blobId: 'b1', mailboxIds: {}, keywords: {}, from: [a('jo@example.org', 'Jo')], to: [a('Work@example.org'), a('mo@example.org')], cc: [a('jo@example.org'), a('li@example.org')],
	bcc: null, replyTo: null, sender: null, subject: 'Hello', preview: '', receivedAt: '2026-05-01T10:00:00Z', sentAt: '2026-05-01T10:00:00Z', hasAttachment: true, size: 1,
	messageId: ['m1@x'], inReplyTo: ['m0@x'], references: null, textBody: [], htmlBody: [], 'header:Authentication-Results:asText:all': [], bodyValues: {},
	attachments: [{ partId: '2', blobId: 'b2', size: 5, name: null, type: 'message/rfc822', disposition: null, cid: null }, { partId: '3', blobId: null, size: 0, name: 'x', type: 'multipart/mixed', disposition: null, cid: null }],
}

test('who an answer goes to', () => {
	const emails = (m: Full, all: boolean) => {
		const r = recipients(m, [me.email, work.email], all)
		return [r.to.map(x => x.email), r.cc.map(x => x.email)]
	}
	assert.deepEqual(emails(message, false), [['jo@example.org'], []])
	assert.deepEqual(emails(message, true), [['jo@example.org'], ['mo@example.org', 'li@example.org']])
	assert.deepEqual(emails({ ...message, replyTo: [a('list@example.org')] }, true), [['list@example.org'], ['mo@example.org', 'jo@example.org', 'li@example.org']])
	assert.deepEqual(emails({ ...message, from: [a('me@example.org')] }, false), [['Work@example.org', 'mo@example.org'], []])
	assert.deepEqual(emails({ ...message, from: [a('me@example.org')], to: null, cc: null }, true), [['me@example.org'], []])
})

test('answers', () => {
	const d = answer('k', message, 'line\n\n> older', [me, work], false)
	assert.equal(d.identityId, 'i2') // it was sent there
	assert.equal(d.subject, 'Re: Hello')
	assert.deepEqual(d.references, ['m0@x', 'm1@x'])
	assert.deepEqual(d.inReplyTo, ['m1@x'])
	assert.match(d.text, /^\n\n-- \nMe\nWork\n\nOn .*, Jo wrote:\n> line\n>\n>> older\n$/)
	assert.deepEqual(references({ messageId: null, inReplyTo: null, references: ['x'] }), { inReplyTo: null, references: null })
	assert.deepEqual(references({ messageId: ['c'], inReplyTo: ['a', 'b'], references: null }).references, ['c'])
	assert.equal(prefixed('Re', 'RE: x'), 'RE: x')
	assert.equal(prefixed('Fwd', null), 'Fwd: ')
})

test('forwarding takes the attachments along', () => {
	const d = forward('k', message, 'text', [me])
	assert.deepEqual(d.attachments, [{ blobId: 'b2', name: 'message.eml', type: 'message/rfc822', size: 5 }])
	assert.match(d.text, /Forwarded message -+\nFrom: Jo <jo@example.org>\n/)
	assert.equal(d.inReplyTo, null)
})

test('a draft is saved, and opened as it was', () => {
	const d = { ...empty('k', me), to: 'Jo <jo@example.org>, unfini', subject: ' a\nb ', text: 'hi', attachments: [{ blobId: 'b', name: 'n', type: 't/t', size: 1 }] }
	const e = email(d, me, 'drafts')
	assert.deepEqual(e.to, [a('jo@example.org', 'Jo')])
	assert.deepEqual([e.subject, e.mailboxIds, e.keywords], ['a b', { drafts: true }, { $draft: true, $seen: true }])
	const again = reopened('k2', { ...message, from: [a('work@example.org')], bcc: [a('x@y')] }, 'hi', [me, work])
	assert.deepEqual([again.emailId, again.identityId, again.bcc, again.text], ['e1', 'i2', 'x@y', 'hi'])
	assert.ok(isBlank(empty('k', work), empty('l', work)))
	assert.ok(!isBlank({ ...empty('k', me), text: 'x' }, empty('k', me)))
	assert.notEqual(content(d), content({ ...d, attachments: [] }))
})

test('signatures follow the identity', () => {
	assert.equal(resigned('hi\n\n-- \nMe\nWork\n\nOn', work, me), 'hi\n\nOn')
	assert.equal(resigned('', me, work), '\n\n-- \nMe\nWork')
	assert.equal(resigned('hi', work, me), 'hi')
})

test('attachments that are spoken of', () => {
	assert.ok(promises('See attached.'))
	assert.ok(!promises('Hi\n\nOn Monday, Jo wrote:\n> see attached'))
	assert.ok(!promises('hi\n> attached'))
})
