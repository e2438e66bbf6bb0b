package websession

import (
	"context"
	"fmt"
	"strings"
	"time"

	"mox/auth"
	"mox/jsoncall"
	"mox/smtp"
)

// LoginRequest is for Login.
type LoginRequest struct {
	Token    string `doc:"Of LoginPrep." required:"true"`
	Username string `doc:"An address of the account." required:"true"`
	Password string `doc:"Its password." required:"true"`
}

// LoginResult is what a session begins with.
type LoginResult struct {
	CSRFToken    string `doc:"For header x-mox-csrf of other calls."`
	Account      string `doc:"Name of the account."`
	LoginAddress string `doc:"Address that was logged in with."`
}

// LoginFunction describes Login of pages for users. Its sessions last for life without being used; an account has max at most.
func LoginFunction(life time.Duration, max int) jsoncall.Function {
	return jsoncall.Function{
		Name: "Login", Request: LoginRequest{}, Result: LoginResult{}, Access: jsoncall.NeedsNothing, Summary: "Begin a session, which is set as a cookie.",
		Doc: fmt.Sprintf("A wrong address or password is answered after a second, with the code user:loginFailed; too many of them from a network with 429 and user:tooMany. A session lasts %d hours from when it was last used; an account can have %d.", int(life.Hours()), max),
	}
}

// LoginHandler does what [LoginFunction] describes, with passwords of accounts.
func (s *Sessions) LoginHandler(service *auth.Service) jsoncall.Handler[Current] {
	return jsoncall.Handle(func(ctx context.Context, c *call, r *LoginRequest) (LoginResult, error) {
		if err := s.CheckPrepared(c.R, r.Token); err != nil {
			return LoginResult{}, jsoncall.UserError("%v", err)
		}
		var who *auth.Principal
		username := strings.TrimSpace(r.Username)
		if a, err := smtp.ParseAddressLax(username); err == nil {
			username = a.String() // in one form, for what is shown and kept
		}
		checked, err := s.Attempt(ctx, service, c.W, c.R, c.CID, func(a *auth.Attempt) (err error) {
			who, err = a.Web(ctx, username, r.Password)
			return err
		})
		if err != nil {
			return LoginResult{}, err
		}
		csrf, err := s.Begin(ctx, c.W, c.R, who.Account, who.Login, checked)
		return LoginResult{CSRFToken: csrf, Account: who.Account, LoginAddress: who.Login}, jsoncall.ForUser(err, ErrChanged)
	})
}
