# Evaluates package.nix and module.nix of a release (dir, a path) with as much of nixpkgs as they use.
{ dir }:
let
  lib = {
    licenses.mit = "MIT";
    mkEnableOption = description: { inherit description; default = false; };
    mkOption = option: option;
    mkIf = condition: value: if condition then value else { };
    types = { bool = "bool"; package = "package"; };
  };
  package = system: import (dir + "/package.nix") {
    inherit lib;
    stdenvNoCC = { hostPlatform = { inherit system; }; mkDerivation = set: set; };
    fetchurl = set: set;
    installShellFiles = "installShellFiles";
  };
  module = import (dir + "/module.nix") {
    inherit lib;
    pkgs.coreutils = "/coreutils";
    config.services.mox = { enable = true; package = "/package"; openFirewall = true; };
  };
in
{
  x86 = (package "x86_64-linux").src.url;
  missing = (builtins.tryEval (package "riscv64-linux").src.url).success;
  inherit (package "x86_64-linux") version meta;
  options = builtins.attrNames module.options.services.mox;
  inherit (module) config;
}
