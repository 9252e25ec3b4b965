package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"recado/acs/wire"
)

// signed FILE BODY HEADERS writes the signing example of a new webhook into two files, and the body with a line break more into longer.txt.
func signed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: signed FILE BODY HEADERS")
	}
	var made wire.WebhookCreated
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &made))
	x := made.Example
	var headers strings.Builder
	fmt.Fprintf(&headers, "POST /hook HTTP/1.1\r\nWebhook-Id: %s\r\nWebhook-Timestamp: %s\r\nwebhook-signature: %s\r\n", x.ID, x.Timestamp, x.Signature)
	fmt.Fprintf(&headers, "%s: %s\r\n", x.BodySignatureHeader, x.BodySignature)
	writeScriptFile(ts, args[1], x.Body)
	writeScriptFile(ts, args[2], headers.String())
	writeScriptFile(ts, "longer.txt", x.Body+"\n")
}

func writeScriptFile(ts *testscript.TestScript, name, text string) {
	ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
}
