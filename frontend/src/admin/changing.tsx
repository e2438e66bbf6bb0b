// Changes of the configuration of web sites, while others may change it too.
import type { WebserverConfig } from '../api/admin.ts'
import type { Action } from '../shared/hooks.ts'
import { codeOf } from '../shared/session.ts'
import { Button, Problem, say } from '../shared/ui.tsx'

// Changing is what parts of the page use to change what is configured.
export interface Changing {
	config: WebserverConfig
	// save stores what make returns; null is an error that says that it is no longer as it was.
	save: (action: Action, what: string, make: (c: WebserverConfig) => WebserverConfig | null) => Promise<boolean>
	reload: () => Promise<void>
}

// Conflict offers what is there now, if that is why a change failed.
export function Conflict({ action, reload }: { action: Action; reload: () => Promise<void> }) {
	if (codeOf(action.cause) !== 'user:changed') return null
	const load = async () => {
		await reload()
		action.clear()
		say('This is what is there now.')
	}
	return <Problem>
		<p>The web sites were changed elsewhere since you opened this page. Nothing was saved. Load what is there now, then save again; what you have typed stays.</p>
		<Button small onClick={() => void load()}>Load what is there now</Button>
	</Problem>
}
