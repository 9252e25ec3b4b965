package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"recado/acs/wire"
	"recado/webhook"
)

// blocks gives the fenced blocks of a language in a document of the project.
func blocks(t *testing.T, doc, language string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", doc))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)\n```").FindAllStringSubmatch(string(text), -1) {
		out = append(out, m[1])
	}
	if len(out) == 0 {
		t.Fatalf("%s has no block of %s", doc, language)
	}
	return out
}

// vector is a signed request, right or wrong, for the programs of the documents.
type vector struct {
	Name    string            `json:"name"`
	Secret  string            `json:"secret"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Want    bool              `json:"want"`
}

func vectors(t *testing.T) []vector {
	t.Helper()
	s, old := webhook.NewSecret(), webhook.NewSecret()
	body := []byte(`{"type":"action.succeeded","router_id":"Café","n":1}`)
	make1 := func(name string, want bool, at time.Time, change func(v *vector), secrets ...webhook.Secret) vector {
		h := http.Header{}
		webhook.Sign(h, "evt_1", at, body, secrets...)
		v := vector{Name: name, Secret: s.Standard(), Headers: map[string]string{}, Body: string(body), Want: want}
		for k := range h {
			v.Headers[strings.ToLower(k)] = h.Get(k)
		}
		if change != nil {
			change(&v)
		}
		return v
	}
	now := time.Now()
	return []vector{
		make1("right", true, now, nil, s),
		make1("the second of two", true, now, nil, old, s),
		make1("four minutes old", true, now.Add(-4*time.Minute), nil, s),
		make1("301 s old", false, now.Add(-302*time.Second), nil, s),
		make1("301 s early", false, now.Add(305*time.Second), nil, s),
		make1("another secret", false, now, nil, old),
		make1("a flipped bit", false, now, func(v *vector) { v.Body = strings.Replace(v.Body, "1", "0", 1) }, s),
		make1("another id", false, now, func(v *vector) { v.Headers["webhook-id"] = "evt_2" }, s),
		make1("another time", false, now, func(v *vector) { v.Headers["webhook-timestamp"] = strconv.FormatInt(now.Unix()-1, 10) }, s),
	}
}

// runVectors gives the vectors to a program, which prints a line of true or false for each.
func runVectors(t *testing.T, vs []vector, command string, args ...string) {
	t.Helper()
	path := need(t, command)
	in, err := json.Marshal(vs)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = strings.NewReader(string(in))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	got := strings.Fields(string(out))
	if len(got) != len(vs) {
		t.Fatalf("%s: got %q, want %d answers", command, out, len(vs))
	}
	for i, v := range vs {
		if got[i] != fmt.Sprint(v.Want) {
			t.Errorf("%s: %s: got %s, want %v", command, v.Name, got[i], v.Want)
		}
	}
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestReceiversCode runs the verification code of the documents on requests that Recado signed.
func TestReceiversCode(t *testing.T) {
	vs := vectors(t)
	const readJSON = `
import json, sys
for v in json.load(sys.stdin):
    print(str(%s).lower())
`
	t.Run("python, README", func(t *testing.T) {
		t.Parallel()
		code := blocks(t, "README.md", "python")[0] + fmt.Sprintf(readJSON, `verified(v["secret"], v["headers"], v["body"].encode())`)
		runVectors(t, vs, "python3", writeFile(t, "a.py", code))
	})
	const readPHP = `
foreach (json_decode(file_get_contents('php://stdin'), true) as $v) {
    echo %s($v['secret'], $v['headers'], $v['body']) ? "true\n" : "false\n";
}
`
	t.Run("php, README", func(t *testing.T) {
		t.Parallel()
		runVectors(t, vs, "php", writeFile(t, "a.php", blocks(t, "README.md", "php")[0]+fmt.Sprintf(readPHP, "verified")))
	})
	const goMain = `
func main() {
	var vs []struct {
		Secret, Body string
		Headers      map[string]string
	}
	if err := json.NewDecoder(os.Stdin).Decode(&vs); err != nil {
		panic(err)
	}
	for _, v := range vs {
		h := http.Header{}
		for k, x := range v.Headers {
			h.Set(k, x)
		}
		fmt.Println(%s)
	}
}
`
	t.Run("go, README", func(t *testing.T) {
		t.Parallel()
		code := `package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

` + blocks(t, "README.md", "go")[0] + fmt.Sprintf(goMain, `verified(v.Secret, h, []byte(v.Body))`)
		runVectors(t, vs, "go", "run", writeFile(t, "main.go", code))
	})
	t.Run("go, webhooks.md", func(t *testing.T) {
		t.Parallel()
		code := blocks(t, "docs/webhooks.md", "go")[0]
		code = strings.Replace(code, "package hook\n", "package main\n", 1)
		code = strings.Replace(code, "\t\"errors\"\n", "\t\"encoding/json\"\n\t\"errors\"\n\t\"fmt\"\n\t\"os\"\n", 1)
		runVectors(t, vs, "go", "run", writeFile(t, "main.go", code+fmt.Sprintf(goMain, `Verify(v.Secret, h, []byte(v.Body), time.Now()) == nil`)))
	})
}

// TestWorkedExample holds the numbers of docs/webhooks.md to what Recado would send.
func TestWorkedExample(t *testing.T) {
	example := map[string]string{}
	for _, line := range strings.Split(blocks(t, "docs/webhooks.md", "text")[0], "\n") {
		name, value, _ := strings.Cut(line, "  ")
		example[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	s, err := webhook.ParseSecret(example["secret"])
	if err != nil {
		t.Fatal(err)
	}
	unix, err := strconv.ParseInt(example["webhook-timestamp"], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(example["body"])
	if got := s.Signature(example["webhook-id"], time.Unix(unix, 0), body); got != example["webhook-signature"] {
		t.Errorf("signature: got %s, want %s", got, example["webhook-signature"])
	}
	if got := s.BodySignature(body); got != example["body signature"] {
		t.Errorf("body signature: got %s, want %s", got, example["body signature"])
	}
}

// TestDocumentedBodies reads the example bodies strictly: every field in them exists.
func TestDocumentedBodies(t *testing.T) {
	actions := 0
	for _, b := range blocks(t, "docs/webhooks.md", "json") {
		var e wire.ActionEvent
		if !strings.Contains(b, `"type": "action.`) {
			if !json.Valid([]byte(b)) {
				t.Errorf("no JSON: %s", b)
			}
			continue
		}
		d := json.NewDecoder(strings.NewReader(b))
		d.DisallowUnknownFields()
		if err := d.Decode(&e); err != nil {
			t.Errorf("%v in %s", err, b)
		}
		actions++
	}
	if actions < 3 {
		t.Errorf("bodies of actions: got %d, want 3 or more", actions)
	}
}

// TestLinks follows the links between the documents.
func TestLinks(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	docs, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	adrs, err := filepath.Glob(filepath.Join(root, "docs", "adr", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := append(append(docs, adrs...), filepath.Join(root, "README.md"), filepath.Join(root, "CHANGELOG.md"))
	for _, doc := range all {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(string(text), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.HasPrefix(target, "http") {
				continue
			}
			path := doc
			if target != "" {
				path = filepath.Join(filepath.Dir(doc), target)
			}
			linked, err := os.ReadFile(path)
			if err != nil {
				t.Errorf("%s: %s leads nowhere", doc, m[1])
				continue
			}
			if anchor != "" && !hasAnchor(string(linked), anchor) {
				t.Errorf("%s: there is no #%s", doc, anchor)
			}
		}
	}
}

func hasAnchor(text, anchor string) bool {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			continue
		}
		title := strings.ToLower(strings.TrimSpace(strings.TrimLeft(line, "#")))
		title = strings.ReplaceAll(regexp.MustCompile(`[^\p{L}\p{N} -]`).ReplaceAllString(title, ""), " ", "-")
		if title == anchor {
			return true
		}
	}
	return false
}
