// The import of this tab: it goes on while other pages are looked at, and is found again when the page is loaded anew.
import { effect, signal } from '@preact/signals'
import type { ImportLimitsResult } from '../api/account.ts'
import { bytes } from '../shared/format.ts'
import { explain, guard, signedOut } from '../shared/session.ts'
import { say } from '../shared/ui.tsx'
import { account, api, refresh } from './client.ts'
import { advance, events, nothing, summary, type Progress } from './progress.ts'
import { upload } from './upload.ts'

// none: nothing was begun. sending: the file is on its way. running: the server imports it. ended: its progress has the
// end. lost: the server no longer knows of it.
export type Phase = 'none' | 'sending' | 'running' | 'ended' | 'lost'

export interface Import {
	phase: Phase
	file: string // its name
	sent: number // bytes
	size: number // bytes
	progress: Progress
	away: boolean // the server cannot be reached, and is tried again
	token: string
	error: string // why the file could not be sent
}

const idle: Import = { phase: 'none', file: '', sent: 0, size: 0, progress: nothing, away: false, token: '', error: '' }

export const current = signal<Import>(idle)

// Chosen is what the form has, which is kept until the file was sent.
interface Chosen {
	file?: File
	prefix: string // of names of mailboxes, to be left out
}

export const chosen = signal<Chosen>({ prefix: '' })

// choose puts into the form, and takes away what was told of what it had.
export function choose(change: Partial<Chosen>): void {
	chosen.value = { ...chosen.peek(), ...change }
	set({ error: '' })
}

function set(change: Partial<Import>): void {
	current.value = { ...current.peek(), ...change }
}

// Under this key the tab keeps the import that is running.
const key = 'mox-import'

interface Kept {
	account: string
	token: string
	file: string
}

function keep(k: Kept | null): void {
	try {
		if (k) sessionStorage.setItem(key, JSON.stringify(k))
		else sessionStorage.removeItem(key)
	} catch {
		// Without storage it is not found again.
	}
}

function kept(): Kept | null {
	try {
		return JSON.parse(sessionStorage.getItem(key) ?? 'null') as Kept | null
	} catch {
		return null
	}
}

// leave ends the upload, or looking at the import, which goes on.
let leave = () => {}

// forget makes room for another import.
export function forget(): void {
	leave()
	leave = () => {}
	keep(null)
	chosen.value = { prefix: '' }
	current.value = idle
}

// refusal is why a file of so many bytes cannot be imported now; empty: it can.
function refusal(limits: ImportLimitsResult, size: number): string {
	if (limits.Running) return 'Another import to the account has not ended yet. Try again when it has.'
	if (size > limits.MaxBytes) return `The file is too large: it can have ${bytes(limits.MaxBytes)}.`
	return ''
}

// send begins with an import of what was chosen.
export async function send(): Promise<void> {
	const { file, prefix } = chosen.value
	if (!file) return
	const mine = account.value!.Account
	const form = new FormData()
	form.append('skipMailboxPrefix', prefix.trim())
	form.append('file', file)
	current.value = { ...idle, phase: 'sending', file: file.name, size: file.size }
	let cancelled = false
	leave = () => {
		cancelled = true
	}
	try {
		// Before all of the file is sent: the server may refuse it after its first bytes.
		const text = refusal(await guard(api.importLimits()), file.size)
		if (cancelled) return
		if (text) {
			current.value = { ...idle, error: text }
			return
		}
		const { done, cancel } = upload('import', api.csrfToken, form, (sent, size) => set({ sent, size }))
		leave = cancel
		const answer = await guard(done) as { Token: string } | undefined
		if (!answer) return
		keep({ account: mine, token: answer.Token, file: file.name })
		chosen.value = { prefix: '' }
		follow(answer.Token, file.name)
	} catch (err) {
		if (!cancelled) current.value = { ...idle, error: signedOut(err) ? '' : explain(err) }
	}
}

// cancel ends an upload.
export function cancel(): void {
	leave()
	leave = () => {}
	current.value = idle
	say('The upload was cancelled. Nothing was imported.')
}

// follow looks at the progress of an import until it ends.
function follow(token: string, file: string): void {
	current.value = { ...idle, phase: 'running', file, token }
	const stream = new EventSource(`importprogress?token=${encodeURIComponent(token)}`)
	leave = () => stream.close()
	stream.onopen = () => set({ away: false }) // it goes on where it broke off
	stream.onerror = () => {
		if (stream.readyState !== EventSource.CLOSED) {
			set({ away: true })
			return
		}
		// Browsers also end the stream when they leave the page; then this comes to nothing.
		const lost = setTimeout(() => {
			keep(null)
			set({ phase: 'lost', away: false })
		}, 100)
		leave = () => clearTimeout(lost)
	}
	for (const name of events) {
		stream.addEventListener(name, e => {
			const progress = advance(current.peek().progress, name, e.data as string)
			set({ progress })
			if (progress.end) ended(stream)
		})
	}
}

function ended(stream: EventSource): void {
	stream.close()
	keep(null)
	const end = current.peek().progress.end!
	set({ phase: 'ended' })
	say(end.done ? `The import is done: ${summary(end)}` : 'The import has ended early.')
	refresh().catch(() => {}) // storage is told elsewhere
}

// stop has the server end the import.
export async function stop(): Promise<void> {
	await api.importAbort({ ImportToken: current.value.token })
}

// What is of one account is not for another, nor for who comes after signing out.
let owner: string | undefined
effect(() => {
	const name = account.value?.Account
	if (name === owner) return
	const before = owner
	owner = name
	if (before !== undefined) forget()
	const k = kept()
	if (name !== undefined && k?.account === name) follow(k.token, k.file)
})

// downloading is set while the browser is sent to a download, which to the page looks like being left.
let downloading = false

// download lets submit send the browser to a download.
export function download(submit: () => void): void {
	downloading = true
	submit()
	setTimeout(() => {
		downloading = false
	}, 2000)
}

addEventListener('beforeunload', e => {
	if (current.value.phase === 'sending' && !downloading) e.preventDefault()
})
