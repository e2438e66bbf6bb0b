// Signs on buttons. They say nothing to screen readers: the buttons have names.

const paths = {
	archive: 'M3 5h18v4H3zM5 9v10h14V9M10 13h4',
	attach: 'm20 11-8.5 8.5a5 5 0 0 1-7-7L13 4a3.3 3.3 0 0 1 4.7 4.7l-8.5 8.5a1.7 1.7 0 0 1-2.4-2.4L14.5 7',
	back: 'M19 12H5m6-6-6 6 6 6',
	close: 'm6 6 12 12M18 6 6 18',
	down: 'm6 9 6 6 6-6',
	download: 'M12 4v11m-5-5 5 5 5-5M5 20h14',
	drafts: 'M6 3h8l5 5v13H6zM14 3v5h5M9 13h6M9 17h4',
	folder: 'M3 6h6l2 2h10v11H3z',
	forward: 'm15 7 5 5-5 5M20 12H9a5 5 0 0 0-5 5v1',
	inbox: 'M3 13h5l1.5 3h5L16 13h5M3 13v6h18v-6l-3-8H6z',
	junk: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M5.7 5.7l12.6 12.6',
	label: 'M3 4h8l10 10-7 7L4 11zM7.5 8.5h.01',
	menu: 'M4 6h16M4 12h16M4 18h16',
	more: 'M5 12h.01M12 12h.01M19 12h.01',
	muted: 'M4 9v6h4l5 4V5L8 9zM17 9.5l5 5M22 9.5l-5 5',
	pencil: 'M4 20h4L19 9l-4-4L4 16zM13 7l4 4',
	plus: 'M12 5v14M5 12h14',
	print: 'M7 9V4h10v5M7 17H4v-8h16v8h-3M7 14h10v6H7z',
	read: 'm3 10 9-6 9 6v10H3zM3 10l9 6 9-6',
	reply: 'M9 7l-5 5 5 5M4 12h11a5 5 0 0 1 5 5v1',
	replyAll: 'M12 7l-5 5 5 5M7 7l-5 5 5 5M7 12h9a5 5 0 0 1 5 5v1',
	search: 'M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M15.5 15.5 21 21',
	send: 'M3 20 21 12 3 4v6l11 2-11 2z',
	star: 'm12 3.5 2.6 5.6 6.1.7-4.5 4.2 1.2 6-5.4-3-5.4 3 1.2-6L3.3 9.8l6.1-.7z',
	trash: 'M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5',
	unread: 'M3 5h18v14H3zM3 6l9 7 9-7',
} as const

export type IconName = keyof typeof paths

export function Icon({ name }: { name: IconName }) {
	return <svg class={`icon i-${name}`} viewBox="0 0 24 24" aria-hidden="true"><path d={paths[name]} /></svg>
}

// IconButton is a button that has a sign, and a name that is read and shown when it is pointed at.
export function IconButton({ icon, name, onClick, shortcut, pressed, disabled, expanded, text }: { icon: IconName; name: string; onClick: () => void; shortcut?: string; pressed?: boolean; disabled?: boolean; expanded?: boolean; text?: string }) {
	return <button type="button" class={text ? 'tool with' : 'tool'} aria-label={name} title={shortcut ? `${name} (${shortcut})` : name} aria-pressed={pressed} aria-expanded={expanded} disabled={disabled} onClick={e => {
		e.stopPropagation()
		onClick()
	}}><Icon name={icon} />{text && <span>{text}</span>}</button>
}

// Muted is the sign of a conversation that is muted, with a text if it is given.
export function Muted({ text }: { text?: string }) {
	return <span class="muted" title="Muted: new messages arrive read"><Icon name="muted" />{text ?? <span class="offscreen">Muted</span>}</span>
}

const roleIcons: Record<string, IconName> = { inbox: 'inbox', drafts: 'drafts', sent: 'send', archive: 'archive', junk: 'junk', trash: 'trash' }

// roleIcon is the sign of a mailbox.
export function roleIcon(role: string | null): IconName {
	return roleIcons[role ?? ''] ?? 'folder'
}
