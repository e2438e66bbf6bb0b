package service

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// nixProgram stands for the program in the unit that a NixOS module is made from.
const nixProgram = "/@program@"

// nixModule makes a module for NixOS: the systemd unit in its words, so that both say the same, with the user and the
// program, which is a package there.
func (o Options) nixModule() (File, error) {
	o.Program = nixProgram
	files, err := o.files(File{}, "mox.service")
	if err != nil {
		return File{}, err
	}
	sections, err := unitSections(files[0].Content)
	if err != nil {
		return File{}, err
	}
	unit, install := sections["Unit"], sections["Install"]
	var b strings.Builder
	list := func(words ...string) string {
		var quoted []string
		for _, w := range words {
			quoted = append(quoted, nixString(w))
		}
		return "[ " + strings.Join(quoted, " ") + " ]"
	}
	set := func(name string, m map[string][]string) {
		fmt.Fprintf(&b, "      %s = {\n", name)
		for _, k := range slices.Sorted(maps.Keys(m)) {
			value := nixString(m[k][0])
			if len(m[k]) > 1 {
				value = list(m[k]...)
			}
			fmt.Fprintf(&b, "        %s = %s;\n", k, value)
		}
		fmt.Fprintf(&b, "      };\n")
	}
	fmt.Fprintf(&b, nixHead, o.Dir, o.User, nixString(o.User), nixString(o.Dir))
	fmt.Fprintf(&b, "      description = %s;\n", nixString(unit["Description"][0]))
	for _, k := range []string{"After", "Wants"} {
		fmt.Fprintf(&b, "      %s = %s;\n", strings.ToLower(k), list(strings.Fields(unit[k][0])...))
	}
	fmt.Fprintf(&b, "      wantedBy = %s;\n", list(strings.Fields(install["WantedBy"][0])...))
	set("serviceConfig", sections["Service"])
	b.WriteString("    };\n  };\n}\n")
	return File{Path: "/etc/nixos/mox.nix", Content: b.String()}, nil
}

const nixHead = `# A module for NixOS: mox with its directory %[1]s and the user %[2]s. In configuration.nix:
#
#   imports = [ ./mox.nix ];
#   services.mox = { enable = true; package = ...; };
#
# "mox quickstart" makes the configuration in that directory.
{ config, lib, pkgs, ... }:
let
  cfg = config.services.mox;
in
{
  options.services.mox = {
    enable = lib.mkEnableOption "the mail server mox";
    package = lib.mkOption {
      type = lib.types.package;
      description = "Package with bin/mox, such as that of package.nix of a release.";
    };
    openFirewall = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether the ports of mail and web are open in the firewall.";
    };
  };
  config = lib.mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];
    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall [ 25 80 143 443 465 587 993 ];
    users.groups.mox = { };
    users.users.${%[3]s} = {
      isSystemUser = true;
      group = "mox";
      home = %[4]s;
    };
    systemd.services.mox = {
`

// unitSections takes a systemd unit apart: the values of each key, by section.
func unitSections(unit string) (map[string]map[string][]string, error) {
	sections := map[string]map[string][]string{}
	var section map[string][]string
	for line := range strings.Lines(unit) {
		line = strings.TrimSuffix(line, "\n")
		key, value, ok := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = map[string][]string{}
			sections[strings.Trim(line, "[]")] = section
		case !ok || section == nil:
			return nil, fmt.Errorf("unit has the line %q", line)
		default:
			section[key] = append(section[key], value)
		}
	}
	return sections, nil
}

// nixString is a string of the Nix language; programs are those of packages.
func nixString(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", `\${`).Replace(s)
	return `"` + strings.NewReplacer(nixProgram, "${cfg.package}/bin/mox", "/bin/kill", "${pkgs.coreutils}/bin/kill").Replace(s) + `"`
}
