// Command sbom prints the software bill of materials of a Go program as CycloneDX 1.5 JSON:
// the modules that the Go tools say they have built into it, and the npm packages that its pages
// have code of, with their checksums. It runs in the directory packaging.
//
//	go run ./sbom v1.2.3 mox >mox.cdx.json
package main

import (
	"crypto/sha256"
	"crypto/sha512"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"regexp"
	"strings"
)

type hash struct {
	Alg     string `json:"alg"`
	Content string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	PURL       string     `json:"purl,omitempty"`
	Hashes     []hash     `json:"hashes,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type metadata struct {
	Component component `json:"component"`
}

// bom is the document. It has no time and no serial number, so that the same program has the
// same bill.
type bom struct {
	Format      string      `json:"bomFormat"`
	SpecVersion string      `json:"specVersion"`
	Version     int         `json:"version"`
	Metadata    metadata    `json:"metadata"`
	Components  []component `json:"components"`
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: sbom version program")
	}
	b, err := describe(os.Args[1], os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", "  ")
	if err := enc.Encode(b); err != nil {
		log.Fatal(err)
	}
}

func describe(version, path string) (*bom, error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return nil, err
	}
	sum, err := sumOf(path)
	if err != nil {
		return nil, err
	}
	b := &bom{Format: "CycloneDX", SpecVersion: "1.5", Version: 1}
	b.Metadata.Component = component{Type: "application", Ref: info.Main.Path, Name: info.Main.Path, Version: version, Hashes: []hash{{"SHA-256", sum}}}
	for _, s := range info.Settings {
		b.Metadata.Component.Properties = append(b.Metadata.Component.Properties, property{"go:" + s.Key, s.Value})
	}
	goVersion := strings.TrimPrefix(info.GoVersion, "go")
	b.Components = append(b.Components, component{Type: "library", Ref: "pkg:golang/std@" + goVersion, Name: "std", Version: goVersion, PURL: "pkg:golang/std@" + goVersion})
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		purl := "pkg:golang/" + m.Path + "@" + m.Version
		c := component{Type: "library", Ref: purl, Name: m.Path, Version: m.Version, PURL: purl}
		// "h1:" and the base64 of a SHA-256, of a list of the module's files.
		if raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:")); err == nil && len(raw) == sha256.Size {
			c.Hashes = []hash{{"SHA-256", hex.EncodeToString(raw)}}
		} else {
			return nil, fmt.Errorf("%s has no checksum", m.Path)
		}
		b.Components = append(b.Components, c)
	}
	pages, err := npmPackages("../licenses/frontend.txt", "../frontend/package-lock.json")
	if err != nil {
		return nil, err
	}
	b.Components = append(b.Components, pages...)
	return b, nil
}

// reHeading finds package and version in the headings of the file of licenses, which the build of the pages writes.
var reHeading = regexp.MustCompile(`(?m)^(\S+) (\S+), \S+\n=+$`)

// npmPackages returns those that licenses are there of, at the versions and with the checksums of the lock file.
func npmPackages(licenses, lock string) ([]component, error) {
	text, err := os.ReadFile(licenses)
	if err != nil {
		return nil, err
	}
	buf, err := os.ReadFile(lock)
	if err != nil {
		return nil, err
	}
	var locked struct {
		Packages map[string]struct{ Version, Integrity string }
	}
	if err := json.Unmarshal(buf, &locked); err != nil {
		return nil, fmt.Errorf("%s: %w", lock, err)
	}
	var all []component
	for _, m := range reHeading.FindAllStringSubmatch(string(text), -1) {
		name, version := m[1], m[2]
		p := locked.Packages["node_modules/"+name]
		raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(p.Integrity, "sha512-"))
		if err != nil || len(raw) != sha512.Size || p.Version != version {
			return nil, fmt.Errorf("%s %s is not in %s: run \"make frontend\"", name, version, lock)
		}
		// In package URLs the @ of a scope is escaped.
		purl := "pkg:npm/" + strings.Replace(name, "@", "%40", 1) + "@" + version
		all = append(all, component{Type: "library", Ref: purl, Name: name, Version: version, PURL: purl, Hashes: []hash{{"SHA-512", hex.EncodeToString(raw)}}})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no packages in %s", licenses)
	}
	return all, nil
}

func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
