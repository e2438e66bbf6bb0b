//go:build !linux

package main

func isUpgradeProgram() bool { return false }

func upgradeProgram() int { return 0 }
