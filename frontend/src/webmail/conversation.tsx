// A conversation: all its messages on one page.
import { useEffect, useRef, useState } from 'preact/hooks'
import { bytes, count } from '../shared/format.ts'
import { epoch, explain, guard, signedOut } from '../shared/session.ts'
import { Button, Problem, Waiting, say } from '../shared/ui.tsx'
import { archive, fail, junk, markRead, mute, notJunk, quietly, star } from './actions.ts'
import { display, format, initials } from './addresses.ts'
import { account, jmap } from './client.ts'
import { asking, back, compose, composeTo, inJunk, markUnread, remove, wish } from './commands.ts'
import { begin, draft, newKey } from './composing.ts'
import { longDate, shortDate } from './dates.ts'
import { answer, forward, nameFor } from './draft.ts'
import { download, fullEmail, isCut, isHTML, plainText } from './full.ts'
import { HTMLFrame } from './htmlframe.tsx'
import { Icon, IconButton, Muted } from './icons.tsx'
import { view } from './list.ts'
import { hue, labels } from './mailboxes.ts'
import { arrived, head, identities, isMe, knowThreads, mailbox, role, threadOf, version } from './mail.ts'
import { Menu } from './menu.tsx'
import { editDraft, Label } from './messagelist.tsx'
import { openThread } from './place.ts'
import { blocks, links, unquoted } from './text.ts'
import type { Address, Full, Head, Part } from './types.ts'

// act answers or forwards a message.
async function act(what: 'reply' | 'replyAll' | 'forward', id: string): Promise<void> {
	try {
		const m = await fullEmail(id)
		const text = plainText(m)
		await begin(what === 'forward' ? forward(newKey(), m, text, identities.value) : answer(newKey(), m, text, identities.value, what === 'replyAll'))
	} catch (err) {
		fail('The message could not be loaded', err)
	}
}

function Linked({ text }: { text: string }) {
	return <>{links(text).map((p, i) => p.href
		? p.href.startsWith('mailto:')
			? <a key={i} href={p.href} onClick={e => {
				e.preventDefault()
				composeTo(p.href!)
			}}>{p.text}</a>
			: <a key={i} href={p.href} target="_blank" rel="noopener noreferrer">{p.text}</a>
		: p.text)}</>
}

// PlainText shows text; long quotes are folded.
function PlainText({ text, depth = 0 }: { text: string; depth?: number }) {
	return <div class="plaintext">{blocks(text).map((b, i) => {
		if (!b.quote) return <div key={i} class="written"><Linked text={b.text.replace(/^\n+|\n+$/g, '')} /></div>
		const inner = depth < 6 ? <PlainText text={unquoted(b.text)} depth={depth + 1} /> : <div class="written">{b.text}</div>
		const n = b.text.split('\n').length
		if (n <= 4 || depth > 0) return <blockquote key={i}>{inner}</blockquote>
		return <details key={i} class="quote"><summary>{count(n, 'quoted line')}</summary><blockquote>{inner}</blockquote></details>
	})}</div>
}

function People({ list }: { list: Address[] }) {
	return <>{list.map((a, i) => <span key={i}>{i > 0 && ', '}<button type="button" class="person" title={`Write to ${a.email}`} onClick={() => compose(format(a))}>{isMe(a.email) && !a.name ? `me <${a.email}>` : format(a)}</button></span>)}</>
}

function Details({ m }: { m: Full }) {
	const rows: [string, Address[] | null][] = [['From', m.from], ['Sender', m.sender], ['Reply to', m.replyTo], ['To', m.to], ['Cc', m.cc], ['Bcc', m.bcc]]
	return <dl class="headers">
		{rows.map(([name, list]) => list?.length ? <div key={name}><dt>{name}</dt><dd><People list={list} /></dd></div> : null)}
		<div><dt>Date</dt><dd>{longDate(m.sentAt ?? m.receivedAt)}</dd></div>
		<div><dt>Received</dt><dd>{longDate(m.receivedAt)}</dd></div>
		<div><dt>In</dt><dd>{Object.keys(m.mailboxIds).map(id => mailbox(id)?.name ?? '').join(', ')}</dd></div>
		<div><dt>Size</dt><dd>{bytes(m.size)}</dd></div>
		{m.messageId?.length ? <div><dt>Message-ID</dt><dd>{m.messageId.join(' ')}</dd></div> : null}
	</dl>
}

// Picture is a small view of an attachment that is an image.
function Picture({ part }: { part: Part }) {
	const [url, setURL] = useState('')
	useEffect(() => {
		let made = ''
		let gone = false
		jmap.download(part.blobId!, part.name ?? '', part.type).then(blob => {
			if (gone) return
			made = URL.createObjectURL(new Blob([blob], { type: part.type }))
			setURL(made)
		}).catch(() => {}) // the file can be downloaded all the same
		return () => {
			gone = true
			if (made) URL.revokeObjectURL(made)
		}
	}, [part.blobId])
	return url ? <img src={url} alt="" /> : null
}

// Images that are shown small; SVG is a document, and is not.
const pictures = /^image\/(png|jpeg|gif|webp|avif)$/i

function Attachments({ parts }: { parts: Part[] }) {
	const [busy, setBusy] = useState('')
	const get = async (p: Part) => {
		setBusy(p.blobId!)
		try {
			await download(p.blobId!, p.name ?? nameFor(p.type), p.type)
		} catch (err) {
			fail('Not downloaded', err)
		} finally {
			setBusy('')
		}
	}
	const shown = parts.filter(p => p.blobId !== null)
	if (shown.length === 0) return null
	return <div class="attachments" role="group" aria-label={count(shown.length, 'attachment')}><ul>{shown.map((p, i) => <li key={i}>
		<button type="button" aria-busy={busy === p.blobId} onClick={() => void get(p)}>
			{pictures.test(p.type) && p.size < 3e6 ? <Picture part={p} /> : <Icon name="attach" />}
			<span><span class="offscreen">Download </span><span class="filename">{p.name ?? nameFor(p.type)}</span><span class="soft"> {bytes(p.size)}</span></span>
			<Icon name="download" />
		</button>
	</li>)}</ul></div>
}

// Body is the text of a message.
function Body({ m }: { m: Full }) {
	const [asText, setAsText] = useState(false)
	if (isHTML(m) && !asText) return <HTMLFrame m={m} toText={() => setAsText(true)} />
	const text = plainText(m)
	return <>
		{asText && <p class="barrow"><button type="button" class="small" onClick={() => setAsText(false)}>Show as it was made</button></p>}
		{text.trim() === '' ? <p class="soft">There is no text in this message.</p> : <PlainText text={text} />}
		{isCut(m) && <p class="note">This message is longer than what is shown here. “View source” in its menu has all of it.</p>}
	</>
}

interface MessageProps {
	h: Head
	open: boolean
	toggle: () => void
	only: boolean
}

function Message({ h, open, toggle, only }: MessageProps) {
	const [m, setM] = useState<Full>()
	const [error, setError] = useState('')
	const [details, setDetails] = useState(false)
	const load = () => {
		setError('')
		fullEmail(h.id).then(setM, err => signedOut(err) || setError(explain(err)))
	}
	useEffect(() => {
		if (open && !m) load()
	}, [open, h.id, epoch.value])
	const from = h.from?.[0]
	const me = from !== undefined && isMe(from.email)
	const name = display(from) || 'Unknown sender'
	const draft = Boolean(h.keywords.$draft)
	const to = [...m?.to ?? h.to ?? [], ...m?.cc ?? [], ...m?.bcc ?? []]
	return <article class={['message', open ? 'expanded' : 'folded', !h.keywords.$seen && 'unread'].filter(Boolean).join(' ')} data-email={h.id} aria-label={`Message of ${name}`}>
		<header class="messagehead">
			<span class={`avatar hue${hue(from?.email.toLowerCase() ?? '')}`} aria-hidden="true">{initials(from)}</span>
			<div class="fromto">
				<h3><button type="button" class="fold" aria-expanded={open} disabled={only} onClick={toggle}><span class="names">{me ? `${name} (me)` : name}</span>{open && from?.name && !me && <span class="soft address"> {from.email}</span>}</button></h3>
				{open
					? <p class="soft to">to {to.length > 0 ? to.slice(0, 4).map(a => isMe(a.email) ? 'me' : display(a)).join(', ') : 'nobody'}{to.length > 4 && ` and ${to.length - 4} more`} <button type="button" class="plainly" aria-expanded={details} onClick={() => setDetails(!details)}>{details ? 'Hide details' : 'Details'}</button></p>
					: <p class="soft preview">{h.preview}</p>}
			</div>
			<div class="when">
				{draft && <span class="drafty">Draft</span>}
				{h.hasAttachment && !open && <Icon name="attach" />}
				<time dateTime={h.receivedAt} title={longDate(h.receivedAt)}>{shortDate(h.receivedAt)}</time>
				{h.keywords.$answered && <span title="Answered"><Icon name="reply" /><span class="offscreen">Answered</span></span>}
				{open && <MessageTools h={h} m={m} />}
			</div>
		</header>
		{open && <div class="messagebody">
			{details && m && <Details m={m} />}
			{error && <Problem text={error}><Button small onClick={load}>Try again</Button></Problem>}
			{!m && !error && <Waiting />}
			{m && <><Body m={m} /><Attachments parts={m.attachments} /></>}
			{draft
				? <div class="answers"><Button main onClick={() => void editDraft(h.id)}>Go on writing</Button></div>
				: null}
		</div>}
	</article>
}

function MessageTools({ h, m }: { h: Head; m: Full | undefined }) {
	const starred = Boolean(h.keywords.$flagged)
	const toggle = () => void quietly({ [h.id]: { 'keywords/$flagged': starred ? null : true } })
	const save = () => {
		if (m) download(m.blobId, `${(m.subject ?? 'message').replace(/[^\p{L}\p{N} ._-]/gu, '').slice(0, 80).trim() || 'message'}.eml`, 'message/rfc822').catch(err => fail('Not downloaded', err))
	}
	return <span class="tools">
		<button type="button" class="tool star" aria-label="Star this message" title="Star" aria-pressed={starred} onClick={toggle}><Icon name="star" /></button>
		<IconButton icon="reply" name="Reply" onClick={() => void act('reply', h.id)} />
		<Menu name="For this message" items={[
			{ name: 'Reply', run: () => void act('reply', h.id) },
			{ name: 'Reply to all', run: () => void act('replyAll', h.id) },
			{ name: 'Forward', run: () => void act('forward', h.id) },
			{ name: 'Mark as unread from here', run: () => {
				const later = threadOf(h.threadId).filter(x => x.receivedAt >= h.receivedAt)
				void quietly(Object.fromEntries(later.map(x => [x.id, { 'keywords/$seen': null }])))
				back()
			} },
			{ name: 'View source', run: () => { asking.value = { kind: 'source', emailId: h.id } } },
			{ name: 'Download', run: save, disabled: !m },
			{ name: 'Print', run: () => print() },
		]} />
	</span>
}

// Tools has what can be done with the conversation.
function Tools({ unread, muted }: { unread: boolean; muted: boolean }) {
	return <div class="convtools" role="toolbar" aria-label="For this conversation">
		<span class="backward"><IconButton icon="back" name="Back to the list" shortcut="u" onClick={back} /></span>
		<IconButton icon="archive" name="Archive" shortcut="e" onClick={() => void archive()} disabled={view.value.mailboxId === role('archive')?.id && view.value.mailboxId !== undefined} />
		<IconButton icon="trash" name="Delete" shortcut="#" onClick={remove} />
		{inJunk() ? <IconButton icon="inbox" name="Not junk" shortcut="!" onClick={() => void notJunk()} /> : <IconButton icon="junk" name="Junk" shortcut="!" onClick={() => void junk()} />}
		<span class="gap" />
		<IconButton icon="folder" name="Move to a mailbox" shortcut="v" onClick={() => { asking.value = { kind: 'move' } }} />
		<IconButton icon="label" name="Labels" shortcut="l" onClick={() => { asking.value = { kind: 'labels' } }} />
		{unread ? <IconButton icon="read" name="Mark as read" shortcut="Shift+I" onClick={() => void markRead(true)} /> : <IconButton icon="unread" name="Mark as unread" shortcut="Shift+U" onClick={markUnread} />}
		<span class="grow" />
		<IconButton icon="star" name="Star, or not" shortcut="s" onClick={() => void star()} />
		<Menu name="More for this conversation" items={[
			{ name: muted ? 'Unmute conversation' : 'Mute conversation', run: () => void mute() },
			{ name: 'Print', run: () => print() },
		]} />
	</div>
}

// visible are the messages of a thread that are shown: what was thrown away only where it is looked at.
function visible(threadId: string): Head[] {
	const aside = ['trash', 'junk'].flatMap(r => role(r)?.id ?? [])
	const box = view.value.mailboxId
	const all = threadOf(threadId)
	const some = all.filter(h => (box && h.mailboxIds[box]) || !aside.some(a => h.mailboxIds[a]))
	return some.length > 0 ? some : all
}

export function Conversation({ threadId }: { threadId: string }) {
	const [error, setError] = useState('')
	const [open, setOpen] = useState<ReadonlySet<string> | null>(null)
	const place = useRef<HTMLDivElement>(null)
	const seen = useRef(new Set<string>()) // marked as read here
	void version.value
	const messages = visible(threadId)
	const load = () => {
		setError('')
		guard(knowThreads([threadId])).then(() => {
			if (threadOf(threadId).length === 0) setError('This conversation is no longer there.')
		}, err => signedOut(err) || setError(explain(err)))
	}
	useEffect(load, [threadId, epoch.value, arrived.value])
	// What is unread is open, or else the last; a conversation of which only the newest is known yet changes that no more.
	useEffect(() => {
		if (open || messages.length === 0) return
		const unread = messages.filter(h => !h.keywords.$seen && !h.keywords.$draft)
		const last = messages.filter(h => !h.keywords.$draft).at(-1) ?? messages.at(-1)!
		setOpen(new Set([...unread.map(h => h.id), last.id]))
	}, [threadId, messages.length])
	useEffect(() => {
		if (!open) return
		const first = messages.find(h => open.has(h.id))
		if (!draft.value) place.current?.querySelector<HTMLElement>('h2')?.focus({ preventScroll: true })
		if (first && first !== messages[0]) place.current?.querySelector(`[data-email="${CSS.escape(first.id)}"]`)?.scrollIntoView({ block: 'start' })
	}, [open === null])
	useEffect(() => {
		if (!open) return
		const unread = messages.filter(h => open.has(h.id) && !h.keywords.$seen && !seen.current.has(h.id))
		if (unread.length === 0) return
		for (const h of unread) seen.current.add(h.id)
		void quietly(Object.fromEntries(unread.map(h => [h.id, { 'keywords/$seen': true }])))
	}, [open])
	const wished = useRef(wish.value.n)
	useEffect(() => {
		if (wish.value.n === wished.current) return
		wished.current = wish.value.n
		const last = messages.filter(h => !h.keywords.$draft).at(-1)
		if (last) void act(wish.value.what, last.id)
	}, [wish.value.n])
	const number = useRef(messages.length)
	useEffect(() => {
		if (number.current > 0 && messages.length > number.current) say('There is a new message in this conversation.')
		number.current = messages.length
	}, [messages.length])
	const toggle = (id: string) => {
		const s = new Set(open)
		if (!s.delete(id)) s.add(id)
		setOpen(s)
	}
	const subject = messages[0]?.subject || '(no subject)'
	const muted = threadOf(threadId).some(h => h.keywords.$muted)
	const tags = [...new Set(messages.flatMap(h => labels(h.keywords)))]
	const last = messages.filter(h => !h.keywords.$draft).at(-1)
	return <div class="conversation" ref={place}>
		<Tools unread={messages.some(h => !h.keywords.$seen)} muted={muted} />
		<div class="thread">
			{error && <Problem text={error}><Button small onClick={load}>Try again</Button></Problem>}
			{messages.length === 0 && !error && <Waiting />}
			{messages.length > 0 && <>
				<div class="subjectline"><h2 tabIndex={-1}>{subject}</h2>{muted && <Muted text="Muted" />}{tags.map(l => <Label key={l} name={l} />)}
					{messages.length > 2 && <button type="button" class="small" onClick={() => setOpen(new Set(open && open.size === messages.length ? [messages.at(-1)!.id] : messages.map(h => h.id)))}>{open?.size === messages.length ? 'Fold all' : 'Open all'}</button>}</div>
				{messages.map(h => <Message key={h.id} h={head(h.id) ?? h} open={open?.has(h.id) ?? false} only={messages.length === 1} toggle={() => toggle(h.id)} />)}
				{last && <div class="answers">
					<button type="button" onClick={() => void act('reply', last.id)}><Icon name="reply" />Reply</button>
					<button type="button" onClick={() => void act('replyAll', last.id)}><Icon name="replyAll" />Reply to all</button>
					<button type="button" onClick={() => void act('forward', last.id)}><Icon name="forward" />Forward</button>
				</div>}
			</>}
		</div>
	</div>
}

// Reading is the place of the conversation.
export function Reading() {
	const id = openThread.value
	void account.value
	return <section class="reading" aria-label="Conversation">
		{id ? <Conversation key={id} threadId={id} /> : <div class="nothing"><Icon name="unread" /><p>Choose a conversation to read it here.</p><p class="soft">Keys: <kbd>j</kbd> and <kbd>k</kbd> go through the list, <kbd>o</kbd> opens, <kbd>?</kbd> shows all.</p></div>}
	</section>
}
