// Addresses as people type and read them.
import type { Address } from './types.ts'

// split cuts at commas, semicolons and ends of lines that are neither in quotes nor in angle brackets.
function split(text: string): string[] {
	const parts: string[] = []
	let part = ''
	let quoted = false
	let angle = false
	for (let i = 0; i < text.length; i++) {
		const c = text[i]!
		if (quoted && c === '\\') {
			part += c + (text[++i] ?? '')
			continue
		}
		if (c === '"') quoted = !quoted
		if (!quoted && c === '<') angle = true
		if (!quoted && c === '>') angle = false
		if (!quoted && !angle && /[,;\n]/.test(c)) {
			parts.push(part)
			part = ''
		} else {
			part += c
		}
	}
	return [...parts, part].map(p => p.trim()).filter(p => p !== '')
}

// isAddress tells whether text can be an address; the server has the last word.
export function isAddress(text: string): boolean {
	return /^("[^"\\\r\n]+"|[^\s@<>"(),;:\\[\]]+)@([^\s@<>"(),;:\\[\]]+|\[[0-9a-fA-F.:]+\])$/.test(text)
}

// unquote takes the quotes of a name away.
function unquote(name: string): string {
	const quoted = /^"((?:[^"\\]|\\.)*)"$/.exec(name)
	return quoted ? quoted[1]!.replace(/\\(.)/g, '$1') : name
}

// parse reads a list of addresses: "Jo <jo@example.org>, mo@example.org". bad are the parts that are none.
export function parse(text: string): { addresses: Address[]; bad: string[] } {
	const addresses: Address[] = []
	const bad: string[] = []
	for (const part of split(text)) {
		const full = /^(.*?)\s*<\s*([^<>]*?)\s*>$/s.exec(part)
		const email = full ? full[2]! : part
		const name = full ? unquote(full[1]!.trim()) : ''
		if (isAddress(email)) addresses.push({ name: name || null, email })
		else bad.push(part)
	}
	return { addresses, bad }
}

// format is an address that parse reads.
export function format(a: Address): string {
	if (!a.name) return a.email
	const name = /[",;<>@()\\:.[\]]/.test(a.name) ? `"${a.name.replace(/["\\]/g, '\\$&')}"` : a.name
	return `${name.replace(/\s+/g, ' ')} <${a.email}>`
}

export function formatAll(list: Address[] | null): string {
	return (list ?? []).map(format).join(', ')
}

// same tells that two addresses are of one mailbox, as far as a client can tell.
export function same(a: string, b: string): boolean {
	return a.toLowerCase() === b.toLowerCase()
}

// unique leaves out addresses that are there already, or are among those to leave out.
export function unique(list: Address[], except: string[] = []): Address[] {
	const seen = new Set(except.map(e => e.toLowerCase()))
	return list.filter(a => {
		const key = a.email.toLowerCase()
		if (seen.has(key)) return false
		seen.add(key)
		return true
	})
}

// display is what is shown of an address.
export function display(a: Address | undefined): string {
	return a?.name || a?.email || ''
}

// displayShort is the first word of a name, for lists of several.
export function displayShort(a: Address): string {
	if (!a.name) return a.email.split('@')[0]!
	const [last, first] = a.name.split(/,\s*/)
	return (first ?? last ?? '').split(/\s+/)[0] || a.name
}

// initials are one or two letters of a name.
export function initials(a: Address | undefined): string {
	const words = display(a).replace(/[^\p{L}\p{N}\s@]/gu, '').split(/[\s@]+/).filter(w => w !== '')
	const letters = a?.name ? [words[0], words.length > 1 ? words.at(-1) : ''] : [words[0]]
	return letters.map(w => [...w ?? ''][0] ?? '').join('').toUpperCase() || '?'
}

// lastPart is where the address begins that is being typed at the end of a list, and what there is of it.
export function lastPart(text: string): { before: string; part: string } {
	let at = 0
	let quoted = false
	for (let i = 0; i < text.length; i++) {
		if (text[i] === '"') quoted = !quoted
		if (!quoted && /[,;\n]/.test(text[i]!)) at = i + 1
	}
	return { before: text.slice(0, at), part: text.slice(at).trim() }
}

// suggest has the addresses of a list in which a word begins with what was typed, at most eight.
export function suggest(list: Address[], typed: string): Address[] {
	const t = typed.toLowerCase()
	if (t === '') return []
	return list.filter(a => {
		const words = `${a.name ?? ''} ${a.email}`.toLowerCase()
		return words.startsWith(t) || format(a).toLowerCase().startsWith(t) || words.split(/[\s.@_+-]+/).some(w => w.startsWith(t))
	}).slice(0, 8)
}

// ranked are the addresses of emails, those first that are seen most; those that were written to count more.
export function ranked(emails: { from: Address[] | null; to: Address[] | null; cc: Address[] | null }[], own: (email: string) => boolean): Address[] {
	const found = new Map<string, { address: Address; weight: number }>()
	const add = (a: Address, weight: number) => {
		const key = a.email.toLowerCase()
		if (own(a.email) || !isAddress(a.email) || /(^|[._-])(no-?reply|bounces?|mailer-daemon)/.test(key)) return
		const entry = found.get(key) ?? { address: { name: a.name, email: a.email }, weight: 0 }
		entry.weight += weight
		entry.address.name ||= a.name
		found.set(key, entry)
	}
	for (const e of emails) {
		const sent = e.from?.some(a => own(a.email)) ?? false
		for (const a of e.from ?? []) add(a, 1)
		for (const a of [...e.to ?? [], ...e.cc ?? []]) add(a, sent ? 5 : 0.2)
	}
	return [...found.values()].sort((a, b) => b.weight - a.weight).map(e => e.address)
}
