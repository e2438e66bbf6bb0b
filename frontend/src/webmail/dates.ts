// Dates as lists show them.

// shortDate is the time of today, the day of this year, or the date.
export function shortDate(time: string, now = new Date(), locale?: string): string {
	const at = new Date(time)
	if (Number.isNaN(at.getTime())) return ''
	if (at.toDateString() === now.toDateString()) return at.toLocaleTimeString(locale, { hour: '2-digit', minute: '2-digit' })
	if (at.getFullYear() === now.getFullYear()) return at.toLocaleDateString(locale, { day: 'numeric', month: 'short' })
	return at.toLocaleDateString(locale, { day: 'numeric', month: 'short', year: 'numeric' })
}

// longDate has weekday, date and time.
export function longDate(time: string, locale?: string): string {
	const at = new Date(time)
	if (Number.isNaN(at.getTime())) return ''
	return at.toLocaleString(locale, { weekday: 'short', day: 'numeric', month: 'long', year: 'numeric', hour: '2-digit', minute: '2-digit' })
}
