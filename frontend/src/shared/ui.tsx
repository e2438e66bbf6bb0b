// What the pages are made of.
import { signal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { ago, isZero, moment } from './format.ts'
import type { Loaded } from './hooks.ts'
import { state } from './session.ts'

// said is what was last announced, to eyes and to screen readers.
const said = signal('')
let saidTimer = 0

// say announces a result, such as "Saved.".
export function say(text: string): void {
	said.value = ''
	clearTimeout(saidTimer)
	// The same text twice is announced twice only if it was gone between.
	setTimeout(() => {
		said.value = text
	}, 50)
	saidTimer = window.setTimeout(() => {
		said.value = ''
	}, 6000)
}

// hush takes it away, when another page is opened.
export function hush(): void {
	clearTimeout(saidTimer)
	said.value = ''
}

export function Said() {
	return <div class="said" role="status" aria-live="polite">{said.value && <p>{said.value}</p>}</div>
}

export function Problem({ text, children }: { text?: string | undefined; children?: ComponentChildren }) {
	return <div role="alert">{(text || children) && <div class="alert">{text && <p>{text}</p>}{children}</div>}</div>
}

interface ButtonProps {
	children: ComponentChildren
	onClick?: () => void
	type?: 'button' | 'submit'
	main?: boolean
	danger?: boolean
	small?: boolean
	busy?: boolean
	disabled?: boolean
	label?: string // for screen readers, where the text alone does not say of what
	expanded?: boolean
}

export function Button(p: ButtonProps) {
	const kind = [p.main && 'main', p.danger && 'danger', p.small && 'small'].filter(Boolean).join(' ')
	// aria-disabled keeps the focus where it is while something is done.
	return <button type={p.type ?? 'button'} class={kind || undefined} aria-label={p.label} aria-busy={p.busy || undefined} aria-disabled={p.busy || undefined} aria-expanded={p.expanded} disabled={p.disabled} onClick={p.onClick && (() => p.busy || p.onClick!())}>{p.children}</button>
}

interface FieldProps {
	label: string
	value: string
	onInput: (value: string) => void
	hint?: ComponentChildren
	error?: string | undefined
	type?: 'text' | 'email' | 'url' | 'number'
	autocomplete?: string
	name?: string
	required?: boolean
	inputmode?: 'email' | 'numeric' | 'url'
	code?: boolean // what machines read: no spelling, no capitals
	rows?: number // of a text
	placeholder?: string
	readonly?: boolean
}

// machine has attributes for what is not of a language.
const machine: object = { spellcheck: false, autocapitalize: 'none', autocorrect: 'off' }

// describe joins the ids of what describes an input.
function describe(id: string, hint: unknown, error: unknown): string | undefined {
	return [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ') || undefined
}

function Around({ id, label, hint, error, children }: { id: string; label: string; hint?: ComponentChildren; error?: string | undefined; children: ComponentChildren }) {
	return <div class="field">
		<label for={id}>{label}</label>
		{hint && <p class="hint" id={`${id}-hint`}>{hint}</p>}
		{children}
		{error && <p class="fielderror" id={`${id}-error`}>{error}</p>}
	</div>
}

export function Field(p: FieldProps) {
	const id = useId()
	const common: object = {
		id, name: p.name, value: p.value, required: p.required, readOnly: p.readonly, placeholder: p.placeholder,
		class: p.code ? 'code' : undefined,
		autocomplete: p.autocomplete ?? 'off',
		...(p.code ? machine : {}),
		'aria-describedby': describe(id, p.hint, p.error), 'aria-invalid': p.error ? true : undefined,
	}
	const kind: object = { type: p.type ?? 'text', inputmode: p.inputmode }
	return <Around id={id} label={p.label} hint={p.hint} error={p.error}>
		{p.rows
			? <textarea {...common} rows={p.rows} onInput={e => p.onInput(e.currentTarget.value)} />
			: <input {...common} {...kind} onInput={e => p.onInput(e.currentTarget.value)} />}
	</Around>
}

interface PasswordProps {
	label: string
	value: string
	onInput: (value: string) => void
	autocomplete: 'current-password' | 'new-password'
	name: string
	hint?: ComponentChildren
	error?: string | undefined
	shown?: boolean // from the start
}

export function Password(p: PasswordProps) {
	const id = useId()
	const [shown, setShown] = useState(false)
	useEffect(() => setShown(p.shown ?? false), [p.shown])
	const kind: object = { type: shown ? 'text' : 'password' }
	return <Around id={id} label={p.label} hint={p.hint} error={p.error}>
		<div class="joined">
			<input {...machine} {...kind} id={id} name={p.name} value={p.value} required autocomplete={p.autocomplete} aria-describedby={describe(id, p.hint, p.error)} aria-invalid={p.error ? true : undefined} onInput={e => p.onInput(e.currentTarget.value)} />
			<button type="button" aria-controls={id} aria-label={`${shown ? 'Hide' : 'Show'} ${p.label.toLowerCase()}`} onClick={() => setShown(!shown)}>{shown ? 'Hide' : 'Show'}</button>
		</div>
	</Around>
}

// ForManager tells password managers whose password is asked for, where the page does not ask.
export function ForManager({ username }: { username: string }) {
	return <input class="offscreen" name="username" type="text" value={username} autocomplete="username" readOnly tabIndex={-1} aria-hidden="true" />
}

export function Tick({ label, hint, checked, onChange }: { label: string; hint?: ComponentChildren; checked: boolean; onChange: (checked: boolean) => void }) {
	const id = useId()
	return <div class="tick">
		<input type="checkbox" id={id} checked={checked} aria-describedby={hint ? `${id}-hint` : undefined} onChange={e => onChange(e.currentTarget.checked)} />
		<div><label for={id}>{label}</label>{hint && <p class="hint" id={`${id}-hint`}>{hint}</p>}</div>
	</div>
}

export function Choice({ label, value, options, onChange, hint }: { label: string; value: string; options: [string, string][]; onChange: (value: string) => void; hint?: ComponentChildren }) {
	const id = useId()
	return <Around id={id} label={label} hint={hint}>
		<select id={id} value={value} aria-describedby={describe(id, hint, undefined)} onChange={e => onChange(e.currentTarget.value)}>
			{options.map(([v, text]) => <option value={v} key={v} selected={v === value}>{text}</option>)}
		</select>
	</Around>
}

// copyText puts text on the clipboard; without the clipboard of secure sites, by the old way.
async function copyText(text: string): Promise<boolean> {
	if (navigator.clipboard) {
		try {
			await navigator.clipboard.writeText(text)
			return true
		} catch {
			// Not allowed; the old way may be.
		}
	}
	const area = document.createElement('textarea')
	area.value = text
	area.className = 'offscreen'
	const from = document.activeElement as HTMLElement | null
	document.body.append(area)
	area.select()
	const done = document.execCommand('copy')
	area.remove()
	from?.focus()
	return done
}

// Copy is a button that copies text; what says what it is.
export function Copy({ text, what, children }: { text: string; what: string; children?: ComponentChildren }) {
	const [copied, setCopied] = useState(false)
	const timer = useRef(0)
	useEffect(() => () => clearTimeout(timer.current), [])
	const copy = async () => {
		if (!await copyText(text)) {
			say('The browser does not let us copy. Mark the text and copy it yourself.')
			return
		}
		say(`Copied: ${what}.`)
		setCopied(true)
		clearTimeout(timer.current)
		timer.current = window.setTimeout(() => setCopied(false), 2000)
	}
	return <button type="button" class="small" aria-label={`Copy ${what}`} onClick={() => void copy()}>{copied ? 'Copied' : children ?? 'Copy'}</button>
}

// Value is text to be used elsewhere, with a button that copies it.
export function Value({ text, what }: { text: string; what: string }) {
	return <span class="copyable"><code>{text}</code><Copy text={text} what={what} /></span>
}

// Command is a line for a terminal.
export function Command({ text, what = 'command' }: { text: string; what?: string }) {
	return <div class="command"><code>{text}</code><Copy text={text} what={what} /></div>
}

export function When({ time, never = 'never' }: { time: string | null | undefined; never?: string }) {
	if (isZero(time)) return <>{never}</>
	return <time dateTime={time!} title={moment(time!)}>{ago(time)}</time>
}

// Page is a page with its heading, which has the focus after following a link.
export function Page({ title, lead, children }: { title: string; lead?: ComponentChildren; children: ComponentChildren }) {
	return <>
		<h1 tabIndex={-1}>{title}</h1>
		{lead && <p class="lead">{lead}</p>}
		{children}
	</>
}

// Section is part of a page.
export function Section({ title, children, actions }: { title: string; children: ComponentChildren; actions?: ComponentChildren }) {
	const id = useId()
	return <section aria-labelledby={id}>
		<div class="sectionhead"><h2 id={id}>{title}</h2>{actions}</div>
		{children}
	</section>
}

// Ready shows what was loaded, or why it was not.
export function Ready<T>({ from, children }: { from: Loaded<T>; children: (data: T) => ComponentChildren }) {
	if (from.data !== undefined) {
		return <>{from.error && <Problem text={from.error} />}{children(from.data)}</>
	}
	if (from.error) return <Problem text={from.error}><Button small onClick={() => void from.reload()}>Try again</Button></Problem>
	return <Waiting />
}

// Waiting says so only when it takes long enough to be noticed.
export function Waiting() {
	const [late, setLate] = useState(false)
	useEffect(() => {
		const t = setTimeout(() => setLate(true), 400)
		return () => clearTimeout(t)
	}, [])
	return <p class="waiting" role="status">{late ? 'Loading…' : ''}</p>
}

interface DialogProps {
	title: string
	kind?: string // class
	children: ComponentChildren
	onClose: () => void
}

// Dialog is before everything else until it is closed.
export function Dialog({ title, kind, children, onClose }: DialogProps) {
	const ref = useRef<HTMLDialogElement>(null)
	const before = useRef(document.activeElement as HTMLElement | null)
	const id = useId()
	const away = state.value === 'ended'
	// Before the next key is typed.
	useLayoutEffect(() => {
		// A dialog that is open makes all else inert, also when it is hidden.
		if (away) ref.current?.close()
		else ref.current?.showModal()
	}, [away])
	useEffect(() => {
		const from = before.current
		return () => {
			// What was asked about may be gone.
			if (from?.isConnected) from.focus()
			else document.querySelector('h1')?.focus()
		}
	}, [])
	return <dialog ref={ref} class={kind} aria-labelledby={id} onCancel={e => {
		e.preventDefault()
		onClose()
	}}>
		<h2 id={id}>{title}</h2>
		{children}
	</dialog>
}

interface AskProps {
	title: string
	children?: ComponentChildren
	action: string
	danger?: boolean
	busy?: boolean
	error?: string | undefined
	onYes: () => void
	onNo: () => void
}

// Ask is a question that has to be answered before anything else.
export function Ask(p: AskProps) {
	return <Dialog title={p.title} onClose={p.onNo}>
		{p.children}
		<Problem text={p.error} />
		<div class="buttons">
			<Button main={!p.danger} danger={p.danger} busy={p.busy} onClick={p.onYes}>{p.action}</Button>
			<Button onClick={p.onNo}>Cancel</Button>
		</div>
	</Dialog>
}

export interface Column<R> {
	head: string
	cell: (row: R) => ComponentChildren
	action?: boolean // buttons: no heading is shown
}

// Table has rows that become blocks on narrow screens.
export function Table<R>({ caption, columns, rows, rowKey }: { caption: string; columns: Column<R>[]; rows: R[]; rowKey: (row: R, index: number) => string }) {
	// Roles are given in full, since the display of blocks takes them away.
	return <table role="table">
		<caption class="offscreen">{caption}</caption>
		<thead role="rowgroup"><tr role="row">{columns.map(c => <th role="columnheader" scope="col" key={c.head}>{c.action ? <span class="offscreen">{c.head}</span> : c.head}</th>)}</tr></thead>
		<tbody role="rowgroup">{rows.map((row, i) => <tr role="row" key={rowKey(row, i)}>
			{columns.map(c => <td role="cell" key={c.head} class={c.action ? 'action' : undefined}>
				{!c.action && <span class="cellhead" aria-hidden="true">{c.head}</span>}
				<span class="cellbody">{c.cell(row)}</span>
			</td>)}
		</tr>)}</tbody>
	</table>
}

// toInvalid puts the focus on the first field with an error, once it is shown.
export function toInvalid(): void {
	setTimeout(() => document.querySelector<HTMLElement>('[aria-invalid]')?.focus(), 50)
}

// toHeading is where the focus goes when what had it is gone.
export function toHeading(): void {
	document.querySelector('h1')?.focus({ preventScroll: true })
}

// Form sends by button and by Enter.
export function Form({ onSubmit, children, label }: { onSubmit: () => void; children: ComponentChildren; label?: string }) {
	return <form noValidate aria-label={label} onSubmit={e => {
		e.preventDefault()
		onSubmit()
	}}>{children}</form>
}
