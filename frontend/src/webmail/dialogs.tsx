// Questions and choices.
import type { ComponentChildren } from 'preact'
import { useEffect, useId, useMemo, useRef, useState } from 'preact/hooks'
import { count } from '../shared/format.ts'
import { useAction, useLoad } from '../shared/hooks.ts'
import { guard } from '../shared/session.ts'
import { Ask, Button, Dialog, Field, Form, Problem, Ready, say } from '../shared/ui.tsx'
import { allIn, currentRows, destroy, destroyEmails, keyword, move } from './actions.ts'
import { api, jmap } from './client.ts'
import { asking, commands, type Command } from './commands.ts'
import { discard, send } from './composing.ts'
import { focusProblem } from './composer.tsx'
import { download, fullEmail } from './full.ts'
import { Icon, roleIcon } from './icons.tsx'
import { refused, type SetResult } from './jmap.ts'
import { view } from './list.ts'
import { hue, labelProblem, labels, matching } from './mailboxes.ts'
import { head, knownLabels, mailbox, nodes, role, setLabels, sync, threadOf, version } from './mail.ts'
import { boxLink, go, openThread } from './place.ts'

const shut = () => {
	asking.value = null
}

interface PickProps<T> {
	label: string
	find: (text: string) => T[]
	keyOf: (item: T) => string
	show: (item: T) => ComponentChildren
	take: (item: T) => void
	extra?: (text: string) => ComponentChildren
}

// Pick is a list that gets shorter as one types: a combobox whose list is always there, ARIA APG.
function Pick<T>({ label, find, keyOf, show, take, extra }: PickProps<T>) {
	const [text, setText] = useState('')
	const [at, setAt] = useState(0)
	const id = useId()
	const list = useRef<HTMLUListElement>(null)
	const found = find(text)
	useEffect(() => list.current?.children[at]?.scrollIntoView({ block: 'nearest' }), [at])
	return <>
		<input class="pick" type="text" role="combobox" autocomplete="off" spellcheck={false} aria-label={label} placeholder={label} aria-expanded={true} aria-controls={`${id}-list`} aria-activedescendant={found[at] ? `${id}-${at}` : undefined} value={text}
			onInput={e => {
				setText(e.currentTarget.value)
				setAt(0)
			}}
			onKeyDown={e => {
				if (e.key === 'ArrowDown') setAt(Math.min(at + 1, found.length - 1))
				else if (e.key === 'ArrowUp') setAt(Math.max(at - 1, 0))
				else if (e.key === 'Enter' && found[at]) take(found[at])
				else return
				e.preventDefault()
			}} />
		<ul class="picks" role="listbox" id={`${id}-list`} aria-label={label} ref={list} tabIndex={-1}>{found.map((item, i) => <li key={keyOf(item)} id={`${id}-${i}`} role="option" aria-selected={i === at} onClick={() => take(item)}>{show(item)}</li>)}</ul>
		{found.length === 0 && !extra && <p class="soft">Nothing has that name.</p>}
		{extra?.(text.trim())}
	</>
}

function Move() {
	// The selection may change below the dialog.
	const rows = useMemo(currentRows, [])
	const here = view.value.mailboxId
	return <Dialog title="Move to" kind="picker" onClose={shut}>
		<Pick label="Mailbox" find={text => matching(nodes.value, text).filter(n => n.box.id !== here)} keyOf={n => n.box.id}
			show={n => <><Icon name={roleIcon(n.box.role)} /><span>{n.path}</span></>}
			take={n => {
				shut()
				void move(n.box.id, openThread.value && rows.length === 0 ? undefined : rows)
			}} />
		<div class="buttons"><Button onClick={shut}>Cancel</Button></div>
	</Dialog>
}

function Labels() {
	void version.value
	const rows = useMemo(currentRows, [])
	const emails = rows.length > 0 ? rows.flatMap(id => head(id) ?? []).flatMap(h => [h, ...threadOf(h.threadId)]) : threadOf(openThread.value)
	const has = new Set(emails.flatMap(h => labels(h.keywords)))
	const [text, setText] = useState('')
	const [error, setError] = useState<string>()
	const set = (name: string, on: boolean) => void keyword(name, on, on ? `Label “${name}” added.` : `Label “${name}” removed.`, openThread.value && rows.length === 0 ? undefined : rows)
	const make = () => {
		const name = text.trim().toLowerCase()
		const bad = labelProblem(name)
		setError(bad)
		if (bad) return
		setLabels([...new Set([...knownLabels.value, name])].sort())
		set(name, true)
		setText('')
	}
	return <Dialog title="Labels" kind="picker" onClose={shut}>
		{knownLabels.value.length === 0 && <p class="soft">There are no labels yet. Mail programs see them as keywords of messages.</p>}
		<ul class="ticks">{knownLabels.value.map(name => <li key={name}><label><input type="checkbox" checked={has.has(name)} onChange={e => set(name, e.currentTarget.checked)} /><span class={`dot hue${hue(name)}`} />{name}</label>
			{!has.has(name) && <button type="button" class="plainly" aria-label={`Forget label ${name}`} title="Take it off this list, until it is seen in a message again" onClick={() => setLabels(knownLabels.value.filter(l => l !== name))}>Forget</button>}</li>)}</ul>
		<Form label="New label" onSubmit={make}>
			<Field label="New label" name="label" value={text} onInput={setText} error={error} code />
			<div class="buttons"><Button type="submit">Add</Button><Button main onClick={shut}>Done</Button></div>
		</Form>
	</Dialog>
}

function Destroy({ ids }: { ids: string[] }) {
	const action = useAction()
	return <Ask title={`Delete ${count(ids.length, 'message')} for good?`} action="Delete" danger busy={action.busy} error={action.error} onNo={shut} onYes={() => void action.run(async () => {
		await destroy(ids)
		shut()
		say(`${count(ids.length, 'message')} deleted for good.`)
		if (openThread.value && threadOf(openThread.value).length === 0) go(boxLink(view.value.mailboxId ?? ''), true)
	})}><p>They cannot be brought back here.</p></Ask>
}

function Empty({ mailboxId }: { mailboxId: string }) {
	const action = useAction()
	const box = mailbox(mailboxId)
	return <Ask title={`Delete all of ${box?.name ?? 'the mailbox'} for good?`} action="Delete all" danger busy={action.busy} error={action.error} onNo={shut} onYes={() => void action.run(async () => {
		const ids = await allIn(mailboxId)
		await destroyEmails(ids)
		await sync()
		shut()
		say(`${count(ids.length, 'message')} deleted for good.`)
	})}><p>{count(box?.totalEmails ?? 0, 'message')} cannot be brought back here.</p></Ask>
}

// mailboxNames sees to names of mailboxes, RFC 8621 2.
function nameProblem(name: string): string | undefined {
	if (name.trim() === '') return 'Type a name.'
	return undefined
}

function NewMailbox({ parentId }: { parentId: string | null }) {
	const parent = parentId ? mailbox(parentId) : undefined
	return <NameMailbox title={parent ? `New mailbox in ${parent.name}` : 'New mailbox'} name="" action="Make it" save={async name => {
		const r = await guard(jmap.call<SetResult>('Mailbox/set', { create: { m: { name, parentId } } }))
		refused(r)
		await sync()
		shut()
		say(`Mailbox “${name}” made.`)
		go(boxLink(r.created!.m!.id))
	}} />
}

function RenameMailbox({ mailboxId }: { mailboxId: string }) {
	const box = mailbox(mailboxId)
	return <NameMailbox title={`Rename ${box?.name ?? 'the mailbox'}`} name={box?.name ?? ''} action="Rename" save={async name => {
		refused(await guard(jmap.call<SetResult>('Mailbox/set', { update: { [mailboxId]: { name } } })))
		await sync()
		shut()
		say(`It is “${name}” now.`)
	}} />
}

function NameMailbox({ title, name, action: text, save }: { title: string; name: string; action: string; save: (name: string) => Promise<void> }) {
	const [value, setValue] = useState(name)
	const [error, setError] = useState<string>()
	const action = useAction()
	return <Dialog title={title} onClose={shut}><Form label={title} onSubmit={() => {
		const bad = nameProblem(value)
		setError(bad)
		if (!bad) void action.run(() => save(value.trim()))
	}}>
		<Field label="Name" name="mailbox" value={value} onInput={setValue} error={error} />
		<Problem text={action.error} />
		<div class="buttons"><Button type="submit" main busy={action.busy}>{text}</Button><Button onClick={shut}>Cancel</Button></div>
	</Form></Dialog>
}

function DeleteMailbox({ mailboxId }: { mailboxId: string }) {
	const box = mailbox(mailboxId)
	const action = useAction()
	const n = box?.totalEmails ?? 0
	return <Ask title={`Delete the mailbox ${box?.name ?? ''}?`} action="Delete" danger busy={action.busy} error={action.error} onNo={shut} onYes={() => void action.run(async () => {
		refused(await guard(jmap.call<SetResult>('Mailbox/set', { destroy: [mailboxId], onDestroyRemoveEmails: true })))
		const inbox = role('inbox')
		if (inbox) go(boxLink(inbox.id), true)
		await sync()
		shut()
		say('Mailbox deleted.')
	})}><p>{n > 0 ? `${count(n, 'message')} in it ${n === 1 ? 'is' : 'are'} deleted for good.` : 'It is empty.'}</p></Ask>
}

// Most of a source that is shown.
const longest = 512 * 1024

function Source({ emailId }: { emailId: string }) {
	const source = useLoad(async () => {
		const m = await fullEmail(emailId)
		const blob = await jmap.download(m.blobId, 'message.eml', 'message/rfc822')
		return { m, size: blob.size, text: await blob.slice(0, longest).text() }
	}, emailId)
	const action = useAction()
	return <Dialog title="Source of the message" kind="large" onClose={shut}>
		<Ready from={source}>{d => <>
			<pre class="source" tabIndex={0} role="region" aria-label="Source">{d.text}</pre>
			{d.size > longest && <p class="soft">Only the first {longest / 1024} KiB are shown.</p>}
			<Problem text={action.error} />
		</>}</Ready>
		<div class="buttons"><Button main onClick={shut}>Close</Button>
			{source.data && <Button busy={action.busy} onClick={() => void action.run(() => download(source.data!.m.blobId, 'message.eml', 'message/rfc822'))}>Download</Button>}</div>
	</Dialog>
}

const keyNames: Record<string, string> = { 'ArrowDown': '↓', 'ArrowUp': '↑', 'Control+K': 'Ctrl-K', 'Escape': 'Esc', 'Shift+I': 'Shift-I', 'Shift+U': 'Shift-U' }

function Keys({ c }: { c: Command }) {
	return <>{c.keys.map((k, i) => <span key={k}>{i > 0 && ' or '}{(k in keyNames ? [keyNames[k]!] : k.split(' ')).map((part, j) => <span key={j}>{j > 0 && ' then '}<kbd>{part}</kbd></span>)}</span>)}</>
}

const operators: [string, string][] = [
	['from:jo', 'from somebody; also to:, cc:, subject:, body:'], ['"two words"', 'these words, one after the other'], ['-word', 'without that; also -from:jo'],
	['has:attachment', 'with files'], ['is:unread', 'also is:starred, is:answered, is:draft'], ['in:archive', 'in a mailbox; in:anywhere: trash and junk too'],
	['label:work', 'with a label'], ['after:2026-05-01', 'since a day; also before:'], ['larger:5M', 'also smaller:'],
]

function Help() {
	const groups = [...new Set(commands.map(c => c.group))]
	const version = useLoad(() => api.version())
	return <Dialog title="Keys and help" kind="large help" onClose={shut}>
		<div class="columns">
			{groups.map(g => <div key={g}><h3>{g}</h3><dl>{commands.filter(c => c.group === g && c.keys.length > 0).map(c => <div key={c.name}><dt>{c.name}</dt><dd><Keys c={c} /></dd></div>)}
				{g === 'Writing' && <div><dt>Send</dt><dd><kbd>Ctrl-Enter</kbd></dd></div>}</dl></div>)}
			<div><h3>Search</h3><dl>{operators.map(([o, text]) => <div key={o}><dt>{text}</dt><dd><code>{o}</code></dd></div>)}</dl></div>
		</div>
		<p class="soft">mox {version.data?.Version ?? ''}. <a href="licenses.txt" target="_blank">Licenses</a></p>
		<div class="buttons"><Button main onClick={shut}>Close</Button></div>
	</Dialog>
}

function Palette() {
	const able = useMemo(() => commands.filter(c => !c.able || c.able()), [])
	interface Choice { key: string; name: string; run: () => void; command?: Command }
	const all: Choice[] = [
		...able.filter(c => c.name !== 'All commands').map(c => ({ key: c.name, name: c.name, run: c.run, command: c })),
		...nodes.value.map(n => ({ key: `box ${n.box.id}`, name: `Go to ${n.path}`, run: () => go(boxLink(n.box.id)) })),
	]
	return <Dialog title="All commands" kind="picker" onClose={shut}>
		<Pick label="What to do" find={text => all.filter(c => text.toLowerCase().split(/\s+/).every(w => c.name.toLowerCase().includes(w)))} keyOf={c => c.key}
			show={c => <><span class="grow">{c.name}</span>{c.command && <Keys c={c.command} />}</>}
			take={c => {
				shut()
				// The focus is back where it was by then.
				setTimeout(c.run, 0)
			}} />
	</Dialog>
}

function Discard() {
	return <Ask title="Discard what you have written?" action="Discard" danger onNo={shut} onYes={() => {
		shut()
		void discard()
	}}><p>The draft is deleted for good.</p></Ask>
}

function Doubt({ text }: { text: string }) {
	return <Ask title="Send it all the same?" action="Send" onNo={shut} onYes={() => {
		shut()
		void send().then(focusProblem)
	}}><p>{text}</p></Ask>
}

// Dialogs shows what is asked.
export function Dialogs() {
	const a = asking.value
	switch (a?.kind) {
		case undefined: return null
		case 'help': return <Help />
		case 'palette': return <Palette />
		case 'move': return <Move />
		case 'labels': return <Labels />
		case 'destroy': return <Destroy ids={a.ids} />
		case 'empty': return <Empty mailboxId={a.mailboxId} />
		case 'newMailbox': return <NewMailbox parentId={a.parentId} />
		case 'renameMailbox': return <RenameMailbox mailboxId={a.mailboxId} />
		case 'deleteMailbox': return <DeleteMailbox mailboxId={a.mailboxId} />
		case 'source': return <Source emailId={a.emailId} />
		case 'discard': return <Discard />
		case 'doubt': return <Doubt text={a.text} />
	}
}
