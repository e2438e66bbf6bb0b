// The message that is being written: kept in this browser with every key, saved in Drafts within seconds, and sent.
import { batch, signal } from '@preact/signals'
import { codeOf, explain, guard, signedOut } from '../shared/session.ts'
import { say } from '../shared/ui.tsx'
import { ranked } from './addresses.ts'
import { fail, quietly } from './actions.ts'
import { account, jmap, methods } from './client.ts'
import { addressed, content, email, isBlank, promises, resigned, type Attachment, type Draft } from './draft.ts'
import { MethodError, setError, type SetResult } from './jmap.ts'
import { identities, isMe, role, sync } from './mail.ts'
import { chosenIdentity } from './identity.ts'
import type { Address, Full } from './types.ts'

// Milliseconds after the last change until a draft is saved, and at most after the first.
const calm = 1500
const latest = 4000

export interface Upload {
	key: number
	name: string
	size: number
	error: string
	stop: AbortController
}

export const draft = signal<Draft | null>(null)
export const saved = signal<'saved' | 'unsaved' | 'saving' | 'failed'>('saved')
export const problem = signal('')
export const sending = signal(false)
export const uploads = signal<Upload[]>([])
export const opened = signal(0) // counts the messages that were begun, to put the focus
export const recent = signal<Address[]>([]) // addresses of recent mail

let begun: Draft | null = null // as it was when it was begun
let kept = '' // content that is saved
let timer = 0
let since = 0 // when the first change was that is not saved
let saving: Promise<void> | undefined

export function newKey(): string {
	return `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`
}

// Storage of the browser, for what is not saved yet.

const tabKey = 'mox-webmail-writing'

function storeKey(key: string): string {
	return `mox-webmail-draft:${account.value?.Account ?? ''}:${key}`
}

interface Stored {
	draft: Draft
	kept: string
	time: number
}

function store(): void {
	const d = draft.value
	if (!d) return
	try {
		localStorage.setItem(storeKey(d.key), JSON.stringify({ draft: d, kept, time: Date.now() } satisfies Stored))
		sessionStorage.setItem(tabKey, d.key)
	} catch {
		// There is no room or no storage: the draft is saved at the server in a moment.
	}
}

function unstore(key: string): void {
	try {
		localStorage.removeItem(storeKey(key))
		sessionStorage.removeItem(tabKey)
	} catch {
		// There is no storage.
	}
}

function stored(key: string): Stored | undefined {
	try {
		const s = JSON.parse(localStorage.getItem(key) ?? 'null') as Stored | null
		return s?.draft?.key ? s : undefined
	} catch {
		return undefined
	}
}

// restore opens what was being written in this tab before it was loaded again, or in one that is gone without saving.
export function restore(): void {
	if (draft.value) return
	try {
		const mine = sessionStorage.getItem(tabKey)
		const found = mine ? stored(storeKey(mine)) : abandoned()
		if (!found) return
		resume(found)
		say('Here is what you were writing.')
	} catch {
		// There is no storage.
	}
}

// abandoned is a draft with unsaved changes of which no tab has heard for half a minute.
function abandoned(): Stored | undefined {
	const prefix = storeKey('')
	const all = Object.keys(localStorage).filter(k => k.startsWith(prefix)).flatMap(k => stored(k) ?? [])
	for (const s of all) if (content(s.draft) === s.kept && Date.now() - s.time > 86400_000) localStorage.removeItem(storeKey(s.draft.key))
	return all.filter(s => content(s.draft) !== s.kept && Date.now() - s.time > 30_000).sort((a, b) => b.time - a.time)[0]
}

function resume(s: Stored): void {
	batch(() => {
		draft.value = s.draft
		begun = s.draft
		kept = s.kept
		saved.value = 'saved'
		problem.value = ''
		opened.value++
	})
	store()
	void learn()
	if (content(s.draft) !== kept) later()
}

// heartbeat tells other tabs that this one is there.
setInterval(() => draft.value && store(), 10_000)

// begin opens a message to be written. What was being written is saved before.
export async function begin(d: Draft): Promise<void> {
	if (draft.value && !await close()) return
	batch(() => {
		draft.value = d
		begun = d
		kept = content(d) // as it began nobody would miss it
		saved.value = 'saved'
		problem.value = ''
		opened.value++
	})
	store()
	void learn()
}

// edit changes what is written.
export function edit(change: Partial<Draft>): void {
	if (!draft.value) return
	draft.value = { ...draft.value, ...change }
	if (content(draft.value) === kept) {
		clearTimeout(timer)
		since = 0
		saved.value = 'saved'
		store()
		return
	}
	saved.value = 'unsaved'
	store()
	later()
}

// chooseIdentity changes who a message is from, with the signature.
export function chooseIdentity(id: string): void {
	const d = draft.value
	if (!d) return
	edit({ identityId: id, text: resigned(d.text, chosenIdentity(d), identities.value.find(i => i.id === id)) })
}

// later saves when nothing was changed for a moment, or for long enough.
function later(): void {
	since ||= Date.now()
	clearTimeout(timer)
	timer = window.setTimeout(() => {
		save().catch(() => {}) // it is shown
	}, Math.max(0, Math.min(calm, since + latest - Date.now())))
}

// save puts the draft into Drafts, in the place of what is there of it. It throws if it cannot.
export async function save(): Promise<void> {
	while (saving) await saving
	if (!draft.value || sending.value || content(draft.value) === kept) return
	saving = saveNow().finally(() => {
		saving = undefined
	})
	await saving
}

async function saveNow(): Promise<void> {
	const d = draft.value!
	clearTimeout(timer)
	since = 0
	saved.value = 'saving'
	try {
		const r = await guard(jmap.call<SetResult>('Email/set', placed(d)))
		created(d, r)
		await relocate(d)
		problem.value = ''
		sync().catch(() => {})
	} catch (err) {
		if (draft.value?.key === d.key) {
			saved.value = 'failed'
			if (!signedOut(err)) problem.value = `Not saved: ${explain(err)}`
			// A network that is away comes back.
			timer = window.setTimeout(() => void save().catch(() => {}), 15_000)
		}
		throw err
	}
}

// placed has the arguments of Email/set that create a draft, and destroy the one before.
function placed(d: Draft): Record<string, unknown> {
	const drafts = role('drafts')
	if (!drafts) throw new Error('There is no mailbox for drafts. Make one, and name it “Drafts”')
	return { create: { d: email(d, chosenIdentity(d), drafts.id) }, ...d.emailId ? { destroy: [d.emailId] } : {} }
}

// created takes in that a draft was saved.
function created(d: Draft, r: SetResult): void {
	const refused = r.notCreated?.d
	if (refused) throw setError(refused)
	if (draft.value?.key !== d.key) return
	draft.value = { ...draft.value, emailId: r.created!.d!.id }
	kept = content(d)
	saved.value = content(draft.value) === kept ? 'saved' : 'unsaved'
	store()
}

// relocate finds out where attachments are now: the email that they were of, an earlier draft, is gone.
async function relocate(d: Draft): Promise<void> {
	if (d.attachments.length === 0 || draft.value?.key !== d.key) return
	const [got] = await methods(['Email/get', { ids: [draft.value.emailId], properties: ['attachments'], bodyProperties: ['blobId'] }])
	const parts = (got as unknown as { list: Pick<Full, 'attachments'>[] }).list[0]?.attachments ?? []
	if (parts.length !== d.attachments.length || draft.value?.key !== d.key) return
	const at = new Map(d.attachments.map((a, i) => [a.blobId, parts[i]!.blobId ?? a.blobId]))
	draft.value = { ...draft.value, attachments: draft.value.attachments.map(a => ({ ...a, blobId: at.get(a.blobId) ?? a.blobId })) }
	store()
}

// close saves what was written, and closes it. It tells whether it did: what cannot be saved stays.
export async function close(): Promise<boolean> {
	const d = draft.value
	if (!d) return true
	if (uploads.value.some(u => !u.error)) {
		problem.value = 'A file is still being uploaded. Wait until it is there, or remove it.'
		return false
	}
	if (begun && isBlank(d, begun)) {
		end()
		return true
	}
	try {
		await save()
	} catch {
		return false
	}
	const told = draft.value?.emailId
	end()
	if (told) say('Saved in Drafts.')
	return true
}

// discard throws away what was written, also what was saved of it.
export async function discard(): Promise<void> {
	while (saving) await saving.catch(() => {})
	const id = draft.value?.emailId
	end()
	say('Discarded.')
	if (!id) return
	try {
		await guard(jmap.call<SetResult>('Email/set', { destroy: [id] }))
		sync().catch(() => {})
	} catch (err) {
		fail('The draft was not deleted', err)
	}
}

function end(): void {
	clearTimeout(timer)
	since = 0
	for (const u of uploads.value) u.stop.abort()
	if (draft.value) unstore(draft.value.key)
	batch(() => {
		draft.value = null
		uploads.value = []
		problem.value = ''
		saved.value = 'saved'
	})
	begun = null
}

// unsent says why a draft cannot be sent yet, or is empty.
function unsent(d: Draft): string {
	const { to, cc, bcc, bad } = addressed(d)
	if (bad.length > 0) return `This is not an email address: ${bad.join(', ')}`
	if (to.length + cc.length + bcc.length === 0) return 'Say to whom it goes.'
	if (uploads.value.some(u => !u.error)) return 'A file is still being uploaded. Wait until it is there, or remove it.'
	if (!chosenIdentity(d)) return 'There is no address to send from.'
	if (!role('sent')) return 'There is no mailbox for what was sent. Make one, and name it “Sent”.'
	return ''
}

// doubt is what should be asked before sending, or is empty.
export function doubt(): string {
	const d = draft.value
	if (!d || unsent(d)) return ''
	if (d.attachments.length === 0 && promises(d.text)) return 'You write of an attachment, but there is none.'
	if (d.subject.trim() === '') return 'There is no subject.'
	return ''
}

// send sends what was written. It tells whether it did; the draft stays open otherwise.
export async function send(): Promise<boolean> {
	if (!draft.value || sending.value) return false
	problem.value = unsent(draft.value)
	if (problem.value) return false
	sending.value = true
	clearTimeout(timer)
	try {
		while (saving) await saving.catch(() => {})
		const d = draft.value
		await submit(d)
		end()
		say('Sent.')
		sync().catch(() => {})
		if (d.original && d.mark) await quietly({ [d.original]: { [`keywords/${d.mark}`]: true } })
		return true
	} catch (err) {
		saved.value = draft.value && content(draft.value) === kept ? 'saved' : 'unsaved'
		if (signedOut(err)) problem.value = 'It was not sent, since the session had ended. Send it again.'
		else if (codeOf(err) === 'network') problem.value = 'The server did not answer, so it may have been sent or not. Look into Sent before you send it again.'
		else problem.value = `Not sent: ${explain(err)}`
		return false
	} finally {
		sending.value = false
	}
}

// submit creates the email, and its submission: RFC 8621 7.5. An email whose submission is refused stays a draft.
async function submit(d: Draft): Promise<void> {
	const [set, submission] = await guard(jmap.request([
		['Email/set', placed(d)],
		['EmailSubmission/set', {
			create: { s: { identityId: chosenIdentity(d)!.id, emailId: '#d' } },
			onSuccessUpdateEmail: { '#s': { mailboxIds: { [role('sent')!.id]: true }, 'keywords/$draft': null } },
		}],
	]))
	if (set![0] === 'error') throw new MethodError(set![1])
	created(d, set![1] as unknown as SetResult)
	const [answer, result] = submission!
	const refused = (result as unknown as SetResult).notCreated?.s
	if (answer !== 'error' && !refused) return
	await relocate(d)
	throw answer === 'error' ? new MethodError(result) : setError(refused!)
}

let uploadKey = 0

// attach uploads files.
export function attach(files: Iterable<File>): void {
	for (const file of files) void attachOne(file)
}

async function attachOne(file: File): Promise<void> {
	const d = draft.value
	if (!d) return
	const u: Upload = { key: ++uploadKey, name: file.name || 'file', size: file.size, error: '', stop: new AbortController() }
	uploads.value = [...uploads.value, u]
	try {
		const blob = await guard(jmap.upload(file, file.type || 'application/octet-stream', u.stop.signal))
		if (draft.value?.key !== d.key || !uploads.value.includes(u)) return
		const a: Attachment = { blobId: blob.blobId, name: u.name, type: file.type || 'application/octet-stream', size: blob.size }
		uploads.value = uploads.value.filter(x => x !== u)
		edit({ attachments: [...draft.value.attachments, a] })
		say(`${u.name} is attached.`)
	} catch (err) {
		const text = signedOut(err) ? 'The session had ended. Add it again.' : explain(err)
		uploads.value = uploads.value.map(x => x === u ? { ...u, error: text } : x)
	}
}

export function removeUpload(u: Upload): void {
	u.stop.abort()
	uploads.value = uploads.value.filter(x => x.key !== u.key)
}

export function detach(index: number): void {
	if (draft.value) edit({ attachments: draft.value.attachments.filter((_, i) => i !== index) })
}

// unsaved tells that the browser should ask before the page is left.
export function unsaved(): boolean {
	return draft.value !== null && (saved.value !== 'saved' || uploads.value.some(u => !u.error) || sending.value)
}

let learned = 0

// learn gets addresses from recent mail, for completion.
async function learn(): Promise<void> {
	if (Date.now() - learned < 600_000) return
	learned = Date.now()
	try {
		const [, got] = await methods(
			['Email/query', { sort: [{ property: 'receivedAt', isAscending: false }], limit: 300 }],
			['Email/get', { '#ids': { resultOf: '0', name: 'Email/query', path: '/ids' }, properties: ['from', 'to', 'cc'] }],
		)
		recent.value = ranked((got as unknown as { list: Full[] }).list, isMe)
	} catch {
		learned = 0 // addresses can be typed in full
	}
}
