// Browsers that are signed in, and who has tried to be.
import { Attempts } from '../shared/attempts.tsx'
import { count } from '../shared/format.ts'
import { useAction, useLoad } from '../shared/hooks.ts'
import { link } from '../shared/router.ts'
import { Sessions } from '../shared/sessions.tsx'
import { Button, Page, Problem, Ready, Section, say } from '../shared/ui.tsx'
import { api } from './client.ts'

export function SessionsPage() {
	const sessions = useLoad(() => api.sessions())
	const attempts = useLoad(() => api.loginAttempts({ Limit: 100 }))
	const action = useAction()
	const others = sessions.data?.Sessions.filter(s => !s.Current).length ?? 0
	const endOthers = () => void action.run(async () => {
		const { Ended } = await api.sessionsEndOthers()
		await sessions.reload()
		say(`${count(Ended, 'session')} ended.`)
		document.querySelector('h1')?.focus({ preventScroll: true })
	})
	return <Page title="Sessions and sign-ins">
		<Section title="Browsers that are signed in" actions={others > 1 && <Button small busy={action.busy} onClick={endOthers}>End all others</Button>}>
			<Problem text={action.error} />
			<Ready from={sessions}>{d => <Sessions rows={d.Sessions} end={id => api.sessionEnd({ ID: id })} reload={sessions.reload} />}</Ready>
		</Section>
		<Section title="Sign-ins">
			<p class="soft">By mail programs, browsers and other programs. If one is not yours, <a href={link('password')}>change the password</a>.</p>
			<Ready from={attempts}>{d => <Attempts rows={d.LoginAttempts} />}</Ready>
		</Section>
	</Page>
}
