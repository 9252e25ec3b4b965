package app_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"recado/webhook"
)

// signedCase is a request, right or wrong, for the verifiers of docs/verify.
type signedCase struct {
	name    string
	body    string // scheme: the header under which the body signature is, empty for the standard one
	secrets []string
	headers [][2]string
	payload []byte
	want    bool
}

// caseClock is the receivers' clock in all cases.
const caseClock = 1_795_619_274

// signedCases is the table that all verifiers are held to.
func signedCases(t *testing.T) []signedCase {
	t.Helper()
	s, old, stranger := webhook.NewSecret(), webhook.NewSecret(), webhook.NewSecret()
	own, err := webhook.ParseSecret("own text of a client: é ✓")
	if err != nil {
		t.Fatal(err)
	}
	payload := []byte(`{"type":"action.succeeded","router_id":"Café ✓ \u003c","n":1}`)
	var all []signedCase
	standard := func(name string, want bool, seconds int, by []webhook.Secret, secrets []string, change func(c *signedCase)) {
		c := signedCase{name: name, secrets: secrets, payload: bytes.Clone(payload), want: want}
		if strings.HasPrefix(name, "empty body") {
			c.payload = []byte{}
		}
		h := http.Header{}
		webhook.Sign(h, "evt_1", time.Unix(caseClock+int64(seconds), 0), c.payload, by...)
		for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
			c.headers = append(c.headers, [2]string{name, h.Get(name)})
		}
		if change != nil {
			change(&c)
		}
		all = append(all, c)
	}
	by := func(of ...webhook.Secret) []webhook.Secret { return of }
	one := []string{s.Text()}
	set := func(i int, value string) func(c *signedCase) { return func(c *signedCase) { c.headers[i][1] = value } }
	edit := func(i int, f func(string) string) func(c *signedCase) {
		return func(c *signedCase) { c.headers[i][1] = f(c.headers[i][1]) }
	}
	standard("right", true, 0, by(s), one, nil)
	standard("300 s old", true, -300, by(s), one, nil)
	standard("300 s early", true, 300, by(s), one, nil)
	standard("301 s old", false, -301, by(s), one, nil)
	standard("301 s early", false, 301, by(s), one, nil)
	for _, bit := range []int{0, 100, len(payload)*8 - 1} {
		standard(fmt.Sprintf("bit %d of the body flipped", bit), false, 0, by(s), one, func(c *signedCase) { c.payload[bit/8] ^= 1 << (bit % 8) })
	}
	standard("a line break more", false, 0, by(s), one, func(c *signedCase) { c.payload = append(c.payload, '\n') })
	standard("another id", false, 0, by(s), one, set(0, "evt_2"))
	standard("another time", false, 0, by(s), one, set(1, strconv.Itoa(caseClock-1)))
	standard("a stranger", false, 0, by(stranger), one, nil)
	standard("rotation, the receiver has the new secret", true, 0, by(s, old), one, nil)
	standard("rotation, the receiver has the old secret", true, 0, by(s, old), []string{old.Text()}, nil)
	standard("rotation, the receiver has both", true, 0, by(s), []string{old.Text(), s.Text()}, nil)
	standard("rotation, a stranger's two", false, 0, by(stranger, webhook.NewSecret()), []string{old.Text(), s.Text()}, nil)
	standard("own text, as secret", true, 0, by(own), []string{own.Text()}, nil)
	standard("own text, as standard_secret", true, 0, by(own), []string{own.Standard()}, nil)
	standard("empty body", true, 0, by(s), one, nil)
	standard("empty body, by a stranger", false, 0, by(stranger), one, nil)
	standard("base64 rubbish", false, 0, by(s), one, set(2, "v1,****!!!"))
	standard("no base64 at all", false, 0, by(s), one, set(2, "v1,"))
	standard("an entry of rubbish before the right one", true, 0, by(s), one, edit(2, func(v string) string { return "v2,xx v1,== " + v }))
	standard("without its version", false, 0, by(s), one, edit(2, func(v string) string { return strings.TrimPrefix(v, "v1,") }))
	standard("cut", false, 0, by(s), one, edit(2, func(v string) string { return v[:len(v)-4] }))
	standard("without padding", false, 0, by(s), one, edit(2, func(v string) string { return strings.TrimRight(v, "=") }))
	standard("an empty header", false, 0, by(s), one, set(2, ""))
	standard("time with a plus", false, 0, by(s), one, edit(1, func(v string) string { return "+" + v }))
	standard("time in hex", false, 0, by(s), one, set(1, "0x10"))
	standard("time with a line break", false, 0, by(s), one, edit(1, func(v string) string { return v + "\n" }))
	standard("time beyond all numbers", false, 0, by(s), one, set(1, strings.Repeat("9", 40)))
	standard("time in other digits", false, 0, by(s), one, set(1, "١٧٩٥٦١٩٢٧٤"))
	for i, name := range []string{"id", "timestamp", "signature"} {
		standard("no "+name, false, 0, by(s), one, func(c *signedCase) { c.headers = append(c.headers[:i:i], c.headers[i+1:]...) })
		standard("two of the "+name+", joined", false, 0, by(s), one, edit(i, func(v string) string { return v + ", " + v }))
		standard("twice the "+name, false, 0, by(s), one, func(c *signedCase) { c.headers = append(c.headers, c.headers[i]) })
	}
	plain := func(name string, want bool, value string, secrets []string) {
		all = append(all, signedCase{name: "body signature: " + name, body: "x-signature", secrets: secrets, payload: payload, want: want, headers: [][2]string{{"x-signature", value}}})
	}
	right := s.BodySignature(payload)
	plain("right", true, right, one)
	plain("own text", true, own.BodySignature(payload), []string{own.Text()})
	plain("the second of two", true, right, []string{old.Text(), s.Text()})
	plain("a stranger", false, stranger.BodySignature(payload), one)
	plain("of another body", false, s.BodySignature(payload[1:]), one)
	plain("without its prefix", false, strings.TrimPrefix(right, "sha256="), one)
	plain("cut", false, right[:len(right)-2], one)
	plain("rubbish", false, "sha256=zz", one)
	plain("empty", false, "", one)
	return all
}

// lines writes the cases for programs that read no JSON: scheme, clock, secrets, headers and body, between tabs; all in base64.
func lines(cases []signedCase) string {
	enc := func(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
	var out strings.Builder
	for _, c := range cases {
		var secrets, headers []string
		for _, s := range c.secrets {
			secrets = append(secrets, enc([]byte(s)))
		}
		for _, h := range c.headers {
			headers = append(headers, enc([]byte(h[0]))+":"+enc([]byte(h[1])))
		}
		scheme := "standard"
		if c.body != "" {
			scheme = "body"
		}
		fmt.Fprintf(&out, "%s\t%d\t%s\t%s\t%s\n", scheme, caseClock, strings.Join(secrets, ","), strings.Join(headers, ","), enc(c.payload))
	}
	return out.String()
}

// need finds a program. Without it the test is skipped, which CI does not allow: make deps installs them.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not on this machine, and CI needs it", program)
		}
		t.Skipf("SKIPPED: %s is not on this machine, so the verifier in that language is not tried", program)
	}
	return path
}

// verifier makes ready a verifier of docs/verify, and gives the command that reads cases and the one that receives on a port.
type verifier struct {
	file    string
	program string
	cases   func(t *testing.T, path string) *exec.Cmd
	receive func(t *testing.T, path, port string) *exec.Cmd // nil where the file has no receiver
}

func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	return exec.CommandContext(t.Context(), args[0], args[1:]...)
}

func build(t *testing.T, args ...string) {
	t.Helper()
	if out, err := command(t, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

var verifiers = []verifier{
	{
		"verify.py", "python3", func(t *testing.T, path string) *exec.Cmd {
			cmd := command(t, "python3", writeFile(t, "cases.py", pythonCases))
			cmd.Env = append(os.Environ(), "PYTHONPATH="+filepath.Dir(path), "PYTHONDONTWRITEBYTECODE=1")
			return cmd
		},
		func(t *testing.T, path, port string) *exec.Cmd { return command(t, "python3", path, port) },
	},
	{
		"verify.php", "php", func(t *testing.T, path string) *exec.Cmd {
			return command(t, "php", writeFile(t, "cases.php", fmt.Sprintf(phpCases, path)))
		},
		func(t *testing.T, path, port string) *exec.Cmd {
			return command(t, "php", "-S", "127.0.0.1:"+port, path)
		},
	},
	{
		"verify.mjs", "node", func(t *testing.T, path string) *exec.Cmd {
			return command(t, "node", writeFile(t, "cases.mjs", fmt.Sprintf(nodeCases, path)))
		},
		func(t *testing.T, path, port string) *exec.Cmd { return command(t, "node", path, port) },
	},
	{
		"Verify.java", "javac", func(t *testing.T, path string) *exec.Cmd {
			out := t.TempDir()
			build(t, "javac", "-Xlint:all", "-Werror", "-d", out, path, writeFile(t, "Cases.java", javaCases))
			return command(t, "java", "-XX:TieredStopAtLevel=1", "-cp", out, "Cases")
		},
		func(t *testing.T, path, port string) *exec.Cmd { return command(t, "java", path, port) },
	},
	{
		"Verify.cs", "mcs", func(t *testing.T, path string) *exec.Cmd {
			out := filepath.Join(t.TempDir(), "cases.exe")
			build(t, "mcs", "-out:"+out, path, writeFile(t, "Cases.cs", csharpCases))
			return command(t, "mono", out)
		}, nil,
	},
}

// TestVerifiers holds every verifier of docs/verify to the same table, and the one for Go too.
func TestVerifiers(t *testing.T) {
	cases := signedCases(t)
	check := func(t *testing.T, got []string) {
		t.Helper()
		if len(got) != len(cases) {
			t.Fatalf("got %d answers, want %d: %q", len(got), len(cases), got)
		}
		for i, c := range cases {
			if got[i] != strconv.FormatBool(c.want) {
				t.Errorf("%s: got %s, want %v", c.name, got[i], c.want)
			}
		}
	}
	input := lines(cases)
	for _, v := range verifiers {
		t.Run(v.file, func(t *testing.T) {
			t.Parallel()
			need(t, v.program)
			cmd := v.cases(t, verifierPath(t, v.file))
			cmd.Stdin = strings.NewReader(input)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%s: %v\n%s%s", v.file, err, out, stderr.String())
			}
			check(t, strings.Fields(string(out)))
		})
	}
	t.Run("Go", func(t *testing.T) {
		var got []string
		for _, c := range cases {
			v, err := webhook.NewVerifier(webhook.VerifierConfig{Secrets: c.secrets})
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			h := http.Header{}
			for _, one := range c.headers {
				h.Add(one[0], one[1])
			}
			if c.body == "" {
				_, err = v.Verify(h, c.payload, time.Unix(caseClock, 0))
			} else {
				for _, s := range c.secrets {
					if err = webhook.VerifyBody(s, h.Get(c.body), c.payload); err == nil {
						break
					}
				}
			}
			got = append(got, strconv.FormatBool(err == nil))
		}
		check(t, got)
	})
}

func verifierPath(t *testing.T, file string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "..", "docs", "verify", file))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestVerifiersReceive runs the receivers in those files.
func TestVerifiersReceive(t *testing.T) {
	for _, v := range verifiers {
		if v.receive == nil {
			continue // its receiver needs a web framework; the file shows it in a comment
		}
		t.Run(v.file, func(t *testing.T) {
			t.Parallel()
			need(t, v.program)
			s, old := webhook.NewSecret(), webhook.NewSecret()
			at, out := startReceiver(t, v, "WEBHOOK_SECRET="+s.Text(), "WEBHOOK_SECRET_OLD="+old.Text())
			post := func(by webhook.Secret, body string, forge bool) int {
				t.Helper()
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+at+"/", strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				req.Close = true
				webhook.Sign(req.Header, "evt_1", time.Now(), []byte(body), by)
				if forge {
					req.Header.Add("webhook-id", "evt_1")
				}
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatalf("%v\n%s", err, out.String())
				}
				resp.Body.Close()
				return resp.StatusCode
			}
			const body = `{ "router_id": "Café" }` + "\n"
			for _, c := range []struct {
				name  string
				by    webhook.Secret
				body  string
				forge bool
				want  int
			}{
				{"right", s, body, false, 204},
				{"by the old secret", old, body, false, 204},
				{"an empty body", s, "", false, 204},
				{"a stranger", webhook.NewSecret(), body, false, 401},
				{"two ids", s, body, true, 401},
				{"as long as may be", s, strings.Repeat("x", 1<<20), false, 204},
			} {
				if got := post(c.by, c.body, c.forge); got != c.want {
					t.Errorf("%s: got %d, want %d\n%.500s", c.name, got, c.want, out.String())
				}
			}
		})
	}
}

// startReceiver starts a verifier's receiver on a free port, and gives its address and what it prints. Another program may take
// the port in between; then it is tried again on another one.
func startReceiver(t *testing.T, v verifier, env ...string) (at string, out *lockedText) {
	t.Helper()
	for try := 1; ; try++ {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at = l.Addr().String()
		l.Close()
		_, port, _ := net.SplitHostPort(at)
		cmd := v.receive(t, verifierPath(t, v.file), port)
		cmd.Env = append(append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1"), env...)
		out = &lockedText{}
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { defer close(ended); _ = cmd.Wait() }()
		t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
		if receives(t, at, ended) {
			return at, out
		}
		if try == 5 {
			t.Fatalf("%s does not receive:\n%s", v.file, out)
		}
	}
}

// receives waits until a receiver refuses a request without a signature; false where its program ended.
func receives(t *testing.T, at string, ended <-chan struct{}) bool {
	t.Helper()
	for range 1500 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+at+"/", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Close = true
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		select {
		case <-ended:
			return false
		case <-time.After(20 * time.Millisecond):
		}
		if err == nil && resp.StatusCode == http.StatusUnauthorized {
			return true
		}
	}
	return false
}

// lockedText keeps what a program prints.
type lockedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String gives what was printed so far.
func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
