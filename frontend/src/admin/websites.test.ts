import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blank, details, errorsOf, headersText, kindOf, kinds, moved, parseHeaders, replaced, same, summary, withKind } from './websites.ts'

test('header fields are lines', () => {
	const headers = { 'Cache-Control': 'max-age=60', 'X-A': 'b: c' }
	assert.deepEqual(parseHeaders(headersText(headers)), { headers })
	assert.deepEqual(parseHeaders('\n  \n'), { headers: {} })
	assert.match(parseHeaders('nonsense').error!, /Name: value/)
	assert.match(parseHeaders(': x').error!, /Name: value/)
	assert.match(parseHeaders('A: 1\nA: 2').error!, /twice/)
})

test('a handler has one kind, and gets back the settings that it had', () => {
	let h = blank()
	h.WebStatic!.Root = '/srv'
	assert.equal(kindOf(h), 'WebStatic')
	const before = h
	for (const [kind] of kinds) {
		h = withKind(h, kind, before)
		assert.equal(kindOf(h), kind)
		assert.equal(kinds.filter(([k]) => h[k] !== null).length, 1)
		assert.notEqual(summary(h), '')
	}
	assert.equal(withKind(h, 'WebStatic', before).WebStatic!.Root, '/srv')
})

test('what is not as usual is told', () => {
	const h = { ...blank(), Compress: true, WebStatic: { ...blank().WebStatic!, ListFiles: true, ResponseHeaders: { A: 'b' } } }
	assert.deepEqual(details(h), ['compressed', 'directories listed', 'header A: b'])
	assert.deepEqual(details(blank()), [])
})

test('changes are made to what they were begun with', () => {
	const [a, b, c] = [{ x: 1, y: 2 }, { x: 2, y: 3 }, { x: 3, y: 4 }]
	assert.deepEqual(replaced([a, b], { y: 3, x: 2 }, 1, c), [a, c])
	assert.deepEqual(replaced([c, a, b], b, 1, c), [c, a, c]) // it has moved
	assert.equal(replaced([a, c], b, 1, c), null)
	assert.deepEqual(replaced([a, b], a, 0), [b])
	assert.deepEqual(moved([a, b, c], c, 2, -1), [a, c, b])
	assert.deepEqual(moved([a, b, c], a, 0, 1), [b, a, c])
	assert.equal(moved([a, b], a, 0, -1), null)
	assert.equal(moved([a, b], c, 0, 1), null)
	assert.deepEqual(moved([a, a, b], a, 1, 1), [a, b, a]) // equal ones: the one at the index
	assert.ok(same({ p: [1, { q: 2, r: 3 }] }, { p: [1, { r: 3, q: 2 }] }))
	assert.ok(!same([1, 2], [2, 1]))
})

test('what the server says is put beside the fields', () => {
	const message = 'WebHandlers[1].PathRegexp: must start with ^\ndomains.conf:12: WebHandlers[1].WebStatic.Root: is empty\nWebHandlers[1].WebStatic.ResponseHeaders.X Y: bad name of a header field "X Y"\nWebHandlers[1]: exactly one is needed\nWebHandlers[12].Domain: bad domain'
	assert.deepEqual(errorsOf(message, 'WebHandlers[1]'), {
		fields: { PathRegexp: 'must start with ^', 'WebStatic.Root': 'is empty', 'WebStatic.ResponseHeaders': 'bad name of a header field "X Y"' },
		rest: ['exactly one is needed', 'WebHandlers[12].Domain: bad domain'],
	})
	assert.deepEqual(errorsOf('WebHandlers[0].WebRedirect: BaseURL is needed', 'WebHandlers[0]').fields, { WebRedirect: 'BaseURL is needed' })
	assert.deepEqual(errorsOf('WebDomainRedirects.a.example: redirects to itself', 'WebDomainRedirects.a.example').rest, ['redirects to itself'])
	assert.deepEqual(errorsOf('', 'x'), { fields: {}, rest: [] })
})
