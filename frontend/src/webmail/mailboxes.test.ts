import assert from 'node:assert/strict'
import { test } from 'node:test'
import { find, hue, labelProblem, labels, matching, shownCount, tree } from './mailboxes.ts'
import type { Mailbox } from './types.ts'

const box = (id: string, name: string, role: string | null = null, parentId: string | null = null): Mailbox => ({ id, name, role, parentId, sortOrder: 10, totalEmails: 9, unreadEmails: 3, totalThreads: 8, unreadThreads: 2, myRights: {}, isSubscribed: true })
const all = [box('z', 'Zoo'), box('t', 'Deleted', 'trash'), box('c', 'lion', null, 'z'), box('i', 'INBOX', 'inbox'), box('a10', 'a10'), box('a9', 'A9'), box('s', 'Sent', 'sent'), box('x', 'lost', null, 'gone')]

test('mailboxes are in order, nested', () => {
	assert.deepEqual(tree(all).map(n => [n.path, n.depth]), [['Inbox', 0], ['Sent', 0], ['Deleted', 0], ['A9', 0], ['a10', 0], ['lost', 0], ['Zoo', 0], ['Zoo/lion', 1]])
})

test('a circle of parents is shown all the same', () => {
	assert.equal(tree([box('a', 'a', null, 'b'), box('b', 'b', null, 'a'), box('c', 'c', null, 'c')]).length, 3)
})

test('mailboxes are found', () => {
	const nodes = tree(all)
	assert.equal(find(nodes, 'zoo/LION')?.id, 'c')
	assert.equal(find(nodes, 'trash')?.id, 't')
	assert.equal(find(nodes, 'lion')?.id, 'c')
	assert.equal(find(nodes, 'no'), undefined)
	assert.deepEqual(matching(nodes, 'li zo').map(n => n.box.id), ['c'])
	assert.equal(matching(nodes, '').length, all.length)
})

test('counts', () => {
	assert.deepEqual([box('a', 'x'), box('a', 'x', 'drafts'), box('a', 'x', 'trash')].map(shownCount), [2, 9, 0])
})

test('labels', () => {
	assert.deepEqual(labels({ $seen: true, work: true, $label1: true, Forwarded: true, away: true, not: false }), ['away', 'work'])
	for (const bad of ['', 'two words', '$x', 'a(b', 'ü', 'x'.repeat(101), 'a"b']) assert.ok(labelProblem(bad), bad)
	for (const ok of ['work', 'to-do', 'a/b', '2026']) assert.equal(labelProblem(ok), undefined)
	assert.ok(hue('work') >= 0 && hue('work') < 8)
})
