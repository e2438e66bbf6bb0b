// The webmail.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { route } from '../shared/router.ts'
import { epoch, explain, signedOut, state } from '../shared/session.ts'
import { App } from '../shared/shell.tsx'
import { SignIn } from '../shared/signin.tsx'
import { start } from '../shared/start.tsx'
import { Button, Problem, Waiting, say } from '../shared/ui.tsx'
import { fail, trouble, undo, undoable } from './actions.ts'
import { display } from './addresses.ts'
import { Boxes } from './boxes.tsx'
import { account, again, begin, signIn, signOut } from './client.ts'
import { compose, listTitle } from './commands.ts'
import { Composer } from './composer.tsx'
import { close, draft, restore, unsaved } from './composing.ts'
import { Reading } from './conversation.tsx'
import { Dialogs } from './dialogs.tsx'
import { Icon, IconButton } from './icons.tsx'
import { pressed } from './keys.ts'
import { show, view } from './list.ts'
import { follow, lost } from './live.ts'
import { isMe, lastNew, mailboxes, open, role, sync } from './mail.ts'
import { MessageList } from './messagelist.tsx'
import { boxLink, go, openThread, searchLink, viewAt } from './place.ts'
import './webmail.css'

function Search() {
	const [text, setText] = useState(view.value.search ?? '')
	// At once: what is typed next must stay.
	useLayoutEffect(() => setText(view.value.search ?? ''), [view.value.key])
	const leave = () => {
		const inbox = role('inbox')
		if (view.value.search !== undefined && inbox) go(boxLink(inbox.id))
		setText('')
	}
	return <form class="search" role="search" onSubmit={e => {
		e.preventDefault()
		if (text.trim() === '') leave()
		else {
			go(searchLink(text.trim()))
			document.querySelector<HTMLElement>('.scroll')?.focus()
		}
	}}>
		<Icon name="search" />
		<input name="search" type="search" aria-label="Search mail" placeholder="Search mail" autocomplete="off" spellcheck={false} value={text} onInput={e => setText(e.currentTarget.value)} onKeyDown={e => {
			if (e.key !== 'Escape') return
			leave()
			e.currentTarget.blur()
		}} />
	</form>
}

// Undo offers to take back what was done last.
function Undo() {
	const u = undoable.value
	return <div class="undo" role="status" aria-live="polite">{u && <p><span>{u.text}</span><button type="button" title="Undo (z)" onClick={() => void undo()}>Undo</button></p>}</div>
}

function Trouble() {
	return <div class="trouble"><Problem text={trouble.value}>{trouble.value && <Button small onClick={() => {
		trouble.value = ''
	}}>I see</Button>}</Problem></div>
}

// titled keeps the title of the browser's tab.
function titled(): void {
	const unread = role('inbox')?.unreadThreads ?? 0
	document.title = `${unread > 0 ? `(${unread}) ` : ''}${listTitle()} – ${account.value?.LoginAddress ?? 'Mail'}`
}

// useLive follows changes for as long as the session lasts.
function useLive(ready: boolean): void {
	useEffect(() => {
		if (!ready) return
		const stop = new AbortController()
		void follow(stop.signal)
		if (epoch.value > 0) sync().catch(() => {}) // after signing in again
		return () => stop.abort()
	}, [ready, epoch.value])
	useEffect(() => {
		const unread = lastNew.value.filter(h => !h.keywords.$seen && !h.keywords.$draft && !isMe(h.from?.[0]?.email ?? '') && h.mailboxIds[role('inbox')?.id ?? ''])
		if (unread.length === 1) say(`New mail from ${display(unread[0]!.from?.[0])}: ${unread[0]!.subject ?? ''}`)
		else if (unread.length > 1) say(`${unread.length} new messages`)
	}, [lastNew.value])
}

function Frame() {
	const [menu, setMenu] = useState(false)
	const main = useRef<HTMLElement>(null)
	const shown = state.value === 'in'
	useLive(true)
	const v = viewAt()
	useEffect(() => {
		if (v.key !== '') show(v)
		setMenu(false)
	}, [v.key])
	useEffect(() => {
		if (shown) titled()
	}, [shown, view.value, mailboxes.value])
	useEffect(() => {
		restore()
		document.addEventListener('keydown', pressed)
		const ask = (e: BeforeUnloadEvent) => {
			if (unsaved()) e.preventDefault()
		}
		addEventListener('beforeunload', ask)
		return () => {
			document.removeEventListener('keydown', pressed)
			removeEventListener('beforeunload', ask)
		}
	}, [])
	const thread = openThread.value
	const before = useRef(thread)
	useEffect(() => {
		// The row that was left has the focus again, unless something is written by now.
		if (before.current !== '' && thread === '') requestAnimationFrame(() => draft.value || document.querySelector<HTMLElement>('.mailrow.cursor a')?.focus({ preventScroll: true }))
		before.current = thread
	}, [thread])
	const leave = async () => {
		if (!await close()) return
		try {
			await signOut()
			location.hash = ''
			location.reload() // nothing of this account stays in memory
		} catch (err) {
			fail('Not signed out', err)
		}
	}
	return <div class={thread ? 'mail one' : 'mail'}>
		<header class="top">
			<h1 class="offscreen" tabIndex={-1}>{listTitle()}</h1>
			<button type="button" class="tool menubutton" aria-label="Mailboxes" aria-expanded={menu} aria-controls="boxes" onClick={() => {
				setMenu(!menu)
				if (!menu) setTimeout(() => document.querySelector<HTMLElement>('.boxes button')?.focus(), 50)
			}}><Icon name="menu" /></button>
			<a class="brand" href={boxLink(role('inbox')?.id ?? '')}><Icon name="unread" />mox</a>
			<Search />
			{lost.value && <p class="lost" role="status" title="Changes are not seen until the server can be reached">Not connected</p>}
			<span class="composesmall"><IconButton icon="pencil" name="New message" shortcut="c" onClick={() => compose()} /></span>
		</header>
		<aside aria-label="Mailboxes and account" onKeyDown={e => {
			if (e.key !== 'Escape' || !menu) return
			setMenu(false)
			document.querySelector<HTMLElement>('.menubutton')?.focus()
		}}><Boxes open={menu} done={() => setMenu(false)} who={account.value?.LoginAddress ?? ''} signOut={() => void leave()} /></aside>
		{menu && <div class="veil" onClick={() => setMenu(false)} />}
		<main class="panes" ref={main}>
			<Trouble />
			<MessageList />
			<Reading />
			<Composer />
		</main>
		<Undo />
		<Dialogs />
	</div>
}

// Mail loads what is needed first.
function Mail() {
	const [ready, setReady] = useState(false)
	const [error, setError] = useState('')
	void route.value
	const load = () => {
		setError('')
		open().then(() => setReady(true), err => signedOut(err) || setError(explain(err)))
	}
	useEffect(() => {
		if (!ready) load()
	}, [epoch.value])
	if (ready) return <Frame />
	return <main class="plain"><h1 class="offscreen" tabIndex={-1}>Mail</h1>{error ? <Problem text={error}><Button small onClick={load}>Try again</Button></Problem> : <Waiting />}</main>
}

function Webmail() {
	const a = account.value
	const first = useRef('')
	if (a && first.current && a.Account !== first.current) {
		// Another account has signed in: nothing of the one before is for it.
		location.hash = ''
		location.reload()
		return null
	}
	if (a) first.current = a.Account
	return <App signIn={<SignIn title="Sign in to your mail" lead="With your email address and its password." username known={a?.LoginAddress ?? ''} submit={signIn} resume={again} />}>
		{a && <Mail key={a.Account} />}
	</App>
}

start(begin, <Webmail />)
