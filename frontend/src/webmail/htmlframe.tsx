// A message of HTML, in a frame without scripts. The server has cleaned it; nothing from elsewhere is loaded unless asked for.
import { useEffect, useRef, useState } from 'preact/hooks'
import { epoch } from '../shared/session.ts'
import { display } from './addresses.ts'
import { passed } from './authentic.ts'
import { account } from './client.ts'
import { composeTo } from './commands.ts'
import { pressed } from './keys.ts'
import type { Full } from './types.ts'

// What a frame may: be looked into by this page, and open links in new tabs. Not run scripts.
const sandbox = 'allow-same-origin allow-popups allow-popups-to-escape-sandbox'

function trustKey(): string {
	return `mox-webmail-images:${account.value?.Account ?? ''}`
}

// trusted are the senders whose images are always shown, in this browser.
function trusted(): string[] {
	try {
		const list: unknown = JSON.parse(localStorage.getItem(trustKey()) ?? '[]')
		return Array.isArray(list) ? list.filter(x => typeof x === 'string') : []
	} catch {
		return []
	}
}

function trust(sender: string): void {
	try {
		localStorage.setItem(trustKey(), JSON.stringify([...new Set([...trusted(), sender])].slice(-1000)))
	} catch {
		// Without storage they are shown this once.
	}
}

// follow sees to links to mailboxes, which open a message to be written.
function follow(e: MouseEvent): void {
	const link = (e.target as Element | null)?.closest?.('a[href^="mailto:" i]')
	if (!link) return
	e.preventDefault()
	composeTo(link.getAttribute('href')!)
}

export function HTMLFrame({ m, toText }: { m: Full; toText: () => void }) {
	const frame = useRef<HTMLIFrameElement>(null)
	const sender = m.from?.[0]?.email.toLowerCase() ?? ''
	// Anybody can write a trusted sender's address: it counts where the server has verified it.
	const verified = passed(m['header:Authentication-Results:asText:all'])
	const [images, setImages] = useState(() => verified && sender !== '' && trusted().includes(sender))
	const [blocked, setBlocked] = useState(0)
	const [problem, setProblem] = useState('')
	const watching = useRef<ResizeObserver>(undefined)
	useEffect(() => () => watching.current?.disconnect(), [])
	const loaded = () => {
		const doc = frame.current?.contentDocument
		if (!doc?.body || doc.URL === 'about:blank') return
		if (doc.contentType !== 'text/html') {
			setProblem('The message could not be shown as it was made.')
			return
		}
		setProblem('')
		setBlocked(Number(doc.querySelector('meta[name=mox-blocked]')?.getAttribute('content')) || 0)
		// A message may be as high as its frame and more, whatever that is: it is not followed forever.
		let times = 0
		const root = doc.documentElement
		root.style.overflowY = 'hidden'
		const fit = () => {
			if (!frame.current) return
			const bar = root.scrollWidth > root.clientWidth ? 18 : 0 // room for a bar at the bottom
			frame.current.style.height = `${Math.min(Math.max(root.scrollHeight, doc.body.scrollHeight, 24) + bar, 60_000)}px`
		}
		frame.current!.style.height = '0'
		fit()
		watching.current?.disconnect()
		watching.current = new ResizeObserver(() => times++ < 30 && fit())
		watching.current.observe(doc.body)
		doc.addEventListener('load', fit, true) // of pictures
		doc.addEventListener('keydown', pressed)
		doc.addEventListener('click', follow)
	}
	return <>
		{blocked > 0 && !images && <div class="barrow note" role="group" aria-label="Images">
			<span>Images from elsewhere are not loaded: they tell the sender that you read this.</span>
			<span class="actions"><button type="button" class="small" onClick={() => setImages(true)}>Show images</button>
				{verified && sender && <button type="button" class="small" onClick={() => {
					trust(sender)
					setImages(true)
				}}>Always for {display({ name: null, email: sender })}</button>}</span>
		</div>}
		{problem && <p class="note">{problem} <button type="button" class="small" onClick={toText}>Show its text</button></p>}
		<iframe ref={frame} class="html" title="Text of the message" sandbox={sandbox} referrerpolicy="no-referrer" key={epoch.value} src={`api/html?email=${encodeURIComponent(m.id)}&images=${images ? 1 : 0}`} onLoad={loaded} hidden={problem !== ''} />
	</>
}
