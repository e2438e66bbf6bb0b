package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"

	"mox/webapi"
)

// webapiCommands are those for the HTTP API and its webhooks.
func webapiCommands() []command {
	return []command{
		{words: "webapi", args: "[method [baseurl-with-credentials]]", short: "show methods of the HTTP API, or call one", max: 2, setup: withJSON(runWebAPI), help: webapiHelp},
		{words: "example", args: "[name]", short: "print an example, such as of a webhook call", max: 1, setup: withJSON(runExample), help: "Without argument, lists the names of examples. With -json, an object for each, or for the one that is\nnamed: Name and Body."},
	}
}

func runWebAPI(ctx context.Context, p *program, args []string) error {
	methods := webapi.Methods()
	if len(args) == 0 {
		for _, m := range methods {
			if p.json {
				if err := printJSONLine(p.stdout, describedMethod(m)); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintf(p.stdout, "%-19s %s\n", m.Name, m.Summary)
		}
		return nil
	}
	i := slices.IndexFunc(methods, func(m webapi.Method) bool { return m.Name == args[0] })
	if i < 0 {
		return fmt.Errorf("no method %q; \"mox webapi\" lists them", args[0])
	}
	if len(args) == 1 && p.json {
		return printJSONLine(p.stdout, describedMethod(methods[i]))
	} else if len(args) == 1 {
		return describeMethod(p.stdout, methods[i])
	}
	return callMethod(ctx, p, args[0], args[1])
}

// methodJSON is a method of the HTTP API; Raw tells of a result that is no JSON.
type methodJSON struct {
	Name, Summary, Doc string
	Request            any
	Result             any    `json:",omitempty"`
	Raw                string `json:",omitempty"`
}

func describedMethod(m webapi.Method) methodJSON {
	d := methodJSON{m.Name, m.Summary, m.Doc, m.Request, m.Result, m.Raw}
	if m.Raw != "" {
		d.Result = nil
	}
	return d
}

func describeMethod(w io.Writer, m webapi.Method) error {
	fmt.Fprintf(w, "%s: %s %s\n\nRequest:\n\n", m.Name, m.Summary, m.Doc)
	if err := printJSON(w, m.Request); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nResult:\n\n")
	if m.Raw != "" {
		fmt.Fprintln(w, m.Raw)
		return nil
	}
	return printJSON(w, m.Result)
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "\t")
	return e.Encode(v)
}

func callMethod(ctx context.Context, p *program, method, base string) error {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		// The error of Parse would show the password.
		return usagef("the base URL must be like https://user%%40example.org:password@mail.example.org/webapi/")
	}
	c := webapi.Client{}
	if u.User != nil {
		c.Username = u.User.Username()
		c.Password, _ = u.User.Password()
		if c.Username == "token" {
			c.Token = c.Password
		}
	}
	u.User = nil
	c.BaseURL = u.String()
	r, err := c.Call(ctx, method, p.stdin)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(p.stdout, r)
	return err
}

func runExample(_ context.Context, p *program, args []string) error {
	found := false
	for _, ex := range webapi.HookExamples() {
		if len(args) > 0 && ex.Name != args[0] {
			continue
		}
		found = true
		var err error
		switch {
		case p.json:
			err = printJSONLine(p.stdout, struct {
				Name string
				Body any
			}{ex.Name, ex.Body})
		case len(args) == 0:
			_, err = fmt.Fprintln(p.stdout, ex.Name)
		default:
			err = printJSON(p.stdout, ex.Body)
		}
		if err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("no example %q; \"mox example\" lists them", args[0])
	}
	return nil
}

const webapiHelp = `
Without arguments, lists the methods. With a method, prints an example of its request and
result. With a URL too, sends the JSON object on standard input to the method and prints the
result:

	echo '{"To": [{"Address": "you@example.com"}], "Text": "hi"}' |
		mox webapi Send https://me%40example.org:password@mail.example.org/webapi/

For a token, the user is "token" and the password the token.

With -json and without URL, an object for each method: Name, Summary, Doc, Request and Result (examples), or Raw.`
