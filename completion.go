package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
)

// shells maps a shell to the script that asks "mox complete" for candidates.
var shells = map[string]string{
	"bash": `_mox() {
	local IFS=$'\n'
	COMPREPLY=($(mox complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
	if [ ${#COMPREPLY[@]} -eq 0 ]; then
		COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
	fi
}
complete -F _mox mox
`,
	"zsh": `#compdef mox
_mox() {
	local -a candidates
	candidates=("${(@f)$(mox complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	candidates=("${(@)candidates:#}")
	if (( ${#candidates} )); then
		compadd -- "${candidates[@]}"
	else
		_files
	fi
}
compdef _mox mox
`,
	"fish": `function __mox_complete
	set -l tokens (commandline -opc) (commandline -ct)
	mox complete -- $tokens[2..-1] 2>/dev/null
end
complete -c mox -a '(__mox_complete)'
`,
}

func runCompletion(_ context.Context, p *program, args []string) error {
	script, ok := shells[args[0]]
	if !ok {
		return usagef("unknown shell %q: bash, zsh and fish are known", args[0])
	}
	fmt.Fprint(p.stdout, script)
	return nil
}

func runComplete(_ context.Context, p *program, args []string) error {
	for _, c := range p.complete(args) {
		fmt.Fprintln(p.stdout, c)
	}
	return nil
}

// complete returns what can stand in place of the last of the typed words.
func (p *program) complete(typed []string) []string {
	if len(typed) == 0 {
		typed = []string{""}
	}
	before, last := typed[:len(typed)-1], typed[len(typed)-1]
	if len(before) > 0 && before[0] == "help" {
		before = before[1:]
	}
	var out []string
	if cmd, _ := p.find(before); cmd != nil && strings.HasPrefix(last, "-") {
		cmd.flagSet().VisitAll(func(f *flag.Flag) {
			if strings.HasPrefix("-"+f.Name, last) {
				out = append(out, "-"+f.Name)
			}
		})
		return out
	}
	for _, c := range p.commands {
		w := strings.Fields(c.words)
		if c.unlisted || len(w) <= len(before) || !slices.Equal(w[:len(before)], before) {
			continue
		}
		if next := w[len(before)]; strings.HasPrefix(next, last) && !slices.Contains(out, next) {
			out = append(out, next)
		}
	}
	return out
}
