// Keys of the keyboard.
import { state } from '../shared/session.ts'
import { asking, commands } from './commands.ts'
import { nameOf } from './keyname.ts'

// Milliseconds within which the keys of a sequence follow each other.
const sequence = 1500

let before = ''
let beforeAt = 0

// typing tells that keys are for what has the focus.
function typing(target: EventTarget | null): boolean {
	const at = target as Element | null
	return at?.closest?.('input:not([type=checkbox]), textarea, select, [contenteditable], dialog, .composer, [role=menu]') != null
}

// pressed runs the command of a key. Keys that are being typed somewhere are left alone.
export function pressed(e: KeyboardEvent): void {
	const name = nameOf(e)
	if (state.value !== 'in' || e.defaultPrevented || asking.value || document.querySelector('dialog[open]')) return
	if (name !== 'Control+K' && typing(e.target)) return
	// Enter and arrows have a meaning of their own on what has the focus.
	const own = e.target as Element | null
	if (name === 'Enter' && own?.closest?.('a, button, summary, input')) return
	if (/^(Arrow|Delete)/.test(name) && (own?.closest?.('.reading') || own?.ownerDocument !== document)) return
	const both = Date.now() - beforeAt < sequence ? `${before} ${name}` : ''
	const command = commands.find(c => both !== '' && c.keys.includes(both)) ?? commands.find(c => c.keys.includes(name))
	before = name
	beforeAt = Date.now()
	if (!command || (command.able && !command.able())) return
	before = ''
	e.preventDefault()
	command.run()
}
