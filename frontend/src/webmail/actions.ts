// What is done with conversations: at once on the page, then at the server; taken back where that refuses.
import { signal } from '@preact/signals'
import { count } from '../shared/format.ts'
import { explain, guard, signedOut } from '../shared/session.ts'
import { say } from '../shared/ui.tsx'
import { jmap, methods } from './client.ts'
import { chunks, setError, type Args, type SetResult } from './jmap.ts'
import { cursor, drop, neighbour, refresh, rows, selected, selectNone, view } from './list.ts'
import { forget, head, knowHeads, knowThreads, mailbox, patchLocally, role, sync, threadOf } from './mail.ts'
import { inverse, pointer } from './patch.ts'
import { go, listLink, openRow, openThread, wide } from './place.ts'
import type { Head, Patch } from './types.ts'

type Patches = Record<string, Patch>

// undoable is what can be taken back for ten seconds, once the server has done it.
export const undoable = signal<{ text: string; back: Promise<Patches> } | null>(null)
let undoTimer = 0

// trouble is what went wrong last, until it is dismissed.
export const trouble = signal('')

export function fail(what: string, err: unknown): void {
	trouble.value = signedOut(err) ? `${what}: the session had ended. Do it again.` : `${what}: ${explain(err)}`
}

// update changes emails. It throws the first error, after taking back what was refused.
async function update(patches: Patches): Promise<Patches> {
	const back: Patches = {}
	for (const [id, patch] of Object.entries(patches)) {
		const h = head(id)
		if (h) back[id] = inverse(h, patch)
	}
	patchLocally(patches)
	drop()
	const done = new Set<string>()
	try {
		for (const ids of chunks(Object.keys(patches), jmap.limit('maxObjectsInSet'))) {
			const r = await guard(jmap.call<SetResult>('Email/set', { update: Object.fromEntries(ids.map(id => [id, patches[id]])) }))
			const refused = Object.entries(r.notUpdated ?? {})
			for (const id of ids) if (!r.notUpdated?.[id]) done.add(id)
			const gone = refused.filter(([, e]) => e.type === 'notFound').map(([id]) => id)
			forget(gone)
			const other = refused.find(([, e]) => e.type !== 'notFound')
			if (other) throw setError(other[1])
		}
	} catch (err) {
		patchLocally(Object.fromEntries(Object.entries(back).filter(([id]) => !done.has(id))))
		void refresh(0)
		throw err
	} finally {
		sync().catch(() => {}) // it is told by the connection
	}
	return back
}

// currentRows are those that a command is for: the selected, or that of the open conversation, or the one with the focus.
export function currentRows(): string[] {
	if (selected.value.size > 0) return [...selected.value]
	const row = openThread.value ? openRow() : cursor.value
	return row ? [row] : []
}

// hasCurrent tells whether there is something that a command is for.
export function hasCurrent(): boolean {
	return selected.value.size > 0 || openThread.value !== '' || cursor.value !== ''
}

async function threadsOf(ids: string[]): Promise<string[]> {
	await knowHeads(ids)
	return [...new Set(ids.flatMap(id => head(id)?.threadId ?? []))]
}

// emailsOf are the emails of conversations that a command is for: in a mailbox those in it; in results of a search those that
// are neither sent nor drafts nor thrown away, or else all.
async function emailsOf(threadIds: string[]): Promise<Head[]> {
	await knowThreads(threadIds)
	const box = view.value.mailboxId
	const aside = ['sent', 'drafts', 'trash', 'junk'].flatMap(name => role(name)?.id ?? [])
	return threadIds.flatMap(id => {
		const all = threadOf(id)
		const some = box ? all.filter(h => h.mailboxIds[box]) : all.filter(h => !aside.some(a => h.mailboxIds[a]))
		return some.length > 0 ? some : all
	})
}

// wanted are the conversations of rows, or those that are current.
async function wanted(ids?: string[]): Promise<string[]> {
	if (ids) return threadsOf(ids)
	if (selected.value.size === 0 && openThread.value) return [openThread.value]
	return threadsOf(currentRows())
}

// act does something with the emails of conversations. With leaves the conversations go from the list: then the next is shown.
async function act(what: string, ids: string[] | undefined, patch: (h: Head) => Patch | undefined, told: (n: number) => string, leaves: boolean): Promise<void> {
	try {
		const threads = await wanted(ids)
		if (threads.length === 0) return
		const emails = await emailsOf(threads)
		const patches = Object.fromEntries(emails.flatMap(h => {
			const p = patch(h)
			return p ? [[h.id, p]] : []
		}))
		if (Object.keys(patches).length === 0) return
		const open = openThread.value
		const shut = leaves && open !== '' && threads.includes(open)
		const going = new Set(rows.value.known().filter(id => threads.includes(head(id)?.threadId ?? '')))
		const next = shut ? neighbour(openRow(), going) : ''
		const sent = update(patches)
		if (leaves) selectNone()
		if (shut) {
			const thread = wide() && next ? head(next)?.threadId ?? '' : ''
			if (next) cursor.value = next
			go(listLink(thread), true)
		}
		if (leaves) offer(told(threads.length), sent)
		await sent
		if (!leaves) say(told(threads.length))
	} catch (err) {
		fail(what, err)
	}
}

// offer tells what was done, and lets it be taken back.
function offer(text: string, back: Promise<Patches>): void {
	clearTimeout(undoTimer)
	const u = { text, back }
	undoable.value = u
	back.catch(() => {
		if (undoable.value === u) undoable.value = null // why is told by who has asked for it
	})
	undoTimer = window.setTimeout(() => {
		undoable.value = null
	}, 10_000)
}

// undo takes back what was moved last.
export async function undo(): Promise<void> {
	const u = undoable.value
	if (!u) return
	clearTimeout(undoTimer)
	undoable.value = null
	try {
		const back = await u.back.catch(() => null)
		if (!back) return
		await update(back)
		say('Taken back.')
		await refresh(0)
	} catch (err) {
		fail('It was not taken back', err)
	}
}

const conversations = (n: number) => count(n, 'conversation')

// move puts conversations into a mailbox.
export function move(to: string, ids?: string[]): Promise<void> {
	const box = mailbox(to)
	return act('Not moved', ids, h => h.mailboxIds[to] && Object.keys(h.mailboxIds).length === 1 ? undefined : { mailboxIds: { [to]: true }, ...judged(to) }, n => `${conversations(n)} moved to ${box?.name ?? 'the mailbox'}.`, to !== view.value.mailboxId)
}

// judged has the keywords of what goes into a mailbox, or comes out of junk: RFC 8621 4.1.1.
function judged(to: string): Patch {
	if (to === role('junk')?.id) return { 'keywords/$junk': true, 'keywords/$notjunk': null }
	if (view.value.mailboxId && view.value.mailboxId === role('junk')?.id && to !== role('trash')?.id) return { 'keywords/$junk': null, 'keywords/$notjunk': true }
	return {}
}

// moveToRole archives, deletes, or the like.
async function moveToRole(name: string, missing: string, ids?: string[]): Promise<void> {
	const box = role(name)
	if (!box) trouble.value = missing
	else await move(box.id, ids)
}

export const archive = (ids?: string[]) => moveToRole('archive', 'There is no mailbox for the archive. Make one, and name it “Archive”.', ids)
export const junk = (ids?: string[]) => moveToRole('junk', 'There is no mailbox for junk. Make one, and name it “Junk”.', ids)
export const notJunk = (ids?: string[]) => moveToRole('inbox', 'There is no inbox.', ids)

// inTrash tells that what is deleted here is gone for good.
export function inTrash(): boolean {
	return view.value.mailboxId !== undefined && view.value.mailboxId === role('trash')?.id
}

export const trash = (ids?: string[]) => moveToRole('trash', 'There is no mailbox for what is deleted. Make one, and name it “Trash”.', ids)

// destroy deletes for good.
export async function destroy(ids: string[]): Promise<void> {
	await destroyEmails(ids)
	sync().catch(() => {})
}

// destroyEmails deletes emails for good, and throws if one is not.
export async function destroyEmails(ids: string[]): Promise<void> {
	for (const some of chunks(ids, jmap.limit('maxObjectsInSet'))) {
		const r = await guard(jmap.call<SetResult>('Email/set', { destroy: some }))
		forget(r.destroyed ?? [])
		const other = Object.values(r.notDestroyed ?? {}).find(e => e.type !== 'notFound')
		if (other) throw setError(other)
	}
	drop()
}

// emailsForGood are those that would be deleted for good.
export async function emailsForGood(): Promise<string[]> {
	return (await emailsOf(await wanted())).map(h => h.id)
}

// allIn are the ids of all emails in a mailbox.
export async function allIn(mailboxId: string): Promise<string[]> {
	const ids: string[] = []
	for (let more = true; more;) {
		const [r] = await methods(['Email/query', { filter: { inMailbox: mailboxId }, sort: [{ property: 'receivedAt', isAscending: true }], position: ids.length, limit: 1000 }])
		const found = (r as Args).ids as string[]
		ids.push(...found)
		more = found.length > 0 && ids.length < 100_000
	}
	return ids
}

// keyword sets or takes away a keyword.
export function keyword(name: string, on: boolean, told: string, ids?: string[]): Promise<void> {
	return act('Not changed', ids, h => Boolean(h.keywords[name]) === on ? undefined : { [pointer('keywords', name)]: on ? true : null }, () => told, false)
}

export const markRead = (on: boolean, ids?: string[]) => keyword('$seen', on, on ? 'Marked as read.' : 'Marked as unread.', ids)

// starred tells whether all of the rows have a star.
function starred(ids: string[]): boolean {
	return ids.length > 0 && ids.every(id => {
		const h = head(id)
		return h !== undefined && (h.keywords.$flagged || threadOf(h.threadId).some(x => x.keywords.$flagged))
	})
}

// star gives a star to the newest of conversations that have none, or takes all stars away.
export async function star(ids = currentRows()): Promise<void> {
	const off = starred(ids)
	if (off) return keyword('$flagged', false, 'Star taken away.', ids)
	try {
		await update(Object.fromEntries(ids.map(id => [id, { 'keywords/$flagged': true }])))
		say('Starred.')
	} catch (err) {
		fail('Not starred', err)
	}
}

// muted tells whether all conversations of rows are muted: those of which a message has the keyword.
export function muted(ids: string[]): boolean {
	return ids.length > 0 && ids.every(id => {
		const h = head(id)
		return h !== undefined && (h.keywords.$muted || threadOf(h.threadId).some(x => x.keywords.$muted))
	})
}

// mute gives all messages of conversations, wherever they are, the keyword by which new ones arrive read, or takes it away where all
// conversations are muted.
export async function mute(ids?: string[]): Promise<void> {
	try {
		const threads = await wanted(ids)
		if (threads.length === 0) return
		await knowThreads(threads)
		const on = !threads.every(id => threadOf(id).some(h => h.keywords.$muted))
		const emails = threads.flatMap(threadOf).filter(h => Boolean(h.keywords.$muted) !== on)
		if (emails.length === 0) return
		const sent = update(Object.fromEntries(emails.map(h => [h.id, { 'keywords/$muted': on ? true : null }])))
		offer(on ? `${conversations(threads.length)} muted: new messages arrive read.` : `${conversations(threads.length)} no longer muted.`, sent)
		await sent
	} catch (err) {
		fail('Not changed', err)
	}
}

// quietly changes emails by what was done with them, such as reading.
export async function quietly(patches: Patches): Promise<void> {
	try {
		await update(patches)
	} catch (err) {
		if (!signedOut(err)) console.warn(err)
	}
}
