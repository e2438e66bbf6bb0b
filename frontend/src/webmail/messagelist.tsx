// The list of conversations: only the rows that are seen are in the page.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { count } from '../shared/format.ts'
import { epoch } from '../shared/session.ts'
import { Button, Problem, Waiting } from '../shared/ui.tsx'
import { display, displayShort } from './addresses.ts'
import { archive, fail, junk, markRead, mute, muted, notJunk, star } from './actions.ts'
import { asking, everything, inJunk, listTitle, moved, remove } from './commands.ts'
import { begin, newKey } from './composing.ts'
import { reopened } from './draft.ts'
import { longDate, shortDate } from './dates.ts'
import { fullEmail, plainText } from './full.ts'
import { Icon, IconButton, Muted } from './icons.tsx'
import { again, changed, cursor, error, loaded, problems, refresh, rows, select, selected, selectNone, snippets, view, want } from './list.ts'
import { hue, labels } from './mailboxes.ts'
import { arrived, head, identities, isMe, mailbox, role, threadOf, version } from './mail.ts'
import { Menu } from './menu.tsx'
import { go, listLink, openThread } from './place.ts'
import { pieces } from './searchquery.ts'
import type { Head } from './types.ts'

// Height of a row, in pixels: that of .row in webmail.css.
const height = 84

// Rows beyond those that are seen.
const margin = 8

// editDraft opens a draft to be written on.
export async function editDraft(id: string): Promise<void> {
	try {
		const m = await fullEmail(id)
		await begin(reopened(newKey(), m, plainText(m), identities.value))
	} catch (err) {
		fail('The draft was not opened', err)
	}
}

// isDraft tells that a row is a draft, and no conversation besides.
function isDraft(h: Head): boolean {
	return Boolean(h.keywords.$draft) && view.value.mailboxId === role('drafts')?.id
}

// openHead opens a conversation, or a draft.
export function openHead(h: Head): void {
	cursor.value = h.id
	if (isDraft(h)) void editDraft(h.id)
	else go(listLink(h.threadId))
}

// people are those of a conversation, as a row shows them.
function people(h: Head, thread: Head[]): string {
	const box = view.value.mailboxId
	if (box && (box === role('sent')?.id || box === role('drafts')?.id)) {
		const to = (h.to ?? []).map(display)
		return to.length > 0 ? `To ${to.join(', ')}` : 'Nobody yet'
	}
	const shown = thread.filter(x => !x.keywords.$draft)
	const all = shown.length > 0 ? shown : [h]
	const names = new Map<string, string>()
	for (const x of all) {
		const a = x.from?.[0]
		if (a) names.set(a.email.toLowerCase(), isMe(a.email) ? 'me' : all.length > 1 ? displayShort(a) : display(a))
	}
	const list = names.size === 1 && all.length > 1 && !isMe(h.from?.[0]?.email ?? '') ? [display(h.from?.[0])] : [...names.values()]
	return list.join(', ') || 'Unknown sender'
}

function Marked({ text }: { text: string }) {
	return <>{pieces(text).map((p, i) => p.mark ? <mark key={i}>{p.text}</mark> : p.text)}</>
}

export function Label({ name }: { name: string }) {
	return <span class={`label hue${hue(name)}`}>{name}</span>
}

interface RowProps {
	id: string
	index: number
	total: number
}

function Row({ id, index, total }: RowProps) {
	void version.value // of what is read below, which is no signal
	const h = head(id)
	if (!h) return <li class="mailrow waiting" style={{ transform: `translateY(${index * height}px)` }} aria-setsize={total} aria-posinset={index + 1}><span class="offscreen">Loading…</span></li>
	const known = threadOf(h.threadId)
	const thread = known.length > 0 ? known : [h]
	const unread = thread.some(x => !x.keywords.$seen && (!view.value.mailboxId || x.mailboxIds[view.value.mailboxId]))
	const starred = thread.some(x => x.keywords.$flagged)
	const on = selected.value.has(id)
	const open = openThread.value === h.threadId
	const who = people(h, thread)
	const subject = h.subject || '(no subject)'
	const found = snippets.value.get(id)
	const tags = [...new Set(thread.flatMap(x => labels(x.keywords)))]
	const drafts = thread.some(x => x.keywords.$draft)
	return <li class={['mailrow', unread && 'unread', on && 'on', open && 'open', cursor.value === id && 'cursor'].filter(Boolean).join(' ')}
		style={{ transform: `translateY(${index * height}px)` }} aria-setsize={total} aria-posinset={index + 1} draggable
		onDragStart={e => {
			e.dataTransfer!.setData('application/x-mox-rows', JSON.stringify(on ? [...selected.value] : [id]))
			e.dataTransfer!.effectAllowed = 'move'
		}}
		onClick={e => {
			if ((e.target as Element).closest('a, input, button')) return
			if (e.shiftKey || e.ctrlKey || e.metaKey) select(id, !on, e.shiftKey)
			else openHead(h)
		}}>
		<input type="checkbox" aria-label={`Select “${subject}”`} checked={on} onClick={e => {
			const want = e.currentTarget.checked
			cursor.value = id
			select(id, want, e.shiftKey)
		}} />
		<a class="about" href={listLink(h.threadId)} data-row={id} draggable={false} aria-current={open ? 'true' : undefined} onFocus={() => {
			cursor.value = id
		}} onClick={e => {
			if (e.ctrlKey || e.metaKey) return // another tab
			e.preventDefault()
			if (e.shiftKey) select(id, true, true)
			else openHead(h)
		}}>
			<span class="fromline">{unread && <span class="offscreen">Unread: </span>}<span class="names">{who}</span>{thread.length > 1 && <span class="size" title={`${thread.length} messages`}>{thread.length}<span class="offscreen"> messages</span></span>}{drafts && !isDraft(h) && <span class="drafty">Draft</span>}</span>
			<span class="subject">{found?.subject ? <Marked text={found.subject} /> : subject}</span>
			<span class="preview">{tags.map(l => <Label key={l} name={l} />)}{found?.preview ? <Marked text={found.preview} /> : h.preview || 'No text'}</span>
		</a>
		<span class="aside">
			<time dateTime={h.receivedAt} title={longDate(h.receivedAt)}>{shortDate(h.receivedAt)}</time>
			<span class="signs">{thread.some(x => x.keywords.$muted) && <Muted />}{thread.some(x => x.hasAttachment) && <span class="clip" title="Has attachments"><Icon name="attach" /><span class="offscreen">Has attachments</span></span>}
				<button type="button" class="tool star" tabIndex={-1} aria-label={`Star “${subject}”`} aria-pressed={starred} onClick={() => void star([id])}><Icon name="star" /></button></span>
		</span>
	</li>
}

// Bar has what can be done with the rows that are selected.
function Bar() {
	void version.value
	const n = selected.value.size
	const unread = [...selected.value].some(id => !head(id)?.keywords.$seen)
	return <div class="bulk" role="toolbar" aria-label="For what is selected">
		<IconButton icon="close" name="Select nothing" onClick={selectNone} />
		<strong>{n}</strong>
		<span class="grow" />
		<IconButton icon="archive" name="Archive" shortcut="e" onClick={() => void archive()} />
		<IconButton icon="trash" name="Delete" shortcut="#" onClick={remove} />
		{inJunk() ? <IconButton icon="inbox" name="Not junk" shortcut="!" onClick={() => void notJunk()} /> : <IconButton icon="junk" name="Junk" shortcut="!" onClick={() => void junk()} />}
		<IconButton icon="folder" name="Move to a mailbox" shortcut="v" onClick={() => { asking.value = { kind: 'move' } }} />
		<Menu name="More" items={[
			{ name: unread ? 'Mark as read' : 'Mark as unread', run: () => void markRead(unread) },
			{ name: 'Star, or not', run: () => void star() },
			{ name: muted([...selected.value]) ? 'Unmute' : 'Mute', run: () => void mute() },
			{ name: 'Labels…', run: () => { asking.value = { kind: 'labels' } } },
		]} />
	</div>
}

function Heading() {
	void changed.value
	const box = view.value.mailboxId ? mailbox(view.value.mailboxId) : undefined
	const n = rows.value.total
	const items = [{ name: 'Select all', run: everything, disabled: n === 0 }]
	if (box) {
		items.push({ name: 'New mailbox in it…', run: () => { asking.value = { kind: 'newMailbox', parentId: box.id } }, disabled: box.myRights.mayCreateChild === false })
		items.push({ name: 'Rename…', run: () => { asking.value = { kind: 'renameMailbox', mailboxId: box.id } }, disabled: box.role === 'inbox' || box.myRights.mayRename === false })
		items.push({ name: 'Delete mailbox…', run: () => { asking.value = { kind: 'deleteMailbox', mailboxId: box.id } }, disabled: box.role !== null || box.myRights.mayDelete === false })
		if (box.role === 'trash' || box.role === 'junk') items.push({ name: 'Delete all for good…', run: () => { asking.value = { kind: 'empty', mailboxId: box.id } }, disabled: n === 0 })
	}
	return <div class="listhead">
		<div class="titles"><h2>{listTitle()}</h2>
			<p class="soft">{loaded.value ? count(n, 'conversation') : ' '}</p></div>
		<Menu name="For this list" items={items} />
	</div>
}

// Nothing says that there are no rows.
function Nothing() {
	if (view.value.search !== undefined) return <div class="nothing"><Icon name="search" /><p>Nothing was found.</p><p class="soft">Words are looked for in all mailboxes but trash and junk. <code>in:anywhere</code> looks into these too.</p></div>
	const box = view.value.mailboxId ? mailbox(view.value.mailboxId) : undefined
	return <div class="nothing"><Icon name={box?.role === 'inbox' ? 'inbox' : 'folder'} /><p>{box?.role === 'inbox' ? 'No mail here. Well done.' : 'There is nothing here.'}</p></div>
}

// firstSeen is the first row that is seen, for lists that change.
let firstSeen = 0

export function MessageList() {
	const box = useRef<HTMLDivElement>(null)
	const [top, setTop] = useState(0)
	const [room, setRoom] = useState(800)
	void version.value
	void changed.value
	const total = rows.value.total
	const first = Math.max(0, Math.floor(top / height) - margin)
	const last = Math.min(total - 1, Math.ceil((top + room) / height) + margin)
	firstSeen = Math.floor(top / height)
	useLayoutEffect(() => {
		box.current!.scrollTop = 0
		setTop(0)
	}, [view.value.key])
	useEffect(() => {
		const el = box.current!
		const seen = new ResizeObserver(() => setRoom(el.clientHeight || 800))
		seen.observe(el)
		return () => seen.disconnect()
	}, [])
	useEffect(() => {
		// Fast scrolling passes many rows that nobody waits for.
		const t = setTimeout(() => want(first, last), 40)
		return () => clearTimeout(t)
	}, [first, last, changed.value])
	useEffect(() => {
		if (epoch.value > 0) again()
	}, [epoch.value])
	useEffect(() => {
		if (arrived.value === 0) return
		const atTop = box.current!.scrollTop < height / 2
		void refresh(atTop ? 0 : firstSeen).then(by => {
			if (by !== 0 && box.current) box.current.scrollTop += by * height
		})
	}, [arrived.value])
	useEffect(() => {
		if (moved.value === 0) return
		const at = rows.value.indexOf(cursor.value)
		const el = box.current!
		if (at * height < el.scrollTop) el.scrollTop = at * height
		else if ((at + 1) * height > el.scrollTop + el.clientHeight) el.scrollTop = (at + 1) * height - el.clientHeight
		requestAnimationFrame(() => el.querySelector<HTMLElement>(`[data-row="${CSS.escape(cursor.value)}"]`)?.focus({ preventScroll: true }))
	}, [moved.value])
	const shown = []
	for (let i = first; i <= last; i++) {
		const id = rows.value.at(i)
		shown.push(id ? <Row key={id} id={id} index={i} total={total} /> : <li key={i} class="mailrow waiting" style={{ transform: `translateY(${i * height}px)` }} aria-setsize={total} aria-posinset={i + 1}><span class="offscreen">Loading…</span></li>)
	}
	return <section class="list" aria-label="Conversations">
		{selected.value.size > 0 ? <Bar /> : <Heading />}
		{problems.value.length > 0 && view.value.search !== undefined && <p class="hints" role="status">{problems.value.join(' ')}</p>}
		{error.value && <Problem text={error.value}><Button small onClick={again}>Try again</Button></Problem>}
		<div class="scroll" ref={box} tabIndex={-1} onScroll={e => setTop(e.currentTarget.scrollTop)}>
			{!loaded.value && !error.value && <div class="nothing"><Waiting /></div>}
			{loaded.value && total === 0 && <Nothing />}
			{total > 0 && <ul class="mailrows" style={{ height: `${total * height}px` }}>{shown}</ul>}
		</div>
	</section>
}
