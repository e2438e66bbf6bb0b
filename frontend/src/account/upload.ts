// Sending a file to the server, with progress, which fetch does not tell.
import { APIError } from '../api/call.ts'

export interface Upload {
	// done has the answer, or undefined after cancel; it throws APIError.
	done: Promise<unknown>
	cancel: () => void
}

// failure is the error of an answer, which may be of a proxy that stands before the server.
export function failure(status: number, text: string): APIError {
	try {
		const { Code, Message } = JSON.parse(text) as { Code?: string; Message?: string }
		if (Code && Message) return new APIError(Code, Message, status)
	} catch {
		// Not of the API.
	}
	if (status === 413) return new APIError('user:error', 'The file is too large for the server.', status)
	return new APIError('server:error', `The server gave an answer that is not understood (status ${status}).`, status)
}

// upload sends a form to a URL relative to the page. progress is told how many bytes of how many were sent.
export function upload(url: string, csrfToken: string, form: FormData, progress: (sent: number, size: number) => void): Upload {
	const x = new XMLHttpRequest()
	const done = new Promise<unknown>((resolve, reject) => {
		x.upload.onprogress = e => progress(e.loaded, e.total)
		x.onabort = () => resolve(undefined)
		x.onerror = () => reject(new APIError('network', 'The upload broke off, and nothing was imported. Check the connection, and that the file has not changed meanwhile, and try again. If it breaks off once more, the server may have no room for it, or another import of yours may be running.', 0))
		x.onload = () => {
			if (x.status !== 200) {
				reject(failure(x.status, x.responseText))
				return
			}
			try {
				resolve(JSON.parse(x.responseText))
			} catch {
				reject(failure(x.status, ''))
			}
		}
	})
	x.open('POST', url)
	x.setRequestHeader('x-mox-csrf', csrfToken)
	x.send(form)
	return { done, cancel: () => x.abort() }
}
