package main

func smtpCommands() []command { return nil }
