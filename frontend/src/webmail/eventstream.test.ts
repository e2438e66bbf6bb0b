import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EventParser } from './eventstream.ts'

const stream = ': hello\n\nevent: state\r\ndata: {"a":\r\ndata: 1}\r\n\r\nevent: ping\ndata:{}\nid: 3\nretry\n\nevent: none\n\ndata\rdata: x\r\r'
const events = [{ event: 'state', data: '{"a":\n1}' }, { event: 'ping', data: '{}' }]

test('events, in whatever pieces they come', () => {
	for (let size = 1; size <= stream.length; size++) {
		const parser = new EventParser()
		const got = []
		for (let i = 0; i < stream.length; i += size) got.push(...parser.push(stream.slice(i, i + size)))
		got.push(...parser.push('\n'))
		assert.deepEqual(got, [...events, { event: 'message', data: '\nx' }], `pieces of ${size}`)
	}
})

test('events have a limit', () => {
	const parser = new EventParser()
	assert.throws(() => {
		for (let i = 0; i < 100; i++) parser.push('x'.repeat(100000))
	})
	const lines = new EventParser()
	assert.throws(() => {
		for (let i = 0; i < 100; i++) lines.push(`data: ${'x'.repeat(100000)}\n`)
	})
})
