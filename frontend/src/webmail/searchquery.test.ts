import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasWords, parse, pieces } from './searchquery.ts'

const places = { find: (name: string) => ({ inbox: 'i', 'my box': 'b' })[name.toLowerCase()], hidden: [] as string[] }
const filter = (text: string) => parse(text, places).filter

test('words, phrases and operators', () => {
	assert.deepEqual(filter('hello'), { text: 'hello' })
	assert.deepEqual(filter('hello "big world"'), { operator: 'AND', conditions: [{ text: 'hello' }, { text: '"big world"' }] })
	assert.deepEqual(filter('From:jo@example.org'), { from: 'jo@example.org' })
	assert.deepEqual(filter('subject:"two words"'), { subject: '"two words"' })
	assert.deepEqual(filter('-to:jo'), { operator: 'NOT', conditions: [{ to: 'jo' }] })
	assert.deepEqual(filter('has:attachment'), { hasAttachment: true })
	assert.deepEqual(filter('is:unread'), { notKeyword: '$seen' })
	assert.deepEqual(filter('is:starred'), { hasKeyword: '$flagged' })
	assert.deepEqual(filter('label:Work'), { hasKeyword: 'work' })
	assert.deepEqual(filter('in:"My Box"'), { inMailbox: 'b' })
	assert.deepEqual(filter('larger:5M'), { minSize: 5e6 })
	assert.deepEqual(filter('https://example.org/x'), { text: 'https://example.org/x' })
	assert.deepEqual(filter(''), { operator: 'AND', conditions: [] })
})

test('dates are of the browser', () => {
	const at = (...d: [number, number, number]) => new Date(...d).toISOString().replace('.000Z', 'Z')
	assert.deepEqual(filter('after:2026-05-01'), { after: at(2026, 4, 1) })
	assert.deepEqual(filter('before:2026/2'), { before: at(2026, 1, 1) })
})

test('what is not understood is told', () => {
	for (const text of ['before:yesterday', 'after:2026-02-31', 'has:cheese', 'is:good', 'in:nowhere', 'from:', 'larger:big']) {
		const q = parse(text, places)
		assert.equal(q.problems.length, 1, text)
		assert.deepEqual(q.filter, { operator: 'AND', conditions: [] })
	}
	assert.equal(parse('"not closed', places).problems.length, 0)
})

test('trash and junk are searched when asked for', () => {
	const some = { ...places, hidden: ['t', 'j'] }
	assert.deepEqual(parse('x', some).filter, { operator: 'AND', conditions: [{ text: 'x' }, { inMailboxOtherThan: ['t', 'j'] }] })
	assert.deepEqual(parse('in:inbox', some).filter, { inMailbox: 'i' })
	assert.deepEqual(parse('x in:anywhere', some).filter, { text: 'x' })
})

test('snippets are text', () => {
	assert.deepEqual(pieces('a &lt;b&gt; <mark>c &amp;lt;</mark><img>'), [{ mark: false, text: 'a <b> ' }, { mark: true, text: 'c &lt;' }, { mark: false, text: '<img>' }])
	assert.ok(hasWords('is:unread hello'))
	assert.ok(!hasWords('is:unread from:jo -hello'))
})

test('long queries are bounded', () => {
	assert.ok((filter('x '.repeat(5000)) as { conditions: unknown[] }).conditions.length <= 100)
})
