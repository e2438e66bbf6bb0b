import assert from 'node:assert/strict'
import { test } from 'node:test'
import { strength } from './password.ts'

test('what is too short is not accepted, and says what is missing', () => {
	assert.deepEqual([strength('').ok, strength('').level], [false, 0])
	assert.equal(strength('abc').text, '5 more characters needed.')
	assert.equal(strength('tree-12').text, '1 more character needed.')
	assert.equal(strength('ééééééé').ok, false) // characters count, not bytes
	assert.equal(strength('𝒳'.repeat(7)).ok, false)
})

test('what is easily found is weak', () => {
	for (const p of ['password1', 'aaaaaaaaaaaa', '12345678', 'qwertyuiop', 'abcdefghijkl', 'PASSWORD!!', 'abababababab', '19840617']) {
		assert.equal(strength(p).level, 1, p)
	}
})

test('the address and name of the user do not make a password strong', () => {
	const known = ['johanna.doerfler@example.org', 'Johanna Dörfler']
	assert.ok(strength('johanna-example-1', known).level < strength('johanna-example-1').level)
	assert.equal(strength('johanna1984', known).level, 1)
})

test('a few words are strong', () => {
	for (const p of ['correct horse battery', 'lamp-gravel-otter-92', 'Xl7c0a8j2k3l']) {
		assert.equal(strength(p).level, 3, p)
	}
	assert.equal(strength('gravel-otte').level, 2)
})
