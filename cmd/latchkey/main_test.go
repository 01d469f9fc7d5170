package main

import (
	"os"
	"testing"
)

// asCommand is the variable that makes the test binary another program: the command itself, or one of programs.
const asCommand = "RUN_AS_LATCHKEY"

// TestMain lets tests start this binary again as the command, in a process that they can kill.
func TestMain(m *testing.M) {
	if life := os.Getenv(asCommand); life != "" {
		programs[life]()
		os.Exit(exitUsage) // programs end by themselves
	}
	os.Exit(m.Run())
}

// programs are what this binary can be run as.
var programs = map[string]func(){
	"latchkey":  main,
	diesBefore:  func() { runMortal(diesBefore) },
	diesAfter:   func() { runMortal(diesAfter) },
	diesBetween: func() { runMortal(diesBetween) },

	answersOnly:   func() { runLoginMortal(answersOnly) },
	diesBeforeRun: func() { runLoginMortal(diesBeforeRun) },
	diesBehindRun: func() { runLoginMortal(diesBehindRun) },
}
