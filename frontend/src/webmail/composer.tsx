// The page part in which a message is written.
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { bytes } from '../shared/format.ts'
import { Button, Problem } from '../shared/ui.tsx'
import { format, lastPart, suggest } from './addresses.ts'
import { asking } from './commands.ts'
import { attach, chooseIdentity, close, detach, doubt, draft, edit, opened, problem, recent, removeUpload, saved, send, sending, uploads } from './composing.ts'
import type { Draft } from './draft.ts'
import { Icon, IconButton } from './icons.tsx'
import { identities } from './mail.ts'

interface RecipientsProps {
	label: string
	name: string
	value: string
	onInput: (value: string) => void
}

// Recipients is a list of addresses, completed from recent mail: a combobox, ARIA APG.
function Recipients({ label, name, value, onInput }: RecipientsProps) {
	const id = useId()
	const [at, setAt] = useState(-1)
	const [open, setOpen] = useState(false)
	const { before, part } = lastPart(value)
	const found = open ? suggest(recent.value, part) : []
	const take = (i: number) => {
		const a = found[i]
		if (!a) return
		onInput(`${before}${before === '' ? '' : ' '}${format(a)}, `)
		setOpen(false)
		setAt(-1)
	}
	return <div class="recipients">
		<label for={id}>{label}</label>
		<input id={id} name={name} type="text" role="combobox" autocomplete="off" spellcheck={false} aria-autocomplete="list" aria-expanded={found.length > 0} aria-controls={`${id}-list`} aria-activedescendant={at >= 0 && found[at] ? `${id}-${at}` : undefined} value={value}
			onInput={e => {
				onInput(e.currentTarget.value)
				setOpen(true)
				setAt(0)
			}}
			onBlur={() => setOpen(false)}
			onKeyDown={e => {
				if (found.length === 0) return
				if (e.key === 'ArrowDown') setAt((at + 1) % found.length)
				else if (e.key === 'ArrowUp') setAt((at + found.length - 1) % found.length)
				else if ((e.key === 'Enter' || e.key === 'Tab') && at >= 0) take(at)
				else if (e.key === 'Escape') setOpen(false)
				else return
				e.preventDefault()
				e.stopPropagation()
			}} />
		<ul role="listbox" id={`${id}-list`} aria-label={`Suggestions for ${label}`} hidden={found.length === 0}>{found.map((a, i) => <li key={a.email} id={`${id}-${i}`} role="option" aria-selected={i === at} onPointerDown={e => {
			e.preventDefault()
			take(i)
		}}>{a.name && <strong>{a.name} </strong>}<span class="soft">{a.email}</span></li>)}</ul>
	</div>
}

function Files({ d }: { d: Draft }) {
	if (d.attachments.length === 0 && uploads.value.length === 0) return null
	return <ul class="files" aria-label="Attachments">
		{d.attachments.map((a, i) => <li key={`${a.blobId} ${i}`}><Icon name="attach" /><span class="filename">{a.name}</span><span class="soft">{bytes(a.size)}</span><IconButton icon="close" name={`Remove ${a.name}`} onClick={() => detach(i)} /></li>)}
		{uploads.value.map(u => <li key={u.key} class={u.error ? 'failed' : 'busy'}><Icon name="attach" /><span class="filename">{u.name}</span><span class={u.error ? 'bad' : 'soft'}>{u.error ? `Not attached: ${u.error}` : 'Uploading…'}</span><IconButton icon="close" name={`Remove ${u.name}`} onClick={() => removeUpload(u)} /></li>)}
	</ul>
}

const savedText = { saved: 'Saved', unsaved: 'Not saved yet', saving: 'Saving…', failed: 'Not saved' }

// trySend sends, after asking what may have been forgotten.
export function trySend(): void {
	const text = doubt()
	if (text) asking.value = { kind: 'doubt', text }
	else void send().then(focusProblem)
}

// focusProblem goes where something has to be put right.
export function focusProblem(sent: boolean): void {
	if (!sent) document.querySelector<HTMLElement>('.composer input[name=to]')?.focus()
}

// leave closes the composer and gives the focus back.
async function leave(): Promise<void> {
	if (await close()) document.querySelector<HTMLElement>('.conversation h2, .mailrow.cursor a, h1')?.focus()
}

function From({ d }: { d: Draft }) {
	const id = useId()
	if (identities.value.length < 2) return null
	return <div class="recipients"><label for={id}>From</label>
		<select id={id} value={d.identityId} onChange={e => chooseIdentity(e.currentTarget.value)}>{identities.value.map(i => <option key={i.id} value={i.id} selected={i.id === d.identityId}>{format(i)}</option>)}</select></div>
}

export function Composer() {
	const d = draft.value
	if (!d) return null
	return <Writing key={d.key} d={d} />
}

function Writing({ d }: { d: Draft }) {
	const box = useRef<HTMLElement>(null)
	const files = useRef<HTMLInputElement>(null)
	const text = useRef<HTMLTextAreaElement>(null)
	const [others, setOthers] = useState(d.cc !== '' || d.bcc !== '')
	const [over, setOver] = useState(false)
	const subject = useId()
	const textId = useId()
	const title = d.subject.trim() || 'New message'
	// Before the next key: what is typed belongs here.
	useLayoutEffect(() => {
		if (d.to === '') box.current?.querySelector<HTMLInputElement>('input[name=to]')?.focus()
		else {
			text.current?.focus()
			text.current?.setSelectionRange(0, 0)
			if (text.current) text.current.scrollTop = 0
		}
	}, [opened.value])
	return <section ref={box} class={over ? 'composer over' : 'composer'} aria-label="Message that you write"
		onKeyDown={e => {
			if ((e.ctrlKey || e.metaKey) && e.key === 'Enter') {
				e.preventDefault()
				trySend()
			} else if (e.key === 'Escape' && !e.defaultPrevented) {
				e.preventDefault()
				void leave()
			}
		}}
		onDragOver={e => {
			if (!e.dataTransfer?.types.includes('Files')) return
			e.preventDefault()
			setOver(true)
		}}
		onDragLeave={e => {
			if (!box.current?.contains(e.relatedTarget as Node | null)) setOver(false)
		}}
		onDrop={e => {
			setOver(false)
			if (!e.dataTransfer?.files.length) return
			e.preventDefault()
			attach([...e.dataTransfer.files])
		}}
		onPaste={e => {
			if (!e.clipboardData?.files.length) return
			e.preventDefault()
			attach([...e.clipboardData.files])
		}}>
		<div class="composerhead"><h2>{title}</h2><span class="soft" role="status">{d.emailId || saved.value !== 'saved' ? savedText[saved.value] : ''}</span><IconButton icon="close" name="Save and close" shortcut="Esc" onClick={() => void leave()} /></div>
		<div class="fields">
			<From d={d} />
			<div class="torow"><Recipients label="To" name="to" value={d.to} onInput={to => edit({ to })} />
				{!others && <button type="button" class="plainly" onClick={() => {
					setOthers(true)
					setTimeout(() => box.current?.querySelector<HTMLInputElement>('input[name=cc]')?.focus(), 0)
				}}>Cc and Bcc</button>}</div>
			{others && <><Recipients label="Cc" name="cc" value={d.cc} onInput={cc => edit({ cc })} /><Recipients label="Bcc" name="bcc" value={d.bcc} onInput={bcc => edit({ bcc })} /></>}
			<div class="recipients"><label for={subject}>Subject</label><input id={subject} name="subject" type="text" autocomplete="off" value={d.subject} onInput={e => edit({ subject: e.currentTarget.value })} /></div>
		</div>
		<label class="offscreen" for={textId}>Text</label>
		<textarea ref={text} id={textId} name="text" value={d.text} onInput={e => edit({ text: e.currentTarget.value })} />
		<Files d={d} />
		<Problem text={problem.value} />
		<div class="composerfoot">
			<Button main busy={sending.value} onClick={trySend}>{sending.value ? 'Sending…' : 'Send'}</Button>
			<IconButton icon="attach" name="Attach files" onClick={() => files.current?.click()} />
			<input ref={files} type="file" multiple hidden aria-label="Files to attach" onChange={e => {
				attach([...e.currentTarget.files ?? []])
				e.currentTarget.value = ''
			}} />
			<span class="grow soft hintkey">Ctrl-Enter sends</span>
			<IconButton icon="trash" name="Discard" onClick={() => { asking.value = { kind: 'discard' } }} />
		</div>
	</section>
}
