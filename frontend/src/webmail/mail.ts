// What is known of the account: mailboxes, identities, and the emails that were looked at. Changes come by sync.
import { signal } from '@preact/signals'
import { guard } from '../shared/session.ts'
import { jmap, methods } from './client.ts'
import { MethodError } from './jmap.ts'
import { find, labels, tree, type Node } from './mailboxes.ts'
import { patched } from './patch.ts'
import { headProperties, type Head, type Identity, type Mailbox, type Patch } from './types.ts'

export const mailboxes = signal<Mailbox[]>([])
export const nodes = signal<Node[]>([])
export const identities = signal<Identity[]>([])

// version counts changes of emails and threads: who shows them reads it.
export const version = signal(0)

// arrived counts what sync found: lists and conversations look again.
export const arrived = signal(0)

const heads = new Map<string, Head>()
const threads = new Map<string, string[]>()

let mailboxState = ''
let emailState = ''

// Most emails of which is kept what lists show.
const mostHeads = 20_000

export function head(id: string): Head | undefined {
	return heads.get(id)
}

// keep takes in emails as the server has them; state is that of its answer.
export function keep(list: Head[], state: string): void {
	emailState ||= state
	if (heads.size > mostHeads) heads.clear()
	for (const h of list) {
		heads.set(h.id, h)
		noteLabels(h)
	}
	version.value++
}

export function keepThreads(list: { id: string; emailIds: string[] }[]): void {
	for (const t of list) threads.set(t.id, t.emailIds)
	version.value++
}

// threadOf are the emails of a thread that are known, oldest first.
export function threadOf(threadId: string): Head[] {
	return (threads.get(threadId) ?? []).flatMap(id => heads.get(id) ?? [])
}

// knowThreads gets the emails of threads that are not known yet.
export async function knowThreads(threadIds: string[]): Promise<void> {
	const missing = [...new Set(threadIds)].filter(id => !threads.has(id))
	if (missing.length > 0) {
		const r = await guard(jmap.getAll<{ id: string; emailIds: string[] }>('Thread/get', missing, {}))
		keepThreads(r.list)
	}
	await knowHeads(threadIds.flatMap(id => threads.get(id) ?? []))
}

// knowHeads gets emails that are not known yet.
export async function knowHeads(ids: string[]): Promise<void> {
	const missing = [...new Set(ids)].filter(id => !heads.has(id))
	if (missing.length > 0) await getHeads(missing)
}

async function getHeads(ids: string[]): Promise<void> {
	const r = await guard(jmap.getAll<Head>('Email/get', ids, { properties: headProperties }))
	for (const id of r.notFound) heads.delete(id)
	keep(r.list, r.state)
}

// patchLocally changes emails before the server has.
export function patchLocally(patches: Record<string, Patch>): void {
	for (const [id, patch] of Object.entries(patches)) {
		const h = heads.get(id)
		if (h) heads.set(id, patched(h, patch))
	}
	version.value++
}

// forget drops emails that are gone.
export function forget(ids: string[]): void {
	for (const id of ids) heads.delete(id)
	version.value++
}

// open gets what is needed first.
export async function open(): Promise<void> {
	await guard(jmap.start())
	const [boxes, ids] = await methods(['Mailbox/get', { ids: null }], ['Identity/get', { ids: null }])
	keepMailboxes(boxes as { list: Mailbox[]; state: string })
	identities.value = (ids as { list: Identity[] }).list
	readLabels()
}

function keepMailboxes(r: { list: Mailbox[]; state: string }): void {
	mailboxState = r.state
	mailboxes.value = r.list
	nodes.value = tree(r.list)
}

export function mailbox(id: string): Mailbox | undefined {
	return mailboxes.value.find(m => m.id === id)
}

// role is the mailbox of a role.
export function role(name: string): Mailbox | undefined {
	return mailboxes.value.find(m => m.role === name)
}

export function findMailbox(name: string): Mailbox | undefined {
	return find(nodes.value, name)
}

// isMe tells whether an address is one of the identities.
export function isMe(email: string): boolean {
	return identities.value.some(i => i.email.toLowerCase() === email.toLowerCase())
}

let syncing: Promise<void> | undefined
let once = false

// sync finds out what has changed since it was last asked. While it is being asked, one more time is enough for all.
export function sync(): Promise<void> {
	if (syncing) {
		once = true
		return syncing
	}
	syncing = (async () => {
		try {
			do {
				once = false
				await syncNow()
			} while (once)
		} finally {
			syncing = undefined
		}
	})()
	return syncing
}

// news tells whether states of the server are others than those known.
export function news(states: Record<string, string>): boolean {
	return (states.Mailbox !== undefined && states.Mailbox !== mailboxState) || (states.Email !== undefined && states.Email !== emailState)
}

interface Changes {
	newState: string
	hasMoreChanges: boolean
	created: string[]
	updated: string[]
	destroyed: string[]
}

async function syncNow(): Promise<void> {
	const [boxes] = await methods(['Mailbox/get', { ids: null }])
	keepMailboxes(boxes as unknown as { list: Mailbox[]; state: string })
	if (emailState !== '') await syncEmails()
	arrived.value++
}

// lastNew are the emails that the last sync found to be new.
export const lastNew = signal<Head[]>([])

async function syncEmails(): Promise<void> {
	try {
		const fresh: string[] = []
		for (let more = true; more;) {
			const [r] = await methods(['Email/changes', { sinceState: emailState, maxChanges: 500 }])
			const changes = r as unknown as Changes
			forget(changes.destroyed)
			forgetThreadsOf(changes.destroyed)
			const known = changes.updated.filter(id => heads.has(id))
			await getHeads([...known, ...changes.created])
			for (const id of changes.created) {
				const h = heads.get(id)
				if (h) threads.delete(h.threadId) // it has grown
			}
			fresh.push(...changes.created)
			emailState = changes.newState
			more = changes.hasMoreChanges
		}
		if (fresh.length > 0) lastNew.value = fresh.flatMap(id => heads.get(id) ?? [])
	} catch (err) {
		if (!(err instanceof MethodError) || err.type !== 'cannotCalculateChanges') throw err
		// All that is known may be wrong.
		heads.clear()
		threads.clear()
		emailState = ''
		version.value++
	}
}

function forgetThreadsOf(ids: string[]): void {
	if (ids.length === 0) return
	const gone = new Set(ids)
	for (const [id, emails] of threads) {
		if (emails.some(e => gone.has(e))) threads.set(id, emails.filter(e => !gone.has(e)))
	}
}

// knownLabels are those that were seen or made in this browser.
export const knownLabels = signal<string[]>([])

function labelsKey(): string {
	return `mox-webmail-labels:${jmap.accountId}`
}

function readLabels(): void {
	try {
		const stored: unknown = JSON.parse(localStorage.getItem(labelsKey()) ?? '[]')
		if (Array.isArray(stored)) knownLabels.value = stored.filter(x => typeof x === 'string')
	} catch {
		knownLabels.value = []
	}
}

function noteLabels(h: Head): void {
	const fresh = labels(h.keywords).filter(l => !knownLabels.value.includes(l))
	if (fresh.length > 0) setLabels([...knownLabels.value, ...fresh].sort())
}

// setLabels keeps the list of labels, at most a hundred.
export function setLabels(list: string[]): void {
	knownLabels.value = list.slice(0, 100)
	try {
		localStorage.setItem(labelsKey(), JSON.stringify(knownLabels.value))
	} catch {
		// There is no room, or no storage: the labels are seen again in messages.
	}
}
