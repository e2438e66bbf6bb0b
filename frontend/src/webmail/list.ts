// The list of conversations that is shown: its rows, the one that has the focus, and those that are selected.
import { batch, signal } from '@preact/signals'
import { explain, guard, signedOut } from '../shared/session.ts'
import { jmap, methods } from './client.ts'
import { MethodError, type Args } from './jmap.ts'
import { head, keep, keepThreads, knowHeads, knowThreads, mailboxes, findMailbox, version } from './mail.ts'
import { Rows } from './rows.ts'
import { hasWords, parse } from './searchquery.ts'
import { headProperties, type Filter, type Head } from './types.ts'

// Rows that are asked for at once.
const page = 50

// View is what the list is of.
export interface View {
	key: string
	mailboxId?: string
	search?: string
}

export interface Snippet {
	emailId: string
	subject: string | null
	preview: string | null
}

export const view = signal<View>({ key: '' })
export const rows = signal(new Rows())
// changed counts changes of rows.
export const changed = signal(0)
export const loaded = signal(false)
export const error = signal('')
export const problems = signal<string[]>([]) // of the search
export const cursor = signal('') // id of the row that has the focus
export const selected = signal<ReadonlySet<string>>(new Set())
export const snippets = signal<ReadonlyMap<string, Snippet>>(new Map())

let filter: Filter = {}
let generation = 0 // of the view: answers for another are of no interest
const asked = new Set<number>() // positions of pages that are on their way

// show shows another mailbox or search. It does nothing if that is shown already.
export function show(v: View): void {
	if (v.key === view.value.key) return
	generation++
	asked.clear()
	batch(() => {
		view.value = v
		rows.value = new Rows()
		loaded.value = false
		error.value = ''
		cursor.value = ''
		selected.value = new Set()
		snippets.value = new Map()
		changed.value++
	})
	void load(0)
}

// filterOf is the filter of a view.
function filterOf(v: View): Filter {
	if (v.mailboxId) return { inMailbox: v.mailboxId }
	const hidden = mailboxes.value.filter(m => m.role === 'trash' || m.role === 'junk').map(m => m.id)
	const q = parse(v.search ?? '', { find: name => findMailbox(name)?.id, hidden })
	problems.value = q.problems
	return q.filter
}

interface QueryResult {
	ids: string[]
	position: number
	total: number
}

const sort = [{ property: 'receivedAt', isAscending: false }]

// query asks for a page, by its position or from an email on.
async function query(where: Args): Promise<QueryResult> {
	const [found, emails, threads] = await methods(
		['Email/query', { filter, sort, collapseThreads: true, calculateTotal: true, limit: page, ...where }],
		['Email/get', { '#ids': { resultOf: '0', name: 'Email/query', path: '/ids' }, properties: headProperties }],
		['Thread/get', { '#ids': { resultOf: '1', name: 'Email/get', path: '/list/*/threadId' } }],
	)
	const got = emails as unknown as { list: Head[]; state: string }
	keep(got.list, got.state)
	keepThreads((threads as unknown as { list: { id: string; emailIds: string[] }[] }).list)
	return found as unknown as QueryResult
}

// quietly is for what is shown a little later, or not.
function quietly(err: unknown): void {
	if (!signedOut(err)) console.warn(err)
}

// after sees to what else rows show, which may come a little later.
function after(ids: string[]): void {
	knowThreads(ids.flatMap(id => head(id)?.threadId ?? [])).catch(quietly)
	const v = view.value
	if (!v.search || !hasWords(v.search) || ids.length === 0) return
	const mine = generation
	guard(jmap.call<{ list: Snippet[] }>('SearchSnippet/get', { filter, emailIds: ids })).then(r => {
		if (mine !== generation) return
		const all = new Map(snippets.value)
		for (const s of r.list) all.set(s.emailId, s)
		snippets.value = all
	}).catch(quietly)
}

// load gets the page at a position.
async function load(position: number): Promise<void> {
	if (asked.has(position)) return
	asked.add(position)
	const mine = generation
	try {
		if (!loaded.value) filter = filterOf(view.value)
		const r = await query({ position })
		if (mine !== generation) return
		batch(() => {
			rows.value.put(r.position, r.ids, r.total)
			loaded.value = true
			error.value = ''
			changed.value++
		})
		after(r.ids)
	} catch (err) {
		if (mine === generation && !signedOut(err)) error.value = explain(err)
	} finally {
		if (mine === generation) asked.delete(position)
	}
}

// want sees to it that rows from first to last are known.
export function want(first: number, last: number): void {
	if (!loaded.value) return
	const bare: string[] = [] // known once, and forgotten since
	for (let i = Math.max(0, first); i <= last; i++) {
		const id = rows.value.at(i)
		if (id && !head(id)) bare.push(id)
	}
	if (bare.length > 0) knowHeads(bare).then(() => after(bare), quietly)
	const position = rows.value.missing(first, last, page)
	if (position < 0) return
	void load(position)
	const next = rows.value.missing(position + page, last, page)
	if (next >= 0) void load(next)
}

// again loads anew what failed, or could not be loaded without session.
export function again(): void {
	if (!loaded.value) void load(0)
	else void refresh(0)
}

// refresh looks what the list is now. first is the first row that is seen: by how many rows it has moved is returned.
export async function refresh(first: number): Promise<number> {
	if (!loaded.value) {
		again()
		return 0
	}
	const mine = generation
	const anchor = first > 0 ? rows.value.at(first) : undefined
	try {
		filter = filterOf(view.value)
		let r: QueryResult
		try {
			r = await query(anchor ? { anchor, anchorOffset: -10 } : { position: Math.max(0, first - 10) })
		} catch (err) {
			if (!(err instanceof MethodError) || err.type !== 'anchorNotFound') throw err
			r = await query({ position: Math.max(0, first - 10) })
		}
		if (mine !== generation) return 0
		batch(() => {
			rows.value.replace(r.position, r.ids, r.total)
			error.value = ''
			changed.value++
		})
		after(r.ids)
		const now = anchor ? rows.value.indexOf(anchor) : -1
		return now < 0 ? 0 : now - first
	} catch (err) {
		if (mine === generation && !signedOut(err)) error.value = explain(err)
		return 0
	}
}

// drop takes rows away of which nothing is in the mailbox any more. It returns the row that follows the first of them, or
// is before it at the end.
export function drop(): void {
	const id = view.value.mailboxId
	if (!id) return
	const gone = new Set(rows.value.known().filter(row => {
		const h = head(row)
		return !h || !h.mailboxIds[id]
	}))
	if (gone.size === 0) return
	if (gone.has(cursor.value)) cursor.value = neighbour(cursor.value, gone)
	batch(() => {
		rows.value.remove(gone)
		selected.value = new Set([...selected.value].filter(s => !gone.has(s)))
		changed.value++
	})
}

// neighbour is the nearest row after one, or else before it, that is not among those that go.
export function neighbour(id: string, except: ReadonlySet<string>): string {
	const at = rows.value.indexOf(id)
	if (at < 0) return ''
	for (let i = at + 1; i < at + 500 && i < rows.value.total; i++) {
		const next = rows.value.at(i)
		if (next && !except.has(next)) return next
	}
	for (let i = at - 1; i >= 0; i--) {
		const before = rows.value.at(i)
		if (before && !except.has(before)) return before
	}
	return ''
}

// rowOf is the row of a conversation, if it is known.
export function rowOf(threadId: string): string {
	void version.value
	return rows.value.known().find(id => head(id)?.threadId === threadId) ?? ''
}

// select selects a row, or all from the one that was selected last up to it.
let last = ''
export function select(id: string, on: boolean, range: boolean): void {
	const s = new Set(selected.value)
	const [a, b] = [rows.value.indexOf(last), rows.value.indexOf(id)]
	const from = range && a >= 0 && b >= 0 ? Math.min(a, b) : b
	for (let i = from; i <= Math.max(range && a >= 0 ? a : b, b); i++) {
		const row = rows.value.at(i)
		if (!row) continue
		if (on) s.add(row)
		else s.delete(row)
	}
	last = id
	selected.value = s
}

// Most rows that are selected at once.
const mostSelected = 5000

// selectAll selects all rows, those too that were not loaded yet. It returns how many.
export async function selectAll(): Promise<number> {
	const mine = generation
	const ids: string[] = []
	for (let total = Infinity; ids.length < Math.min(total, mostSelected);) {
		const [r] = await methods(['Email/query', { filter, sort, collapseThreads: true, calculateTotal: true, position: ids.length, limit: 1000 }])
		const found = r as unknown as QueryResult
		if (mine !== generation) return 0
		ids.push(...found.ids)
		total = found.total
		if (found.ids.length === 0) break
	}
	selected.value = new Set(ids.slice(0, mostSelected))
	return selected.value.size
}

export function selectNone(): void {
	selected.value = new Set()
}
