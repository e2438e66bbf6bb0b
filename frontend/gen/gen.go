// Command gen writes the TypeScript clients of the APIs of pages into frontend/src/api. Run it at the
// top of the repository.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"mox/accountapi"
	"mox/adminapi"
	"mox/mailapi"
)

// directory is below the top of the repository.
const directory = "frontend/src/api"

// files returns the content of the files, by their names.
func files() map[string][]byte {
	return map[string][]byte{
		"account.ts": accountapi.Describe().TypeScript(),
		"admin.ts":   adminapi.Describe().TypeScript(),
		"mail.ts":    mailapi.Describe().TypeScript(),
	}
}

func main() {
	for name, text := range files() {
		if err := os.WriteFile(filepath.Join(directory, name), text, 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
