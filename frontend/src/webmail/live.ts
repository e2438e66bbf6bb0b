// The connection by which the server tells what has changed. It is made anew whenever it ends.
import { signal } from '@preact/signals'
import { guard, signedOut } from '../shared/session.ts'
import { jmap } from './client.ts'
import { news, sync } from './mail.ts'

// lost tells that changes are not seen at present.
export const lost = signal(false)

// wait ends after some milliseconds, or as soon as there is a network again.
function wait(ms: number, signal: AbortSignal): Promise<void> {
	return new Promise(resolve => {
		const done = () => {
			clearTimeout(timer)
			removeEventListener('online', done)
			signal.removeEventListener('abort', done)
			resolve()
		}
		const timer = setTimeout(done, ms)
		addEventListener('online', done)
		signal.addEventListener('abort', done)
	})
}

// follow keeps the connection until stop, or until the session ends.
export async function follow(stop: AbortSignal): Promise<void> {
	let pause = 1000
	let first = true
	const look = () => {
		sync().catch(err => {
			if (!signedOut(err)) lost.value = true
		})
	}
	let timer = 0
	while (!stop.aborted) {
		const begun = Date.now()
		try {
			await guard(jmap.events(() => {
				lost.value = false
				if (!first) look() // for what was missed
				first = false
			}, states => {
				if (!news(states)) return
				clearTimeout(timer)
				timer = window.setTimeout(look, 100)
			}, stop))
		} catch (err) {
			if (signedOut(err)) return
		}
		if (stop.aborted) return
		// Servers and proxies end connections that are old: nothing is said of it.
		if (Date.now() - begun > 20_000) pause = 500
		else lost.value = true
		await wait(pause * (0.75 + Math.random() / 2), stop)
		pause = Math.min(pause * 2, 30_000)
	}
}
