package docs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"recado/acs"
	"recado/acs/wire/wiretest"
	"recado/webhook"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// constants gives the values of the named string type's constants in a Go file, or of those whose name begins with a prefix.
func constants(t *testing.T, file, typ, prefix string) (values []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		of, _ := spec.Type.(*ast.Ident)
		if (typ == "" || of == nil || of.Name != typ) && (prefix == "" || !strings.HasPrefix(spec.Names[0].Name, prefix)) {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
			value, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return true
	})
	if len(values) < 3 {
		t.Fatalf("%s: found %d constants of %s%s, want 3 or more", file, len(values), typ, prefix)
	}
	return values
}

// TestCodesAreDocumented holds the documents to the codes that programs see.
func TestCodesAreDocumented(t *testing.T) {
	for _, c := range []struct{ doc, file, typ, prefix string }{
		{"states.md", "../acs/action.go", "Status", ""},
		{"states.md", "../acs/action.go", "Stage", ""},
		{"states.md", "../acs/action.go", "Reason", ""},
		{"states.md", "../acs/action.go", "", "Evidence"},
		{"states.md", "../cwmp/request.go", "RequestReason", ""},
		{"webhooks.md", "../webhook/types.go", "ErrorClass", ""},
		{"webhooks.md", "../webhook/types.go", "Order", ""},
		{"webhooks.md", "../webhook/sign.go", "", "Header"},
	} {
		text := read(t, c.doc)
		for _, v := range constants(t, c.file, c.typ, c.prefix) {
			if !strings.Contains(text, "`"+v+"`") {
				t.Errorf("%s: `%s` (%s) is missing", c.doc, v, c.file)
			}
		}
	}
}

// TestEventTypesAreDocumented holds the table and the examples of webhooks.md to the catalogue.
func TestEventTypesAreDocumented(t *testing.T) {
	text := read(t, "webhooks.md")
	for _, e := range acs.EventTypes {
		row := regexp.MustCompile("(?m)^\\| `" + regexp.QuoteMeta(e.Name) + "` \\| (\\w+) \\| .* \\| (yes|no: by name only) \\|$").FindStringSubmatch(text)
		if row == nil {
			t.Errorf("webhooks.md: event type %s is missing", e.Name)
			continue
		}
		if row[1] != e.Priority.String() || (row[2] != "yes") != e.ByNameOnly {
			t.Errorf("webhooks.md: got %q, want priority %s, by name only %v", row[0], e.Priority, e.ByNameOnly)
		}
	}
	shown := map[string]bool{}
	for _, m := range regexp.MustCompile("(?s)```json\n(.*?)\n```").FindAllStringSubmatch(text, -1) {
		var body struct{ Type string }
		if err := json.Unmarshal([]byte(m[1]), &body); err != nil {
			t.Errorf("webhooks.md: %v in %s", err, m[1])
			continue
		}
		e, known := acs.EventTypes.Type(body.Type)
		if !known {
			continue
		}
		if err := wiretest.CheckBody(body.Type, []byte(m[1])); err != nil {
			t.Errorf("webhooks.md: %v in %s", err, m[1])
		}
		shown[e.Name] = shown[e.Name] || m[1] == strings.TrimSpace(indented(t, e.Example))
	}
	for _, e := range acs.EventTypes {
		if !shown[e.Name] {
			t.Errorf("webhooks.md: the example of %s is missing, or is not the catalogue's", e.Name)
		}
	}
}

func indented(t *testing.T, b []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestTimelineIsDocumented looks for the codes that the engine notes.
func TestTimelineIsDocumented(t *testing.T) {
	_, table, ok := strings.Cut(read(t, "states.md"), "\n## Timeline\n")
	if !ok {
		t.Fatal("states.md has no timeline")
	}
	files, err := filepath.Glob("../acs/*.go")
	if err != nil {
		t.Fatal(err)
	}
	noted := 0
	for _, f := range files {
		for _, m := range regexp.MustCompile(`\.note\(now, "([a-z_]+)"[,)]`).FindAllStringSubmatch(read(t, f), -1) {
			noted++
			if !strings.Contains(table, "`"+m[1]+"`") {
				t.Errorf("states.md: the timeline's `%s` (%s) is missing", m[1], f)
			}
		}
	}
	if noted < 10 {
		t.Errorf("found %d codes in the engine, want 10 or more", noted)
	}
}

// TestDangerousParametersAreDocumented holds the list of operations.md to the engine's.
func TestDangerousParametersAreDocumented(t *testing.T) {
	var rules []string
	for _, m := range regexp.MustCompile("MustCompile\\(`\\(\\?i\\)(.*?)`\\)").FindAllStringSubmatch(read(t, "../acs/dangerous.go"), -1) {
		rules = append(rules, m[1])
	}
	_, section, _ := strings.Cut(read(t, "operations.md"), "\n## Dangerous parameters\n")
	_, block, _ := strings.Cut(section, "```text\n")
	block, _, _ = strings.Cut(block, "\n```")
	if got := strings.Split(block, "\n"); len(rules) < 5 || !slices.Equal(got, rules) {
		t.Errorf("operations.md lists\n%s\nwant\n%s", block, strings.Join(rules, "\n"))
	}
}

// TestRetriesAreDocumented holds the table of webhooks.md to the schedule.
func TestRetriesAreDocumented(t *testing.T) {
	text := read(t, "webhooks.md")
	waits := webhook.DefaultSchedule()
	for i, w := range waits {
		shown := fmt.Sprintf("%d s", int(w.Seconds()))
		switch {
		case w >= time.Hour:
			shown = fmt.Sprintf("%d h", int(w.Hours()))
		case w >= time.Minute:
			shown = fmt.Sprintf("%d min", int(w.Minutes()))
		}
		if row := fmt.Sprintf("\n| %d | %s |", i+2, shown); !strings.Contains(text, row) {
			t.Errorf("webhooks.md has no row %q", row)
		}
	}
	if row := fmt.Sprintf("\n| %d |", len(waits)+2); strings.Contains(text, row) {
		t.Errorf("webhooks.md has a row %q; the schedule ends before", row)
	}
}

// request is what the programs are asked about: At is the receiver's clock.
type request struct {
	Name, Secret, Body, Text, BodySignature string
	Headers                                 map[string]string
	At                                      int64
	Want, WantBody                          bool
}

// requests are at the edge of what may pass, which only a clock that is given can show.
func requests(t *testing.T) []request {
	t.Helper()
	const sent = 1_795_619_274
	own, err := webhook.ParseSecret("a text of our own, sixteen or more")
	if err != nil {
		t.Fatal(err)
	}
	body := `{"router_id":"Café","n":1}`
	var list []request
	add := func(name string, s webhook.Secret, late int64, want, wantBody bool, change func(*request)) {
		h := http.Header{}
		webhook.Sign(h, "evt_1", time.Unix(sent, 0), []byte(body), s)
		r := request{
			Name: name, Secret: s.Standard(), Text: s.Text(), Body: body, BodySignature: s.BodySignature([]byte(body)), Headers: map[string]string{},
			At: sent + late, Want: want, WantBody: wantBody,
		}
		for k := range h {
			r.Headers[strings.ToLower(k)] = h.Get(k)
		}
		if change != nil {
			change(&r)
		}
		list = append(list, r)
	}
	made := webhook.NewSecret()
	add("300 s old", made, 300, true, true, nil)
	add("300 s early", made, -300, true, true, nil)
	add("301 s old", made, 301, false, true, nil)
	add("301 s early", made, -301, false, true, nil)
	add("own text", own, 0, true, true, nil)
	add("a flipped bit", made, 0, false, false, func(r *request) { r.Body = strings.Replace(r.Body, "1", "0", 1) })
	add("a swapped id", made, 0, false, true, func(r *request) { r.Headers["webhook-id"] = "evt_2" })
	add("no id", made, 0, false, true, func(r *request) { delete(r.Headers, "webhook-id") })
	add("no timestamp", made, 0, false, true, func(r *request) { delete(r.Headers, "webhook-timestamp") })
	add("no number", made, 0, false, true, func(r *request) { r.Headers["webhook-timestamp"] += " " })
	add("no signature", made, 0, false, false, func(r *request) {
		delete(r.Headers, "webhook-signature")
		r.BodySignature = ""
	})
	add("another version", made, 0, false, true, func(r *request) { r.Headers["webhook-signature"] = "v2" + r.Headers["webhook-signature"][2:] })
	return list
}

const goReceiver = `package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"try/hook"
)

func main() {
	var list []struct {
		Secret, Body, Text, BodySignature string
		Headers                           map[string]string
		At                                int64
	}
	if err := json.NewDecoder(os.Stdin).Decode(&list); err != nil {
		panic(err)
	}
	for _, r := range list {
		h := http.Header{}
		for k, v := range r.Headers {
			h.Set(k, v)
		}
		fmt.Println(hook.Verify(r.Secret, h, []byte(r.Body), time.Unix(r.At, 0)) == nil, hook.VerifyBody(r.Text, r.BodySignature, []byte(r.Body)) == nil)
	}
}
`

// TestReceivers runs the program of webhooks.md whole, with a clock that is given to them, as modules of others.
func TestReceivers(t *testing.T) {
	for _, l := range []struct {
		language, file, main, harness string
		command                       []string
	}{
		{"go", "hook/hook.go", "main.go", goReceiver, []string{"go", "run", "."}},
	} {
		t.Run(l.language, func(t *testing.T) {
			_, code, ok := strings.Cut(read(t, "webhooks.md"), "```"+l.language+"\n")
			if !ok {
				t.Fatalf("webhooks.md has no block of %s", l.language)
			}
			code, _, _ = strings.Cut(code, "\n```")
			dir := t.TempDir()
			for name, text := range map[string]string{l.file: code + "\n", l.main: l.harness, "go.mod": "module try\n\ngo 1.21\n"} {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			compare(t, requests(t), dir, l.command)
		})
	}
}

// compare runs a program, which prints for each request whether both signatures are right.
func compare(t *testing.T, list []request, dir string, command []string) {
	t.Helper()
	if _, err := exec.LookPath(command[0]); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not on this machine, and CI needs it", command[0])
		}
		t.Skipf("SKIPPED: %s is not on this machine, so the code for receivers in that language is not tried", command[0])
	}
	in, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(string(in))
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(list) {
		t.Fatalf("%v: got %q, want %d lines", command, out, len(list))
	}
	for i, r := range list {
		if want := fmt.Sprint(r.Want, r.WantBody); lines[i] != want {
			t.Errorf("%s: got %s, want %s (signature, body signature)", r.Name, lines[i], want)
		}
	}
}
