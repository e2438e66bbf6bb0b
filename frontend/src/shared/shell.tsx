// What is around the pages: the way to each of them, and signing in.
import type { ComponentChildren, ComponentType } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { link, route } from './router.ts'
import { state } from './session.ts'
import { Button, Problem, Said } from './ui.tsx'

export interface Entry {
	name: string // in the address
	title: string
	page: ComponentType
}

export interface ShellProps {
	product: string
	who: string // is signed in
	entries: Entry[]
	signOut: () => Promise<void>
}

// current is the entry of the page that is shown. What is not known is the first.
function current(entries: Entry[]): Entry {
	return entries.find(e => e.name === route.value.name) ?? entries[0]!
}

// Shell shows the current page, and keeps it while somebody signs in again.
export function Shell({ product, who, entries, signOut }: ShellProps) {
	const [open, setOpen] = useState(false)
	const [problem, setProblem] = useState('')
	const entry = current(entries)
	const path = [route.value.name, ...route.value.args].join('/')
	const before = useRef(path)
	useEffect(() => {
		document.title = `${entry.title} – ${product}`
		setOpen(false)
		if (before.current !== path) {
			before.current = path
			scrollTo(0, 0)
			document.querySelector('h1')?.focus({ preventScroll: true })
		}
	}, [path])
	const leave = () => {
		setProblem('')
		signOut().catch(err => setProblem(String(err instanceof Error ? err.message : err)))
	}
	return <div class="shell">
		<a class="skip" href="#content" onClick={e => {
			e.preventDefault()
			document.querySelector('h1')?.focus()
		}}>To the content</a>
		<header>
			<div class="bar">
				<a class="brand" href={link(entries[0]!.name)}>{product}</a>
				<button type="button" class="menu" aria-expanded={open} aria-controls="nav" onClick={() => setOpen(!open)}>Menu</button>
			</div>
			<div class={open ? 'side open' : 'side'} id="nav">
				<nav aria-label="Pages"><ul>{entries.map(e => <li key={e.name}><a href={link(e.name)} aria-current={e === entry ? 'page' : undefined} onClick={() => setOpen(false)}>{e.title}</a></li>)}</ul></nav>
				<div class="who">
					<p>{who}</p>
					<Button small onClick={leave}>Sign out</Button>
					<Problem text={problem} />
				</div>
			</div>
		</header>
		<main id="content"><entry.page key={path} /></main>
	</div>
}

// App shows signing in, the pages, or both of them of which one is out of reach.
export function App({ signIn, children }: { signIn: ComponentChildren; children: ComponentChildren }) {
	const s = state.value
	return <>
		{(s === 'in' || s === 'ended') && <div hidden={s === 'ended'}>{children}</div>}
		{(s === 'out' || s === 'ended') && signIn}
		<Said />
	</>
}
