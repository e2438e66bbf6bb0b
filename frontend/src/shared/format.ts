// Values as people read them.

const units = ['bytes', 'KB', 'MB', 'GB', 'TB', 'PB']

// bytes is a size with two or three digits, in units of 1000.
export function bytes(n: number): string {
	let value = n
	let unit = 0
	while (value >= 999.5 && unit < units.length - 1) {
		value /= 1000
		unit++
	}
	if (unit === 0) return n === 1 ? '1 byte' : `${n} bytes`
	return `${value < 9.95 ? value.toFixed(1) : value.toFixed(0)} ${units[unit]}`
}

// number is a number as texts have it: 1,204.
export function number(n: number): string {
	return n.toLocaleString('en')
}

// count is a number with its noun: count(1, 'address', 'addresses').
export function count(n: number, one: string, many = one + 's'): string {
	return `${number(n)} ${n === 1 ? one : many}`
}

// span is a duration in seconds, in its largest unit: "2 minutes".
export function span(seconds: number): string {
	const s = Math.max(0, seconds)
	if (s < 59.5) return count(Math.round(s), 'second')
	if (s < 3570) return count(Math.round(s / 60), 'minute')
	if (s < 23.5 * 3600) return count(Math.round(s / 3600), 'hour')
	if (s < 2 * 365.25 * 86400) return count(Math.round(s / 86400), 'day')
	return count(Math.round(s / (365.25 * 86400)), 'year')
}

// ago is how long before now a time was, or how long after it will be. The zero time of the server is "never".
export function ago(time: string | null | undefined, now = Date.now()): string {
	if (isZero(time)) return 'never'
	const seconds = (now - Date.parse(time!)) / 1000
	if (Math.abs(seconds) < 30) return 'just now'
	return seconds > 0 ? `${span(seconds)} ago` : `in ${span(-seconds)}`
}

// isZero tells that a time is not set: absent, or the year 1 that Go writes.
export function isZero(time: string | null | undefined): boolean {
	return !time || Number.isNaN(Date.parse(time)) || time.startsWith('0001-')
}

// moment is date and time in full, as the browser's language has it.
export function moment(time: string): string {
	return new Date(time).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })
}

const browsers: [RegExp, string][] = [
	[/\bEdg(?:e|A|iOS)?\//, 'Edge'],
	[/\bOPR\//, 'Opera'],
	[/\bSamsungBrowser\//, 'Samsung Internet'],
	[/\bFirefox\/|\bFxiOS\//, 'Firefox'],
	[/\bHeadlessChrome\/|\bChrome\/|\bCriOS\//, 'Chrome'],
	[/\bSafari\//, 'Safari'],
	[/\bcurl\//, 'curl'],
]

const systems: [RegExp, string][] = [
	[/\biPhone\b/, 'iPhone'],
	[/\biPad\b/, 'iPad'],
	[/\bAndroid\b/, 'Android'],
	[/\bWindows\b/, 'Windows'],
	[/\bMac OS X\b|\bMacintosh\b/, 'Mac'],
	[/\bCrOS\b/, 'ChromeOS'],
	[/\bLinux\b/, 'Linux'],
]

// browser is the browser and system of a User-Agent header, such as "Firefox on Windows". What is not known is shown
// as it came, shortened.
export function browser(userAgent: string): string {
	const name = browsers.find(([re]) => re.test(userAgent))?.[1]
	const system = systems.find(([re]) => re.test(userAgent))?.[1]
	if (name && system) return `${name} on ${system}`
	if (name) return name
	if (!userAgent) return 'Unknown program'
	return userAgent.length > 60 ? userAgent.slice(0, 59) + '…' : userAgent
}
