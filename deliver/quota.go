package deliver

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mox/message"
	"mox/store"
)

// quotaLevels are the percentages of its quota from which an account is warned.
var quotaLevels = []int64{95, 80}

// warnAgain is after how long an account is warned once more of the same level.
const warnAgain = 7 * 24 * time.Hour

// quotaSetting is the name under which the last warning is stored: percentage and unix
// time.
const quotaSetting = "deliver/quotawarning"

func quotaLevel(q store.Quota) int64 {
	for _, l := range quotaLevels {
		if percent(q) >= l {
			return l
		}
	}
	return 0
}

// percent is how full an account is, by size or by number of messages.
func percent(q store.Quota) int64 {
	p := int64(0)
	if q.Limit > 0 {
		p = q.Used / max(q.Limit/100, 1)
	}
	if q.MaxMessages > 0 {
		p = max(p, q.Count*100/q.MaxMessages)
	}
	return p
}

// warnQuota puts a message into Inbox when an account is about to be full, for its user
// to learn it before mail is refused. Failing at it fails no delivery.
func (d *Deliverer) warnQuota(ctx context.Context, acc *store.Account, now time.Time) {
	q := acc.Quota()
	level := quotaLevel(q)
	if level == 0 {
		return
	}
	if err := d.warn(ctx, acc, q, level, now); err != nil {
		d.c.Log.WarnContext(ctx, "warning of quota", "account", acc.Name(), "err", err)
	}
}

func (d *Deliverer) warn(ctx context.Context, acc *store.Account, q store.Quota, level int64, now time.Time) error {
	v, err := acc.Setting(ctx, quotaSetting)
	if err != nil {
		return err
	}
	before, at, _ := strings.Cut(string(v), " ")
	last, _ := strconv.ParseInt(before, 10, 64) // 0 if there is none
	unix, _ := strconv.ParseInt(at, 10, 64)
	if last >= level && now.Sub(time.Unix(unix, 0)) < warnAgain {
		return nil
	}
	if err := acc.SetSetting(ctx, quotaSetting, fmt.Appendf(nil, "%d %d", level, now.Unix())); err != nil {
		return err
	}
	sp := d.c.Store.NewSpool()
	defer sp.Close()
	if err := d.composeWarning(sp, acc.Name(), q, now); err != nil {
		return err
	}
	if err := sp.Finish(); err != nil {
		return err
	}
	_, err = acc.Deliver(ctx, store.Inbox, store.NewMessage{Spool: sp, Received: now, Saved: now, Flags: store.FlagImportant})
	return err
}

func (d *Deliverer) composeWarning(sp *store.Spool, account string, q store.Quota, now time.Time) error {
	id, err := message.NewMessageID(d.c.Hostname.ASCII, nil)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	c := message.NewComposer(&b, message.ComposeOptions{})
	c.Addresses("From", []message.Address{{Name: "Mail server", Mailbox: "postmaster", Host: d.c.Hostname.ASCII}})
	c.Text("Subject", fmt.Sprintf("Your mailbox is %d%% full", percent(q)))
	c.Date(now)
	c.MessageIDs("Message-ID", id)
	c.Raw("Auto-Submitted", "auto-generated")
	text := fmt.Sprintf(`The mail of account %s takes %s.

When it is full, new mail is refused and goes back to its senders. Please remove what
you do not need: the mailboxes Trash and Junk first, then messages with large
attachments. Or ask who runs this server for more room.
`, account, use(q))
	if err := c.WriteBody(message.TextBody(text, false)); err != nil {
		return err
	}
	_, err = sp.Write(b.Bytes())
	return err
}

// use says what an account holds of what it may.
func use(q store.Quota) string {
	var parts []string
	if q.Limit > 0 {
		parts = append(parts, size(q.Used)+" of the "+size(q.Limit)+" that it may")
	}
	if q.MaxMessages > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d messages", q.Count, q.MaxMessages))
	}
	return strings.Join(parts, ", and ")
}

// size returns a number of octets for people.
func size(n int64) string {
	if n >= 1<<30 {
		return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
}
