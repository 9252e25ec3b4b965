package main

import (
	"bytes"
	"encoding/json"
	"log"
	"os"
	"strings"
	"testing"

	"recado/cmd/internal/app"
)

func TestLibrariesLogThroughOurs(t *testing.T) {
	flags := log.Flags()
	t.Cleanup(func() { log.SetFlags(flags); log.SetOutput(os.Stderr) })
	var out bytes.Buffer
	takeLog(app.NewLogger(&out, "json", "debug"))
	const said = "Unsolicited response: \x1b[31m\r\n{\"level\":\"ERROR\"}"
	log.Print(said)
	var line struct{ Level, Msg string }
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || strings.Count(out.String(), "\n") != 1 {
		t.Fatalf("got %q (%v), want one line of JSON", out.String(), err)
	}
	if line.Level != "DEBUG" || line.Msg != said {
		t.Errorf("got %+v, want %q at DEBUG", line, said)
	}
}
