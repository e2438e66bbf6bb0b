// Menus behind a button.
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import { Icon, type IconName } from './icons.tsx'

export interface Item {
	name: string
	run: () => void
	disabled?: boolean
}

// Menu is a button that opens a list of things to do.
export function Menu({ name, items, icon = 'more' }: { name: string; items: Item[]; icon?: IconName }) {
	const [open, setOpen] = useState(false)
	const around = useRef<HTMLDivElement>(null)
	const button = useRef<HTMLButtonElement>(null)
	const id = useId()
	const choices = () => [...around.current?.querySelectorAll<HTMLButtonElement>('[role=menuitem]:not(:disabled)') ?? []]
	useEffect(() => {
		if (!open) return
		choices()[0]?.focus()
		const away = (e: Event) => {
			if (!around.current?.contains(e.target as Node)) setOpen(false)
		}
		document.addEventListener('pointerdown', away)
		return () => document.removeEventListener('pointerdown', away)
	}, [open])
	const shut = () => {
		setOpen(false)
		button.current?.focus()
	}
	const step = (by: number) => {
		const all = choices()
		const at = all.indexOf(document.activeElement as HTMLButtonElement)
		all[(at + by + all.length) % all.length]?.focus()
	}
	return <div class="menuaround" ref={around} onKeyDown={e => {
		if (!open) return
		if (e.key === 'Escape' || e.key === 'Tab') shut()
		else if (e.key === 'ArrowDown') step(1)
		else if (e.key === 'ArrowUp') step(-1)
		else return
		e.preventDefault()
		e.stopPropagation()
	}}>
		<button type="button" ref={button} class="tool" aria-label={name} title={name} aria-haspopup="menu" aria-expanded={open} aria-controls={open ? id : undefined} onClick={() => setOpen(!open)}><Icon name={icon} /></button>
		{open && <div class="menulist" role="menu" id={id} aria-label={name}>{items.map(i => <button type="button" role="menuitem" tabIndex={-1} key={i.name} disabled={i.disabled} onClick={() => {
			shut()
			i.run()
		}}>{i.name}</button>)}</div>}
	</div>
}
