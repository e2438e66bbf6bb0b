// The rows of a long list of which parts are known: ids by their positions. Pure.

export class Rows {
	total = 0
	private ids = new Map<number, string>()

	at(i: number): string | undefined {
		return this.ids.get(i)
	}

	// indexOf finds a row that is known, or -1.
	indexOf(id: string): number {
		for (const [i, other] of this.ids) if (other === id) return i
		return -1
	}

	// known are the ids of all rows that are known, in order.
	known(): string[] {
		return [...this.ids.entries()].sort((a, b) => a[0] - b[0]).map(([, id]) => id)
	}

	// put takes in a page of rows.
	put(position: number, ids: string[], total: number): void {
		this.total = total
		ids.forEach((id, i) => this.ids.set(position + i, id))
		for (const i of [...this.ids.keys()]) if (i >= total) this.ids.delete(i)
	}

	// replace forgets all rows but those of a page: what is elsewhere may have moved.
	replace(position: number, ids: string[], total: number): void {
		this.ids.clear()
		this.put(position, ids, total)
	}

	// remove takes rows out; those after them move up.
	remove(ids: Set<string>): void {
		const gone = [...this.ids.entries()].filter(([, id]) => ids.has(id)).map(([i]) => i).sort((a, b) => a - b)
		if (gone.length === 0) return
		const moved = new Map<number, string>()
		for (const [i, id] of this.ids) {
			if (!ids.has(id)) moved.set(i - gone.filter(g => g < i).length, id)
		}
		this.ids = moved
		this.total -= gone.length
	}

	// missing is the first page of size rows, beginning at a multiple of it, of which rows from first to last are not known; or -1.
	missing(first: number, last: number, size: number): number {
		for (let i = Math.max(0, first); i <= Math.min(last, this.total - 1); i++) {
			if (!this.ids.has(i)) return Math.floor(i / size) * size
		}
		return -1
	}
}
