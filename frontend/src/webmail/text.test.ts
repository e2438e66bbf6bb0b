import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blocks, links, quoted, unquoted, unsigned } from './text.ts'

const hrefs = (text: string) => links(text).filter(p => p.href).map(p => p.href)

test('links end where the sentence goes on', () => {
	assert.deepEqual(links('See https://example.org/a_(b), or (http://x.example/).'), [
		{ text: 'See ' }, { text: 'https://example.org/a_(b)', href: 'https://example.org/a_(b)' }, { text: ', or (' }, { text: 'http://x.example/', href: 'http://x.example/' }, { text: ').' },
	])
	assert.deepEqual(hrefs('www.example.org and jo@example.org.'), ['https://www.example.org', 'mailto:jo@example.org'])
	assert.deepEqual(hrefs('<https://example.org/?a=b&c=d#e>'), ['https://example.org/?a=b&c=d#e'])
})

test('nothing but sites and mail is a link', () => {
	assert.deepEqual(hrefs('javascript:alert(1) data:text/html,x file:///etc/passwd ftp://x vbscript:x a@b'), [])
	assert.deepEqual(hrefs('http:// https://'), [])
})

test('nothing is lost', () => {
	for (const text of ['', 'x', 'https://a.example https://b.example', '...@...', 'a@b.c'.repeat(1000), 'https://'.repeat(2000)]) {
		assert.equal(links(text).map(p => p.text).join(''), text)
	}
})

test('quotes', () => {
	assert.deepEqual(blocks('hi\r\n> a\n>> b\n\nbye\n\n'), [{ quote: false, text: 'hi' }, { quote: true, text: '> a\n>> b' }, { quote: false, text: '\nbye' }])
	assert.equal(unsigned('a\r\n\r\n-- \r\nJo\r\nPhone'), 'a\n')
	assert.equal(unsigned('a\n-- \nx\nb\n-- \nJo\n'), 'a\n-- \nx\nb')
	assert.equal(unsigned('a\n--\nJo'), 'a\n--\nJo')
	assert.equal(quoted('a\n\n> b\n\n'), '> a\n>\n>> b')
	assert.equal(unquoted(quoted('a\n\n> b')), 'a\n\n> b')
})
