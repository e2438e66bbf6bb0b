// nodemailer sends, imapflow reads, searches, moves and hears of new mail in IDLE.
import assert from 'node:assert/strict'
import { ImapFlow } from 'imapflow'
import nodemailer from 'nodemailer'

const user = 'mox@localhost'
const pass = 'moxmoxmox'

const transport = nodemailer.createTransport({ host: 'localhost', port: 1465, secure: true, auth: { user, pass } })
await transport.verify()

const client = new ImapFlow({ host: 'localhost', port: 1993, secure: true, auth: { user, pass }, logger: false })
await client.connect()
for (const cap of ['IMAP4rev2', 'CONDSTORE', 'QRESYNC', 'UIDPLUS', 'MOVE', 'IDLE', 'OBJECTID']) {
	assert(client.capabilities.has(cap), `capability ${cap}`)
}
await client.mailboxOpen('INBOX')

const heard = new Promise(resolve => client.once('exists', resolve))
const idling = client.idle()
await new Promise(resolve => setTimeout(resolve, 300))
const info = await transport.sendMail({
	from: `Mox <${user}>`,
	to: user,
	subject: 'nodemailer ✓ grüße',
	text: 'plain text',
	html: '<p>HTML <b>text</b></p>',
	attachments: [{ filename: 'ä.txt', content: 'attached' }],
})
assert.deepEqual(info.accepted, [user])
const exists = await Promise.race([heard, new Promise((_, reject) => setTimeout(() => reject(new Error('no EXISTS in IDLE within 5 s')), 5000))])
assert.equal(exists.path, 'INBOX')
await client.noop()
await idling

const uids = await client.search({ subject: 'grüße' }, { uid: true })
assert.equal(uids.length, 1, 'search with UTF-8')
const msg = await client.fetchOne(uids[0], { envelope: true, bodyStructure: true, flags: true, size: true, source: true, threadId: true, emailId: true }, { uid: true })
assert.equal(msg.envelope.subject, 'nodemailer ✓ grüße')
assert.equal(msg.bodyStructure.type, 'multipart/mixed')
assert(msg.emailId && msg.threadId, 'object ids')
assert(msg.source.toString().includes('attached') || msg.source.toString().includes('YXR0YWNoZWQ='), 'source')

await client.mailboxCreate('Node/Ümläut')
assert(await client.messageFlagsAdd(uids, ['\\Flagged', '$Important'], { uid: true }))
const moved = await client.messageMove(uids, 'Node/Ümläut', { uid: true })
assert.equal(moved.uidMap.size, 1)
await client.mailboxOpen('Node/Ümläut')
const again = await client.fetchOne('1', { flags: true, emailId: true })
assert(again.flags.has('\\Flagged') && again.flags.has('$Important'), 'flags survive MOVE')
assert.equal(again.emailId, msg.emailId, 'EMAILID survives MOVE')
const quota = await client.status('Node/Ümläut', { messages: true, unseen: true, highestModseq: true })
assert.equal(quota.messages, 1)
await client.mailboxClose()
await client.mailboxDelete('Node/Ümläut')
await client.mailboxDelete('Node')
await client.logout()
console.log('1 passed, 0 failed')
