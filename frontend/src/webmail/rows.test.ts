import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Rows } from './rows.ts'

test('pages of a long list', () => {
	const r = new Rows()
	r.put(0, ['a', 'b'], 100)
	r.put(50, ['x', 'y'], 100)
	assert.deepEqual([r.at(1), r.at(2), r.at(51), r.indexOf('y'), r.indexOf('z')], ['b', undefined, 'y', 51, -1])
	assert.equal(r.missing(0, 1, 2), -1)
	assert.equal(r.missing(0, 5, 2), 2)
	assert.equal(r.missing(98, 200, 30), 90)
	assert.deepEqual(r.known(), ['a', 'b', 'x', 'y'])
	r.put(0, ['a'], 51)
	assert.deepEqual(r.known(), ['a', 'b', 'x'])
	r.replace(10, ['q'], 20)
	assert.deepEqual([r.known(), r.at(10), r.total], [['q'], 'q', 20])
})

test('rows that are taken out', () => {
	const r = new Rows()
	r.put(0, ['a', 'b', 'c', 'd'], 10)
	r.put(8, ['i', 'j'], 10)
	r.remove(new Set(['a', 'c', 'not there']))
	assert.deepEqual([r.at(0), r.at(1), r.at(6), r.at(7), r.at(2), r.total], ['b', 'd', 'i', 'j', undefined, 8])
})
