import assert from 'node:assert/strict'
import { test } from 'node:test'
import { link, parse } from './router.ts'

test('addresses of pages', () => {
	assert.deepEqual(parse(''), { name: '', args: [] })
	assert.deepEqual(parse('#/domains'), { name: 'domains', args: [] })
	assert.deepEqual(parse('#/domains/'), { name: 'domains', args: [] })
	assert.deepEqual(parse('#/domains/%E2%98%95.example'), { name: 'domains', args: ['☕.example'] })
	assert.deepEqual(parse('#/domains/%zz'), { name: 'domains', args: ['%zz'] })
})

test('links lead where they say', () => {
	for (const arg of ['example.org', '☕.example', 'a/b', '100%']) {
		assert.deepEqual(parse(link('domains', arg)), { name: 'domains', args: [arg] })
	}
})
