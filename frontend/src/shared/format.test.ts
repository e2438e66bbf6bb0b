import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ago, browser, bytes, count, isZero, span } from './format.ts'

test('sizes have two or three digits', () => {
	for (const [n, text] of [[0, '0 bytes'], [1, '1 byte'], [999, '999 bytes'], [1000, '1.0 KB'], [9949, '9.9 KB'], [9960, '10 KB'], [999499, '999 KB'], [999500, '1.0 MB'], [1234567890, '1.2 GB'], [5e15, '5.0 PB'], [5e18, '5000 PB']] as const) {
		assert.equal(bytes(n), text)
	}
})

test('spans are in their largest unit', () => {
	for (const [s, text] of [[-5, '0 seconds'], [1, '1 second'], [59, '59 seconds'], [60, '1 minute'], [3569, '59 minutes'], [3600, '1 hour'], [84000, '23 hours'], [86400, '1 day'], [8e6, '93 days']] as const) {
		assert.equal(span(s), text)
	}
})

test('times are told from now', () => {
	const now = Date.parse('2026-05-01T12:00:00Z')
	assert.equal(ago('2026-05-01T11:59:50Z', now), 'just now')
	assert.equal(ago('2026-05-01T11:00:00Z', now), '1 hour ago')
	assert.equal(ago('2026-05-03T12:00:00Z', now), 'in 2 days')
	assert.equal(ago(null, now), 'never')
	assert.equal(ago('0001-01-01T00:00:00Z', now), 'never')
	assert.ok(isZero('soon'))
})

test('browsers are known by what they call themselves', () => {
	const webkit = 'AppleWebKit/605.1.15 (KHTML, like Gecko)'
	for (const [agent, text] of [
		['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox on Linux'],
		[`Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) ${webkit} Version/18.0 Mobile/15E148 Safari/604.1`, 'Safari on iPhone'],
		[`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${webkit} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0`, 'Edge on Windows'],
		[`Mozilla/5.0 (Linux; Android 15) ${webkit} Chrome/140.0.0.0 Mobile Safari/537.36`, 'Chrome on Android'],
		['curl/8.0.1', 'curl'],
		['', 'Unknown program'],
		['a program of one\'s own/1.0', 'a program of one\'s own/1.0'],
		['x'.repeat(100), 'x'.repeat(59) + '…'],
	] as const) {
		assert.equal(browser(agent), text)
	}
})

test('nouns follow their number', () => {
	assert.equal(count(1, 'address', 'addresses'), '1 address')
	assert.equal(count(0, 'session'), '0 sessions')
})
