package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"recado/acs/wire/wiretest"
)

// wrongBody is how the program ends in tests when it receives a body that does not fit its schema.
const wrongBody = 70

// TestMain lets the scripts run this very program as "recado".
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"recado": func() {
		checkBody = func(eventType string, body []byte) error {
			err := wiretest.CheckBody(eventType, body)
			if err != nil {
				fmt.Fprintf(os.Stderr, "a webhook's body is wrong: %v\n%s\n", err, body)
				os.Exit(wrongBody)
			}
			return nil
		}
		os.Exit(mainStatus())
	}})
}

// TestScripts runs testdata/script. Each script has free ports in $API, $CWMP and $HOOK, and no RECADO_ variable of the caller's.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			for _, name := range []string{"API", "CWMP", "HOOK"} {
				at, err := freePort()
				if err != nil {
					return err
				}
				e.Setenv(name, at)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "ready": ready, "answers": answers, "retry": retry, "signed": signed, "put": put, "capture": capture, "replace": replace},
	})
}

// freePort finds an address on which nothing listens now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// exits N PROGRAM ARGS… runs a program that must exit with status N.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	if err != nil {
		ts.Fatalf("exits: %q is no status", args[0])
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("exits: %v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status: got %d, want %d", got, want)
	}
}

// ready ADDR waits until the server at ADDR is ready.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ready ADDR")
	}
	ts.Check(until(func(ctx context.Context) error {
		status, err := get(ctx, "http://"+args[0]+"/readyz")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d", status)
		}
		return err
	}))
}

// answers ADDR waits until somebody answers HTTP at ADDR, with whatever status.
func answers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: answers ADDR")
	}
	ts.Check(until(func(ctx context.Context) error {
		_, err := get(ctx, "http://"+args[0]+"/")
		return err
	}))
}

func get(ctx context.Context, url string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

// retry PROGRAM ARGS… runs a program until it succeeds.
func retry(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: retry PROGRAM ARGS…")
	}
	ts.Check(until(func(context.Context) error { return ts.Exec(args[0], args[1:]...) }))
}

// put ADDR PATH JSON makes a PUT with the token in $RECADO_TOKEN_FILE, which must succeed.
func put(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: put ADDR PATH JSON")
	}
	r, err := http.NewRequest(http.MethodPut, "http://"+args[0]+args[1], strings.NewReader(args[2]))
	ts.Check(err)
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(ts.ReadFile(ts.Getenv("RECADO_TOKEN_FILE"))))
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	ts.Check(err)
	ts.Check(res.Body.Close())
	if res.StatusCode/100 != 2 {
		ts.Fatalf("put %s: got %d, want 2xx", args[1], res.StatusCode)
	}
}

// capture NAME REGEXP sets a variable to the first group's match in the last standard output.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture NAME REGEXP")
	}
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("capture: no match for %s", args[1])
	}
	ts.Setenv(args[0], m[1])
}

// replace FILE OLD NEW replaces all of a text in a file by another one of the same length.
func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 || len(args[1]) != len(args[2]) {
		ts.Fatalf("usage: replace FILE OLD NEW, which has the length of OLD")
	}
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("replace: %s is not in the file", args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(text, args[1], args[2])), 0o600))
}

// until tries for 20 s.
func until(try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if pause(ctx, 50*time.Millisecond) != nil {
			return err
		}
	}
}
