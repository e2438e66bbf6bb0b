// Loading data and sending forms.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { epoch, explain, guard, signedOut } from './session.ts'

export interface Loaded<T> {
	data?: T
	error?: string
	reload: () => Promise<void>
	set: (data: T) => void
}

// useLoad calls fetch when the page opens, when a key changes, and after signing in again. What is shown stays while
// it is loaded again.
export function useLoad<T>(fetch: () => Promise<T>, ...keys: unknown[]): Loaded<T> {
	const [result, setResult] = useState<{ data?: T; error?: string }>({})
	const latest = useRef(0)
	const run = useRef(fetch)
	run.current = fetch
	const reload = useCallback(async () => {
		const mine = ++latest.current
		try {
			const data = await guard(run.current())
			if (mine === latest.current) setResult({ data })
		} catch (err) {
			if (mine === latest.current && !signedOut(err)) setResult(r => ({ ...r, error: explain(err) }))
		}
	}, [])
	const signedIn = epoch.value
	useEffect(() => {
		void reload()
		return () => {
			latest.current++ // what comes later is of no interest
		}
	}, [signedIn, ...keys])
	const set = useCallback((data: T) => setResult({ data }), [])
	return { ...result, reload, set }
}

export interface Action {
	busy: boolean
	error?: string // as one or two sentences
	cause?: unknown // what the error is of
	// run does one thing at a time, and tells whether it succeeded.
	run: (fn: () => Promise<void>) => Promise<boolean>
	clear: () => void
}

// useAction keeps what became of the last thing that was done.
export function useAction(): Action {
	const [busy, setBusy] = useState(false)
	const [failure, setFailure] = useState<{ error?: string; cause?: unknown }>({})
	const running = useRef(false)
	const run = useCallback(async (fn: () => Promise<void>) => {
		if (running.current) return false
		running.current = true
		setBusy(true)
		setFailure({})
		try {
			await guard(fn())
			return true
		} catch (err) {
			if (!signedOut(err)) setFailure({ error: explain(err), cause: err })
			return false
		} finally {
			running.current = false
			setBusy(false)
		}
	}, [])
	const clear = useCallback(() => setFailure({}), [])
	return { busy, ...failure, run, clear }
}
