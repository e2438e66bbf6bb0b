// The beginning of both applications.
import { render, type ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import './app.css'
import { start as followAddress } from './router.ts'
import { explain, state } from './session.ts'
import { Button, Problem, Waiting } from './ui.tsx'

function Begin({ begin, children }: { begin: () => Promise<void>; children: ComponentChildren }) {
	const [error, setError] = useState('')
	const go = () => {
		setError('')
		begin().catch(err => setError(explain(err)))
	}
	useEffect(go, [])
	if (state.value !== 'starting') return <>{children}</>
	return <main class="plain">{error ? <Problem text={error}><Button small onClick={go}>Try again</Button></Problem> : <Waiting />}</main>
}

// start shows an application, once begin has found out whether there is a session.
export function start(begin: () => Promise<void>, app: ComponentChildren): void {
	followAddress()
	render(<Begin begin={begin}>{app}</Begin>, document.getElementById('app')!)
}
