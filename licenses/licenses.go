// Package licenses has the licenses of mox and of everything that is compiled into it.
//
// third-party.txt is made by "go run ./licenses/gen" from the modules that a build for any
// platform uses; a test fails when one is missing. frontend.txt is made by "make frontend" from the
// npm packages that the scripts of the account and admin pages have code of.
package licenses

import (
	_ "embed"
	"io"
)

// own is the text of the LICENSE at the root, which go:embed cannot reach.
//
//go:embed LICENSE
var own string

//go:embed third-party.txt
var thirdParty string

//go:embed frontend.txt
var frontend string

// Write writes all licenses, mox's own first. Each further one has a heading of two lines:
// the module or npm package with its version, and a line of "=".
func Write(w io.Writer) error {
	_, err := io.WriteString(w, own+"\n"+thirdParty+frontend)
	return err
}
