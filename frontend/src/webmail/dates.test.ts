import assert from 'node:assert/strict'
import { test } from 'node:test'
import { longDate, shortDate } from './dates.ts'

test('dates are as short as they can be', () => {
	const now = new Date(2026, 4, 10, 12, 0)
	const at = (...d: [number, number, number, number?, number?]) => shortDate(new Date(...d).toISOString(), now, 'en-GB')
	assert.equal(at(2026, 4, 10, 9, 5), '09:05')
	assert.equal(at(2026, 4, 9, 9, 5), '9 May')
	assert.equal(at(2025, 11, 31), '31 Dec 2025')
	assert.equal(shortDate('never', now), '')
	assert.match(longDate(new Date(2026, 4, 9, 9, 5).toISOString(), 'en-GB'), /^Sat.*9 May 2026.*09:05$/)
	assert.equal(longDate(''), '')
})
