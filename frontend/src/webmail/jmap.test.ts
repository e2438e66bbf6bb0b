import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chunks, expand, MethodError, refused, setError } from './jmap.ts'

test('addresses of blobs', () => {
	assert.equal(expand('/webmail/api/jmap/download/{accountId}/{blobId}/{name}?accept={type}', { accountId: 'a', blobId: 'b-1', name: 'x/y &.pdf', type: 'application/pdf' }), '/webmail/api/jmap/download/a/b-1/x%2Fy%20%26.pdf?accept=application%2Fpdf')
	assert.equal(expand('/{none}', {}), '/')
})

test('errors say what the server says', () => {
	assert.equal(setError({ type: 'invalidProperties', description: 'to: bad', properties: ['to'] }).message, 'to: bad')
	assert.equal(setError({ type: 'invalidProperties', properties: ['to'] }).message, 'The server refused it with “invalidProperties” (to)')
	assert.equal(setError({ type: 'overQuota' }).message, 'There is no room left in the account')
	assert.equal(new MethodError({ type: 'strange' }).message, 'The server answered “strange”')
	const none = { newState: '', created: null, updated: null, destroyed: null, notCreated: null, notUpdated: {}, notDestroyed: null }
	refused(none)
	assert.throws(() => refused({ ...none, notUpdated: { a: { type: 'notFound' } } }), /no longer there/)
})

test('lists in pieces', () => {
	assert.deepEqual(chunks([1, 2, 3], 2), [[1, 2], [3]])
	assert.deepEqual(chunks([], 2), [])
})
