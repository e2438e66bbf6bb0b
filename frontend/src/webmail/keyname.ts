// Names of keys.

// nameOf is a key as commands have it.
export function nameOf(e: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey' | 'shiftKey'>): string {
	if (e.ctrlKey || e.metaKey) return `Control+${e.key.toUpperCase()}`
	if (e.altKey) return `Alt+${e.key}`
	if (e.shiftKey && /^[a-z]$/i.test(e.key)) return `Shift+${e.key.toUpperCase()}`
	return e.key.length === 1 && !e.shiftKey ? e.key.toLowerCase() : e.key
}
