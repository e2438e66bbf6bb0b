import assert from 'node:assert/strict'
import { test } from 'node:test'
import { APIError } from '../api/call.ts'
import { codeOf, epoch, explain, guard, sentence, signedOut, state, enter } from './session.ts'

test('errors are sentences', () => {
	assert.equal(sentence('no such token'), 'No such token.')
	assert.equal(sentence(' Done! '), 'Done!')
	assert.equal(sentence(''), '')
	assert.equal(explain(new APIError('user:error', 'bad name', 400)), 'Bad name.')
	assert.equal(explain(new APIError('user:tooMany', 'too many failed logins', 429, 120)), 'Too many failed logins. You can try again in 2 minutes.')
	assert.match(explain(new APIError('server:error', 'disk full', 500)), /^The server had a problem: Disk full\. /)
	assert.equal(explain('odd'), 'odd')
	assert.equal(codeOf(new Error('x')), '')
})

test('a wrong password is not the end of a session', () => {
	assert.equal(signedOut(new APIError('user:loginFailed', 'x', 401)), false)
	assert.equal(signedOut(new APIError('user:badAuth', 'x', 401)), true)
	assert.equal(signedOut(new APIError('user:noAuth', 'x', 401)), true)
	assert.equal(signedOut(new APIError('user:badCSRF', 'x', 403)), true)
	assert.equal(signedOut(new APIError('network', 'x', 0)), false)
})

test('calls notice that the session has ended, until somebody signs in', async () => {
	state.value = 'in'
	await assert.rejects(guard(Promise.reject(new APIError('user:error', 'x', 400))))
	assert.equal(state.value, 'in')
	await assert.rejects(guard(Promise.reject(new APIError('user:badAuth', 'x', 401))))
	assert.equal(state.value, 'ended')
	const before = epoch.value
	enter()
	assert.equal(state.value, 'in')
	assert.equal(epoch.value, before + 1)
	assert.equal(await guard(Promise.resolve(3)), 3)
})
