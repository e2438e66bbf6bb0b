// Pages are at #/name/argument/..., so that the server has one page to serve and paths of proxies do not matter.
import { signal } from '@preact/signals'

export interface Route {
	name: string
	args: string[]
}

// parse reads the part of an address from "#" on.
export function parse(hash: string): Route {
	const parts = hash.replace(/^#?\/?/, '').split('/').map(part => {
		try {
			return decodeURIComponent(part)
		} catch {
			return part
		}
	})
	return { name: parts[0] ?? '', args: parts.slice(1).filter(a => a !== '') }
}

// link is the address of a page.
export function link(name: string, ...args: string[]): string {
	return '#/' + [name, ...args].map(encodeURIComponent).join('/')
}

export const route = signal<Route>({ name: '', args: [] })

// start follows the address from now on.
export function start(): void {
	const follow = () => {
		route.value = parse(location.hash)
	}
	addEventListener('hashchange', follow)
	follow()
}
