// The stream of events of a server, text/event-stream: https://html.spec.whatwg.org/multipage/server-sent-events.html.

export interface ServerEvent {
	event: string
	data: string
}

// Most characters of an event that is not whole yet.
const limit = 1 << 20

// EventParser reads a stream in pieces.
export class EventParser {
	private rest = ''
	private event = ''
	private data: string[] = []
	private size = 0

	// push reads a piece, and returns the events that are whole with it. It throws if an event is larger than 1 MiB.
	push(piece: string): ServerEvent[] {
		const events: ServerEvent[] = []
		this.rest += piece
		// A CR at the end may be half of an end of line.
		const ready = this.rest.endsWith('\r') ? this.rest.length - 1 : this.rest.length
		const lines = this.rest.slice(0, ready).split(/\r\n|\n|\r/)
		this.rest = lines.pop()! + this.rest.slice(ready)
		for (const line of lines) {
			const event = this.line(line)
			if (event) events.push(event)
		}
		if (this.rest.length + this.size > limit) throw new Error('The stream of changes has an event that is too large')
		return events
	}

	private line(line: string): ServerEvent | undefined {
		if (line === '') {
			const event = { event: this.event || 'message', data: this.data.join('\n') }
			const has = this.data.length > 0
			this.event = ''
			this.data = []
			this.size = 0
			return has ? event : undefined
		}
		const colon = line.indexOf(':')
		const field = colon < 0 ? line : line.slice(0, colon)
		const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
		if (field === 'event') this.event = value
		if (field === 'data') {
			this.data.push(value)
			this.size += value.length
		}
		return undefined
	}
}
