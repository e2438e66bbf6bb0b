import assert from 'node:assert/strict'
import { test } from 'node:test'
import { displayShort, format, formatAll, initials, isAddress, lastPart, parse, ranked, suggest, unique } from './addresses.ts'

test('lists of addresses', () => {
	assert.deepEqual(parse('Jo <jo@example.org>, mo@example.org; "Doe, J. \\"x\\"" <d@example.org>,\n'), {
		addresses: [{ name: 'Jo', email: 'jo@example.org' }, { name: null, email: 'mo@example.org' }, { name: 'Doe, J. "x"', email: 'd@example.org' }],
		bad: [],
	})
	assert.deepEqual(parse('jo, a@b@c, <>, x y@example.org').bad, ['jo', 'a@b@c', '<>', 'x y@example.org'])
	assert.deepEqual(parse('  '), { addresses: [], bad: [] })
	assert.deepEqual(parse('"unfinished, <a@b'), { addresses: [], bad: ['"unfinished, <a@b'] })
})

test('what is printed is read', () => {
	const list = [{ name: 'Jö', email: 'jo@example.org' }, { name: null, email: 'a@b' }, { name: 'Doe, "J" <x>', email: 'd@[127.0.0.1]' }, { name: 'back\\slash', email: '"a b"@example.org' }]
	assert.deepEqual(parse(formatAll(list)).addresses, list)
	assert.equal(format({ name: '', email: 'a@b' }), 'a@b')
})

test('addresses', () => {
	for (const ok of ['a@b', 'a+b@example.org', 'ü@ü.example', '"a b"@example.org', 'a@[192.0.2.1]']) assert.ok(isAddress(ok), ok)
	for (const bad of ['', 'a', '@b', 'a@', 'a b@c', 'a@b c', 'a@b,c@d']) assert.ok(!isAddress(bad), bad)
})

test('names for lists', () => {
	assert.equal(displayShort({ name: 'Johanna Dörfler', email: 'j@example.org' }), 'Johanna')
	assert.equal(displayShort({ name: 'Dörfler, Johanna', email: 'j@example.org' }), 'Johanna')
	assert.equal(displayShort({ name: null, email: 'j.d@example.org' }), 'j.d')
	assert.equal(initials({ name: 'Johanna van Dörfler', email: '' }), 'JD')
	assert.equal(initials({ name: null, email: 'info@example.org' }), 'I')
	assert.equal(initials(undefined), '?')
	assert.deepEqual(unique([{ name: null, email: 'A@b' }, { name: 'x', email: 'a@B' }, { name: null, email: 'me@b' }], ['ME@b']), [{ name: null, email: 'A@b' }])
})

test('completion', () => {
	assert.deepEqual(lastPart('Jo <a@b>, "Doe, J" <d@e>, m'), { before: 'Jo <a@b>, "Doe, J" <d@e>,', part: 'm' })
	assert.deepEqual(lastPart(''), { before: '', part: '' })
	const a = (email: string, name: string | null = null) => ({ name, email })
	const list = ranked([
		{ from: [a('me@x.example')], to: [a('mo@x.example')], cc: null },
		{ from: [a('jo@x.example', 'Jo Müller')], to: [a('me@x.example')], cc: [a('other@x.example')] },
		{ from: [a('jo@X.example')], to: null, cc: null },
		{ from: [a('noreply@x.example')], to: null, cc: null },
	], e => e === 'me@x.example')
	assert.deepEqual(list, [a('mo@x.example'), a('jo@x.example', 'Jo Müller'), a('other@x.example')])
	assert.deepEqual(suggest(list, 'mü').map(x => x.email), ['jo@x.example'])
	assert.deepEqual(suggest(list, 'x.ex'), [])
	assert.deepEqual(suggest(list, 'exa').length, 3)
	assert.deepEqual(suggest(list, ''), [])
})
