// The mailboxes in their order.
import type { Mailbox } from './types.ts'

// Node is a mailbox with its depth below the top.
export interface Node {
	box: Mailbox
	depth: number
	path: string // names joined by "/"
}

// roles in the order in which their mailboxes stand, IANA "IMAP Mailbox Name Attributes".
export const roles = ['inbox', 'drafts', 'sent', 'archive', 'junk', 'trash']

// rank is where a mailbox stands among others: those with a role first.
function rank(m: Mailbox): number {
	const at = roles.indexOf(m.role ?? '')
	return at < 0 ? roles.length : at
}

// compare orders mailboxes of one parent.
export function compare(a: Mailbox, b: Mailbox): number {
	return rank(a) - rank(b) || a.sortOrder - b.sortOrder || a.name.localeCompare(b.name, undefined, { numeric: true, sensitivity: 'base' })
}

// tree lists mailboxes, each followed by those below it. Those whose parent is not known, or is below themselves, are at the top.
export function tree(all: Mailbox[]): Node[] {
	const known = new Set(all.map(m => m.id))
	const below = new Map<string, Mailbox[]>()
	for (const m of [...all].sort(compare)) {
		const parent = m.parentId && known.has(m.parentId) ? m.parentId : ''
		below.set(parent, [...below.get(parent) ?? [], m])
	}
	const result: Node[] = []
	const done = new Set<string>()
	const add = (list: Mailbox[], depth: number, prefix: string) => {
		for (const box of list) {
			if (done.has(box.id)) continue
			done.add(box.id)
			const path = prefix + title(box)
			result.push({ box, depth, path })
			add(below.get(box.id) ?? [], depth + 1, `${path}/`)
		}
	}
	add(below.get('') ?? [], 0, '')
	add(all.filter(m => !done.has(m.id)), 0, '')
	return result
}

// title is the name of a mailbox as it is shown.
export function title(m: Mailbox): string {
	return m.role === 'inbox' && /^inbox$/i.test(m.name) ? 'Inbox' : m.name
}

// find looks for a mailbox by its name, path or role, in whatever case.
export function find(nodes: Node[], name: string): Mailbox | undefined {
	const n = name.toLowerCase()
	return (nodes.find(x => x.path.toLowerCase() === n) ?? nodes.find(x => x.box.role === n || (n === 'spam' && x.box.role === 'junk')) ?? nodes.find(x => x.box.name.toLowerCase() === n))?.box
}

// matching are the mailboxes whose paths have all words of a text.
export function matching(nodes: Node[], text: string): Node[] {
	const words = text.toLowerCase().split(/\s+/).filter(w => w !== '')
	return nodes.filter(n => words.every(w => n.path.toLowerCase().includes(w)))
}

// shownCount is the number beside a mailbox: drafts are counted, of others what is unread; none for what nobody waits for.
export function shownCount(m: Mailbox): number {
	if (m.role === 'drafts') return m.totalEmails
	if (m.role === 'sent' || m.role === 'trash') return 0
	return m.unreadThreads
}

const system = /^[$\\]/

// labels are the keywords of an email that are of its reader, in their order.
export function labels(keywords: Record<string, boolean>): string[] {
	return Object.keys(keywords).filter(k => keywords[k] && !system.test(k) && !['junk', 'nonjunk', 'notjunk', 'forwarded'].includes(k.toLowerCase())).sort()
}

// labelProblem says why a text cannot be a label: RFC 8621 4.1.1, characters of an IMAP atom.
export function labelProblem(text: string): string | undefined {
	if (text === '') return 'Type a name.'
	if (system.test(text)) return 'Labels do not begin with “$”: such ones have a meaning of their own.'
	if (text.length > 100) return 'That is too long.'
	if (!/^[\x21-\x7e]+$/.test(text) || /[(){\]%*"\\]/.test(text)) return 'A label has letters without accents, digits, and signs such as “-” and “_”; no spaces.'
	return undefined
}

// hue is one of eight colours for a label, the same everywhere.
export function hue(label: string): number {
	let n = 0x811c9dc5 // FNV-1a
	for (const c of label) n = Math.imul(n ^ c.codePointAt(0)!, 0x01000193) >>> 0
	return (n >>> 13) % 8
}
