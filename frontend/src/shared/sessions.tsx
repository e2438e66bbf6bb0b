// Browsers that are signed in.
import { useState } from 'preact/hooks'
import { browser } from './format.ts'
import { useAction } from './hooks.ts'
import { Button, Problem, When, say } from './ui.tsx'

interface Session {
	ID: string
	Created: string
	LastUsed: string
	Expires: string
	RemoteIP: string
	UserAgent: string
	Current: boolean
}

// Sessions is the list of them, each of the others with a button to end it.
export function Sessions({ rows, end, reload }: { rows: Session[]; end: (id: string) => Promise<unknown>; reload: () => Promise<void> }) {
	const action = useAction()
	const [ending, setEnding] = useState('')
	const stop = (s: Session) => {
		setEnding(s.ID)
		void action.run(async () => {
			await end(s.ID)
			await reload()
			say('The session has ended.')
			document.querySelector('h1')?.focus({ preventScroll: true })
		})
	}
	return <>
		<Problem text={action.error} />
		<ul class="cards">{rows.map(s => <li key={s.ID} class="row">
			<div>
				<h3>{browser(s.UserAgent)}{s.Current && <> <span class="tag">This browser</span></>}</h3>
				<p class="soft">{s.RemoteIP}, last used <When time={s.LastUsed} />, signed in <When time={s.Created} />.</p>
			</div>
			{!s.Current && <Button small busy={action.busy && ending === s.ID} label={`End the session of ${browser(s.UserAgent)} at ${s.RemoteIP}`} onClick={() => stop(s)}>End</Button>}
		</li>)}</ul>
	</>
}
