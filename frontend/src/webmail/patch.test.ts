import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inverse, patched, pointer } from './patch.ts'

const email = { id: 'e', mailboxIds: { a: true }, keywords: { $seen: true } }

test('patches of keywords and mailboxes', () => {
	assert.deepEqual(patched(email, { 'keywords/$flagged': true, 'keywords/$seen': null }).keywords, { $flagged: true })
	assert.deepEqual(patched(email, { mailboxIds: { b: true } }).mailboxIds, { b: true })
	assert.deepEqual(patched(email, { 'mailboxIds/b': true }).mailboxIds, { a: true, b: true })
	assert.deepEqual(email, { id: 'e', mailboxIds: { a: true }, keywords: { $seen: true } })
})

test('a patch is taken back', () => {
	for (const patch of [{ 'keywords/$seen': null }, { 'keywords/$seen': true }, { 'keywords/x': true }, { mailboxIds: { b: true } }, { 'mailboxIds/a': null, 'mailboxIds/b': true }]) {
		assert.deepEqual(patched(patched(email, patch), inverse(email, patch)), email)
	}
})

test('keys with slashes and tildes', () => {
	assert.equal(pointer('keywords', 'a/b~c'), 'keywords/a~1b~0c')
	assert.deepEqual(patched(email, { [pointer('keywords', 'a/b~c')]: true }).keywords, { $seen: true, 'a/b~c': true })
})
