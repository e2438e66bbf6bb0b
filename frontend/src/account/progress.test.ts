import assert from 'node:assert/strict'
import { test } from 'node:test'
import { advance, nothing, summary, total } from './progress.ts'

test('events tell of an import', () => {
	let p = advance(nothing, 'step', '{"Title":"Importing"}')
	p = advance(p, 'count', '{"Mailbox":"Work","Count":3}')
	p = advance(p, 'count', '{"Mailbox":"Archive","Count":10}')
	p = advance(p, 'count', '{"Mailbox":"Work","Count":5}')
	p = advance(p, 'problem', '{"Message":"a message is too large"}')
	p = advance(p, 'dropped', '{"Count":40}')
	assert.equal(p.dropped, 40)
	assert.equal(p.step, 'Importing')
	assert.deepEqual([...p.counts], [['Work', 5], ['Archive', 10]])
	assert.equal(total(p), 15)
	assert.equal(p.end, undefined)
	p = advance(p, 'done', '{"Added":13,"Duplicates":2,"Problems":41}')
	assert.deepEqual(p.end, { done: true, message: '', added: 13, present: 2, problems: 41 })
	assert.deepEqual(p.problems, ['a message is too large'])
	assert.equal(nothing.counts.size, 0)
})

test('an import that ends early says why', () => {
	const p = advance(nothing, 'aborted', '{"Message":"The disk is full.","Added":1,"Duplicates":0,"Problems":0}')
	assert.equal(p.end?.done, false)
	assert.equal(p.end?.message, 'The disk is full.')
	assert.throws(() => advance(nothing, 'count', 'nonsense'))
})

test('what came of it is a sentence', () => {
	const end = { done: true, message: '', added: 0, present: 0, problems: 0 }
	assert.equal(summary({ ...end, added: 1204, present: 12, problems: 2 }), '1,204 messages added, 12 were there already, 2 problems.')
	assert.equal(summary({ ...end, added: 1, present: 1, problems: 1 }), '1 message added, 1 was there already, 1 problem.')
	assert.equal(summary({ ...end, present: 1204 }), 'Nothing added: 1,204 messages were there already.')
	assert.equal(summary({ ...end, present: 1, problems: 1 }), 'Nothing added: the one message was there already, 1 problem.')
	assert.equal(summary(end), '0 messages added.')
})
