package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mox/config"
)

// manCommands is the one for manual pages.
func manCommands() []command {
	return []command{
		{words: "manpages", args: "directory", prints: printsDone, short: "write manual pages of all commands and configuration files", min: 1, max: 1, run: runManPages, unlisted: true, help: "Packages do this when they are built. The directory gets man1 and man5."},
	}
}

func runManPages(_ context.Context, p *program, args []string) error {
	pages, err := p.manPages()
	if err != nil {
		return err
	}
	for name, text := range pages {
		path := filepath.Join(args[0], "man"+name[len(name)-1:], name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// manPages returns the pages by file name, such as mox-serve.1.
func (p *program) manPages() (map[string]string, error) {
	pages := map[string]string{"mox.1": p.manOverview()}
	for i := range p.commands {
		if c := &p.commands[i]; !c.unlisted {
			pages[manName(c)+".1"] = p.manCommand(c)
		}
	}
	for _, f := range []struct {
		name, short string
		write       func(*bytes.Buffer) error
	}{
		{"mox.conf", "static configuration of mox", func(b *bytes.Buffer) error { return config.DescribeStatic(b) }},
		{"domains.conf", "domains, accounts and more of mox", func(b *bytes.Buffer) error { return config.DescribeDynamic(b) }},
		{"moxsubmit.conf", "configuration of mox sendmail", func(b *bytes.Buffer) error { return config.DescribeSendmail(b) }},
	} {
		var b bytes.Buffer
		if err := f.write(&b); err != nil {
			return nil, err
		}
		pages[f.name+".5"] = manHead(f.name, 5, f.short) + ".SH EXAMPLE\n" + manText(b.String(), true)
	}
	return pages, nil
}

func manName(c *command) string { return "mox-" + strings.ReplaceAll(c.words, " ", "-") }

// manHead is the title and NAME of a page.
func manHead(name string, section int, short string) string {
	return fmt.Sprintf(".TH %q %d\n.SH NAME\n%s \\- %s\n", strings.ToUpper(name), section, manLine(name), manLine(short))
}

func (p *program) manCommand(c *command) string {
	var b strings.Builder
	b.WriteString(manHead(manName(c), 1, c.short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n%s\n", manLine(c.usageLine()))
	if help := c.fullHelp(); help != "" {
		b.WriteString(".SH DESCRIPTION\n" + manText(help, false))
	}
	fs := c.flagSet()
	var flags bytes.Buffer
	fs.SetOutput(&flags)
	fs.PrintDefaults()
	b.WriteString(manFlags(flags.String()))
	b.WriteString(".SH SEE ALSO\n.BR mox (1)\n")
	return b.String()
}

func (p *program) manOverview() string {
	var b strings.Builder
	b.WriteString(manHead("mox", 1, "a complete mail server"))
	b.WriteString(".SH SYNOPSIS\nmox [flags] command ...\n.SH COMMANDS\n")
	for i := range p.commands {
		if c := &p.commands[i]; !c.unlisted {
			fmt.Fprintf(&b, ".TP\n.BR %s (1)\n%s\n", manLine(manName(c)), manLine(c.short))
		}
	}
	var flags bytes.Buffer
	fs := (&program{getenv: func(string) string { return "" }}).globalFlags()
	fs.SetOutput(&flags)
	fs.PrintDefaults()
	b.WriteString(manFlags(flags.String()))
	b.WriteString(".SH ENVIRONMENT\n.TP\nMOXCONF\nThe static configuration file, in place of config/mox.conf.\n")
	b.WriteString(".TP\nMOX_CONF_*\nFields of mox.conf that are values, over those of the file: MOX_CONF_LogLevel, MOX_CONF_Listeners__public__Hostname. Items of lists are separated by commas.\n")
	b.WriteString(".SH EXIT STATUS\n0 for success, 1 for an error, 2 for wrong use. \"mox serve\" ends with the number of the signal that ended it.\n")
	b.WriteString(".SH SEE ALSO\n.BR mox.conf (5),\n.BR domains.conf (5),\n.BR moxsubmit.conf (5)\n")
	return b.String()
}

// manFlags turns what package flag prints into OPTIONS.
func manFlags(text string) string {
	if text == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString(".SH OPTIONS\n")
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if flag, short, ok := strings.Cut(line, "\t"); strings.HasPrefix(line, "  -") {
			fmt.Fprintf(&b, ".TP\n%s\n", manLine(strings.TrimSpace(flag)))
			if ok { // flags of one letter have their text on the same line
				fmt.Fprintf(&b, "%s\n", manLine(short))
			}
		} else {
			fmt.Fprintf(&b, "%s\n", manLine(strings.TrimSpace(line)))
		}
	}
	return b.String()
}

// manText is text with paragraphs, in which lines that begin with a tab stand as they are; all
// of them if literal.
func manText(text string, literal bool) string {
	var b strings.Builder
	inExample := false
	example := func(on bool) {
		if on != inExample {
			b.WriteString(map[bool]string{true: ".PP\n.RS 4\n.nf\n", false: ".fi\n.RE\n"}[on])
			inExample = on
		}
	}
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		line = strings.TrimRight(line, "\n")
		example(literal || strings.HasPrefix(line, "\t") || inExample && line == "")
		switch {
		case line == "" && !inExample:
			b.WriteString(".PP\n")
		case literal:
			b.WriteString(manLine(line) + "\n")
		default:
			b.WriteString(manLine(strings.TrimPrefix(line, "\t")) + "\n")
		}
	}
	example(false)
	return b.String()
}

// manLine escapes a line for roff: backslashes, hyphens that are to be copied, and a dot or
// quote at its start, which would be a request.
func manLine(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}
