// Package internal_test holds the house rules that no compiler checks: which package may import which, where a third-party
// library lives, and that no connection is made around cmd/internal/outbound.
package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "recado"

// arrows says which of our packages each of ours may import. docs/architecture.md draws it.
var arrows = map[string][]string{
	"cwmp":                  {},
	"cwmp/cwmptest":         {"cwmp"},
	"webhook":               {},
	"webhook/webhooktest":   {"webhook"},
	"acs/wire":              {},
	"acs/wire/wiretest":     {"acs/wire"},
	"acs":                   {"cwmp", "webhook", "acs/wire"},
	"acs/api":               {"acs", "acs/wire", "webhook", "docs", "cwmp"},
	"acs/console":           {"acs", "webhook"},
	"acs/network":           {"acs", "webhook", "acs/wire"},
	"acs/client":            {"acs/wire"},
	"store":                 {"acs", "webhook", "store/memstore", "store/boltstore", "store/pgstore", "store/seal"},
	"store/memstore":        {"acs", "acs/network", "webhook", "cwmp", "store/seal"},
	"store/boltstore":       {"acs", "acs/network", "webhook", "cwmp", "store/seal"},
	"store/pgstore":         {"acs", "acs/network", "webhook", "cwmp", "store/seal"},
	"store/seal":            {},
	"store/storetest":       {"acs", "acs/network", "webhook", "cwmp", "store/memstore"},
	"docs":                  {},
	"cmd/internal/outbound": {},
	"cmd/internal/app": {
		"acs", "acs/api", "acs/console", "acs/network", "acs/client", "acs/wire", "cmd/internal/outbound", "cwmp", "cwmp/cwmptest", "docs",
		"store", "store/memstore", "store/boltstore", "store/pgstore", "store/seal", "webhook", "webhook/webhooktest",
	},
	"cmd/recado": {"cmd/internal/app", "acs/client", "acs/wire", "cwmp/cwmptest", "webhook/webhooktest"},
}

// testArrows are the imports that tests may have besides: the simulators and the stores, so that they test with the real thing.
var testArrows = []string{"acs/client", "cwmp", "cwmp/cwmptest", "webhook", "webhook/webhooktest", "acs/wire", "acs/wire/wiretest", "acs", "docs", "store/memstore", "store/boltstore", "store/storetest", "store/seal"}

// exactTests are packages whose tests have no more than that: a library's tests show that it stands alone.
var exactTests = map[string][]string{
	"cwmp":                  {"cwmp", "cwmp/cwmptest"},
	"cwmp/cwmptest":         {"cwmp", "cwmp/cwmptest"},
	"acs/wire":              {"acs/wire"},
	"store/seal":            {"store/seal"},
	"cmd/internal/outbound": {"cmd/internal/outbound"},
}

// homes says where a third-party library may be imported. Tests of any package may use what is marked so.
var homes = []struct {
	library string
	in      []string
	tests   bool
}{
	{"github.com/beevik/etree", []string{"cwmp"}, true},
	{"go.etcd.io/bbolt", []string{"store/boltstore"}, true},
	{"github.com/labstack/echo", []string{"acs/api", "acs/console"}, true},
	{"github.com/alecthomas/kong", []string{"cmd/recado"}, false},
	{"code.dny.dev/ssrf", []string{"cmd/internal/outbound"}, false},
	{"gopkg.in/yaml.v3", []string{"cmd/recado"}, true},
	{"golang.org/x/term", []string{"cmd/recado"}, false},
	{"github.com/getkin/kin-openapi", nil, true},
	{"github.com/santhosh-tekuri/jsonschema", []string{"acs/wire/wiretest"}, true},
	{"github.com/rogpeppe/go-internal", nil, true},
	{"github.com/standard-webhooks/standard-webhooks", nil, true},
	{"go.uber.org/goleak", nil, true},
}

// dialers may make connections besides outbound: simulators that act as somebody else, and the client that connects to the
// server that its user names.
var dialers = []string{"cmd/internal/outbound", "cwmp/cwmptest", "webhook/webhooktest", "acs/client"}

// connects lists the names of net, net/http and crypto/tls that make a connection, or that are used to.
var connects = map[string][]string{
	"net": {"Dial", "DialTimeout", "DialTCP", "DialUDP", "DialIP", "DialUnix", "Dialer"},
	"net/http": {
		"Get", "Post", "PostForm", "Head", "DefaultClient", "DefaultTransport", "Client", "Transport",
	},
	"crypto/tls": {"Dial", "DialWithDialer", "Dialer"},
}

// file is one Go source file of the project.
type file struct {
	dir, name string
	test      bool
	ast       *ast.File
}

func sources(t *testing.T) (files []file) {
	t.Helper()
	root := moduleRoot(t)
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); p != root && (strings.HasPrefix(name, ".") || name == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, 0)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		files = append(files, file{dir: filepath.ToSlash(filepath.Dir(rel)), name: rel, test: strings.HasSuffix(p, "_test.go"), ast: f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("found %d Go files under %s, want the whole project", len(files), root)
	}
	return files
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = filepath.Dir(dir)
	}
}

func imports(t *testing.T, f file) (paths []string) {
	t.Helper()
	for _, i := range f.ast.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	return paths
}

func TestImportDirections(t *testing.T) {
	for _, f := range sources(t) {
		if f.dir == "cmd/internal" {
			continue
		}
		allowed, known := arrows[f.dir]
		if !known {
			t.Errorf("%s: package %s is not in the picture: give it a room (see arrows)", f.name, f.dir)
			continue
		}
		if f.test {
			allowed = testImports(f.dir, allowed)
		}
		for _, p := range imports(t, f) {
			if ours, ok := strings.CutPrefix(p, module+"/"); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s: imports %s; package %s may import %v", f.name, ours, f.dir, allowed)
			}
		}
	}
}

func testImports(dir string, allowed []string) []string {
	if exact, ok := exactTests[dir]; ok {
		return exact
	}
	if strings.HasPrefix(dir, "cmd/") || dir == "acs/client" {
		return slices.Concat(arrows["cmd/internal/app"], []string{"cmd/internal/app", "store/storetest", "acs/wire/wiretest"})
	}
	return slices.Concat(allowed, testArrows, []string{dir})
}

func TestLibrariesHaveOneHome(t *testing.T) {
	for _, f := range sources(t) {
		for _, p := range imports(t, f) {
			for _, h := range homes {
				if p != h.library && !strings.HasPrefix(p, h.library+"/") {
					continue
				}
				if !slices.Contains(h.in, f.dir) && (!f.test || !h.tests) {
					t.Errorf("%s: imports %s, whose home is %v", f.name, p, h.in)
				}
			}
		}
	}
}

func TestNoCommandIsRun(t *testing.T) {
	for _, f := range sources(t) {
		for _, p := range imports(t, f) {
			if p == "os/exec" && !f.test {
				t.Errorf("%s: imports os/exec; nothing that devices or clients send may come near a shell", f.name)
			}
		}
	}
}

func TestConnectionsAreMadeByOutbound(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || slices.Contains(dialers, f.dir) {
			continue
		}
		for _, use := range connecting(t, f) {
			t.Errorf("%s: uses %s; connections are made by cmd/internal/outbound only", f.name, use)
		}
	}
}

// connecting lists where a file calls or composes what connects. A type in a signature (*http.Client as a parameter) is no use.
func connecting(t *testing.T, f file) (uses []string) {
	local := map[string]string{}
	for i, p := range imports(t, f) {
		if connects[p] == nil {
			continue
		}
		name := path.Base(p)
		if n := f.ast.Imports[i].Name; n != nil {
			name = n.Name
		}
		local[name] = p
	}
	typeOnly := map[*ast.SelectorExpr]bool{}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.StarExpr:
			if s, ok := n.X.(*ast.SelectorExpr); ok {
				typeOnly[s] = true
			}
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if !ok || typeOnly[n] {
				return true
			}
			if p := local[x.Name]; p != "" && slices.Contains(connects[p], n.Sel.Name) {
				uses = append(uses, p+"."+n.Sel.Name)
			}
		}
		return true
	})
	return uses
}

// TestScanFinds proves that the scan would see a breach.
func TestScanFinds(t *testing.T) {
	src := `package p
import ("net"; h "net/http"; "crypto/tls")
func f(c *h.Client, d *net.Dialer) { h.Get(""); _ = h.DefaultClient; _ = &h.Client{}; net.Dial("", ""); var x net.Dialer; _ = x; tls.Dial("", "", nil) }`
	parsed, err := parser.ParseFile(token.NewFileSet(), "p.go", src, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := connecting(t, file{name: "p.go", ast: parsed})
	want := []string{"net/http.Get", "net/http.DefaultClient", "net/http.Client", "net.Dial", "net.Dialer", "crypto/tls.Dial"}
	if !slices.Equal(got, want) {
		t.Errorf("scan found %v, want %v", got, want)
	}
}
