// Emails with their text, and what a reader does with their parts.
import { guard } from '../shared/session.ts'
import { jmap, methods } from './client.ts'
import { fullProperties, partProperties, type Full } from './types.ts'

const kept = new Map<string, Full>()

// Most bytes of a text that are loaded.
const longest = 256 * 1024

// fullEmail gets an email with its text. What is in it does not change, but for keywords and mailboxes: these are those of lists.
export async function fullEmail(id: string): Promise<Full> {
	const known = kept.get(id)
	if (known) return known
	const [r] = await methods(['Email/get', { ids: [id], properties: fullProperties, bodyProperties: partProperties, fetchTextBodyValues: true, maxBodyValueBytes: longest }])
	const m = (r as unknown as { list: Full[] }).list[0]
	if (!m) throw new Error('The message is no longer there')
	if (kept.size > 300) kept.clear()
	kept.set(id, m)
	return m
}

// isHTML tells that a message has to be shown as HTML.
export function isHTML(m: Full): boolean {
	return m.htmlBody.some(p => p.type === 'text/html')
}

// plainText is the text of a message, that of HTML too.
export function plainText(m: Full): string {
	return m.textBody.flatMap(p => {
		const value = p.partId === null ? undefined : m.bodyValues[p.partId]?.value
		if (value === undefined) return []
		return [p.type === 'text/html' ? textOf(value) : value.replace(/\r\n?/g, '\n')]
	}).join('\n')
}

// isCut tells that not all of the text was loaded.
export function isCut(m: Full): boolean {
	return Object.values(m.bodyValues).some(v => v.isTruncated)
}

const lines = new Set(['P', 'DIV', 'TR', 'LI', 'H1', 'H2', 'H3', 'H4', 'H5', 'H6', 'PRE', 'TABLE', 'UL', 'OL', 'SECTION', 'ARTICLE', 'BLOCKQUOTE', 'HR'])

// unstyled is HTML without styles, which the policy of the page would complain of.
function unstyled(html: string): string {
	return html.replace(/<style[\s>][^]*?(<\/style[^>]*>|$)/gi, '').replace(/<[a-z][^>]*>/gi, tag => tag.replace(/([\s"'/])style(?=\s*=)/gi, '$1data-style'))
}

// textOf is the text of HTML. It is parsed into a document that runs and loads nothing.
export function textOf(html: string): string {
	const doc = new DOMParser().parseFromString(unstyled(html), 'text/html')
	let out = ''
	const newline = () => {
		if (out !== '' && !out.endsWith('\n')) out += '\n'
	}
	const walk = (node: Node, depth: number) => {
		if (node.nodeType === Node.TEXT_NODE) {
			const text = node.textContent!.replace(/\s+/g, ' ')
			out += out === '' || /\s$/.test(out) ? text.trimStart() : text
			return
		}
		const name = node.nodeName
		if (/^(SCRIPT|STYLE|HEAD|TITLE|TEMPLATE)$/.test(name) || depth > 500) return
		if (name === 'BR') {
			out = out.replace(/ +$/, '') + '\n'
			return
		}
		const line = lines.has(name)
		if (line) newline()
		const from = out.length
		if (name === 'LI') out += '- '
		for (const child of node.childNodes) walk(child, depth + 1)
		if (name === 'BLOCKQUOTE') out = out.slice(0, from) + out.slice(from).trim().replace(/^/gm, '> ')
		if (name === 'TD' || name === 'TH') out += ' '
		if (line) newline()
		if (name === 'P') out += '\n'
	}
	walk(doc.body, 0)
	return out.replace(/[ \t]+$/gm, '').replace(/\n{3,}/g, '\n\n').trim() + '\n'
}

// download gives a file to the browser to keep.
export async function download(blobId: string, name: string, type: string): Promise<void> {
	const blob = await guard(jmap.download(blobId, name, type || 'application/octet-stream'))
	const url = URL.createObjectURL(blob)
	const a = document.createElement('a')
	a.href = url
	a.download = name
	document.body.append(a)
	a.click()
	a.remove()
	setTimeout(() => URL.revokeObjectURL(url), 60_000)
}
