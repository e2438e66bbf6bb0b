package dsn

import (
	"regexp"
	"strconv"
	"strings"

	"mox/smtp"
)

// maxDiagnosis is how much of a text is looked at for codes, in octets.
const maxDiagnosis = 4000

var (
	// 550 5.1.1, 550-5.1.1, 550 #5.1.1, 550 (5.1.1)
	bothRE = regexp.MustCompile(`(?:^|[^\d.])([245]\d\d)[ \-:,;]+[#(\[]?([245]\.\d{1,3}\.\d{1,3})(?:$|[^\d.]|\.(?:\D|$))`)
	// 5.1.1, also before the point of a sentence
	enhancedRE = regexp.MustCompile(`(?:^|[^\d.])([245]\.\d{1,3}\.\d{1,3})(?:$|[^\d.]|\.(?:\D|$))`)
	// a reply where a reply is announced
	repliedRE = regexp.MustCompile(`(?i)(?:^|\bsaid|\breason|\breply|\bresponse|\breturned|\bresponded(?: with)?|\berror|\bcode|\bresult|\bDATA|<<<)[^\w\d]{0,5}([245]\d\d)(?:$|[ \-:;,.#])`)
	// after a command that the text names: "SMTP error from remote mail server after RCPT TO:<x@y>: host z [192.0.2.1]: 550 text"
	afterColonRE = regexp.MustCompile(`[:\]>] ([245]\d\d)[ \-]`)
)

// findCodes finds the reply code and the enhanced status code that a text has; 0 and "" for
// none.
func findCodes(s string) (code int, enhanced string) {
	if len(s) > maxDiagnosis {
		s = s[:maxDiagnosis]
	}
	s = strings.TrimSpace(s)
	if m := bothRE.FindStringSubmatch(s); m != nil && m[1][0] == m[2][0] && smtp.IsEnhanced(m[2]) {
		code, _ = strconv.Atoi(m[1])
		return code, m[2]
	}
	m := repliedRE.FindStringSubmatch(s)
	if m == nil {
		m = afterColonRE.FindStringSubmatch(s)
	}
	if m != nil {
		code, _ = strconv.Atoi(m[1])
	}
	for _, m := range enhancedRE.FindAllStringSubmatch(s, 10) {
		if smtp.IsEnhanced(m[1]) && (code == 0 || int(m[1][0]-'0') == code/100) {
			return code, m[1]
		}
	}
	return code, ""
}

// causes are words that say what an enhanced status code says, for texts that have no code.
var causes = []struct{ words, detail string }{
	{"over quota", "2.2"},
	{"quota exceeded", "2.2"},
	{"exceeded storage", "2.2"},
	{"mailbox full", "2.2"},
	{"mailbox is full", "2.2"},
	{"account is disabled", "2.1"},
	{"account has been disabled", "2.1"},
	{"user unknown", "1.1"},
	{"unknown user", "1.1"},
	{"unknown recipient", "1.1"},
	{"no such user", "1.1"},
	{"no such recipient", "1.1"},
	{"no such address", "1.1"},
	{"no mailbox here by that name", "1.1"},
	{"not listed in", "1.1"},
	{"does not exist at the organization", "1.1"},
	{"address you entered couldn't be found", "1.1"},
	{"wasn't found at", "1.1"},
	{"recipnotfound", "1.1"},
	{"couldn't find any host", "1.2"},
	{"host or domain name not found", "1.2"},
	{"domain not found", "1.2"},
	{"host not found", "1.2"},
	{"host unknown", "1.2"},
	{"message too large", "3.4"},
	{"message size exceeds", "3.4"},
	{"retry timeout exceeded", "4.7"},
	{"retry time not reached", "4.7"},
	{"been in the queue too long", "4.7"},
	{"delivery time expired", "4.7"},
	{"connection timed out", "4.1"},
	{"connection refused", "4.1"},
}

// cause is the status code for what a text says in words, with the class of the action.
func cause(text string, a Action) string {
	class := map[Action]string{Failed: "5.", Delayed: "4."}[a]
	if class == "" {
		return "2.0.0"
	}
	text = strings.ToLower(text)
	for _, c := range causes {
		if strings.Contains(text, c.words) {
			return class + c.detail
		}
	}
	return class + "0.0"
}
