// Text of messages, cut into what is shown: links, and quotes that can be folded.

export interface Piece {
	text: string
	href?: string
}

export interface Block {
	quote: boolean
	text: string // with its marks of quoting
}

// Addresses end before what rather belongs to the sentence around them.
function trim(url: string): string {
	let u = url
	for (;;) {
		const last = u.at(-1) ?? ''
		const unpaired = (last === ')' && !u.includes('(')) || (last === ']' && !u.includes('['))
		if (!/[.,;:!?'"*_]/.test(last) && !unpaired) return u
		u = u.slice(0, -1)
	}
}

// hrefOf is the address of a link, or undefined for what is none.
function hrefOf(text: string): string | undefined {
	const href = /^(https?:\/\/|mailto:)/i.test(text) ? text : /^www\./i.test(text) ? `https://${text}` : `mailto:${text}`
	try {
		return ['http:', 'https:', 'mailto:'].includes(new URL(href).protocol) ? href : undefined
	} catch {
		return undefined
	}
}

// links finds the addresses of sites and mailboxes in text: only http, https and mailto.
export function links(text: string): Piece[] {
	const result: Piece[] = []
	let from = 0
	const add = (piece: Piece) => {
		if (piece.text !== '') result.push(piece)
	}
	for (const m of text.matchAll(/(?:https?:\/\/|mailto:|\bwww\.)[^\s<>"]{1,2000}|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}/gi)) {
		const found = trim(m[0])
		const href = hrefOf(found)
		if (!href || found.length < 5) continue
		add({ text: text.slice(from, m.index) })
		add({ text: found, href })
		from = m.index + found.length
	}
	add({ text: text.slice(from) })
	return result
}

// blocks cuts text into what was written and what is quoted.
export function blocks(text: string): Block[] {
	const result: Block[] = []
	for (const line of text.replace(/\r\n?/g, '\n').replace(/\n+$/, '').split('\n')) {
		const quote = line.startsWith('>')
		const last = result.at(-1)
		if (last?.quote === quote) last.text += `\n${line}`
		else result.push({ quote, text: line })
	}
	return result
}

// unquoted takes one level of quoting away.
export function unquoted(text: string): string {
	return text.replace(/^> ?/gm, '')
}

// unsigned is text without the signature at its end, RFC 3676 4.3.
export function unsigned(text: string): string {
	const at = text.replace(/\r\n?/g, '\n').search(/(^|\n)-- \n(?![^]*\n-- \n)/)
	return at < 0 ? text : text.replace(/\r\n?/g, '\n').slice(0, at)
}

// quoted is text as it is quoted in an answer.
export function quoted(text: string): string {
	return text.replace(/\r\n?/g, '\n').replace(/\n+$/, '').split('\n').map(line => line === '' ? '>' : line.startsWith('>') ? `>${line}` : `> ${line}`).join('\n')
}
