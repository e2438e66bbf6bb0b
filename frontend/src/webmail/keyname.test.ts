import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nameOf } from './keyname.ts'

test('keys have the names that commands use', () => {
	const none = { ctrlKey: false, metaKey: false, altKey: false, shiftKey: false }
	for (const [key, held, name] of [
		['j', {}, 'j'], ['J', {}, 'j'], ['I', { shiftKey: true }, 'Shift+I'], ['#', { shiftKey: true }, '#'], ['?', { shiftKey: true }, '?'],
		['k', { ctrlKey: true }, 'Control+K'], ['k', { metaKey: true }, 'Control+K'], ['x', { altKey: true }, 'Alt+x'], ['ArrowDown', {}, 'ArrowDown'], ['Escape', {}, 'Escape'],
	] as const) {
		assert.equal(nameOf({ ...none, key, ...held }), name)
	}
})
