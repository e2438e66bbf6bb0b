package jmapserver

import (
	"errors"
	"fmt"
	"net/http"

	"mox/auth"
	"mox/httpauth"
)

// scopes are what a token must allow: methods are not told apart by them.
var scopes = []auth.Scope{auth.ScopeRead, auth.ScopeWrite, auth.ScopeSend}

// CredentialsLogin is the [Login] of programs: by password or token in each request. Requests of pages of other sites
// are refused: a browser may know the password.
func (s *Server) CredentialsLogin(service *auth.Service) Login {
	cross := http.NewCrossOriginProtection()
	return func(w http.ResponseWriter, r *http.Request, cid int64) (User, error) {
		who, err := s.credentials(service, cross, r, cid)
		var refusal *httpauth.Refusal
		if err != nil && !errors.As(err, &refusal) {
			s.c.Log.Error("login failed", "err", err, "cid", cid)
			refusal = &httpauth.Refusal{Status: http.StatusInternalServerError, Text: fmt.Sprintf("internal error, see log lines with cid %x", cid)}
		}
		if refusal != nil {
			refusal.Answer(w, "jmap")
			return User{}, refusal
		}
		return User{Account: who.Account, Login: who.Login, Token: who.Token}, nil
	}
}

func (s *Server) credentials(service *auth.Service, cross *http.CrossOriginProtection, r *http.Request, cid int64) (*auth.Principal, error) {
	if err := cross.Check(r); err != nil {
		return nil, &httpauth.Refusal{Status: http.StatusForbidden, Text: "calls of other sites are refused"}
	}
	who, err := httpauth.Login(r.Context(), service, "jmap", r, cid)
	if err != nil {
		return nil, err
	}
	for _, scope := range scopes {
		if !who.May(scope) {
			return nil, &httpauth.Refusal{Status: http.StatusForbidden, Text: fmt.Sprintf("the token has not the scope %q, which JMAP needs", scope)}
		}
	}
	return who, nil
}
